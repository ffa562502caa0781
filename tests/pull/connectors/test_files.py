import datetime as dt
import gzip
import io
import json
import os
import shutil
import unicodedata
import zipfile
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kith.database import connect
from kith.deliveries.typed_texts import texts_sql
from kith.errors import ConfigurationError, DeliveryError, TransientError
from kith.pull import table as pull
from kith.pull.connectors import files, json_texts, text_files
from kith.pull.connectors.request import Fetched, FetchRequest
from tests.conftest import new_run
from tests.one_table import (
    COLUMNS,
    HEADER,
    TABLE,
    admitted,
    company,
    deliver,
    quarantined,
    report,
    run_door,
    sales,
)
from tests.pull.connectors.workbooks import Formula, write_xlsx

pytestmark = pytest.mark.usefixtures("kith_home")

CONTENT = "\n".join([HEADER, *sales(40)]) + "\n"
DAY = dt.date(2024, 3, 1)


def fetched(
    folder: Path, from_day: str = "2024-03-01", to_day: str = "2024-03-31"
) -> list[Fetched]:
    """What the connector alone makes of the table's files."""
    run = new_run(folder, from_day, to_day)
    workspace = folder / "workspace"
    shutil.rmtree(workspace, ignore_errors=True)
    workspace.mkdir()
    with connect(scratch=folder / "scratch") as connection:
        return files.fetch(
            FetchRequest(
                table=run.company.table(TABLE),
                company_folder=folder,
                time_zone="UTC",
                window=run.interval,
                past=None,
                workspace=workspace,
                duckdb=connection,
                find_connection=lambda _: pytest.fail("nobody asked for a connection"),
            )
        )


def relation(delivery: Fetched) -> str:
    return texts_sql(f"read_parquet('{delivery.path}')", delivery.facts)


def rows(
    delivery: Fetched, columns: str = "columns('^(?!_kith_text)')"
) -> list[tuple[Any, ...]]:
    return duckdb.sql(f"select {columns} from {relation(delivery)}").fetchall()


def origins(folder: Path, from_day: str, to_day: str) -> list[str]:
    return [delivery.origin for delivery in fetched(folder, from_day, to_day)]


# --- kinds and packings ---------------------------------------------------------------


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


PACKINGS = {
    "": bytes,
    ".gz": gzip.compress,
    ".zst": lambda content: pa.compress(content, codec="zstd", asbytes=True),
}


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("kind", [".csv", ".tsv", ".TAB", ".parquet", ".jsonl"])
def test_every_kind_in_every_packing_gives_the_same_rows(
    kind: str, packing: str, tmp_path: Path
) -> None:
    company(tmp_path, "data/sales.*")
    plain = tmp_path / "plain"
    if kind in (".csv", ".tsv", ".TAB"):
        plain.write_text(CONTENT if kind == ".csv" else CONTENT.replace(",", "\t"))
    else:
        plain.with_suffix(".csv").write_text(CONTENT)
        format_ = "parquet" if kind == ".parquet" else "json"
        duckdb.sql(
            f"copy (from read_csv('{plain}.csv', all_varchar = true)) to '{plain}' "
            f"(format {format_})"
        )
    path = tmp_path / f"data/sales{kind}{packing.upper()}"
    path.write_bytes(PACKINGS[packing](plain.read_bytes()))
    (delivery,) = fetched(tmp_path)
    expected = [tuple(line.split(",")) for line in sales(40)]
    assert rows(delivery, HEADER) == expected
    assert (delivery.rows, set(delivery.columns.values())) == (40, {"VARCHAR"})
    assert delivery.origin == f"data/sales{kind}{packing.upper()}"


def test_a_zip_of_one_file_is_that_file(tmp_path: Path) -> None:
    company(tmp_path, "data/*.zip")
    content = zipped(**{"x/": b"", "x/sales.csv": CONTENT.encode(), "__MACOSX/y": b""})
    (tmp_path / "data/sales.zip").write_bytes(content)
    run = run_door(tmp_path)
    assert len(admitted(run)) == 40
    assert report(run)["files"] == ["data/sales.zip"]


def test_each_file_of_a_zip_has_its_name_and_its_own_row_numbers(
    tmp_path: Path,
) -> None:
    company(tmp_path, "data/sales.zip", quarantine_limit_pct=50)
    one = f"{HEADER}\nA,2024-03-01,1,1\nB,2024-03-01,-1,1\n".encode()
    two = f"{HEADER}\nC,2024-03-01,-1,1\nD,2024-03-01,1,1\n".encode()
    content = zipped(**{"a.csv": one, "b/two.csv.gz": gzip.compress(two)})
    (tmp_path / "data/sales.zip").write_bytes(content)
    run = run_door(tmp_path)
    assert admitted(run, "sale_id") == [("A",), ("D",)]
    assert quarantined(run, "file, row_number") == [
        ("data/sales.zip/a.csv", 2),
        ("data/sales.zip/b/two.csv.gz", 1),
    ]


def test_a_name_in_a_zip_cannot_leave_the_workspace(tmp_path: Path) -> None:
    company(tmp_path, "data/sales.zip")
    content = CONTENT.encode()
    names = ["../../escaped.csv", "/../escaped.csv", "escaped.csv"]
    (tmp_path / "data/sales.zip").write_bytes(zipped(**dict.fromkeys(names, content)))
    deliveries = fetched(tmp_path)
    assert [each.origin for each in deliveries] == [
        f"data/sales.zip/{name}" for name in names
    ]
    assert {each.path.parent for each in deliveries} == {tmp_path / "workspace"}
    assert not list(tmp_path.rglob("escaped.csv"))
    assert not Path("/escaped.csv").exists()


def test_what_was_unpacked_is_not_kept_beside_the_rows(tmp_path: Path) -> None:
    company(tmp_path, "data/sales.*")
    (tmp_path / "data/sales.csv.gz").write_bytes(gzip.compress(CONTENT.encode()))
    (tmp_path / "data/sales.zip").write_bytes(zipped(**{"a.csv": CONTENT.encode()}))
    paths = {delivery.path for delivery in fetched(tmp_path)}
    assert set((tmp_path / "workspace").iterdir()) == paths


@pytest.mark.parametrize("packing", [".gz", ".zst", ".zip"])
@pytest.mark.parametrize("kind", [".csv", ".xlsx"])
def test_a_truncated_file_is_refused(kind: str, packing: str, tmp_path: Path) -> None:
    company(tmp_path, "data/sales.*")
    noise = "".join(f"{hash((n, 'x'))},2024-03-01,1,1\n" for n in range(20_000))
    content = f"{HEADER}\n{noise}".encode()
    packed = (
        zipped(**{f"sales{kind}": content})
        if packing == ".zip"
        else PACKINGS[packing](content)
    )
    path = tmp_path / f"data/sales{kind if packing != '.zip' else ''}{packing}"
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(DeliveryError, match=rf"{path.name}: cannot be read, .*again"):
        fetched(tmp_path)


@pytest.mark.parametrize("packing", [".gz", ".zst"])
def test_a_file_packed_in_several_streams_is_read_whole_or_not_at_all(
    packing: str, tmp_path: Path
) -> None:
    company(tmp_path, "data/sales.*")
    path = tmp_path / f"data/sales.csv{packing}"
    first, second = (
        PACKINGS[packing]("\n".join([*lines, ""]).encode())
        for lines in ([HEADER, *sales(40)], sales(60)[40:])
    )
    path.write_bytes(first + second)
    assert fetched(tmp_path)[0].rows == 60
    damages = [b"\xff" + second[1:], second[:-3], second[: len(second) // 2], b"junk"]
    for damaged in damages:
        path.write_bytes(first + damaged)
        with pytest.raises(DeliveryError, match=r"cannot be read, .*again"):
            fetched(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("sales.zip", zipped(), "sales.zip: the archive holds no file"),
        ("sales.zip", zipped(**{"a.xml": b"x"}), "unknown kind of file; expected .csv"),
        ("sales.xml.gz", gzip.compress(b"x"), "unknown kind of file; expected .csv"),
        ("sales", b"x", "unknown kind of file"),
        ("sales.csv.xz", b"x", r"packed \(.gz, .zst, .zip\); have it delivered as one"),
        ("sales.csv.bz2", b"x", "unknown kind of file; expected .csv"),
        ("sales.ods", b"x", "unknown kind of file; expected .csv"),
        ("sales.txt", b"x", "options.delimiter"),
        ("sales.xlsx", b"no workbook", "sales.xlsx: cannot be read"),
    ],
    ids=[
        "empty zip",
        "xml in zip",
        "xml",
        "no suffix",
        "xz",
        "bz2",
        "ods",
        "txt",
        "no workbook",
    ],
)
def test_what_is_no_delivery_is_named(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    company(tmp_path, f"data/{name}")
    (tmp_path / "data" / name).write_bytes(content)
    with pytest.raises((DeliveryError, ConfigurationError), match=message):
        fetched(tmp_path)


def test_a_protected_zip_is_named(tmp_path: Path) -> None:
    company(tmp_path, "data/sales.zip")
    content = bytearray(zipped(**{"a.csv": b"x"}))
    for offset in (content.index(b"PK\x03\x04") + 6, content.index(b"PK\x01\x02") + 8):
        content[offset] |= 1
    (tmp_path / "data/sales.zip").write_bytes(content)
    with pytest.raises(DeliveryError, match=r"sales.zip/a.csv: is protected"):
        fetched(tmp_path)


def test_any_declared_delimiter_separates(tmp_path: Path) -> None:
    company(tmp_path, "data/sales.txt", options={"delimiter": "|"})
    (tmp_path / "data/sales.txt").write_text(CONTENT.replace(",", "|"))
    assert len(admitted(run_door(tmp_path))) == 40


def test_without_a_quote_sign_values_too_many_are_not_cut_off(tmp_path: Path) -> None:
    company(tmp_path, "data/sales.tsv", options={"quote": ""})
    lines = [*sales(3), "X,2024-03-01,1,1,one more", 'Y",2024-03-01,1,1']
    text = "\n".join([HEADER, *lines, "Z,2024-03-01"]).replace(",", "\t")
    (tmp_path / "data/sales.tsv").write_text(text)
    (delivery,) = fetched(tmp_path)
    assert max(rows(delivery, "_kith_row, sale_id")) == (5, 'Y"')
    assert delivery.rows == 4
    rejects = f"select row_number, split_part(text, '\t', 1) from '{delivery.rejects}'"
    assert duckdb.sql(rejects).fetchall() == [(4, "X"), (6, "Z")]


def test_nothing_of_a_line_of_json_is_cut_off(tmp_path: Path) -> None:
    company(tmp_path, "data/sales.jsonl")
    lines = ['{"sale_id":"A"}', '{"sale_id":"B"}\x01{"sale_id":"C"}']
    (tmp_path / "data/sales.jsonl").write_text("\n".join(lines))
    (delivery,) = fetched(tmp_path)
    assert rows(delivery, "sale_id") == [("A",)]
    rejects = f"select row_number, text from '{delivery.rejects}'"
    assert duckdb.sql(rejects).fetchall() == [(2, lines[1])]
    # Ends of lines of several kinds are read where nothing can be cut off.
    (tmp_path / "data/sales.jsonl").write_text(f"{lines[0]}\r\n{lines[0]}\n")
    assert fetched(tmp_path)[0].rows == 2


def test_a_line_of_json_with_a_key_twice_is_rejected(tmp_path: Path) -> None:
    company(tmp_path, "data/sales.jsonl")
    lines = ['{"sale_id":"A"}', '{"sale_id":"B","n":1.10,"n":2}', "[]"]
    (tmp_path / "data/sales.jsonl").write_text("\n".join(lines))
    (delivery,) = fetched(tmp_path)
    assert rows(delivery, "sale_id") == [("A",)]
    rejects = f"select * from '{delivery.rejects}'"
    assert duckdb.sql(rejects).fetchall() == [
        (2, "repeated key", lines[1]),
        (3, "not a JSON object", "[]"),
    ]


@pytest.mark.parametrize(
    "number",
    [
        *("1.10", "1.0", "0.1", "100.00", "-0.50", "1E2", "1.5e-7", "0.00001"),
        *("1234567890123456.78", "12345678901234567890123.45", "0.30000000000000004"),
        *("12345678901234567890", "123456789012345678901234567890", "9007199254740993"),
        *("12345678901234567890.5", "123456789012345", "12345678901234.5", "1.10  "),
    ],
)
def test_numbers_of_json_lines_keep_their_digits(number: str, tmp_path: Path) -> None:
    company(tmp_path, "data/sales.jsonl")
    nested = f'{{"x":[{number.strip()},"1.10",true]}}'
    lines = [f'{{"sale_id":{number},"n":{nested},"b":false,"t":"x"}}', '{"t":":1.0"}']
    (tmp_path / "data/sales.jsonl").write_text("\n".join(lines))
    (delivery,) = fetched(tmp_path)
    assert rows(delivery, "sale_id, n, b, t") == [
        (number.strip(), nested, "false", "x"),
        (None, None, None, ":1.0"),
    ]


def test_a_number_of_json_has_a_point_whatever_is_declared(tmp_path: Path) -> None:
    columns = [dict(column) for column in COLUMNS]
    columns[3]["meta"] = {"decimal": ",", "aliases": ["Cost"]}
    company(tmp_path, "data/sales.jsonl", columns)
    prices = ["234.567", '"234,57"', "1.25", '"1.234,5"', "7", "1e3"]
    (tmp_path / "data/sales.jsonl").write_text(
        "\n".join(
            f'{{"sale_id":"{n}","sold_at":"2024-03-01","quantity":1,"cost":{price}}}'
            for n, price in enumerate(prices)
        )
    )
    company_prices = admitted(run_door(tmp_path), "price::varchar")
    assert sorted(company_prices) == [
        *(("1.25",), ("1000.00",), ("1234.50",), ("234.57",), ("234.57",), ("7.00",))
    ]


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ({"options": {"encoding": "rot13"}}, "options.encoding: found 'rot13'; exp"),
        ({"options": {"encoding": "base64"}}, "options.encoding: found 'base64'; e"),
        ({"options": {"encoding": "undefined"}}, "options.encoding: found 'undefin"),
        ({"options": {"delimiter": '"'}}, "options: the delimiter '\"' is the sign"),
        ({"options": {"quote": ","}}, "options: the delimiter ',' is the sign of q"),
        ({"options": {"escape": ","}}, "options: the delimiter ',' is the sign of "),
        ({"options": {"delimiter": "\n"}}, "options.delimiter: found '.n'; expect"),
        ({"options": {"quote": "„"}}, "options.quote: found '„'; expected a charac"),
        ({"options": {"quote": "", "escape": "~"}}, "options.escape: escapes are re"),
        ({"path": ""}, "path: found ''; expected where files lie"),
        ({"path": "data/***.csv"}, r"path: found 'data/\*\*\*.csv'; expected where"),
        ({"path": "memory://x/**.csv"}, r"path: found 'memory://x/\*\*.csv'; expe"),
    ],
)
def test_what_cannot_be_meant_is_refused_where_it_is_declared(
    meta: dict[str, Any], message: str, tmp_path: Path
) -> None:
    deliver(company(tmp_path, **meta), sales(4))
    with pytest.raises(
        ConfigurationError, match=rf"sources.yml: shop.sales: {message}"
    ):
        fetched(tmp_path)


def test_rows_of_a_large_file_keep_order_and_numbers(tmp_path: Path) -> None:
    # More than one of the buffers that DuckDB reads side by side, with lines that it
    # cannot read and with line ends inside of quotes.
    company(tmp_path)
    remark = "x" * 400
    bad = {70_000, 70_001, 149_999}
    lines = [
        f'S{n},2024-03-01,{n},"{remark}\n"' if n not in bad else f"S{n},too few"
        for n in range(150_000)
    ]
    deliver(tmp_path, lines)
    (delivery,) = fetched(tmp_path)
    assert delivery.reject_count == 3
    rejects = f"select row_number - 1, text from '{delivery.rejects}' order by 1"
    assert duckdb.sql(rejects).fetchall() == [(n, lines[n]) for n in sorted(bad)]
    (wrong,) = duckdb.sql(
        f"""
        select count(*) from {relation(delivery)}
        where sale_id <> 'S' || (_kith_row - 1) or quantity <> (_kith_row - 1)::varchar
        """
    ).fetchall()
    assert wrong == (0,)
    assert delivery.rows == 150_000 - 3


# --- names of columns ----------------------------------------------------------------


def write_columns(path: Path, columns: dict[str, str]) -> None:
    """A file of one row that has these columns."""
    if path.suffix == ".csv":
        path.write_text("\n".join(map(",".join, (columns, columns.values()))))
    elif path.suffix == ".jsonl":
        path.write_text(json.dumps(columns))
    elif path.suffix == ".parquet":
        table = pa.table({name: [value] for name, value in columns.items()})
        pq.write_table(table, path)
    else:
        write_xlsx(path, {"Sales": {1: list(columns), 2: list(columns.values())}})


KINDS = ["csv", "jsonl", "parquet", "xlsx"]
ROW = {"sale_id": "A", "sold_at": "2024-03-01", "quantity": "1", "price": "1"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["_kith_row", "_KITH_new", "file_row_number"])
def test_a_column_named_as_one_of_kith_is_refused(
    name: str, kind: str, tmp_path: Path
) -> None:
    path = company(tmp_path, f"data/sales.{kind}") / f"data/sales.{kind}"
    write_columns(path, {**ROW, name: "7"})
    with pytest.raises(DeliveryError, match=f"a column is named '{name}', as none"):
        run_door(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_names_of_columns_are_known_however_their_accents_are_written(
    kind: str, tmp_path: Path
) -> None:
    columns = [*COLUMNS, {"name": "größe", "data_type": "varchar"}]
    company(tmp_path, f"data/sales.{kind}", columns)
    decomposed = unicodedata.normalize("NFD", "Größe")
    write_columns(tmp_path / f"data/sales.{kind}", {**ROW, decomposed: "XL"})
    assert admitted(run_door(tmp_path), 'sale_id, "größe"') == [("A", "XL")]


def test_a_key_of_json_without_a_name_is_refused(tmp_path: Path) -> None:
    company(tmp_path, "data/sales.jsonl")
    write_columns(tmp_path / "data/sales.jsonl", {**ROW, "": "7"})
    with pytest.raises(DeliveryError, match="column 1 has no name; have it delivered"):
        fetched(tmp_path)


@pytest.mark.parametrize("kind", KINDS[:2])
def test_no_message_shows_what_may_be_an_address_in_place_of_a_name(
    kind: str, tmp_path: Path
) -> None:
    columns = [*COLUMNS, {"name": "mail", "data_type": "varchar"}]
    columns[-1]["meta"] = {"pii": "email"}
    company(tmp_path, f"data/sales.{kind}", columns)
    path = tmp_path / f"data/sales.{kind}"
    write_columns(path, {"price": "1", "li@na.de": "x", "LI@na.de": "y"})
    with pytest.raises(DeliveryError, match="columns an undeclared name and an unde"):
        fetched(tmp_path)
    write_columns(path, {"price": "1", "Price": "x"})
    with pytest.raises(DeliveryError, match=r"(?i)columns 'price' and 'price' can"):
        fetched(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f'{HEADER},"note\n' + "A,2024-03-01,1,1,x\n" * 9, "the header cannot be read"),
        (f'{HEADER},"note\n' + "A,2024-03-01,1,1\n" * 9999, "the header cannot be rea"),
        (f"\n\n{CONTENT}", "line 1 is empty; expected the columns sale_id, .* there"),
        ("\n\n", "the file is empty, not even a header was found; expected the col"),
        (f"caf\xe9,{CONTENT}", "line 1 is not utf-8 .*, e.g. cp1252 .Windows"),
    ],
    ids=["open quote", "large, open quote", "blank lines", "empty", "latin-1"],
)
def test_a_header_that_cannot_be_read_is_named(
    content: str, message: str, tmp_path: Path
) -> None:
    company(tmp_path)
    (tmp_path / "data/sales.csv").write_text(content, encoding="latin-1")
    with pytest.raises(DeliveryError, match=f"data/sales.csv: {message}"):
        fetched(tmp_path)


def test_lines_may_end_as_those_of_old_macs(tmp_path: Path) -> None:
    text = CONTENT.replace("\n", "\r") + "X,too few\rY,2024-03-01,1,1"
    (company(tmp_path) / "data/sales.csv").write_bytes(text.encode())
    (delivery,) = fetched(tmp_path)
    assert max(rows(delivery, "_kith_row, sale_id")) == (42, "Y")
    rejects = f"select row_number, text from '{delivery.rejects}'"
    assert duckdb.sql(rejects).fetchall() == [(41, "X,too few")]


@pytest.mark.parametrize("first", ["\n", "\r\n"])
def test_lines_may_end_in_several_ways(first: str, tmp_path: Path) -> None:
    lines = ["A,2024-03-01,1,1\r\n", '"B\r\n""2",2024-03-01,1,1\n', "C,too few\r\n"]
    text = f"{HEADER}{first}{''.join(lines)}D,2024-03-01,1,1\n"
    (company(tmp_path) / "data/sales.csv").write_bytes(text.encode())
    (delivery,) = fetched(tmp_path)
    found = sorted(rows(delivery, "_kith_row, sale_id"))
    assert found == [(1, "A"), (2, 'B\r\n"2'), (4, "D")]
    rejects = f"select row_number, text from '{delivery.rejects}'"
    assert duckdb.sql(rejects).fetchall() == [(3, "C,too few")]


def test_a_line_broken_by_a_carriage_return_is_named(tmp_path: Path) -> None:
    text = f"{HEADER}\nA,2024-03-01,1,1\nB\r,2024-03-01,1,1\nC,2024-03-01,1,1\n"
    (company(tmp_path) / "data/sales.csv").write_bytes(text.encode())
    with pytest.raises(DeliveryError, match="broken by a carriage return alone"):
        fetched(tmp_path)


@pytest.mark.parametrize(
    ("sign", "encoding"),
    [
        *((sign, "latin-1") for sign in "\t\x1f\x7f\x80\x9f\xa0"),
        *((sign, "utf-8") for sign in "\t\x1f\x7f\x80\x9f\xa0\u2003\u202f\u2060"),
        *((sign, "utf-8") for sign in "\u3000\ufeff\ufffd"),
    ],
)
def test_text_with_odd_signs_is_known(sign: str, encoding: str, tmp_path: Path) -> None:
    options = {"encoding": encoding}
    path = company(tmp_path, options=options) / "data/sales.csv"
    lines = f"{HEADER}\nä«é»,2024-03-01,1,1\n"
    path.write_text(lines, encoding=encoding)
    assert not fetched(tmp_path)[0].facts.has_odd_signs
    # Its two bytes in UTF-8 may come to lie in two of the chunks that are read.
    room = text_files._CHUNK_BYTES - len(lines.encode())
    path.write_text(lines + "x" * (room - 1) + sign, encoding=encoding)
    assert fetched(tmp_path)[0].facts.has_odd_signs


# --- files that change while they are read --------------------------------------------


@pytest.mark.parametrize("cursor", ["sold_at", None])
@pytest.mark.parametrize("stage", ["share", "_store"])
def test_a_parquet_file_replaced_while_it_is_pulled_is_refused(
    stage: str, cursor: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = company(tmp_path, "data/*.parquet", cursor=cursor) / "data/sales.parquet"

    def replace(count: int) -> None:
        other = tmp_path / "other.csv"
        other.write_text("\n".join([HEADER, *sales(count)]))
        duckdb.sql(f"copy (from '{other}') to '{other}.parquet' (format parquet)")
        Path(f"{other}.parquet").rename(path)

    original = getattr(pull, stage)

    def while_it_is_replaced(*given: Any) -> Any:
        replace(25)
        return original(*given)

    replace(10)
    run = run_door(tmp_path)
    assert report(run)["admitted"] == 10
    monkeypatch.setattr(pull, stage, while_it_is_replaced)
    with pytest.raises(TransientError, match=r"sales.parquet: the file was changed"):
        run_door(tmp_path)


@pytest.mark.parametrize("name", ["sales.jsonl", "sales.jsonl.gz"])
@pytest.mark.parametrize("change", ["grown", "gone", "damaged"])
def test_a_text_file_changed_while_it_is_read_is_refused(
    change: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = company(tmp_path, f"data/{name}") / "data" / name
    line = b'{"sale_id": "A"}\n'
    path.write_bytes(gzip.compress(line) if name.endswith(".gz") else line)
    original = json_texts.checked_names

    def while_it_changes(*given: Any) -> list[str]:
        if change == "gone":
            path.unlink()
        else:
            path.write_bytes(path.read_bytes() + line)
        if change == "damaged":
            raise OSError
        return original(*given)

    monkeypatch.setattr(json_texts, "checked_names", while_it_changes)
    with pytest.raises(TransientError, match=rf"{name}: the file was changed while"):
        fetched(tmp_path)


# --- days -----------------------------------------------------------------------------


def deliver_days(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(CONTENT)


def test_dated_files_of_the_window_the_day_before_and_the_look_back_are_read(
    tmp_path: Path,
) -> None:
    company(tmp_path, "data/sales_{date:%Y-%m-%d}.csv", look_back_days=2)
    deliver_days(tmp_path, *(f"sales_2024-03-{day:02}.csv" for day in range(1, 10)))
    deliveries = fetched(tmp_path, "2024-03-03", "2024-03-04")
    assert [(each.origin, each.arrival_day) for each in deliveries] == [
        (f"data/sales_2024-03-{day:02}.csv", dt.date(2024, 3, day))
        for day in (2, 3, 4, 5, 6)
    ]


def test_a_snapshot_is_its_newest_file_up_to_the_last_day(tmp_path: Path) -> None:
    path = "data/sales_{date:%Y%m%d}*.csv"
    company(tmp_path, path, cursor=None)
    names = ["20240229", "20240302_a", "20240302_b", "20240305"]
    deliver_days(tmp_path, *(f"sales_{name}.csv" for name in names))
    assert origins(tmp_path, "2024-02-01", "2024-03-04") == [
        *("data/sales_20240302_a.csv", "data/sales_20240302_b.csv")
    ]
    assert origins(tmp_path, "2024-03-01", "2024-03-05") == ["data/sales_20240305.csv"]
    with pytest.raises(
        DeliveryError, match=r"no file of 2024-02-28 or earlier; the ol"
    ):
        fetched(tmp_path, "2024-02-28", "2024-02-28")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("data/{date:%Y}/{date:%m}/sales_{date:%d}.csv", "2024/03/sales_01.csv"),
        ("data/{date:%Y/%m/%d}/*.csv", "2024/03/01/any.csv"),
        ("data/*{date:%Y%m%d}*.csv", "shop7_20240301T0815.csv"),
        ("data/**/{date:%d.%m.%y}.csv", "a/b/01.03.24.csv"),
        ("data/{date:%Y-%j}_?[0-9].csv", "2024-061_x7.csv"),
        ("data/{date:%G-W%V-%u}.csv", "2024-W09-5.csv"),
        ("./data//{date:%d %B %Y, %H%M}.csv", "1 March 2024, 0815.csv"),
        ("../{folder}/data/s[[]1]_{date:%Y-%m-%dT%H:%M:%S%z}.csv", ""),
    ],
)
def test_a_date_may_be_written_in_any_way(path: str, name: str, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    name = name or "s[1]_2024-03-01T08:15:00+0100.csv"
    company(folder, path.replace("{folder}", "shop"))
    deliver_days(folder, name)
    (delivery,) = fetched(folder, "2024-03-01", "2024-03-01")
    assert delivery.arrival_day == DAY
    assert delivery.origin.endswith(name)


@pytest.mark.parametrize(
    "name", ["sales_latest.csv", "sales_2024-13-01.csv", "sales_20240301.csv"]
)
def test_a_name_without_a_legible_date_is_refused(name: str, tmp_path: Path) -> None:
    company(tmp_path, "data/sales_{date:%Y-%m-%d}.csv")
    deliver_days(tmp_path, "sales_2024-03-01.csv", name)
    with pytest.raises(DeliveryError, match=rf"data/{name}: no date can be read from"):
        fetched(tmp_path)


@pytest.mark.parametrize(
    ("from_day", "to_day"),
    [
        ("2024-02-01", "2024-02-02"),
        ("2024-03-03", "2024-03-04"),
        ("2024-04-01", "2024-04-01"),
    ],
)
def test_days_without_a_file_are_an_empty_delivery(
    from_day: str, to_day: str, tmp_path: Path
) -> None:
    company(tmp_path, "data/sales_{date:%Y-%m-%d}.csv")
    deliver_days(tmp_path, "sales_2024-03-01.csv", "sales_2024-03-05.csv")
    run = run_door(tmp_path, from_day, to_day)
    assert admitted(run) == []
    assert report(run)["warnings"] == [
        f"shop.sales: data/sales_{{date:%Y-%m-%d}}.csv: no row for {from_day} to "
        f"{to_day}"
    ]
    company(tmp_path, "data/sales_{date:%Y-%m-%d}.csv", empty="stop")
    with pytest.raises(DeliveryError, match=r"no row for .*; expected some"):
        run_door(tmp_path, from_day, to_day)


def test_no_file_at_all_is_an_error(tmp_path: Path) -> None:
    company(tmp_path, "data/sales_{date:%Y-%m-%d}.csv")
    with pytest.raises(
        DeliveryError, match=r"no file at .*data/sales_\*.csv; the deli"
    ):
        fetched(tmp_path)


@pytest.mark.parametrize(
    "written",
    ["{date}", "{date:%Y-%m}", "{date:%d}", "{date:%Q}", "{date:%Y}{date:%F}"],
)
def test_a_date_that_names_no_day_is_refused(written: str, tmp_path: Path) -> None:
    company(tmp_path, f"data/sales_{written}.csv")
    with pytest.raises(ConfigurationError, match="expected strptime formats that name"):
        fetched(tmp_path)


@pytest.mark.parametrize("path", ["data/*.csv", "data/{date:%Y-%m-%d}.csv"])
def test_a_link_to_nowhere_is_named(path: str, tmp_path: Path) -> None:
    company(tmp_path, path)
    deliver_days(tmp_path, "2024-03-01.csv")
    (tmp_path / "data/2024-03-02.csv").symlink_to("/nowhere/at/all.csv")
    with pytest.raises(
        DeliveryError, match=r"data/2024-03-02.csv: is a link to /nowhere/at/all.csv, w"
    ):
        fetched(tmp_path)
    (tmp_path / "data/2024-03-02.csv").unlink()
    (tmp_path / "data/2024-04-02.csv").mkdir()
    (tmp_path / "data/2024-03-02.csv").symlink_to(tmp_path / "data/2024-03-01.csv")
    assert len(fetched(tmp_path)) == 2


# Simulated, since tests may run as root, whom nothing is denied.
@pytest.mark.parametrize("path", ["data/*/*.csv", "data/**/*.csv", "{root}/*/b/*.csv"])
def test_a_folder_that_is_closed_to_us_is_named(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    company(tmp_path, path.replace("{root}", str(tmp_path / "data")))
    deliver_days(tmp_path, "a/1.csv", "a/b/1.csv", "closed/2.csv")
    assert fetched(tmp_path)
    monkeypatch.setattr(os, "access", lambda folder, _: folder.name != "closed")
    with pytest.raises(
        DeliveryError, match=r"data/closed: the folder cannot be looked into, permiss"
    ):
        fetched(tmp_path)


def test_a_file_that_is_closed_to_us_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(company(tmp_path), sales(4))
    original = Path.open

    def deny(path: Path, *given: Any, **named: Any) -> Any:
        if path.name == "sales.csv":
            raise PermissionError
        return original(path, *given, **named)

    monkeypatch.setattr(Path, "open", deny)
    with pytest.raises(
        DeliveryError, match=r"sales.csv: the file cannot be read, permission denied; h"
    ):
        fetched(tmp_path)


def test_a_variable_of_the_environment_is_part_of_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    company(tmp_path, "${SHOP_FILES}/sales_{date:%Y-%m-%d}.csv")
    folder = tmp_path / "elsewhere [1]"
    folder.mkdir()
    (folder / "sales_2024-03-01.csv").write_text(CONTENT)
    monkeypatch.setenv("SHOP_FILES", str(folder))
    (delivery,) = fetched(tmp_path)
    assert (delivery.arrival_day, delivery.rows) == (DAY, 40)
    monkeypatch.delenv("SHOP_FILES")
    with pytest.raises(ConfigurationError, match=r"variable SHOP_FILES is not set"):
        fetched(tmp_path)


# --- workbooks ------------------------------------------------------------------------


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
        (2, "unreadable_line", "cell error: #DIV/0! in C3, #REF! in D3"),
        (3, "unreadable_line", "cell error: #NAME? in A4"),
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
        (3, "cell error: a formula without a stored result in D4"),
        (4, "cell error: a formula without a stored result in D5"),
    ]


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
        (2, "cell error: a number of more digits than a cell keeps in A3"),
        (3, "cell error: a number of more digits than a cell keeps in C4"),
    ]


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


def test_a_missing_file_of_an_absolute_path_is_named_as_declared(
    tmp_path: Path,
) -> None:
    missing = tmp_path / "elsewhere" / "sales.csv"
    company(tmp_path, str(missing))
    with pytest.raises(DeliveryError, match=rf"no file at {missing}; the delivery"):
        fetched(tmp_path)
