"""The entries on customers and revenue."""

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.report.releases import (
    Page,
    by_month,
    make_page,
    marts,
    page_of,
    publish,
    signed,
)


def test_key_figures_equal_the_marts(releases: Any) -> None:
    run, frames = releases["grocer"]
    page = Page(page_of(run))
    values = frames["customer.customer_values"]
    known = values[values.customer_id != "unidentified"]
    months = by_month(frames)
    revenue = months.amount.sum()
    active = frames["customer.customer_months"].query("is_active == True")
    buyers = active.groupby("month").customer_id.nunique()
    change = 100 * (revenue["2017-12"] / revenue["2017-11"] - 1)

    assert page.tiles["Customers"] == ["2,469", "2,469 with an order"]
    assert page.tiles["Active buyers, Dec 2017"][0] == f"{buyers['2017-12-01']:,}"
    tile = page.tiles["Revenue, Dec 2017"]
    assert tile[0] == f"{revenue['2017-12']:,.0f} USD"
    assert tile[1][2:] == signed(change) + " on the month before"
    assert tile[1][0] == ("▲" if change > 0 else "▼")
    assert len(tile) == 2, "there is no year before"
    assert page.tiles["Revenue in all"][0] == f"{values.revenue_amount.sum():,.0f} USD"
    ordered = known.revenue_amount.sort_values(ascending=False)
    top = 100 * ordered.head(494).sum() / ordered.sum()
    assert page.tiles["Revenue from the top 20%"][0] == f"{top:.1f}%"
    gini = frames["segment.concentrations"].gini.iloc[0]
    assert page.tiles["Gini coefficient"][0] == f"{gini:.2f}"
    lost = 100 * (1 - known.revenue_amount.sum() / values.revenue_amount.sum())
    assert page.tiles["Unidentified revenue"][0] == f"{lost:.1f}%"


@pytest.mark.parametrize("name", ["grocer", "unfinished"])
def test_repeat_purchase_rate_leaves_the_unidentified_out(
    releases: Any, name: str
) -> None:
    run, frames = releases[name]
    values = frames["customer.customer_values"]
    known = values[values.customer_id != "unidentified"]
    repeat = 100 * (known.purchase_day_count >= 2).mean()
    page = Page(page_of(run))
    assert page.tiles["Repeat-purchase rate"][0] == f"{repeat:.1f}%"


def test_tables_by_month_equal_the_marts(releases: Any) -> None:
    run, frames = releases["grocer"]
    page = Page(page_of(run))
    months = by_month(frames)
    assert page.tables["Revenue by month"][1:] == [
        [f"{month:%b %Y}", f"{len(group):,}", f"{group.amount.sum():,.2f}"]
        for month, group in months
    ]
    active = frames["customer.customer_months"].query("is_active == True")
    counts = active.groupby(["month", "lifecycle"]).size().unstack(fill_value=0)
    assert page.tables["Active buyers by month"][1:] == [
        [
            f"{month:%b %Y}",
            *(f"{n:,}" for n in (row.sum(), row["new"], row.returning)),
            f"{row.resurrecting:,}",
        ]
        for month, row in counts.iterrows()
    ]


def test_last_complete_month_is_compared_with_the_year_before(releases: Any) -> None:
    run, frames = releases["unfinished"]
    months = by_month(frames)
    revenue = months.amount.sum()
    change = 100 * (revenue["2017-11"] / revenue["2016-11"] - 1)
    tile = Page(page_of(run)).tiles["Revenue, Nov 2017"]
    assert tile[2][2:] == signed(change) + " on a year before"


def test_a_key_figure_that_the_mart_refuses_says_why(releases: Any) -> None:
    tiles = Page(page_of(releases["unfinished"][0])).tiles
    assert tiles["Gini coefficient"] == ["No Gini: negative for 1 of 60 customers"]
    assert tiles["Revenue from the top 20%"][1].startswith("of identified revenue")
    nothing = Page(page_of(releases["events_only"][0])).tiles
    assert nothing["Revenue in all"] == ["There is no order yet"]
    assert nothing["Unidentified revenue"] == ["There is no revenue yet"]


def test_the_month_that_begins_the_data_is_named_since_all_are_new_in_it(
    releases: Any,
) -> None:
    begins = "{} begins the data, so that all its buyers count as new."
    grocer = Page(page_of(releases["grocer"][0])).source
    assert begins.format("Jan 2017") in grocer
    assert "Jan 2017 begins the data: its row may also hold" in grocer
    ten_years = Page(page_of(releases["ten_years"][0])).source
    assert "begins the data" not in ten_years, "that month is not shown"


def test_a_change_of_nothing_shows_no_arrow(tmp_path: Path, home: Path) -> None:
    orders = pd.DataFrame(
        {
            "customer_id": "person-1",
            "day": pd.to_datetime(["2017-11-03", "2017-12-03"]),
            "amount": [12.5, 12.5],
        }
    )
    run = publish(home, "unchanged", marts(orders, "2017-12-31"), "2017-12-31")
    make_page(run)
    page = Page(page_of(run))
    assert page.tiles["Revenue, Dec 2017"][1:] == ["no change on the month before"]
    assert "▲" not in page.source.split("<script>")[0]


def test_returned_and_cancelled_orders_stand_beside_gross_and_net(
    releases: Any,
) -> None:
    run, frames = releases["grocer"]
    page = Page(page_of(run))
    values = frames["customer.customer_values"]
    assert page.tiles["Revenue in all"][1] == (
        f"Orders: {values.order_count.sum():,}. "
        f"Gross {values.gross_amount.sum():,.0f}, "
        f"returned {values.returned_amount.sum():,.0f} "
        f"in {values.return_count.sum():,} orders. "
        f"Not counted: {values.cancelled_count.sum():,} cancelled, "
        f"{values.cancelled_amount.sum():,.0f}."
    )
    orders = frames["customer.orders"]
    heading, *shown = page.tables["Returned and cancelled by month"]
    assert heading[2:6] == ["Gross", "With a return", "Returned", "Net"]
    assert shown == [
        [
            f"{month:%b %Y}",
            f"{rows.is_purchase.sum():,}",
            f"{rows.gross_amount.sum():,.2f}",
            f"{rows.has_return.sum():,}",
            f"{rows.returned_amount.sum():,.2f}",
            f"{rows.revenue_amount.sum():,.2f}",
            f"{(rows.status_class == 'cancelled').sum():,}",
            f"{rows.cancelled_amount.sum():,.2f}",
        ]
        for month, rows in orders.groupby("order_month")
    ]
    unfinished = Page(page_of(releases["unfinished"][0]))
    assert re.fullmatch(r"Orders: [\d,]+\.", unfinished.tiles["Revenue in all"][1])
    assert "Returned and cancelled by month" not in unfinished.tables


def test_share_of_revenue_that_is_unidentified_is_told_by_month(releases: Any) -> None:
    run, frames = releases["grocer"]
    shown = Page(page_of(run)).tables["Share of revenue that is unidentified, by month"]
    assert shown[1:] == [
        [
            f"{month:%b %Y}",
            f"{rows.amount.sum():,.2f}",
            f"{(lost := rows[rows.customer_id.isna()].amount.sum()):,.2f}",
            f"{100 * lost / rows.amount.sum():.1f}%",
        ]
        for month, rows in by_month(frames)
    ]
    one = Page(page_of(releases["one_customer"][0]))
    assert "Share of revenue that is unidentified, by month" not in one.tables
