"""Reproduce: a run that failed, made again to its failing rows."""
