"""Entries on who the customers are and where, in whose care, and on leads."""

import math
from functools import partial
from typing import Any

import altair as alt

from kith.report import marks
from kith.report.entries import Entry, Groups, Row, Section, Series
from kith.report.formats import fill
from kith.report.language import translated

# The twelve months up to the last one, with the customers at its end.
_YEAR = """
with last as (
    select max(period_start) as last_month from customer.portraits
    where period_grain = 'month'
),
told as (
    select
        dimension, part, last_month,
        sum(case when period_start = last_month then customer_count else 0 end)
            as customer_count,
        sum(order_count) as order_count, sum(revenue_amount) as revenue_amount
    from customer.portraits cross join last
    where period_grain = 'month' and period_start > last_month - interval '12' month
    group by dimension, part, last_month
),
shared as (
    select
        *, 100.0 * revenue_amount
        / nullif(sum(revenue_amount) over (partition by dimension), 0) as share_pct,
        row_number() over (
            partition by dimension order by revenue_amount desc, part
        ) as place_of_part
    from told
    where customer_count > 0 or order_count > 0 or revenue_amount <> 0
)
"""


_SUMS = ("order_count", "revenue_amount", "share_pct")

# The map ------------------------------------------------------------------------------


def cells(points: list[tuple[float, float] | None]) -> list[tuple[int, int]]:
    """Column and line of a tile for each point, the first ones nearest to their place.

    `points` are longitude and latitude, in degrees. The north is above. What lies
    nowhere stands in lines below the map.
    """
    known = [point for point in points if point]
    width = min(math.ceil(math.sqrt(len(points))) + 1, 5)
    height = math.ceil(1.5 * len(known) / width) + 1 if known else 0
    free = {(column, line) for column in range(width) for line in range(height)}
    east, north = zip(*known, strict=True) if known else ((), ())

    def scaled(value: float, ends: tuple[float, ...], count: int) -> float:
        span = max(ends) - min(ends)
        return (value - min(ends)) / span * (count - 1) if span else (count - 1) / 2

    found, below = [], 0
    for point in points:
        if point is None:
            found.append((below % width, height + below // width))
            below += 1
            continue
        at = scaled(point[0], east, width)
        from_top = height - 1 - scaled(point[1], north, height)
        nearest = min(
            free,
            key=lambda cell: (
                (cell[0] - at) ** 2 + (cell[1] - from_top) ** 2,
                cell,
            ),
        )
        free.remove(nearest)
        found.append(nearest)
    # Lines that nothing stands in take no room.
    used = sorted({line for _, line in found})
    return [(column, used.index(line)) for column, line in found]


def _map(chart: Any, rows: list[Row], series: Series) -> Any:
    points = [
        (row["longitude"], row["latitude"]) if row["latitude"] is not None else None
        for row in rows
    ]
    tiles = cells(points)
    columns, lines = ([cell[at] for cell in tiles] for at in (0, 1))
    highest = max((row["share_pct"] or 0 for row in rows), default=0) or 1
    # Light enough for dark words on the darkest.
    shades = alt.Scale(domain=[0, highest], range=["#e8f0f7", "#79a6d2"])
    shown = chart.transform_calculate(
        column=f"{columns}[datum.place]", line=f"{lines}[datum.place]"
    ).encode(
        alt.X("column:O", axis=None, scale=alt.Scale(padding=0.05)),
        alt.Y("line:O", axis=None, scale=alt.Scale(padding=0.05)),
    )
    words = {"align": "center", "baseline": "middle", "limit": 84, "color": marks.INK}
    return alt.layer(
        shown.mark_rect(cornerRadius=4).encode(
            alt.Color("share_pct:Q", scale=shades, legend=None)
        ),
        shown.mark_text(dy=-8, fontWeight="bold", fontSize=11, **words).encode(
            text="cell_0:N"
        ),
        shown.mark_text(dy=9, fontSize=11, **words).encode(text="text:N"),
    ).properties(height=54 * (max(lines) + 1))


_MAP = Entry(
    "portrait-map",
    "Customers and revenue by region",
    f"""
{_YEAR},
located as (
    select region, avg(longitude) as longitude, avg(latitude) as latitude
    from customer.places
    where longitude is not null and latitude is not null
    group by region
)
select shared.*, longitude, latitude
from shared left join located on part = region
where dimension = 'region'
order by revenue_amount desc, part
""",
    columns={
        "Region": "{part:name}",
        "Customers": "{customer_count:,}",
        "Purchases": "{order_count:,}",
        "Revenue, {currency}": "{revenue_amount:,.2f}",
        "Share of revenue": "{share_pct:percent}",
    },
    note="Twelve months up to {last_month:%b %Y}, customers at its end. Each tile is a "
    "region, about where the company has its places; the darker, the more revenue. "
    "Below: regions without a place, customers of whom no region is known, and orders "
    "of nobody known.",
    absent="There is no customer yet.",
    marks=_map,
    series={"share_pct": ("Share of revenue", marks.ACCENT)},
    text="{customer_count:,} · {share_pct:.0f}%",
    drawn=56,
    groups=Groups("part", _SUMS),
)
_PORTRAIT = Entry(
    "portrait",
    "Portrait of the customers",
    f"""
{_YEAR}
select * from shared
where place_of_part <= 10
order by dimension, place_of_part
""",
    columns={
        "By": lambda row: (
            fill("How they came", row)
            if row["dimension"] == "source"
            else fill("{dimension:name}", row)
        ),
        "Value": "{part:name}",
        "Customers": "{customer_count:,}",
        "Purchases": "{order_count:,}",
        "Revenue, {currency}": "{revenue_amount:,.2f}",
        "Share of revenue": "{share_pct:percent}",
    },
    note="Twelve months up to {last_month:%b %Y}, customers at its end; of each "
    "dimension the ten values with most revenue. Each divides all customers and sales. "
    "Any month, quarter or year, by department and employee, is in customer.portraits.",
    groups=Groups("part", _SUMS, within="dimension"),
    is_folded=True,
)

# Who has them -------------------------------------------------------------------------

_CARE = Entry(
    "ownerships",
    "What goes with an employee who leaves",
    """
with held as (
    select
        employee_id, max(department) as department, count(*) as customer_count,
        sum(revenue_amount_365d) as revenue_amount
    from customer.ownerships
    where is_current
    group by employee_id
),
sold as (
    select sum(revenue_amount) as revenue_amount from customer.orders
    where order_date > as_of_date - interval '365' day
)
select
    held.*, 100.0 * held.revenue_amount / nullif(sold.revenue_amount, 0) as share_pct
from held cross join sold
order by held.revenue_amount desc, employee_id
""",
    columns={
        "Employee": "{employee_id:name}",
        "Department": "{department}",
        "Customers": "{customer_count:,}",
        "Their revenue, {currency}": "{revenue_amount:,.2f}",
        "Share of all revenue": "{share_pct:percent}",
    },
    note="Revenue in 365 days of the customers who are in an employee’s care today, in "
    "{currency}: what is at risk with them.",
    absent="No customer is in an employee’s care.",
    marks=marks.bars,
    series={"revenue_amount": ("Revenue at risk", marks.ACCENT)},
    text="{customer_count:,} customers · {revenue_amount:amount}",
    drawn=12,
    groups=Groups("employee_id", ("revenue_amount", "share_pct")),
)
_LEFT = Entry(
    "owners-left",
    "What became of the customers of those who left",
    """
select
    employee_id, ended_on, max(compared_days) as compared_days,
    count(*) as customer_count, count(bought_again_on) as kept_count,
    sum(revenue_before_amount) as revenue_before_amount,
    sum(revenue_after_amount) as revenue_after_amount
from customer.ownerships
where ended_because = 'employee_left'
group by employee_id, ended_on
order by ended_on desc, employee_id
limit 12
""",
    columns={
        "Employee": "{employee_id:name}",
        "Left on": "{ended_on:%-d %b %Y}",
        "Customers": "{customer_count:,}",
        "Bought again": "{kept_count:,}",
        "Days compared": "{compared_days:,}",
        "Revenue before, {currency}": "{revenue_before_amount:,.2f}",
        "Revenue after, {currency}": "{revenue_after_amount:,.2f}",
    },
    note="Revenue in so many days before and after the day on which the employee left. "
    "Some customers would have left in any case.",
    absent="No employee has left customers behind.",
    groups=Groups(
        "employee_id", ("kept_count", "revenue_before_amount", "revenue_after_amount")
    ),
)

# Leads --------------------------------------------------------------------------------

_ENDS = {
    "open": ("On the way", marks.ACCENT),
    "won": ("Won", marks.GOOD),
    "lost": ("Lost", marks.BAD),
}
_FUNNEL = Entry(
    "leads",
    "Leads: how far they come",
    """
with reached as (
    select
        stage, stage_class as state, sum(lead_count) as lead_count,
        sum(won_count) as won_count, sum(lost_count) as lost_count,
        sum(open_count) as open_count
    from customer.lead_conversions
    where cohort_grain = 'month' and breakdown = 'total'
    group by stage, stage_class
),
facts as (
    select
        count(*) as created_count, count(*) filter (where outcome = 'won') as all_won,
        count(*) filter (where outcome = 'lost') as all_lost,
        count(*) filter (where outcome = 'open') as all_open,
        count(*) filter (where is_stuck) as stuck_count
    from customer.leads
)
select
    reached.*, facts.*, 100.0 * lead_count / created_count as reached_pct,
    100.0 * all_won / created_count as won_pct
from reached cross join facts
order by stage <> 'created', state <> 'open', lead_count desc, stage
""",
    columns={
        "Stage": "{stage:name}",
        "Leads": "{lead_count:,}",
        "Of all": "{reached_pct:percent}",
        "Won since": "{won_count:,}",
        "Lost since": "{lost_count:,}",
        "Still open": "{open_count:,}",
    },
    note="Of {created_count:,} leads {all_won:,} were won ({won_pct:percent}), "
    "{all_lost:,} lost; {all_open:,} are open, {stuck_count:,} of them for more than "
    "twice the usual time in their stage.",
    absent="There is no lead yet.",
    marks=partial(marks.bars, states=_ENDS),
    series={"lead_count": ("Leads", marks.ACCENT)},
    text="{lead_count:,} · {reached_pct:percent}",
    drawn=12,
)
_KINDS = {
    "near": "Near: a need or means are known",
    "refusing": "Refusing: lost, or a criterion unmet",
    "unexplored": "Unexplored: nothing is known",
}
_PROSPECTS = Entry(
    "prospects",
    "Who is no customer yet",
    """
select
    prospect_kind, subject, count(*) as prospect_count,
    count(*) filter (where is_stuck) as stuck_count,
    count(*) filter (where unmet_criteria like '%has_need%') as without_need_count,
    count(*) filter (where unmet_criteria like '%can_pay%') as without_means_count
from customer.prospects
group by prospect_kind, subject
order by subject, prospect_kind
""",
    columns={
        "Kind": lambda row: (
            fill("Unexplored: a market where nobody buys", row)
            if row["subject"] == "market"
            else translated(_KINDS[row["prospect_kind"]])
        ),
        "Prospects": "{prospect_count:,}",
        "Stuck": "{stuck_count:,}",
        "No need": "{without_need_count:,}",
        "No means": "{without_means_count:,}",
    },
    note="Persons with a lead who are no customers, and regions and categories with "
    "demand in which nobody buys.",
    absent="No prospect is known.",
)
SECTION = Section(
    charts=[[_MAP, _CARE], [_LEFT], [_FUNNEL, _PROSPECTS]],
    tables=[_PORTRAIT],
    definitions={
        "In an employee’s care": "Of several employees at one time the one assigned "
        "last. An order counts with the employee who had the customer at that time.",
        "Lead won, lost": "By the words of its stages. Leads count in the month in "
        "which they were created; those still open are neither won nor lost.",
    },
)
