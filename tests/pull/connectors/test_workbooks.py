"""Workbooks: types, headers, sheets."""

import datetime as dt
import shutil
from pathlib import Path
from typing import Any

import pytest

from kith.errors import DeliveryError
from tests.one_table import (
    COLUMNS,
    HEADER,
    admitted,
    company,
    deliver,
    quarantined,
    report,
    run_door,
    sales,
)
from tests.pull.connectors.fetching import (
    fetched,
    rows,
)
from tests.pull.connectors.workbooks import write_xlsx

pytestmark = pytest.mark.usefixtures("kith_home")


def sheet_rows(count: int) -> dict[int, list[Any]]:
    """The sales as cells, below a header in row 1."""
    values = [line.split(",") for line in sales(count)]
    table = {
        number: [
            sale_id,
            dt.datetime.fromisoformat(sold_at),
            int(quantity),
            float(price),
        ]
        for number, (sale_id, sold_at, quantity, price) in enumerate(values, 2)
    }
    return {1: HEADER.split(","), **table}


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """Where the workbook of the company is expected."""
    return company(tmp_path, "data/sales.xlsx") / "data/sales.xlsx"


def test_a_workbook_admits_what_a_csv_does(book: Path, tmp_path: Path) -> None:
    deliver(company(tmp_path / "plain"), sales(40))
    expected = admitted(run_door(tmp_path / "plain"))
    shutil.rmtree(tmp_path / "home")
    write_xlsx(book, {"Sales": sheet_rows(40)})
    run = run_door(tmp_path)
    assert len(expected) == 40
    assert admitted(run) == expected


def test_uniform_columns_keep_their_type_and_others_are_text(
    book: Path, tmp_path: Path
) -> None:
    cells = sheet_rows(3)
    cells[1] += ["closed", "day", "undeclared"]
    cells[2] += [True, dt.date(2024, 3, 1), 1]
    cells[3] = [1001, *cells[3][1:3], "free", False, dt.date(2024, 3, 2), "x"]
    cells[4] += [None, None, dt.date(2024, 3, 3)]
    columns = [
        *COLUMNS,
        {"name": "closed", "data_type": "boolean"},
        {"name": "day", "data_type": "date"},
    ]
    company(tmp_path, "data/sales.xlsx", columns)
    write_xlsx(book, {"Sales": cells})
    (delivery,) = fetched(tmp_path)
    assert delivery.columns == {
        **{"sale_id": "VARCHAR", "sold_at": "TIMESTAMP", "quantity": "BIGINT"},
        **{"price": "VARCHAR", "closed": "BOOLEAN", "day": "DATE"},
        "undeclared": "VARCHAR",
    }
    assert rows(delivery, "sale_id, price, undeclared") == [
        ("S00000", "1.5", "1"),
        ("1001", "free", "x"),
        ("S00002", "3.5", "2024-03-03"),
    ]


def test_text_of_cells_is_written_as_declared(book: Path, tmp_path: Path) -> None:
    columns = [dict(column) for column in COLUMNS]
    columns[1]["meta"] = {"format": "%d.%m.%Y %H:%M"}
    columns[3]["meta"] = {"decimal": ","}
    company(tmp_path, "data/sales.xlsx", columns)
    cells = sheet_rows(3)
    cells[3][1], cells[3][3] = "02.03.2024 12:00", "1.234,50"
    write_xlsx(book, {"Sales": cells})
    assert admitted(run_door(tmp_path), "sold_at::varchar, price::varchar") == [
        ("2024-03-01 08:00:00", "1.50"),
        ("2024-03-01 16:00:00", "3.50"),
        ("2024-03-02 12:00:00", "1234.50"),
    ]


def test_row_numbers_count_from_the_header_of_the_sheet(
    book: Path, tmp_path: Path
) -> None:
    cells = sheet_rows(400)
    moved = {number + 2: row for number, row in cells.items()}
    moved[100] = [None] * 4  # a ghost: formatted, but empty
    moved[200][2] = -1
    moved[900] = [None] * 26
    write_xlsx(book, {"Sales": moved})
    run = run_door(tmp_path)
    assert quarantined(run, "row_number, reason") == [(200 - 3, "below_minimum")]
    assert report(run)["admitted"] == 398


def test_numbers_that_lost_digits_in_a_cell_are_refused(
    book: Path, tmp_path: Path
) -> None:
    columns = [*COLUMNS, {"name": "weight", "data_type": "double"}]
    company(tmp_path, "data/sales.xlsx", columns, quarantine_limit_pct=100)
    cells = [
        [*HEADER.split(","), "weight"],
        [2**53, "2024-03-01", 2**53, 1.5, 1e30],
        [12345678901234567890, "2024-03-01", 1, 1.5, 1],
        ["C", "2024-03-01", -9007199254740994, 1.5, 1],
    ]
    write_xlsx(book, {"Sales": dict(enumerate(cells, 1))})
    run = run_door(tmp_path)
    exact = str(2**53)
    assert admitted(run, "sale_id, quantity::varchar") == [(exact, exact)]
    assert quarantined(run, "row_number, expected") == [
        (2, "values, no cell error: a number of more digits than a cell keeps in A3"),
        (3, "values, no cell error: a number of more digits than a cell keeps in C4"),
    ]


def test_a_fraction_is_no_identifier_of_a_workbook(
    book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KITH_IDENTIFIER_KEY", "a key of the tests alone, long enough")
    columns = [*COLUMNS, {"name": "who", "data_type": "varchar"}]
    columns[-1]["meta"] = {"pii": "handle"}
    company(tmp_path, "data/sales.xlsx", columns, quarantine_limit_pct=100)
    cells = sheet_rows(3)
    for number, who in enumerate(["who", 7.5, 7.0, "7"], 1):
        cells[number].append(who)
    write_xlsx(book, {"Sales": cells})
    run = run_door(tmp_path)
    assert len(admitted(run, "distinct who")) == 1
    assert quarantined(run, "row_number, reason") == [(1, "unreadable_line")]


def test_cells_merged_below_the_header_are_refused(book: Path, tmp_path: Path) -> None:
    cells = sheet_rows(9)
    write_xlsx(book, {"Sales": cells}, "A5:A7")
    with pytest.raises(DeliveryError, match="cells are merged below the header, A5:A7"):
        fetched(tmp_path)
    # Where nothing stands there nothing is lost.
    write_xlsx(book, {"Sales": {**cells, 20: [None] * 4}}, "A20:B20")
    assert fetched(tmp_path)[0].rows == 9


def test_the_sheet_is_the_declared_or_the_only_visible_one(
    book: Path, tmp_path: Path
) -> None:
    other = {1: ["x"], 2: ["y"]}
    write_xlsx(book, {"Notes": other, "Sales": sheet_rows(4)}, hidden=["Notes"])
    assert fetched(tmp_path)[0].rows == 4
    write_xlsx(book, {"Notes": other, "Sales": sheet_rows(4)})
    with pytest.raises(
        DeliveryError, match=r"more than one sheet among Notes, Sales; n"
    ):
        fetched(tmp_path)
    company(tmp_path, "data/sales.xlsx", options={"sheet": "Sales"})
    assert fetched(tmp_path)[0].rows == 4
    company(tmp_path, "data/sales.xlsx", options={"sheet": "Orders"})
    with pytest.raises(DeliveryError, match=r"no sheet 'Orders' among Notes, Sales;"):
        fetched(tmp_path)


@pytest.mark.parametrize(
    ("title", "merged", "message"),
    [
        (
            ["Sales of March"],
            "A1:D1",
            "found 'Sales of March' merged over A1:D1, but v",
        ),
        (
            ["Sales of March"],
            "",
            "row 1: found 'Sales of March' as its only names, but",
        ),
        (
            [None, None, "March"],
            "",
            "values without a name in column A, B, D; expected",
        ),
        ([None], "", None),
    ],
)
def test_a_title_above_the_header_is_named(
    title: list[str | None],
    merged: str,
    message: str | None,
    book: Path,
    tmp_path: Path,
) -> None:
    moved = {number + 2: row for number, row in sheet_rows(4).items()}
    write_xlsx(book, {"Sales": {1: title, **moved}}, merged)
    if message is None:
        assert fetched(tmp_path)[0].rows == 4
        return
    with pytest.raises(DeliveryError, match=message) as raised:
        fetched(tmp_path)
    assert "expected the header sale_id, sold_at, quantity, price" in str(raised.value)


def test_a_column_with_values_needs_a_name(book: Path, tmp_path: Path) -> None:
    cells = sheet_rows(4)
    cells[3].append("a note in the margin")
    write_xlsx(book, {"Sales": cells})
    with pytest.raises(DeliveryError, match="values without a name in column E"):
        fetched(tmp_path)


def test_an_empty_sheet_is_refused(book: Path, tmp_path: Path) -> None:
    write_xlsx(book, {"Sales": {}})
    with pytest.raises(DeliveryError, match="sheet 'Sales' is empty, not even a head"):
        fetched(tmp_path)


def test_days_and_times_of_one_column_are_moments(book: Path, tmp_path: Path) -> None:
    columns = [*COLUMNS, {"name": "day", "data_type": "date"}]
    company(tmp_path, "data/sales.xlsx", columns, time_zone="UTC")
    cells = sheet_rows(3)
    cells[1].append("day")
    cells[2][1] = dt.date(2024, 3, 1)
    for number, day in ((2, dt.date(2024, 3, 1)), (3, dt.datetime(2024, 3, 2))):
        cells[number].append(day)
    write_xlsx(book, {"Sales": cells})
    assert admitted(run_door(tmp_path), "sold_at::varchar, day::varchar") == [
        ("2024-03-01 00:00:00", "2024-03-01"),
        ("2024-03-01 12:00:00", "2024-03-02"),
        ("2024-03-01 16:00:00", None),
    ]


def test_a_cell_of_text_changes_no_other_cell(book: Path, tmp_path: Path) -> None:
    columns = [
        {**COLUMNS[0]},
        {"name": "sold_at", "data_type": "timestamp"},
        {"name": "day", "data_type": "date"},
        {"name": "counted", "data_type": "timestamp"},
    ]
    formats = (["%d.%m.%Y", "%-d.%m.%Y %H:%M"], "%d.%m.%y", "epoch_s")
    for column, form in zip(columns[1:], formats, strict=True):
        column["meta"] = {"format": form}
    company(tmp_path, "data/sales.xlsx", columns, time_zone="UTC")
    seconds = dt.datetime(2024, 1, 31, 23, 30, 15)
    moments = [seconds.replace(second=0), seconds, dt.datetime(2024, 1, 16, 8, 15)]
    days = [dt.date(1931, 1, 2), dt.date(2024, 1, 3), dt.date(2024, 1, 4)]
    write_xlsx(
        book,
        {
            "Sales": {
                1: ["sale_id", "sold_at", "day", "counted"],
                **{
                    number: [f"S{number}", moment, day, moment]
                    for number, (moment, day) in enumerate(
                        zip(moments, days, strict=True), 2
                    )
                },
                5: ["S5", "17.01.2024 09:45", "05.01.24", "1705485600"],
            }
        },
    )
    run = run_door(tmp_path, "2024-01-01")
    assert admitted(run, "sold_at::varchar, day::varchar, counted::varchar") == [
        ("2024-01-16 08:15:00", "2024-01-04", "2024-01-16 08:15:00"),
        ("2024-01-17 09:45:00", "2024-01-05", "2024-01-17 10:00:00"),
        ("2024-01-31 23:30:00", "1931-01-02", "2024-01-31 23:30:00"),
        ("2024-01-31 23:30:15", "2024-01-03", "2024-01-31 23:30:15"),
    ]


@pytest.mark.parametrize("kind", ["timestamp", "date", "decimal(18,2)", "bigint"])
def test_cells_of_any_kinds_in_one_column_are_judged_one_by_one(
    kind: str, book: Path, tmp_path: Path
) -> None:
    values: dict[int, Any] = dict(enumerate([1, 1.5, True, "x", None], 3))
    values |= {8: dt.date(2024, 3, 1), 9: dt.datetime(2024, 3, 1, 12)}
    columns = [*COLUMNS, {"name": "mixed", "data_type": kind}]
    company(tmp_path, "data/sales.xlsx", columns, quarantine_limit_pct=100)
    cells = sheet_rows(8)
    for number in cells:
        cells[number].append(values.get(number))
    cells[1][-1] = "mixed"
    write_xlsx(book, {"Sales": cells})
    expected = {"timestamp": 4, "date": 3, "decimal(18,2)": 4, "bigint": 3}
    assert len(admitted(run_door(tmp_path))) == expected[kind]


def test_decimals_of_cells_are_not_rounded(book: Path, tmp_path: Path) -> None:
    company(tmp_path, "data/sales.xlsx", quarantine_limit_pct=100)
    cells = sheet_rows(4)
    for number, price in enumerate([1.005, 0.1 + 0.2, 12.340000000000001, 2.5], 2):
        cells[number][3] = price
    write_xlsx(book, {"Sales": cells})
    run = run_door(tmp_path)
    assert admitted(run, "price::varchar") == [("0.30",), ("12.34",), ("2.50",)]
    assert quarantined(run, "row_number, value, expected") == [
        (1, "1.005", "decimal(18,2): at most 2 places")
    ]


def test_lines_above_the_header_of_a_sheet_are_skipped_as_declared(
    book: Path, tmp_path: Path
) -> None:
    moved = {number + 3: row for number, row in sheet_rows(4).items()}
    title: dict[int, list[Any]] = {1: ["Sales"], 3: ["a", "b", "c", "d"]}
    write_xlsx(book, {"Sales": {**title, **moved}}, "A1:D1")
    with pytest.raises(DeliveryError, match=r"number of lines above the header \(3\)"):
        fetched(tmp_path)
    for number in (4, 99):
        company(tmp_path, "data/sales.xlsx", options={"skip_lines": number})
        passed = f"skip_lines: {number} passes over the header, which stands in row 4"
        with pytest.raises(DeliveryError, match=rf"{passed}; set .*skip_lines: 3 in"):
            fetched(tmp_path)
    options = {"skip_lines": 3}
    company(tmp_path, "data/sales.xlsx", options=options, quarantine_limit_pct=50)
    moved[6][2] = -1
    write_xlsx(book, {"Sales": {**title, **moved}}, "A1:D1")
    run = run_door(tmp_path)
    assert len(admitted(run)) == 3
    assert quarantined(run, "row_number, reason") == [(2, "below_minimum")]
