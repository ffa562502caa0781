import datetime as dt
import hmac
import random
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kith.admit.table import admit_table
from kith.errors import ConfigurationError, DeliveryError
from kith.pull.table import pull_table
from kith.runs.journal import Journal, describe
from tests.conftest import new_run
from tests.one_table import (
    COLUMNS,
    HEADER,
    TABLE,
    admitted,
    admitted_sql,
    company,
    days,
    deliver,
    quarantined,
    refusal,
    report,
    run_door,
    sales,
    with_rules,
)

KEY = b"a key of the tests alone, long enough"
pytestmark = pytest.mark.usefixtures("kith_home")

MAIL = {"name": "mail", "data_type": "varchar", "meta": {"pii": "email"}}


def test_of_a_duplicate_key_the_latest_counts(tmp_path: Path) -> None:
    lines = [
        *("A,2024-03-01 10:00,1,1", "A,2024-03-02 10:00,2,1", "A,2024-03-01 09:00,3,1"),
        *("B,2024-03-01 10:00,1,1", "B,2024-03-01 10:00,1,1", "C,2024-03-04,1,1"),
    ]
    deliver(company(tmp_path), lines)
    run = run_door(tmp_path)
    assert admitted(run, "sale_id, quantity") == [("A", 2), ("B", 1), ("C", 1)]
    # Two of the three are not what counts.
    assert (report(run)["duplicates"], report(run)["replaced"]) == (3, 2)
    (*_, line) = filter(None, map(describe, Journal(run.run_folder).new_entries()))
    assert ", 1 duplicates, 2 replaced" in line
    assert days(run) == {
        "2024-03-01": (1, 0, 3),
        "2024-03-02": (1, 0, 0),
        "2024-03-04": (1, 0, 0),
    }


@pytest.mark.parametrize("name", ["sales.csv", "sales.csv.gz", "sales.parquet"])
def test_empty_file_stops(name: str, tmp_path: Path) -> None:
    (company(tmp_path, f"data/{name}") / "data" / name).touch()
    message = refusal(tmp_path)
    assert message.startswith(f"shop.sales: data/{name}: ")
    assert "delivered again" in message


def test_killed_between_two_renames_the_next_admission_recovers(tmp_path: Path) -> None:
    deliver(company(tmp_path), sales(8))
    run = run_door(tmp_path, "2024-03-01", "2024-03-01")
    folder = run.admitted(TABLE) / run.interval.slug
    before = admitted(run)
    folder.rename(folder.with_name(f".{folder.name}.old"))
    run_door(tmp_path, "2024-03-02", "2024-03-02")
    assert admitted(run) == before
    shutil.copytree(folder, folder.with_name(f".{folder.name}.old"))
    run_door(tmp_path, "2024-03-02", "2024-03-02")
    names = {path.name for path in run.admitted(TABLE).iterdir()}
    assert names == {".lock", "20240301-20240301", "20240302-20240302"}


def test_types_and_load_time_of_admitted_rows(tmp_path: Path) -> None:
    deliver(company(tmp_path), sales(1))
    run = run_door(tmp_path)
    described = duckdb.sql(f"describe from {admitted_sql(run)}").fetchall()
    assert {row[0]: row[1] for row in described} == {
        "sale_id": "VARCHAR",
        "sold_at": "TIMESTAMP",
        "quantity": "BIGINT",
        "price": "DECIMAL(18,2)",
        "loaded_at": "TIMESTAMP",
    }
    ((loaded_at,),) = admitted(run, "loaded_at")
    assert loaded_at == dt.datetime.fromisoformat(report(run)["delivered_at"])


def test_an_identifier_is_hashed_and_an_unreadable_one_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KITH_IDENTIFIER_KEY", KEY.decode())
    columns = with_rules("price", "varchar", pii="phone", phone_region="CN")
    company(tmp_path, columns=columns, quarantine_limit_pct=60)
    deliver(tmp_path, ["A,2024-03-01,1,13800138000", "B,2024-03-01,1,call me"])
    run = run_door(tmp_path)
    message = b"phone:+8613800138000"
    hashed = hmac.new(KEY, message, "sha256").hexdigest()
    assert admitted(run, "sale_id, price") == [("A", hashed)]
    shown = hmac.new(KEY, b"call me", "sha256").hexdigest()[:8]
    assert quarantined(run, "column_name, reason, value, expected") == [
        ("price", "wrong_type", shown, "a phone that can be normalised")
    ]
    company(tmp_path, columns=columns)
    message = refusal(tmp_path)
    assert f"found '{shown}'" in message
    assert "correct the source, or pii or phone_region in sources.yml" in message
    company(tmp_path, columns=with_rules("price", "varchar", pii="device"))
    deliver(tmp_path, ["A,2024-03-01,1,7.5"])
    assert "or pii or whole_numbers in sources.yml" in refusal(tmp_path)
    company(tmp_path, columns=with_rules("price", pii="phone", phone_region="CN"))
    with pytest.raises(ConfigurationError, match=r"price: a pii column holds a hash"):
        run_door(tmp_path)


def test_judged_again_the_same_attempt_gives_the_same(tmp_path: Path) -> None:
    deliver(company(tmp_path, key=[], quarantine_limit_pct=5), [*sales(900), "x,y"])
    run = run_door(tmp_path)
    before = report(run), admitted(run, "*"), quarantined(run, "*")
    admit_table(run, TABLE)
    assert (report(run), admitted(run, "*"), quarantined(run, "*")) == before


def test_a_day_far_smaller_than_usual_stops_the_run(tmp_path: Path) -> None:
    def day(number: int, rows: int) -> None:
        lines = [f"{number}-{n},2024-03-0{number} 12:00,1,1" for n in range(rows)]
        deliver(tmp_path, lines)
        run_door(tmp_path, f"2024-03-0{number}", f"2024-03-0{number}")

    company(tmp_path)
    for number in range(1, 6):
        day(number, 100 + number)
    with pytest.raises(
        DeliveryError, match=r"2024-03-06 has 3 rows, 2.9 % of the usual"
    ):
        day(6, 3)
    day(6, 50)
    # A day that comes again is measured against itself as well.
    with pytest.raises(DeliveryError, match="2024-03-01 has 3 rows"):
        day(1, 3)


@pytest.mark.parametrize("drop", [True, False])
def test_rows_of_a_table_without_a_key_get_one(drop: bool, tmp_path: Path) -> None:
    company(tmp_path, key=[], drop_exact_duplicates=drop)
    deliver(tmp_path, [*sales(8), *sales(2), *sales(1)])
    run = run_door(tmp_path)
    rows = admitted(run, "sale_id, row_key")
    assert len({key for _, key in rows}) == len(rows) == (8 if drop else 11)
    assert report(run)["duplicates"] == (3 if drop else 0)
    assert report(run)["replaced"] == 0
    assert report(run)["exact_duplicates_kept"] == (0 if drop else 3)
    occurrences = sorted(key.split("-")[1] for name, key in rows if name == "S00000")
    assert occurrences == (["1"] if drop else ["1", "2", "3"])


def test_the_key_of_a_row_does_not_change_with_new_columns(tmp_path: Path) -> None:
    path = company(tmp_path, key=[], drift={"new": "evolve"}) / "data/sales.csv"
    deliver(tmp_path, sales(1))
    before = admitted(run_door(tmp_path), "row_key")
    path.write_text(f"{HEADER},colour\n{sales(1)[0]},red\n")
    assert admitted(run_door(tmp_path), "row_key") == before


def test_a_snapshot_counts_as_one_day(tmp_path: Path) -> None:
    company(tmp_path, cursor=None, quarantine_limit_pct=50)
    deliver(tmp_path, [*sales(8), *sales(1), "X,2024-03-01,-1,1"])
    run = run_door(tmp_path)
    assert days(run) == {"2024-12-31": (8, 1, 1)}


def test_days_are_business_days_and_empty_ones_are_counted(tmp_path: Path) -> None:
    deliver(company(tmp_path, time_zone="Asia/Tokyo"), sales(4))
    run = run_door(tmp_path, "2024-03-01", "2024-03-04")
    assert days(run) == {"2024-03-01": (2, 0, 0), "2024-03-02": (2, 0, 0)}
    path = run.admitted(TABLE) / run.interval.slug / "days.parquet"
    assert duckdb.sql(f"select count(*) from '{path}'").fetchall() == [(4,)]


def test_row_order_does_not_change_what_is_admitted(tmp_path: Path) -> None:
    # Of some keys two rows have one time, and contradict each other.
    repeats = [f"D{n % 7},2024-03-0{1 + n % 3} {n % 6}:00,{n},1" for n in range(60)]
    lines = [*sales(200), *repeats, "bad", "B,x,1,1"]
    rules: dict[str, Any] = {"quarantine_limit_pct": 20}
    for number, key in enumerate((["sale_id"], [])):
        contents = []
        for seed in range(2):
            folder = tmp_path / f"{number}{seed}"
            random.Random(seed).shuffle(lines)
            deliver(company(folder, key=key, **rules), lines)
            run = run_door(folder)
            bad = sorted(quarantined(run, "reason, payload_hash, value"), key=str)
            contents.append((admitted(run), bad, days(run)))
            shutil.rmtree(run.folder)
        assert contents[0] == contents[1]


VALUES: dict[str, st.SearchStrategy[str]] = {
    "sale_id": st.sampled_from(["A", "B", "C", "D", "", '"q, ""x"""']),
    "sold_at": st.sampled_from(
        ["2024-03-01", "2024-03-02 23:30", "2024-05-01", "x", "", "2999-01-01"]
    ),
    "quantity": st.sampled_from(["0", "1", "-1", "1.5", ""]),
    "price": st.sampled_from(["1", "2.50", "x", "", '1,"x"y']),
}


# The fixture sets $KITH_HOME, which no example touches.
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    rows=st.lists(st.tuples(*VALUES.values()), max_size=40),
    key=st.sampled_from([["sale_id"], ["sale_id", "price"], []]),
    cursor=st.sampled_from(["sold_at", None]),
    drop=st.booleans(),
)
def test_no_row_is_lost_or_made(
    rows: list[tuple[str, ...]], key: list[str], cursor: str | None, drop: bool
) -> None:
    rules: dict[str, Any] = {"quarantine_limit_pct": 100, "drop_exact_duplicates": drop}
    with tempfile.TemporaryDirectory() as name:
        folder = company(Path(name), key=key, cursor=cursor, **rules)
        deliver(folder, [",".join(row) for row in rows])
        run = new_run(folder, "2024-03-01", "2024-03-02")
        run = replace(run, home=folder / "home")
        pull_table(run, TABLE)
        admit_table(run, TABLE)
        told, data, bad = report(run), admitted(run), quarantined(run, "reason")
    assert told["rows_outside_interval"] + told["rows_delivered"] == len(rows)
    assert told["rows_delivered"] == (
        told["admitted"] + told["quarantined"] + told["duplicates"]
    )
    assert (len(data), len(bad)) == (told["admitted"], told["quarantined"])
    names = [column["name"] for column in COLUMNS]
    keys = [tuple(row[names.index(name)] for name in key) for row in data]
    assert not key or len(set(keys)) == len(keys)
