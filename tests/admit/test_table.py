import datetime as dt
import hmac
import random
import re
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kith.admit.table import admit_table
from kith.company.tables import Column, ColumnRules
from kith.database import quote
from kith.deliveries.casts import typed_sql
from kith.errors import ConfigurationError, DeliveryError
from kith.pull.table import pull_table
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
    report,
    run_door,
    sales,
)

KEY = b"a key of the tests alone, long enough"
pytestmark = pytest.mark.usefixtures("kith_home")

MAIL = {"name": "mail", "data_type": "varchar", "meta": {"pii": "email"}}


def with_rules(column: str, data_type: str | None = None, **rules: Any) -> list[Any]:
    """The standard columns, one of them declared otherwise."""
    return [
        {
            **declared,
            "data_type": data_type or declared["data_type"],
            "meta": {**declared.get("meta", {}), **rules},
        }
        if declared["name"] == column
        else declared
        for declared in COLUMNS
    ]


def refusal(folder: Path) -> str:
    """Message with which the door refuses a delivery."""
    with pytest.raises(DeliveryError) as caught:
        run_door(folder)
    message = str(caught.value)
    assert "\n" not in message
    return message


# --- ten spoiled deliveries -----------------------------------------------------------


def test_missing_column_stops(tmp_path: Path) -> None:
    path = company(tmp_path) / "data/sales.csv"
    path.write_text("sale_id,sold_at,quantity\nA,2024-03-01,1\n")
    assert refusal(tmp_path) == (
        "shop.sales: data/sales.csv, header: missing column price; found sale_id, "
        "sold_at, quantity; expected sale_id, sold_at, quantity, price; have the "
        "column delivered, correct its name in sources.yml, or declare drift: "
        "{missing: warn} to go on with NULL"
    )


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


def test_too_many_wrong_types_stop(tmp_path: Path) -> None:
    lines = [line.replace(".50", ",50") for line in sales(100)]
    quoted = [re.sub(r"(\d,50)$", r'"\1"', line) for line in lines]
    deliver(company(tmp_path), quoted)
    assert re.fullmatch(
        r"shop.sales: data/sales.csv, row 1, 2, 3 …: column price: wrong_type, found "
        r"'1,50', expected decimal\(18,2\); 100 of 100 rows are bad \(100 %\), over "
        r"quarantine_limit_pct 1; correct the source, or the column's data_type, "
        r"format, decimal or null_values in sources.yml; all bad rows lie in "
        r".*/rows.parquet",
        refusal(tmp_path),
    )


def test_null_key_is_quarantined(tmp_path: Path) -> None:
    lines = sales(400)
    lines[9] = lines[9].replace("S00009", "")
    deliver(company(tmp_path), lines)
    run = run_door(tmp_path)
    assert quarantined(run, "row_number, column_name, reason, value, expected") == [
        (10, "sale_id", "required_missing", None, "a value")
    ]
    lines[10:20] = [line[6:] for line in lines[10:20]]
    deliver(tmp_path, lines)
    message = refusal(tmp_path)
    assert "data/sales.csv, row 10, 11, 12 …: column sale_id: required_" in message
    assert "have the source fill the column" in message


def test_of_a_duplicate_key_the_latest_counts(tmp_path: Path) -> None:
    lines = [
        *("A,2024-03-01 10:00,1,1", "A,2024-03-02 10:00,2,1", "A,2024-03-01 09:00,3,1"),
        *("B,2024-03-01 10:00,1,1", "B,2024-03-01 10:00,1,1", "C,2024-03-04,1,1"),
    ]
    deliver(company(tmp_path), lines)
    run = run_door(tmp_path)
    assert admitted(run, "sale_id, quantity") == [("A", 2), ("B", 1), ("C", 1)]
    assert report(run)["duplicates"] == 3
    assert days(run) == {
        "2024-03-01": (1, 0, 3),
        "2024-03-02": (1, 0, 0),
        "2024-03-04": (1, 0, 0),
    }


def test_negative_quantity_is_quarantined(tmp_path: Path) -> None:
    deliver(company(tmp_path), [*sales(400), "X,2024-03-05 12:00,-2,1"])
    run = run_door(tmp_path)
    assert quarantined(run, "row_number, column_name, reason, value, expected") == [
        (401, "quantity", "below_minimum", "-2", ">= 0")
    ]
    assert days(run)["2024-03-05"] == (4, 1, 0)


def test_date_in_the_future_is_quarantined(tmp_path: Path) -> None:
    deliver(company(tmp_path), [*sales(400), "X,2999-01-01 12:00,2,1"])
    run = run_door(tmp_path)
    assert quarantined(run, "row_number, column_name, reason, value, expected") == [
        (
            *(401, "sold_at", "in_the_future", "2999-01-01 12:00"),
            "not later than the delivery",
        )
    ]
    assert sum(count for count, _, _ in days(run).values()) == 400
    assert max(days(run)) < "2025"


def test_truncated_parquet_stops(tmp_path: Path) -> None:
    path = company(tmp_path, "data/sales.parquet") / "data/sales.parquet"
    duckdb.sql(f"copy (select 1 as sale_id from range(1000)) to '{path}'")
    path.write_bytes(path.read_bytes()[:-100])
    assert re.fullmatch(
        r"shop.sales: data/sales.parquet: cannot be read, it seems truncated "
        r"or damaged \(.*\); have it delivered again",
        refusal(tmp_path),
    )


@pytest.mark.parametrize("name", ["sales.csv", "sales.csv.gz", "sales.parquet"])
def test_empty_file_stops(name: str, tmp_path: Path) -> None:
    (company(tmp_path, f"data/{name}") / "data" / name).touch()
    message = refusal(tmp_path)
    assert message.startswith(f"shop.sales: data/{name}: ")
    assert "delivered again" in message


@pytest.mark.parametrize(("empty", "admits"), [("warn", True), ("stop", False)])
def test_delivery_without_rows_is_as_declared(
    empty: str, admits: bool, tmp_path: Path
) -> None:
    deliver(company(tmp_path, empty=empty), [])
    if admits:
        run = run_door(tmp_path, "2024-03-01", "2024-03-02")
        assert admitted(run) == []
        warning = "shop.sales: data/sales.csv: no row for 2024-03-01 to 2024-03-02"
        assert report(run)["warnings"] == [warning]
        assert days(run) == {}
    else:
        assert "no row for 2024-03-01 to 2024-12-31; expected some" in refusal(tmp_path)


@pytest.mark.parametrize(("sign", "name"), [(";", "semicolon"), ("\t", "tab")])
def test_wrong_delimiter_stops(sign: str, name: str, tmp_path: Path) -> None:
    lines = [line.replace(",", sign) for line in [HEADER, *sales(8)]]
    (company(tmp_path) / "data/sales.csv").write_text("\n".join(lines))
    message = refusal(tmp_path)
    assert message.startswith("shop.sales: data/sales.csv, header: missing column sale")
    assert message.endswith(
        f'the delimiter looks like "{sign}" ({name}): set options.delimiter in '
        "sources.yml"
    )


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


# --- the rest -------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("data_type", "rules", "delivered", "expected"),
    [
        ("bigint", {}, "12.0", "12"),
        ("bigint", {}, "3.5", "wrong_type"),
        ("bigint", {}, "9007199254740993", "9007199254740993"),
        ("bigint", {}, " 7 ", "7"),
        ("bigint", {}, "0x1F", "wrong_type"),
        ("bigint", {}, "0xFFFFFFFF", "wrong_type"),
        ("bigint", {}, "1_000", "wrong_type"),
        ("decimal(18,2)", {}, "1_000.50", "wrong_type"),
        ("double", {}, "1_000", "wrong_type"),
        ("date", {}, "epoch", "wrong_type"),
        ("timestamp", {}, "epoch", "wrong_type"),
        ("timestamp", {"time_zone": "Asia/Tokyo"}, "infinity", "wrong_type"),
        ("bigint", {}, "99.9", "wrong_type"),
        ("bigint", {}, "1e2", "100"),
        ("bigint", {}, "-7", "-7"),
        ("bigint", {}, "007", "7"),
        ("bigint", {}, "15e-1", "wrong_type"),
        ("bigint", {}, "1.5e1", "15"),
        ("bigint", {}, "12345678901234567.5", "wrong_type"),
        ("double", {}, "nan", "wrong_type"),
        ("double", {}, "inf", "wrong_type"),
        ("double", {}, "1e3", "1000.0"),
        ("double", {"null_values": ["nan", "-"]}, "nan", None),
        ("double", {"null_values": ["nan", "-"]}, "-", None),
        ("decimal(18,2)", {}, "2.005", "2.01"),
        ("decimal(18,2)", {"required": True}, "", "required_missing"),
        ("double", {"maximum": 5}, "5.01", "above_maximum"),
        ("double", {"maximum": 5}, "5", "5.0"),
        ("varchar", {"accepted_values": ["a", "b"]}, "c", "not_accepted"),
        ("varchar", {"accepted_values": ["a", "b"]}, "", None),
        ("date", {"format": "%d.%m.%Y"}, "31.12.2024", "2024-12-31"),
        ("date", {"format": "%d.%m.%Y"}, "2024-12-31", "wrong_type"),
        ("date", {}, "31.12.2024", "wrong_type"),
        ("timestamp", {}, "2024-07-01T12:00:00+02:00", "2024-07-01 10:00:00"),
        ("timestamp", {}, "2024-07-01", "2024-07-01 00:00:00"),
        (
            "timestamp",
            {"time_zone": "Europe/Paris"},
            "2024-07-01 12:00:00",
            "2024-07-01 10:00:00",
        ),
        (
            "timestamp",
            {"time_zone": "Europe/Paris"},
            "2024-07-01T12:00:00Z",
            "2024-07-01 12:00:00",
        ),
        (
            "timestamp",
            {"format": "%d/%m/%Y %H:%M", "time_zone": "Europe/Paris"},
            "01/07/2024 12:00",
            "2024-07-01 10:00:00",
        ),
        (
            "timestamp",
            {"format": "%d/%m/%Y %H:%M %z"},
            "01/07/2024 12:00 +0300",
            "2024-07-01 09:00:00",
        ),
        ("boolean", {}, "true", "true"),
        ("boolean", {}, "maybe", "wrong_type"),
        ("date", {"minimum": dt.date(2024, 1, 1)}, "2023-12-31", "below_minimum"),
        ("date", {"maximum": dt.date(2024, 1, 1)}, "2024-01-01", "2024-01-01"),
        ("timestamp", {"maximum": dt.date(2024, 1, 1)}, "2024-01-02", "above_maximum"),
        # Numbers as declared; without a declaration there are no thousands.
        ("decimal(18,2)", {"decimal": ","}, '"1,50"', "1.50"),
        ("decimal(18,2)", {"decimal": ","}, '"1.234,50"', "1234.50"),
        ("decimal(18,2)", {}, "5e-10", "0.00"),
        ("decimal(18,2)", {}, "-5e-10", "0.00"),
        ("decimal(18,2)", {}, "5e-3", "0.01"),
        ("decimal(18,0)", {}, "5e-2", "0"),
        ("decimal(18,2)", {}, "8.88e+2", "888.00"),
        ("decimal(18,2)", {"decimal": ","}, '"-1 234 567,5"', "-1234567.50"),
        ("decimal(18,2)", {"decimal": ","}, '"1\u202f234,5"', "1234.50"),
        ("decimal(18,2)", {"decimal": ","}, "1.500", "1500.00"),
        ("decimal(18,2)", {"decimal": ","}, "1.50", "wrong_type"),
        ("decimal(18,2)", {"decimal": ","}, '"1.234.56,5"', "wrong_type"),
        ("decimal(18,2)", {"decimal": ","}, '"1.234 567,5"', "wrong_type"),
        ("decimal(18,2)", {"decimal": "."}, '"1,234.50"', "1234.50"),
        ("decimal(18,2)", {"decimal": "."}, "1'234.50", "1234.50"),
        ("decimal(18,2)", {"decimal": "."}, '"1,50"', "wrong_type"),
        ("decimal(18,2)", {}, '"1,234.50"', "wrong_type"),
        ("bigint", {"decimal": ","}, "12.345", "12345"),
        ("double", {"decimal": ","}, '"1,5e3"', "1500.0"),
        # Of several formats the first that fits.
        ("date", {"format": ["%Y-%m-%d", "%d.%m.%Y"]}, "2.3.2024", "2024-03-02"),
        ("date", {"format": ["%d/%m/%Y", "%m/%d/%Y"]}, "02/03/2024", "2024-03-02"),
        ("date", {"format": ["%d/%m/%Y", "%m/%d/%Y"]}, "02/13/2024", "2024-02-13"),
        ("date", {"format": ["%d/%m/%Y", "%m/%d/%Y"]}, "13/13/2024", "wrong_type"),
    ],
)
def test_a_value_becomes_its_type_or_a_reason(
    data_type: str,
    rules: dict[str, Any],
    delivered: str,
    expected: str | None,
    tmp_path: Path,
) -> None:
    columns = with_rules("price", data_type, **rules)
    company(tmp_path, columns=columns, quarantine_limit_pct=100)
    deliver(tmp_path, [f"A,2024-03-01,1,{delivered}"])
    run = run_door(tmp_path)
    found = admitted(run, "cast(price as varchar)") or quarantined(run, "reason")
    assert found == [(expected,)]


@pytest.mark.parametrize("other", ["", "bell \a in another row"])
@pytest.mark.parametrize(
    ("delivered", "expected"),
    [
        ("plain", "plain"),
        ('say "hi" \\', 'say "hi" \\'),
        ("", None),
        (" both ", "both"),
        ("line\n", "line"),
        ("\r\nline", "line"),
        ("two\nlines", "two\nlines"),
        ("tab\t", "tab"),
        ("tab\tin", "tab\tin"),
        ("Tromsø", "Tromsø"),
        ("Tromsø\r\n", "Tromsø"),
        ("\nTromsø", "Tromsø"),
        ("\u00a0Tromsø\u3000", "Tromsø"),
        ("\u2003Tromsø\u202f", "Tromsø"),
        ("smart \x93quotes\x94", "wrong_type"),
        ("delete \x7f", "wrong_type"),
        ("lost \ufffd", "wrong_type"),
        ("bell \a", "wrong_type"),
        ("delete \x1f", "wrong_type"),
    ],
)
def test_text_is_read_alike_in_files_with_and_without_control_characters(
    delivered: str, expected: str | None, other: str, tmp_path: Path
) -> None:
    columns = with_rules("price", "varchar")
    company(tmp_path, columns=columns, quarantine_limit_pct=100)
    quoted = delivered.replace('"', '""')
    lines = [f'A,2024-03-01,1,"{quoted}"', f'B,2024-03-01,1,"{other}"']
    text = "\n".join([HEADER, *lines]) + "\n"
    (tmp_path / "data" / "sales.csv").write_bytes(text.encode())
    run = run_door(tmp_path)
    found = [row[1:] for row in admitted(run, "sale_id, price") if row[0] == "A"]
    refused = [row[1:] for row in quarantined(run, "row_number, reason") if row[0] == 1]
    assert (found or refused) == [(expected,)]


@pytest.mark.parametrize(
    ("time_zone", "local", "expected"),
    [
        # Clocks from 2 to 3 on 31 March, from 3 to 2 on 27 October.
        ("Europe/Paris", "2024-03-31 01:59:59", "2024-03-31 00:59:59"),
        ("Europe/Paris", "2024-03-31 02:00:00", None),
        ("Europe/Paris", "2024-03-31 02:59:59", None),
        ("Europe/Paris", "2024-03-31 03:00:00", "2024-03-31 01:00:00"),
        ("Europe/Paris", "2024-10-27 01:59:59", "2024-10-26 23:59:59"),
        ("Europe/Paris", "2024-10-27 02:30:00", "2024-10-27 00:30:00"),
        ("Europe/Paris", "2024-10-27 03:00:00", "2024-10-27 02:00:00"),
        # By half an hour only.
        ("Australia/Lord_Howe", "2024-10-06 02:15:00", None),
        ("Australia/Lord_Howe", "2024-04-07 01:45:00", "2024-04-06 14:45:00"),
        # At midnight, so that the doubled hour lies on the day before.
        ("America/Santiago", "2024-09-08 00:30:00", None),
        ("America/Santiago", "2024-04-06 23:30:00", "2024-04-07 02:30:00"),
        # A whole day that Samoa left out.
        ("Pacific/Apia", "2011-12-30 12:00:00", None),
        ("Pacific/Apia", "2011-12-31 12:00:00", "2011-12-30 22:00:00"),
        ("Asia/Tokyo", "2024-03-31 02:30:00", "2024-03-30 17:30:00"),
    ],
)
@pytest.mark.parametrize("form", ["text", "text with fraction", "format", "timestamp"])
def test_hours_that_clocks_skip_or_show_twice(
    time_zone: str, local: str, expected: str | None, form: str
) -> None:
    rules: dict[str, Any] = {"time_zone": time_zone}
    if form == "format":
        rules["format"] = "%Y-%m-%d %H:%M:%S"
    raw_type = "TIMESTAMP" if form == "timestamp" else "VARCHAR"
    column = Column(name="at", data_type="timestamp", rules=ColumnRules(**rules))
    sql = typed_sql(column, raw_type, "TIMESTAMP", quote("at"))
    text = local + (".000000" if form == "text with fraction" else "")
    delivered = f"select cast('{text}' as {raw_type}) as at"
    found = duckdb.sql(f"select cast({sql} as varchar) from ({delivered})")
    assert found.fetchall() == [(expected,)]


@settings(max_examples=40, deadline=None)
@given(
    local=st.datetimes(dt.datetime(1975, 1, 1), dt.datetime(2045, 1, 1)).map(
        lambda moment: moment.replace(microsecond=0)
    ),
    time_zone=st.sampled_from(
        ["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Shanghai"]
    ),
)
def test_local_times_are_those_of_the_standard_library(
    local: dt.datetime, time_zone: str
) -> None:
    zone = ZoneInfo(time_zone)
    there = local.replace(tzinfo=zone, fold=0).astimezone(dt.UTC)
    is_real = there.astimezone(zone).replace(tzinfo=None) == local
    rules = ColumnRules(time_zone=time_zone)
    column = Column(name="at", data_type="timestamp", rules=rules)
    sql = typed_sql(column, "VARCHAR", "TIMESTAMP", quote("at"))
    ((found,),) = duckdb.sql(f"select {sql} from (select '{local}' as at)").fetchall()
    assert found == (there.replace(tzinfo=None) if is_real else None)


@pytest.mark.parametrize(
    ("sql", "data_type", "expected"),
    [
        ("3.5::double", "bigint", "wrong_type"),
        ("4::double", "bigint", "4"),
        ("'nan'::double", "double", "wrong_type"),
        ("0.1::double + 0.2", "decimal(18,2)", "0.30"),
        ("timestamp '2024-07-01 00:00'", "date", "2024-07-01"),
        ("timestamp '2024-07-01 23:00'", "date", "wrong_type"),
        ("date '2024-07-01'", "timestamp", "2024-07-01 00:00:00"),
        ("timestamptz '2024-07-01 10:00:00+02'", "timestamp", "2024-07-01 08:00:00"),
        ("5::bigint", "date", "wrong_type"),
        ("5::bigint", "varchar", "5"),
        ("300::bigint", "tinyint", "wrong_type"),
        ("''", "varchar", None),
    ],
)
def test_a_typed_value_becomes_its_type_or_a_reason(
    sql: str, data_type: str, expected: str | None, tmp_path: Path
) -> None:
    columns = with_rules("price", data_type)
    company(tmp_path, "data/s.parquet", columns, quarantine_limit_pct=100)
    duckdb.sql(
        f"copy (select 'A' as sale_id, timestamp '2024-03-01' as sold_at, "
        f"1 as quantity, {sql} as price) to '{tmp_path / 'data/s.parquet'}'"
    )
    run = run_door(tmp_path)
    found = admitted(run, "cast(price as varchar)") or quarantined(run, "reason")
    assert found == [(expected,)]


def test_the_first_fault_by_declared_column_is_named(tmp_path: Path) -> None:
    company(tmp_path, quarantine_limit_pct=100)
    deliver(tmp_path, ["A,soon,-1,x", ",2024-03-01,-1,x"])
    assert quarantined(run_door(tmp_path), "column_name, reason") == [
        ("sold_at", "wrong_type"),
        ("sale_id", "required_missing"),
    ]


@pytest.mark.parametrize("policy", ["evolve", "warn", "stop"])
def test_new_column_is_as_declared(policy: str, tmp_path: Path) -> None:
    path = company(tmp_path, drift={"new": policy}) / "data/sales.csv"
    path.write_text(f"{HEADER},colour\nA,2024-03-01,1,1,red\n")
    if policy == "stop":
        assert "header: new column colour; found sale_id" in refusal(tmp_path)
        return
    run = run_door(tmp_path)
    assert len(report(run)["warnings"]) == (policy == "warn")
    assert admitted(run, "columns('colour|sale_id')") == [
        ("A", "red") if policy == "evolve" else ("A",)
    ]


def test_missing_column_goes_on_as_null_where_declared(tmp_path: Path) -> None:
    company(tmp_path, "data/*.csv", drift={"missing": "warn"})
    deliver(tmp_path, sales(2), "a.csv")
    narrow = "sale_id,sold_at,quantity\nB,2024-03-01,1\n"
    (tmp_path / "data/b.csv").write_text(narrow)
    run = run_door(tmp_path)
    assert admitted(run, "sale_id, price::varchar") == [
        *(("B", None), ("S00000", "1.50"), ("S00001", "2.50"))
    ]
    (warning,) = report(run)["warnings"]
    assert "data/b.csv, header: missing column price" in warning
    (tmp_path / "data/b.csv").write_text("sale_id,sold_at,price\nB,2024-03-01,1\n")
    assert "no row may lack quantity" in refusal(tmp_path)


def test_a_column_is_read_under_any_of_its_names(tmp_path: Path) -> None:
    columns = with_rules("price", aliases=["Amount", "total"])
    company(tmp_path, "data/*", columns, quarantine_limit_pct=50)
    deliver(tmp_path, ["A,2024-03-01,1,1.5"], "a.csv")
    other = HEADER.replace("price", "AMOUNT")
    (tmp_path / "data/b.csv").write_text(f"{other}\nB,2024-03-01,1,2.5\n")
    both = HEADER + ",total"
    lines = "C,2024-03-01,1,3.5,9\nD,2024-03-01,1,,4.5\nE,2024-03-01,1,x,5.5\n"
    (tmp_path / "data/c.csv").write_text(f"{both}\n{lines}")
    duckdb.sql(
        "copy (select 'F' as sale_id, timestamp '2024-03-01' as sold_at, "
        "1 as quantity, 6.5::double as total) "
        f"to '{tmp_path / 'data/d.parquet'}' (format parquet)"
    )
    run = run_door(tmp_path)
    assert admitted(run, "sale_id, price::double") == [
        *(("A", 1.5), ("B", 2.5), ("C", 3.5), ("D", 4.5), ("F", 6.5))
    ]
    assert quarantined(run, "reason, value") == [("wrong_type", "x")]
    assert report(run)["warnings"] == []


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
    company(tmp_path, columns=with_rules("price", pii="phone", phone_region="CN"))
    with pytest.raises(ConfigurationError, match=r"price: a pii column holds a hash"):
        run_door(tmp_path)


def test_judged_again_the_same_attempt_gives_the_same(tmp_path: Path) -> None:
    deliver(company(tmp_path, key=[], quarantine_limit_pct=5), [*sales(900), "x,y"])
    run = run_door(tmp_path)
    before = report(run), admitted(run, "*"), quarantined(run, "*")
    admit_table(run, TABLE)
    assert (report(run), admitted(run, "*"), quarantined(run, "*")) == before


def test_a_type_is_compared_with_that_of_the_delivery_before(tmp_path: Path) -> None:
    path = company(tmp_path, "data/s.parquet") / "data/s.parquet"
    runs = []
    for day, kind in (("2024-03-01", "bigint"), ("2024-03-02", "double")):
        duckdb.sql(
            f"copy (select '{day}' as sale_id, timestamp '{day} 12:00' as sold_at, "
            f"1::{kind} as quantity, 1::decimal(18,2) as price) to '{path}'"
        )
        runs.append(run_door(tmp_path, day, day))
    first, second = runs
    assert report(second)["warnings"] == [
        "shop.sales: type of column changed since the last delivery: quantity from "
        "BIGINT to DOUBLE"
    ]
    admit_table(first, TABLE)
    assert report(first)["warnings"] == []


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
    lines = [*sales(200), *(f"D{n % 7},2024-03-0{1 + n % 3},{n},1" for n in range(60))]
    lines += ["bad", "B,x,1,1"]
    rules: dict[str, Any] = {"quarantine_limit_pct": 5}
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


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            with_rules("price", "string64"),
            r"column price: data_type 'string64' is unkn",
        ),
        (with_rules("price", "hugeint"), r"column price: Parquet keeps no hugeint"),
        (with_rules("sale_id", minimum=1), r"column sale_id: minimum and maximum are"),
        (
            [*COLUMNS, {"name": "loaded_at", "data_type": "timestamp"}],
            r"column loaded_at: admission adds a column of that name",
        ),
    ],
)
def test_wrong_declaration_is_named(
    columns: list[Any], message: str, tmp_path: Path
) -> None:
    company(tmp_path, columns=columns, drift={"missing": "warn"})
    deliver(tmp_path, sales(4))
    with pytest.raises(ConfigurationError, match=message):
        run_door(tmp_path)


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


# --- files of several types -----------------------------------------------------------


def test_each_file_is_read_by_its_own_types(tmp_path: Path) -> None:
    # Read together, DuckDB would make floats of the keys and UTC of the local times.
    columns = [
        {"name": "sale_id", "data_type": "varchar"},
        {
            "name": "sold_at",
            "data_type": "timestamp",
            "meta": {"time_zone": "Europe/Paris"},
        },
        {"name": "price", "data_type": "decimal(38,2)", "meta": {"decimal": ","}},
    ]
    company(tmp_path, "data/*", columns)
    local, zoned = (
        "timestamp '2024-07-01 12:00'",
        "'2024-07-01 12:00:00+00'::timestamptz",
    )
    for name, sale_id, sold_at, price in (
        ("a", "9007199254740993", local, "12345678901234567.89::decimal(38,2)"),
        ("b", "7::double", zoned, "1.125::double"),
        ("c", "1234567.5::double", local, "'1.234,5'"),
        ("d", "'x'::blob", zoned, "7::integer"),
        ("e", "uuid '00000000-0000-0000-0000-000000000001'", local, "null::date"),
    ):
        duckdb.sql(
            f"copy (select {sale_id} as sale_id, {sold_at} as sold_at, "
            f"{price} as price) to '{tmp_path}/data/{name}.parquet'"
        )
    assert admitted(run_door(tmp_path), "sale_id, hour(sold_at), price::varchar") == [
        ("00000000-0000-0000-0000-000000000001", 10, None),
        ("1234567.5", 10, "1234.50"),
        ("7", 12, "1.13"),
        ("9007199254740993", 10, "12345678901234567.89"),
        ("x", 12, "7.00"),
    ]


def test_rows_that_a_file_cannot_know_of_are_quarantined(tmp_path: Path) -> None:
    # Files of a day in UTC reach two hours into the next day of Paris, not further.
    company(tmp_path, "data/s_{date:%Y-%m-%d}.csv", quarantine_limit_pct=60)
    (tmp_path / "data/s_2024-06-01.csv").write_text(
        f"{HEADER}\nA,2024-06-01 10:00:00,1,1\nB,2024-06-01 22:30:00,1,1\n"
        "C,2024-06-04 10:00:00,1,1\n"
    )
    (tmp_path / "data/s_2024-06-04.csv").write_text(
        f"{HEADER}\nD,2024-06-04 10:00:00,1,1\n"
    )
    at_once = run_door(tmp_path, "2024-06-01", "2024-06-04")
    assert admitted(at_once, "sale_id") == [("A",), ("B",), ("D",)]
    assert quarantined(at_once, "file, row_number, reason") == [
        ("data/s_2024-06-01.csv", 3, "in_the_future")
    ]
    found = []
    for day in range(1, 5):
        run = run_door(tmp_path, f"2024-06-0{day}", f"2024-06-0{day}")
        found += admitted(run, "sale_id")
    assert found == [("A",), ("B",), ("D",)]


def test_a_parquet_row_without_a_legible_cursor_is_shown_to_each_day(
    tmp_path: Path,
) -> None:
    columns = with_rules("sold_at", time_zone="Europe/Paris")
    company(tmp_path, "data/s.parquet", columns, quarantine_limit_pct=100)
    duckdb.sql(
        f"""
        copy (
            select 'S' || number as sale_id, 1 as quantity, 1 as price, sold_at
            from (values
                (1, timestamp '2024-06-01 12:00'), (2, timestamp '2024-06-02 12:00'),
                (3, timestamp '0001-01-01'), (4, timestamp '2024-03-31 02:30'),
                (5, null)
            ) as sales (number, sold_at)
        ) to '{tmp_path}/data/s.parquet'
        """
    )
    run = run_door(tmp_path, "2024-06-01", "2024-06-01")
    assert admitted(run, "sale_id") == [("S1",)]
    assert quarantined(run, "row_number, reason") == [
        *((3, "wrong_type"), (4, "wrong_type"), (5, "required_missing"))
    ]


def test_columns_may_bear_names_of_our_own_sql(tmp_path: Path) -> None:
    columns = [*COLUMNS, {"name": "quarter", "data_type": "varchar"}]
    company(tmp_path, columns=columns)
    text = f"{HEADER},quarter\nA,2024-03-01,1,1.5,Q1\n"
    (tmp_path / "data/sales.csv").write_text(text)
    assert admitted(run_door(tmp_path), "sale_id, quarter") == [("A", "Q1")]


@pytest.mark.parametrize(
    ("delivered", "shown"),
    [
        ("li.na@example.com", "xx.xx@xxxxxxx.xxx"),
        ("Li Na", "xx xx"),
        ("+33 1 42 68 53 00", "+99 9 99 99 99 99"),
        ("2024-13-45", "2024-13-45"),
        ("12.5x", "99.9x"),
        ("13.55.1", "13.55.1"),
    ],
)
def test_beside_identifiers_no_value_is_shown_that_may_be_one(
    delivered: str, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KITH_IDENTIFIER_KEY", KEY.decode())
    columns = [
        *COLUMNS,
        {"name": "mail", "data_type": "text", "meta": {"pii": "email"}},
    ]
    company(tmp_path, columns=columns)
    text = f"{HEADER},mail\nA,2024-03-01,1,{delivered},a@b.example\n"
    (tmp_path / "data/sales.csv").write_text(text)
    message = refusal(tmp_path)
    run = new_run(tmp_path, "2024-03-01", "2024-12-31")
    assert quarantined(run, "reason, value") == [("wrong_type", shown)]
    assert f"found '{shown}'" in message


@pytest.mark.parametrize(
    "header",
    ["sale_id,sold_at,quantity,price,e_mail", "A,2024-03-01,1,2,li.na@example.com"],
)
def test_an_identifier_under_another_name_is_not_stored(
    header: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KITH_IDENTIFIER_KEY", KEY.decode())
    columns = [
        *COLUMNS,
        {"name": "mail", "data_type": "text", "meta": {"pii": "email"}},
    ]
    company(tmp_path, columns=columns, drift={"missing": "warn"})
    row = "B,2024-03-01,1,1,li.na@example.com"
    (tmp_path / "data/sales.csv").write_text(f"{header}\n{row}\n")
    message = refusal(tmp_path)
    assert "missing column mail (pii)" in message
    kept = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert kept
    assert all(b"li.na" not in path.read_bytes() for path in kept)
    assert "li.na" not in message


def test_texts_are_texts_again_once_declared_otherwise(tmp_path: Path) -> None:
    folder = company(tmp_path)
    lines = ["A,2024-03-01 10:00:00,12,12.00", "B,2024-03-01 11:00:00,007,12.50"]
    deliver(folder, lines)
    run = run_door(folder)
    company(
        folder,
        columns=[
            *COLUMNS[:2],
            {"name": "quantity", "data_type": "varchar"},
            {"name": "price", "data_type": "varchar"},
        ],
    )
    run = new_run(folder, "2024-03-01", "2024-12-31")
    admit_table(run, TABLE)
    assert admitted(run, "quantity, price") == [("007", "12.50"), ("12", "12.00")]


def test_a_repeated_header_is_known_by_columns_of_numbers(
    tmp_path: Path,
) -> None:
    columns = [
        {"name": "sale_id", "data_type": "varchar"},
        {"name": "_n", "data_type": "bigint"},
        {"name": "2024", "data_type": "bigint"},
    ]
    company(tmp_path, columns=columns, cursor=None, quarantine_limit_pct=100)
    lines = ["sale_id,_n,2024", "A,1,2", "sale_id,_n,2024", "B,3,4"]
    (tmp_path / "data/sales.csv").write_text("\n".join([*lines, ""]))
    run = run_door(tmp_path)
    assert admitted(run) == [("A", 1, 2), ("B", 3, 4)]
    assert quarantined(run, "row_number, reason") == [(2, "repeated_header")]
