"""What all kinds of files have in common, through the connector."""

import gzip
import json
import unicodedata
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kith.errors import ConfigurationError, DeliveryError, TransientError
from kith.pull import table as pull
from kith.pull.connectors import json_texts
from tests.one_table import (
    COLUMNS,
    HEADER,
    admitted,
    company,
    deliver,
    report,
    run_door,
    sales,
)
from tests.pull.connectors.fetching import (
    CONTENT,
    PACKINGS,
    deliver_days,
    fetched,
    rows,
    zipped,
)
from tests.pull.connectors.workbooks import write_xlsx

pytestmark = pytest.mark.usefixtures("kith_home")


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
        ("sales.json", b"[]", r"one of them \(.jsonl with one object per line\)"),
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
        "json",
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
        ({"options": {"skip_lines": -1}}, "options.skip_lines: found '-1'; expected"),
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


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("README.md", ""),
        ("readme", ""),
        ("info.pdf", ""),
        ("readme.txt", ", or set options.delimiter .* if it holds rows"),
    ],
)
def test_a_note_beside_the_rows_of_an_archive_is_named(
    name: str, cure: str, tmp_path: Path
) -> None:
    path = company(tmp_path, "data/sales.zip") / "data/sales.zip"
    path.write_bytes(zipped(**{"a.csv": CONTENT.encode(), name: b"Read me, please\n"}))
    told = (
        f"data/sales.zip/{name}: the archive holds several files, .* of the table "
        f"alone; have it left out of the archive{cure}"
    )
    with pytest.raises(DeliveryError, match=f"{told}.*$"):
        fetched(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_names_of_columns_are_known_however_their_accents_are_written(
    kind: str, tmp_path: Path
) -> None:
    columns = [*COLUMNS, {"name": "größe", "data_type": "varchar"}]
    company(tmp_path, f"data/sales.{kind}", columns)
    decomposed = unicodedata.normalize("NFD", "Größe")
    write_columns(tmp_path / f"data/sales.{kind}", {**ROW, decomposed: "XL"})
    assert admitted(run_door(tmp_path), 'sale_id, "größe"') == [("A", "XL")]


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
