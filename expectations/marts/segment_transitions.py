"""Who moves leaves one segment and reaches another: sizes before and after agree."""

from kith.gate.rows import CRITICAL, no_rows

EXPECTATIONS = [
    no_rows(
        "Who came and who stayed are all who are there, with their revenue",
        CRITICAL,
        """
        select segments.scheme, segments.state_on, segments.segment
        from segment.segments as segments
        cross join (select min(state_on) as first_day from segment.segments) as firsts
        left join (
            select
                scheme,
                state_on,
                to_segment,
                sum(customer_count) as customer_count,
                sum(revenue_amount) as revenue_amount
            from {batch}
            group by scheme, state_on, to_segment
        ) as arrived
            on segments.scheme = arrived.scheme
            and segments.state_on = arrived.state_on
            and segments.segment = arrived.to_segment
        where segments.state_on > firsts.first_day
            and (
                segments.customer_count <> coalesce(arrived.customer_count, -1)
                or segments.revenue_amount <> coalesce(arrived.revenue_amount, 0)
            )
        """,
    ),
    no_rows(
        "Who left and who stayed are all who were there, with their revenue",
        CRITICAL,
        """
        select segments.scheme, segments.state_on, segments.segment
        from segment.segments as segments
        cross join (select max(state_on) as last_day from segment.segments) as lasts
        left join (
            select
                scheme,
                previous_state_on,
                from_segment,
                sum(customer_count) as customer_count,
                sum(previous_revenue_amount) as revenue_amount
            from {batch}
            group by scheme, previous_state_on, from_segment
        ) as departed
            on segments.scheme = departed.scheme
            and segments.state_on = departed.previous_state_on
            and segments.segment = departed.from_segment
        where segments.state_on < lasts.last_day
            and (
                segments.customer_count <> coalesce(departed.customer_count, -1)
                or segments.revenue_amount <> coalesce(departed.revenue_amount, 0)
            )
        """,
    ),
]
