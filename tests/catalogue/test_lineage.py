"""From which columns of sources those of marts come."""

from pathlib import Path
from typing import Any

import pytest

from kith.build.dbt import target
from kith.catalogue import lineage as reading
from kith.catalogue.lineage import (
    ROWS,
    TableLineage,
    lineage_of,
    way_to_sources,
)
from kith.company.folder import PUBLISHED_SCHEMAS
from kith.runs.run import Run


def marts(lineage: dict[str, TableLineage]) -> dict[str, TableLineage]:
    return {
        name: table
        for name, table in lineage.items()
        if name.split(".")[0] in PUBLISHED_SCHEMAS
    }


def delivered(lineage: dict[str, TableLineage], mart: str, column: str) -> set[str]:
    """Columns of the company's sources from which one of a mart comes."""
    return {
        f"{table}.{name}"
        for _, (table, name), _ in way_to_sources(lineage, (mart, column))
        if name != ROWS
        and lineage[table].kind == "source"
        and not table.startswith("kith.")
    }


# Worked out by hand, along staging, feeds and intermediate models of the corner shop.
@pytest.mark.parametrize(
    ("mart", "column", "expected"),
    [
        # Handed on: of the records of a customer the latest one counts.
        ("customer.customers", "city", {"shop.customers.city"}),
        # What the lines bring, less the order's voucher, over the number of purchases.
        (
            "customer.customer_values",
            "average_order_amount",
            {
                "shop.order_lines.quantity",
                "shop.order_lines.unit_price",
                "shop.orders.voucher_amount",
            },
        ),
        # Orders, letters and events of the shop, one upon the other.
        (
            "customer.interactions",
            "occurred_at",
            {"shop.orders.bought_at", "shop.mailings.sent_on", "web.clicks.clicked_at"},
        ),
    ],
)
def test_three_columns_come_from_where_they_do_by_hand(
    lineage: dict[str, TableLineage], mart: str, column: str, expected: set[str]
) -> None:
    assert delivered(lineage, mart, column) == expected


def test_each_step_of_the_way_is_told(lineage: dict[str, TableLineage]) -> None:
    way = list(way_to_sources(lineage, ("customer.customers", "city")))
    assert way == [
        (0, ("customer.customers", "city"), False),
        (1, ("intermediate.int_customer_records", "city"), False),
        (2, ("feeds.customers", "city"), False),
        (3, ("staging.stg_shop__customers", "city"), False),
        (4, ("shop.customers", "city"), False),
    ]


def test_each_column_of_each_mart_has_origins_or_is_constant(
    lineage: dict[str, TableLineage],
    columns: dict[str, list[str]],
    manifest: dict[str, Any],
) -> None:
    """A constant's SQL names no column: no model gives one that comes from nowhere."""
    found = marts(lineage)
    assert len(found) == 73
    constant = set()
    for name, table in found.items():
        assert table.reason == ""
        assert sorted(table.columns) == sorted(columns[name])
        for column, origins in table.columns.items():
            assert {origin for origin, _ in origins} <= set(columns)
            for origin, read in origins:
                assert read == ROWS or read in columns[origin]
            if not origins:
                constant.add(column)
    # Words that the SQL itself writes, and what a company sets once and for all.
    assert {"method", "period_grain", "breakdown", "definition_version"} <= constant
    assert not {each for each in constant if each.endswith(("_id", "_at", "_date"))}
    assert not {each for each in constant if {"amount", "count"} & {*each.split("_")}}


def test_each_column_of_the_feeds_comes_from_staging(
    lineage: dict[str, TableLineage],
) -> None:
    for name in ("orders", "customers", "order_lines", "contacts"):
        for column, origins in lineage[f"feeds.{name}"].columns.items():
            tables = {table for table, _ in origins}
            assert all(t.startswith(("staging.", "kith.")) for t in tables), column


def test_python_models_tell_their_tables_and_what_is_declared_of_them(
    lineage: dict[str, TableLineage], manifest: dict[str, Any]
) -> None:
    python = [n for n in manifest["nodes"].values() if n.get("language") == "python"]
    assert len(python) == 13
    for node in python:
        table = lineage[f"{node['schema']}.{node['alias']}"]
        assert table.reason == "a Python model"
        assert all(table.columns.values())
    persons = lineage["intermediate.int_persons"].columns
    assert persons["identifier_number"] == (
        ("intermediate.int_identifiers", "identifier_number"),
    )
    assert persons["merged_by"] == (
        ("intermediate.int_identifier_links", ROWS),
        ("intermediate.int_identifiers", ROWS),
    )


def test_what_is_declared_of_python_models_is_there(
    lineage: dict[str, TableLineage], columns: dict[str, list[str]]
) -> None:
    for table in lineage.values():
        if table.kind == "python":
            for origins in table.columns.values():
                for origin, column in origins:
                    assert column == ROWS or column in columns[origin]


def test_sql_is_read_once(
    built_shop: Run,
    manifest: dict[str, Any],
    columns: dict[str, list[str]],
    lineage: dict[str, TableLineage],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(reading._Kept, "_read", refuse)
    assert lineage_of(built_shop, manifest, columns) == lineage


def test_sql_that_cannot_be_read_is_told_and_stops_nothing(
    built_shop: Run,
    manifest: dict[str, Any],
    columns: dict[str, list[str]],
    kith_home: Path,
) -> None:
    run = Run(built_shop.company, built_shop.interval, "r", kith_home)
    (run.folder / "dbt").mkdir(parents=True)
    nodes = {
        unique_id: node | {"compiled_code": "select from where"}
        for unique_id, node in manifest["nodes"].items()
        if unique_id == "model.kith.customers"
    }
    found = lineage_of(run, manifest | {"nodes": nodes, "sources": {}}, columns)
    assert found["customer.customers"].reason == "its SQL cannot be read"


def test_a_model_that_was_not_built_anew_is_read_as_it_was_compiled_before(
    built_shop: Run, manifest: dict[str, Any], columns: dict[str, list[str]]
) -> None:
    nodes = {
        unique_id: node | {"compiled_code": None}
        for unique_id, node in manifest["nodes"].items()
        if unique_id == "model.kith.customers"
    }
    found = lineage_of(built_shop, manifest | {"nodes": nodes}, columns)
    assert found["customer.customers"].columns["city"] == (
        ("intermediate.int_customer_records", "city"),
    )
    assert (target(built_shop) / "compiled").is_dir()
