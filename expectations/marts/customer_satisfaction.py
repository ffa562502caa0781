"""Every customer, and what they said last."""

from kith.gate.rows import CRITICAL, WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "Every customer has one row",
        CRITICAL,
        """
        select rows_here, customers
        from (select count(*) as rows_here from {batch})
        cross join (select count(*) as customers from customer.customers
            where customer_id <> 'unidentified')
        where rows_here <> customers
        """,
    ),
    no_rows(
        "Who is called satisfied or not has said so, and the others have a reason",
        CRITICAL,
        """
        select customer_id, satisfaction, told_by, told_at
        from {batch}
        where (satisfaction in ('unknown', 'not_permitted')) <> (told_at is null)
            or (told_at is null) <> (missing_reason is not null)
            or told_at > last_answered_at
        """,
    ),
    no_rows(
        "Nobody has more unresolved cases than the service desk",
        CRITICAL,
        """
        select of_customers, of_cases
        from (
            select coalesce(sum(unresolved_case_count), 0) as of_customers
            from {batch}
        ) as told
        cross join (
            select count(*) as of_cases
            from satisfaction.complaints
            where customer_id is not null
                and state <> 'resolved'
                and source in (
                    select source
                    from satisfaction.complaints
                    where resolved_at is not null
                )
        ) as opened
        where of_customers <> of_cases
        """,
    ),
    no_rows(
        "Of thirty customers who said so, at most half are dissatisfied",
        WARNING,
        """
        select told, dissatisfied
        from (
            select
                count(told_at) as told,
                count(case when satisfaction = 'dissatisfied' then 1 end)
                    as dissatisfied
            from {batch}
        ) as counted
        where told >= 30 and 2 * dissatisfied > told
        """,
    ),
]
