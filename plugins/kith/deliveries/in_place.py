"""Rows of big deliveries that are admitted where they lie.

To write a big clean delivery once more takes longer than to look at every value of it.
So its files in raw get a second name in the admitted folder, beside the numbers of the
rows that do not count as they lie there: bad ones, and those that had to be changed,
which are written to data.parquet like all rows of a smaller delivery.
"""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from kith.database import parquet_sql, quote

EXCLUDED = "excluded.parquet"
# Numbers of a file and of a row in it, as `EXCLUDED` has them.
FILE, ROW = "_kith_file_index", "file_row_number"


def keep_in_place(files: Iterable[Path], folder: Path) -> None:
    """Give files of raw a second name in a folder, in their order."""
    for number, file in enumerate(files):
        target = folder / f"in_place_{number:04}.parquet"
        try:
            os.link(file, target)
        except OSError:  # Not every file system knows second names.
            shutil.copyfile(file, target)


def in_place_sql(
    folder: Path, columns: dict[str, str], loaded_at: str, *, is_numbered: bool = False
) -> str:
    """SQL relation of the rows that count as they lie, with `loaded_at`.

    `columns` gives for each admitted column its name in the files. Of numbered rows
    `FILE` and `ROW` are told.
    """
    named = ", ".join(
        [f"{quote(delivered)} as {quote(name)}" for name, delivered in columns.items()]
        + ([FILE, ROW] if is_numbered else [])
    )
    files = parquet_sql(
        *sorted(folder.glob("in_place_*.parquet")),
        union_by_name="true",
        file_row_number="true",
    )
    rows = f"(select *, file_index as {FILE} from {files})"
    if (folder / EXCLUDED).exists():
        excluded = parquet_sql(folder / EXCLUDED)
        rows += f" anti join {excluded} using ({FILE}, {ROW})"
    return f"(select {named}, timestamp '{loaded_at}' as loaded_at from {rows})"
