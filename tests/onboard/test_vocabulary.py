"""The words by which names of columns are understood."""

import pytest

from kith.onboard.staging import contracts
from kith.onboard.vocabulary import (
    COLUMNS,
    FEEDS,
    canonical,
    column_phrases,
    cursor_rank,
    phrases,
    singular,
    title_words,
    words_of,
)


def test_the_vocabulary_knows_every_feed_and_no_column_that_none_has() -> None:
    read = contracts()
    assert set(FEEDS) == set(read)
    columns = {column for contract in read.values() for column in contract}
    for feed, entry in FEEDS.items():
        assert set(phrases(entry.get("needs", ""))) <= set(read[feed])
    assert set(COLUMNS) <= columns


@pytest.mark.parametrize(
    "name", ["CustomerID", "customer_id", "customerid", "customer id"]
)
def test_a_name_has_the_same_words_however_it_is_written(name: str) -> None:
    assert words_of(name) == ("customer", "id")


def test_names_of_tables_are_known_in_the_plural() -> None:
    assert title_words("OrderLines") == {"order", "line"}
    # A short word or a double s is no plural.
    assert [singular(word) for word in ("orders", "us", "address")] == [
        *("order", "us", "address")
    ]


def test_some_words_tell_the_day_of_a_row_more_surely_than_others() -> None:
    assert cursor_rank(("ordered", "at")) > cursor_rank(("order", "date")) > 0
    assert cursor_rank(("colour",)) == -1


def test_a_number_and_a_code_are_an_id() -> None:
    assert canonical(["order", "no"]) == ["order", "id"]
    assert column_phrases("order_id")[:2] == [["order", "id"], ["order"]]
