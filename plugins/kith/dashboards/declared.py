"""What a dashboard declares: its charts, each on one mart, in a few lines of YAML."""

import functools
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field

from kith.company.tables import Strict

# In the order in which they are read.
NAMES = ("customers", "segments", "satisfaction", "operations")
# Half of a row, of charts that are as high as this (in units of 8 pixels).
COLUMNS, WIDTH, HEIGHT = 12, 6, 42

Kind = Literal["number", "line", "bars", "area", "ranking", "table", "heatmap"]


class Chart(Strict):
    """A chart: what of a mart it shows, and how.

    A metric is the name of one of the semantic layer, or its own, `{label: SQL}`.
    """

    title: str
    description: str = ""
    kind: Kind
    mart: str
    metrics: list[str | dict[str, str]] = Field(min_length=1)
    x: str | None = None
    by: list[str] = Field(default_factory=list)
    grain: Literal["day", "month", "quarter", "year"] | None = None
    time: str | None = None
    where: str | None = None
    persons: str | None = None
    stacked: bool = False
    sort: str | None = None
    limit: int = Field(default=10_000, ge=1)
    format: str = "~s"
    formats: dict[str, str] = Field(default_factory=dict)
    may_be_empty: bool = False
    width: int = Field(default=WIDTH, ge=1, le=COLUMNS)
    height: int | None = None

    @property
    def columns(self) -> list[str]:
        """The columns by which it is grouped, in order."""
        return [*([self.x] if self.x else []), *self.by]

    @property
    def saved_metrics(self) -> list[str]:
        """Names of the metrics that are the semantic layer's."""
        return [metric for metric in self.metrics if isinstance(metric, str)]

    @property
    def own_metrics(self) -> dict[str, str]:
        """SQL of the other ones, by their labels."""
        own: dict[str, str] = {}
        for metric in self.metrics:
            if isinstance(metric, dict):
                own |= metric
        return own


class Filter(Strict):
    """A column by whose values a reader narrows the charts of the same mart."""

    title: str
    mart: str
    column: str


class Dashboard(Strict):
    """Charts by names that stay when a title changes; they fill rows in order."""

    title: str
    description: str
    filters: list[Filter] = Field(default_factory=list)
    charts: dict[str, Chart]

    def without(self, marts: set[str]) -> "Dashboard":
        """The dashboard without what it shows of these marts."""
        filters = [each for each in self.filters if each.mart not in marts]
        charts = {k: c for k, c in self.charts.items() if c.mart not in marts}
        return self.model_copy(update={"filters": filters, "charts": charts})


@functools.cache
def dashboards() -> dict[str, Dashboard]:
    """Kith's dashboards by their names."""
    return {name: Dashboard.model_validate(_read(name)) for name in NAMES}


def _read(name: str) -> Any:
    path = Path(__file__).with_name(f"{name}.yml")
    return yaml.safe_load(path.read_text(encoding="utf-8"))
