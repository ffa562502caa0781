"""Steps of leads: those of the feed, in their order."""

from kith.gate.rows import CRITICAL, no_rows

EXPECTATIONS = [
    no_rows(
        "Every step of a lead that is known is there",
        CRITICAL,
        """
        with delivered as (
            select count(*) as steps_of_feed
            from feeds.lead_stages as stages
            inner join feeds.leads as leads
                on stages.source = leads.source and stages.lead_id = leads.lead_id
        ),

        found as (
            select count(*) as steps
            from {batch}
        )

        select steps, steps_of_feed
        from found
        cross join delivered
        where steps <> steps_of_feed
        """,
    ),
    no_rows(
        "No step begins before the one before it, and one is the latest",
        CRITICAL,
        """
        select source, lead_id, count(*) as steps
        from {batch}
        group by source, lead_id
        having min(days_in_stage) < 0
            or max(position) <> count(*)
            or count(*) filter (where is_latest) <> 1
        """,
    ),
]
