"""Make the marts of a past day from raw, as it was known then.

What was known of a day is what had been pulled before anything of a later day was: a
correction that came afterwards was not known. Where the days were loaded later, all at
once or in disorder, each counts as it first came, and what is dated after the day is
left out: days of the cursor, feeds by their event times and `known_at`, and rows whose
`arrived` says that they came later.
"""

import dataclasses
import datetime as dt
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kith.admit.table import admit_table
from kith.build.candidate import build
from kith.company.folder import PUBLISHED_SCHEMAS, Company
from kith.company.tables import SourceTable
from kith.database import connect, fetch_row, quote
from kith.deliveries.raw import complete_attempts, pruned_attempts
from kith.deliveries.taken import Taken
from kith.errors import ConfigurationError, DeliveryError
from kith.reproduce.scratch import Scratch, lay_deliveries, lay_parse
from kith.runs.run import Interval, Run, make_state
from kith.runs.source_systems import keys_of

# Those of operations tell of runs and deliveries, as they are now.
SCHEMAS = tuple(schema for schema in PUBLISHED_SCHEMAS if schema != "operations")
_SHOWN = 5


@dataclass(frozen=True, order=True)
class Pull:
    """An attempt to pull the days of an interval; `attempt` sorts by its time."""

    attempt: str
    days: Interval = dataclasses.field(compare=False)

    @property
    def slug(self) -> str:
        """Name of the interval's folder."""
        return self.days.slug


@dataclass(frozen=True)
class Rebuilt:
    """The marts of a day: a DuckDB file, and the content hash of each mart."""

    database: Path
    hashes: dict[str, str]


def rebuild(
    company: Company, home: Path, day: dt.date, say: Callable[[str], Any] = print
) -> Rebuilt:
    """Make the marts of a company as of a day, in a scratch home below `home`.

    A rebuild of the same day is replaced. Raises ConfigurationError where nothing was
    pulled of that day, or where raw that was known then is gone.
    """
    then = Run(company, Interval(company.first_day, company.first_day), "", home)
    pulls = {table.full_name: pulls_of(then, table) for table in company.sources}
    newest = max((p.days.to_day for each in pulls.values() for p in each), default=None)
    if newest is None or not company.first_day <= day <= newest:
        raise ConfigurationError(
            f"AS_OF={day}: nothing was pulled of that day; expected a day from "
            f"{company.first_day} to {newest or 'the first that is pulled'}"
        )
    later = [p for each in pulls.values() for p in each if p.days.to_day > day]
    scratch = _scratch(then, day)
    say(f"{company.title} as of {day}, in {scratch.folder}")
    gone: list[str] = []
    fallbacks: dict[tuple[str, str], list[str]] = {}
    for table in company.sources:
        chosen = known_pulls(
            pulls[table.full_name],
            day,
            min(later, default=None),
            is_whole=not table.rules.cursor,
        )
        for slug, attempts in chosen.items():
            fallbacks[table.full_name, slug] = attempts[1:]
        took = Taken(admitted={slug: each[0] for slug, each in chosen.items()})
        gone += lay_deliveries(scratch, table, took)
    if gone:
        shutil.rmtree(scratch.folder)
        more = f" and {len(gone) - _SHOWN} more" if gone[_SHOWN:] else ""
        raise ConfigurationError(
            f"AS_OF={day}: of what was known then, raw attempts were pruned: "
            f"{', '.join(gone[:_SHOWN])}{more}; the day cannot be made again; "
            "`retention` in company.yml says how many attempts stay"
        )
    with keys_of(company, home):
        for table_name, slug, attempt in sorted(
            scratch.to_admit, key=lambda each: (each[2], each[0])
        ):
            older = fallbacks[table_name, slug]
            _admit(scratch, table_name, slug, [attempt, *older], say)
        build(scratch.run)
    return Rebuilt(scratch.run.warehouse, content_hashes(scratch.run))


def pulls_of(run: Run, table: SourceTable) -> list[Pull]:
    """All complete attempts that are known of a table, also those that were pruned."""
    folder = run.raw(table.full_name)
    found = {
        Pull(attempt.name, Interval.from_slug(interval.name))
        for interval in folder.glob("[0-9]*-[0-9]*")
        for attempt in complete_attempts(interval)
    }
    for slug, attempt in pruned_attempts(folder):
        found.add(Pull(attempt, Interval.from_slug(slug)))
    return sorted(found)


def known_pulls(
    pulls: list[Pull], day: dt.date, first_later: Pull | None, *, is_whole: bool
) -> dict[str, list[str]]:
    """By interval the attempts that were known on a day, the one that counts first.

    `pulls` are those of a table in the order in which they came; `first_later` is the
    first of any table that brought a later day. Of a table that is delivered whole it
    is one.
    """
    before = [
        pull
        for pull in pulls
        if pull.days.to_day <= day and (first_later is None or pull < first_later)
    ]
    known: dict[str, list[str]] = {}
    for pull in reversed(before):
        known.setdefault(pull.slug, []).append(pull.attempt)
    if any(pull.days.to_day == day for pull in before):
        return known
    begun = [pull for pull in pulls if pull.days.from_day <= day]
    if is_whole:
        return known or {pull.slug: [pull.attempt] for pull in begun[:1]}
    # It came later: as it first came, as far as it brings a day that nobody knew.
    covered = {each for pull in before for each in _until(pull.days, day)}
    for pull in begun:
        if pull not in before and not _until(pull.days, day) <= covered:
            known.setdefault(pull.slug, [pull.attempt])
            covered |= _until(pull.days, day)
    return known


def content_hashes(run: Run) -> dict[str, str]:
    """Content hash of each mart in the warehouse of a run, as a manifest has it."""
    with connect(
        run.warehouse, scratch=run.folder / "scratch", read_only=True
    ) as warehouse:
        columns: dict[str, list[str]] = {}
        for schema, table, column in warehouse.execute(
            "select schema_name, table_name, column_name from duckdb_columns() "
            "where list_contains($schemas, schema_name) "
            "order by schema_name, table_name, column_index",
            {"schemas": list(SCHEMAS)},
        ).fetchall():
            columns.setdefault(f"{schema}.{table}", []).append(quote(column))
        found = {}
        for mart, names in columns.items():
            (content,) = fetch_row(
                warehouse,
                f"select coalesce(sum(hash({', '.join(names)})), 0) from {mart}",
            )
            found[mart] = f"{content:032x}"
        return found


def _scratch(then: Run, day: dt.date) -> Scratch:
    """An empty scratch home for a day, with today's company."""
    company = then.company
    place = then.home / "reproduced" / company.name / f"as_of_{day:%Y%m%d}"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(mode=0o700, parents=True)
    days = Interval(company.first_day, day)
    run = Run(company, days, f"as_of__{day}", place / "home", as_of=day)
    make_state(run.folder)
    scratch = Scratch(run=run, then=then)
    lay_parse(scratch)
    return scratch


def _admit(
    scratch: Scratch,
    table: str,
    slug: str,
    attempts: list[str],
    say: Callable[[str], Any],
) -> None:
    """Admit the first of these attempts that is not refused, as it was then."""
    run = dataclasses.replace(scratch.run, interval=Interval.from_slug(slug))
    for attempt in attempts:
        say(f"  admit     {table} of {slug}, pulled {attempt}")
        if not (scratch.then.raw(table) / slug / attempt / "manifest.json").is_file():
            raise ConfigurationError(
                f"{table} of {slug}, pulled {attempt}: it counted after a later one "
                "was refused, and was pruned; the day cannot be made again"
            )
        shutil.rmtree(run.raw(table) / slug, ignore_errors=True)
        scratch.link(table, slug, attempt)
        try:
            admit_table(run, table)
        except DeliveryError as error:
            say(f"  refused   {error}")
        else:
            return


def _until(days: Interval, last: dt.date) -> set[int]:
    """The days up to one, as ordinals."""
    to_day = min(days.to_day, last)
    return set(range(days.from_day.toordinal(), to_day.toordinal() + 1))
