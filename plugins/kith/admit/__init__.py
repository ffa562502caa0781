"""Admit: raw to admitted rows and quarantine."""
