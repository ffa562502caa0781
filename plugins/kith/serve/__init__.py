"""Serve: the current release on the PostgreSQL server that a company declares."""
