"""Entries on the service desk: spikes and their nature, the backlog, products."""

from kith.report import marks
from kith.report.entries import Entry, Row, Section
from kith.report.formats import MISSING, fill

_SHOWN = 10


def _when(row: Row) -> str:
    return fill(
        "{begins_at:%-d %b %Y, %H:%M}" if row["is_hour"] else "{day:%-d %b %Y}", row
    )


def _mostly(dimension: str) -> str:
    """SQL of the value of a dimension that rose most, with its share of the rise."""
    return f"""
        max(case when dimension = '{dimension}' and position = 1 then value end)
            as {dimension},
        max(
            case
                when dimension = '{dimension}' and position = 1 then share_of_rise_pct
            end
        ) as {dimension}_pct"""


_DIMENSIONS = ("channel", "product", "reason", "region")


def _value(row: Row, dimension: str) -> str:
    if row[dimension] is None:
        return MISSING
    facts = {"value": row[dimension], "share": row[f"{dimension}_pct"]}
    is_told = facts["share"] is not None
    return fill("{value:term} ({share:.0f}%)" if is_told else "{value:term}", facts)


_SPIKES = Entry(
    "spikes",
    "Spikes of complaints and mentions",
    f"""
with periods as (
    select
        signal, grain, period_start_at, period_date as day,
        max(case when is_new then 1 else 0 end) = 1 as is_new,
        max(n) as n,
        max(case when dimension = 'all' then usual_count end) as usual_count,
        {", ".join(map(_mostly, _DIMENSIONS))}
    from satisfaction.complaint_spikes
    group by signal, grain, period_start_at, period_date
),
told as (
    select
        periods.*,
        max(case when grain = 'hour' and is_new then 1 else 0 end)
            over (partition by signal, day) as is_told_by_hour
    from periods
)
select
    *, grain = 'hour' as is_hour,
    period_start_at at time zone 'UTC' at time zone $time_zone as begins_at
from told
where is_new and (grain = 'hour' or is_told_by_hour = 0)
order by period_start_at desc, signal
limit {_SHOWN}
""",
    columns={
        "Begins": _when,
        "Of": "{signal:name}",
        "Count": "{n:,}",
        "Usual": "{usual_count:,.1f}",
        "Channel": lambda row: _value(row, "channel"),
        "Product": lambda row: _value(row, "product"),
        "Reason": lambda row: _value(row, "reason"),
        "Region": lambda row: _value(row, "region"),
    },
    note="Each hour with which a spike begins, and days that no hour told of. In "
    "brackets: share in the rise.",
)
_BACKLOG = Entry(
    "backlog",
    "Open service cases at each month’s end",
    """
with days as (
    select
        cast(date_trunc('month', day) as date) as month, day, open_count,
        open_over_30_days_count, overdue_count, as_of_date,
        row_number() over (
            partition by date_trunc('month', day) order by day desc
        ) as position
    from satisfaction.complaint_backlog
    where kind = 'all'
),
spikes as (
    select count(distinct period_date) as spike_count
    from satisfaction.complaint_spikes
    where is_new
)
select *, last_day(month) <= as_of_date as is_complete
from days cross join spikes
where position = 1
order by month
""",
    columns={
        "Month": "{month:%b %Y}",
        "Open": "{open_count:,}",
        "Older than 30 days": "{open_over_30_days_count:,}",
        "Overdue": "{overdue_count:,}",
    },
    note="Cases that are not resolved. Spikes of complaints and mentions begin on "
    "{spike_count:,} {spike_count:|day|days} in all.",
    marks=marks.month_lines,
    series={
        "open_count": ("Open", marks.ACCENT),
        "open_over_30_days_count": ("Older than 30 days", marks.BAD),
    },
)
_INCIDENTS = Entry(
    "incidents",
    "Complaints and repairs by product",
    f"""
with rated as (
    select
        *, row_number() over (
            order by interval_low desc, incidents_per_1000 desc, product_key
        ) as position
    from satisfaction.product_incidents
    where incidents_per_1000 is not null and incident_count > 0
)
select * from rated where position <= {_SHOWN} order by position
""",
    columns={
        "Product": lambda row: row["name"] or row["product_key"],
        "Incidents": "{incident_count:,}",
        "Units sold": "{n:,.0f}",
        "Per 1,000": "{incidents_per_1000:,.1f}",
        "Interval of 95%": "{interval_low:,.1f} to {interval_high:,.1f}",
        "A year before": "{incidents_per_1000_before:,.1f}",
        "Trend": "{trend:term}",
    },
    note="Of the last 365 days, those first whose rate is surely high; usual are "
    "{usual_per_1000:,.1f} per 1,000 units sold.",
    marks=marks.bars,
    series={"incidents_per_1000": ("Per 1,000 units", marks.ACCENT)},
    text="{incidents_per_1000:,.1f} · {incident_count:,} of {n:,.0f}",
)
SECTION = Section(
    charts=[[_SPIKES], [_BACKLOG, _INCIDENTS]],
    definitions={
        "Spike": "At least {company.spike_minimum_count} complaints (or posts about "
        "the company) within an hour, or thrice that within a day, at least 1.5 times "
        "what the same hours and weekdays of the 8 weeks before had, and 5 times their "
        "scatter above it.",
        "Incident": "Complaint, claim or repair that names a product.",
    },
)
