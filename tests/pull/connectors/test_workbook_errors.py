"""Cells of workbooks that hold an error or no result."""

import zipfile
from pathlib import Path

import pytest

from kith.pull.connectors.workbook_errors import (
    column_letters,
    column_number,
    error_cells,
)
from tests.one_table import (
    COLUMNS,
    HEADER,
    admitted,
    company,
    quarantined,
    run_door,
)
from tests.pull.connectors.workbooks import Formula, write_xlsx

pytestmark = pytest.mark.usefixtures("kith_home")


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """Where the workbook of the company is expected."""
    return company(tmp_path, "data/sales.xlsx") / "data/sales.xlsx"


def test_cells_with_errors_are_never_taken_for_empty_ones(
    book: Path, tmp_path: Path
) -> None:
    columns = [dict(column) for column in COLUMNS]
    columns[3]["meta"] = {"null_values": ["#N/A"]}
    company(tmp_path, "data/sales.xlsx", columns, quarantine_limit_pct=60)
    cells = [
        HEADER.split(","),
        *(["A", "2024-03-01", 1, 1.5], ["B", "2024-03-01", "#DIV/0!", "#REF!"]),
        *(["#NAME?", "2024-03-01", 1, 2.5], ["C", "2024-03-01", 1, "#N/A"]),
    ]
    write_xlsx(book, {"Sales": dict(enumerate(cells, 1))})
    run = run_door(tmp_path)
    assert admitted(run, "sale_id, price::varchar") == [("A", "1.50"), ("C", None)]
    assert quarantined(run, "row_number, reason, expected") == [
        (2, "unreadable_line", "values, no cell error: #DIV/0! in C3, #REF! in D3"),
        (3, "unreadable_line", "values, no cell error: #NAME? in A4"),
    ]


@pytest.mark.parametrize("missing", ["", "<v/>", "<v></v>"])
def test_a_formula_without_a_result_is_never_taken_for_an_empty_cell(
    missing: str, book: Path, tmp_path: Path
) -> None:
    columns = [*COLUMNS, {"name": "note", "data_type": "varchar"}]
    company(tmp_path, "data/sales.xlsx", columns, quarantine_limit_pct=100)
    cells = {
        1: [*HEADER.split(","), "note"],
        2: ["A", "2024-03-01", 1, 1.5, Formula('t="str"', "<v></v>")],
        3: ["B", "2024-03-01", 1, Formula("", "<v>2.5</v>"), "x"],
        4: ["C", "2024-03-01", 1, Formula("", missing), "x"],
        5: [None, None, None, Formula("", missing)],
    }
    write_xlsx(book, {"Sales": cells})
    run = run_door(tmp_path)
    assert admitted(run, "sale_id, price::varchar, note") == [
        ("A", "1.50", None),
        ("B", "2.50", "x"),
    ]
    assert quarantined(run, "row_number, expected") == [
        (3, "values, no cell error: a formula without a stored result in D4"),
        (4, "values, no cell error: a formula without a stored result in D5"),
    ]


@pytest.mark.parametrize(
    ("number", "letters"), [(0, "A"), (25, "Z"), (26, "AA"), (701, "ZZ"), (702, "AAA")]
)
def test_columns_have_the_letters_of_a_sheet(number: int, letters: str) -> None:
    assert column_letters(number) == letters
    assert column_number(letters) == number


def test_a_cell_and_a_row_may_leave_their_place_to_be_counted(tmp_path: Path) -> None:
    path = tmp_path / "sales.xlsx"
    error = '<c t="e"><v>#N/A</v></c>'
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "xl/workbook.xml", '<workbook><sheet name="S" id="r1"/></workbook>'
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            '<r><Relationship Id="r1" Target="/xl/one.xml"/></r>',
        )
        archive.writestr(
            "xl/one.xml",
            f'<s><row><c><v>1</v></c>{error}</row><row r="5"><c r="D5"/>{error}</row>'
            f"<row>{error}</row></s>",
        )
    found = {(0, 1): "#N/A", (4, 4): "#N/A", (5, 0): "#N/A"}
    assert error_cells(path, "S") == found
