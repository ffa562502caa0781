"""Which raw attempts a run took, kept in its folder for who reproduces it."""

import gzip
from pathlib import Path

from pydantic import BaseModel

from kith.company.tables import SourceTable
from kith.deliveries.admitted import admitted_deliveries
from kith.runs.run import Run

_FOLDER = "attempts"


class Taken(BaseModel):
    """Attempts of a table by their interval's slug.

    `judged` are those that the run admitted or refused; `admitted` those whose rows
    counted before the last of them was judged, or as the build read them.
    """

    judged: dict[str, str] = {}
    admitted: dict[str, str] = {}

    @property
    def attempts(self) -> set[tuple[str, str]]:
        """Each with its interval."""
        return {*self.judged.items(), *self.admitted.items()}


def note_judged(run: Run, table: SourceTable, attempt: str) -> None:
    """Note that the run judges an attempt now. One process at a time for a table."""
    path = _path(run.run_folder, table.full_name)
    judged = _read(path).judged if path.is_file() else {}
    _write(
        path,
        Taken(
            judged={**judged, run.interval.slug: attempt},
            admitted=_admitted(run, table),
        ),
    )


def note_admitted(run: Run) -> None:
    """Note what is admitted of all tables, as the run's build reads it."""
    for table in run.company.sources:
        path = _path(run.run_folder, table.full_name)
        judged = _read(path).judged if path.is_file() else {}
        _write(path, Taken(judged=judged, admitted=_admitted(run, table)))


def taken(run_folder: Path) -> dict[str, Taken]:
    """What a run took of each table, by `<source>.<table>`."""
    return {
        path.name.removesuffix(".json.gz"): _read(path)
        for path in sorted((run_folder / _FOLDER).glob("[!.]*.json.gz"))
    }


def _admitted(run: Run, table: SourceTable) -> dict[str, str]:
    return {
        delivery.folder.name: str(delivery.report["attempt"])
        for delivery in admitted_deliveries(run, table)
    }


def _path(run_folder: Path, table: str) -> Path:
    return run_folder / _FOLDER / f"{table}.json.gz"


def _read(path: Path) -> Taken:
    return Taken.model_validate_json(gzip.decompress(path.read_bytes()))


def _write(path: Path, content: Taken) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}")
    # Hundreds of days are some kilobytes.
    unfinished.write_bytes(gzip.compress(content.model_dump_json().encode(), mtime=0))
    unfinished.replace(path)
