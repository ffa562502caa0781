"""Publish: the candidate becomes a release."""
