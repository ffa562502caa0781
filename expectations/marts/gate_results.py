"""Earlier runs were published only with a clean gate."""

from kith.gate.rows import CRITICAL, no_rows

EXPECTATIONS = [
    no_rows(
        "No run was published over a broken or a failed critical check",
        CRITICAL,
        """
        select run_id, table_name, expectation
        from {batch}
        where (outcome = 'broken' or (outcome = 'failed' and severity = 'critical'))
            and run_id in (select run_id from operations.publications)
        """,
    ),
]
