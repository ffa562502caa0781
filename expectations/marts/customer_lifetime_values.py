"""Predictions for all who may be scored, and none against sense."""

from kith.gate.rows import CRITICAL, no_rows

EXPECTATIONS = [
    no_rows(
        "All buyers who may be scored have a row, and nobody else; nobody where models "
        "are switched off",
        CRITICAL,
        """
        select predictions.customer_id, state
        from segment.activity_states
        full join {batch} as predictions
            on activity_states.customer_id = predictions.customer_id
        cross join (
            select max(case when status = 'switched_off' then 1 else 0 end) as is_off
            from segment.model_evaluations
        )
        where (predictions.customer_id is not null)
            <> coalesce(
                is_off = 0
                and first_order_date is not null
                and state <> 'not_permitted',
                false
            )
        """,
    ),
    no_rows(
        "Repeats lie between the first purchase and the as-of date",
        CRITICAL,
        """
        select customer_id, repeat_count, first_to_last_days, days_since_first_order
        from {batch}
        where repeat_count < 0
            or repeat_count > first_to_last_days
            or first_to_last_days > days_since_first_order
            or (repeat_count = 0) <> (first_to_last_days = 0)
        """,
    ),
    no_rows(
        "P(alive) lies from 0 to 1, and more is expected of more months",
        CRITICAL,
        """
        select
            customer_id,
            alive_probability,
            expected_purchases_3_months as in_3_months,
            expected_purchases_6_months as in_6_months,
            expected_purchases_12_months as in_12_months
        from {batch}
        where alive_probability not between 0 and 1
            or expected_purchases_3_months < 0
            or expected_purchases_3_months > expected_purchases_6_months
            or expected_purchases_6_months > expected_purchases_12_months
        """,
    ),
    no_rows(
        "What is missing has a reason, and nothing else has",
        CRITICAL,
        """
        select customer_id, missing_reason
        from {batch}
        where (missing_reason is null) <> (value_12_months_amount is not null)
        """,
    ),
    no_rows(
        "Only by published models something is foretold",
        CRITICAL,
        """
        select customer_id, model, status
        from {batch} as predictions
        inner join segment.model_evaluations as evaluations
            on predictions.population = evaluations.population
        where metric = 'repeat_buyers'
            and status <> 'published'
            and (
                (model = 'bg_nbd' and alive_probability is not null)
                or (model = 'gamma_gamma' and expected_purchase_amount is not null)
            )
        """,
    ),
]
