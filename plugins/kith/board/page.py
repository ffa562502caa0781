"""The pages as HTML: no script, nothing from elsewhere, every value escaped."""

import datetime as dt
from pathlib import Path

import jinja2

from kith.board.companies import CompanyView, quality_charts, seconds_chart
from kith.board.task import TaskView

# What a browser may do with the pages: styles, and nothing else.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'"
_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def task_page(view: TaskView) -> str:
    """The page of a task."""
    return _TEMPLATES.get_template("task.html.j2").render(view=view)


def companies_page(views: list[CompanyView], died: list[str] | None = None) -> str:
    """The page of all companies; `died` are lines of what died of the server."""
    charts = {
        view.name: [seconds_chart(view.runs), *quality_charts(view.runs)]
        for view in views
    }
    return _TEMPLATES.get_template("companies.html.j2").render(
        views=views, charts=charts, moment=_moment, died=died or []
    )


def _moment(seconds: float) -> str:
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%d %H:%M}"
