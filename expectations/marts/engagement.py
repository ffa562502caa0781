"""What customers did, what was sent to them and what nobody is known to have done."""

from kith.gate.rows import CRITICAL, no_rows

EXPECTATIONS = [
    no_rows(
        "All traces of each month are those of customer_months",
        CRITICAL,
        """
        select month as in_month, traces, traces_in_month
        from (
            select month, sum(interaction_count) as traces
            from {batch}
            where breakdown = 'total'
            group by month
        )
        full join (
            select month, sum(interaction_count) as traces_in_month
            from customer.customer_months
            group by month
            having sum(interaction_count) > 0
        ) as lived using (month)
        where traces is distinct from traces_in_month and (traces > 0 or traces is null)
        """,
    ),
    no_rows(
        "The channels of a month add up to all of it, but for who comes on several",
        CRITICAL,
        """
        select month as in_month
        from {batch}
        group by month
        having sum(case when breakdown = 'total' then interaction_count else 0 end)
            <> sum(case when breakdown = 'channel' then interaction_count else 0 end)
            or sum(case when breakdown = 'total' then contact_count else 0 end)
            <> sum(case when breakdown = 'channel' then contact_count else 0 end)
            or sum(case when breakdown = 'total' then n else 0 end)
            > sum(case when breakdown = 'channel' then n else 0 end)
        """,
    ),
    no_rows(
        "No day has more active customers than its month, no share is above 100 %",
        CRITICAL,
        """
        select month as in_month, channel, daily_active_average, monthly_active_count
        from {batch}
        where daily_active_average > monthly_active_count
            or weekly_active_average < 0
            or daily_to_monthly_pct > 100.001
            or three_contacts_pct > 100.001
            or contacts_per_active_day < 1
        """,
    ),
]
