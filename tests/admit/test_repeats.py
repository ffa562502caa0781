"""Rows of one key: the newest counts, and what contradicts itself is refused."""

import datetime as dt
import gzip
import itertools
import json
import random
import sqlite3
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kith.build.warehouse import prepare_warehouse
from kith.company.tables import TableRules
from kith.errors import DeliveryError
from kith.runs.run import Run
from tests.one_table import (
    COLUMNS,
    HEADER,
    TABLE,
    admitted,
    company,
    days,
    deliver,
    quarantined,
    report,
    run_door,
    sales,
)
from tests.pull.connectors.workbooks import write_xlsx

pytestmark = pytest.mark.usefixtures("kith_home")
DATED = "data/export_{date:%Y-%m-%d}.csv"
GOT_AT = {"name": "got_at", "data_type": "timestamp"}


def sold(run: Run, columns: str) -> list[tuple[Any, ...]]:
    """Rows of the table as dbt reads it."""
    with run.writer_lock():
        prepare_warehouse(run)
    with duckdb.connect(str(run.warehouse), read_only=True) as warehouse:
        return warehouse.execute(f"select {columns} from {TABLE}").fetchall()


def prices(run: Run) -> dict[str, str]:
    """Price of each key, of which each is there once."""
    found = sold(run, "sale_id, price::varchar")
    assert len(dict(found)) == len(found)
    return dict(found)


def twenty(price: str, seed: int) -> list[str]:
    lines = [f"S{n:02},2024-01-{12 + n},1,{price}" for n in range(20)]
    random.Random(seed).shuffle(lines)
    return lines


# --- which counts ---------------------------------------------------------------------


def test_the_file_of_the_later_day_counts_in_whatever_order_days_are_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    company(tmp_path, DATED, look_back_days=30)
    deliver(tmp_path, twenty("100.00", 1), "export_2024-02-01.csv")
    deliver(tmp_path, twenty("10.00", 2), "export_2024-02-02.csv")
    corrected = {f"S{n:02}": "10.00" for n in range(20)}
    whole = ("2024-01-01", "2024-02-29")
    first, second = (("2024-02-01",) * 2, ("2024-02-02",) * 2)
    for number, order in enumerate(([whole], [first, second], [second, first])):
        monkeypatch.setenv("KITH_HOME", str(tmp_path / str(number)))
        for interval in order:
            run = run_door(tmp_path, *interval)
        assert prices(run) == corrected
        assert (report(run)["duplicates"], report(run)["replaced"]) == (20, 20)


def test_the_later_hour_in_the_name_of_a_file_counts(tmp_path: Path) -> None:
    company(tmp_path, "data/{date:%Y-%m-%dT%H%z}.jsonl")
    for moment, price in (("08+0200", 2), ("07+0000", 9)):
        row = {"sale_id": "A", "sold_at": "2024-03-01", "quantity": 1, "price": price}
        (tmp_path / f"data/2024-03-01T{moment}.jsonl").write_text(json.dumps(row))
    assert prices(run_door(tmp_path)) == {"A": "9.00"}


def test_a_declared_arrival_counts_before_the_name_of_the_file(tmp_path: Path) -> None:
    company(tmp_path, DATED, [*COLUMNS, GOT_AT], arrived="got_at", look_back_days=9)
    for day, rows in (
        ("01", "A,9,2024-03-03T10 B,3, C,2,2024-03-01T08 D,9,2999-01-01"),
        ("02", "A,1,2024-03-02T10 B,1, C,1,2024-03-01T08 D,4,2024-03-02T08"),
    ):
        lines = []
        for row in rows.split(" "):
            name, price, arrival = row.split(",")
            arrival = arrival.replace("T", " ") + (":00" if "T" in arrival else "")
            lines.append(f"{name},2024-03-01 06:00,1,{price},{arrival}")
        text = "\n".join([f"{HEADER},got_at", *lines]) + "\n"
        (tmp_path / f"data/export_2024-03-{day}.csv").write_text(text)
    # Of B and C the file decides; an arrival that is still to come decides nothing.
    assert prices(run_door(tmp_path)) == {
        "A": "9.00",
        "B": "1.00",
        "C": "1.00",
        "D": "4.00",
    }


def test_a_row_of_a_former_day_keeps_its_newest_state(tmp_path: Path) -> None:
    # The second of March is delivered anew, and no longer has the key.
    company(tmp_path, DATED, look_back_days=1)
    deliver(tmp_path, ["A,2024-03-01,1,2"], "export_2024-03-01.csv")
    lines = ["A,2024-03-01,1,9", "A,2024-03-02,1,7"]
    deliver(tmp_path, lines, "export_2024-03-02.csv")
    assert prices(run_door(tmp_path)) == {"A": "7.00"}
    deliver(tmp_path, lines[:1], "export_2024-03-02.csv")
    assert prices(run_door(tmp_path, "2024-03-03", "2024-03-03")) == {"A": "9.00"}


def test_a_correction_of_an_earlier_cursor_is_told(tmp_path: Path) -> None:
    company(tmp_path, DATED, look_back_days=30)
    lines = [f"{n},2024-02-0{n},1,5.00" for n in range(1, 6)]
    deliver(tmp_path, lines, "export_2024-02-08.csv")
    lines[0] = "1,2024-02-01,1,9.00"  # the same cursor: the later file counts
    lines[1] = "2,2024-02-01,1,9.00"  # an earlier one, which loses
    lines[2] = "3,2024-02-02,1,5.00"  # of which nothing else differs
    lines[3] = "4,2024-02-05,1,9.00"  # a later one
    deliver(tmp_path, lines, "export_2024-02-09.csv")
    deliver(tmp_path, ["2,2024-01-31,1,9.00"], "export_2024-02-10.csv")
    run = run_door(tmp_path, "2024-02-01", "2024-02-29")
    expected = {"1": "9.00", "2": "5.00", "3": "5.00", "4": "9.00", "5": "5.00"}
    assert prices(run) == expected
    assert report(run)["warnings"] == [
        "shop.sales: 2 rows of 1 keys came later than the row that counts, but with an "
        "earlier sold_at and other values, the first in data/export_2024-02-09.csv, "
        "row 2; the row with the latest sold_at counts; if the later delivery is "
        "right, declare the time of the change as cursor, or none where each delivery "
        "is whole"
    ]


def test_where_no_day_is_known_the_names_of_files_tell_which_came_later(
    tmp_path: Path,
) -> None:
    company(tmp_path, "data/*.csv")
    deliver(tmp_path, ["A,2024-03-02,1,5", "B,2024-03-01,1,5"], "sales_9.csv")
    deliver(tmp_path, ["A,2024-03-01,1,9", "B,2024-03-02,1,9"], "sales_10.csv")
    (told,) = report(run_door(tmp_path))["warnings"]
    assert told.startswith(
        "shop.sales: 1 rows of 1 keys came later (as the names of files are ordered) "
        "than the row that counts, but with an earlier sold_at and other values, the "
        "first in data/sales_10.csv, row 1;"
    )


@pytest.mark.parametrize("is_told", [False, True])
def test_an_earlier_cursor_further_down_a_file_is_told_where_its_order_counts(
    tmp_path: Path, is_told: bool
) -> None:
    repeated = {"repeated_key": "last_in_file"} if is_told else {}
    lines = ["A,2024-03-02,1,5.00", "A,2024-03-01,1,9.00", "B,2024-03-01,1,1.00"]
    deliver(company(tmp_path, **repeated), [*lines, "B,2024-03-02,1,2.00"])
    run = run_door(tmp_path)
    assert prices(run) == {"A": "5.00", "B": "2.00"}
    told = report(run)["warnings"]
    assert ["1 rows of 1 keys came later" in each for each in told] == [True] * is_told


def test_an_earlier_cursor_of_a_later_arrival_is_told(tmp_path: Path) -> None:
    company(tmp_path, columns=[*COLUMNS, GOT_AT], arrived="got_at", look_back_days=9)
    rows = ["A,2024-03-02,1,5,2024-03-03", "A,2024-03-01,1,9,2024-03-04"]
    text = "\n".join([f"{HEADER},got_at", *rows]) + "\n"
    (tmp_path / "data" / "sales.csv").write_text(text)
    (told,) = report(run_door(tmp_path))["warnings"]
    assert "1 rows of 1 keys came later than the row that counts" in told


# --- what contradicts itself ----------------------------------------------------------


def conflict(value: str, number: int, file: str = "data/sales.csv") -> tuple[Any, ...]:
    return (file, number, "price", "conflicting_rows", value, "one row for sale_id X")


SHOWN = "file, row_number, column_name, reason, value, expected"
PAIR = ["X,2024-03-01 08:00,1,5", "X,2024-03-01 08:00,1,4"]


@pytest.mark.parametrize("cursor", ["sold_at", None])
def test_one_key_with_two_contents_is_refused_whole(
    cursor: str | None, tmp_path: Path
) -> None:
    for number, pair in enumerate(itertools.permutations(PAIR)):
        folder = company(tmp_path / str(number), cursor=cursor)
        deliver(folder, [*sales(396), "E,2024-03-01,1,1", "E,2024-03-01,1,1.0", *pair])
        run = run_door(folder)
        assert len(admitted(run)) == report(run)["admitted"] == 397
        assert (
            sorted(quarantined(run, SHOWN))
            == [
                conflict("5.00", 399 + number),
                conflict("4.00", 400 - number),
            ][:: 1 - 2 * number]
        )
        told = report(run)
        assert (told["quarantined"], told["duplicates"]) == (2, 1)
        if cursor:
            assert days(run)["2024-03-01"] == (5, 2, 1)
        assert len({row[0] for row in quarantined(run, "payload_hash")}) == 2


def test_conflicts_count_against_the_limit(tmp_path: Path) -> None:
    deliver(company(tmp_path), [*sales(98), *PAIR])
    with pytest.raises(DeliveryError) as refused:
        run_door(tmp_path)
    assert str(refused.value).startswith(
        "shop.sales: 2 of 100 rows are bad (2 %), over quarantine_limit_pct 1; "
        "data/sales.csv, row 99, 100: column price: conflicting_rows, found '5.00', "
        "expected one row for sale_id X; have one of them delivered; if they are rows "
        "of their own, add to `key` what tells them apart"
    )


def test_files_whose_names_tell_nothing_contradict_each_other(tmp_path: Path) -> None:
    rules: dict[str, Any] = {"quarantine_limit_pct": 100}
    company(tmp_path, "data/*.csv", **rules)
    deliver(tmp_path, [*sales(4), PAIR[0]], "a.csv")
    deliver(tmp_path, [*sales(4), PAIR[1]], "b.csv")
    run = run_door(tmp_path)
    assert quarantined(run, SHOWN) == [
        conflict("5.00", 5, "data/a.csv"),
        conflict("4.00", 5, "data/b.csv"),
    ]
    # The last one in a file is no newer than that in another.
    company(tmp_path, "data/*.csv", repeated_key="last_in_file", **rules)
    run = run_door(tmp_path)
    assert len(quarantined(run, SHOWN)) == 2
    deliver(tmp_path, [PAIR[1], PAIR[0]], "b.csv")
    run = run_door(tmp_path)
    assert prices(run)["X"] == "5.00"
    assert (report(run)["quarantined"], report(run)["duplicates"]) == (0, 2)
    # Of the two rows that do not count one equals the row that does.
    assert report(run)["replaced"] == 1


def test_the_last_one_in_the_file_counts_where_declared(tmp_path: Path) -> None:
    company(tmp_path, repeated_key="last_in_file")
    for lines in itertools.permutations([*PAIR, "X,2024-03-01 08:00,1,3"]):
        deliver(tmp_path, [*lines, "X,2024-03-01 07:00,1,8"])
        assert prices(run_door(tmp_path))["X"] == lines[2][-1] + ".00"
    with pytest.raises(ValueError, match="`repeated_key: last_in_file` is for files"):
        TableRules(
            connector="sql", connection="x", relation="y", repeated_key="last_in_file"
        )


def test_a_newer_row_makes_a_conflict_of_no_interest_on_its_day(tmp_path: Path) -> None:
    company(tmp_path, quarantine_limit_pct=100)
    newer, older = "X,2024-03-01 09:00,1,3", "X,2024-03-01 07:00,1,8"
    deliver(tmp_path, [*PAIR, newer])
    run = run_door(tmp_path)
    assert (prices(run), report(run)["duplicates"]) == ({"X": "3.00"}, 2)
    # What was refused is as if it had not come: the row before it counts.
    deliver(tmp_path, [*PAIR, older, older])
    run = run_door(tmp_path)
    assert (prices(run), report(run)["quarantined"]) == ({"X": "8.00"}, 2)
    # Another day may be delivered without this one.
    deliver(tmp_path, [*PAIR, "X,2024-03-02,1,3"])
    run = run_door(tmp_path)
    assert (prices(run), report(run)["quarantined"]) == ({"X": "3.00"}, 2)


def test_a_database_that_gives_a_key_twice_contradicts_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sqlite3.connect(tmp_path / "till.db") as ledger:
        ledger.execute(
            "create table sales (sale_id text, sold_at datetime, quantity integer, "
            "price decimal(9,2), got_at datetime)"
        )
        for price, hour in ((5, "08"), (4, "09")):
            ledger.execute(
                "insert into sales values ('X', '2024-03-01 08:00:00', 1, ?, ?)",
                (price, f"2024-03-01 {hour}:00:00"),
            )
    ledger.close()
    monkeypatch.setenv("AIRFLOW_CONN_TILL", "sqlite://..%2Ftill.db")
    meta: dict[str, Any] = {
        "connector": "sql",
        "connection": "till",
        "relation": "sales",
        "quarantine_limit_pct": 100,
    }
    folder = tmp_path / "till"
    run = run_door(company(folder, None, drift={"new": "evolve"}, **meta))
    assert (prices(run), len(quarantined(run, "reason"))) == ({}, 2)
    company(folder, None, [*COLUMNS, GOT_AT], arrived="got_at", **meta)
    assert prices(run_door(folder)) == {"X": "4.00"}


def test_of_a_table_with_people_a_conflict_shows_no_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KITH_IDENTIFIER_KEY", "a key of the tests alone, long enough")
    mail = {"name": "mail", "data_type": "varchar", "meta": {"pii": "email"}}
    note = {"name": "column_name", "data_type": "varchar"}
    company(tmp_path, columns=[*COLUMNS[:2], mail, note], quarantine_limit_pct=100)
    (tmp_path / "data/sales.csv").write_text(
        "sale_id,sold_at,mail,column_name\n"
        "Li,2024-03-01,li@example.com,x\nLi,2024-03-01,lu@example.com,x\n"
        "Lo,2024-03-01,lo@example.com,Anna\nLo,2024-03-01,lo@example.com,Otto\n"
    )
    run = run_door(tmp_path)
    found = quarantined(run, "column_name, value, expected")
    assert [row[0] for row in found] == ["mail", "mail", "column_name", "column_name"]
    assert [len(row[1]) for row in found] == [8, 8, 4, 4]
    assert {row[1] for row in found[2:]} == {"xxxx"}
    assert {row[2] for row in found} == {"one row for sale_id xx"}


def test_rows_without_a_key_never_contradict_each_other(tmp_path: Path) -> None:
    company(tmp_path, key=[], drift={"new": "evolve"})
    (tmp_path / "data/sales.csv").write_text(
        f"{HEADER},colour\nA,2024-03-01,1,1,red\nA,2024-03-01,1,1,blue\n"
    )
    run = run_door(tmp_path)
    assert len(admitted(run)) == report(run)["exact_duplicates_kept"] + 1 == 2


# --- files that hold the same ---------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "cursor"), [([], "sold_at"), ([], None), (["sale_id"], "sold_at")]
)
def test_the_same_content_under_several_names_counts_once_and_is_told(
    key: list[str], cursor: str | None, tmp_path: Path
) -> None:
    # Two rows of the file are equal: the source's own affair.
    lines = [*sales(8), *sales(2)]
    own = 8 if key else 10
    company(tmp_path, "data/*", key=key, cursor=cursor)
    deliver(tmp_path, lines, "b.csv")
    assert len(admitted(run_door(tmp_path))) == own
    deliver(tmp_path, lines, "a.csv")
    text = (tmp_path / "data/b.csv").read_text().replace("\n", "\r\n")
    (tmp_path / "data/c.csv.gz").write_bytes(gzip.compress(text.encode()))
    deliver(tmp_path, ["Z,2024-03-05,1,1"], "d.csv")
    run = run_door(tmp_path)
    assert len(admitted(run)) == own + 1
    told = report(run)
    assert (told["duplicates"], told["quarantined"]) == (30 - own, 0)
    assert told["warnings"][:2] == [
        f"shop.sales: data/{name} holds the same rows as data/a.csv; they count once; "
        "have one of the two files taken away"
        for name in ("b.csv", "c.csv.gz")
    ]
    if cursor:
        run_door(tmp_path, "2024-03-02", "2024-03-31")
        run = run_door(tmp_path, "2024-03-01", "2024-03-01")
        assert len(sold(run, "sale_id")) == own + 1


def test_the_same_content_in_other_forms_counts_once_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KITH_IDENTIFIER_KEY", "a key of the tests alone, long enough")
    mail = {
        "name": "mail",
        "data_type": "varchar",
        "meta": {"pii": "email", "aliases": ["e_mail"]},
    }
    company(tmp_path, "data/*", [*COLUMNS, mail], "UTC", key=[])
    rows = [
        (f"S{n}", f"2024-03-01 0{n}:00:00", n, n + 0.1, "Li@a.de") for n in range(3)
    ]
    rows.append((None, "2024-03-01 09:00:00", 7, 1.0, None))
    names = ["sale_id", "sold_at", "quantity", "price", "mail"]

    def text(header: list[str], lines: list[tuple[Any, ...]]) -> str:
        lines = [tuple(x if x is not None else "" for x in row) for row in lines]
        return "\n".join(",".join(map(str, line)) for line in [header, *lines]) + "\n"

    data = tmp_path / "data"
    (data / "a.csv").write_text(text(names, rows))
    (data / "b.csv").write_text(text([*map(str.upper, names)], rows[::-1]))
    (data / "c.csv").write_text(
        text(["E_mail", *names[3::-1]], [row[::-1] for row in rows])
    )
    shown = [(row[0], row[1], row[2], f"{row[3]}0", row[4]) for row in rows]
    (data / "d.csv").write_text(text(names, shown))
    objects = [
        {name: value for name, value in zip(names, row, strict=True) if value}
        | {"mail": row[4] and " li@A.de", "quantity": row[2]}
        for row in rows
    ]
    (data / "e.jsonl").write_text("\n".join(map(json.dumps, objects)) + "\n")
    typed = [(row[0], dt.datetime.fromisoformat(row[1]), *row[2:]) for row in rows]
    table = [dict(zip(names, row, strict=True)) for row in typed]
    pq.write_table(pa.Table.from_pylist(table), data / "f.parquet")
    cells = dict(enumerate([names, *map(list, typed)], 1))
    write_xlsx(data / "g.xlsx", {"Sales": cells})
    run = run_door(tmp_path)
    assert (len(admitted(run)), report(run)["duplicates"]) == (4, 24)
    assert report(run)["warnings"] == [
        f"shop.sales: data/{name} holds the same rows as data/a.csv; they count once; "
        "have one of the two files taken away"
        for name in ("b.csv", "c.csv", "d.csv", "e.jsonl", "f.parquet", "g.xlsx")
    ]


def test_files_that_differ_in_what_was_not_declared_are_two(tmp_path: Path) -> None:
    company(tmp_path, "data/*.csv", key=[])
    for shop in ("Paris", "Lyon"):
        lines = [f"{HEADER},shop,note", *(f"{line},{shop}," for line in sales(3))]
        (tmp_path / f"data/{shop}.csv").write_text("\n".join(lines) + "\n")
    run = run_door(tmp_path)
    assert (len(admitted(run)), report(run)["duplicates"]) == (6, 0)
    assert "6 rows" not in report(run)["warnings"][-1]
    assert "rows in common, of 3 and 3" in report(run)["warnings"][-1]
    # An empty column more is none.
    lines = [HEADER.upper() + ",SHOP", *(f"{line},Lyon" for line in sales(3))]
    (tmp_path / "data/Paris.csv").write_text("\n".join(lines) + "\n")
    assert len(admitted(run_door(tmp_path))) == 3


def test_equal_rows_of_different_files_are_told_and_kept(tmp_path: Path) -> None:
    company(tmp_path, "data/*.csv", key=[])
    deliver(tmp_path, sales(8), "part.csv")
    deliver(tmp_path, [*sales(6), *sales(6)[5:], "S00007,2024-03-02,1,9"], "part2.csv")
    deliver(tmp_path, [f"X{n},2024-03-01,1,1" for n in range(20)], "x.csv")
    deliver(tmp_path, [f"X{n},2024-03-01,1,1" for n in range(19, 40)], "y.csv")
    run = run_door(tmp_path)
    assert report(run)["admitted"] == 8 + 8 + 20 + 21
    assert report(run)["warnings"] == [
        "shop.sales: 8 rows equal to others were kept, 8 of them rows of another file; "
        "declare a key, or drop_exact_duplicates, if they are no rows of their own",
        "shop.sales: data/part2.csv and data/part.csv have 7 rows in common, of 8 and "
        "8: if one corrects or repeats the other, take one of them away",
    ]
