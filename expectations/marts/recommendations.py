"""Offers stand in one order, with a reason, and only what can be bought is offered."""

from kith.gate.rows import CRITICAL, no_rows

EXPECTATIONS = [
    no_rows(
        "The offers of a customer are numbered from 1, up to ten, the likeliest first",
        CRITICAL,
        """
        select customer_id, count(*) as offer_count
        from (
            select
                customer_id,
                rank,
                expected_share,
                lag(expected_share) over (
                    partition by customer_id order by rank nulls last
                ) as share_before
            from {batch}
        )
        group by customer_id
        having min(rank) <> 1
            or max(rank) <> count(*)
            or count(*) > 10
            or max(
                case when expected_share > share_before + 1e-9 then 1 else 0 end
            ) = 1
        """,
    ),
    no_rows(
        "No product is offered to a customer twice",
        CRITICAL,
        """
        select customer_id, product_key, count(*) as offer_count
        from {batch}
        group by customer_id, product_key
        having count(*) > 1
        """,
    ),
    no_rows(
        "Nothing is offered that is not yet sold, or of which none is in stock",
        CRITICAL,
        """
        select offers.product_key, stock_quantity, first_sold_date
        from {batch} as offers
        inner join customer.products
            on offers.product_key = products.product_key
        where stock_quantity <= 0 or first_sold_date is null
        """,
    ),
    no_rows(
        "Nobody is offered anything who may not be profiled",
        CRITICAL,
        """
        select offers.customer_id, may_be_profiled
        from {batch} as offers
        inner join customer.customers
            on offers.customer_id = customers.customer_id
        where not may_be_profiled or offers.customer_id = 'unidentified'
        """,
    ),
    no_rows(
        "What is offered is better than what most buy, or a reason says that it is not",
        CRITICAL,
        """
        select offers.customer_id, offers.rank, evaluations.status
        from {batch} as offers
        left join segment.model_evaluations as evaluations
            on evaluations.model = 'recommendations'
            and evaluations.metric = 'customers'
        where evaluations.status is null
            or is_better_than_popularity <> (evaluations.status = 'published')
            or is_better_than_popularity <> (fallback_reason is null)
        """,
    ),
    no_rows(
        "A ground has what it says: days of purchases, another product, or a child",
        CRITICAL,
        """
        select customer_id, rank, ground
        from {batch}
        where ground not in
                ('due_again', 'bought_before', 'bought_with', 'child', 'popular')
            or (bought_day_count > 0) <> (ground in ('due_again', 'bought_before'))
            or (last_bought_on is not null) <> (bought_day_count > 0)
            or (ground = 'due_again') <> coalesce(due_on <= as_of_date, false)
            or (because_product_key is not null) <> (ground = 'bought_with')
            or (child_age_months is not null) <> (ground = 'child')
            or (offer_type = 'coupon' and bought_day_count > 0)
            or offer_type not in ('product', 'coupon')
        """,
    ),
]
