"""Dashboards as Superset's own importable YAML, for one release and place of its marts.

Everything has an id that follows from company, place and name, so that an import
replaces what an earlier one brought, and two companies lie beside one another.
"""

import io
import json
import uuid
import zipfile
from collections.abc import Iterator
from typing import Any, Literal

import yaml

from kith.dashboards.contents import STAMP, Column, Contents, Mart
from kith.dashboards.declared import COLUMNS, HEIGHT, Chart, Dashboard
from kith.dashboards.faults import PERSONS, faults_of
from kith.dashboards.metrics import Metric
from kith.dashboards.places import Place
from kith.errors import ConfigurationError
from kith.publish.audiences import FEWEST_PERSONS

VERSION = "1.0.0"
_SPACE = uuid.uuid5(uuid.NAMESPACE_URL, "kith/dashboards")
_GRAINS = {"day": "P1D", "month": "P1M", "quarter": "P3M", "year": "P1Y"}
_KINDS = {
    "number": "big_number_total",
    "line": "echarts_timeseries_line",
    "area": "echarts_area",
    "bars": "echarts_timeseries_bar",
    "ranking": "echarts_timeseries_bar",
    "table": "table",
    "heatmap": "heatmap_v2",
}
_HEIGHTS = {"number": 17}
_STAMP_HEIGHT = 16
_STAMP_COLUMNS = ("data_as_of", "published_at", "release_id", "checks_passed")
# How often a page that stays open asks again, in seconds.
REFRESH_SECONDS = 300

Bundle = dict[str, dict[str, Any]]


def bundle(
    contents: Contents, place: Place, dashboards: dict[str, Dashboard]
) -> Bundle:
    """The files of an import by their paths, without `metadata.yaml`.

    Charts of marts that the place does not have are left out.

    Raises ConfigurationError where a chart asks for what the release does not have.
    """
    if place.key != "file":
        missing = {name for name, mart in contents.marts.items() if mart.is_view}
        dashboards = {name: each.without(missing) for name, each in dashboards.items()}
    made = _Maker(contents, place)
    return dict(made.files(dashboards))


def packed(files: Bundle, kind: Literal["Dashboard", "assets"] = "Dashboard") -> bytes:
    """A ZIP that Superset imports: by its page (Dashboard), or by its API (assets)."""
    metadata = {"version": VERSION, "type": kind, "timestamp": "2000-01-01T00:00:00"}
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, each in {"metadata.yaml": metadata, **files}.items():
            # libyaml's: Python's own takes ten times as long.
            text = yaml.dump(
                each, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True
            )
            # Of a fixed time, so that the same dashboards are the same bytes.
            archive.writestr(zipfile.ZipInfo(f"kith/{name}"), text)
    return content.getvalue()


def slug(company: str, place: Place, name: str) -> str:
    """The last part of a dashboard's address."""
    return f"{company}-{name}" + (f"-{place.key}" if place.key != "file" else "")


class _Maker:
    def __init__(self, contents: Contents, place: Place) -> None:
        self._contents, self._place = contents, place
        self._metrics = {
            mart: known.metrics for mart, known in contents.metrics.items()
        }

    def _id(self, kind: str, name: str) -> str:
        key = f"{self._contents.company}/{self._place.key}/{kind}/{name}"
        return str(uuid.uuid5(_SPACE, key))

    def files(self, dashboards: dict[str, Dashboard]) -> Iterator[tuple[str, Any]]:
        contents, place = self._contents, self._place
        for name, dashboard in dashboards.items():
            if faults := faults_of(dashboard, contents.marts, self._metrics):
                raise ConfigurationError(
                    f"dashboard {name}: {'; '.join(faults[:3])}; expected columns and "
                    "metrics of the release; see docs/superset.md"
                )
        database = f"{contents.company}_{place.key}"
        yield f"databases/{database}.yaml", self._database()
        used = {STAMP}
        for dashboard in dashboards.values():
            used |= {chart.mart for chart in dashboard.charts.values()}
            used |= {each.mart for each in dashboard.filters}
        for mart in sorted(used):
            # Superset passes over files whose names begin with an underscore.
            file = f"{mart.replace('.', '_').lstrip('_')}.yaml"
            yield f"datasets/{database}/{file}", self._dataset(mart)
        for name, dashboard in dashboards.items():
            for key, chart in dashboard.charts.items():
                chart_name = f"{name}/{key}"
                yield (
                    f"charts/{database}_{name}_{key}.yaml",
                    self._chart(chart_name, chart),
                )
            yield f"charts/{database}_{name}{STAMP}.yaml", self._stamp_chart(name)
            yield f"dashboards/{database}_{name}.yaml", self._dashboard(name, dashboard)

    def _database(self) -> dict[str, Any]:
        place = self._place
        return {
            "database_name": f"{self._contents.title} ({place.title})",
            "sqlalchemy_uri": place.uri,
            "cache_timeout": None,
            "expose_in_sqllab": True,
            "allow_run_async": False,
            "allow_ctas": False,
            "allow_cvas": False,
            "allow_dml": False,
            "allow_csv_upload": False,
            "extra": {
                "engine_params": (
                    {"connect_args": place.connect_args} if place.connect_args else {}
                ),
                "metadata_params": {},
                "metadata_cache_timeout": {},
                "schemas_allowed_for_csv_upload": [],
                "allows_virtual_table_explore": True,
            },
            "uuid": self._id("database", ""),
            "version": VERSION,
        }

    def _dataset(self, mart: str) -> dict[str, Any]:
        schema, _, table = mart.rpartition(".")
        known = self._contents.marts[mart]
        metrics = self._contents.metrics.get(mart)
        return {
            "table_name": table,
            "main_dttm_col": metrics.time if metrics else None,
            "description": known.description or None,
            "default_endpoint": None,
            "offset": 0,
            "cache_timeout": None,
            "catalog": None,
            "schema": (
                self._place.schemas[schema] if schema else self._place.stamp_schema
            ),
            "sql": None,
            "params": None,
            "template_params": None,
            "filter_select_enabled": True,
            "fetch_values_predicate": None,
            "extra": None,
            "metrics": [
                self._saved_metric(metric)
                for metric in self._metrics.get(mart, {}).values()
            ],
            "columns": [
                _column(name, column) for name, column in known.columns.items()
            ],
            "uuid": self._id("dataset", mart),
            "version": VERSION,
            "database_uuid": self._id("database", ""),
        }

    def _saved_metric(self, metric: Metric) -> dict[str, Any]:
        label, description = self._contents.metric_texts[metric.name]
        return {
            "metric_name": metric.name,
            "verbose_name": label,
            "metric_type": None,
            "expression": metric.sql,
            "description": description,
            "d3format": None,
            "extra": {},
            "warning_text": None,
        }

    def _chart(self, name: str, chart: Chart) -> dict[str, Any]:
        mart = self._contents.marts[chart.mart]
        title = chart.title.replace("{currency}", self._contents.currency)
        conditions = _conditions(chart, mart)
        params = {
            "viz_type": _KINDS[chart.kind],
            "datasource": "1__table",  # Superset puts its own in.
            "adhoc_filters": [_filter(*each) for each in conditions],
            "row_limit": chart.limit,
            "color_scheme": "supersetColors",
            **_params(chart, mart),
        }
        time = self._time(chart)
        if time:
            params["adhoc_filters"].append(_time_filter(time))
        query = _query(chart, mart, conditions)
        return self._saved(name, title, chart.description, chart.mart, params, query)

    def _stamp_chart(self, name: str) -> dict[str, Any]:
        columns = list(_STAMP_COLUMNS)
        params = {
            "viz_type": "table",
            "datasource": "1__table",
            "query_mode": "raw",
            "all_columns": columns,
            "adhoc_filters": [],
            # More than there are, or its page warns that some may be missing.
            "row_limit": 10,
            "show_cell_bars": False,
            "column_config": _time_formats(self._contents.marts[STAMP].columns),
        }
        query = {"columns": columns, "metrics": None, "row_limit": 10, "filters": []}
        return self._saved(
            f"{name}/{STAMP}",
            "Release that the charts show (times in UTC)",
            "Each chart reads the release that is current when it asks.",
            STAMP,
            params,
            query,
        )

    def _saved(
        self,
        name: str,
        title: str,
        description: str,
        dataset: str,
        params: dict[str, Any],
        query: dict[str, Any],
    ) -> dict[str, Any]:
        context = {
            "datasource": {"id": 1, "type": "table"},
            "force": False,
            "queries": [query],
            "form_data": params,
            "result_format": "json",
            "result_type": "full",
        }
        return {
            "slice_name": title,
            "description": description or None,
            "certified_by": None,
            "certification_details": None,
            "viz_type": params["viz_type"],
            "params": params,
            "query_context": json.dumps(context),
            "cache_timeout": None,
            "uuid": self._id("chart", name),
            "version": VERSION,
            "dataset_uuid": self._id("dataset", dataset),
        }

    def _time(self, chart: Chart) -> str | None:
        """The column to which a choice of period applies."""
        if chart.time:
            return chart.time
        mart = self._contents.marts[chart.mart]
        return chart.x if chart.x and mart.columns[chart.x].is_time else None

    def _dashboard(self, name: str, dashboard: Dashboard) -> dict[str, Any]:
        company, place = self._contents.company, self._place
        where = f" ({place.title})" if place.key != "file" else ""
        return {
            "dashboard_title": f"{dashboard.title} — {self._contents.title}{where}",
            "description": dashboard.description,
            "css": "",
            "slug": slug(company, place, name),
            "certified_by": None,
            "certification_details": None,
            "published": True,
            "uuid": self._id("dashboard", name),
            "position": self._position(name, dashboard),
            "metadata": {
                "color_scheme": "supersetColors",
                "refresh_frequency": REFRESH_SECONDS,
                "cross_filters_enabled": True,
                "filter_bar_orientation": "HORIZONTAL",
                "native_filter_configuration": self._filters(name, dashboard),
                "expanded_slices": {},
                "timed_refresh_immune_slices": [],
                "label_colors": {},
            },
            "version": VERSION,
        }

    def _position(self, name: str, dashboard: Dashboard) -> dict[str, Any]:
        text = {
            "type": "MARKDOWN",
            "id": "MARKDOWN-about",
            "children": [],
            "meta": {
                "width": 4,
                "height": _STAMP_HEIGHT,
                "code": f"{dashboard.description}\n\nGroups of fewer than "
                f"{FEWEST_PERSONS} persons are left out.",
            },
        }
        number = len(dashboard.charts) + 1
        stamp = self._cell(f"{name}/{STAMP}", number, 8, _STAMP_HEIGHT)
        rows: list[list[dict[str, Any]]] = [[text, stamp]]
        room = 0
        for number, (key, chart) in enumerate(dashboard.charts.items(), 1):
            if chart.width > room:
                rows.append([])
                room = COLUMNS
            room -= chart.width
            height = chart.height or _HEIGHTS.get(chart.kind, HEIGHT)
            rows[-1].append(self._cell(f"{name}/{key}", number, chart.width, height))
        position: dict[str, Any] = {
            "DASHBOARD_VERSION_KEY": "v2",
            "ROOT_ID": {"type": "ROOT", "id": "ROOT_ID", "children": ["GRID_ID"]},
            "GRID_ID": {
                "type": "GRID",
                "id": "GRID_ID",
                "children": [f"ROW-{number}" for number in range(len(rows))],
                "parents": ["ROOT_ID"],
            },
            "HEADER_ID": {
                "type": "HEADER",
                "id": "HEADER_ID",
                "meta": {"text": dashboard.title},
            },
        }
        for number, cells in enumerate(rows):
            row = f"ROW-{number}"
            position[row] = {
                "type": "ROW",
                "id": row,
                "children": [cell["id"] for cell in cells],
                "meta": {"background": "BACKGROUND_TRANSPARENT"},
                "parents": ["ROOT_ID", "GRID_ID"],
            }
            for cell in cells:
                position[cell["id"]] = {
                    **cell,
                    "parents": ["ROOT_ID", "GRID_ID", row],
                }
        return position

    def _cell(self, name: str, number: int, width: int, height: int) -> dict[str, Any]:
        """A chart's place on its dashboard; `number` tells it from the others there."""
        key = self._id("chart", name)
        return {
            "type": "CHART",
            "id": f"CHART-{key}",
            "children": [],
            "meta": {
                "chartId": number,
                "uuid": key,
                "width": width,
                "height": height,
            },
        }

    def _filters(self, name: str, dashboard: Dashboard) -> list[dict[str, Any]]:
        numbers = dict(zip(dashboard.charts, range(1, 1000), strict=False))
        stamp = len(numbers) + 1
        timeless = [
            number
            for key, number in numbers.items()
            if not self._time(dashboard.charts[key])
        ]
        found = [
            self._native_filter(
                f"{name}/period", "Period", "filter_time", {}, [*timeless, stamp]
            )
        ]
        for each in dashboard.filters:
            others = [
                number
                for key, number in numbers.items()
                if dashboard.charts[key].mart != each.mart
            ]
            target = {
                "column": {"name": each.column},
                "datasetUuid": self._id("dataset", each.mart),
            }
            found.append(
                self._native_filter(
                    f"{name}/{each.column}",
                    *(each.title, "filter_select", target, [*others, stamp]),
                )
            )
        return found

    def _native_filter(
        self,
        name: str,
        title: str,
        kind: str,
        target: dict[str, Any],
        excluded: list[int],
    ) -> dict[str, Any]:
        return {
            "id": f"NATIVE_FILTER-{self._id('filter', name)}",
            "name": title,
            "filterType": kind,
            "type": "NATIVE_FILTER",
            "description": "",
            "targets": [target],
            "controlValues": {"enableEmptyFilter": False, "multiSelect": True},
            "defaultDataMask": {
                "extraFormData": {},
                "filterState": {},
                "ownState": {},
            },
            "cascadeParentIds": [],
            "scope": {"rootPath": ["ROOT_ID"], "excluded": excluded},
        }


def _column(name: str, column: Column) -> dict[str, Any]:
    return {
        "column_name": name,
        "verbose_name": column.label,
        "is_dttm": column.is_time,
        "is_active": True,
        "type": column.kind,
        "groupby": True,
        "filterable": True,
        "expression": None,
        "description": column.description or None,
        "python_date_format": None,
        "extra": {},
    }


def _conditions(chart: Chart, mart: Mart) -> list[tuple[str, str]]:
    """Clause and SQL of what a chart is narrowed to, small groups left out."""
    found = [("WHERE", chart.where)] if chart.where else []
    if not chart.columns:
        return found
    if mart.is_about_persons:
        found.append(("HAVING", f"{chart.persons or PERSONS} >= {FEWEST_PERSONS}"))
    for size in mart.group_sizes:
        # The largest of its rows: whoever is in it is in the group.
        most = f"coalesce(max({size}), 0)"
        found.append(("HAVING", f"({most} = 0 or {most} >= {FEWEST_PERSONS})"))
    return found


def _filter(clause: str, sql: str) -> dict[str, Any]:
    return {"expressionType": "SQL", "clause": clause, "sqlExpression": sql}


def _time_filter(column: str) -> dict[str, Any]:
    return {
        "expressionType": "SIMPLE",
        "clause": "WHERE",
        "subject": column,
        "operator": "TEMPORAL_RANGE",
        "comparator": "No filter",
    }


def _metric(metric: tuple[str, str | None]) -> Any:
    """A metric as Superset's forms have it: a saved one by its name."""
    label, sql = metric
    if sql is None:
        return label
    return {
        "expressionType": "SQL",
        "sqlExpression": sql,
        "label": label,
        "hasCustomLabel": True,
        "optionName": f"metric_{uuid.uuid5(_SPACE, f'{label} {sql}').hex[:11]}",
    }


def _metrics(chart: Chart) -> list[Any]:
    pairs: list[tuple[str, str | None]] = []
    for each in chart.metrics:
        pairs += [(each, None)] if isinstance(each, str) else each.items()
    return [_metric(pair) for pair in pairs]


def _label(metric: Any) -> str:
    return str(metric if isinstance(metric, str) else metric["label"])


def _order(chart: Chart) -> Any:
    """By which metric a table or a ranking is sorted, the largest first."""
    if chart.sort:
        return _metric((f"Latest {chart.sort}", f"max({chart.sort})"))
    return _metrics(chart)[0]


def _params(chart: Chart, mart: Mart) -> dict[str, Any]:
    """What a kind of chart is told of its look, in Superset's words."""
    metrics = _metrics(chart)
    if chart.kind == "number":
        return {
            "metric": metrics[0],
            "y_axis_format": chart.format,
            "header_font_size": 0.5,
        }
    if chart.kind == "table":
        formats = {_label(each): chart.format for each in metrics} | chart.formats
        return {
            "query_mode": "aggregate",
            "groupby": chart.by,
            "metrics": metrics,
            "timeseries_limit_metric": _order(chart),
            "order_desc": True,
            "show_cell_bars": False,
            "column_config": {
                **{label: {"d3NumberFormat": form} for label, form in formats.items()},
                **_time_formats({by: mart.columns[by] for by in chart.by}),
            },
        }
    is_time = chart.x is not None and mart.columns[chart.x].is_time
    common = {
        "x_axis": chart.x,
        "time_grain_sqla": _GRAINS[chart.grain] if chart.grain else None,
        "y_axis_format": chart.format,
        "x_axis_time_format": "%Y-%m-%d" if chart.grain == "day" else "%Y-%m",
    }
    if chart.kind == "heatmap":
        return common | {
            "groupby": chart.by[0],
            "metric": metrics[0],
            "sort_x_axis": "alpha_asc",
            "sort_y_axis": "alpha_desc",
            "normalize_across": "heatmap",
            "legend_type": "continuous",
            "linear_color_scheme": "superset_seq_1",
            "show_legend": False,
            "show_values": True,
            "xscale_interval": 1,
            "yscale_interval": 1,
            "left_margin": "auto",
            "bottom_margin": "auto",
            "value_bounds": [None, None],
        }
    return common | {
        "metrics": metrics,
        "groupby": chart.by,
        "order_desc": True,
        "truncate_metric": True,
        "show_legend": bool(chart.by) or len(metrics) > 1,
        "legendType": "scroll",
        "legendOrientation": "top",
        "rich_tooltip": True,
        "tooltipTimeFormat": "%Y-%m-%d",
        "stack": "Stack" if chart.stacked else None,
        "markerEnabled": chart.kind == "line",
        "markerSize": 5,
        "show_value": chart.kind == "ranking" and not chart.by,
        **_axis(chart, metrics, is_time),
    }


def _time_formats(columns: dict[str, Column]) -> dict[str, dict[str, str]]:
    """Days as days, instants to the minute."""
    return {
        name: {
            "d3TimeFormat": "%Y-%m-%d" if column.kind == "DATE" else "%Y-%m-%d %H:%M"
        }
        for name, column in columns.items()
        if column.is_time
    }


def _axis(chart: Chart, metrics: list[Any], is_time: bool) -> dict[str, Any]:
    if chart.kind == "ranking":
        return {
            "orientation": "horizontal",
            "x_axis_sort": _label(metrics[0]),
            "x_axis_sort_asc": True,
        }
    if is_time:
        # Level ones run into one another at the end.
        return {"orientation": "vertical", "xAxisLabelRotation": 45}
    return {
        "orientation": "vertical",
        "xAxisForceCategorical": True,
        "x_axis_sort": chart.x,
        "x_axis_sort_asc": True,
    }


def _query(
    chart: Chart, mart: Mart, conditions: list[tuple[str, str]]
) -> dict[str, Any]:
    """What a chart asks, for readers of Superset's API and for its reports."""
    columns: list[Any] = list(chart.by)
    extras: dict[str, Any] = {}
    if chart.x:
        axis: dict[str, Any] = {
            "columnType": "BASE_AXIS",
            "expressionType": "SQL",
            "sqlExpression": chart.x,
            "label": chart.x,
            "isColumnReference": True,
        }
        if chart.grain:
            axis["timeGrain"] = extras["time_grain_sqla"] = _GRAINS[chart.grain]
        columns = [axis, *columns]
    for clause in ("where", "having"):
        said = [f"({sql})" for kind, sql in conditions if kind.lower() == clause]
        if said:
            extras[clause] = " AND ".join(said)
    is_ordered = chart.kind in ("table", "ranking")
    return {
        "columns": columns,
        "metrics": _metrics(chart),
        "filters": [],
        "extras": extras,
        "orderby": [[_order(chart), False]] if is_ordered else [],
        "row_limit": chart.limit,
    }
