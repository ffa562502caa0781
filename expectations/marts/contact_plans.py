"""Everybody has a plan, and nobody is listed against their will or a rule."""

from kith.gate.rows import CRITICAL, no_rows

EXPECTATIONS = [
    no_rows(
        "Each customer has a plan, and nobody else",
        CRITICAL,
        """
        select customers.customer_id, plans.customer_id as planned_id
        from customer.customers
        full join {batch} as plans
            on customers.customer_id = plans.customer_id
        where coalesce(customers.customer_id, '') <> 'unidentified'
            and (customers.customer_id is null or plans.customer_id is null)
        """,
    ),
    no_rows(
        "Nobody is listed on a channel on which they do not permit marketing",
        CRITICAL,
        """
        select plans.customer_id, plans.channel
        from {batch} as plans
        inner join customer.customers
            on plans.customer_id = customers.customer_id
        cross join (
            select count(*) as kept from feeds.consents
            where lower(purpose) = 'marketing'
        )
        where plans.is_listed
            and (
                plans.channel is null
                or kept > 0
                and coalesce(
                    ', ' || customers.consents || ','
                    not like '%, marketing by ' || plans.channel || ',%'
                    and ', ' || customers.consents || ',' not like '%, marketing,%',
                    true
                )
            )
        """,
    ),
    no_rows(
        "Nobody is listed while a complaint is open, over the cap, or held out",
        CRITICAL,
        """
        select plans.customer_id, plans.blocked_by, plans.contact_count
        from {batch} as plans
        left join (
            select complaints.customer_id
            from satisfaction.complaints
            inner join (
                select source from satisfaction.complaints
                group by source having count(resolved_at) > 0
            ) as tellers
                on complaints.source = tellers.source
            where is_complaint and state <> 'resolved' and customer_id is not null
            group by complaints.customer_id
        ) as complaining
            on plans.customer_id = complaining.customer_id
        left join segment.wake_up_candidates as sleepers
            on plans.customer_id = sleepers.customer_id
        where plans.is_listed
            and (
                plans.blocked_by is not null
                or complaining.customer_id is not null
                or plans.contact_count >= plans.contact_cap
                or coalesce(sleepers.is_worth_waking and sleepers.is_held_out, false)
            )
        """,
    ),
    no_rows(
        "A share lies within its interval, prices within theirs",
        CRITICAL,
        """
        select customer_id, channel_noticed_share, hour_noticed_share, price_from_pct
        from {batch}
        where not coalesce(
                channel_noticed_share between
                channel_noticed_share_low and channel_noticed_share_high, true
            )
            or not coalesce(
                hour_noticed_share between
                hour_noticed_share_low and hour_noticed_share_high, true
            )
            or not coalesce(price_from_pct < price_until_pct, true)
            or (price_from_pct is null) <> (price_missing_reason is not null)
        """,
    ),
]
