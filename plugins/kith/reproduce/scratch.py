"""A scratch home in which a run is made again: its company and its raw attempts."""

import dataclasses
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from kith.build.dbt import target
from kith.company.folder import load_company
from kith.company.tables import SourceTable
from kith.deliveries.admitted import Delivery, all_deliveries, outdated
from kith.deliveries.taken import Taken, taken
from kith.errors import ConfigurationError
from kith.runs.journal import Journal
from kith.runs.provenance import company_as_of, provenance_of
from kith.runs.run import Interval, Run, make_state

_SHOWN = 5


@dataclass(frozen=True)
class Scratch:
    """Where a run is made again.

    Attributes:
        run: The run, in a home of its own, with the company as it was.
        then: The same run where it failed.
        to_admit: Table, interval and attempt of what is to be judged once more, in the
            order in which it was pulled. All else that counted is admitted already.
    """

    run: Run
    then: Run
    to_admit: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """All of it."""
        return self.run.home.parent

    def link(self, table: str, interval: str, attempt: str) -> None:
        """Lay a raw attempt into the scratch, as links: nobody writes to one."""
        place = Path(interval, attempt)
        _link(self.then.raw(table) / place, self.run.raw(table) / place)


def lay_scratch(then: Run, table: str | None) -> Scratch:
    """Lay what a run took into a scratch home; of one table, where only that is asked.

    `then` is the run in the home where it failed, with any company of that name. A
    scratch of the same run is replaced. Raises ConfigurationError, and names them,
    where raw attempts are gone.
    """
    note = provenance_of(then.run_folder)
    place = then.home / "reproduced" / note.company / then.run_folder.name
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(mode=0o700, parents=True)
    company_as_of(then.run_folder, place / "company")
    company = load_company(place / "company")
    interval = Interval(note.from_day, note.to_day)
    scratch = Scratch(
        run=Run(company, interval, note.run_id, place / "home"),
        then=dataclasses.replace(then, company=company, interval=interval),
    )
    make_state(scratch.run.folder)
    lay_parse(scratch)
    _lay_history(scratch)
    tables = {each.full_name: each for each in company.sources}
    gone: list[str] = []
    for name, each in taken(then.run_folder).items():
        if name in tables and table in (None, name):
            gone += lay_deliveries(scratch, tables[name], each)
    if gone:
        more = f" and {len(gone) - _SHOWN} more" if gone[_SHOWN:] else ""
        shutil.rmtree(place)
        raise ConfigurationError(
            f"{then.run_folder.name}: of what the run took, raw attempts were pruned: "
            f"{', '.join(gone[:_SHOWN])}{more}; it cannot be made again; `retention` "
            "in company.yml says how long failed runs keep theirs"
        )
    scratch.to_admit.sort(key=lambda each: (each[2], each[0]))
    return scratch


def lay_parse(scratch: Scratch) -> None:
    """Lay what dbt has parsed of the project, of which it reads anew what is changed.

    A whole parse is a quarter of a small build.
    """
    parse = target(scratch.then) / "partial_parse.msgpack"
    if parse.is_file():
        target(scratch.run).mkdir(parents=True)
        shutil.copy(parse, target(scratch.run))


def lay_deliveries(scratch: Scratch, table: SourceTable, took: Taken) -> Iterator[str]:
    """Lay the deliveries of a table; yields the raw attempts that are gone."""
    name, then = table.full_name, scratch.then
    found = {each.folder.name: each for each in all_deliveries(then, table)}
    for interval, attempt in sorted(took.attempts):
        is_judged = took.judged.get(interval) == attempt
        known = found.get(interval)
        if not is_judged and known and _is_as_then(table, known, attempt):
            _link(known.folder, scratch.run.admitted(name) / interval)
            if (then.raw(name) / interval / attempt).is_dir():
                scratch.link(name, interval, attempt)
        elif (then.raw(name) / interval / attempt / "manifest.json").is_file():
            scratch.to_admit.append((name, interval, attempt))
        else:
            yield f"{name} of {interval}, pulled {attempt}"
    if not table.rules.cursor:
        _lay_former(scratch, table, found, took)


def _is_as_then(table: SourceTable, delivery: Delivery, attempt: str) -> bool:
    """Whether what is admitted now is what was admitted of an attempt then."""
    is_same = delivery.report["attempt"] == attempt
    return is_same and not delivery.is_pruned and not outdated(table, [delivery])


def _lay_former(
    scratch: Scratch, table: SourceTable, found: dict[str, Delivery], took: Taken
) -> None:
    """Lay former deliveries of a whole table, against which the next ones are judged.

    Of them only what was counted is read, and that stays.
    """
    newest = max((attempt for _, attempt in took.attempts), default="")
    for interval, delivery in found.items():
        is_former = str(delivery.report["attempt"]) < newest
        target = scratch.run.admitted(table.full_name) / interval
        if is_former and interval not in took.judged and not target.exists():
            _link(delivery.folder, target)


def _lay_history(scratch: Scratch) -> None:
    """Lay the logs of the runs before this one, which the marts of operations hold."""
    begun = min(
        (entry["at"] for entry in Journal(scratch.then.run_folder).new_entries()),
        default=0.0,
    )
    for path in (scratch.then.folder / "history").glob("*/*.parquet"):
        if path.stat().st_mtime < begun:
            target = scratch.run.folder / "history" / path.parent.name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, target)


def _link(source: Path, target: Path) -> None:
    """Lay a folder of files that nobody writes to a second time, as hard links."""
    target.mkdir(parents=True, exist_ok=True)
    for path in source.iterdir():
        if path.is_file() and not (target / path.name).exists():
            os.link(path, target / path.name)
