import pytest

from kith.company.tables import Column, ColumnRules, SourceTable, TableRules
from kith.deliveries.columns import (
    checked_names,
    columns_by_name,
    delimiter_cure,
    is_json,
    is_own,
    is_personal,
    is_text,
    number_as_declared,
    shown_names,
)
from kith.errors import DeliveryError


def table(**rules: str | list[str]) -> SourceTable:
    return SourceTable(
        source="shop",
        name="sales",
        rules=TableRules(connector="files", path="sales.csv"),
        columns=[
            Column(name="price", data_type="double", rules=ColumnRules(**rules)),
            Column(name="total", data_type="double", rules=ColumnRules()),
        ],
    )


def test_a_column_is_known_by_all_its_names_but_those_of_another() -> None:
    found = columns_by_name(table(aliases=["Amount", "TOTAL"]))
    assert {name: column.name for name, column in found.items()} == {
        "amount": "price",
        "total": "total",
        "price": "price",
    }


def test_numbers_are_written_as_their_column_is_declared() -> None:
    (price, total) = table(decimal=",").columns
    assert number_as_declared("1.5", price) == "1,5"
    assert number_as_declared("1.5", total) == "1.5"
    assert number_as_declared("1.5", None) == "1.5"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("_KITH_row", True), ("File_Row_Number", True), ("kith_row", False)],
)
def test_columns_of_our_own_are_known_in_any_case(name: str, expected: bool) -> None:
    assert is_own(name) is expected


def test_text_and_json_are_told_by_the_declared_type() -> None:
    kinds = ["VARCHAR", "text", "Json", "date"]
    columns = [Column(name="x", data_type=kind) for kind in kinds]
    assert [is_text(column) for column in columns] == [True, True, True, False]
    assert [is_json(column) for column in columns] == [False, False, True, False]


def test_names_are_composed() -> None:
    assert checked_names(table(), "here", ["e\u0301", "x"]) == ["\u00e9", "x"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a", ""], "here: column 2 has no name"),
        (["_kith_row"], "here: a column is named '_kith_row'"),
        (["a", "b", "A"], "here: columns 'a' and 'A' cannot be told apart"),
    ],
)
def test_names_that_cannot_be_are_refused(names: list[str], message: str) -> None:
    with pytest.raises(DeliveryError, match=message):
        checked_names(table(), "here", names)


def test_beside_identifiers_only_declared_names_are_shown() -> None:
    names = ["price", "li@example.com", "+33 1", *"abcdef"]
    assert shown_names(table(), names[:2]) == "'price', 'li@example.com'"
    personal = table(pii="email")
    assert is_personal(personal)
    assert not is_personal(table())
    assert shown_names(personal, names[:2]) == "'price', an undeclared name"
    assert shown_names(personal, names) == "'price', 8 undeclared names"


def test_a_header_in_one_piece_tells_its_delimiter() -> None:
    assert '";" (semicolon)' in delimiter_cure(["a;b"])
    assert delimiter_cure(["a"]) == ""
    assert delimiter_cure(["a;b", "c"]) == ""
