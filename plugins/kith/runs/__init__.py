"""A run: which company and days, where its files lie, its lock and its journal."""
