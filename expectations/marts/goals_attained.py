"""Goals are measured, or say why not."""

from kith.gate.rows import CRITICAL, WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "Each goal of the feed has a row",
        CRITICAL,
        """
        select goals.source, goals.goal_id
        from feeds.goals
        left join {batch} as attained
            on goals.source = attained.source and goals.goal_id = attained.goal_id
        where attained.goal_id is null
        """,
    ),
    no_rows(
        "What is missing has a reason, and nothing else has",
        CRITICAL,
        """
        select source, goal_id, actual_value, missing_reason
        from {batch}
        where (actual_value is null) <> (missing_reason is not null)
            or (actual_value is not null and state is null)
        """,
    ),
    no_rows(
        "Revenue of the whole company is that of the orders of the period",
        CRITICAL,
        """
        select attained.source, attained.goal_id
        from {batch} as attained
        left join customer.orders
            on orders.order_date between attained.period_start and attained.period_end
        where attained.measure = 'revenue'
            and attained.scope_kind = 'company'
            and attained.actual_value is not null
        group by attained.source, attained.goal_id, attained.actual_value
        having abs(coalesce(sum(orders.revenue_amount), 0) - attained.actual_value)
            > 0.001
        """,
    ),
    no_rows(
        "Each goal has a measure that Kith computes, and a scope that names one part",
        WARNING,
        """
        select source, goal_id, measure, scope, missing_reason
        from {batch}
        where missing_reason like 'Kith does not%'
            or missing_reason like 'nothing that was measured%'
            or missing_reason like 'several are%'
        """,
    ),
]
