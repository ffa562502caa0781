"""The entries on segments and cohorts."""

from pathlib import Path
from typing import Any

import pandas as pd

from kith.report.page import write_report
from tests.report.releases import Page, page_of, publish


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


def test_who_was_known_before_the_data_has_a_line_of_their_own(releases: Any) -> None:
    run, frames = releases["known_before"]
    page = Page(page_of(run))
    (heading, *lines) = page.tables["Retention by cohort, percent of the cohort"]
    cohort = frames["segment.cohorts"]
    shares = [f"{pct:.0f}%" for pct in cohort.retention_pct]
    assert heading[:3] == ["First bought", "Customers", "0"]
    assert lines == [["Known before", "40", *shares]]
    assert shares[0] != "100%"
    words = "Known before: who registered before the data begin, by months since Jan"
    assert words in page.source
    assert "has ordered yet" not in page.source
    begins = "Jan 2017 begins the data: who registered before it counts as resurrecting"
    assert begins in page.source
    assert "count as new" not in page.source


def test_a_line_of_all_cohorts_leaves_out_who_was_known_before(
    tmp_path: Path, releases: Any
) -> None:
    _, frames = releases["unfinished"]
    _, before = releases["known_before"]
    both = [before["segment.cohorts"], frames["segment.cohorts"]]
    run = publish(
        tmp_path, "both", frames | {"segment.cohorts": pd.concat(both)}, "2017-12-12"
    )
    write_report(run)
    grids = [
        Page(page_of(each)).tables["Retention by cohort, percent of the cohort"]
        for each in (releases["unfinished"][0], run)
    ]
    assert grids[1][1][:2] == ["Known before", "40"]
    assert [line[1:] for line in grids[1][2:]] == [line[1:] for line in grids[0][1:]]
    assert grids[1][-1][0] == "All new"


def test_who_permits_no_score_is_shown_and_no_buyer_without_a_state(
    tmp_path: Path, releases: Any
) -> None:
    page = Page(page_of(releases["known_before"][0]))
    *known, refused = page.tables["Customers by activity state"]
    assert refused[:3] == ["Not permitted", "10", "20.0%"]
    assert len(known) == 1 + 5
    assert "of the 40 with an order are active." in page.source
    assert "10 have not permitted that their state is computed." in page.source
    _, frames = releases["events_only"]
    segments = frames["segment.segments"].assign(segment="not_permitted")
    run = publish(
        tmp_path, "refusing", frames | {"segment.segments": segments}, "2017-12-31"
    )
    write_report(run)
    refusing = Page(page_of(run)).source
    assert "None of the 1 known has permitted that their state is computed." in refusing
    assert "has ordered." not in refusing
