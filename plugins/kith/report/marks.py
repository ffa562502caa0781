"""Forms of charts, in Altair: each draws the `series` of an entry's rows.

`chart` holds the rows as data, with their `place` (0, 1 …), a `label` (the first cell,
in lines), the entry's `text` and the tooltip. `rows` are the same rows, for what
Vega-Lite cannot know before it draws. Text from data travels as a value of the chart's
data, never within an expression. Charts take the width of their container, labels
included.
"""

import datetime as dt
import re
import textwrap
import unicodedata
from typing import Any

import altair as alt
from altair.utils.schemapi import debug_mode

from kith.report.entries import Marks, Row, Series
from kith.report.formats import fill
from kith.report.language import spoken

INK, MUTED, RULE = "#1b2733", "#5b6876", "#d9e0e7"
ACCENT, SOFT, GREY = "#1f5f99", "#a9c3dc", "#aeb6bf"
GOOD, FAIR, DOUBTFUL, BAD = "#1b7f5c", "#8cbf6b", "#e0ac36", "#c4553c"
_HEIGHT, _LINE = 220, 14
_COLUMNS = 20  # of a line of a label
# Words, and letters of a language without blanks, each with the signs behind it.
_PARTS = re.compile(r" *(?:[!-~\u00a1-\u2fff]{1,20}|.)[，。、；：！？）」』”%]*")
_CONFIG: dict[str, Any] = {
    "background": None,
    "autosize": {"type": "fit-x", "contains": "padding"},
    "padding": {"left": 2, "right": 4, "top": 4, "bottom": 4},
    "view": {"stroke": None},
    "axis": {
        "labelFontSize": 12,
        "labelColor": INK,
        "titleColor": MUTED,
        "titleFontWeight": "normal",
        "titleFontSize": 12,
        "gridColor": RULE,
        "domainColor": GREY,
        "ticks": False,
        "labelPadding": 7,
    },
    # Legends stand above the chart as HTML: within it they are clipped on a telephone.
    "legend": {"disable": True},
    "text": {"fontSize": 12, "color": INK},
}


def _chart_of(headings: list[str]) -> Any:
    """A chart without marks, whose tooltip shows the cells under the headings."""
    cells = [alt.Tooltip(f"cell_{at}:N", title=h) for at, h in enumerate(headings)]
    return alt.Chart(alt.NamedData(name="rows")).encode(tooltip=cells)


def specification(
    form: Marks, headings: list[str], rows: list[Row], series: Series
) -> dict[str, Any] | None:
    """The rows in a form as Vega-Lite, as wide as the container; None if undrawn."""
    fonts = "system-ui, -apple-system, 'Segoe UI', Roboto, "
    fonts += f"{spoken().fonts}'DejaVu Sans', sans-serif"
    config = {"font": fonts} | _CONFIG
    whole = {"width": "container", "datasets": {"rows": rows}, "config": config}
    # To hold each part against Vega-Lite's schema takes half of the page's time. Tests
    # look at each form in a browser instead.
    with debug_mode(False):
        chart = form(_chart_of(headings), rows, series)
        return chart.to_dict(validate=False) | whole if chart is not None else None


def wrapped(label: str) -> str:
    """A label in lines."""
    # Never shortened: two long names with one beginning must stay two rows.
    if not any(map(_is_wide, label)):
        return "\n".join(textwrap.wrap(label, _COLUMNS))
    lines = [""]
    for part in _PARTS.findall(label):
        # A wide letter takes two columns.
        if sum(1 + _is_wide(letter) for letter in lines[-1] + part) > _COLUMNS:
            lines.append("")
        lines[-1] += part if lines[-1] else part.lstrip()
    return "\n".join(line.rstrip() for line in lines if line)


def _is_wide(letter: str) -> bool:
    return unicodedata.east_asian_width(letter) in "WF"


def color_of(series: Series, column: str = "kind") -> dict[str, Any]:
    """The encoding of a column that holds names of series."""
    colors = [color for _, color in series.values()]
    scale = alt.Scale(domain=list(series), range=colors)
    return {"shorthand": f"{column}:N", "sort": list(series), "scale": scale}


# Months ------------------------------------------------------------------------------


def month_name(day: str) -> str:
    """`Jun 25` of a day in ISO's form."""
    return fill("{month:%b %y}", {"month": dt.date.fromisoformat(day)})


def _month_x(rows: list[Row], **padding: float) -> alt.X:
    months = [row["month"] for row in rows]
    # January must keep its label: it carries the year.
    every = 1 if len(months) <= 13 else 3
    values = [month for month in months if int(month[5:7]) % every == 1 % every]
    # So does the first, unless January is next to it: their years would collide.
    is_crowded = every == 1 and "".join(values[1:2])[5:7] == "01"
    is_first = "" if is_crowded else "datum.index === 0 || "
    axis = alt.Axis(
        title=None,
        values=values,
        labelExpr="[monthAbbrevFormat(toNumber(slice(datum.value, 5, 7)) - 1), "
        f"{is_first}slice(datum.value, 5, 7) === '01' ? slice(datum.value, 0, 4) : '']",
        labelAngle=0,
        labelLineHeight=_LINE,
        # A year under each of 13 months is as wide as its month on a telephone.
        labelFontSize=10 if 8 < len(months) <= 13 else spoken().month_size,
    )
    # A first month alone must not become a wall.
    outer = 1 if len(months) < 4 else 0.15
    bands = {"paddingInner": 0.25, "paddingOuter": outer}
    scale = alt.Scale(domain=months, **(padding or bands))
    return alt.X("month:O", sort=None, axis=axis, scale=scale)


def _size_axis(rows: list[Row], series: Series) -> alt.Axis:
    is_counted = all(isinstance(row[column], int) for row in rows for column in series)
    return alt.Axis(
        title=None,
        tickCount=5,
        tickMinStep=1 if is_counted else 0.01,
        domain=False,
        labelExpr=spoken().axis_label,
    )


def month_bars(chart: Any, rows: list[Row], series: Series) -> Any:
    """A bar per `month`, stacked of the series."""
    is_over = alt.datum.is_complete
    return (
        chart.transform_fold(list(series), as_=["kind", "value"])
        .mark_bar(strokeWidth=1.5)
        .encode(
            x=_month_x(rows),
            y=alt.Y("value:Q", axis=_size_axis(rows, series), scale=alt.Scale(nice=5)),
            color=alt.Color(**color_of(series)),
            stroke=alt.Stroke(**color_of(series)),
            order="color_kind_sort_index:Q",
            fillOpacity=alt.condition(is_over, alt.value(1), alt.value(0.08)),
            strokeDash=alt.condition(is_over, alt.value([]), alt.value([3, 2])),
            strokeOpacity=alt.condition(is_over, alt.value(0), alt.value(1)),
        )
        .properties(height=_HEIGHT)
    )


def month_lines(chart: Any, rows: list[Row], series: Series) -> Any:
    """A line per series with a point per `month`; NULL has none."""
    axis = _size_axis(rows, series)
    lines = (
        chart.transform_fold(list(series), as_=["kind", "value"])
        .transform_filter("isValid(datum.value)")
        .encode(
            x=_month_x(rows, padding=0.5),
            y=alt.Y("value:Q", axis=axis, scale=alt.Scale(nice=5, zero=True)),
            color=alt.Color(**color_of(series)),
        )
    )
    return alt.layer(
        lines.mark_line(strokeWidth=2),
        lines.mark_point(filled=True, size=28, opacity=1),
    ).properties(height=_HEIGHT)


# Labelled rows -----------------------------------------------------------------------


def _labelled(chart: Any, rows: list[Row], least: int) -> Any:
    """The chart with labels at the left, and its height in pixels."""
    lines = "split(datum.label, '\\n')"
    # Vega puts the first line of several at the middle of the row.
    offset = {"test": "true", "expr": f"(1 - length({lines})) * {_LINE} / 2"}
    axis = alt.Axis(
        title=None,
        labelExpr=lines,
        labelLineHeight=_LINE,
        labelOffset={"condition": offset, "value": 0},
        labelLimit=150,
        domain=False,
    )
    # In pixels and not in steps: Vega-Lite does not fit the width beside steps.
    highest = _LINE * max(row["label"].count("\n") + 1 for row in rows) + 14
    height = len({row["label"] for row in rows}) * max(least, highest)
    # Layers leave rows out: without the `place`, the labels would lose their order.
    order = alt.EncodingSortField("place", op="min")
    y = alt.Y("label:N", sort=order, axis=axis, scale=alt.Scale(padding=0.1))
    return chart.encode(y), height


def _dashed_at(value: float, scale: alt.Scale) -> Any:
    rule = alt.Chart(alt.Data(values=[{}])).mark_rule(color=INK, strokeDash=[4, 3])
    return rule.encode(alt.XDatum(value, axis=None, scale=scale))


def bars(
    chart: Any,
    rows: list[Row],
    series: Series,
    states: Series | None = None,
    dark: str = "",
    line: str = "",
) -> Any:
    """A bar per label with its `text`; of several series one each, with its per cent.

    `states` colours the values of a column `state`. `dark` is an expression: where it
    is false, the bar is light. A dashed line stands at the column `line`. NULL has no
    bar.
    """
    chart, height = _labelled(chart, rows, 46 if states else 36)
    color: Any = alt.Color(**color_of(series))
    if states:
        color = alt.Color(**color_of(states, "state"))
    elif dark:
        color = alt.condition(dark, alt.value(ACCENT), alt.value(SOFT))
    # Behind the dashed line, so that it crosses no text.
    end = f"max(0, datum.value, {f'datum.{line}' if line else 0})"
    words = "datum.text"
    if len(series) > 1:
        words = "format(datum.value, ',.1f') + '%'"
        chart = chart.encode(yOffset=alt.YOffset("kind:N", sort=list(series)))
    chart = (
        chart.transform_fold(list(series), as_=["kind", "value"])
        .transform_filter("isValid(datum.value)")
        .transform_calculate(end=end, words=words)
    )
    lengths = [0, *(row[column] or 0 for row in rows for column in series)]
    domain = [min(lengths), max(lengths) or 1]
    scale = alt.Scale(domain=domain, nice=False)
    bar = chart.mark_bar(cornerRadiusEnd=2).encode(color=color)
    text = chart.mark_text(align="left", dx=6, fontSize=13 - len(series))
    layers = [
        bar.encode(alt.X("value:Q", axis=None, scale=scale)),
        text.encode(alt.X("end:Q", axis=None, scale=scale), text="words:N"),
    ]
    if line:
        layers.append(_dashed_at(rows[0][line], scale))
    return alt.layer(*layers).properties(height=height)


# Scores with their intervals ---------------------------------------------------------


def _score_scale(rows: list[Row]) -> alt.Scale:
    columns = ("score", "interval_low", "interval_high", "overall_score")
    ends = [row[name] for row in rows for name in columns if row.get(name) is not None]
    low, high = min(ends, default=0), max(ends, default=100)
    # A point of a percentage, less where scores are points of a short scale.
    margin = min(1, (high - low) / 10) or 1
    domain = [low - margin, high + margin]
    return alt.Scale(domain=domain, zero=False, nice=False, padding=10)


def _points(chart: Any, channel: Any, **options: Any) -> list[Any]:
    """Points of `score` on lines from `interval_low` to `interval_high`."""
    end = alt.X2 if channel is alt.X else alt.Y2
    is_open = "datum.is_complete === false"
    return [
        chart.transform_filter("isValid(datum.interval_low)")
        .mark_rule(strokeWidth=3, color=SOFT)
        .encode(channel("interval_low:Q", **options), end("interval_high:Q")),
        chart.transform_filter("isValid(datum.score)")
        .mark_point(size=55, strokeWidth=2, opacity=1)
        .encode(
            channel("score:Q", **options),
            fill=alt.condition(is_open, alt.value("#fff"), alt.value(ACCENT)),
            stroke=alt.value(ACCENT),
        ),
    ]


def interval_bars(chart: Any, rows: list[Row], series: Series, states: Series) -> Any:
    """A bar of `score` per label, coloured by `state`, with its interval and `text`."""
    chart, height = _labelled(chart, rows, 34)
    columns = ("score", "interval_high")
    ends = [row[name] for row in rows for name in columns if row[name] is not None]
    scale = alt.Scale(domain=[0, max(ends, default=1)], nice=False)
    bar = chart.transform_filter("isValid(datum.score)").mark_bar(cornerRadiusEnd=2)
    line = chart.transform_filter("isValid(datum.interval_low)")
    # A column at the right edge: elsewhere Vega misjudges the room for text.
    text = chart.mark_text(align="left", dx=8).encode(text="text:N")
    return alt.layer(
        bar.encode(
            alt.X("score:Q", axis=None, scale=scale),
            alt.Color(**color_of(states, "state")),
        ),
        line.mark_rule(strokeWidth=2, color=INK).encode(
            alt.X("interval_low:Q", axis=None, scale=scale), alt.X2("interval_high:Q")
        ),
        text.encode(x=alt.value("width")),
    ).properties(height=height)


def points_by_period(chart: Any, rows: list[Row], series: Series) -> Any:
    """A `score` per `month` or `year`; a cross where there are too few answers, `n`."""
    years = alt.X("year:O", axis=alt.Axis(title=None, labelAngle=0))
    chart = chart.encode(_month_x(rows) if "month" in rows[0] else years)
    is_told = any(row["score"] is not None for row in rows)
    axis = alt.Axis(title=None, tickCount=5, domain=False) if is_told else None
    crosses = chart.transform_filter("datum.n > 0 && !isValid(datum.score)").mark_point(
        shape="cross", size=45, color=GREY, filled=True, opacity=1
    )
    return alt.layer(
        *_points(chart, alt.Y, axis=axis, scale=_score_scale(rows)),
        crosses.encode(y=alt.value(_HEIGHT - 8)),
    ).properties(height=_HEIGHT)


def points_by_label(chart: Any, rows: list[Row], series: Series) -> Any:
    """A `score` per label with its `text`; a dashed line at `overall_score`."""
    chart, height = _labelled(chart, rows, 32)
    scale = _score_scale(rows)
    layers = _points(chart, alt.X, axis=None, scale=scale)
    if rows[0]["overall_score"] is not None:
        layers.append(_dashed_at(rows[0]["overall_score"], scale))
    # A column at the right edge: elsewhere Vega misjudges the room for text.
    text = chart.mark_text(align="left", dx=8).encode(text="text:N")
    layers.append(text.encode(x=alt.value("width")))
    return alt.layer(*layers).properties(height=height)
