"""Connectors: how the rows of a source table are fetched."""
