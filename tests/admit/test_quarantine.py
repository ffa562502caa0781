import re
from pathlib import Path

import pytest

from kith.admit.quarantine import is_over
from kith.admit.table import admit_table
from kith.company.tables import SourceTable, TableRules
from kith.errors import DeliveryError
from kith.pull.table import pull_table
from kith.runs.journal import Journal
from tests.conftest import new_run
from tests.one_table import (
    HEADER,
    TABLE,
    admitted,
    company,
    deliver,
    quarantined,
    refusal,
    report,
    run_door,
    sales,
)

pytestmark = pytest.mark.usefixtures("kith_home")


def test_wrong_type_is_quarantined(tmp_path: Path) -> None:
    lines = sales(400)
    lines[6] = lines[6].replace(",1,", ",two,")
    deliver(company(tmp_path), lines)
    run = run_door(tmp_path)
    assert quarantined(
        run, "file, row_number, column_name, reason, value, expected, day::varchar"
    ) == [
        ("data/sales.csv", 7, "quantity", "wrong_type", "two", "bigint", "2024-03-02")
    ]
    assert report(run)["admitted"] == 399


def test_refused_rows_below_the_limit_are_told_at_the_end_of_the_run(
    tmp_path: Path,
) -> None:
    lines = sales(400)
    lines[6] = lines[6].replace(",1,", ",two,")
    # One that contradicts another, and one that lacks its end.
    deliver(company(tmp_path), [*lines, lines[8].replace(",3,", ",2,"), "S9,x"])
    run = run_door(tmp_path)
    journal = Journal(run.run_folder)
    list(journal.new_entries())
    assert journal.refused() == [
        "shop.sales: 4 of 402 rows: 2 conflicting_rows in quantity, "
        "1 unreadable_line, 1 wrong_type in quantity"
    ]
    deliver(tmp_path, sales(400))
    run_door(tmp_path)
    clean = Journal(run_door(tmp_path).run_folder)
    list(clean.new_entries())
    assert clean.refused() == []


def test_too_many_wrong_types_stop(tmp_path: Path) -> None:
    lines = [line.replace(".50", ",50") for line in sales(100)]
    quoted = [re.sub(r"(\d,50)$", r'"\1"', line) for line in lines]
    deliver(company(tmp_path), quoted)
    assert re.fullmatch(
        r"shop.sales: 100 of 100 rows are bad \(100 %\), over quarantine_limit_pct 1; "
        r"data/sales.csv, row 1, 2, 3 …: column price: wrong_type, found "
        r"'1,50', expected decimal\(18,2\); correct the source, or the column's "
        r"data_type, format, decimal, round or null_values in sources.yml; all bad "
        r"rows lie in .*/rows.parquet",
        refusal(tmp_path),
    )


def test_a_refusal_counts_all_bad_rows_by_their_reasons(tmp_path: Path) -> None:
    lines = sales(97)
    lines[4] = lines[4].replace(",0,", ",,").replace(",4,", ",,")
    lines[6] = lines[6].replace(",1,", ",,")
    # One without a day, and one with a column too many.
    undated = f"S1,,1,1.50\n{lines[0]},9"
    deliver(company(tmp_path), [*lines, undated, lines[8].replace(",3,", ",x,")])
    message = refusal(tmp_path)
    assert message.startswith(
        "shop.sales: 5 of 100 rows are bad (5 %), over quarantine_limit_pct 1: "
        "2 required_missing in quantity, 1 required_missing in sold_at, "
        "1 unreadable_line, 1 wrong_type in quantity; data/sales.csv, row 5, 7: "
        "column quantity: required_missing, found an empty cell, expected a value; "
    )


def test_a_refusal_shows_a_row_of_each_reason_and_the_cure_of_each(
    tmp_path: Path,
) -> None:
    lines = sales(20)
    lines[2] = lines[2].replace(",2,", ",two,")
    for place in (5, 6):
        lines[place] = lines[place].replace(f",{place % 5},", ",-1,")
    deliver(company(tmp_path), lines)
    assert re.fullmatch(
        r"shop.sales: 3 of 20 rows are bad \(15 %\), over quarantine_limit_pct 1: "
        r"2 below_minimum in quantity, 1 wrong_type in quantity; "
        r"data/sales.csv, row 6, 7: column quantity: below_minimum, found '-1', "
        r"expected >= 0; correct the source, or `minimum` in sources.yml; "
        r"data/sales.csv, row 3: column quantity: wrong_type, found 'two', "
        r"expected bigint; correct the source, or the column's data_type, .* in "
        r"sources.yml; all bad rows lie in .*/rows.parquet",
        refusal(tmp_path),
    )


def test_a_refusal_shows_no_contact_that_a_shifted_column_brought(
    tmp_path: Path,
) -> None:
    for value, shown in (
        ("jane.doe@shop.example", "…@…"),
        ("+49 89 1234567", "…"),
    ):
        lines = sales(20)
        lines[2] = lines[2].replace(",2,", f",{value},")
        deliver(company(tmp_path / shown), lines)
        message = refusal(tmp_path / shown)
        assert f"column quantity: wrong_type, found '{shown}', expected" in message
        assert value not in message


def test_of_many_reasons_the_commonest_are_shown_and_all_are_counted(
    tmp_path: Path,
) -> None:
    # Column n0 has a bad value on one row, n1 on two, and so on.
    names = [f"n{number}" for number in range(14)]
    columns = [{"name": name, "data_type": "bigint"} for name in names]
    rows = [
        ",".join("x" if each == name else "1" for each in names)
        for count, name in enumerate(names, 1)
        for _ in range(count)
    ]
    folder = company(tmp_path, columns=columns, key=[], cursor=None)
    text = "\n".join([",".join(names), *rows])
    (folder / "data" / "sales.csv").write_text(f"{text}\n")
    counts, *shown = refusal(tmp_path).split("; data/sales.csv, row ")
    told = [f"{count} wrong_type in n{count - 1}" for count in range(14, 2, -1)]
    assert counts.endswith(f": {', '.join(told)}, 3 others")
    assert len(shown) == 4
    assert "column n13: wrong_type" in shown[0]


def test_rows_of_no_day_are_named_beside_those_that_stop_the_run(
    tmp_path: Path,
) -> None:
    lines = sales(400)
    for place in (5, 6):
        lines[place] = lines[place].replace(f",{place % 5},", ",-1,")
    # One without a day: of the 401 rows of the file far below the limit.
    deliver(company(tmp_path), [*lines, "S9,,1,1.50"])
    with pytest.raises(DeliveryError) as caught:
        run_door(tmp_path, "2024-03-02", "2024-03-03")
    assert re.search(
        r"2 below_minimum in quantity, 1 required_missing in sold_at; "
        r"data/sales.csv, row 6, 7: .* data/sales.csv, row 401: column sold_at: "
        r"required_missing, found an empty cell",
        str(caught.value),
    )


def test_rows_of_a_day_and_of_none_count_together_where_all_are_taken(
    tmp_path: Path,
) -> None:
    lines = sales(97)
    lines[4] = lines[4].replace(",0,", ",,").replace(",4,", ",,")
    lines += ["S1,,1,1.50", "S2,2024-03-01,1,1,9"]
    deliver(company(tmp_path, quarantine_limit_pct=2.5), lines)
    assert "shop.sales: 3 of 99 rows are bad (3.03 %)" in refusal(tmp_path)


def test_of_an_unreadable_line_is_said_what_was_expected(tmp_path: Path) -> None:
    path = company(tmp_path) / "data/sales.csv"
    for line, expected in (
        (b"S1,2024-03-01,1,1,9", "4 columns, not 5"),
        (b"S1,2024-03-01", "4 columns, not 2"),
        (b"\xe9,2024-03-01,1,1", "text in UTF-8"),
        (b'"S1"x,2024-03-01,1,1', "quotes only around a whole value, and closed"),
    ):
        path.write_bytes("\n".join([HEADER, *sales(4)]).encode() + b"\n" + line + b"\n")
        assert f", expected {expected}; " in refusal(tmp_path)
    path = company(tmp_path, "data/sales.jsonl") / "data/sales.jsonl"
    path.write_text(
        '{"sale_id": "S", "sold_at": "2024-03-01", "quantity": 1, "price": 1}\n[1]\n'
    )
    message = refusal(tmp_path)
    assert "row 2: unreadable_line, found '[1]', expected a JSON object; " in message


def test_wrong_encoding_stops_or_is_quarantined(tmp_path: Path) -> None:
    lines = sales(400)
    lines[3] = lines[3].replace("S00003", "caf\xe9")
    path = company(tmp_path) / "data/sales.csv"
    path.write_bytes("\n".join([HEADER, *lines]).encode("latin-1"))
    run = run_door(tmp_path)
    assert quarantined(run, "file, row_number, reason") == [
        ("data/sales.csv", 4, "unreadable_line")
    ]
    lines = [line.replace("S", "\xc9") for line in lines]
    path.write_bytes("\n".join([HEADER, *lines]).encode("latin-1"))
    message = refusal(tmp_path)
    assert "data/sales.csv, row 1, 2, 3 …: unreadable_line" in message
    assert "set options.encoding in sources.yml, e.g. cp1252 (Windows)" in message
    path.write_bytes("\n".join([HEADER + "\xe9", *lines]).encode("latin-1"))
    assert "data/sales.csv: line 1 is not utf-8" in refusal(tmp_path)


def test_refusal_keeps_what_was_admitted_and_the_bad_rows(tmp_path: Path) -> None:
    deliver(company(tmp_path), sales(8))
    before = admitted(run_door(tmp_path))
    deliver(tmp_path, [line.replace(",2024", ",2O24") for line in sales(8)])
    run = new_run(tmp_path, "2024-03-01", "2024-12-31")
    pull_table(run, TABLE)
    with pytest.raises(DeliveryError, match="column sold_at: wrong_type"):
        admit_table(run, TABLE)
    assert admitted(run) == before
    assert len(quarantined(run, "reason")) == 8


def test_bad_rows_of_one_day_are_measured_against_that_day(tmp_path: Path) -> None:
    lines = sales(400)
    lines[1] = lines[1].replace(",1,", ",-1,")
    deliver(company(tmp_path, quarantine_limit_pct=10), lines)
    with pytest.raises(DeliveryError, match=r"1 of 4 rows are bad \(25 %\)"):
        run_door(tmp_path, "2024-03-01", "2024-03-01")
    assert report(run_door(tmp_path, "2024-03-01", "2024-03-03"))["quarantined"] == 1


@pytest.mark.parametrize(
    ("share", "least", "bad", "rows", "stops"),
    [
        # A share alone, as where no number of rows is given.
        (1, 0, 1, 100, False),
        (1, 0, 2, 100, True),
        # A few of a small delivery go on whatever their share, until they are more.
        (1, 10, 1, 78, False),
        (1, 10, 10, 78, False),
        (1, 10, 11, 78, True),
        # Many go on within the share, as before.
        (1, 10, 11, 1100, False),
        (1, 10, 11, 1099, True),
        # Most of a delivery are no handful, from three on.
        (1, 10, 3, 3, True),
        (1, 10, 2, 2, False),
        (1, 10, 3, 6, False),
        (1, 10, 3, 5, True),
        (60, 10, 3, 5, False),
        (100, 10, 50, 50, False),
        # None may be bad.
        (0, 10, 0, 5, False),
        (0, 10, 1, 1000, True),
    ],
)
def test_a_run_stops_where_bad_rows_are_many_and_much(
    share: float, least: int, bad: int, rows: int, stops: bool
) -> None:
    rules = TableRules(
        connector="files",
        path="x.csv",
        quarantine_limit_pct=share,
        quarantine_limit_rows=least,
    )
    table = SourceTable(source="shop", name="sales", rules=rules, columns=[])
    assert is_over(table, bad, rows) == stops


def test_a_few_bad_rows_of_a_small_day_are_told_and_stop_nothing(
    tmp_path: Path,
) -> None:
    lines = sales(40)
    for number in range(4):
        lines[number] = lines[number].replace(",2024-03-01", ",2O24-03-01")
    deliver(company(tmp_path, quarantine_limit_rows=4), lines)
    run = run_door(tmp_path)
    assert (report(run)["admitted"], report(run)["quarantined"]) == (36, 4)
    journal = Journal(run.run_folder)
    list(journal.new_entries())
    assert journal.refused() == [
        "shop.sales: 4 of 40 rows (10 %, over quarantine_limit_pct 1, within "
        "quarantine_limit_rows 4): 4 wrong_type in sold_at"
    ]
    # One more than that.
    lines[4] = lines[4].replace(",2024-03-02", ",2O24-03-02")
    deliver(tmp_path, lines)
    assert refusal(tmp_path).startswith(
        "shop.sales: 5 of 40 rows are bad (12.5 %), over quarantine_limit_pct 1 and "
        "quarantine_limit_rows 4; "
    )


def test_a_small_delivery_that_is_bad_as_a_whole_stops(tmp_path: Path) -> None:
    lines = [line.replace(",2024", ",2O24") for line in sales(3)]
    deliver(company(tmp_path, quarantine_limit_rows=10), lines)
    assert refusal(tmp_path).startswith(
        "shop.sales: 3 of 3 rows are bad (100 %), over quarantine_limit_pct 1, and "
        "most of them; "
    )
    # Two prove nothing, and are told.
    deliver(tmp_path, lines[:2])
    assert report(run_door(tmp_path))["quarantined"] == 2
