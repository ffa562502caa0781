"""Numbers of closed periods that differ between the current release and the candidate.

A period is closed where the release covers it whole: its last day lies no later than
the release's as-of date. What came before the first period of the release is no
restatement either: it was not loaded then.
"""

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from decimal import Context, Decimal
from pathlib import Path
from typing import Any

import duckdb
from pydantic import BaseModel, ConfigDict

from kith.approve.declarations import Comparison
from kith.database import connect, literal
from kith.runs.marts import attach_release
from kith.storage import sha256_of

# Doubles that differ by less are one number, computed in another order.
TOLERANCE = 1e-9
# Beside the database of a release from which rows were erased since: its numbers as
# they were published.
NUMBERS = "numbers.json"
_PLACES = Decimal(10) ** -9
_CONTEXT = Context(prec=60)
_MISSING = (duckdb.BinderException, duckdb.CatalogException)
_Key = tuple[str, dt.date, dt.date, tuple[str | None, ...]]


class Number(BaseModel):
    """A published number, and what it is now.

    `dimensions` is a JSON object of the columns that divide the period. A number that
    is not there is None; it counts as 0.
    """

    model_config = ConfigDict(frozen=True)

    mart: str
    period_grain: str
    period_start: dt.date
    period_end: dt.date
    dimensions: str
    measure: str
    old_value: Decimal | None
    new_value: Decimal | None


class Change(Number):
    """A published number that is another one now.

    `base` is the largest number of the measure in the period, before or now; `n` counts
    what a score is made of, where that is known.
    """

    base: Decimal
    n: Decimal | None = None

    @property
    def difference(self) -> Decimal:
        """New less old."""
        return (self.new_value or Decimal(0)) - (self.old_value or Decimal(0))

    @property
    def change_pct(self) -> float:
        """The difference in per cent of the base, 100 where that is 0."""
        return float(100 * abs(self.difference) / self.base) if self.base else 100.0

    @property
    def sort_key(self) -> tuple[Any, ...]:
        """The biggest first, and of equal ones always the same order."""
        told = (self.mart, self.period_start, self.period_grain, self.dimensions)
        return (-self.change_pct, *told, self.measure)


def find_changes(
    release: Path,
    candidate: Path,
    as_of: dt.date,
    declared: dict[str, list[Comparison]],
    scratch: Path,
) -> list[Change]:
    """Compare two DuckDB files; `as_of` is that of the release. The biggest first."""
    found: list[Change] = []
    kept = _kept_numbers(release.parent)
    with connect(scratch=scratch) as connection:
        attach_release(connection, release, "release")
        connection.execute(f"attach {literal(str(candidate))} as candidate (read_only)")
        for mart, comparisons in declared.items():
            for comparison in comparisons:
                found += _compared(connection, mart, comparison, as_of, kept)
    return sorted(found, key=lambda change: change.sort_key)


def keep_numbers(
    release: Path, folder: Path, declared: dict[str, list[Comparison]], scratch: Path
) -> None:
    """Keep the numbers of a release's database in a folder: rows of it are to go.

    `make erase` calls it: what readers were told then is compared with the next
    release, and not what the rows that are left add up to.
    """
    kept: dict[str, list[list[Any]]] = {}
    with connect(scratch=scratch) as connection:
        attach_release(connection, release, "release")
        for mart, comparisons in declared.items():
            for comparison in comparisons:
                for measure in comparison.aggregates:
                    query = comparison.sql(f"release.{mart}", [measure])
                    with suppress(*_MISSING):
                        rows = connection.execute(query).fetchall()
                        kept[query] = [list(map(_as_json, row)) for row in rows]
    if kept:
        text = json.dumps(kept, ensure_ascii=False)
        (folder / NUMBERS).write_text(text, encoding="utf-8")


def _as_json(value: Any) -> Any:
    """A double as a number, whatever else as text."""
    return value if value is None or isinstance(value, float) else str(value)


def _kept_numbers(folder: Path) -> dict[str, dict[_Key, Any]]:
    """By the query of one measure its numbers, of a release from which rows went."""
    path = folder / NUMBERS
    if not path.is_file():
        return {}
    kept: dict[str, list[list[Any]]] = json.loads(path.read_text(encoding="utf-8"))
    return {
        query: {
            (
                grain,
                dt.date.fromisoformat(start),
                dt.date.fromisoformat(end),
                tuple(parts),
            ): Decimal(value) if isinstance(value, str) else value
            for grain, start, end, *parts, value in rows
            if end is not None
        }
        for query, rows in kept.items()
    }


def digest_of(changes: Iterable[Change]) -> str:
    """Hash of a list of changes: the same as long as each number is the same."""
    rows = [{**dict(each), "base": None, "n": None} for each in changes]
    return sha256_of(sorted(map(str, rows)))[:16]


def _compared(
    connection: duckdb.DuckDBPyConnection,
    mart: str,
    comparison: Comparison,
    as_of: dt.date,
    kept: dict[str, dict[_Key, Any]],
) -> list[Change]:
    measures = _measures_of_both(connection, mart, comparison)
    if not measures:
        return []
    before, after = (
        _numbers(connection, f"{name}.{mart}", comparison, measures)
        for name in ("release", "candidate")
    )
    for measure in measures:
        query = comparison.sql(f"release.{mart}", [measure])
        for key, value in kept.get(query, {}).items():
            before.setdefault(key, {})[measure] = value
    if not before:
        return []
    first = min(start for _, start, _, _ in before)
    closed = [
        key
        for key in {**before, **after}
        if first <= key[1] and key[2] is not None and key[2] <= as_of
    ]
    bases: dict[tuple[str, dt.date, str], Decimal] = defaultdict(Decimal)
    for key in closed:
        for measure in measures:
            for numbers in (before, after):
                value = _exact(numbers.get(key, {}).get(measure))
                place = (key[0], key[1], measure)
                bases[place] = max(bases[place], abs(value or Decimal(0)))
    changes = []
    for key in closed:
        grain, start, end, parts = key
        told = dict(zip(comparison.by, parts, strict=True))
        counts = (
            _exact(f.get(key, {}).get(comparison.n or "")) for f in (before, after)
        )
        n = max((count for count in counts if count is not None), default=None)
        for measure in measures:
            old = before.get(key, {}).get(measure)
            new = after.get(key, {}).get(measure)
            if not is_same(old, new):
                changes.append(
                    Change(
                        mart=mart,
                        period_grain=grain,
                        period_start=start,
                        period_end=end,
                        dimensions=json.dumps(told, ensure_ascii=False),
                        measure=measure,
                        old_value=_exact(old),
                        new_value=_exact(new),
                        base=bases[grain, start, measure],
                        n=n,
                    )
                )
    return changes


def _measures_of_both(
    connection: duckdb.DuckDBPyConnection, mart: str, comparison: Comparison
) -> list[str]:
    """Measures that both files can tell: a new one has never been published."""

    def is_known(measures: list[str]) -> bool:
        try:
            for name in ("release", "candidate"):
                query = comparison.sql(f"{name}.{mart}", measures)
                connection.execute(f"describe {query}")
        except _MISSING:
            return False
        return True

    every = list(comparison.aggregates)
    return every if is_known(every) else [name for name in every if is_known([name])]


def _numbers(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    comparison: Comparison,
    measures: list[str],
) -> dict[_Key, dict[str, Any]]:
    count = len(comparison.by)
    return {
        (grain, start, end, tuple(values[:count])): dict(
            zip(measures, values[count:], strict=True)
        )
        for grain, start, end, *values in connection.execute(
            comparison.sql(relation, measures)
        ).fetchall()
    }


def is_same(old: Any, new: Any) -> bool:
    """Whether two numbers are one: exactly, but for the noise of doubles."""
    if old is None or new is None:
        return old is new
    if isinstance(old, float) or isinstance(new, float):
        largest = max(abs(old), abs(new))
        # What the mart would show as one number is one.
        return abs(float(old) - float(new)) <= TOLERANCE * float(largest) or (
            _exact(old) == _exact(new)
        )
    return bool(old == new)


def _exact(value: Any) -> Decimal | None:
    """A number as the mart holds it, with nine decimals."""
    return None if value is None else Decimal(value).quantize(_PLACES, context=_CONTEXT)
