import gzip
import io
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kith.errors import DeliveryError
from kith.pull.connectors.contents import check_content
from tests.one_table import company
from tests.pull.connectors.fetching import fetched
from tests.pull.connectors.workbooks import write_xlsx


def content(kind: str, folder: Path) -> bytes:
    path = folder / "content"
    match kind:
        case "text":
            return b"slip,amount\nA,1.50\n"
        case "latin":
            return "größe,amount\nA,1.50\n".encode("cp1252")
        case "json":
            return b'\xef\xbb\xbf{"slip": "A"}\n'
        case "gzip":
            return gzip.compress(b"slip,amount\n")
        case "zstd":
            return pa.compress(b"slip\n", codec="zstd", asbytes=True)
        case "zip":
            target = io.BytesIO()
            with zipfile.ZipFile(target, "w") as archive:
                archive.writestr("xl/slips.csv", "slip,amount\n")
            return target.getvalue()
        case "workbook":
            write_xlsx(path, {"Slips": {1: ["slip"]}})
        case "Parquet":
            pq.write_table(pa.table({"slip": ["A"]}), path)
        case "old workbook":
            return bytes.fromhex("d0cf11e0a1b11ae1") + bytes(504)
        case "PDF":
            return b"%PDF-1.7\n"
        case "page":
            return b"\n<!DOCTYPE html>\n<title>502</title>"
        case _:
            return b""
    return path.read_bytes()


OTHERWISE = [
    (".csv", "workbook", "text, since it holds a workbook; have it renamed so that it"),
    (".csv", "old workbook", "it holds a workbook; .* it ends in .xls, or delivered a"),
    (".csv", "Parquet", "since it holds Parquet; have it renamed"),
    (".csv", "gzip", "it holds what gzip packed; .* it ends in .gz, or delivered"),
    (".tsv", "zstd", "it holds what Zstandard packed"),
    (".csv", "zip", "since it holds a zip archive; .* ends in .zip"),
    (".csv", "json", "text, since it holds lines of JSON; .* it ends in .jsonl"),
    (".csv", "PDF", "it holds a PDF document; have it delivered again as its name"),
    (".jsonl", "page", "lines of JSON, since it holds a web page; have it delivered"),
    (".jsonl", "workbook", "since it holds a workbook"),
    (".xlsx", "text", "a workbook, since it holds text; .* it ends in .csv, or deli"),
    (".xls", "page", "since it holds a web page; have it delivered again"),
    (".xlsb", "Parquet", "since it holds Parquet"),
    (".parquet", "latin", "Parquet, since it holds text"),
    (".parquet", "workbook", "since it holds a workbook"),
    (".gz", "text", "what gzip packed, since it holds text"),
    (".zip", "gzip", "a zip archive, since it holds what gzip packed"),
    (".zip", "workbook", "since it holds a workbook; .* ends in .xlsx"),
]
AS_NAMED = [
    *((".csv", kind) for kind in ("text", "latin", "empty")),
    *((".jsonl", kind) for kind in ("text", "json")),
    *((".xls", kind) for kind in ("workbook", "old workbook", "zip")),
    *((".gz", "gzip"), (".zst", "zstd"), (".zip", "zip"), (".parquet", "Parquet")),
    *((".parquet", "empty"), (".zip", "empty"), (".unknown", "text")),
]


def test_a_file_under_the_name_of_another_kind_is_named(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for suffix, kind, message in OTHERWISE:
        path.write_bytes(content(kind, tmp_path))
        with pytest.raises(
            DeliveryError, match=f"^shop: cannot be read as .*{message}"
        ):
            check_content("shop", path, suffix)


def test_a_file_that_is_what_its_name_says_passes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for suffix, kind in AS_NAMED:
        path.write_bytes(content(kind, tmp_path))
        check_content("shop", path, suffix)


@pytest.mark.usefixtures("kith_home")
@pytest.mark.parametrize(
    ("name", "kind"), [("a.csv", "workbook"), ("a.xlsx", "text"), ("a.csv.gz", "zip")]
)
def test_the_connector_looks_into_each_file(
    name: str, kind: str, tmp_path: Path
) -> None:
    company(tmp_path, f"data/{name}")
    (tmp_path / "data" / name).write_bytes(content(kind, tmp_path))
    with pytest.raises(DeliveryError, match=f"^shop.sales: data/{name}: cannot be re"):
        fetched(tmp_path)
