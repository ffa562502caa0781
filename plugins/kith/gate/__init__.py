"""The gate: whether the candidate may be published."""
