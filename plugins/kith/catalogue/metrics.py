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
from kith.database import connect
from kith.errors import ConfigurationError
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

        Raises ConfigurationError naming what there is.
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
        groups = [known[each] for each in asked]
        try:
            planned = self._engine.explain(
                MetricFlowQueryRequest.create(
                    metric_names=[name],
                    group_by_names=groups or None,
                    order_by_names=groups or None,
                    time_constraint_start=_midnight(from_day),
                    time_constraint_end=_midnight(to_day),
                )
            )
        except InvalidQueryException as error:
            raise ConfigurationError(
                f"NAME={name} BY={','.join(asked)}: MetricFlow cannot plan this "
                f"({' '.join(str(error).split())[:300]})"
            ) from None
        return str(planned.sql_statement.sql)

    def table(self, *asked: Any) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Headings and rows of a metric; arguments as those of `sql`."""
        with connect(
            self._database, scratch=self._scratch, read_only=True
        ) as connection:
            try:
                answer = connection.execute(self.sql(*asked))
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


def _midnight(day: dt.date | None) -> dt.datetime | None:
    return dt.datetime.combine(day, dt.time()) if day else None


class _Planner:
    """What MetricFlow's engine needs to plan SQL; Kith itself runs it."""

    def __init__(self, renderer: Any) -> None:
        self.sql_plan_renderer = renderer
        self.sql_engine_type = renderer.expr_renderer.sql_engine
