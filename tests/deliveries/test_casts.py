import datetime as dt
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kith.company.tables import Column, ColumnRules
from kith.database import quote
from kith.deliveries.casts import typed_sql
from tests.one_table import (
    HEADER,
    admitted,
    company,
    deliver,
    quarantined,
    report,
    run_door,
    with_rules,
)

pytestmark = pytest.mark.usefixtures("kith_home")


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
