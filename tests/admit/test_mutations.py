"""A good delivery, spoiled in more than a hundred ways: none of them passes silently.

Each mutation ends in one of four ways, and says why:

- quarantined: the bad rows are kept apart with a reason, all others are as they were;
- repaired: what is admitted equals the good delivery;
- stopped: the run stops, and what was admitted before stays in force;
- warned: the declaration lets it pass, and the report names it.

Rows that were admitted and differ from the good delivery are a hole in the door, in all
four. `python -m tests.admit.test_mutations` prints the list.
"""

import csv
import datetime as dt
import gzip
import io
import json
import re
import shutil
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pytest

from kith.admit.table import admit_table
from kith.deliveries.raw import newest_attempt
from kith.errors import DeliveryError
from kith.pull.table import pull_table
from kith.runs.run import Run
from tests.conftest import new_run
from tests.one_table import TABLE, admitted, company, quarantined, report
from tests.pull.connectors.workbooks import write_xlsx

Row = dict[str, str]
FIRST_DAY = dt.date(2024, 3, 25)  # on the seventh day clocks are put forward
DAYS, ROWS_A_DAY = 8, 120
PRODUCTS = [f"P-{number:03}" for number in range(12)]
STATES = ["paid", "open", "returned"]

COLUMNS: list[dict[str, Any]] = [
    {"name": "sale_id", "data_type": "varchar"},
    {
        "name": "sold_at",
        "data_type": "timestamp",
        "meta": {"time_zone": "Europe/Paris"},
    },
    {
        "name": "email",
        "data_type": "varchar",
        "meta": {"pii": "email", "required": True},
    },
    {
        "name": "product",
        "data_type": "varchar",
        "meta": {"required": True, "accepted_values": PRODUCTS},
    },
    {
        "name": "status",
        "data_type": "varchar",
        "meta": {"required": True, "accepted_values": STATES},
    },
    {
        "name": "quantity",
        "data_type": "bigint",
        "meta": {"required": True, "minimum": 1, "maximum": 100},
    },
    {
        "name": "price",
        "data_type": "decimal(18,2)",
        "meta": {"required": True, "minimum": 0.01, "maximum": 1000},
    },
    {
        "name": "shipped_on",
        "data_type": "date",
        "meta": {"minimum": dt.date(2024, 1, 1), "maximum": dt.date(2024, 12, 31)},
    },
    {"name": "note", "data_type": "varchar"},
]
NAMES = [column["name"] for column in COLUMNS]
SPOILT = range(200, 203)  # numbers of the rows that a mutation of single rows spoils


def good_rows() -> list[Row]:
    rows = []
    for number in range(DAYS * ROWS_A_DAY):
        day = FIRST_DAY + dt.timedelta(days=number // ROWS_A_DAY)
        sold_at = dt.datetime.combine(day, dt.time(9)) + dt.timedelta(
            minutes=5 * (number % ROWS_A_DAY)
        )
        shipped = str(day + dt.timedelta(days=number % 3)) if number % 5 else ""
        rows.append(
            {
                "sale_id": f"S{number:05}",
                "sold_at": str(sold_at),
                "email": f"client{number % 90}@example.com",
                "product": PRODUCTS[number % len(PRODUCTS)],
                "status": STATES[number % len(STATES)],
                "quantity": str(1 + number % 9),
                "price": f"{2 + number % 50}.50",
                "shipped_on": shipped,
                "note": ["", "gift, wrapped", "Größe 中", "plain"][number % 4],
            }
        )
    return rows


# --- writing --------------------------------------------------------------------------


def two_line_ends(text: str) -> str:
    middle = text.index("\n", len(text) // 2)
    return text[:middle] + text[middle:].replace("\n", "\r\n")


def csv_text(
    rows: Iterable[Row], header: list[str] | None = None, **dialect: Any
) -> str:
    target = io.StringIO()
    writer = csv.writer(target, **{"lineterminator": "\n", **dialect})
    writer.writerow(header or NAMES)
    writer.writerows(list(row.values()) for row in rows)
    return target.getvalue()


def jsonl_text(rows: Iterable[dict[str, Any]]) -> str:
    given = ({name: value for name, value in row.items() if value} for row in rows)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in given)


def typed(row: Row) -> dict[str, Any]:
    return {
        **{name: value or None for name, value in row.items()},
        "sold_at": dt.datetime.fromisoformat(row["sold_at"]),
        "quantity": int(row["quantity"]),
        "price": Decimal(row["price"]),
        "shipped_on": row["shipped_on"] and dt.date.fromisoformat(row["shipped_on"]),
    }


def write_parquet(path: Path, change: str = "", where: str = "true") -> None:
    """The good rows, typed; `change` and `where` as in `select * replace (…)`."""
    rows = [typed(row) for row in good_rows()]
    for row in rows:
        row["shipped_on"] = row["shipped_on"] or None
    good = pa.Table.from_pylist(rows)
    columns = f"* {change}" if change else "*"
    connection = duckdb.connect()
    connection.register("good", good)
    connection.execute(
        f"copy (select {columns} from good where {where}) to '{path}' (format parquet)"
    )


def write_workbook(path: Path, rows: Iterable[Iterable[Any]]) -> None:
    write_xlsx(path, {"Sales": dict(enumerate([list(row) for row in rows], 1))})


def workbook_rows(rows: Iterable[Row]) -> list[list[Any]]:
    cells = []
    for row in rows:
        values = typed(row)
        values["price"] = float(values["price"])
        values["shipped_on"] = values["shipped_on"] or None
        cells.append(list(values.values()))
    return [NAMES, *cells]


WRITERS: dict[str, Callable[[Path], None]] = {
    "csv": lambda path: path.write_text(csv_text(good_rows())) and None,
    "jsonl": lambda path: path.write_text(jsonl_text(good_rows())) and None,
    "parquet": write_parquet,
    "xlsx": lambda path: write_workbook(path, workbook_rows(good_rows())),
}


# --- the catalogue --------------------------------------------------------------------


@dataclass(frozen=True)
class Mutation:
    """One way to spoil a delivery.

    `files` writes it into an empty folder. `why` stands in the reason, the error or the
    warning. `meta` and `columns` change the declaration. `without` is a column that
    the declaration lets go.
    """

    name: str
    files: Callable[[Path], Any]
    outcome: str
    why: str = ""
    format: str = "csv"
    meta: dict[str, Any] = field(default_factory=dict)
    columns: dict[str, dict[str, Any]] = field(default_factory=dict)
    without: str = ""


Change = str | Callable[[str], str]


def spoilt(column: str, change: Change, which: Iterable[int] = SPOILT) -> list[Row]:
    rows = good_rows()
    for number in which:
        old = rows[number][column]
        rows[number][column] = change(old) if callable(change) else change
    return rows


def text_file(content: str | bytes, name: str = "sales.csv") -> Callable[[Path], Any]:
    data = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(data)


def text_files(**contents: str) -> Callable[[Path], Any]:
    return lambda folder: [
        (folder / f"{name}.csv").write_text(text) for name, text in contents.items()
    ]


def cell(name: str, column: str, change: Change, outcome: str, why: str = "") -> Any:
    content = csv_text(spoilt(column, change))
    return Mutation(f"{column}: {name}", text_file(content), outcome, why)


def whole(
    name: str, content: str | bytes, outcome: str, why: str = "", **more: Any
) -> Any:
    return Mutation(name, text_file(content), outcome, why, **more)


def an_hour_before(time: str) -> str:
    return str(dt.datetime.fromisoformat(time) - dt.timedelta(hours=1))


def cells() -> list[Mutation]:
    """Single cells of a CSV."""
    wrong, repaired = ("quarantined", "wrong_type"), ("repaired",)
    missing = ("quarantined", "required_missing")
    low, high = ("quarantined", "below_minimum"), ("quarantined", "above_maximum")
    unknown = ("quarantined", "not_accepted")
    table: dict[str, list[tuple[Any, ...]]] = {
        "sale_id": [
            ("empty key", "", *missing),
            ("key of spaces", "   ", *missing),
            ("key of a no-break space", "\u00a0", *missing),
            ("spaces around the key", lambda old: f" {old} ", *repaired),
            ("space behind the key", lambda old: f"{old} ", *repaired),
            ("zero-width space behind the key", lambda old: f"{old}\u200b", *repaired),
            ("tab behind the key", lambda old: f"{old}\t", *repaired),
            ("control character", lambda old: f"{old}\x07", *wrong),
            ("NUL byte", lambda old: f"{old}\x00", *wrong),
            ("replacement character", lambda old: f"\ufffd{old}", *wrong),
        ],
        "sold_at": [
            ("no date", "soon", *wrong),
            ("missing", "", *missing),
            ("day before month", "25/03/2024 09:00:00", *wrong),
            ("month first", "03-25-2024 09:00:00", *wrong),
            ("two digits for the year", "24-03-25 09:00:00", *wrong),
            ("seconds since 1970", "1711353600", *wrong),
            ("a spreadsheet's serial number", "45376.375", *wrong),
            ("30 February", "2024-02-30 09:00:00", *wrong),
            ("25 o'clock", "2024-03-25 25:00:00", *wrong),
            ("infinity", "infinity", *wrong),
            ("a hundred years ahead", "2124-03-25 09:00:00", "quarantined", "future"),
            ("hour that clocks skipped", "2024-03-31 02:30:00", *wrong),
            ("a placeholder", "1900-01-01 00:00:00", "warned", "like a placeholder"),
            ("T between day and time", lambda old: old.replace(" ", "T"), *repaired),
            ("slashes", lambda old: old.replace("-", "/"), *repaired),
            ("fraction of a second", lambda old: f"{old}.000", *repaired),
            ("with its offset", lambda old: f"{old}+01:00", *repaired),
            ("offset and a blank behind", lambda old: f"{old}+01:00 ", *repaired),
            ("offset without a colon", lambda old: f"{old} +0100", *repaired),
            ("offset of UTC", lambda old: f"{an_hour_before(old)}Z ", *repaired),
            ("UTC as a word", lambda old: f"{an_hour_before(old)} utc", *repaired),
            ("zone by its letters", lambda old: f"{old} CET", *wrong),
        ],
        "email": [
            ("no address", "see file", *wrong),
            ("missing", "", *missing),
            ("cut off", lambda old: old.partition(".")[0], *wrong),
            ("upper case", str.upper, *repaired),
            ("spaces around", lambda old: f" {old} ", *repaired),
            ("a word for nobody", "N/A", *missing),
            ("noughts", "000000", *missing),
            ("full-width @", lambda old: old.replace("@", "＠"), *repaired),
        ],
        "product": [
            ("unknown code", "P-999", *unknown),
            ("leading zeros lost", lambda old: old.replace("-0", "-"), *unknown),
            ("lower case", str.lower, *unknown),
        ],
        "status": [
            ("unknown", "stolen", *unknown),
            ("a look-alike from another script", "p\u0430id", *unknown),
            ("no-break space behind", lambda old: f"{old}\u00a0", *repaired),
            ("missing", "", *missing),
        ],
        "quantity": [
            ("a word", "two", *wrong),
            ("missing", "", *missing),
            ("NULL as a word", "NULL", *wrong),
            ("fraction", "3.5", *wrong),
            ("decimal comma", "3,0", *wrong),
            ("zero", "0", *low),
            ("negative", "-3", *low),
            ("too many", "101", *high),
            ("beyond 64 bits", "99999999999999999999", *wrong),
            ("not a number", "NaN", *wrong),
            ("hexadecimal", "0x1F", *wrong),
            ("digits of another script", "٣", *wrong),
            ("leading zeros", lambda old: f"00{old}", *repaired),
            ("spaces around", lambda old: f" {old} ", *repaired),
            ("plus sign", lambda old: f"+{old}", *repaired),
            ("with a decimal nought", lambda old: f"{old}.0", *repaired),
            ("scientific notation", lambda old: f"{old}e0", *repaired),
        ],
        "price": [
            ("decimal comma", "12,50", *wrong),
            ("thousands", "1,012.50", *wrong),
            ("currency sign", "€ 12.50", *wrong),
            ("minus sign behind", "12.50-", *wrong),
            ("infinite", "inf", *wrong),
            ("not a number", "nan", *wrong),
            ("overflow", "1e40", *wrong),
            ("negative", "-12.50", *low),
            ("too dear", "1000.01", *high),
            ("trailing zeros", lambda old: f"{old}00", *repaired),
            ("error of a spreadsheet", "#REF!", *wrong),
            ("more decimals", lambda old: f"{old}05", *wrong),
            ("exponent below a cent", "125e-3", *wrong),
            ("noise of a float", lambda old: f"{old}000000000004", *repaired),
        ],
        "shipped_on": [
            ("day first", "25.03.2024", *wrong),
            ("no separators", "20240325", *wrong),
            ("zeros", "0000-00-00", *wrong),
            ("with a time of day", "2024-03-25 10:11:12", *wrong),
            ("text behind the day", "2024-03-25 AD", *wrong),
            ("midnight", lambda old: f"{old} 00:00:00" if old else "", *repaired),
            ("wrong century", "1924-03-25", *low),
            ("year ahead", "2025-03-25", *high),
        ],
        "note": [
            ("escape character", "\x1b[31mred", *wrong),
            ("bytes lost upstream", "Gr\ufffd\ufffde", *wrong),
            ("3 MB long", "x" * 3_000_000, "quarantined", "unreadable_line"),
        ],
    }
    return [
        cell(name, column, change, *outcome)
        for column, listed in table.items()
        for name, change, *outcome in listed
    ]


def swapped(one: str, other: str, which: Iterable[int] | None = None) -> str:
    rows = good_rows()
    for number in range(len(rows)) if which is None else which:
        row = rows[number]
        row[one], row[other] = row[other], row[one]
    return csv_text(rows)


def renamed(old: str, new: str) -> str:
    return csv_text(good_rows(), [new if name == old else name for name in NAMES])


def dropped(column: str) -> str:
    rows = [{k: v for k, v in row.items() if k != column} for row in good_rows()]
    return csv_text(rows, [name for name in NAMES if name != column])


def in_capitals(text: str) -> str:
    header, body = text.split("\n", 1)
    return f"{header.upper()}\n{body}"


def mapped(change: Callable[[Row], dict[str, str]]) -> list[Row]:
    return [{**row, **change(row)} for row in good_rows()]


def lines_changed(change: Callable[[list[str]], list[str]]) -> str:
    return "\n".join(change(csv_text(good_rows()).rstrip("\n").split("\n"))) + "\n"


def line_changed(change: Callable[[str], str]) -> str:
    def in_lines(lines: list[str]) -> list[str]:
        return [
            change(line) if number - 1 in SPOILT else line
            for number, line in enumerate(lines)
        ]

    return lines_changed(in_lines)


def epoch(time: str) -> str:
    local = dt.datetime.fromisoformat(time).replace(tzinfo=ZoneInfo("Europe/Paris"))
    return str(int(local.timestamp()))


def german(day: str) -> str:
    return dt.datetime.fromisoformat(day).strftime("%d.%m.%Y %H:%M:%S")


def csv_files() -> list[Mutation]:
    """Structure, header, dialect, encoding and size of a CSV."""
    good = csv_text(good_rows())
    header, body = good.split("\n", 1)
    latin = good.encode().splitlines(keepends=True)
    for number in SPOILT:
        latin[number + 1] = latin[number + 1].replace(b"\n", b" \xe9t\xe9\n")
    unreadable = ("quarantined", "unreadable_line")
    comma = csv_text(mapped(lambda row: {"price": row["price"].replace(".", ",")}))
    european = csv_text(mapped(lambda row: {"sold_at": german(row["sold_at"])}))
    both_formats = ["%Y-%m-%d %H:%M:%S", "%d.%m.%Y %H:%M:%S"]
    more = [
        {**row, "sale_id": f"{row['sale_id']}-{copy}"}
        for copy in range(30)
        for row in good_rows()
    ]
    corrected = spoilt("price", "3.33")
    reordered = csv_text(
        [dict(reversed(row.items())) for row in good_rows()], NAMES[::-1]
    )
    nothing_shipped = csv_text(
        mapped(lambda row: {"shipped_on": row["shipped_on"] or "n/a"})
    )
    return [
        # header
        whole("header in capitals", in_capitals(good), "repaired"),
        whole(
            "spaces in the header", header.replace(",", " , ") + "\n" + body, "repaired"
        ),
        whole(
            "header in quotes", csv_text(good_rows(), quoting=csv.QUOTE_ALL), "repaired"
        ),
        whole("no header", body, "stopped", "missing column"),
        whole("header twice", f"{header}\n{good}", "quarantined", "repeated_header"),
        whole(
            "title above the header",
            f"Sales of March\n{good}",
            "stopped",
            "set options.skip_lines: 1",
        ),
        whole(
            "title above the header, as declared",
            f"Sales of March\n{good}",
            "repaired",
            meta={"options": {"skip_lines": 1}},
        ),
        whole(
            "more lines passed over than there are",
            good,
            "stopped",
            "passes over the header, which stands in line 1",
            meta={"options": {"skip_lines": 2}},
        ),
        whole(
            "cut within the header", header[:-2], "stopped", "ends within its header"
        ),
        whole(
            "two columns of one name",
            renamed("note", "Status"),
            "stopped",
            "cannot be told apart",
        ),
        # columns
        whole("required column gone", dropped("quantity"), "stopped", "missing column"),
        whole(
            "optional column gone", dropped("note"), "stopped", "missing column note"
        ),
        whole(
            "optional column gone, where declared",
            dropped("note"),
            "warned",
            "missing column note",
            meta={"drift": {"missing": "warn"}},
            without="note",
        ),
        whole(
            "new column",
            csv_text(mapped(lambda row: {"colour": "red"}), [*NAMES, "colour"]),
            "warned",
            "new column colour",
        ),
        whole(
            "new column, where it stops",
            csv_text(mapped(lambda row: {"colour": "red"}), [*NAMES, "colour"]),
            "stopped",
            "new column colour",
            meta={"drift": {"new": "stop"}},
        ),
        whole(
            "renamed alike",
            renamed("quantity", "Quantities"),
            "stopped",
            "(its name is alike): if so, declare aliases: [Quantities] for quantity",
        ),
        whole(
            "renamed in its place",
            renamed("quantity", "n"),
            "stopped",
            "its values fit): if so, declare aliases: [n] for quantity",
        ),
        whole(
            "renamed as declared",
            renamed("quantity", "n"),
            "repaired",
            columns={"quantity": {"aliases": ["n"]}},
        ),
        whole(
            "identifier renamed as declared",
            renamed("email", "mail"),
            "repaired",
            columns={"email": {"aliases": ["mail"]}},
        ),
        whole(
            "other order of columns",
            reordered,
            "repaired",
        ),
        whole("key and product swapped", swapped("sale_id", "product"), "stopped"),
        whole("e-mail and note swapped", swapped("email", "note"), "stopped"),
        whole("quantity and price swapped", swapped("quantity", "price"), "stopped"),
        whole("both days swapped", swapped("sold_at", "shipped_on"), "stopped"),
        whole(
            "product and state swapped in three rows",
            swapped("product", "status", SPOILT),
            "quarantined",
            "not_accepted",
        ),
        # lines
        whole(
            "a delimiter lost",
            line_changed(lambda line: line.replace(",", "", 1)),
            *unreadable,
        ),
        whole(
            "a delimiter too many", line_changed(lambda line: f"{line},"), "repaired"
        ),
        whole("a value too many", line_changed(lambda line: f"{line},1"), *unreadable),
        whole(
            "text behind a quote",
            line_changed(lambda line: f'"{line[:6]}"x{line[6:]}'),
            *unreadable,
        ),
        whole("cut within the last line", good[:-30], "stopped", "seems truncated"),
        whole(
            "cut within quotes",
            good[: good.rindex('"gift') + 5],
            "stopped",
            "quotes that are opened in line 959 hold other rows or the end of the file",
        ),
        whole(
            "a quote that is never closed",
            good.replace('wrapped"', "wrapped", 1),
            "stopped",
            "quotes that are opened in line 3 hold other rows",
        ),
        whole(
            "a quote too many in each of two rows",
            re.sub(r"(?m)^(S00102)(.*\nS00103)", r'"\1\2"', good),
            "stopped",
            "quotes that are opened in line 104, column 'sale_id' hold other rows",
        ),
        whole(
            "total below",
            f"{good}Total,,,,,4800,25000.00,,\n",
            "quarantined",
            "total_line",
        ),
        whole(
            "note of the database below", f"{good}(960 rows affected)\n", *unreadable
        ),
        whole("end-of-file sign below", f"{good}\x1a\n", *unreadable),
        whole(
            "blank lines",
            lines_changed(lambda lines: "\n\n".join(lines).split("\n")),
            "repaired",
        ),
        whole("other order of lines", csv_text(good_rows()[::-1]), "repaired"),
        whole(
            "keys twice, with another price",
            csv_text([*good_rows(), *corrected[SPOILT.start : SPOILT.stop]]),
            "quarantined",
            "conflicting_rows",
        ),
        Mutation(
            "a corrected file beside the old one",
            text_files(a=good, b=csv_text(corrected)),
            "quarantined",
            "conflicting_rows",
        ),
        Mutation(
            "the same file under two names",
            text_files(a=good, b=good),
            "warned",
            "data/b.csv holds the same rows as data/a.csv",
        ),
        Mutation(
            "the same file in other words: header, order of columns, kind of file",
            lambda folder: [
                (folder / "a.csv").write_text(good),
                (folder / "b.csv").write_text(in_capitals(reordered)),
                write_parquet(folder / "c.parquet"),
            ],
            "warned",
            "data/c.parquet holds the same rows as data/a.csv",
        ),
        whole("every row twice", csv_text([*good_rows(), *good_rows()]), "repaired"),
        whole(
            "file twice, headers and all", good * 2, "quarantined", "repeated_header"
        ),
        whole(
            "file twice, with its byte order mark",
            f"\ufeff{good}\ufeff{good}",
            "quarantined",
            "repeated_header",
        ),
        # dialect
        whole("byte order mark", f"\ufeff{good}", "repaired"),
        whole("Windows line ends", good.replace("\n", "\r\n"), "repaired"),
        whole("Windows line ends from the middle on", two_line_ends(good), "repaired"),
        whole("no line end at the end", good.rstrip("\n"), "warned", "has no line end"),
        whole(
            "semicolons", csv_text(good_rows(), delimiter=";"), "stopped", "semicolon"
        ),
        whole("tabs", csv_text(good_rows(), delimiter="\t"), "stopped", "tab"),
        whole("bars", csv_text(good_rows(), delimiter="|"), "stopped", "bar"),
        whole(
            "single quotes",
            csv_text(good_rows(), quotechar="'", quoting=csv.QUOTE_ALL),
            "stopped",
            "missing column",
        ),
        whole("decimal comma everywhere", comma, "stopped", "price: wrong_type"),
        whole(
            "decimal comma as declared",
            comma,
            "repaired",
            columns={"price": {"decimal": ","}},
        ),
        whole("days of another form", european, "stopped", "sold_at: wrong_type"),
        whole(
            "days of another form, as declared",
            european,
            "repaired",
            columns={"sold_at": {"format": both_formats}},
        ),
        whole(
            "seconds since 1970, as declared",
            csv_text(mapped(lambda row: {"sold_at": epoch(row["sold_at"])})),
            "repaired",
            columns={"sold_at": {"format": "epoch_s"}},
        ),
        whole("n/a for nothing", nothing_shipped, "stopped", "shipped_on: wrong_type"),
        whole(
            "n/a for nothing, as declared",
            nothing_shipped,
            "repaired",
            columns={"shipped_on": {"null_values": ["n/a"]}},
        ),
        # encoding
        whole("Latin-1 in three rows", b"".join(latin), *unreadable),
        whole(
            "Latin-1",
            good.replace("中", "M").encode("latin-1"),
            "stopped",
            "unreadable",
        ),
        whole("GB 18030", good.encode("gb18030"), "stopped", "unreadable_line"),
        whole("UTF-16", good.encode("utf-16"), "stopped", "not utf-8"),
        whole(
            "UTF-16 without a mark",
            good.encode("utf-16-le"),
            "stopped",
            "set options.encoding: utf-16-le",
        ),
        whole(
            "UTF-8 with its mark, where Windows is declared",
            f"\ufeff{good}",
            "stopped",
            "it begins with the mark of utf-8",
            meta={"options": {"encoding": "cp1252"}},
        ),
        # size
        whole("empty file", "", "stopped", "the file is empty"),
        whole("header only", header + "\n", "stopped", "0 are left"),
        whole(
            "header only, where declared",
            header + "\n",
            "warned",
            "no row for",
            meta={"volume": {"action": "warn"}},
        ),
        whole(
            "header only, where it stops",
            header + "\n",
            "stopped",
            "no row for",
            meta={"empty": "stop"},
        ),
        whole(
            "3 % of the rows", csv_text(good_rows()[::33]), "stopped", "minimum_pct 10"
        ),
        whole(
            "cut at the end of a line",
            csv_text(good_rows()[: ROWS_A_DAY * 3]),
            "warned",
            "of 960 rows delivered before",
        ),
        whole(
            "a snapshot without some rows",
            csv_text(good_rows()[20:]),
            "warned",
            "of 960 rows delivered before",
            meta={"cursor": None},
        ),
        whole("30 times the rows", csv_text(more), "stopped", "maximum_pct 1000"),
        whole(
            "3 % of a snapshot",
            csv_text(good_rows()[::33]),
            "stopped",
            "minimum_pct 10",
            meta={"cursor": None},
        ),
        whole(
            "3 % of the rows, where declared",
            csv_text(good_rows()[::33]),
            "warned",
            "minimum_pct 10",
            meta={"volume": {"action": "warn"}},
        ),
        Mutation(
            "what programs leave beside it",
            lambda folder: [
                (folder / name).write_text(text)
                for name, text in {
                    "sales.csv": good,
                    ".DS_Store": "Bud1",
                    "Thumbs.db": "",
                    ".sales.csv.swp": good,
                }.items()
            ],
            "repaired",
        ),
        Mutation("no file", lambda folder: None, "stopped", "no file at"),
        # something else
        whole(
            "page of an error",
            "<html><body>502</body></html>\n",
            "stopped",
            "since it holds a web page",
        ),
        whole(
            "JSON in its place",
            jsonl_text(good_rows()),
            "stopped",
            "cannot be read as text, since it holds lines of JSON",
        ),
        whole("archive in its place", zipped(good), "stopped", "holds a zip archive"),
        Mutation(
            "workbook in its place",
            lambda folder: write_workbook(
                folder / "sales.csv", workbook_rows(good_rows())
            ),
            "stopped",
            "cannot be read as text, since it holds a workbook",
        ),
    ]


def zipped(content: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("sales.csv", content)
    return target.getvalue()


def packed_files() -> list[Mutation]:
    """The same CSV, packed with gzip."""
    good = csv_text(good_rows()).encode()
    packed = gzip.compress(good, mtime=0)
    half = good.index(b"\n", len(good) // 2) + 1
    broken = bytearray(packed)
    broken[len(broken) // 2] ^= 0xFF

    def pack(name: str, content: bytes, outcome: str, why: str = "") -> Mutation:
        return Mutation(
            f"gzip: {name}", text_file(content, "sales.csv.gz"), outcome, why
        )

    members = gzip.compress(good[:half], mtime=0) + gzip.compress(good[half:], mtime=0)
    return [
        pack("as it should be", packed, "repaired"),
        pack("in two members", members, "repaired"),
        pack("cut", packed[:-200], "stopped", "cannot be read"),
        pack("a bit flipped", bytes(broken), "stopped", "cannot be read"),
        pack("not packed at all", good, "stopped", "since it holds text"),
        pack("packed twice", gzip.compress(packed), "stopped"),
        pack("empty", b"", "stopped"),
    ]


def json_lines() -> list[Mutation]:
    """Lines of JSON."""
    good = jsonl_text(good_rows())
    lines = good.splitlines(keepends=True)

    def text(
        name: str, content: str | bytes, outcome: str, why: str = "", **more: Any
    ) -> Any:
        files = text_file(content, "sales.jsonl")
        return Mutation(f"JSON: {name}", files, outcome, why, format="jsonl", **more)

    def objects(name: str, change: dict[str, Any], outcome: str, why: str = "") -> Any:
        rows: list[dict[str, Any]] = [dict(row) for row in good_rows()]
        for number in SPOILT:
            rows[number] |= change
        return text(name, jsonl_text(rows), outcome, why)

    def broken(change: Callable[[str], str]) -> str:
        return "".join(
            change(line) if number in SPOILT else line
            for number, line in enumerate(lines)
        )

    unreadable = ("quarantined", "unreadable_line")
    as_numbers = [
        {**row, "quantity": int(row["quantity"]), "price": float(row["price"])}
        for row in good_rows()
    ]
    return [
        text("as it should be", good, "repaired"),
        text("numbers instead of text", jsonl_text(as_numbers), "repaired"),
        text("byte order mark", f"\ufeff{good}", "repaired"),
        text("blank lines", good.replace("\n", "\n\n"), "repaired"),
        text("broken lines", broken(lambda line: line[:40] + "\n"), *unreadable),
        text("cut in the last line", good[:-30], "stopped", "seems truncated"),
        text("no line end at the end", good[:-1], "repaired"),
        text(
            "two objects in a line",
            broken(lambda line: line[:-1] * 2 + "\n"),
            *unreadable,
        ),
        text(
            "a list for an object", broken(lambda line: f"[{line[:-1]}]\n"), *unreadable
        ),
        text(
            "NaN",
            broken(lambda line: line.replace('"price": "', '"price": NaN, "x": "')),
            *("quarantined", "wrong_type"),
        ),
        text(
            "one list of all rows",
            json.dumps(good_rows()),
            "stopped",
            "holds an array of objects of JSON; expected one object per line",
        ),
        text("UTF-16", good.encode("utf-16"), "stopped", "the mark of utf-16"),
        text(
            "key renamed",
            good.replace('"quantity"', '"qty"'),
            "stopped",
            "missing column quantity",
        ),
        text(
            "key in two cases",
            broken(
                lambda line: line.replace('"note"', '"Note"').replace(
                    '"status"', '"Status"'
                )
            ),
            "stopped",
            "cannot be told apart",
        ),
        text(
            "new key",
            good.replace('"status"', '"new": 1, "status"'),
            "warned",
            "new column new",
        ),
        objects("key missing", {"quantity": ""}, "quarantined", "required_missing"),
        objects(
            "object for a value",
            {"quantity": {"value": 3}},
            "quarantined",
            "wrong_type",
        ),
        objects("list for a value", {"price": [1.5]}, "quarantined", "wrong_type"),
        objects("true for a number", {"quantity": True}, "quarantined", "wrong_type"),
        objects(
            "NaN for an identifier",
            {"email": float("nan")},
            "quarantined",
            "required_missing",
        ),
        objects("NUL in a text", {"note": "a\x00b"}, "quarantined", "wrong_type"),
    ]


def parquet_files() -> list[Mutation]:
    """Parquet, whose columns have types."""

    def change(
        name: str, sql: str, outcome: str, why: str = "", **more: Any
    ) -> Mutation:
        return Mutation(
            f"Parquet: {name}",
            lambda folder: write_parquet(folder / "sales.parquet", sql),
            outcome,
            why,
            format="parquet",
            **more,
        )

    def replaced(column: str, value: str) -> str:
        return (
            f"replace (case when sale_id = 'S00200' then {value} else {column} end "
            f"as {column})"
        )

    def bytes_of(folder: Path, edit: Callable[[bytes], bytes]) -> None:
        path = folder / "sales.parquet"
        write_parquet(path)
        path.write_bytes(edit(path.read_bytes()))

    def bytes_changed(name: str, edit: Callable[[bytes], bytes]) -> Mutation:
        return Mutation(
            f"Parquet: {name}",
            lambda folder: bytes_of(folder, edit),
            "stopped",
            format="parquet",
        )

    retyped = ("warned", "type of column changed")
    return [
        change("as it should be", "", "repaired"),
        bytes_changed("cut", lambda data: data[:-100]),
        bytes_changed("its end overwritten", lambda data: data[:-4] + b"XXXX"),
        bytes_changed(
            "its pages overwritten",
            lambda data: data[:100] + b"\0" * 9000 + data[9100:],
        ),
        bytes_changed("empty", lambda data: b""),
        change(
            "missing value",
            replaced("quantity", "null"),
            "quarantined",
            "required_missing",
        ),
        change("negative", replaced("quantity", "-1"), "quarantined", "below_minimum"),
        change(
            "hour that clocks skipped",
            replaced("sold_at", "timestamp '2024-03-31 02:30'"),
            "quarantined",
            "wrong_type",
        ),
        change(
            "a day of year 1",
            replaced("shipped_on", "date '0001-01-01'"),
            "quarantined",
            "wrong_type",
        ),
        change(
            "fraction",
            replaced("quantity", "1.5::double"),
            "quarantined",
            "wrong_type",
        ),
        change(
            "not a number",
            replaced("price", "'nan'::double"),
            "quarantined",
            "wrong_type",
        ),
        change("integers as text", "replace (quantity::varchar as quantity)", *retyped),
        change("decimals as floats", "replace (price::double as price)", *retyped),
        change("times as text", "replace (sold_at::varchar as sold_at)", *retyped),
        change(
            "days as times", "replace (shipped_on::timestamp as shipped_on)", *retyped
        ),
        change("text as bytes", "replace (encode(note) as note)", *retyped),
        change(
            "times as seconds",
            "replace (epoch(sold_at)::bigint as sold_at)",
            "stopped",
            "sold_at: wrong_type",
        ),
        change(
            "times in other zone, said so",
            "replace (sold_at at time zone 'Europe/Paris' as sold_at)",
            *retyped,
        ),
        change(
            "retyped, where it stops",
            "replace (price::double as price)",
            "stopped",
            "type of column changed",
            meta={"drift": {"retyped": "stop"}},
        ),
        change(
            "retyped, where it may",
            "replace (price::double as price)",
            "repaired",
            meta={"drift": {"retyped": "evolve"}},
        ),
        change("column gone", "exclude (price)", "stopped", "missing column price"),
        change(
            "column renamed",
            "rename (price as pricing)",
            "stopped",
            "aliases: [pricing] for price",
        ),
    ]


def workbooks() -> list[Mutation]:
    """Excel."""

    def sheet(
        name: str,
        change: Callable[[list[list[Any]]], Any],
        outcome: str,
        why: str = "",
        **more: Any,
    ) -> Mutation:
        def files(folder: Path) -> None:
            rows = workbook_rows(good_rows())
            changed = change(rows)
            write_workbook(folder / "sales.xlsx", rows if changed is None else changed)

        return Mutation(f"Excel: {name}", files, outcome, why, format="xlsx", **more)

    def put(column: str, value: Any) -> Callable[[list[list[Any]]], None]:
        def change(rows: list[list[Any]]) -> None:
            for number in SPOILT:
                rows[number + 1][NAMES.index(column)] = value

        return change

    def with_times(rows: list[list[Any]]) -> None:
        for number in SPOILT:
            day = rows[number + 1][NAMES.index("shipped_on")]
            midnight = day and dt.datetime.combine(day, dt.time())
            rows[number + 1][NAMES.index("shipped_on")] = midnight

    def cut(folder: Path) -> None:
        path = folder / "sales.xlsx"
        write_workbook(path, workbook_rows(good_rows()))
        path.write_bytes(path.read_bytes()[:-500])

    return [
        sheet("as it should be", lambda rows: None, "repaired"),
        sheet(
            "error in a cell", put("price", "#N/A"), "quarantined", "unreadable_line"
        ),
        sheet("fraction", put("quantity", 1.5), "quarantined", "wrong_type"),
        sheet("more decimals", put("price", 2.505), "quarantined", "wrong_type"),
        sheet("times among days", with_times, "repaired"),
        sheet(
            "title above the header",
            lambda rows: [["Sales of March"], *rows],
            "stopped",
            "skip_lines in sources.yml to the number of lines above the header (1)",
        ),
        sheet(
            "title above the header, as declared",
            lambda rows: [["Sales of March"], *rows],
            "repaired",
            meta={"options": {"skip_lines": 1}},
        ),
        sheet(
            "missing value", put("quantity", None), "quarantined", "required_missing"
        ),
        sheet(
            "column gone",
            lambda rows: [row[:-1] for row in rows],
            "stopped",
            "missing column note",
        ),
        sheet(
            "header twice",
            lambda rows: [NAMES, *rows],
            "quarantined",
            "repeated_header",
        ),
        Mutation("Excel: cut", cut, "stopped", format="xlsx"),
        Mutation(
            "Excel: text in its place",
            text_file(csv_text(good_rows()), "sales.xlsx"),
            "stopped",
            "cannot be read as a workbook, since it holds text",
            format="xlsx",
        ),
    ]


CATALOGUE = [
    *cells(),
    *csv_files(),
    *packed_files(),
    *json_lines(),
    *parquet_files(),
    *workbooks(),
]


# --- the trial ------------------------------------------------------------------------


def declare(folder: Path, mutation: Mutation | None = None) -> None:
    columns = [
        {
            **column,
            "meta": {
                **column.get("meta", {}),
                **(mutation.columns.get(column["name"], {}) if mutation else {}),
            },
        }
        for column in COLUMNS
    ]
    meta: dict[str, Any] = mutation.meta if mutation else {}
    company(folder, "data/*", columns, **meta)


def a_run(folder: Path) -> Run:
    last = FIRST_DAY + dt.timedelta(days=DAYS - 1)
    return new_run(folder, str(FIRST_DAY), str(last))


@pytest.fixture(scope="session")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """State of $KITH_HOME after a good delivery in some format."""
    states: dict[str, Path] = {}

    def state(kind: str) -> Path:
        if kind not in states:
            folder = tmp_path_factory.mktemp(kind)
            declare(folder)
            WRITERS[kind](folder / "data" / f"sales.{kind}")
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("KITH_HOME", str(folder / "home"))
                run = a_run(folder)
                pull_table(run, TABLE)
                admit_table(run, TABLE)
            told = report(run)
            assert (told["admitted"], told["quarantined"]) == (DAYS * ROWS_A_DAY, 0)
            states[kind] = folder / "home"
        return states[kind]

    return state


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITH_IDENTIFIER_KEY", "a key of the tests alone, long enough")


def typed_rows(run: Run, without: str = "") -> list[tuple[Any, ...]]:
    names = ", ".join(f"null as {name}" if name == without else name for name in NAMES)
    return admitted(run, names)


@pytest.mark.parametrize("mutation", CATALOGUE, ids=lambda mutation: mutation.name)
def test_mutation(
    mutation: Mutation,
    delivered: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(delivered(mutation.format), tmp_path / "home")
    monkeypatch.setenv("KITH_HOME", str(tmp_path / "home"))
    declare(tmp_path, mutation)
    run = a_run(tmp_path)
    good, before = typed_rows(run, mutation.without), typed_rows(run)
    mutation.files(tmp_path / "data")
    error = ""
    try:
        pull_table(run, TABLE)
        admit_table(run, TABLE)
    except DeliveryError as refusal:
        error = str(refusal)
    if error:
        assert ("stopped", before) == (mutation.outcome, typed_rows(run)), error
        assert mutation.why in error and "\n" not in error
        return
    told, rows = report(run), typed_rows(run)
    _, manifest = newest_attempt(run, TABLE)
    reasons = {reason for (reason,) in quarantined(run, "reason")}
    assert set(rows) <= set(good), "rows passed that differ from the good ones"
    assert len(set(rows)) == len(rows)
    placed = ("admitted", "quarantined", "duplicates", "rows_outside_interval")
    assert manifest.rows_seen + manifest.rejects == sum(told[name] for name in placed)
    assert told["admitted"] == len(rows)
    if reasons:
        outcome, why = "quarantined", ", ".join(sorted(reasons))
        assert len(good) - len(rows) <= told["quarantined"]
    elif told["warnings"]:
        outcome, why = "warned", "; ".join(told["warnings"])
    else:
        outcome, why = "repaired", ""
        assert rows == good
    assert (outcome, mutation.why in why) == (mutation.outcome, True), why


def test_the_catalogue_is_long_and_has_no_name_twice() -> None:
    names = [mutation.name for mutation in CATALOGUE]
    assert len(names) == len(set(names)) >= 100
    assert {mutation.outcome for mutation in CATALOGUE} == {
        *("quarantined", "repaired", "stopped", "warned")
    }


if __name__ == "__main__":
    print("| mutation | outcome | why |\n|---|---|---|")
    for entry in CATALOGUE:
        print(f"| {entry.name} | {entry.outcome} | {entry.why} |")
