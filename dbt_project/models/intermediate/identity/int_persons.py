"""Hands identifiers and links to kith.models.identity, whose rules they follow."""


def model(dbt, session):
    """One row per identifier: the person to whom it belongs."""
    from kith.models.identity import resolve

    return resolve(
        dbt.ref("int_identifiers").to_arrow_table(),
        dbt.ref("int_identifier_links").to_arrow_table(),
    )
