"""Build: admitted rows to the candidate, by dbt."""
