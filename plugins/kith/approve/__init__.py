"""Approve: numbers that were published and have changed are told, or wait for a person.

Each publication is compared with the current release. Its changes go into the mart
`operations.restatements`; beyond `restatement_limit` of company.yml a person says
whether they are published.
"""
