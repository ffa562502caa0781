"""Portraits: each dimension adds up to all customers and all orders."""

from kith.gate.rows import CRITICAL, no_rows

EXPECTATIONS = [
    no_rows(
        "Each dimension holds all purchases and revenue of each period",
        CRITICAL,
        """
        with expected as (
            select
                'month' as period_grain,
                order_month as period_start,
                is_purchase,
                revenue_amount
            from customer.orders
            union all
            select
                'quarter' as period_grain,
                cast(date_trunc('quarter', order_month) as date) as period_start,
                is_purchase,
                revenue_amount
            from customer.orders
            union all
            select
                'year' as period_grain,
                cast(date_trunc('year', order_month) as date) as period_start,
                is_purchase,
                revenue_amount
            from customer.orders
        ),

        ordered as (
            select
                period_grain,
                period_start,
                count(*) filter (where is_purchase) as orders_made,
                sum(revenue_amount) as revenue_made
            from expected
            group by period_grain, period_start
        ),

        told as (
            select
                period_grain,
                period_start,
                dimension,
                sum(order_count) as orders,
                sum(revenue_amount) as revenue
            from {batch}
            group by period_grain, period_start, dimension
        )

        select
            ordered.period_grain,
            ordered.period_start,
            told.dimension,
            told.orders,
            ordered.orders_made,
            told.revenue,
            ordered.revenue_made
        from ordered
        left join told
            on ordered.period_grain = told.period_grain
            and ordered.period_start = told.period_start
        where told.orders is distinct from ordered.orders_made
            or told.revenue is distinct from ordered.revenue_made
        """,
    ),
    no_rows(
        "Each dimension of the last periods holds all customers",
        CRITICAL,
        """
        with told as (
            select
                period_grain,
                dimension,
                sum(customer_count) as customers
            from {batch}
            where as_of_date between period_start and period_end
            group by period_grain, dimension
        ),

        known as (
            select count(*) as customers_known
            from customer.customers
            where customer_id <> 'unidentified'
        )

        select period_grain, dimension, customers, customers_known
        from told
        cross join known
        where customers <> customers_known
        """,
    ),
    no_rows(
        "Nowhere are more buyers than customers, or fewer than none",
        CRITICAL,
        """
        select period_grain, period_start, dimension, part, employee_id
        from {batch}
        where buyer_count > customer_count or customer_count < 0
        """,
    ),
]
