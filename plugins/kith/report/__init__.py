"""The report: one HTML page per release, declared in entries."""
