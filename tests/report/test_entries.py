"""Every entry keeps the rules that `entries.py` states."""

import duckdb
import pytest
import sqlglot

from kith.report.entries import Entry, Sentence, Tile, listed
from kith.report.page import SECTIONS

TILES = [tile for section in SECTIONS for tile in section.tiles]
SENTENCES = [sentence for section in SECTIONS for sentence in section.sentences]
ENTRIES = [
    entry
    for section in SECTIONS
    for row in [*section.charts, section.tables]
    for entry in row
]


def _name(entry: Tile | Entry | Sentence) -> str:
    if isinstance(entry, Sentence):
        return f"sentence {SENTENCES.index(entry) + 1}"
    return entry.name if isinstance(entry, Entry) else entry.label


@pytest.mark.parametrize("entry", [*TILES, *SENTENCES, *ENTRIES], ids=_name)
def test_a_query_is_one_statement_that_spark_has_as_well(
    entry: Tile | Entry | Sentence,
) -> None:
    (statement,) = sqlglot.transpile(
        entry.query,
        read="duckdb",
        write="spark",
        unsupported_level=sqlglot.ErrorLevel.RAISE,
    )
    # With several rows, their order must not be left to the engine.
    if isinstance(entry, Entry) and entry.columns:
        assert "ORDER BY" in statement.rpartition("FROM")[2]


def test_names_are_used_once_since_they_are_places_of_the_page() -> None:
    names = [entry.name for entry in ENTRIES]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("entry", ENTRIES, ids=_name)
def test_a_card_has_figures_or_says_what_is_absent(entry: Entry) -> None:
    assert bool(entry.columns) or bool(entry.absent)
    assert bool(entry.marks) == bool(entry.series)
    assert bool(entry.note) == bool(entry.columns), "figures need a sentence"
    assert set(entry.alarms) <= set(entry.columns)


def test_states_are_listed_in_their_order() -> None:
    query = listed({"open": ("Open", "#000"), "closed": ("Closed", "#fff")})
    rows = duckdb.sql(f"{query} order by position desc").fetchall()
    assert rows == [(1, "closed"), (0, "open")]
