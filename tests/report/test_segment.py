"""The entries on the segments of today and on concentration."""

from pathlib import Path
from typing import Any

import pandas as pd

from tests.report.releases import Page, make_page, page_of, publish


def test_tables_of_segments_equal_the_marts(releases: Any) -> None:
    run, frames = releases["grocer"]
    page = Page(page_of(run))
    segments = frames["segment.segments"].query("scheme == 'rfm'")
    shown = page.tables["Share of customers and of revenue by RFM segment"][1:]
    assert shown[-1][0] == "Unidentified"
    assert {row[0]: row[1:] for row in shown} == {
        row.segment.capitalize() if row.segment == "unidentified" else row.segment: [
            f"{row.customer_count:,}",
            f"{row.customer_share_pct:.1f}%",
            f"{round(row.revenue_amount, 2):,.2f}",
            f"{row.revenue_share_pct:.1f}%",
        ]
        for row in segments.itertuples()
    }
    states = frames["segment.segments"].query("scheme == 'activity'")
    by_state = states.set_index("segment").customer_count
    assert [row[:2] for row in page.tables["Customers by activity state"][1:]] == [
        ["Active", f"{by_state.active:,}"],
        ["Drowsy", f"{by_state.drowsy:,}"],
        ["Half asleep", f"{by_state.half_asleep:,}"],
        ["Asleep", f"{by_state.asleep:,}"],
        ["Never purchased", "0"],
    ]


def test_shares_say_of_whom_and_of_which_revenue(releases: Any) -> None:
    bought = Page(page_of(releases["grocer"][0])).source
    assert "of the 2,469 with an order are active.</p>" in bought
    assert "The top 20% of customers with an order (494 of 2,469) bring" in bought
    assert "of all known customers bring" in bought
    visited = Page(page_of(releases["one_customer"][0])).source
    assert "Shares are of all 2 known, also those without an order." in visited
    assert "of the 1 with an order are active" not in visited
    # Of two customers, shares would tell what one has spent.
    assert "of all known customers" not in visited.partition('id="segment-shares')[2]
    refused = Page(page_of(releases["known_before"][0])).source
    assert "of all known customers, also those without an order, bring" in refused
    nobody = Page(page_of(releases["events_only"][0])).source
    assert "None of the 1 known has ordered." in nobody


def test_who_permits_no_score_is_shown_and_no_buyer_without_a_state(
    tmp_path: Path, releases: Any
) -> None:
    page = Page(page_of(releases["known_before"][0]))
    _, active, never, refused, merged = page.tables["Customers by activity state"]
    assert (active[0], never[0]) == ("Active", "Never purchased")
    assert refused[:3] == ["Not permitted", "10", "20.0%"]
    # Three of them would be alone in a state.
    assert merged[:3] == ["Several together", "11", "27.5%"]
    assert "of the 40 with an order are active." in page.source
    assert "10 have not permitted that their state is computed." in page.source
    _, frames = releases["events_only"]
    segments = frames["segment.segments"].assign(segment="not_permitted")
    run = publish(
        tmp_path, "refusing", frames | {"segment.segments": segments}, "2017-12-31"
    )
    make_page(run)
    refusing = Page(page_of(run)).source
    assert "None of the 1 known has permitted that their state is computed." in refusing
    assert "has ordered." not in refusing


def test_the_share_of_margin_says_whose_cost_is_unknown(
    tmp_path: Path, releases: Any
) -> None:
    _, frames = releases["grocer"]
    curve = frames["segment.concentrations"].assign(unknown_revenue_share_pct=0.0)
    margin = curve.assign(
        measure="margin", share_pct=101.25, gini=None, unknown_revenue_share_pct=2.5
    )
    both = pd.concat([curve, margin])
    run = publish(
        tmp_path, "costs", frames | {"segment.concentrations": both}, "2017-12-31"
    )
    make_page(run)
    assert (
        "The top 20% by margin bring 101.2% of it, without the 2.5% of revenue whose "
        "cost is unknown. More than all, since others cost more than they bring."
    ) in Page(page_of(run)).source
    assert "by margin" not in Page(page_of(releases["grocer"][0])).source
