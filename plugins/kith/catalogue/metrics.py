"""Metrics, each defined once in dbt's semantic models, asked of a release.

MetricFlow plans the SQL; it runs on the release's file, read-only. A release carries
the definitions that were in force when it was made (`semantic_manifest.json`).
"""

import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import duckdb

from kith.build.dbt import target
from kith.errors import ConfigurationError
from kith.runs.marts import connect_release
from kith.runs.run import Run

if TYPE_CHECKING:
    from metricflow.protocols.sql_client import SqlClient

SEMANTIC_MANIFEST = "semantic_manifest.json"
GRAINS = ("day", "week", "month", "quarter", "year")
_TIME = "metric_time"


@dataclass(frozen=True)
class Metric:
    """A metric, and by which dimensions it can be asked.

    `always_by` are those by which it is always given, since it may not be pooled.
    """

    name: str
    label: str
    description: str
    dimensions: tuple[str, ...]
    always_by: tuple[str, ...]


def write_semantic_manifest(run: Run, path: Path) -> None:
    """Write the definitions of a run into a release, for the names of tables there."""
    text = (target(run) / SEMANTIC_MANIFEST).read_text(encoding="utf-8")
    manifest = json.loads(text)
    for model in manifest["semantic_models"]:
        _in_release(model["node_relation"])
    configuration = manifest["project_configuration"]
    for spine in configuration["time_spines"]:
        _in_release(spine["node_relation"])
    path.write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def _in_release(relation: dict[str, Any]) -> None:
    """Name a table as a release has it: its file is the database."""
    relation["database"] = None
    relation["relation_name"] = f'"{relation["schema_name"]}"."{relation["alias"]}"'


class Metrics:
    """The metrics of a release."""

    def __init__(self, release: Path, scratch: Path) -> None:
        """Read the definitions. Raises ConfigurationError where there are none."""
        self._database = release / "kith.duckdb"
        self._scratch = scratch
        path = release / "metadata" / SEMANTIC_MANIFEST
        if not path.is_file():
            raise ConfigurationError(
                f"{path}: not found; this release was made by an earlier Kith, which "
                "defined no metrics; run again: make run"
            )
        # They take seconds to import, and only who asks for a metric needs them.
        from metricflow.engine.metricflow_engine import MetricFlowEngine
        from metricflow.sql.render.duckdb_renderer import DuckDbSqlPlanRenderer
        from metricflow_semantics.model.dbt_manifest_parser import (
            parse_manifest_from_dbt_generated_manifest,
        )
        from metricflow_semantics.model.semantic_manifest_lookup import (
            SemanticManifestLookup,
        )

        manifest = parse_manifest_from_dbt_generated_manifest(
            path.read_text(encoding="utf-8")
        )
        self._declared = {metric.name: metric for metric in manifest.metrics}
        self._models = manifest.semantic_models
        self._engine = MetricFlowEngine(
            SemanticManifestLookup(manifest),
            cast("SqlClient", _Planner(DuckDbSqlPlanRenderer())),
        )

    @property
    def names(self) -> list[str]:
        """Names of all metrics, in the order of the alphabet."""
        return sorted(self._declared)

    def metric(self, name: str) -> Metric:
        """A metric by its name. Raises ConfigurationError where there is none."""
        if name not in self._declared:
            raise ConfigurationError(
                f"NAME={name}: no metric; there are {', '.join(self.names)}"
            )
        declared = self._declared[name]
        meta = declared.config.meta if declared.config else {}
        always = tuple(str(meta["by"]).split(",")) if "by" in meta else ()
        return Metric(
            name,
            declared.label or name,
            declared.description or "",
            tuple(self._dimensions(name)),
            always,
        )

    def sql(
        self,
        name: str,
        by: list[str],
        from_day: dt.date | None = None,
        to_day: dt.date | None = None,
    ) -> str:
        """SQL of a metric by some dimensions, of days from and to, both included.

        Raises ConfigurationError naming what there is, and where the metric is not
        known of these days: by the month, or of the as-of date alone.
        """
        from metricflow.engine.metricflow_engine import MetricFlowQueryRequest
        from metricflow_semantics.errors.error_classes import InvalidQueryException

        metric = self.metric(name)
        asked = [*by, *(each for each in metric.always_by if each not in by)]
        known = self._dimensions(name)
        for each in asked:
            if each not in known:
                raise ConfigurationError(
                    f"BY={each}: {name} has no such dimension; it has "
                    f"{', '.join(metric.dimensions)}"
                )
        if twice := [each for each in dict.fromkeys(by) if by.count(each) > 1]:
            raise ConfigurationError(f"BY={','.join(by)}: {twice[0]} is named twice")
        groups = [known[each] for each in asked]
        try:
            planned = self._engine.explain(
                MetricFlowQueryRequest.create(
                    metric_names=[name],
                    group_by_names=groups or None,
                    order_by_names=groups or None,
                    # Not its own constraint of time: that takes whole months where
                    # a metric is asked by the month.
                    where_constraints=self._days(name, known, from_day, to_day),
                )
            )
        except InvalidQueryException as error:
            raise ConfigurationError(
                f"NAME={name} BY={','.join(asked)}: MetricFlow cannot plan this "
                f"({' '.join(str(error).split())[:300]})"
            ) from None
        return str(planned.sql_statement.sql)

    def table(self, *asked: Any) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Headings and rows of a metric; arguments as those of `sql`.

        Raises ConfigurationError where a mart that it reads is empty: 0 complaints in
        100 orders would be told where nobody hears of complaints.
        """
        query = self.sql(*asked)
        marts = [model.node_relation for model in self._models_of(asked[0])]
        with connect_release(self._database, scratch=self._scratch) as connection:
            try:
                for mart in marts:
                    rows = connection.execute(f"from {mart.relation_name} limit 1")
                    if not rows.fetchall():
                        raise ConfigurationError(
                            f"NAME={asked[0]}: no row in {mart.schema_name}."
                            f"{mart.alias}, from which it is computed; no source "
                            "brings such data"
                        )
                answer = connection.execute(query)
            except (duckdb.BinderException, duckdb.CatalogException) as error:
                raise ConfigurationError(
                    f"{self._database}: lacks what the metric reads "
                    f"({str(error).splitlines()[0]}); run again: make run"
                ) from None
            headings = [
                column[0].removeprefix(f"{_TIME}__").rpartition("__")[2]
                for column in answer.description or []
            ]
            return headings, answer.fetchall()

    def _days(
        self,
        name: str,
        dimensions: dict[str, str],
        from_day: dt.date | None,
        to_day: dt.date | None,
    ) -> list[str]:
        """MetricFlow's filters of the days that are asked for."""
        if from_day and to_day and from_day > to_day:
            raise ConfigurationError(
                f"FROM={from_day} TO={to_day}: expected FROM not after TO"
            )
        asked = [("FROM", ">=", from_day), ("TO", "<=", to_day)]
        if (from_day or to_day) and self._is_of_the_end(name):
            raise ConfigurationError(
                f"FROM, TO: {name} tells how all stand on the release's as-of date; "
                "ask without them"
            )
        finest = next(grain for grain in GRAINS if grain in dimensions)
        filters = []
        for key, operator, day in asked:
            if day is None:
                continue
            begin = day.replace(day=1)
            last = (begin + dt.timedelta(31)).replace(day=1) - dt.timedelta(1)
            whole = begin if key == "FROM" else last
            if finest == "month" and day != whole:
                raise ConfigurationError(
                    f"{key}={day}: {name} is counted by whole months; expected "
                    f"{'the first' if key == 'FROM' else 'the last'} day of one, such "
                    f"as {whole}"
                )
            filters.append(
                f"{{{{ TimeDimension('{_TIME}', '{finest}') }}}} {operator} '{day}'"
            )
        return filters

    def _is_of_the_end(self, name: str) -> bool:
        """Whether what a metric is made of has no time but the as-of date."""
        return any(
            model.defaults and model.defaults.agg_time_dimension == "as_of_date"
            for model in self._models_of(name)
        )

    def _models_of(self, name: str) -> list[Any]:
        """The semantic models whose measures a metric is made of."""
        measures = {measure.name for measure in self._declared[name].input_measures}
        return [
            model
            for model in self._models
            if measures & {measure.name for measure in model.measures}
        ]

    def _dimensions(self, name: str) -> dict[str, str]:
        """Dimensions by their short name, as MetricFlow knows them; grains of time."""
        found: dict[str, str] = {}
        for dimension in self._engine.simple_dimensions_for_metrics([name]):
            full = dimension.dunder_name
            if dimension.name == _TIME:
                finest = GRAINS.index(full.rpartition("__")[2])
                found |= {grain: f"{_TIME}__{grain}" for grain in GRAINS[finest:]}
            elif dimension.type.value == "categorical":
                found[dimension.name] = full
        return found


class _Planner:
    """What MetricFlow's engine needs to plan SQL; Kith itself runs it."""

    def __init__(self, renderer: Any) -> None:
        self.sql_plan_renderer = renderer
        self.sql_engine_type = renderer.expr_renderer.sql_engine
