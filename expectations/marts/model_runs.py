"""What is published was built."""

from kith.gate.rows import CRITICAL, no_rows

EXPECTATIONS = [
    no_rows(
        "Each node of the run that built this candidate succeeded",
        CRITICAL,
        """
        select run_id, node_name, status
        from {batch}
        where run_id in (select run_id from kith.run)
            and status not in ('success', 'pass', 'warn')
        """,
    ),
    no_rows(
        "The run that built this candidate is among the runs",
        CRITICAL,
        """
        select run_id
        from kith.run
        where run_id not in (select run_id from {batch})
        """,
    ),
]
