"""Which rows are a person's, and which only mention them."""

import duckdb
import pytest

from kith.company.tables import Column, ColumnRules, SourceTable, TableRules
from kith.deliveries.persons import (
    Staged,
    admitted_values,
    kept_sql,
    marks_of,
    referred_columns,
    verdict,
)


def table(**columns: dict[str, object]) -> SourceTable:
    rules = TableRules(connector="files", path="x.csv", key=["id"])
    declared = [
        Column(name=name, data_type="varchar", rules=ColumnRules(**meta))  # type: ignore[arg-type]
        for name, meta in {"id": {}, **columns}.items()
    ]
    return SourceTable(source="shop", name="notes", rules=rules, columns=declared)


REFERS = {"references": {"table": "shop.orders", "column": "number"}}
NOTES = table(
    email={"pii": "email"},
    member={"identifies": "member"},
    friend={"pii": "email", "identifies": "somebody_else"},
    order_number=REFERS,
)


@pytest.mark.parametrize(
    ("row", "left"),
    [
        ("'1', 'ada', null, null, null", []),
        ("'1', null, 'M1', null, null", []),
        ("'1', 'bob', null, null, null", [("1", "bob", None, None, None)]),
        # A value of another kind.
        ("'1', 'M1', null, null, null", [("1", "M1", None, None, None)]),
        # Others' rows lose what names her.
        ("'1', 'bob', null, 'ada', null", [("1", "bob", None, None, None)]),
        ("'1', 'bob', null, null, 'O1'", [("1", "bob", None, None, None)]),
        # What hangs on hers and names nobody goes.
        ("'1', null, null, null, 'O1'", []),
        ("'1', null, null, null, 'O2'", [("1", None, None, None, "O2")]),
        ("'1', null, null, 'ada', null", [("1", None, None, None, None)]),
    ],
)
def test_rows(row: str, left: list[tuple[str | None, ...]]) -> None:
    marks = marks_of(NOTES, Staged())
    values = admitted_values(NOTES, [mark.column.name for mark in marks])
    tokens = "('ada', 'member=M1', 'shop.orders.number=O1')"
    rule = verdict(marks, values, lambda token: f"{token} in {tokens}")
    assert rule is not None
    names = "id, email, member, friend, order_number"
    with duckdb.connect() as connection:
        connection.execute(
            f"create table t as select * from (values ({row})) t ({names})"
        )
        assert connection.execute(kept_sql("t", rule)).fetchall() == left


def test_others_rows_go_where_they_cannot_be_without_the_value() -> None:
    refers = {**REFERS, "required": True}
    notes = table(email={"pii": "email"}, order_number=refers)
    marks = marks_of(notes, Staged())
    values = admitted_values(notes, ["email", "order_number"])
    rule = verdict(marks, values, lambda token: f"{token} = 'shop.orders.number=O1'")
    assert rule is not None
    with duckdb.connect() as connection:
        rows = "(select '1' as id, 'bob' as email, 'O1' as order_number)"
        assert connection.execute(kept_sql(rows, rule)).fetchall() == []


def test_what_staging_tells_counts_where_nothing_is_declared() -> None:
    notes = table(card={}, order_number={})
    told = Staged(
        kinds={"shop.notes": {"card": ["card_number"]}},
        references={"shop.notes": {"order_number": ["shop.orders.number"]}},
    )
    assert [(m.column.name, m.role, m.prefixes) for m in marks_of(notes, told)] == [
        ("card", "own", ("card_number=",)),
        ("order_number", "reference", ("shop.orders.number=",)),
    ]
    assert referred_columns([notes], told) == {"shop.orders": ["number"]}
    assert marks_of(notes, Staged()) == []
