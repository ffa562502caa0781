"""Dashboards: charts over the marts, declared in YAML, for Superset and the like.

`make superset` writes them as Superset's own importable YAML, starts a Superset on this
machine and imports them.
"""
