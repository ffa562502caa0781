"""The charts of customers and revenue."""

from typing import Any

import altair as alt

from kith.report import formats
from kith.report.drawing import (
    ACCENT,
    BAD,
    DOUBTFUL,
    FAIR,
    GOOD,
    GREY,
    MUTED,
    SOFT,
    Chart,
    bar_scale,
    color_scale,
    counted,
    drawn,
    height_of,
    inline,
    label_axis,
    labelled_bars,
    last_months,
    month_bars,
    month_name,
    number,
    state_bars,
    wrapped,
)
from kith.report.figures import Figures, Row

_STATES = {
    "active": GOOD,
    "drowsy": FAIR,
    "half_asleep": DOUBTFUL,
    "asleep": BAD,
    "never_purchased": GREY,
}
_LIFECYCLES = {
    "new_count": ("New", "#5aa9a0"),
    "returning_count": ("Returning", ACCENT),
    "resurrecting_count": ("Resurrecting", DOUBTFUL),
}
_NO_SEGMENT = ("no_purchase_in_window", "unidentified")


def states(figures: Figures) -> Chart:
    """Customers by activity state."""
    title = "Customers by activity state"
    by_name = {row["segment"]: row for row in figures.states}
    by_name.pop("unidentified", None)
    sizes = dict.fromkeys(_STATES, 0) | {
        state: row["customer_count"] for state, row in by_name.items()
    }
    total = sum(sizes.values())
    if not total:
        return Chart("states", title)
    rows = []
    for state, size in sizes.items():
        row = by_name.get(state, {})
        rows.append(
            [
                formats.name(state),
                formats.count(size),
                formats.percent(100 * size / total),
                formats.cents(row.get("revenue_amount")),
                formats.percent(row.get("revenue_share_pct")),
            ]
        )
    return Chart(
        "states",
        title,
        f"{formats.percent(100 * sizes['active'] / total)} of customers are active.",
        state_bars(sizes, _STATES),
        ["State", "Customers", "Share", "Revenue", "Share of revenue"],
        rows,
    )


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
    legend = {customers: SOFT, "Share of revenue": ACCENT}
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
                    "label": wrapped(label),
                    "full": label,
                    "measure": measure,
                    "value": number(share),
                    "end": max(number(share), 0),
                    "text": formats.percent(share),
                }
            )
    scale = bar_scale(values)
    base = alt.Chart(inline(values)).encode(
        y=alt.Y("label:N", sort=None, axis=label_axis(), scale=alt.Scale(padding=0.2)),
        yOffset=alt.YOffset("measure:N", sort=list(legend)),
    )
    chart = alt.layer(
        base.mark_bar(cornerRadiusEnd=2).encode(
            x=alt.X("value:Q", scale=scale, axis=None),
            color=alt.Color(
                "measure:N",
                sort=list(legend),
                scale=color_scale(legend),
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
        drawn(chart, height_of(values, 36)),
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
    average = sum(number(row["revenue_amount"]) for row in identified) / sum(
        row["customer_count"] for row in identified
    )
    largest = max(number(row["average_revenue_amount"]) for row in identified)
    values, rows = [], []
    for row in identified:
        label, mean = formats.name(row["segment"]), row["average_revenue_amount"]
        index = row["revenue_index"]
        times = formats.MISSING if index is None else f"{index:,.2f}×"
        values.append(
            {
                "label": wrapped(label),
                "full": label,
                "value": number(mean),
                # Behind the average's line, so that none crosses a label.
                "end": max(number(mean), average, 0),
                "text": f"{formats.amount(mean, largest)} · {times}",
                "color": ACCENT if (index or 0) >= 1 else SOFT,
            }
        )
        rows.append([label, formats.count(row["customer_count"])])
        rows[-1] += [formats.cents(mean), times]
    return Chart(
        "segment-averages",
        title,
        f"{currency} and index; dashed: average of all, "
        f"{formats.amount(average, largest)} = 1.00×.",
        labelled_bars(values, 36, rule=average),
        ["Segment", "Customers", f"Average revenue, {currency}", "Index"],
        rows,
    )


def revenue(figures: Figures, currency: str) -> Chart:
    """Revenue by month."""
    title = "Revenue by month"
    months, note = last_months(figures.months)
    if not months:
        return Chart("revenue", title)

    def write(amount: Any, label: str) -> str:
        return f"{currency} {formats.amount(amount)}"

    return Chart(
        "revenue",
        title,
        f"{currency}, unidentified customers included. {note}".strip(),
        month_bars(months, {"revenue_amount": ("Revenue", ACCENT)}, write, 0.01),
        ["Month", "Orders", f"Revenue, {currency}"],
        [
            [
                month_name(row),
                formats.count(row["order_count"]),
                formats.cents(row["revenue_amount"]),
            ]
            for row in months
        ],
    )


def buyers(figures: Figures) -> Chart:
    """Active buyers by month and lifecycle."""
    title = "Active buyers by month"
    months, note = last_months(figures.months)
    if not any(row["buyer_count"] for row in months):
        return Chart("buyers", title)
    legend = dict(_LIFECYCLES.values())
    return Chart(
        "buyers",
        title,
        f"Identified customers with an order in the month. {note}".strip(),
        month_bars(months, _LIFECYCLES, counted, 1),
        ["Month", "Buyers", *legend],
        [
            [
                month_name(row),
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
        100 * row["customer_count"] / customers: number(row["share_pct"])
        for row in points
    }
    axis: dict[str, Any] = {
        "values": [0, 20, 40, 60, 80, 100],
        "labelExpr": "datum.value + '%'",
        "ticks": False,
        "labelPadding": 6,
    }
    legend = {"Cumulative share of revenue": ACCENT, "Line of equality": GREY}
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
        alt.Chart(inline(lines))
        .mark_line(strokeWidth=2.5)
        .encode(
            x=x,
            y=y,
            color=alt.Color("kind:N", scale=color_scale(legend)),
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
            "y": number(top["share_pct"]),
            "origin": 0,
            "text": f"Top 20%: {share}",
        }
        point = alt.Chart(inline([mark])).encode(x=x, y=y)
        guide: dict[str, Any] = {"color": MUTED, "strokeDash": [2, 3]}
        # Low down beside the guide: under the line of equality nothing is drawn.
        is_left = mark["x"] <= 50
        layers += [
            point.mark_rule(**guide).encode(y2="origin:Q"),
            point.mark_rule(**guide).encode(x2="origin:Q"),
            point.mark_point(filled=True, size=90, color=ACCENT, opacity=1),
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
        drawn(alt.layer(*layers), 260),
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
