"""Customer records."""

import great_expectations.expectations as gxe

from kith.gate.rows import WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "No registration lies after the as-of date",
        WARNING,
        """
        select source, record_id, event_at
        from intermediate.int_rows_cut
        where feed = 'customers' and exists (select 1 from {batch})
        """,
    ),
    gxe.ExpectColumnValuesToNotBeNull(
        description="At least nine records in ten name the customer",
        severity=WARNING,
        column="identifier_value",
        mostly=0.9,
    ),
    gxe.ExpectColumnValuesToBeInSet(
        description="Customers are persons or organisations",
        severity=WARNING,
        column="customer_kind",
        value_set=["person", "organisation"],
    ),
]
