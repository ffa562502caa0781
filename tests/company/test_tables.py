"""Declarations of source tables: names of columns, and what each connector needs."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from kith.company.tables import (
    PATH_VARIABLE,
    Column,
    ColumnRules,
    Paging,
    TableRules,
    literal_path,
)


def test_a_column_is_found_under_its_own_name_before_its_aliases() -> None:
    column = Column(
        name="city", data_type="varchar", rules=ColumnRules(aliases=["Town", "place"])
    )
    delivered = ["PLACE", "name", "town", "City"]
    assert column.names_in(delivered) == ["City", "town", "PLACE"]
    assert column.names_in(["name"]) == []


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"connector": "files"}, "connector files needs `path`"),
        ({"connector": "sql", "connection": "crm"}, "connector sql needs `relation`"),
        ({"connector": "rest", "connection": "crm"}, "rest needs `endpoint`"),
        (
            {"connector": "files", "path": "x.csv", "relation": "x"},
            "connector files knows no `relation`",
        ),
        (
            {"connector": "files", "path": "x.csv", "cursr": "day"},
            "cursr\n  Extra inputs are not permitted",
        ),
    ],
)
def test_a_connector_has_what_it_needs_and_nothing_else(
    rules: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        TableRules(**rules)
    assert words in str(refused.value)


def test_a_store_may_have_a_connection() -> None:
    rules = TableRules(connector="files", path="s3://x/y.csv", connection="store")
    assert rules.connection == "store"


def test_paging_by_cursor_says_where_the_cursor_stands() -> None:
    with pytest.raises(ValidationError, match="paging by cursor needs `next`"):
        Paging(kind="cursor")
    assert Paging(kind="cursor", next="$.next").next == "$.next"


def test_no_sign_of_a_files_name_means_anything_in_its_path(tmp_path: Path) -> None:
    name = "${HOME} $HOME {date:%Y-%m-%d} [ab]*?{x}.csv"
    (tmp_path / name).touch()
    path = literal_path(name)
    assert list(tmp_path.glob(path)) == [tmp_path / name]
    assert not PATH_VARIABLE.search(path)
    assert "{date" not in path
