"""What the charts of the page share: a look, and forms that take rows of figures.

Vega-Lite specifications made with Altair. Every text that comes from data travels as a
value of the chart's data, never within an expression. Charts take the width of their
container, labels included.
"""

import textwrap
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import altair as alt

from kith.report import formats
from kith.report.figures import Row

MONTHS_SHOWN = 36

INK, MUTED, _RULE = "#1b2733", "#5b6876", "#d9e0e7"
ACCENT, SOFT, GREY = "#1f5f99", "#a9c3dc", "#aeb6bf"
GOOD, FAIR, DOUBTFUL, BAD = "#1b7f5c", "#8cbf6b", "#e0ac36", "#c4553c"
MONTHS_HEIGHT = 220
_LINE_HEIGHT = 14
_CONFIG: dict[str, Any] = {
    "font": "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif",
    "background": None,
    "view": {"stroke": None},
    "axis": {
        "labelFontSize": 12,
        "labelColor": INK,
        "titleColor": MUTED,
        "titleFontWeight": "normal",
        "titleFontSize": 12,
        "gridColor": _RULE,
        "domainColor": GREY,
        "tickColor": GREY,
    },
    # Legends stand above the chart as HTML: within it they are clipped on a telephone.
    "legend": {"disable": True},
    "text": {"fontSize": 12, "color": INK},
}


@dataclass(frozen=True)
class Chart:
    """One chart with its words and the table behind it.

    `spec` is None where the release holds no data for it. The first column of the
    table is text, the others are figures. `legend` maps a label to its colour.
    """

    name: str
    title: str
    note: str = ""
    spec: dict[str, Any] | None = None
    columns: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    legend: dict[str, str] = field(default_factory=dict)


def drawn(chart: Any, height: int) -> dict[str, Any]:
    """The specification of a chart of that height in pixels."""
    chart = chart.properties(
        width="container",
        height=height,
        autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
        padding={"left": 2, "right": 4, "top": 4, "bottom": 4},
    )
    return {**chart.to_dict(), "config": _CONFIG}


def inline(values: list[Row]) -> alt.Data:
    """Rows as data within the specification."""
    return alt.Data(values=values)


def wrapped(label: str) -> str:
    """A label in lines."""
    # Never shortened: two long names with one beginning must stay two rows.
    is_wide = any(unicodedata.east_asian_width(letter) in "WF" for letter in label)
    return "\n".join(textwrap.wrap(label, 10 if is_wide else 20))


def color_scale(legend: dict[str, str]) -> alt.Scale:
    """Colours of the legend's labels."""
    return alt.Scale(domain=list(legend), range=list(legend.values()))


def label_axis() -> alt.Axis:
    """Axis of wrapped labels, without lines."""
    return alt.Axis(
        title=None,
        labelExpr="split(datum.label, '\\n')",
        labelLineHeight=_LINE_HEIGHT,
        # Vega puts the first line of several at the middle of the row.
        labelOffset={
            "condition": {
                "test": "true",
                "expr": f"(1 - length(split(datum.label, '\\n'))) * {_LINE_HEIGHT} / 2",
            },
            "value": 0,
        },
        labelLimit=150,
        ticks=False,
        domain=False,
        labelPadding=8,
    )


def height_of(values: list[Row], least: int) -> int:
    """Height in pixels of one row per `label`, each at least `least` high."""
    # In pixels and not in steps: Vega-Lite does not fit the width beside steps.
    lines = max(str(row["label"]).count("\n") + 1 for row in values)
    rows = len({row["label"] for row in values})
    return rows * max(least, lines * _LINE_HEIGHT + 14)


def bar_scale(values: list[Row]) -> alt.Scale:
    """Scale of bars from 0."""
    lengths = [row["value"] for row in values]
    return alt.Scale(
        domain=[min(0, *lengths), max(0, *lengths) or 1],
        nice=False,
    )


def number(value: Any) -> float:
    """A figure for drawing; nothing is 0."""
    return float(value or 0)


def labelled_bars(
    values: list[Row], row_height: int, rule: float | None = None
) -> dict[str, Any]:
    """A bar per `label` with its `text` behind `end`; `rule` is a dashed line."""
    base = alt.Chart(inline(values)).encode(
        y=alt.Y("label:N", sort=None, axis=label_axis())
    )
    scale = bar_scale(values)
    x = alt.X("value:Q", scale=scale, axis=None)
    layers = [
        base.mark_bar(cornerRadiusEnd=2).encode(
            x=x,
            color=alt.Color("color:N", scale=None),
            tooltip=[
                alt.Tooltip("full:N", title=" "),
                alt.Tooltip("text:N", title="  "),
            ],
        ),
        base.mark_text(align="left", dx=6).encode(
            x=alt.X("end:Q", scale=scale, axis=None), text="text:N"
        ),
    ]
    if rule is not None:
        layers.append(
            alt.Chart(inline([{"value": rule}]))
            .mark_rule(color=INK, strokeDash=[4, 3])
            .encode(x=x)
        )
    return drawn(alt.layer(*layers), height_of(values, row_height))


def state_bars(sizes: dict[str, int], colors: dict[str, str]) -> dict[str, Any]:
    """A bar per state with its size and share."""
    total = sum(sizes.values())
    values = [
        {
            "label": wrapped(formats.name(state)),
            "full": formats.name(state),
            "value": size,
            "end": size,
            "text": f"{formats.count(size)} · {formats.percent(100 * size / total)}",
            "color": colors.get(state, GREY),
        }
        for state, size in sizes.items()
    ]
    return labelled_bars(values, 46)


def last_months(months: list[Row]) -> tuple[list[Row], str]:
    """The months that are shown, and words on those that are not or not over."""
    shown = months[-MONTHS_SHOWN:]
    notes = []
    if len(shown) < len(months):
        notes.append(f"The last {len(shown)} of {len(months)} months.")
    if shown and not shown[-1]["is_complete"]:
        notes.append(f"{formats.month(shown[-1]['month'])} is not over: hollow.")
    return shown, " ".join(notes)


def month_name(row: Row) -> str:
    """`Dec 2017`, and whether it is over."""
    return formats.month(row["month"]) + ("" if row["is_complete"] else " (not over)")


def _month_axis(months: list[Row]) -> alt.Axis:
    # January must keep its label: it carries the year.
    every = 1 if len(months) <= 13 else 3
    return alt.Axis(
        title=None,
        values=[
            f"{row['month']:%Y-%m}"
            for row in months
            if (row["month"].month - 1) % every == 0
        ],
        labelExpr=(
            "[monthAbbrevFormat(toNumber(slice(datum.value, 5)) - 1), "
            "datum.index === 0 || slice(datum.value, 5) === '01' "
            "? slice(datum.value, 0, 4) : '']"
        ),
        labelAngle=0,
        labelLineHeight=_LINE_HEIGHT,
        labelFontSize=11,
        ticks=False,
        labelPadding=6,
    )


def month_x(months: list[Row], column: str) -> alt.X:
    """Axis of months, which `column` holds as `2017-12`."""
    return alt.X(
        column,
        sort=None,
        axis=_month_axis(months),
        # A first month alone must not become a wall.
        scale=alt.Scale(
            domain=[f"{row['month']:%Y-%m}" for row in months],
            paddingInner=0.25,
            paddingOuter=1 if len(months) < 4 else 0.15,
        ),
    )


def _quantity_axis(largest: float, least_step: float) -> alt.Axis:
    # SI's G would be read as anything but a billion.
    short = "replace(format(datum.value, '~s'), 'G', 'bn')"
    return alt.Axis(
        title=None,
        tickCount=5,
        tickMinStep=least_step,
        domain=False,
        ticks=False,
        labelExpr=short if largest >= 1000 else "format(datum.value, ',~f')",
    )


def month_bars(
    months: list[Row],
    kinds: dict[str, tuple[str, str]],
    write: Callable[[Any, str], str],
    least_step: float,
) -> dict[str, Any]:
    """Stacked bars; `kinds` maps a column of `months` to its label and colour."""
    legend = dict(kinds.values())
    values = [
        {
            "month": f"{row['month']:%Y-%m}",
            "full": month_name(row),
            "kind": label,
            "value": number(row[kind]),
            "text": write(row[kind], label),
            "complete": row["is_complete"],
            "order": order,
        }
        for row in months
        for order, (kind, (label, _)) in enumerate(kinds.items())
    ]
    largest = max(sum(number(row[kind]) for kind in kinds) for row in months)
    is_complete = alt.datum.complete
    color = alt.Color("kind:N", sort=list(legend), scale=color_scale(legend))
    chart = (
        alt.Chart(inline(values))
        .mark_bar(strokeWidth=1.5)
        .encode(
            x=month_x(months, "month:O"),
            y=alt.Y(
                "value:Q",
                axis=_quantity_axis(largest, least_step),
                scale=alt.Scale(nice=5),
            ),
            color=color,
            stroke=color,
            fillOpacity=alt.condition(is_complete, alt.value(1), alt.value(0.08)),
            strokeDash=alt.condition(is_complete, alt.value([]), alt.value([3, 2])),
            strokeOpacity=alt.condition(is_complete, alt.value(0), alt.value(1)),
            order=alt.Order("order:Q"),
            tooltip=[
                alt.Tooltip("full:N", title="Month"),
                alt.Tooltip("text:N", title="Value"),
            ],
        )
    )
    return drawn(chart, MONTHS_HEIGHT)


def counted(count: int, label: str) -> str:
    """`1,234 returning`."""
    return f"{formats.count(count)} {label.lower()}"
