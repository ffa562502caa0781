"""Incidents: what failed and no retry mended, until it succeeds again."""
