"""The short forms for staging models: what SQL they give, run on small tables."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import duckdb
import jinja2
import pytest

from kith.build.dbt import DBT_PROJECT


@pytest.fixture(scope="module")
def macros() -> Any:
    """The macros, rendered as dbt does it."""
    loader = jinja2.FileSystemLoader(DBT_PROJECT / "macros")
    environment = jinja2.Environment(loader=loader, extensions=["jinja2.ext.do"])  # noqa: S701
    environment.globals |= {
        "adapter": SimpleNamespace(
            dispatch=lambda name, _: getattr(template.module, f"duckdb__{name}")
        ),
        "return": lambda value: value,
        "source": lambda source, table: f"{source}.{table}",
    }
    template = environment.get_template("staging.sql")
    return template.module


@pytest.fixture
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(
            """
            create schema kith;
            create table kith.blocked_identifiers as
            select 'card' as identifier_type, '0' as identifier_value
            """
        )
        yield connection


def test_the_strongest_identifier_that_is_filled_counts(
    macros: Any, database: duckdb.DuckDBPyConnection
) -> None:
    identifier = macros.identified_by({"card": "card_number", "device": "hash"})

    assert database.sql(
        f"""
        select {identifier}
        from (
            values (7, 'd1'), (null, 'd2'), (null, null), (0, 'd3'), (0, null)
        ) as rows (card_number, hash)
        """
    ).fetchall() == [
        ("card", "7"),
        ("device", "d2"),
        (None, None),
        ("device", "d3"),  # The card is blocked,
        ("card", "0"),  # and stands where nothing else does.
    ]


def test_codes_become_words(macros: Any) -> None:
    gender = macros.code_label("code", {"1": "male", "2": "women's"})
    shift = macros.code_label("number", {1: -3}, "number")

    assert duckdb.sql(
        f"""
        select {gender}, {shift}
        from (values ('1', 1), ('2', 2), ('9', 3), (null, null)) as rows (code, number)
        """
    ).fetchall() == [("male", -3), ("women's", 2), (None, 3), (None, None)]


def test_wide_rows_become_one_row_for_each_answer(macros: Any) -> None:
    answers = macros.unpivoted(
        "replies",
        ["card"],
        ["question", "dimension", "scale_max"],
        [["q1", "How's the food?", "food", 5], ["q2", "All in all?", None, 10]],
        "score",
        "double",
    )
    found = duckdb.sql(
        f"""
        with replies as (
            select * from (
                values ('a', 4, 9), ('b', null, 0), ('c', null, null)
            ) as rows (card, q1, q2)
        )
        select * from ({answers}) order by all
        """
    )

    assert found.columns == ["card", "question", "dimension", "scale_max", "score"]
    assert found.fetchall() == [
        ("a", "All in all?", None, 10, 9.0),
        ("a", "How's the food?", "food", 5, 4.0),
        ("b", "All in all?", None, 10, 0.0),
    ]


def test_a_mere_column_is_called_by_its_name(macros: Any) -> None:
    traits = macros.unpivoted(
        "people", ["card"], ["attribute"], ["age", "city"], "value_text", "string"
    )

    assert duckdb.sql(
        f"""
        with people as (select 'a' as card, 31 as age, 'Lyon' as city)
        select * from ({traits}) order by all
        """
    ).fetchall() == [("a", "age", "31"), ("a", "city", "Lyon")]
