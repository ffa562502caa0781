"""Touchpoints: all traces, under words that are understood."""

from kith.gate.rows import CRITICAL, WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "Touchpoints show every interaction",
        CRITICAL,
        """
        select traces, interactions
        from (select coalesce(sum(interaction_count), 0) as traces from {batch})
        cross join (select count(*) as interactions from customer.interactions)
        where traces <> interactions
        """,
    ),
    # Traces without a channel stand under their kind.
    no_rows(
        "Of traces that name a touchpoint, at most one in five has one of unknown kind",
        WARNING,
        """
        select
            sum(interaction_count) as traces,
            sum(case when kind = 'unknown' then interaction_count else 0 end)
                as of_unknown_kind
        from {batch}
        where touchpoint not in (
            'order', 'event', 'post', 'presence', 'ticket', 'surveyresponse',
            'contact', 'lead', 'quote'
        )
        having 5 * sum(case when kind = 'unknown' then interaction_count else 0 end)
            > sum(interaction_count)
        """,
    ),
]
