"""The charts of the page: Vega-Lite specifications made with Altair.

Every text that comes from data travels as a value of the chart's data, never within
an expression. Charts take the width of their container, labels included.
"""

import textwrap
import unicodedata
from dataclasses import dataclass, field
from typing import Any

import altair as alt

from kith.report import formats
from kith.report.figures import Figures, Row

MONTHS_SHOWN = 36

_INK, _MUTED, _RULE = "#1b2733", "#5b6876", "#d9e0e7"
_ACCENT, _SOFT, _GREY = "#1f5f99", "#a9c3dc", "#aeb6bf"
_LINE_HEIGHT = 14
_CONFIG: dict[str, Any] = {
    "font": "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif",
    "background": None,
    "view": {"stroke": None},
    "axis": {
        "labelFontSize": 12,
        "labelColor": _INK,
        "titleColor": _MUTED,
        "titleFontWeight": "normal",
        "titleFontSize": 12,
        "gridColor": _RULE,
        "domainColor": _GREY,
        "tickColor": _GREY,
    },
    # Legends stand above the chart as HTML: within it they are clipped on a telephone.
    "legend": {"disable": True},
    "text": {"fontSize": 12, "color": _INK},
}

_STATES = {
    "active": "#1b7f5c",
    "drowsy": "#8cbf6b",
    "half_asleep": "#e0ac36",
    "asleep": "#c4553c",
    "never_purchased": _GREY,
}
_LIFECYCLES = {
    "new_count": ("New", "#5aa9a0"),
    "returning_count": ("Returning", _ACCENT),
    "resurrecting_count": ("Resurrecting", "#e0ac36"),
}
_NO_SEGMENT = ("no_purchase_in_window", "unidentified")


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


def _spec(chart: Any, height: int) -> dict[str, Any]:
    chart = chart.properties(
        width="container",
        height=height,
        autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
        padding={"left": 2, "right": 4, "top": 4, "bottom": 4},
    )
    return {**chart.to_dict(), "config": _CONFIG}


def _data(values: list[Row]) -> alt.Data:
    return alt.Data(values=values)


def _wrapped(label: str) -> str:
    # Never shortened: two long names with one beginning must stay two rows.
    is_wide = any(unicodedata.east_asian_width(letter) in "WF" for letter in label)
    return "\n".join(textwrap.wrap(label, 10 if is_wide else 20))


def _colors(legend: dict[str, str]) -> alt.Scale:
    return alt.Scale(domain=list(legend), range=list(legend.values()))


def _label_axis() -> alt.Axis:
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


def _height(values: list[Row], least: int) -> int:
    # In pixels and not in steps: Vega-Lite does not fit the width beside steps.
    lines = max(str(row["label"]).count("\n") + 1 for row in values)
    rows = len({row["label"] for row in values})
    return rows * max(least, lines * _LINE_HEIGHT + 14)


def _bar_scale(values: list[Row]) -> alt.Scale:
    lengths = [row["value"] for row in values]
    return alt.Scale(
        domain=[min(0, *lengths), max(0, *lengths) or 1],
        nice=False,
    )


def _float(value: Any) -> float:
    return float(value or 0)


def states(figures: Figures) -> Chart:
    """Customers by activity state."""
    title = "Customers by activity state"
    by_name = {row["segment"]: row for row in figures.states}
    by_name.pop("unidentified", None)
    total = sum(row["customer_count"] for row in by_name.values())
    if not total:
        return Chart("states", title)
    ordered = [*_STATES, *(name for name in by_name if name not in _STATES)]
    values, rows = [], []
    for state in ordered:
        row = by_name.get(state, {})
        size, label = row.get("customer_count", 0), formats.name(state)
        share = 100 * size / total
        values.append(
            {
                "label": _wrapped(label),
                "full": label,
                "value": size,
                "end": size,
                "text": f"{formats.count(size)} · {formats.percent(share)}",
                "color": _STATES.get(state, _GREY),
            }
        )
        rows.append(
            [
                label,
                formats.count(size),
                formats.percent(share),
                formats.cents(row.get("revenue_amount")),
                formats.percent(row.get("revenue_share_pct")),
            ]
        )
    active = by_name.get("active", {}).get("customer_count", 0)
    return Chart(
        "states",
        title,
        f"{formats.percent(100 * active / total)} of the customers are active.",
        _labelled_bars(values, 46),
        ["State", "Customers", "Share", "Revenue", "Share of revenue"],
        rows,
    )


def _labelled_bars(
    values: list[Row], row_height: int, rule: float | None = None
) -> dict[str, Any]:
    base = alt.Chart(_data(values)).encode(
        y=alt.Y("label:N", sort=None, axis=_label_axis())
    )
    scale = _bar_scale(values)
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
            alt.Chart(_data([{"value": rule}]))
            .mark_rule(color=_INK, strokeDash=[4, 3])
            .encode(x=x)
        )
    return _spec(alt.layer(*layers), _height(values, row_height))


def _segments(figures: Figures) -> tuple[list[Row], int]:
    # By revenue, as read; what is no segment comes last.
    named = [r for r in figures.rfm_segments if r["segment"] not in _NO_SEGMENT]
    rest = [r for r in figures.rfm_segments if r["segment"] in _NO_SEGMENT]
    return named + rest, sum(r["customer_count"] for r in named)


def segment_shares(figures: Figures) -> Chart:
    """Share of customers and of revenue by RFM segment."""
    title = "Share of customers and of revenue by RFM segment"
    segments, size = _segments(figures)
    if not size:
        return Chart("segment-shares", title)
    customers = "Share of customers"
    legend = {customers: _SOFT, "Share of revenue": _ACCENT}
    values: list[Row] = []
    for row in segments:
        label = formats.name(row["segment"])
        for measure, share in zip(
            legend, (row["customer_share_pct"], row["revenue_share_pct"]), strict=True
        ):
            if measure == customers and not row["customer_count"]:
                continue  # revenue without a customer
            values.append(
                {
                    "label": _wrapped(label),
                    "full": label,
                    "measure": measure,
                    "value": _float(share),
                    "end": max(_float(share), 0),
                    "text": formats.percent(share),
                }
            )
    scale = _bar_scale(values)
    base = alt.Chart(_data(values)).encode(
        y=alt.Y("label:N", sort=None, axis=_label_axis(), scale=alt.Scale(padding=0.2)),
        yOffset=alt.YOffset("measure:N", sort=list(legend)),
    )
    chart = alt.layer(
        base.mark_bar(cornerRadiusEnd=2).encode(
            x=alt.X("value:Q", scale=scale, axis=None),
            color=alt.Color(
                "measure:N",
                sort=list(legend),
                scale=_colors(legend),
            ),
            tooltip=[
                alt.Tooltip("full:N", title="Segment"),
                alt.Tooltip("measure:N", title="Measure"),
                alt.Tooltip("text:N", title="Share"),
            ],
        ),
        base.mark_text(align="left", dx=6, fontSize=11).encode(
            x=alt.X("end:Q", scale=scale, axis=None), text="text:N"
        ),
    )
    first = segments[0]
    return Chart(
        "segment-shares",
        title,
        f"{formats.name(first['segment'])}: "
        f"{formats.percent(first['customer_share_pct'])} of customers bring "
        f"{formats.percent(first['revenue_share_pct'])} of revenue.",
        _spec(chart, _height(values, 36)),
        ["Segment", "Customers", "Share", "Revenue", "Share of revenue"],
        [
            [
                formats.name(row["segment"]),
                formats.count(row["customer_count"]),
                formats.percent(row["customer_share_pct"]),
                formats.cents(row["revenue_amount"]),
                formats.percent(row["revenue_share_pct"]),
            ]
            for row in segments
        ],
        legend,
    )


def segment_averages(figures: Figures, currency: str) -> Chart:
    """Average revenue per customer by RFM segment, with its index."""
    title = "Average revenue per customer by RFM segment"
    segments, size = _segments(figures)
    if not size:
        return Chart("segment-averages", title)
    identified = [row for row in segments if row["customer_count"]]
    average = sum(_float(row["revenue_amount"]) for row in identified) / sum(
        row["customer_count"] for row in identified
    )
    largest = max(_float(row["average_revenue_amount"]) for row in identified)
    values, rows = [], []
    for row in identified:
        label, mean = formats.name(row["segment"]), row["average_revenue_amount"]
        index = row["revenue_index"]
        times = formats.MISSING if index is None else f"{index:,.2f}×"
        values.append(
            {
                "label": _wrapped(label),
                "full": label,
                "value": _float(mean),
                # Behind the average's line, so that none crosses a label.
                "end": max(_float(mean), average, 0),
                "text": f"{formats.amount(mean, largest)} · {times}",
                "color": _ACCENT if (index or 0) >= 1 else _SOFT,
            }
        )
        rows.append([label, formats.count(row["customer_count"])])
        rows[-1] += [formats.cents(mean), times]
    return Chart(
        "segment-averages",
        title,
        f"{currency} and index; dashed: average of all, "
        f"{formats.amount(average, largest)} = 1.00×.",
        _labelled_bars(values, 36, rule=average),
        ["Segment", "Customers", f"Average revenue, {currency}", "Index"],
        rows,
    )


def _months(figures: Figures) -> tuple[list[Row], str]:
    shown = figures.months[-MONTHS_SHOWN:]
    notes = []
    if len(shown) < len(figures.months):
        notes.append(f"The last {len(shown)} of {len(figures.months)} months.")
    if shown and not shown[-1]["is_complete"]:
        notes.append(f"{formats.month(shown[-1]['month'])} is not over: hollow bar.")
    return shown, " ".join(notes)


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


def _month_bars(
    values: list[Row], months: list[Row], color: Any, least_step: float
) -> dict[str, Any]:
    is_complete = alt.datum.complete
    totals: dict[str, float] = {}
    for row in values:
        totals[row["month"]] = totals.get(row["month"], 0) + row["value"]
    chart = (
        alt.Chart(_data(values))
        .mark_bar(strokeWidth=1.5)
        .encode(
            x=alt.X(
                "month:O",
                sort=None,
                axis=_month_axis(months),
                # A first month alone must not become a wall.
                scale=alt.Scale(
                    paddingInner=0.25, paddingOuter=1 if len(months) < 4 else 0.15
                ),
            ),
            y=alt.Y(
                "value:Q",
                axis=_quantity_axis(max(totals.values()), least_step),
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
    return _spec(chart, 220)


def _month_name(row: Row) -> str:
    return formats.month(row["month"]) + ("" if row["is_complete"] else " (not over)")


def revenue(figures: Figures, currency: str) -> Chart:
    """Revenue by month."""
    title = "Revenue by month"
    months, note = _months(figures)
    if not months:
        return Chart("revenue", title)
    values = [
        {
            "month": f"{row['month']:%Y-%m}",
            "full": _month_name(row),
            "value": _float(row["revenue_amount"]),
            "text": f"{currency} {formats.amount(row['revenue_amount'])}",
            "complete": row["is_complete"],
            "order": 0,
        }
        for row in months
    ]
    return Chart(
        "revenue",
        title,
        f"{currency}, unidentified customers included. {note}".strip(),
        _month_bars(values, months, alt.value(_ACCENT), 0.01),
        ["Month", "Orders", f"Revenue, {currency}"],
        [
            [
                _month_name(row),
                formats.count(row["order_count"]),
                formats.cents(row["revenue_amount"]),
            ]
            for row in months
        ],
    )


def buyers(figures: Figures) -> Chart:
    """Active buyers by month and lifecycle."""
    title = "Active buyers by month"
    months, note = _months(figures)
    if not any(row["buyer_count"] for row in months):
        return Chart("buyers", title)
    legend = dict(_LIFECYCLES.values())
    values = [
        {
            "month": f"{row['month']:%Y-%m}",
            "full": _month_name(row),
            "kind": label,
            "value": row[kind],
            "text": f"{formats.count(row[kind])} {label.lower()}",
            "complete": row["is_complete"],
            "order": order,
        }
        for row in months
        for order, (kind, (label, _)) in enumerate(_LIFECYCLES.items())
    ]
    color = alt.Color("kind:N", sort=list(legend), scale=_colors(legend))
    return Chart(
        "buyers",
        title,
        f"Identified customers with an order in the month. {note}".strip(),
        _month_bars(values, months, color, 1),
        ["Month", "Buyers", *legend],
        [
            [
                _month_name(row),
                formats.count(row["buyer_count"]),
                *(formats.count(row[kind]) for kind in _LIFECYCLES),
            ]
            for row in months
        ],
        legend,
    )


def concentration(figures: Figures) -> Chart:
    """Share of revenue by share of customers, best first."""
    title = "Concentration of revenue"
    points = figures.concentration
    if not points:
        return Chart("concentration", title)
    customers = points[-1]["customer_count"]
    # With few customers several percentages name the same ones: the curve stands at
    # the share of customers that was counted, not at the one asked for.
    curve = {0.0: 0.0} | {
        100 * row["customer_count"] / customers: _float(row["share_pct"])
        for row in points
    }
    axis: dict[str, Any] = {
        "values": [0, 20, 40, 60, 80, 100],
        "labelExpr": "datum.value + '%'",
        "ticks": False,
        "labelPadding": 6,
    }
    legend = {"Cumulative share of revenue": _ACCENT, "Line of equality": _GREY}
    actual, equal = legend
    lines = [{"x": x, "y": y, "kind": actual} for x, y in sorted(curve.items())]
    lines += [{"x": x, "y": x, "kind": equal} for x in (0, 100)]
    # Returns can bring the curve above 100%.
    scale = alt.Scale(domain=[0, max(100, *curve.values())], nice=False)
    x = alt.X(
        "x:Q",
        title="Share of customers, best first",
        scale=alt.Scale(domain=[0, 100], nice=False),
        axis=alt.Axis(**axis),
    )
    y = alt.Y(
        "y:Q",
        title="Share of revenue",
        scale=scale,
        axis=alt.Axis(**axis),
    )
    layers = [
        alt.Chart(_data(lines))
        .mark_line(strokeWidth=2.5)
        .encode(
            x=x,
            y=y,
            color=alt.Color("kind:N", scale=_colors(legend)),
            strokeDash=alt.StrokeDash(
                "kind:N", scale=alt.Scale(domain=list(legend), range=[[1, 0], [5, 4]])
            ),
        )
    ]
    top = next((row for row in points if row["top_pct"] == 20), None)
    note = ""
    if top:
        share = formats.percent(top["share_pct"])
        who = (
            f"{formats.count(top['customer_count'])} of {formats.count(customers)} "
            f"customer{'s' if customers > 1 else ''}"
        )
        note = f"The top 20% ({who}) bring {share} of revenue."
        mark = {
            "x": 100 * top["customer_count"] / customers,
            "y": _float(top["share_pct"]),
            "origin": 0,
            "text": f"Top 20%: {share}",
        }
        point = alt.Chart(_data([mark])).encode(x=x, y=y)
        guide: dict[str, Any] = {"color": _MUTED, "strokeDash": [2, 3]}
        # Low down beside the guide: under the line of equality nothing is drawn.
        is_left = mark["x"] <= 50
        layers += [
            point.mark_rule(**guide).encode(y2="origin:Q"),
            point.mark_rule(**guide).encode(x2="origin:Q"),
            point.mark_point(filled=True, size=90, color=_ACCENT, opacity=1),
            point.mark_text(
                align="left" if is_left else "right",
                dx=8 if is_left else -8,
                fontWeight="bold",
            ).encode(y=alt.datum(8), text="text:N"),
        ]
    return Chart(
        "concentration",
        title,
        note,
        _spec(alt.layer(*layers), 260),
        ["Best customers", "Customers", "Revenue", "Share of revenue"],
        [
            [
                f"Top {row['top_pct']}%",
                formats.count(row["customer_count"]),
                formats.cents(row["amount"]),
                formats.percent(row["share_pct"]),
            ]
            for row in points
            if row["top_pct"] in (1, 5) or row["top_pct"] % 10 == 0
        ],
        legend,
    )
