"""States divide the customers by the length of their silence."""

import great_expectations.expectations as gxe
from great_expectations.expectations.metadata_types import FailureSeverity

EXPECTATIONS = [
    gxe.UnexpectedRowsExpectation(
        description="Every customer has one state",
        severity=FailureSeverity.CRITICAL,
        unexpected_rows_query="""
            select states, customers
            from (select count(*) as states from {batch})
            cross join (select count(*) as customers from customer.customers)
            where states <> customers
        """,
    ),
    gxe.UnexpectedRowsExpectation(
        description=(
            "Longer silence is deeper sleep, and only who never bought is "
            "never_purchased"
        ),
        severity=FailureSeverity.CRITICAL,
        unexpected_rows_query="""
            with ranked as (
                select
                    customer_id,
                    days_since_last_order,
                    list_position(
                        ['active', 'drowsy', 'half_asleep', 'asleep'], state
                    ) as depth,
                    state = 'never_purchased' as is_never
                from {batch}
            ),

            ranges as (
                select
                    depth,
                    min(days_since_last_order) as shortest,
                    max(days_since_last_order) as longest
                from ranked
                where depth is not null
                group by depth
            )

            select customer_id
            from ranked left join ranges on ranked.depth > ranges.depth
                and ranked.days_since_last_order <= ranges.longest
            where ranges.depth is not null
                or is_never <> (days_since_last_order is null)
                or (ranked.depth is null and not is_never)
                or days_since_last_order < 0
        """,
    ),
    gxe.UnexpectedRowsExpectation(
        description="Somebody is still active",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select count(*) as buyers
            from {batch}
            where state <> 'never_purchased'
            having count(*) > 0 and count(*) filter (state = 'active') = 0
        """,
    ),
]
