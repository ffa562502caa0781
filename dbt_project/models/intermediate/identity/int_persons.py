"""Hands identifiers and links to kith.models.identity; int_persons.yml says the rest."""


def model(dbt, session):
    """One row per identifier: the person to whom it belongs."""
    from kith.models.identity import resolve

    return resolve(
        dbt.ref("int_identifiers").to_arrow_table(),
        dbt.ref("int_links_numbered").to_arrow_table(),
    )
