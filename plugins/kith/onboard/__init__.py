"""Onboard: a company folder written after a company's files."""
