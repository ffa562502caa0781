"""Behaviour on digital touchpoints."""

from kith.gate.rows import WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "No event lies after the as-of date",
        WARNING,
        """
        select source, record_id, event_at
        from intermediate.int_rows_cut
        where feed = 'events' and exists (select 1 from {batch})
        """,
    ),
    no_rows(
        "At least one event in twenty names a person or a device",
        WARNING,
        """
        select count(*) as events, count(coalesce(identifier_value, device_id)) as named
        from {batch}
        having 20 * count(coalesce(identifier_value, device_id)) < count(*)
        """,
    ),
]
