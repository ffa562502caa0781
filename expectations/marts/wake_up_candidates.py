"""Who sleeps is judged, and nobody is woken against their will or at a loss."""

from kith.gate.rows import CRITICAL, no_rows

EXPECTATIONS = [
    no_rows(
        "All who sleep have a row, nobody else has; nobody where models are off",
        CRITICAL,
        """
        select candidates.customer_id, activity_states.state
        from segment.activity_states
        full join {batch} as candidates
            on activity_states.customer_id = candidates.customer_id
        cross join (
            select max(case when status = 'switched_off' then 1 else 0 end) as is_off
            from segment.model_evaluations
        )
        where (candidates.customer_id is not null)
            <> coalesce(
                is_off = 0
                and activity_states.state in ('drowsy', 'half_asleep', 'asleep'),
                false
            )
        """,
    ),
    no_rows(
        "Only who brings more than the message costs is worth waking, on a channel",
        CRITICAL,
        """
        select customer_id, channel, expected_gain_amount
        from {batch}
        where is_worth_waking
            <> coalesce(channel is not null and expected_gain_amount > 0, false)
        """,
    ),
    no_rows(
        "Nobody is woken on a channel on which they have withdrawn marketing",
        CRITICAL,
        """
        select candidates.customer_id, candidates.channel
        from {batch} as candidates
        inner join customer.customers
            on candidates.customer_id = customers.customer_id
        cross join (
            select count(*) as kept from feeds.consents where purpose = 'marketing'
        )
        where candidates.channel is not null
            and kept > 0
            and coalesce(
                ', ' || lower(customers.consents) || ','
                not like '%, marketing by ' || candidates.channel || ',%'
                and ', ' || lower(customers.consents) || ',' not like '%, marketing,%',
                true
            )
        """,
    ),
]
