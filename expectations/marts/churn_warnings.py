"""Warnings begin, end and are judged in that order, and say what they rest on."""

from kith.gate.rows import CRITICAL, WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "A warning begins by the last day and ends after it began, if it has ended",
        CRITICAL,
        """
        select customer_id, sign, opened_on, closed_on, is_open
        from {batch}
        where opened_on > as_of_date
            or closed_on <= opened_on
            or closed_on > as_of_date
            or is_open <> (closed_on is null)
        """,
    ),
    no_rows(
        "A warning has numbers that tell it, a severity and a next step",
        CRITICAL,
        """
        select customer_id, sign, severity, evidence, next_step
        from {batch}
        where severity not in ('high', 'medium')
            or coalesce(evidence, '') = ''
            or coalesce(next_step, '') = ''
        """,
    ),
    no_rows(
        "Who left or stayed is told once the horizon is over, and stayed when they buy",
        CRITICAL,
        """
        select customer_id, sign, judged_on, outcome
        from {batch}
        where outcome not in ('left', 'stayed', 'not yet known', 'no customer')
            or (outcome = 'left' and judged_on > as_of_date)
            or (outcome = 'not yet known' and judged_on <= as_of_date)
        """,
    ),
    no_rows(
        "Of thirty customers, at most half have a warning of high severity",
        WARNING,
        """
        select warned, customers
        from (
            select count(distinct customer_id) as warned
            from {batch}
            where is_open and severity = 'high'
        ) as open_warnings
        cross join (
            select count(*) as customers
            from customer.customers
            where customer_id <> 'unidentified'
        ) as known
        where customers >= 30 and 2 * warned > customers
        """,
    ),
]
