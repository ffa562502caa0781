"""Service cases."""

import great_expectations.expectations as gxe

from kith.gate.rows import CRITICAL, WARNING, cure, no_rows

EXPECTATIONS = [
    gxe.ExpectColumnValuesToBeBetween(
        description="No case is opened again fewer than 0 times",
        severity=CRITICAL,
        column="reopen_count",
        min_value=0,
        meta=cure("give counts of 0 or more, and NULL where the count is unknown"),
    ),
    no_rows(
        "No case is answered or resolved before it was opened",
        WARNING,
        """
        select source, ticket_id
        from {batch}
        where first_response_at < opened_at or resolved_at < opened_at
        """,
    ),
    gxe.ExpectColumnValuesToBeInSet(
        description="Cases are questions, complaints, claims or repairs",
        severity=CRITICAL,
        column="kind",
        value_set=["question", "complaint", "claim", "repair"],
        meta=cure("translate the source's kinds of cases into these four"),
    ),
]
