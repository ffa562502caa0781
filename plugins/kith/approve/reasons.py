"""Why a published number has changed, as far as deliveries and code tell.

- `late data`: more rows of a day of the period count now.
- `correction`: fewer of them do, since some are gone or came again with another day; or
  as many, where the same days were pulled again and say something else.
- `definition`: the SQL of the mart or of a model before it, a macro, a seed, Python
  that computes, or what the company declares is not what it was.
- `erasure`: a person was erased since, and rows of a day of the period went with them,
  or of a table that is delivered whole. They are no part of what is counted above.

What nothing of this explains comes with days that a later look-back delivered again,
or with other days: with a record that is dated by its change, or whatever makes two
customers one. It is told in the same way of these, is `late data` where only new days
came, else `erasure` where somebody was erased since, and else `unknown`.
"""

import datetime as dt
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from kith.approve.declarations import nodes_of
from kith.build.dbt import DBT_PROJECT, dbt_vars
from kith.build.unfinished import definitions_of
from kith.company.folder import Company
from kith.company.tables import SourceTable
from kith.database import connect, literal, parquet_sql
from kith.deliveries.admitted import (
    Delivery,
    admitted_deliveries,
    declaration_id,
    spans,
    suppressed_rows,
)
from kith.runs.run import Interval, Run
from kith.settings import REPOSITORY
from kith.storage import sha256_of

Reason = Literal["late data", "correction", "definition", "erasure", "unknown"]
ORDER: tuple[Reason, ...] = (
    *("late data", "correction", "definition", "erasure", "unknown"),
)
# Rooms of plugins/kith whose Python decides numbers.
_COMPUTING = ("company", "deliveries", "pull", "admit", "build", "models")
# `make erase` keeps an entry for each person here: `suppressed_at` is ISO 8601, UTC.
SUPPRESSED = "suppressed.json"


def definitions(run: Run) -> dict[str, Any]:
    """Hashes of what decides the numbers of a run, for the manifest of its release.

    `models` has one for each model, `shared` is that of all that models share, and
    `company` that of what the company declares.
    """
    found = definitions_of(run)
    computing = [REPOSITORY / "plugins" / "kith" / room for room in _COMPUTING]
    shared = {
        str(path.relative_to(REPOSITORY)): digest
        for name, digest in found.rest.items()
        for path in [Path(name)]
        if path.name == "requirements.lock"
        or any(path.is_relative_to(place) for place in (*computing, DBT_PROJECT))
    }
    return {
        "models": {name: digest[:12] for name, digest in sorted(found.models.items())},
        "shared": sha256_of(shared)[:12],
        "company": _declared(run.company),
    }


def _declared(company: Company) -> str:
    """Hash of what the company's files say of numbers, not of alerts and the like."""
    return sha256_of(
        [
            dbt_vars(company),
            company.identity.blocked,
            [company.first_day, company.last_day],
            {table.full_name: declaration_id(table) for table in company.sources},
        ]
    )[:12]


@dataclass(frozen=True)
class _Deliveries:
    """What was delivered of a source table since a release.

    `rows_more` has of the published days on which the number of rows that count has
    changed by how many, those of erased persons left out; `erased` are the days on
    which there were such. `again` are published days whose very interval was pulled
    again with other content, `looked_back` those that came again with another interval.
    `rows_more_whole` is set of a table that is delivered whole, where that is new, and
    `is_erased_whole` where rows of erased persons went from it.
    """

    rows_more: dict[dt.date, int] = field(default_factory=dict)
    erased: frozenset[dt.date] = frozenset()
    again: frozenset[dt.date] = frozenset()
    looked_back: frozenset[dt.date] = frozenset()
    has_new_days: bool = False
    rows_more_whole: int | None = None
    is_erased_whole: bool = False

    def of(self, days: Interval | None) -> set[Reason]:
        """What is told of days, or of all that were published."""
        found: set[Reason] = set()
        for day, rows in self.rows_more.items():
            if _lies_in(day, days):
                found.add("late data" if rows > 0 else "correction")
        if not found and any(_lies_in(day, days) for day in self.again):
            found.add("correction")
        if self.is_erased_whole or any(_lies_in(day, days) for day in self.erased):
            found.add("erasure")
        return found


@dataclass(frozen=True)
class _Counts:
    """Rows of a day: those that count, and those refused or dropped as duplicates."""

    counted: int = 0
    left_out: int = 0

    def more_than(self, then: "_Counts", erased: int) -> int:
        """How many more rows count than then, those of erased persons left out.

        Of so many `erased` rows some were left out before.
        """
        left_out = max(0, then.left_out - self.left_out)
        return self.counted - then.counted + max(0, erased - left_out)


class Reasons:
    """Why numbers of a candidate are not those of a release."""

    def __init__(self, run: Run, release: Path, manifest: dict[str, Any]) -> None:
        """`release` is its folder."""
        self._run, self._release, self._manifest = run, release, manifest
        self._as_of = dt.date.fromisoformat(manifest["as_of_date"])
        self._nodes = nodes_of(run)
        self._now = definitions(run)
        published_at = dt.datetime.fromisoformat(manifest["published_at"])
        self._is_erased = erased_since(run.folder, published_at)
        self._known: dict[str, _Deliveries] = {}

    def of(self, mart: str, start: dt.date, end: dt.date) -> str:
        """The reasons for a change of a mart's period, joined by commas."""
        above, period = self._upstream(mart), Interval(start, end)
        told = [
            self._deliveries(f"{node['source_name']}.{node['name']}")
            for node in (self._nodes[name] for name in above)
            if node["resource_type"] == "source" and node["source_name"] != "kith"
        ]
        found: set[Reason] = set().union(*(each.of(period) for each in told))
        if self._has_new_definition(above):
            found.add("definition")
        if not found and any(
            _lies_in(day, period) for each in told for day in each.looked_back
        ):
            found.add("correction")
        found = found or self._of_other_days(told)
        found = found or {"erasure" if self._is_erased else "unknown"}
        return ", ".join(each for each in ORDER if each in found)

    def _of_other_days(self, told: list[_Deliveries]) -> set[Reason]:
        found: set[Reason] = set().union(*(each.of(None) for each in told))
        for each in told:
            if each.rows_more_whole is not None:
                found.add("late data" if each.rows_more_whole > 0 else "correction")
        if not found and any(each.has_new_days for each in told):
            found.add("late data")
        return found

    # --- definitions ------------------------------------------------------------------

    def _upstream(self, mart: str) -> list[str]:
        """The mart's node and all before it."""
        schema, name = mart.split(".")
        waiting = [
            key
            for key, node in self._nodes.items()
            if node["resource_type"] == "model"
            and (node["schema"], node["alias"]) == (schema, name)
        ]
        seen: dict[str, None] = {}
        while waiting:
            key = waiting.pop()
            if key in self._nodes and key not in seen:
                seen[key] = None
                waiting += self._nodes[key].get("depends_on", {}).get("nodes", [])
        return list(seen)

    def _has_new_definition(self, above: list[str]) -> bool:
        then = self._manifest.get("definitions")
        if then is None:
            return False  # An earlier version of Kith published it.
        if any(then[part] != self._now[part] for part in ("shared", "company")):
            return True
        names = [key.split(".")[2] for key in above if key.startswith("model.")]
        return any(
            then["models"].get(name) != self._now["models"].get(name) for name in names
        )

    # --- deliveries -------------------------------------------------------------------

    def _deliveries(self, name: str) -> _Deliveries:
        if name not in self._known:
            self._known[name] = self._delivered(self._run.company.table(name))
        return self._known[name]

    def _delivered(self, table: SourceTable) -> _Deliveries:
        told = self._manifest["sources"].get(table.full_name, {}).get("attempts", [])
        then: dict[str, str] = dict(each.split("/") for each in told)
        deliveries = admitted_deliveries(self._run, table)
        now = {each.folder.name: str(each.report["attempt"]) for each in deliveries}
        new = {
            slug
            for slug, attempt in now.items()
            if then.get(slug) != attempt
            and not self._is_same(table, slug, attempt, then.get(slug))
        }
        counts, former = (
            self._counts(table, database)
            for database in (self._run.warehouse, self._release / "kith.duckdb")
        )
        erased = self._erased(table, deliveries)
        if not table.rules.cursor:
            # One delivery, whose rows stand at another day than those of the former.
            more = _sum(counts).more_than(_sum(former), erased.total())
            return _Deliveries(
                rows_more_whole=more if new else None,
                is_erased_whole=erased.total() > 0,
            )
        rows_more = {
            day: counts.get(day, _Counts()).more_than(
                former.get(day, _Counts()), erased[day]
            )
            for day in sorted({*counts, *former})
            if day <= self._as_of
        }
        days = {
            day: deliveries[span.number].folder.name
            for span in spans(deliveries)
            for day in _days(span.days)
            if deliveries[span.number].folder.name in new
        }
        # After an erasure the numbers of all days change, so that of those which were
        # pulled again it has to be known whether a row is another.
        changed = {
            slug
            for slug in new & then.keys()
            if not (self._is_erased and self._holds(table, slug, now[slug], then[slug]))
        }
        published = [day for day in days if day <= self._as_of]
        return _Deliveries(
            rows_more={day: rows for day, rows in rows_more.items() if rows},
            erased=frozenset(erased),
            again=frozenset(d for d in published if days[d] in changed),
            looked_back=frozenset(d for d in published if days[d] not in then),
            has_new_days=any(day > self._as_of for day in days),
        )

    def _erased(
        self, table: SourceTable, deliveries: list[Delivery]
    ) -> Counter[dt.date]:
        """By day the rows that went with who was erased since the release.

        Of a table that is delivered whole, all at one day. Rows of who was erased
        before may still come, and never counted.
        """
        if not self._is_erased:
            return Counter()
        source = self._manifest["sources"].get(table.full_name, {})
        # An earlier version of Kith has not told them.
        then = {
            dt.date.fromisoformat(day): rows
            for day, rows in source.get("suppressed_days", {}).items()
        }
        now = suppressed_rows(deliveries)
        if not table.rules.cursor:
            now, then = (
                Counter({self._as_of: sum(each.values())}) for each in (now, then)
            )
        gone = now - Counter(then)
        return Counter({day: n for day, n in gone.items() if day <= self._as_of})

    def _is_same(
        self, table: SourceTable, slug: str, attempt: str, former: str | None
    ) -> bool:
        """Whether two attempts brought the same rows, if both are still there."""
        folder = self._run.raw(table.full_name) / slug
        paths = [folder / each / "manifest.json" for each in (attempt, former or "-")]
        if not all(path.is_file() for path in paths):
            return False
        first, second = (
            [file["sha256"] for file in json.loads(path.read_text())["files"]]
            for path in paths
        )
        return bool(first == second)

    def _holds(self, table: SourceTable, slug: str, attempt: str, former: str) -> bool:
        """Whether an attempt has all rows of a former one, and perhaps late ones."""
        folder, relations = self._run.raw(table.full_name) / slug, []
        for each in (former, attempt):
            manifest = folder / each / "manifest.json"
            if not manifest.is_file():
                return False
            files = json.loads(manifest.read_text())["files"]
            paths = [manifest.with_name(file["stored"]) for file in files]
            if not paths or not all(path.is_file() for path in paths):
                return False
            rows = parquet_sql(*paths, union_by_name="true")
            relations.append(f"select hash(t) from {rows} as t")
        with connect(scratch=self._run.folder / "scratch") as connection:
            gone = connection.execute(" except all ".join(relations) + " limit 1")
            return gone.fetchone() is None

    def _counts(self, table: SourceTable, database: Path) -> dict[dt.date, _Counts]:
        """By day the rows of a table, as a candidate or a release tells it."""
        scratch = self._run.folder / "scratch"
        with connect(database, scratch=scratch, read_only=True) as connection:
            rows = connection.execute(
                "select day, row_count, quarantined_count + duplicate_count "
                "from operations.source_deliveries "
                f"where source_name = {literal(table.source)} "
                f"and table_name = {literal(table.name)}"
            ).fetchall()
        return {day: _Counts(*counts) for day, *counts in rows}


def erased_since(state: Path, moment: dt.datetime) -> bool:
    """Whether anybody was erased since a moment; `state` is the company's folder."""
    path = state / SUPPRESSED
    if not path.is_file():
        return False
    entries = json.loads(path.read_text(encoding="utf-8"))["entries"]
    times = (dt.datetime.fromisoformat(each["suppressed_at"]) for each in entries)
    return any(at.replace(tzinfo=at.tzinfo or dt.UTC) > moment for at in times)


def _sum(counts: dict[dt.date, _Counts]) -> _Counts:
    days = counts.values()
    return _Counts(sum(d.counted for d in days), sum(d.left_out for d in days))


def _days(interval: Interval) -> Iterator[dt.date]:
    first, last = interval.from_day.toordinal(), interval.to_day.toordinal()
    yield from map(dt.date.fromordinal, range(first, last + 1))


def _lies_in(day: dt.date, days: Interval | None) -> bool:
    return days is None or days.from_day <= day <= days.to_day
