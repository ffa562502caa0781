"""Why a published number has changed, as far as deliveries and code tell.

- `late data`: more rows of a day of the period count now.
- `correction`: fewer of them do, since some are gone or came again with another day; or
  as many, where the same days were pulled again and say something else.
- `definition`: the SQL of the mart or of a model before it, a macro, a seed, Python
  that computes, or what the company declares is not what it was.
- `erasure`: a person was erased since.

What nothing of this explains comes with days that a later look-back delivered again,
or with other days: with a record that is dated by its change, or whatever makes two
customers one. It is told in the same way of these, is `late data` where only new days
came, and else `unknown`.
"""

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from kith.approve.declarations import nodes_of
from kith.build.dbt import DBT_PROJECT, dbt_vars
from kith.build.unfinished import definitions_of
from kith.company.folder import Company
from kith.company.tables import SourceTable
from kith.database import connect, literal
from kith.deliveries.admitted import admitted_deliveries, declaration_id, spans
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
    changed by how many. `again` are published days whose very interval was pulled again
    with other content, `looked_back` those that came again with another interval.
    `rows_more_whole` is set of a table that is delivered whole, where that is new.
    """

    rows_more: dict[dt.date, int] = field(default_factory=dict)
    again: frozenset[dt.date] = frozenset()
    looked_back: frozenset[dt.date] = frozenset()
    has_new_days: bool = False
    rows_more_whole: int | None = None

    def of(self, days: Interval | None) -> set[Reason]:
        """What is told of days, or of all that were published."""
        found: set[Reason] = set()
        for day, rows in self.rows_more.items():
            if _lies_in(day, days):
                found.add("late data" if rows > 0 else "correction")
        if not found and any(_lies_in(day, days) for day in self.again):
            found.add("correction")
        return found


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
        if self._is_erased:
            found.add("erasure")
        if not found and any(
            _lies_in(day, period) for each in told for day in each.looked_back
        ):
            found.add("correction")
        found = found or self._of_other_days(told) or {"unknown"}
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
        counts, counted = (
            self._counts(table, database)
            for database in (self._run.warehouse, self._release / "kith.duckdb")
        )
        if not table.rules.cursor:
            more = sum(counts.values()) - sum(counted.values())
            return _Deliveries(rows_more_whole=more if new else None)
        days = {
            day: deliveries[span.number].folder.name
            for span in spans(deliveries)
            for day in _days(span.days)
            if deliveries[span.number].folder.name in new
        }
        published = [day for day in days if day <= self._as_of]
        return _Deliveries(
            rows_more={
                day: counts.get(day, 0) - counted.get(day, 0)
                for day in sorted({*counts, *counted})
                if day <= self._as_of and counts.get(day, 0) != counted.get(day, 0)
            },
            again=frozenset(d for d in published if days[d] in then),
            looked_back=frozenset(d for d in published if days[d] not in then),
            has_new_days=any(day > self._as_of for day in days),
        )

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

    def _counts(self, table: SourceTable, database: Path) -> dict[dt.date, int]:
        """By day the rows that count, as a candidate or a release tells it."""
        scratch = self._run.folder / "scratch"
        with connect(database, scratch=scratch, read_only=True) as connection:
            return dict(
                connection.execute(
                    "select day, cast(coalesce(sum(row_count), 0) as bigint) "
                    "from operations.source_deliveries "
                    f"where source_name = {literal(table.source)} "
                    f"and table_name = {literal(table.name)} group by day"
                ).fetchall()
            )


def erased_since(state: Path, moment: dt.datetime) -> bool:
    """Whether anybody was erased since a moment; `state` is the company's folder."""
    path = state / SUPPRESSED
    if not path.is_file():
        return False
    entries = json.loads(path.read_text(encoding="utf-8"))["entries"]
    times = (dt.datetime.fromisoformat(each["suppressed_at"]) for each in entries)
    return any(at.replace(tzinfo=at.tzinfo or dt.UTC) > moment for at in times)


def _days(interval: Interval) -> Iterator[dt.date]:
    first, last = interval.from_day.toordinal(), interval.to_day.toordinal()
    yield from map(dt.date.fromordinal, range(first, last + 1))


def _lies_in(day: dt.date, days: Interval | None) -> bool:
    return days is None or days.from_day <= day <= days.to_day
