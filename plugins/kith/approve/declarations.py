"""Which published numbers are compared: `restatements` in a mart's dbt `meta`.

A mart with a period either says in words why none of its numbers is compared, or lists
comparisons: at what grain, and which measures. They are declared at the grain that
people quote, and only of what a period that is over fixes.
"""

import json
from typing import Any

from pydantic import BaseModel, Field, model_validator

from kith.company.folder import PUBLISHED_SCHEMAS
from kith.database import quote
from kith.runs.run import Run

GRAINS = ("day", "month", "quarter", "year")


class Comparison(BaseModel, extra="forbid"):
    """One comparison of a mart.

    Attributes:
        period: Column with a day of the period, its first one unless `grain` says how
            long periods are.
        grain: How long a period is, or the column that says it; rows of other grains,
            such as `all`, are not compared.
        end: Instead of the grain, the column with the last day of the period.
        by: Columns that divide a period.
        where: SQL condition of the rows that count.
        measures: By name what is computed, as an SQL aggregate. A list names columns
            of a mart that has one row for each period and `by`.
        n: Which of the measures counts what the scores beside it are made of: those of
            few may change by much.
    """

    period: str
    grain: str | None = None
    end: str | None = None
    by: list[str] = Field(default_factory=list)
    where: str | None = None
    measures: dict[str, str] | list[str]
    n: str | None = None

    @model_validator(mode="after")
    def _has_a_length(self) -> "Comparison":
        if (self.grain is None) == (self.end is None):
            raise ValueError("expected either grain or end")
        if not self.measures:
            raise ValueError("measures: expected at least one")
        if self.n and self.n not in self.measures:
            raise ValueError(f"n: expected one of the measures (found {self.n!r})")
        return self

    @property
    def aggregates(self) -> dict[str, str]:
        """SQL of each measure."""
        if isinstance(self.measures, dict):
            return self.measures
        return {name: f"max({quote(name)})" for name in self.measures}

    def sql(self, relation: str, measures: list[str]) -> str:
        """The numbers of all periods of a relation, those that are not over as well.

        Columns: period_grain, period_start, period_end, one for each of `by` as text,
        and the measures.
        """
        day = f"cast({quote(self.period)} as date)"
        where = [f"({self.where})"] if self.where else []
        where.append(f"{quote(self.period)} is not null")
        if self.end:
            grain, start, end = "'days'", day, f"cast({quote(self.end)} as date)"
        elif self.grain in GRAINS:
            grain = f"'{self.grain}'"
            start = f"cast(date_trunc({grain}, {day}) as date)"
            end = _last_day(self.grain, start)
        else:
            grain, start = quote(str(self.grain)), day
            known = (f"when '{name}' then {_last_day(name, start)}" for name in GRAINS)
            end = f"case {grain} {' '.join(known)} end"
            where.append(f"{grain} in {GRAINS}")
        by = [f"cast({name} as varchar) as {name}" for name in map(quote, self.by)]
        computed = [f"{self.aggregates[name]} as {quote(name)}" for name in measures]
        columns = [
            f"{grain} as period_grain",
            f"{start} as period_start",
            f"{end} as period_end",
            *by,
        ]
        groups = ", ".join(map(str, range(1, len(columns) + 1)))
        return (
            f"select {', '.join([*columns, *computed])} from {relation} "
            f"where {' and '.join(where)} group by {groups}"
        )


def _last_day(grain: str, start: str) -> str:
    return f"cast({start} + interval 1 {grain} - interval 1 day as date)"


def comparisons(run: Run) -> dict[str, list[Comparison]]:
    """By mart, as `<schema>.<table>`, what is compared of it, as dbt last read it."""
    return {
        f"{node['schema']}.{node['alias']}": of_meta(declared)
        for node in nodes_of(run).values()
        if node["resource_type"] == "model"
        and node["schema"] in PUBLISHED_SCHEMAS
        and (declared := node["config"]["meta"].get("restatements")) is not None
    }


def of_meta(declared: Any) -> list[Comparison]:
    """What a mart declares; nothing where it says in words why not.

    Raises ValueError where it does neither.
    """
    if isinstance(declared, str):
        if not declared.startswith("not compared, because "):
            raise ValueError(
                f"restatements: expected comparisons, or 'not compared, because …' "
                f"(found {declared!r})"
            )
        return []
    return [Comparison.model_validate(each) for each in declared]


def nodes_of(run: Run) -> dict[str, Any]:
    """All nodes of dbt's project, sources among them, by their unique ids.

    None before the first build.
    """
    manifest = run.folder / "dbt" / "target" / "manifest.json"
    if not manifest.is_file():
        return {}
    known = json.loads(manifest.read_text(encoding="utf-8"))
    return {**known["sources"], **known["nodes"]}
