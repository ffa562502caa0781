"""Hands identifiers and links to kith.models.identity, whose rules they follow."""


def model(dbt, session):
    """One row per identifier: the person to whom it belongs."""
    from kith.models.identity import IDENTIFIER_COLUMNS, LINK_COLUMNS, resolve

    # Values and evidence stay behind: they are most of the bytes.
    return resolve(
        dbt.ref("int_identifiers").select(*IDENTIFIER_COLUMNS).to_arrow_table(),
        dbt.ref("int_identifier_links").select(*LINK_COLUMNS).to_arrow_table(),
    )
