"""Entries on the segments of today, and on how few bring how much."""

from functools import partial
from typing import Any

import altair as alt

from kith.report import marks
from kith.report.entries import FEWEST, Entry, Groups, Row, Section, Series, listed
from kith.report.formats import fill, sentences
from kith.report.language import translated
from kith.report.movements import ACTIVITY

_STATES = ACTIVITY | {"not_permitted": ("Not permitted", marks.SOFT)}
_DRAWN = _STATES | {"several_together": ("Several together", marks.GREY)}


def _states_note(rows: list[Row]) -> str:
    facts = rows[0]
    if not facts["buyer_count"] and facts["refused_count"] == facts["all_count"]:
        return fill(
            "None of the {all_count:,} known has permitted that their state is "
            "computed.",
            facts,
        )
    is_enough = facts["buyer_count"] >= FEWEST
    return sentences(
        facts,
        "{active_pct:percent} of the {buyer_count:,} with an order are active."
        if is_enough
        else "",
        "None of the {all_count:,} known has ordered."
        if not facts["buyer_count"]
        else "",
        "Shares are of all {all_count:,} known, also those without an order."
        if facts["buyer_count"] < facts["all_count"] and facts["buyer_count"]
        else "",
        "{refused_count:,} have not permitted that their state is computed."
        if facts["refused_count"]
        else "",
    )


_ACTIVITY_STATES = Entry(
    "states",
    "Customers by activity state",
    f"""
with states as (
    {listed(_STATES)}
),
counted as (
    select * from segment.segments
    where scheme = 'activity' and state_on = as_of_date
),
totals as (
    select
        sum(customer_count) as all_count,
        sum(case
            when segment not in ('never_purchased', 'not_permitted')
                then customer_count else 0
        end) as buyer_count,
        sum(case when segment = 'active' then customer_count else 0 end)
            as active_count,
        sum(case when segment = 'not_permitted' then customer_count else 0 end)
            as refused_count
    from counted
)
select
    state, coalesce(customer_count, 0) as customer_count,
    coalesce(customer_share_pct, 0) as customer_share_pct,
    revenue_amount, revenue_share_pct, all_count, totals.buyer_count,
    100.0 * active_count / nullif(totals.buyer_count, 0) as active_pct, refused_count
from states left join counted on state = segment cross join totals
where (select sum(customer_count) from counted) > 0
    and (state <> 'not_permitted' or customer_count > 0)
order by position
""",
    columns={
        "State": "{state:name}",
        "Customers": "{customer_count:,}",
        "Share of all known": "{customer_share_pct:percent}",
        "Revenue": "{revenue_amount:,.2f}",
        "Share of all revenue": "{revenue_share_pct:percent}",
    },
    note=_states_note,
    absent="There is no customer yet.",
    marks=partial(marks.bars, states=_DRAWN),
    groups=Groups(
        "state", ("customer_share_pct", "revenue_amount", "revenue_share_pct")
    ),
    series={"customer_count": ("Customers", marks.ACCENT)},
    text="{customer_count:,} · {customer_share_pct:percent}",
)


def _curve(chart: Any, rows: list[Row], series: Series) -> Any:
    tick = "datum.value + '%'"
    axis = alt.Axis(values=[0, 20, 40, 60, 80, 100], labelExpr=tick)
    # Returns can bring the curve above 100%.
    highest = max(100, *(row["share_pct"] for row in rows))
    scale = alt.Scale(domain=[0, highest], nice=False)
    whole = alt.Scale(domain=[0, 100], nice=False)
    x = alt.X("customers_pct:Q", axis=axis, scale=whole)
    y = alt.Y(type="quantitative", axis=axis, scale=scale).title(
        translated("Share of identified revenue")
    )
    title = translated("Share of customers with an order, best first")
    chart = chart.encode(x.title(title))
    dash = alt.Scale(domain=list(series), range=[[1, 0], [5, 4]])
    lines = chart.transform_fold(list(series), as_=["kind", "value"]).encode(
        y.field("value"),
        alt.Color(**marks.color_of(series)),
        strokeDash=alt.StrokeDash("kind:N", scale=dash),
        tooltip=alt.value(None),
    )
    top = chart.transform_filter("datum.top_pct === 20").encode(y.field("share_pct"))
    guide = top.mark_rule(color=marks.MUTED, strokeDash=[2, 3])
    # Low down beside the guide: under the line of equality nothing is drawn.
    is_right = rows[0]["best_count"] > rows[0]["all_count"] / 2
    place = {"align": "right", "dx": -8} if is_right else {"align": "left", "dx": 8}
    return alt.layer(
        lines.mark_line(strokeWidth=2.5),
        guide.encode(y2=alt.datum(0)),
        guide.encode(x2=alt.datum(0)),
        top.mark_point(filled=True, size=90, color=marks.ACCENT, opacity=1),
        top.mark_text(fontWeight="bold", **place).encode(y=alt.datum(8), text="text:N"),
    ).properties(height=260)


def _best_note(rows: list[Row]) -> str:
    words = sentences(
        rows[0],
        "The top 20% of customers with an order ({best_count:,} of {all_count:,}) "
        "bring {best_pct:percent} of identified revenue.",
    )
    if rows[0]["margin_pct"] is None:
        return words
    return sentences(
        rows[0] | {"words": words},
        "{words}",
        "The top 20% by margin bring {margin_pct:percent} of it, without the "
        "{unknown_pct:percent} of revenue whose cost is unknown."
        if rows[0]["unknown_pct"]
        else "The top 20% by margin bring {margin_pct:percent} of it.",
        "More than all, since others cost more than they bring."
        if rows[0]["margin_pct"] > 100
        else "",
    )


# With few customers several percentages name the same ones: the curve stands at the
# share of customers that was counted, not at the one asked for.
_CONCENTRATION = Entry(
    "concentration",
    "Concentration of revenue",
    f"""
with points as (
    select top_pct, customer_count, amount, share_pct from segment.concentrations
    where measure = 'revenue' and share_pct is not null
),
best as (
    select customer_count as best_count, share_pct as best_pct from points
    where top_pct = 20
),
curve as (
    select * from points
    union all
    select 0, 0, 0, 0
),
margins as (
    select
        max(share_pct) filter (where top_pct = 20) as margin_pct,
        max(unknown_revenue_share_pct) as unknown_pct
    from segment.concentrations
    where measure = 'margin'
)
select
    *, top_pct in (1, 5) or (top_pct > 0 and top_pct % 10 = 0) as is_listed,
    max(customer_count) over () as all_count,
    100.0 * customer_count / max(customer_count) over () as customers_pct
from curve cross join best cross join margins
where (customer_count = 0 or customer_count >= {FEWEST})
    and (select max(customer_count) from points) >= {FEWEST}
order by top_pct
""",
    columns={
        "Best customers": "Top {top_pct}%",
        "Customers": "{customer_count:,}",
        "Revenue": "{amount:,.2f}",
        "Share of identified revenue": "{share_pct:percent}",
    },
    note=_best_note,
    absent=f"Fewer than {FEWEST} identified customers have ordered yet.",
    marks=_curve,
    series={
        "share_pct": ("Cumulative share of identified revenue", marks.ACCENT),
        "customers_pct": ("Line of equality", marks.GREY),
    },
    text="Top 20%: {share_pct:percent}",
)
# By revenue; what is no segment comes last, and has no bar where it has no customer.
_SEGMENTS = """
with segments as (
    select
        *,
        segment in ('no_purchase_in_window', 'not_permitted', 'other', 'unidentified')
            as is_rest,
        case when customer_count > 0 then customer_share_pct end as customer_bar_pct,
        max(average_revenue_amount) over () as largest_amount,
        cast(sum(revenue_amount) filter (where customer_count > 0) over () as double)
            / nullif(sum(customer_count) over (), 0) as average_amount
    from segment.segments
    where scheme = 'rfm' and state_on = as_of_date
),
windows as (
    select max(window_start) as window_start, max(window_end) as window_end
    from segment.rfm_scores
)
select * from segments cross join windows
where (select sum(customer_count) from segments where not is_rest) > 0
"""


def _shares_note(rows: list[Row]) -> str:
    first = ""
    if rows[0]["customer_share_pct"] is not None:  # of enough customers
        first = fill(
            "{segment:name}: {customer_share_pct:percent} of all known customers, also "
            "those without an order, bring {revenue_share_pct:percent} of all revenue."
            if any(row["is_rest"] and row["customer_count"] for row in rows)
            else "{segment:name}: {customer_share_pct:percent} of all known customers "
            "bring {revenue_share_pct:percent} of all revenue.",
            rows[0],
        )
    return sentences(
        rows[0] | {"first": first},
        "{first}" if first else "",
        "Segments by purchases from {window_start:%-d %b %Y} to "
        "{window_end:%-d %b %Y}.",
    )


_BY_REVENUE = "order by is_rest, revenue_amount desc, segment"
_SEGMENT_SHARES = Entry(
    "segment-shares",
    "Share of customers and of revenue by RFM segment",
    f"{_SEGMENTS} {_BY_REVENUE}",
    columns={
        "Segment": "{segment:name}",
        "Customers": "{customer_count:,}",
        "Share of all known": "{customer_share_pct:percent}",
        "Revenue": "{revenue_amount:,.2f}",
        "Share of all revenue": "{revenue_share_pct:percent}",
    },
    note=_shares_note,
    absent="No customer has a segment yet.",
    marks=marks.bars,
    series={
        "customer_bar_pct": ("Share of all known customers", marks.SOFT),
        "revenue_share_pct": ("Share of all revenue", marks.ACCENT),
    },
    groups=Groups(
        "segment",
        (
            *("revenue_amount", "revenue_share_pct"),
            *("customer_share_pct", "customer_bar_pct"),
        ),
    ),
)
_SEGMENT_AVERAGES = Entry(
    "segment-averages",
    "Average revenue per customer by RFM segment",
    f"{_SEGMENTS} and customer_count >= {FEWEST} {_BY_REVENUE}",
    columns={
        "Segment": "{segment:name}",
        "Customers": "{customer_count:,}",
        "Average revenue, {currency}": "{average_revenue_amount:,.2f}",
        "Index": "{revenue_index:times}",
    },
    note="{currency} and index, of segments of at least "
    f"{FEWEST} customers. Dashed line: average of all known "
    "customers, {average_amount:amount {largest_amount}} = 1.00×.",
    absent="No customer has a segment yet.",
    marks=partial(marks.bars, dark="datum.revenue_index >= 1", line="average_amount"),
    series={"average_revenue_amount": ("Average revenue", marks.ACCENT)},
    text="{average_revenue_amount:amount {largest_amount}} · {revenue_index:times}",
)


SECTION = Section(
    charts=[[_ACTIVITY_STATES, _CONCENTRATION], [_SEGMENT_SHARES, _SEGMENT_AVERAGES]],
    definitions={
        "Activity state": "By days since the last purchase: active below "
        "{company.activity_states.drowsy}, drowsy from "
        "{company.activity_states.drowsy}, half asleep from "
        "{company.activity_states.half_asleep}, asleep from "
        "{company.activity_states.asleep}. Counted by "
        "{company.activity_states.by:term}: by rhythm, usual gaps of the customer's "
        "own count where there are enough of them.",
        "RFM segment": "By recency, frequency and monetary value, each scored 1–5 at "
        "its quintiles.",
        "Index": "Average revenue of the segment divided by that of all identified "
        "customers, also those without an order.",
        "Concentration": "Customers with at least one order, by revenue; shares of "
        "identified revenue. The top q% are rounded up to whole customers. Gini: 0 "
        "when all bring the same.",
    },
)
