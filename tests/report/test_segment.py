"""The entries on segments and cohorts."""

from typing import Any

import pandas as pd

from tests.report.releases import Page, page_of


def test_tables_of_segments_equal_the_marts(releases: Any) -> None:
    run, frames = releases["grocer"]
    page = Page(page_of(run))
    segments = frames["segment.segments"].query("scheme == 'rfm_segment'")
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
    states = frames["segment.segments"].query("scheme == 'activity_state'")
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
    assert (
        "100.0% of the 1 with an order are active. Shares are of all 2 known, also "
        "those without an order." in visited
    )
    assert "50.0% of all known customers, also those without an order, bring" in visited
    nobody = Page(page_of(releases["events_only"][0])).source
    assert "None of the 1 known has ordered." in nobody


def test_retention_grid_is_blank_where_a_month_is_not_over(releases: Any) -> None:
    run, frames = releases["unfinished"]
    cohorts = frames["segment.cohorts"]
    grid = Page(page_of(run)).tables["Retention by cohort, percent of the cohort"]
    lines = {row[0]: row for row in grid[1:-1]}
    for month, rows in cohorts.groupby("cohort_month"):
        shown = lines[f"{month:%b %Y}"]
        assert shown[1] == f"{rows.cohort_size.iloc[0]:,}"
        expected = [
            "" if pd.isna(pct) else f"{pct:.0f}%"
            for pct in rows.sort_values("period_number").retention_pct
        ]
        assert shown[2 : 2 + len(expected)] == expected
        assert expected[-1] == "", "December 2017 has 19 days to come"
        assert not any(shown[2 + len(expected) :])
    complete = cohorts.dropna(subset="retention_pct").query("period_number == 3")
    overall = 100 * complete.active_count.sum() / complete.cohort_size.sum()
    assert grid[-1][0] == "All cohorts"
    assert grid[-1][5] == f"{overall:.0f}%"
    known = cohorts.dropna(subset="retention_pct").groupby("period_number")
    overalls = 100 * known.active_count.sum() / known.cohort_size.sum()
    assert grid[-1][2:-1] == [f"{pct:.0f}%" for pct in overalls]
    assert grid[-1][-1] == "", "no cohort knows its December 2017"


def test_ten_years_are_cut_to_the_newest_cohorts(releases: Any) -> None:
    run, frames = releases["ten_years"]
    page = Page(page_of(run))
    grid = page.tables["Retention by cohort, percent of the cohort"]
    cohorts = frames["segment.cohorts"].cohort_month.drop_duplicates().sort_values()
    assert len(cohorts) > 24
    assert [r[0] for r in grid[1:-1]] == [f"{m:%b %Y}" for m in cohorts[-24:]]
    assert len(grid[0]) <= 2 + 24
    assert f"The last 24 of {len(cohorts)} cohorts" in page.source
    assert len(page.tables["Revenue by month"]) == 1 + 36
