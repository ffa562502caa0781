"""Leads: all that the feed delivered, each open, won or lost."""

from kith.gate.rows import CRITICAL, no_rows

EXPECTATIONS = [
    no_rows(
        "Leads are those of the feed",
        CRITICAL,
        """
        with delivered as (
            select count(*) as leads_of_feed
            from feeds.leads
        ),

        found as (
            select count(*) as leads
            from {batch}
        )

        select leads, leads_of_feed
        from found
        cross join delivered
        where leads <> leads_of_feed
        """,
    ),
    no_rows(
        "A lead is decided where something tells it, by the as-of date",
        CRITICAL,
        """
        select source, lead_id, outcome, outcome_told_by, decided_on
        from {batch}
        where (outcome = 'open') <> (outcome_told_by is null)
            or (outcome = 'won' and decided_on is null)
            or outcome not in ('open', 'won', 'lost')
            or decided_on > as_of_date
        """,
    ),
    no_rows(
        "A chance lies within its interval, and a missing one has a reason",
        CRITICAL,
        """
        select source, lead_id, win_probability, n, missing_reason
        from {batch}
        where win_probability not between win_probability_low - 1e-12
            and win_probability_high + 1e-12
            or (win_probability is null) <> (missing_reason is not null)
        """,
    ),
]
