from pathlib import Path
from typing import Any

import pytest

from tests.one_table import admitted, company, report, run_door

pytestmark = pytest.mark.usefixtures("kith_home")
COLUMNS: list[dict[str, Any]] = [
    {"name": "shop", "data_type": "varchar"},
    {"name": "city", "data_type": "varchar"},
    {"name": "pieces", "data_type": "bigint"},
    {"name": "amount", "data_type": "decimal(18,2)"},
]
ROWS = ["A,Paris,1,10.25", "B,Paris,2,20.25", "C,Lyon,3,5.00", "D,Lyon,4,7.50"]


def warnings_of(
    folder: Path, *rows: str, columns: list[dict[str, Any]] = COLUMNS
) -> list[str]:
    company(folder, columns=columns, key=[], cursor=None)
    text = "\n".join(["shop,city,pieces,amount", *rows, ""])
    (folder / "data/sales.csv").write_text(text)
    run = run_door(folder)
    assert len(admitted(run)) == len(rows)
    found: list[str] = report(run)["warnings"]
    return [each for each in found if "equal to others" not in each]


def told(rows: str, count: int, column: str = "shop") -> list[str]:
    return [
        f"shop.sales: data/sales.csv, row {rows}: column {column} holds a word for a "
        f"total, and {count} such rows look like totals of others, which would count "
        "once more; have the file delivered without them, or declare accepted_values "
        f"for {column} in sources.yml if they are rows"
    ]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        # Of one town, of each, of all, of a float, with a value that others never lack.
        ([*ROWS, "Total,Paris,3,30.50"], told("5", 1)),
        ([*ROWS[:2], "Total,Paris,3,30.50", *ROWS[2:]], told("3", 1)),
        (
            [*ROWS, "Total,Paris,3,30.50", "Total:,Lyon,7,12.50", "SUMME,alle,10,43"],
            told("5, 6, 7", 3),
        ),
        ([*ROWS, "Gesamt,Berlin,10,3"], told("5", 1)),
        ([*ROWS, "Total,Paris,,99"], told("5", 1)),
        ([*ROWS, "X,Subtotal,10,99"], told("5", 1, "city")),
        # A company of that name.
        ([*ROWS, "Total,Paris,3,99.00"][1:], []),
        (["Total,Paris,1,2.50", *ROWS, "Total,Nice,4,4.50", "Total,Lyon,7,1.00"], []),
        ([*ROWS, "Totally,Paris,3,30.50"], []),
        (["Total,Paris,1,10.25", "A,Paris,1,10.25"], []),
        (["Total,Paris,0,0", "A,Paris,0,0", "B,Paris,0,0"], []),
    ],
)
def test_a_row_that_may_be_a_total_is_told_and_kept(
    rows: list[str], expected: list[str], tmp_path: Path
) -> None:
    assert warnings_of(tmp_path, *rows) == expected


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        # All values are filled: one in the middle, several and one of all, and one that
        # says so in more than a word, of two rows.
        ([*ROWS[:3], "E,Nice,9,35.50", *ROWS[3:]], [("4", 1)]),
        (
            [*ROWS, "E,Nice,9,43", *ROWS[1:], "E,Nice,9,32.75", "F,Nice,9,75.75"],
            [("5, 9, 10", 3)],
        ),
        ([*ROWS[:2], "Summe Januar,alle,9,30.50", *ROWS[2:]], [("3", 1)]),
        (["A,Nice,1,5", "B,Nice,1,5", "Sum of Nice,Nice,1,10"], [("3", 1)]),
        ([*["A,Nice,1,5"] * 5, "D,Nice,1,25"], [("6", 1)]),
        # Of two rows, of counts, of none, of fees, of what was given back.
        ([*ROWS[:2], "E,Nice,9,30.50", *ROWS[2:]], []),
        ([*ROWS, "E,Nice,10,1.25"], []),
        (["A,Nice,1,0", "B,Nice,1,0", "C,Nice,1,0", "D,Nice,1,0"], []),
        (["A,Nice,1,5", "B,Nice,1,5", "C,Nice,1,5", "D,Nice,1,15"], []),
        (["A,Nice,1,0", "B,Nice,1,5", "C,Nice,1,0", "D,Nice,1,5"], []),
        ([*ROWS, "E,Nice,1,-40", "F,Nice,1,3"], []),
    ],
)
def test_a_row_that_adds_up_those_above_is_told(
    rows: list[str], expected: list[tuple[str, int]], tmp_path: Path
) -> None:
    assert warnings_of(tmp_path, *rows) == [
        f"shop.sales: data/sales.csv, row {numbers}: column amount is the sum of the "
        f"rows above, as in a total, in {count} of its rows; totals would count once "
        "more: have the file delivered without them"
        for numbers, count in expected
    ]


def test_a_word_for_a_total_may_be_declared(tmp_path: Path) -> None:
    rules = {"accepted_values": ["A", "B", "C", "D", "Total"]}
    columns = [{**COLUMNS[0], "meta": rules}, *COLUMNS[1:]]
    rows = [*ROWS, "Total,Paris,3,30.50"]
    assert warnings_of(tmp_path, *rows, columns=columns) == []
