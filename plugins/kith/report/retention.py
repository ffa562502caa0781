"""Entries on who comes back, what of their revenue stays, and how often they come."""

from functools import partial
from typing import Any

import altair as alt

from kith.report import marks
from kith.report.entries import Entry, Grid, Row, Section, Series
from kith.report.formats import fill, sentences
from kith.report.language import translated

_SHOWN = 24  # Newest cohorts, and months since.


def _cohort(row: Row) -> str:
    if row["is_earlier"]:
        return fill("Known before", row)
    if row["cohort_month"]:
        return fill("{cohort_month:%b %Y}", row)
    if row["cohort_count"] > _SHOWN:
        return fill("All shown", row)
    return fill("All new" if row["has_earlier"] else "All cohorts", row)


def _note(words: str, rows: list[Row]) -> str:
    has_earlier, are_many = rows[0]["is_earlier"], rows[0]["cohort_count"] > _SHOWN
    return sentences(
        rows[0],
        words,
        "Months that are not over are blank.",
        "Known before: who registered before the data begin, by months since "
        "{cohort_month:%b %Y}; share of all of them who have bought."
        if has_earlier
        else "",
        "{cohort_month:%b %Y} begins the data: its row may also hold customers who "
        "bought before."
        if not has_earlier and not are_many
        else "",
        "The last 24 of {cohort_count} cohorts, first 24 months." if are_many else "",
    )


# Who was known before has a line, and no part in the last one: their months are not
# counted from a first purchase.
def _grid(
    name: str,
    title: str,
    pct: str,
    note: str,
    weight: str = "cohort_size",
    size: str = "cohort_size",
    **options: Any,
) -> Grid:
    """Cells of the column `pct`, in the last line weighted by the column `weight`."""
    return Grid(
        name,
        title,
        f"""
with cohorts as (
    select *, cohort = 'earlier' as is_earlier from segment.cohorts
),
ranked as (
    select
        *,
        dense_rank() over (partition by is_earlier order by cohort_month desc) as age
    from cohorts
),
cells as (
    select
        is_earlier, cohort_month, {size} as customer_count, period_number as step,
        {pct} as pct, {weight} as weight,
        (select count(distinct cohort) from cohorts where not is_earlier)
            as cohort_count
    from ranked
    where age <= {_SHOWN} and period_number < {_SHOWN}
),
lines as (
    select is_earlier, cohort_month, customer_count, step, pct, cohort_count from cells
    union all
    select
        false, null,
        (select sum(customer_count) from cells where step = 0 and not is_earlier), step,
        sum(pct * weight) / sum(weight), max(cohort_count)
    from cells
    where pct is not null and cohort_count > 1 and not is_earlier
    group by step
)
select
    *, cohort_month is null as is_total, bool_or(is_earlier) over () as has_earlier
from lines
where (select count(pct) from lines) > 0
order by is_earlier desc, cohort_month nulls last, step
""",
        columns={"First bought": _cohort, "Customers": "{customer_count:,}"},
        note=partial(_note, note),
        caption=f"{title}, percent of the cohort",
        **options,
    )


_RETENTION = _grid(
    "retention",
    "Retention by cohort",
    "retention_pct",
    "Share of the customers who first bought in a month (row) and bought again n "
    "months later (column).",
    absent="No identified customer has ordered yet.",
)
_UNBOUNDED = _grid(
    "unbounded-retention",
    "Still there, by cohort",
    "unbounded_retention_pct",
    "Share of the customers who first bought in a month (row) and bought n months "
    "later or at any time since. The latest months may still rise.",
    is_folded=True,
)
_REVENUE = _grid(
    "revenue-retention",
    "Revenue kept, by cohort",
    "gross_revenue_retention_pct",
    "Of what customers spent in their first whole month (100%: the month after the "
    "first purchase), the share that they spend again in a later month. Each counts "
    "with at most what they spent then. Customers: those who bought in it.",
    weight="cast(base_revenue_amount as double)",
    size="base_customer_count",
    is_folded=True,
)


def _curves(chart: Any, rows: list[Row], series: Series) -> Any:
    axis = alt.Axis(title=None, domain=False, labelExpr="datum.value + '%'")
    title = translated("Months since the first purchase")
    steps = alt.Axis(title=title, tickMinStep=1, grid=False)
    lines = (
        chart.transform_fold(list(series), as_=["kind", "value"])
        .transform_filter("isValid(datum.value)")
        .encode(
            alt.X("step:Q", axis=steps),
            alt.Y("value:Q", axis=axis, scale=alt.Scale(zero=True, nice=True)),
            alt.Color(**marks.color_of(series)),
        )
    )
    points = lines.mark_point(filled=True, size=26, opacity=1)
    return alt.layer(lines.mark_line(strokeWidth=2), points).properties(height=240)


def _curves_note(rows: list[Row]) -> str:
    facts = rows[min(3, len(rows) - 1)]
    return sentences(
        facts,
        "All cohorts together: each month of those who have reached it, as long as "
        "they are a quarter of all.",
        "Month {step}: {pct:percent} of the customers buy in it, {later_pct:percent} "
        "in it or later."
        if facts["step"]
        else "",
    )


_CURVES = Entry(
    "retention-curves",
    "Who comes back, and how much of their revenue",
    f"""
with cells as (
    select * from segment.cohorts
    where cohort <> 'earlier' and is_complete and period_number < {_SHOWN}
)
select
    period_number as step, sum(cohort_size) as customer_count,
    sum(retention_pct * cohort_size) / sum(cohort_size) as pct,
    sum(unbounded_retention_pct * cohort_size) / sum(cohort_size) as later_pct,
    sum(net_revenue_retention_pct * base_revenue_amount)
        / sum(base_revenue_amount)
        filter (where net_revenue_retention_pct is not null) as net_pct,
    sum(gross_revenue_retention_pct * base_revenue_amount)
        / sum(base_revenue_amount)
        filter (where gross_revenue_retention_pct is not null) as gross_pct
from cells
where (select max(period_number) from cells) > 0
group by period_number
having 4 * sum(cohort_size) >= (
    select sum(cohort_size) from cells where period_number = 0
)
order by period_number
""",
    columns={
        "Months since": "{step}",
        "Customers": "{customer_count:,}",
        "Bought in it": "{pct:percent}",
        "In it or later": "{later_pct:percent}",
        "Revenue kept, without growth": "{gross_pct:percent}",
        "Growth included": "{net_pct:percent}",
    },
    note=_curves_note,
    absent="Nobody’s first purchase lies a whole month back.",
    marks=_curves,
    series={
        "later_pct": ("Bought then or later", marks.SOFT),
        "pct": ("Bought in that month", marks.ACCENT),
        "net_pct": ("Revenue, growth included", marks.DOUBTFUL),
        "gross_pct": ("Revenue kept, without growth", marks.BAD),
    },
)


def _active_note(rows: list[Row]) -> str:
    told = [row for row in rows if row["daily_to_monthly_pct"] is not None]
    return sentences(
        told[-1] if told else {},
        "Customers who did something: an order, a visit, a call, a post …",
        "In {month:%b %Y}, a customer was active on {active_days:.1f} days of the "
        "month, with {contacts_per_active_day:.2f} contacts each; on "
        "{three_contacts_pct:percent} of these days they came three times or more."
        if told
        else "",
    )


_ACTIVE = Entry(
    "engagement",
    "Active customers by day, week and month",
    """
select
    *, cast(active_day_count as double) / nullif(monthly_active_count, 0) as active_days
from segment.engagement
where breakdown = 'total' and (select sum(n) from segment.engagement) > 0
order by month
""",
    columns={
        "Month": "{month:%b %Y}",
        "On a day": "{daily_active_average:,.1f}",
        "In a week": "{weekly_active_average:,.1f}",
        "In the month": "{monthly_active_count:,}",
        "Stickiness": "{daily_to_monthly_pct:percent}",
        "Day of week": "{daily_to_weekly_pct:percent}",
        "Contacts per active day": "{contacts_per_active_day:.2f}",
        "Three or more": "{three_contacts_pct:percent}",
        "Traces of unknown persons": "{unidentified_count:,}",
    },
    note=_active_note,
    absent="No identified customer has been active yet.",
    marks=marks.month_lines,
    series={
        "monthly_active_count": ("In the month", marks.ACCENT),
        "weekly_active_average": ("In a week, on average", marks.FAIR),
        "daily_active_average": ("On a day, on average", marks.DOUBTFUL),
    },
)
_CHANNELS = Entry(
    "engagement-by-channel",
    "Active customers by channel",
    """
with last_month as (
    select max(month) as month from segment.engagement
    where is_complete
)
select
    coalesce(touchpoints.name, engagement.channel) as channel, engagement.month as of,
    monthly_active_count, daily_active_average, daily_to_monthly_pct,
    contacts_per_active_day, three_contacts_pct, unidentified_count,
    cast(active_day_count as double) / nullif(monthly_active_count, 0) as active_days
from segment.engagement as engagement
inner join last_month on engagement.month = last_month.month
left join customer.touchpoints as touchpoints
    on engagement.channel = touchpoints.touchpoint
where breakdown = 'channel' and monthly_active_count > 0
order by monthly_active_count desc, engagement.channel
""",
    columns={
        "Channel": "{channel:name}",
        "Active customers": "{monthly_active_count:,}",
        "Days each": "{active_days:.1f}",
        "On a day": "{daily_active_average:,.1f}",
        "Stickiness": "{daily_to_monthly_pct:percent}",
        "Contacts per active day": "{contacts_per_active_day:.2f}",
        "Three or more": "{three_contacts_pct:percent}",
        "Traces of unknown persons": "{unidentified_count:,}",
    },
    note="In {of:%b %Y}, the last month that is over. Beside each bar: on how many "
    "days of it a customer came, on average. Who comes on several channels is counted "
    "in each.",
    absent="No identified customer has been active in a month that is over.",
    marks=marks.bars,
    series={"monthly_active_count": ("Active customers", marks.ACCENT)},
    text="{monthly_active_count:,} · {active_days:.1f} days",
    drawn=10,
)
SECTION = Section(
    charts=[[_CURVES, _ACTIVE], [_CHANNELS]],
    tables=[_RETENTION, _UNBOUNDED, _REVENUE],
    definitions={
        "Retention": "Bounded: customers of the cohort who bought in that very month, "
        "divided by the size of the cohort; unbounded: who bought in it or later. Who "
        "registered before the data begin is of one cohort, Known before, since nobody "
        "knows when they first bought.",
        "Revenue kept": "Of customers with revenue in their first whole month, the one "
        "after their first purchase: what they bring in a later month, divided by what "
        "they brought in that one (net, growth included); gross: each counts with at "
        "most what they brought in it.",
        "Active, stickiness": "Active is who orders, visits, writes, calls, answers or "
        "asks; messages to a customer make nobody active. Stickiness: customers active "
        "on a day, mean of the month, divided by those active in the month. All page "
        "views of a visit are one contact.",
    },
)
