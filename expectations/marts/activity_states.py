"""States divide the customers by the length of their silence."""

from kith.gate.rows import CRITICAL, WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "Every customer has one state",
        CRITICAL,
        """
        select states, customers
        from (select count(*) as states from {batch})
        cross join (select count(*) as customers from customer.customers
            where customer_id <> 'unidentified')
        where states <> customers
        """,
    ),
    no_rows(
        (
            "Longer silence is deeper sleep, and only who never bought is "
            "never_purchased"
        ),
        CRITICAL,
        """
        with ranked as (
            select
                customer_id,
                days_since_last_order,
                coalesce(method, 'none') as method,
                case
                    when method = 'own rhythm' then gap_ratio
                    else days_since_last_order
                end as silence,
                case state
                    when 'active' then 1
                    when 'drowsy' then 2
                    when 'half_asleep' then 3
                    when 'asleep' then 4
                end as depth,
                state = 'never_purchased' as is_never
            from {batch}
            where state <> 'not_permitted'
        ),

        ranges as (
            select method, depth, max(silence) as longest
            from ranked
            where depth is not null
            group by method, depth
        )

        select customer_id
        from ranked
        left join ranges
            on ranked.method = ranges.method
            and ranked.depth > ranges.depth
            and ranked.silence <= ranges.longest
        where ranges.depth is not null
            or is_never <> (days_since_last_order is null)
            or (ranked.depth is null and not is_never)
            or days_since_last_order < 0
        """,
    ),
    no_rows(
        (
            "Where profiling needs permission, all and only who has not given it have "
            "no state"
        ),
        CRITICAL,
        """
        select states.customer_id, state, may_be_profiled
        from {batch} as states
        inner join customer.customers
            on states.customer_id = customers.customer_id
        where (
                state = 'not_permitted'
                or (
                    select count(*) from segment.activity_states
                    where state = 'not_permitted'
                ) > 0
            )
            and (state = 'not_permitted') = coalesce(may_be_profiled, false)
        """,
    ),
    no_rows(
        "Somebody is still active",
        WARNING,
        """
        select count(*) as buyers
        from {batch}
        where state not in ('never_purchased', 'not_permitted')
        having count(*) > 0 and count(*) filter (where state = 'active') = 0
        """,
    ),
]
