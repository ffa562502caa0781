"""Whether all that Kith holds of a company can be read, before somebody is erased."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import duckdb

from kith.database import connect, literal, parquet_sql
from kith.errors import ConfigurationError
from kith.failures import lack_of
from kith.publish.release import MANIFEST, releases
from kith.rights.findings import admitted_files, attempts, refused_files
from kith.runs.run import Run


@contextmanager
def readable(run: Run) -> Iterator[None]:
    """Raise ConfigurationError for a stored file that is missing or damaged.

    That is found beforehand, since an erasure that stops halfway keeps all runs out;
    damage within a file only once it is met. What DuckDB says of it is not told, as it
    quotes values.
    """
    _check(run, "count(*)")
    try:
        yield
    except duckdb.Error as error:
        if lack_of(error):
            raise
        _check(run, "max(hash(columns(*)))")
        raise


@contextmanager
def told_as(words: str) -> Iterator[None]:
    """Raise ConfigurationError with these words where DuckDB cannot read a file."""
    try:
        yield
    except duckdb.Error as error:
        if lack := lack_of(error):
            raise lack from error
        raise ConfigurationError(words) from None


def _check(run: Run, shown: str) -> None:
    with connect(scratch=run.folder / "scratch") as connection:
        for path, cure in _stored(run):
            with told_as(
                f"{path}: is missing, or damaged and cannot be read; expected "
                f"Parquet; put it back from a backup, or {cure}"
            ):
                rows = parquet_sql(path)
                connection.execute(f"select {shown} from {rows}").fetchall()
    watch = replace(run, home=run.home / "watch")
    for published in (run.published, watch.published):
        for release_id in releases(published):
            _check_release(published / release_id)


def _stored(run: Run) -> Iterator[tuple[Path, str]]:
    """Files of rows, each with what helps where there is no backup of it."""
    for table in run.company.sources:
        for folder, manifest in attempts(run, table):
            cure = f"remove {folder} and run these days again with make run"
            stored = {folder / file.stored for file in manifest.files}
            for path in sorted(stored | {*folder.glob("[!.]*.parquet")}):
                yield path, cure
        for path in (*admitted_files(run, table), *refused_files(run, table)):
            cure = f"remove {path.parent} and run these days again with make run"
            yield path, cure
    for name in ("history", "runs"):
        for path in sorted((run.folder / name).rglob("[!.]*.parquet")):
            yield path, "remove it: it only tells of a run that is over"


def _check_release(release: Path) -> None:
    cure = (
        "put it back from a backup, or remove the folder of the release; if it is the "
        "current one, publish another one before"
    )
    try:
        text = (release / MANIFEST).read_text(encoding="utf-8")
        promised = [release / name for name in json.loads(text)["files"]]
    except (ValueError, KeyError):
        raise ConfigurationError(
            f"{release / MANIFEST}: cannot be read; expected JSON with the release's "
            f"files; {cure}"
        ) from None
    for path in promised:
        if not path.is_file():
            raise ConfigurationError(
                f"{path}: is missing; expected all files of the release; {cure}"
            )
        if path.suffix == ".duckdb":
            with (
                told_as(
                    f"{path}: is damaged and cannot be read; expected a database; "
                    f"{cure}"
                ),
                duckdb.connect() as connection,
            ):
                connection.execute(f"attach {literal(str(path))} (read_only)")
