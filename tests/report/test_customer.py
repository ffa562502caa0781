"""The entries on customers and revenue."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from kith.report.page import write_report
from tests.report.releases import Page, by_month, marts, page_of, publish, signed


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
    repeat = 100 * (known.order_count >= 2).mean()
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


def test_a_change_of_nothing_shows_no_arrow(tmp_path: Path, home: Path) -> None:
    orders = pd.DataFrame(
        {
            "customer_id": "person-1",
            "day": pd.to_datetime(["2017-11-03", "2017-12-03"]),
            "amount": [12.5, 12.5],
        }
    )
    run = publish(home, "unchanged", marts(orders, "2017-12-31"), "2017-12-31")
    write_report(run)
    page = Page(page_of(run))
    assert page.tiles["Revenue, Dec 2017"][1:] == ["no change on the month before"]
    assert "▲" not in page.source.split("<script>")[0]
