"""Entries on the marts of `customer`: who buys, and how much."""

from kith.report import marks
from kith.report.entries import FEWEST, Entry, Row, Section, Tile
from kith.report.formats import sentences

# From the first month with an order on: the months before hold traces of other kinds.
MONTHS = """
with months as (
    select
        month, bool_and(is_complete) as is_complete,
        sum(order_count) as order_count, sum(revenue_amount) as revenue_amount,
        sum(case when customer_id = 'unidentified' then revenue_amount else 0 end)
            as unidentified_amount,
        count(*) filter (where customer_id <> 'unidentified') as customer_count,
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
        sum(order_count) as order_count, sum(gross_amount) as gross_amount,
        sum(return_count) as return_count, sum(returned_amount) as returned_amount,
        sum(cancelled_count) as cancelled_count,
        sum(cancelled_amount) as cancelled_amount,
        cast(sum(revenue_amount) as double) as revenue_amount,
        sum(case when customer_id = 'unidentified' then revenue_amount else 0 end)
            as unidentified_amount
    from customer.customer_values
)
select
    (select nullif(count(*), 0) from customer.customers
        where customer_id <> 'unidentified') as customer_count,
    buyer_count, order_count, gross_amount, return_count, returned_amount,
    cancelled_count, cancelled_amount,
    100.0 * repeat_buyer_count / nullif(buyer_count, 0) as repeat_pct,
    case when order_count > 0 then revenue_amount end as revenue_amount,
    100 * unidentified_amount / nullif(revenue_amount, 0) as unidentified_pct
from buyers cross join sales
"""
# Of a few, the shares would tell what one of them spends.
_BEST = f"""
with best as (
    select
        *, coalesce(n, 0) < {FEWEST} as is_few,
        upper(substr(missing_reason, 1, 1)) || substr(missing_reason, 2) as reason
    from segment.concentrations
    where measure = 'revenue' and top_pct = 20
)
select
    case when not is_few then share_pct end as share_pct,
    case when not is_few then gini end as gini,
    coalesce(
        reason, 'Fewer than {FEWEST} identified customers have ordered'
    ) as missing_reason
from best
"""


def _month_tile(label: str, column: str, value: str, unit: str = "") -> Tile:
    """The last complete month, compared with the month and the year before."""
    query = f"""
{MONTHS},
whole as (
    select month, is_complete, case when is_complete then {column} end as now
    from months
)
select
    month, now,
    lag(now) over (order by month) as month_before,
    lag(now, 12) over (order by month) as year_before
from whole
order by is_complete desc, month desc
limit 1
"""
    changes = {"month_before": "on the month before", "year_before": "on a year before"}
    unknown = "No complete month yet"
    return Tile(label, query, value, ", {month:%b %Y}", unit, "", changes, unknown)


def _sales_note(rows: list[Row]) -> str:
    return sentences(
        rows[0],
        "Orders: {order_count:,}.",
        "Gross {gross_amount:amount}, returned {returned_amount:amount} in "
        "{return_count:,} orders."
        if rows[0]["return_count"]
        else "",
        "Not counted: {cancelled_count:,} cancelled, {cancelled_amount:amount}."
        if rows[0]["cancelled_count"]
        else "",
    )


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
        note=_sales_note,
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
        unknown="{missing_reason:term}",
    ),
    Tile(
        "Gini coefficient",
        _BEST,
        "{gini:.2f}",
        note="0 = all spend alike, 1 = one spends all",
        unknown="{missing_reason:term}",
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
    f"{MONTHS} select * from months order by month",
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
    is_first = rows[0]["month"] == rows[0]["first_month"]
    are_older = is_first and rows[0]["resurrecting_count"]
    return sentences(
        rows[0],
        "Identified customers with an order in the month.",
        "{month:%b %Y} begins the data: who registered before it counts as "
        "resurrecting, all others as new."
        if are_older
        else "",
        "{month:%b %Y} begins the data, so that all its buyers count as new."
        if is_first and not are_older
        else "",
    )


_BUYERS = Entry(
    "buyers",
    "Active buyers by month",
    f"""
{MONTHS}
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


def _lost_note(rows: list[Row]) -> str:
    total = {
        column: sum(row[column] or 0 for row in rows)
        for column in ("gross_amount", "returned_amount", "revenue_amount")
    }
    return sentences(
        rows[0] | total,
        "{currency}. Gross {gross_amount:amount} less returned "
        "{returned_amount:amount} is {revenue_amount:amount} net.",
        "Cancelled orders are neither orders nor revenue.",
    )


_LOST = Entry(
    "returned-and-cancelled",
    "Returned and cancelled by month",
    """
with months as (
    select
        order_month as month, last_day(order_month) <= max(as_of_date) as is_complete,
        count(*) filter (where is_purchase) as order_count,
        count(*) filter (where has_return) as return_count,
        count(*) filter (where status_class = 'cancelled') as cancelled_count,
        sum(gross_amount) as gross_amount, sum(returned_amount) as returned_amount,
        sum(revenue_amount) as revenue_amount, sum(cancelled_amount) as cancelled_amount
    from customer.orders
    group by order_month
)
select * from months
where exists (select 1 from months where return_count + cancelled_count > 0)
order by month
""",
    columns={
        "Month": "{month:%b %Y}",
        "Orders": "{order_count:,}",
        "Gross": "{gross_amount:,.2f}",
        "With a return": "{return_count:,}",
        "Returned": "{returned_amount:,.2f}",
        "Net": "{revenue_amount:,.2f}",
        "Cancelled orders": "{cancelled_count:,}",
        "Cancelled": "{cancelled_amount:,.2f}",
    },
    note=_lost_note,
    marks=marks.month_bars,
    series={
        "returned_amount": ("Returned", marks.DOUBTFUL),
        "cancelled_amount": ("Cancelled", marks.GREY),
    },
)
_UNIDENTIFIED = Entry(
    "unidentified",
    "Share of revenue that is unidentified, by month",
    f"""
{MONTHS}
select
    month, is_complete, revenue_amount, unidentified_amount,
    case
        when revenue_amount > 0
            then cast(100 * unidentified_amount / revenue_amount as double)
    end as unidentified_pct
from months
where exists (select 1 from months where unidentified_amount <> 0)
order by month
""",
    columns={
        "Month": "{month:%b %Y}",
        "Revenue, {currency}": "{revenue_amount:,.2f}",
        "Unidentified": "{unidentified_amount:,.2f}",
        "Share": "{unidentified_pct:percent}",
    },
    note="Per cent of the month’s revenue that has no known customer.",
    marks=marks.month_bars,
    series={"unidentified_pct": ("Share unidentified", marks.GREY)},
)
SECTION = Section(
    tiles=_TILES,
    charts=[[_REVENUE, _BUYERS], [_LOST, _UNIDENTIFIED]],
    definitions={
        "Customer": "A person or organisation, with all identifiers that belong to "
        "them and at least one trace of their own. Orders that nobody is known for "
        "count in revenue and stand under ‘unidentified’.",
        "Identified revenue": "All revenue but that of the unidentified. Concentration "
        "is about it alone; all other shares of revenue are shares of all revenue.",
        "Revenue": "What customers pay for their order lines after discounts, in "
        "{currency}. Returns are subtracted, and a return is no order. A cancelled "
        "order is neither order nor revenue.",
        "Active buyer": "Identified customer with an order in the month ({time_zone}). "
        "New: it holds their first order in the data, and they did not register "
        "before these begin. Returning: they also bought in the month before. "
        "Resurrecting: all others, who come back.",
        "Repeat-purchase rate": "Customers with orders on two or more days, as a share "
        "of customers with an order, over all history.",
    },
)
