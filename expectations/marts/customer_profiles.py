"""A row for each customer, with the sums of the other marts."""

from kith.gate.rows import CRITICAL, no_rows

EXPECTATIONS = [
    no_rows(
        "Each customer has a profile",
        CRITICAL,
        """
        select profiles, customers
        from (select count(*) as profiles from {batch})
        cross join (select count(*) as customers from customer.customers)
        where profiles <> customers
        """,
    ),
    no_rows(
        "Orders, revenue and interactions are those of the other marts",
        CRITICAL,
        """
        select orders, orders_valued, revenue, revenue_valued, traces, interactions
        from (
            select
                sum(order_count) as orders,
                sum(revenue_amount) as revenue,
                sum(interaction_count) as traces
            from {batch}
        )
        cross join (
            select
                coalesce(sum(order_count), 0) as orders_valued,
                coalesce(sum(revenue_amount), 0) as revenue_valued
            from customer.customer_values
        )
        cross join (select count(*) as interactions from customer.interactions)
        where orders <> orders_valued
            or revenue <> revenue_valued
            or traces <> interactions
        """,
    ),
    no_rows(
        "Who is satisfied and what is unresolved is as the marts of satisfaction say",
        CRITICAL,
        """
        select told, told_there, unresolved, unresolved_there, warned, warned_there
        from (
            select
                count(satisfaction_told_at) as told,
                coalesce(sum(unresolved_case_count), 0) as unresolved,
                coalesce(sum(warning_count), 0) as warned
            from {batch}
        )
        cross join (
            select
                count(told_at) as told_there,
                coalesce(sum(unresolved_case_count), 0) as unresolved_there
            from satisfaction.customer_satisfaction
        )
        cross join (
            select count(*) as warned_there
            from satisfaction.churn_warnings
            where is_open
        )
        where told <> told_there
            or unresolved <> unresolved_there
            or warned <> warned_there
        """,
    ),
    no_rows(
        "Nobody's first trace follows their last, and none lies after the as-of date",
        CRITICAL,
        """
        select customer_id
        from {batch}
        where first_interaction_at > last_interaction_at
            or last_interaction_at >= (select as_of_at from kith.run)
            or first_order_date > last_order_date
            or last_order_date > as_of_date
        """,
    ),
    no_rows(
        "The next offer is the first of their recommendations",
        CRITICAL,
        """
        select profiles.customer_id, next_offer, product_name
        from {batch} as profiles
        left join customer.recommendations as offers
            on profiles.customer_id = offers.customer_id and offers.rank = 1
        where coalesce(next_offer, '') <> coalesce(product_name, '')
            or (next_offer is null) <> (next_offer_reason is null)
        """,
    ),
]
