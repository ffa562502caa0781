"""Entries on the marts of `customer`: who buys, and how much."""

from kith.report import marks
from kith.report.entries import Entry, Row, Section, Tile
from kith.report.formats import fill

# From the first month with an order on: the months before hold traces of other kinds.
_MONTHS = """
with months as (
    select
        month, bool_and(is_complete) as is_complete,
        sum(order_count) as order_count, sum(revenue_amount) as revenue_amount,
        count(*) filter (where is_active) as buyer_count,
        count(*) filter (where lifecycle = 'new') as new_count,
        count(*) filter (where lifecycle = 'returning') as returning_count,
        count(*) filter (where lifecycle = 'resurrecting') as resurrecting_count
    from customer.customer_months
    where month >= (
        select min(month) from customer.customer_months
        where order_count > 0 or revenue_amount <> 0
    )
    group by month
)
"""
_TOTALS = """
with buyers as (
    select
        count(*) as buyer_count,
        count(*) filter (where purchase_day_count >= 2) as repeat_buyer_count
    from customer.customer_values
    where order_count >= 1 and customer_id <> 'unidentified'
),
sales as (
    select
        sum(order_count) as order_count,
        cast(sum(revenue_amount) as double) as revenue_amount,
        sum(case when customer_id = 'unidentified' then revenue_amount else 0 end)
            as unidentified_amount
    from customer.customer_values
)
select
    (select nullif(count(*), 0) from customer.customers
        where customer_id <> 'unidentified') as customer_count,
    buyer_count, order_count,
    100.0 * repeat_buyer_count / nullif(buyer_count, 0) as repeat_pct,
    case when order_count > 0 then revenue_amount end as revenue_amount,
    100 * unidentified_amount / nullif(revenue_amount, 0) as unidentified_pct
from buyers cross join sales
"""
_BEST = """
select
    share_pct, gini,
    upper(substr(missing_reason, 1, 1)) || substr(missing_reason, 2) as missing_reason
from segment.concentrations
where measure = 'revenue' and top_pct = 20
"""


def _month_tile(label: str, column: str, value: str, unit: str = "") -> Tile:
    """The last complete month, compared with the month and the year before."""
    query = f"""
{_MONTHS}
select
    month, case when is_complete then {column} end as now,
    lag({column}) over (order by month) as month_before,
    lag({column}, 12) over (order by month) as year_before
from months
order by is_complete desc, month desc
limit 1
"""
    changes = {"month_before": "on the month before", "year_before": "on a year before"}
    unknown = "No complete month yet"
    return Tile(label, query, value, ", {month:%b %Y}", unit, "", changes, unknown)


_TILES = [
    Tile(
        "Customers",
        _TOTALS,
        "{customer_count:,}",
        note="{buyer_count:,} with an order",
        unknown="Nobody is known yet",
    ),
    _month_tile("Active buyers", "buyer_count", "{now:,}"),
    _month_tile("Revenue", "revenue_amount", "{now:amount}", unit="{currency}"),
    Tile(
        "Revenue in all",
        _TOTALS,
        "{revenue_amount:amount}",
        unit="{currency}",
        note="Orders: {order_count:,}",
        unknown="There is no order yet",
    ),
    Tile(
        "Repeat-purchase rate",
        _TOTALS,
        "{repeat_pct:percent}",
        note="of buyers came back on another day",
        unknown="No identified customer has ordered yet",
    ),
    Tile(
        "Revenue from the top 20%",
        _BEST,
        "{share_pct:percent}",
        note="of identified revenue, by customers with an order",
        unknown="{missing_reason}",
    ),
    Tile(
        "Gini coefficient",
        _BEST,
        "{gini:.2f}",
        note="0 = all spend alike, 1 = one spends all",
        unknown="{missing_reason}",
    ),
    Tile(
        "Unidentified revenue",
        _TOTALS,
        "{unidentified_pct:percent}",
        note="of all revenue has no known customer",
        unknown="There is no revenue yet",
    ),
]
_REVENUE = Entry(
    "revenue",
    "Revenue by month",
    f"{_MONTHS} select * from months order by month",
    columns={
        "Month": "{month:%b %Y}",
        "Orders": "{order_count:,}",
        "Revenue, {currency}": "{revenue_amount:,.2f}",
    },
    note="{currency}, unidentified customers included.",
    absent="There is no order yet.",
    marks=marks.month_bars,
    series={"revenue_amount": ("Revenue", marks.ACCENT)},
)


def _buyers_note(rows: list[Row]) -> str:
    words = "Identified customers with an order in the month."
    if rows[0]["month"] == rows[0]["first_month"]:
        words += " {month:%b %Y} begins the data, so that all its buyers count as new."
    return fill(words, rows[0])


_BUYERS = Entry(
    "buyers",
    "Active buyers by month",
    f"""
{_MONTHS}
select
    *,
    (select min(month) from months where buyer_count > 0) as first_month
from months
where (select sum(buyer_count) from months) > 0
order by month
""",
    columns={
        "Month": "{month:%b %Y}",
        "Buyers": "{buyer_count:,}",
        "New": "{new_count:,}",
        "Returning": "{returning_count:,}",
        "Resurrecting": "{resurrecting_count:,}",
    },
    note=_buyers_note,
    absent="No identified customer has ordered yet.",
    marks=marks.month_bars,
    series={
        "new_count": ("New", "#5aa9a0"),
        "returning_count": ("Returning", marks.ACCENT),
        "resurrecting_count": ("Resurrecting", marks.DOUBTFUL),
    },
)
SECTION = Section(
    tiles=_TILES,
    charts=[[_REVENUE, _BUYERS]],
    definitions={
        "Customer": "A person or organisation with at least one identified trace. "
        "Orders without an identifier count in revenue and stand under ‘unidentified’.",
        "Identified revenue": "All revenue but that of the unidentified. Concentration "
        "is about it alone; all other shares of revenue are shares of all revenue.",
        "Revenue": "What customers pay for their order lines after discounts, in "
        "{currency}. Returns are subtracted, and a return is no order. A cancelled "
        "order is neither order nor revenue.",
        "Active buyer": "Identified customer with an order in the month ({time_zone}). "
        "New: it holds their first order in the data. Returning: they also bought in "
        "the month before. Resurrecting: they bought earlier, but not in the month "
        "before.",
        "Repeat-purchase rate": "Customers with orders on two or more days, as a share "
        "of customers with an order, over all history.",
    },
)
