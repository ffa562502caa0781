"""What a staging model says of columns."""

import pytest

from kith.onboard.columns import ColumnGuess
from kith.onboard.staging import Lookup, Staging, contracts, in_order, sql_name


@pytest.mark.parametrize(
    ("name", "sql"),
    [("amount", "amount"), ("order", '"order"'), ("größe", '"größe"')],
)
def test_a_name_is_quoted_where_sql_would_not_read_it(name: str, sql: str) -> None:
    assert sql_name(name) == sql


def test_a_model_uses_a_column_of_the_table_that_it_reads_it_from() -> None:
    own, other, third = object(), object(), object()
    lookup = Lookup(other, "order_no", "number", {"city": "town"})
    staging = Staging("orders", own, {"order_id": "order_no"}, "", lookups=[lookup])
    assert [staging.reads(table) for table in (own, other, third)] == [
        True,
        True,
        False,
    ]
    used = {
        (name, table is own)
        for name in ("order_no", "order", "number", "town", "city")
        for table in (own, other)
        if staging.uses(ColumnGuess(name, [name]), table)
    }
    assert used == {("order_no", True), ("number", False), ("town", False)}


def test_a_description_names_what_the_source_does_not_give() -> None:
    given = {name: name for name in reversed(contracts()["orders"])}
    assert list(in_order("orders", given)) == list(contracts()["orders"])
    del given["status"], given["loaded_at"]
    told = Staging("orders", object(), given, "One row per order.").full_description
    assert told == "One row per order. Not given by the source: status."
