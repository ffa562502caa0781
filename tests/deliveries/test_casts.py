import datetime as dt
import json
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
from kith.errors import ConfigurationError
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
        # Decimals beyond the declared ones are refused, the noise of a float is not.
        ("decimal(18,2)", {}, "1.005", "wrong_type"),
        ("decimal(18,2)", {}, "-1.001", "wrong_type"),
        ("decimal(18,2)", {}, "0.12000001", "wrong_type"),
        ("decimal(18,2)", {}, "1234567890123456.785", "wrong_type"),
        ("decimal(18,2)", {}, "12.340000000000001", "12.34"),
        ("decimal(18,2)", {}, "12.339999999999998", "12.34"),
        ("decimal(18,2)", {}, "-5.551115123125783e-17", "0.00"),
        ("decimal(18,2)", {}, "123456789012.34001", "123456789012.34"),
        ("decimal(18,2)", {}, " 12.5000 ", "12.50"),
        ("decimal(18,2)", {}, "12.", "12.00"),
        ("decimal(18,2)", {}, ".5", "0.50"),
        ("decimal(18,2)", {}, "1234567", "1234567.00"),
        ("decimal(18,2)", {}, "12345e-4", "wrong_type"),
        ("decimal(18,2)", {}, "12345e-2", "123.45"),
        ("decimal(18,4)", {}, "1.e-11", "0.0000"),
        ("decimal(18,4)", {}, "1.e-5", "wrong_type"),
        ("decimal(18,4)", {}, "1234.e-6", "wrong_type"),
        ("decimal(38,10)", {}, "0.12345678901", "wrong_type"),
        ("decimal(38,10)", {}, "0.1234567890", "0.1234567890"),
        ("decimal(18,2)", {"decimal": ","}, '"1,005"', "wrong_type"),
        ("decimal(18,2)", {"null_values": ["-"]}, "1.005", "wrong_type"),
        ("decimal(18,2)", {"null_values": ["-"]}, "1.05", "1.05"),
        ("decimal(18,2)", {"round": True}, "2.005", "2.01"),
        ("decimal(18,2)", {"round": True}, "5e-3", "0.01"),
        ("decimal(18,2)", {"round": True}, "1_0.5", "wrong_type"),
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
        *(
            (
                "timestamp",
                {"format": "%Y-%m-%d %H:%M %Z"},
                f"2024-07-01 09:00 {zone}",
                at,
            )
            for zone, at in (
                ("UTC", "2024-07-01 09:00:00"),
                ("Europe/Paris", "2024-07-01 07:00:00"),
                ("CST", "wrong_type"),
            )
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
        ("decimal(18,2)", {}, "5e-3", "wrong_type"),
        ("decimal(18,0)", {}, "5e-2", "wrong_type"),
        ("decimal(18,0)", {"round": True}, "5e-2", "0"),
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
        # Text that was a float: beyond 2^53 it is no longer what it was.
        *(
            ("varchar", {"whole_numbers": True}, text, expected)
            for text, expected in (
                ("9007199254740992.0", "9007199254740992"),
                ("9007199254740993.0", "wrong_type"),
                ("9007199254740993", "9007199254740993"),
            )
        ),
        ("varchar", {}, "9007199254740993.0", "9007199254740993.0"),
        # The end of a day is the midnight of the next.
        *(
            ("timestamp", {"time_zone": "Europe/Paris"}, text, expected)
            for text, expected in (
                ("2024-01-31T24:00:00Z", "2024-02-01 00:00:00"),
                ("2024-01-31 24:00:00", "2024-01-31 23:00:00"),
                ("2024-01-31T24:00+02:00", "2024-01-31 22:00:00"),
                ("2024-01-31T24:00:01Z", "wrong_type"),
                ("2024-01-31 24:30:00", "wrong_type"),
            )
        ),
        ("timestamp", {}, "2024-01-31T24:00:00", "2024-02-01 00:00:00"),
        ("timestamp", {}, "9999-12-31 24:00:00", "wrong_type"),
        ("date", {}, "2024-12-31 24:00:00", "2025-01-01"),
        *(
            ("timestamp", {"format": written}, text, expected)
            for written, text, expected in (
                ("%d.%m.%Y %H:%M", "31.01.2024 24:00", "2024-02-01 00:00:00"),
                ("%d.%m.%Y %H:%M", "31.01.2024 24:01", "wrong_type"),
                ("%H:%M:%S %d.%m.%Y", "24:00:00 31.12.2024", "2025-01-01 00:00:00"),
                (
                    "%Y-%m-%dT%H:%M:%S%z",
                    "2024-01-31T24:00:00+0100",
                    "2024-01-31 23:00:00",
                ),
                ("%Y-%m-%d %H:%M:%S", "2024-01-31 10:24:00", "2024-01-31 10:24:00"),
            )
        ),
        ("date", {"format": "%d.%m.%Y %H:%M"}, "31.01.2024 24:00", "2024-02-01"),
        # A time of day is that alone.
        ("time", {}, " 9:05 ", "09:05:00"),
        ("time", {}, "10:00:00.5", "10:00:00.5"),
        *(
            ("time", {}, text, "wrong_type")
            for text in (
                *("24:00", "24:00:00", "10:00:00 PM", "10:00:00+02:00"),
                *("10:00:00Z", "2024-01-01 10:00:00", "10:00:00 UTC"),
            )
        ),
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


@pytest.mark.parametrize("sign", [",", "."])
@pytest.mark.parametrize("kind", ["DECIMAL(18,2)", "DOUBLE"])
def test_thousands_are_groups_of_three_behind_one_to_three_digits(
    kind: str, sign: str
) -> None:
    numbers = {
        # A leading nought begins no group.
        **dict.fromkeys(["0.123", "01.234", "-0.123", "+000.123", "0.123,45"]),
        **dict.fromkeys(["0 123", "0'123,5", "0.123.456"]),
        # Groups of another length, and of several signs.
        **dict.fromkeys(["1.23,4", "12.34.567", "1234.567", "1.2345", "1..234"]),
        **dict.fromkeys(["1.234.", ".123,4", "1,234.567", "1.234 567"]),
        # Signs in another place, and what is no number.
        **dict.fromkeys(["--1", "1.234-", "- 1.234", "(1.234)", "1.234 €", "€1.234"]),
        **dict.fromkeys(["EUR 1,50", "1,5 %", ""]),
        **{"0": 0.0, "0,12": 0.12, "007,5": 7.5, "-1.234,5": -1234.5},
        **{"+10.000": 10_000.0, "100.000,01": 100_000.01, "1'234'567": 1_234_567.0},
    }
    column = Column(
        name="price",
        data_type=kind,
        rules=ColumnRules.model_validate({"decimal": sign}),
    )
    number = typed_sql(column, "VARCHAR", kind, quote("price"))
    other = {",": ".", ".": ","}
    texts = [
        "".join(each if sign == "," else other.get(each, each) for each in text)
        for text in numbers
    ]
    rows = duckdb.sql(
        f"select cast({number} as double) from (select unnest($texts) as price)",
        params={"texts": texts},
    ).fetchall()
    assert dict(zip(numbers, (found for (found,) in rows), strict=True)) == numbers


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


_AS_WRITTEN = "2024-02-01T04:30:00"
# What may stand behind a time, and the same time in UTC; None is refused.
_OFFSETS = {
    **dict.fromkeys(["Z", "Z ", " Z", "z", "Z\u00a0", "Z[UTC]"], "04:30"),
    **dict.fromkeys([" UTC", " utc", "UTC", " GMT", "gmt ", ".000Z"], "04:30"),
    **dict.fromkeys(["+01:00", " +01:00", "+0100", " +0100", "+01", " +01"], "03:30"),
    **dict.fromkeys(["+01:00 ", ".5 +01", "+01:00[Europe/Paris]"], "03:30"),
    **dict.fromkeys(["-0530", "-05:30", "  -05:30\t"], "10:00"),
    **dict.fromkeys(
        [" CST", " Europe/Paris", " PM", "\u00a0Z", "\u221201:00", " UTC+1"]
    ),
    # No clock is set further from UTC than by 14 hours.
    **dict.fromkeys(["+14:00", " +1400", "+14"], "14:30"),
    **dict.fromkeys(["-14:00", "-1400", " -14"], "18:30"),
    **dict.fromkeys(["+13:45", " +1345"], "14:45"),
    **dict.fromkeys(["+15:00", "-99:99", "+14:30", "-14:01", "+1401", " -1500", "+15"]),
    **dict.fromkeys(["+01:60", "-0175", " +00:99", "+24:00", "+15:00[Europe/Paris]"]),
    **dict.fromkeys(["+1", "+01:00:30", "+01:0", "Z+01:00", "[Europe/Paris]", " x"]),
}


@pytest.mark.parametrize("time_zone", ["UTC", "Europe/Paris", "Asia/Tokyo"])
def test_an_offset_is_read_or_refused_and_never_dropped(time_zone: str) -> None:
    rules = ColumnRules(time_zone=time_zone)
    column = Column(name="at", data_type="timestamp", rules=rules)
    moment = typed_sql(column, "VARCHAR", "TIMESTAMP", quote("at"))
    day = typed_sql(column, "VARCHAR", "DATE", quote("at"))
    others = {
        "2024-02-01 04:30:0Z": "04:30",
        "2024-02-01T04:30+01:00": "03:30",
        "2024-02-01 4:30 -05": "09:30",
    }
    texts = [_AS_WRITTEN + offset for offset in _OFFSETS] + list(others)
    rows = duckdb.sql(
        f"select strftime({moment}, '%H:%M'), {day} from (select unnest($texts) as at)",
        params={"texts": texts},
    ).fetchall()
    assert {text: row[0] for text, row in zip(texts, rows, strict=True)} == {
        **{_AS_WRITTEN + offset: expected for offset, expected in _OFFSETS.items()},
        **others,
    }
    assert {day for _, day in rows} == {None}


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("%Y-%m-%d %H:%M:%S %z", "2024-02-28 04:30:00 {}"),
        ("%Y-%m-%dT%H:%M:%S%z", "2024-02-28T04:30:00{}"),
        ("%Y%m%d%H%M%S%z", "20240228043000{}"),
        ("%d-%m-%Y %H:%M%z", "28-02-2024 04:30{}"),
        ("%a %b %d %H:%M:%S %z %Y", "Wed Feb 28 04:30:00 {} 2024"),
        ("%z %H.%M %Y-%m-%d", "{} 04.30 2024-02-28"),
    ],
)
def test_a_format_with_an_offset_reads_none_that_no_clock_has(
    pattern: str, text: str
) -> None:
    column = Column(
        name="at", data_type="timestamp", rules=ColumnRules(format=[pattern])
    )
    moment = typed_sql(column, "VARCHAR", "TIMESTAMP", quote("at"))
    expected = {
        **{"+0100": "03:30", "+00:00": "04:30", "-0530": "10:00", "+14": "14:30"},
        **{"+1400": "14:30", "-14:00": "18:30", "+13:45": "14:45"},
        **dict.fromkeys(["+15:00", "-9999", "+14:30", "-1401", "+0160", "+01:75"]),
    }
    rows = duckdb.sql(
        f"select strftime({moment}, '%H:%M') from (select unnest($texts) as at)",
        params={"texts": [text.format(offset) for offset in expected]},
    ).fetchall()
    assert dict(zip(expected, (at for (at,) in rows), strict=True)) == expected


@pytest.mark.parametrize(
    ("time_zone", "text", "expected"),
    [
        ("UTC", "2024-02-01T00:00:00Z", dt.date(2024, 2, 1)),
        ("Europe/Paris", "2024-01-31T23:00:00.000Z", dt.date(2024, 2, 1)),
        ("Europe/Paris", "2024-02-01 00:00:00 +0100", dt.date(2024, 2, 1)),
        ("UTC", "2024-02-01T00:00:00+01:00", None),
        ("Europe/Paris", "2024-02-01T00:00:00Z", None),
        ("Europe/Paris", "2024-02-01 00:00", dt.date(2024, 2, 1)),
        ("Europe/Paris", "2024/2/1", dt.date(2024, 2, 1)),
    ],
)
def test_a_day_with_an_offset_is_one_where_it_was_midnight(
    time_zone: str, text: str, expected: dt.date | None
) -> None:
    rules = ColumnRules(time_zone=time_zone)
    column = Column(name="on", data_type="date", rules=rules)
    sql = typed_sql(column, "VARCHAR", "DATE", quote("on"))
    found = duckdb.sql(f"select {sql} from (select '{text}' as \"on\")").fetchall()
    assert found == [(expected,)]


@pytest.mark.parametrize(
    ("unit", "delivered", "expected"),
    [
        ("epoch_s", "'1711353600'", "2024-03-25 08:00:00"),
        ("epoch_s", "' 1711353600.25'", "2024-03-25 08:00:00.25"),
        ("epoch_s", "1711353600", "2024-03-25 08:00:00"),
        ("epoch_s", "1711353600.5::double", "2024-03-25 08:00:00.5"),
        ("epoch_s", "'-86400'", "1969-12-31 00:00:00"),
        ("epoch_ms", "'1711353600123'", "2024-03-25 08:00:00.123"),
        ("epoch_us", "1711353600123456", "2024-03-25 08:00:00.123456"),
        ("epoch_s", "'1711353600123'", None),
        ("epoch_s", "'1.71E+09'", None),
        ("epoch_s", "'soon'", None),
        ("epoch_us", "'99999999999999999999'", None),
    ],
)
def test_time_is_counted_since_1970_in_the_declared_unit(
    unit: str, delivered: str, expected: str | None
) -> None:
    rules = ColumnRules(format=unit, time_zone="Asia/Tokyo")
    column = Column(name="at", data_type="timestamp", rules=rules)
    rows = duckdb.sql(f"select {delivered} as at")
    sql = typed_sql(column, str(rows.types[0]), "TIMESTAMP", quote("at"))
    found = duckdb.sql(f"select cast({sql} as varchar) from rows").fetchall()
    assert found == [(expected,)]
    day = typed_sql(column, str(rows.types[0]), "DATE", quote("at"))
    assert duckdb.sql(f"select {day} from rows").fetchall() == [(None,)]


@pytest.mark.parametrize(
    ("sql", "data_type", "expected"),
    [
        ("3.5::double", "bigint", "wrong_type"),
        ("4::double", "bigint", "4"),
        ("'nan'::double", "double", "wrong_type"),
        ("0.1::double + 0.2", "decimal(18,2)", "0.30"),
        ("1.005::double", "decimal(18,2)", "wrong_type"),
        ("12.34::float", "decimal(18,2)", "12.34"),
        ("123456.78::float", "decimal(18,2)", "123456.78"),
        ("12.345::float", "decimal(18,2)", "wrong_type"),
        ("1234567890123.34::double", "decimal(18,2)", "1234567890123.34"),
        ("1.005::decimal(9,3)", "decimal(18,2)", "wrong_type"),
        ("1.050::decimal(9,3)", "decimal(18,2)", "1.05"),
        ("1234567890123456.785::decimal(38,9)", "decimal(18,2)", "wrong_type"),
        ("1.5::decimal(9,1)", "decimal(18,2)", "1.50"),
        ("0.12::decimal(38,38)", "decimal(18,2)", "0.12"),
        ("timestamp '2024-07-01 00:00'", "date", "2024-07-01"),
        ("timestamp '2024-07-01 23:00'", "date", "wrong_type"),
        ("date '2024-07-01'", "timestamp", "2024-07-01 00:00:00"),
        ("timestamptz '2024-07-01 10:00:00+02'", "timestamp", "2024-07-01 08:00:00"),
        ("5::bigint", "date", "wrong_type"),
        ("5::bigint", "varchar", "5"),
        ("300::bigint", "tinyint", "wrong_type"),
        ("''", "varchar", None),
        ("'nan'::double", "varchar", None),
        ("'nan'::float", "json", None),
        ("'inf'::double", "varchar", "wrong_type"),
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


NESTED = {
    "{'sku': 'a', 'n': 1.25::decimal(9,2)}": '{"sku":"a","n":1.25}',
    "[{'sku': 'a', 'q': 1}, {'sku': 'b', 'q': null}]": (
        '[{"sku":"a","q":1},{"sku":"b","q":null}]'
    ),
    "map {'k': [date '2024-03-01']}": '{"k":["2024-03-01"]}',
    "['nan'::double, 'nan', 1, '-inf', 2.5]": "[null,null,1.0,null,2.5]",
    "[1.25::decimal(9,2)]": "[1.25]",
    """{'s': '[NaN]', 't': 'a"[NaN,-1]\\', 'n': ['nan'::double, -1, '-inf']}""": (
        r'{"s":"[NaN]","t":"a\"[NaN,-1]\\","n":[null,-1.0,null]}'
    ),
    "[timestamp '2024-03-01 12:00']": '["2024-03-01 12:00:00"]',
    "{'s': '[Infinity]'}": '{"s":"[Infinity]"}',
    """'{"a": [1, 2]}'::json""": '{"a": [1, 2]}',
}


@pytest.mark.parametrize("delivered", NESTED)
def test_several_values_in_one_come_as_json(delivered: str) -> None:
    raw_type = str(duckdb.sql(f"select {delivered} as x").types[0])

    def read(kind: str) -> str | None:
        column = Column(name="x", data_type=kind)
        duckdb_kind = "VARCHAR" if kind == "json" else str(duckdb.sqltype(kind))
        sql = typed_sql(column, raw_type, duckdb_kind, quote("x"))
        delivery = f"(select {delivered} as x)"
        query = duckdb.sql(f"select cast({sql} as varchar) from {delivery}")
        ((found,),) = query.fetchall()
        return None if found is None else str(found)

    assert read("varchar") == NESTED[delivered]
    assert json.loads(read("json") or "") == json.loads(NESTED[delivered])
    for kind in ("bigint", "decimal(18,2)", "date", "timestamp", "boolean", "double"):
        assert read(kind) is None


def test_what_is_declared_as_json_is_checked(tmp_path: Path) -> None:
    columns = with_rules("price", "json")
    company(tmp_path, "data/sales.csv", columns, quarantine_limit_pct=100)
    texts = ['{"a":[1,2,]}', '"x"', "5", "", "{a:1}", "[1", '{"a":NaN}', "plain"]
    quoted = [text.replace('"', '""') for text in texts]
    deliver(tmp_path, [f'{n},2024-03-01,1,"{t}"' for n, t in enumerate(quoted)])
    run = run_door(tmp_path)
    assert admitted(run, "price") == [
        *(('"x"',), ("5",), ('{"a":[1,2]}',), ('{"a":null}',), (None,))
    ]
    assert quarantined(run, "row_number, reason, expected") == [
        (number, "wrong_type", "JSON") for number in (5, 6, 8)
    ]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("17850.0::double", "17850"),
        ("1e15::double", "1000000000000000"),
        ("9007199254740994::double", None),
        ("16777218::float", None),
        ("0.5::double", "0.5"),
    ],
)
def test_a_float_is_text_while_it_tells_whole_numbers_apart(
    sql: str, expected: str | None
) -> None:
    rows = duckdb.sql(f"select {sql} as x")
    column = Column(name="x", data_type="varchar")
    typed = typed_sql(column, str(rows.types[0]), "VARCHAR", quote("x"))
    assert duckdb.sql(f"select {typed} from rows").fetchall() == [(expected,)]


@pytest.mark.parametrize("kind", ["struct(a integer)", "varchar[]", "blob", "no_type"])
def test_a_type_that_is_not_kept_is_refused(kind: str, tmp_path: Path) -> None:
    company(tmp_path, columns=with_rules("price", kind))
    deliver(tmp_path, ["A,2024-03-01,1,1"])
    with pytest.raises(ConfigurationError, match=r"column price: data_type .* unknown"):
        run_door(tmp_path)
