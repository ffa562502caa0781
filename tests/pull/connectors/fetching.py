"""What the connector `files` alone makes of the files of `shop.sales`."""

import datetime as dt
import gzip
import io
import shutil
import zipfile
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from kith.database import connect
from kith.pull.connectors import files
from kith.pull.connectors.request import Fetched, FetchRequest
from tests.conftest import new_run
from tests.one_table import (
    HEADER,
    TABLE,
    sales,
)

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
    return f"read_parquet('{delivery.path}')"


def rows(delivery: Fetched, columns: str = "*") -> list[tuple[Any, ...]]:
    return duckdb.sql(f"select {columns} from {relation(delivery)}").fetchall()


def deliver_days(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(CONTENT)


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
