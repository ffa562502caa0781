"""The as-of date: nothing that lies after it reaches a feed or a mart.

A company delivers, for each feed, one row at the last instant of the as-of date and one
at the instant after it. The latter are called `too_late` wherever they carry text.
"""

import datetime as dt
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import duckdb
import pytest
import yaml

from kith.build.dbt import DBT_PROJECT, dbt
from kith.build.warehouse import prepare_warehouse
from kith.company.folder import PUBLISHED_SCHEMAS, feed_names
from kith.runs.run import Run
from tests.conftest import new_run

AS_OF_AT = dt.datetime(2025, 1, 1, 5)  # midnight in New York
LAST = AS_OF_AT - dt.timedelta(microseconds=1)
SOURCES = {
    "sources": [
        {
            "name": "edge",
            "tables": [
                {
                    "name": "rows",
                    "config": {"meta": {"connector": "files", "path": "none.csv"}},
                    "columns": [{"name": "row", "data_type": "bigint"}],
                }
            ],
        }
    ]
}
# What the models need beside the columns that a contract demands.
MORE: dict[str, dict[str, Any]] = {
    "survey_answers": {"measure": "nps", "score": 9, "scale_min": 0, "scale_max": 10},
    "tickets": {"kind": "complaint"},
    "events": {"device_id": "phone"},
}


@cache
def contract(feed: str) -> dict[str, Any]:
    path = DBT_PROJECT / "models" / "feeds" / f"feed_{feed}.yml"
    (model,) = yaml.safe_load(path.read_text())["models"]
    return model


def event_time(feed: str) -> str | None:
    return contract(feed).get("config", {}).get("event_time")


def columns(feed: str) -> dict[str, dict[str, Any]]:
    return {column["name"]: column for column in contract(feed)["columns"]}


def meta(column: dict[str, Any]) -> dict[str, Any]:
    return column.get("config", {}).get("meta", {})


def is_needed(column: dict[str, Any]) -> bool:
    return {"type": "not_null"} in column.get("constraints", [])


def times_told(feed: str) -> list[str]:
    """Columns with the times at which a row's other columns became known."""
    told = [
        name for c in columns(feed).values() for name in meta(c).get("known_at", [])
    ]
    return list(dict.fromkeys(told))


TIMED = [feed for feed in feed_names() if event_time(feed)]
TOLD = [feed for feed in feed_names() if times_told(feed)]


def delivered(feed: str, key: str, at: dt.datetime | None) -> dict[str, Any]:
    """A row with all that its contract demands."""
    samples = {"boolean": True, "timestamp": LAST, "date": "2024-06-01"}
    row = {
        name: samples.get(
            column["data_type"], key if column["data_type"] == "string" else 1
        )
        for name, column in columns(feed).items()
        if is_needed(column) or name in ("identifier_value", "left_value")
    }
    row |= {"source": "edge"} | MORE.get(feed, {})
    if "identifier_value" in row:
        row["identifier_type"] = "card"
    if event_time(feed):
        row[event_time(feed)] = at
    return row


def rows_of(feed: str) -> list[dict[str, Any]]:
    rows = [delivered(feed, "in_time", LAST)]
    if event_time(feed) or feed == "order_lines":
        rows.append(delivered(feed, "too_late", AS_OF_AT))
    if event_time(feed) and not is_needed(columns(feed)[event_time(feed)]):
        rows.append(delivered(feed, "untimed", None))
    if feed == "order_lines":
        rows.append(delivered(feed, "order_never_came", LAST))
    if feed in TOLD:
        *earlier, last = times_told(feed)
        told = {
            name: {"string": "too_late", "boolean": True}.get(column["data_type"], 9)
            for name, column in columns(feed).items()
            if meta(column).get("known_at")
        } | dict.fromkeys(earlier, LAST)
        rows[0] |= told | {last: LAST} | {"status": "told", "outcome": "told"}
        rows[0] = {name: rows[0][name] for name in rows[0] if name in columns(feed)}
        rows.append(delivered(feed, "told_later", LAST) | told | {last: AS_OF_AT})
    if feed == "customers":
        changed = {"city": "too_late", "updated_at": AS_OF_AT}
        rows.append(delivered(feed, "changed_later", LAST) | changed)
        rows[0]["identifier_value"] = "gone"  # deleted at that instant
    return rows


def as_sql(value: Any) -> str:
    if isinstance(value, dt.datetime):
        return f"timestamp '{value}'"
    if isinstance(value, str):
        return f"'{value}'"
    return "null" if value is None else str(value).lower()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """All feeds, intermediate models and marts of that company, built."""
    folder = tmp_path_factory.mktemp("edges")
    (folder / "staging").mkdir()
    company = {
        "name": "edges",
        "title": "Edges",
        "time_zone": "America/New_York",
        "currency": "USD",
        "first_day": dt.date(2024, 1, 1),
        "feeds": {feed: [f"stg_edge__{feed}"] for feed in feed_names()},
    }
    (folder / "company.yml").write_text(yaml.safe_dump(company))
    (folder / "sources.yml").write_text(yaml.safe_dump(SOURCES))
    for feed in feed_names():
        queries = [
            "select " + ", ".join(f"{as_sql(v)} as {name}" for name, v in row.items())
            for row in rows_of(feed)
        ]
        (folder / "staging" / f"stg_edge__{feed}.sql").write_text(
            " union all by name ".join(queries)
        )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KITH_HOME", str(folder / "home"))
        run = new_run(folder)
        run.warehouse.parent.mkdir(parents=True, exist_ok=True)
        prepare_warehouse(run)
        dbt(run, "build", "--exclude-resource-type", "unit_test")
        yield run


@pytest.fixture(scope="module")
def warehouse(run: Run) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(run.warehouse), read_only=True) as connection:
        yield connection


def keys(warehouse: duckdb.DuckDBPyConnection, feed: str) -> set[str]:
    key = list(columns(feed))[1]
    return {k for (k,) in warehouse.sql(f"select {key} from feeds.{feed}").fetchall()}


def test_each_time_of_a_feed_says_how_it_stands_to_the_as_of_date() -> None:
    """A column that tells of later times would let marts look into the future."""
    undecided = [
        f"{feed}.{name}"
        for feed in feed_names()
        for name, column in columns(feed).items()
        if column["data_type"] == "timestamp"
        and name not in ("loaded_at", event_time(feed))
        and not {"known_at", "may_lie_ahead"} & set(meta(column))
    ]
    assert undecided == []


def test_interactions_take_each_trace_at_the_event_time_of_its_feed() -> None:
    model = DBT_PROJECT / "models" / "marts" / "customer" / "interactions.sql"
    taken = re.findall(r"'(\w+)': {[^}]*'occurred_at': '(\w+)'", model.read_text())
    assert len(taken) == 8
    assert taken == [(feed, event_time(feed)) for feed, _ in taken]


@pytest.mark.parametrize("feed", TIMED)
def test_a_feed_ends_with_the_last_instant_of_the_as_of_date(
    feed: str, warehouse: duckdb.DuckDBPyConnection
) -> None:
    expected = {row[list(columns(feed))[1]] for row in rows_of(feed)} - {"too_late"}
    assert "in_time" in expected
    assert keys(warehouse, feed) == expected


def test_rows_that_are_cut_are_listed(warehouse: duckdb.DuckDBPyConnection) -> None:
    cut = warehouse.sql("from intermediate.int_rows_cut order by feed").fetchall()
    assert cut == [(feed, "edge", "too_late", AS_OF_AT) for feed in TIMED]


def test_lines_of_an_order_are_cut_with_it_and_others_stay(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    assert keys(warehouse, "order_lines") == {"in_time", "order_never_came"}
    # What the gate compares, to warn of lines without their order.
    valued = "select sum(line_count) from customer.orders"
    assert warehouse.sql(valued).fetchone() == (1,)


@pytest.mark.parametrize("feed", TOLD)
def test_what_is_told_later_is_not_known_yet(
    feed: str, warehouse: duckdb.DuckDBPyConnection
) -> None:
    key = list(columns(feed))[1]
    *_, last = times_told(feed)
    for name, column in columns(feed).items():
        known_at = meta(column).get("known_at")
        if not known_at:
            continue
        found = dict(
            warehouse.sql(f"select {key}, {name} from feeds.{feed}").fetchall()
        )
        assert found["in_time"] is not None, name
        assert (found["told_later"] is None) == (last in known_at), name


def test_no_mart_looks_into_the_future(warehouse: duckdb.DuckDBPyConnection) -> None:
    tables = warehouse.sql(
        f"""
        select schema_name || '.' || table_name, column_name, data_type
        from duckdb_columns()
        where schema_name in {("intermediate", *PUBLISHED_SCHEMAS)}
            and table_name <> 'int_rows_cut'
        """
    ).fetchall()
    stranger = "md5('card:too_late')"
    found = []
    for table, column, kind in tables:
        condition = {
            "VARCHAR": f"{column} like '%too_late%' or {column} = {stranger}",
            "TIMESTAMP": f"{column} >= timestamp '{AS_OF_AT}'",
        }.get(kind)
        if condition and warehouse.sql(f"from {table} where {condition}").fetchone():
            found.append(f"{table}.{column}")
    assert found == []


def test_marts_hold_what_came_at_the_last_instant(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    def found(query: str) -> list[tuple]:
        return warehouse.sql(f"{query} order by all").fetchall()

    assert found(
        "select interaction_kind from customer.interactions "
        "where record_id = 'in_time' and customer_id = md5('card:in_time')"
    ) == sorted(
        (kind,)
        for kind in (
            *("order", "event", "post", "presence", "ticket", "survey_response"),
            *("contact", "lead", "quote"),
        )
    )
    assert found("select event_count from customer.sessions") == [(1,)]
    assert found("select ticket_id, state from satisfaction.complaints") == [
        ("in_time", "resolved"),
        ("told_later", "answered"),
    ]
    assert found(
        "select n from satisfaction.satisfaction_scores "
        "where breakdown = 'total' and period_grain = 'all' and answers = 'all'"
    ) == [(1,)]
    customers = found(
        "select identifier_value, city, record_sources from customer.customers "
        "where identifier_type = 'card' and identifier_value in "
        "('changed_later', 'gone', 'in_time', 'untimed')"
    )
    assert customers == [
        ("changed_later", None, None),
        ("in_time", None, None),
        ("untimed", None, "edge"),
    ]
