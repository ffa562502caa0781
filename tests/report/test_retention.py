"""The entries on retention and engagement."""

from pathlib import Path
from typing import Any

import pandas as pd

from tests.report.releases import Page, make_page, page_of, publish


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
    make_page(run)
    grids = [
        Page(page_of(each)).tables["Retention by cohort, percent of the cohort"]
        for each in (releases["unfinished"][0], run)
    ]
    assert grids[1][1][:2] == ["Known before", "40"]
    assert [line[1:] for line in grids[1][2:]] == [line[1:] for line in grids[0][1:]]
    assert grids[1][-1][0] == "All new"


def test_revenue_kept_is_of_the_first_whole_month_and_pale_there(releases: Any) -> None:
    run, frames = releases["grocer"]
    page = Page(page_of(run))
    grid = page.tables["Revenue kept, by cohort, percent of the cohort"]
    cohorts = frames["segment.cohorts"]
    base = cohorts.drop_duplicates("cohort").base_customer_count
    assert [line[1] for line in grid[1:-1]] == [f"{count:,}" for count in base]
    first, last = grid[1], grid[-1]
    assert first[2:5] == ["", "100%", "50%"]
    assert last[:2] == ["All cohorts", f"{base.sum():,}"]
    assert last[2:5] == ["", "100%", "50%"]
    # The base is no success: 50 % has the darkest shade.
    assert '<td style="background:#eceff2">100%</td>' in page.source
    assert '<td style="background:rgba(22,78,128,1.00);color:#fff">50%</td>' in (
        page.source
    )
    unbounded = page.tables["Still there, by cohort, percent of the cohort"]
    assert unbounded[1][2:5] == ["100%", "100%", "99%"]


def test_curves_are_those_of_all_cohorts_that_a_quarter_has_reached(
    tmp_path: Path, releases: Any
) -> None:
    _, frames = releases["grocer"]
    cohorts = frames["segment.cohorts"].copy()
    # Many came late: of few the later months are known.
    sizes = ["cohort_size", "active_count"]
    cohorts.loc[cohorts.cohort == "2017-08", sizes] *= 500
    run = publish(tmp_path, "late", frames | {"segment.cohorts": cohorts}, "2017-12-31")
    make_page(run)
    page = Page(page_of(run))
    steps = cohorts.dropna(subset="retention_pct").groupby("period_number")
    size = steps.cohort_size.sum()
    pct = 100 * steps.active_count.sum() / size
    reached = size[4 * size >= size[0]].index
    assert list(reached) == [0, 1, 2, 3, 4]
    lines = page.tables["Who comes back, and how much of their revenue"][1:]
    assert [line[:3] for line in lines] == [
        [str(step), f"{size[step]:,}", f"{pct[step]:.1f}%"] for step in reached
    ]
    assert lines[0][4:] == ["–", "–"]
    assert lines[2][4:] == ["50.0%", "25.0%"]
    assert f"Month 3: {pct[3]:.1f}% of the customers buy in it, " in page.source


def test_activity_is_told_by_month_and_by_channel_of_the_last_month_that_is_over(
    releases: Any,
) -> None:
    run, frames = releases["unfinished"]
    page = Page(page_of(run))
    told = frames["segment.engagement"]
    total = told[told.breakdown == "total"]
    shown = page.tables["Active customers by day, week and month"][1:]
    assert len(shown) == len(total)
    november = total[total.month == "2017-11-01"].iloc[0]
    days = november.active_day_count / november.monthly_active_count
    assert shown[-2][:4] == [
        "Nov 2017",
        f"{november.daily_active_average:,.1f}",
        f"{november.weekly_active_average:,.1f}",
        f"{november.monthly_active_count:,.0f}",
    ]
    assert shown[-1][0] == "Dec 2017 (not whole)"
    assert set(shown[-1][1:-1]) == {"–"}
    assert f"In Nov 2017, a customer was active on {days:.1f} days" in page.source
    channels = told[(told.breakdown == "channel") & (told.month == "2017-11-01")]
    assert {
        row[0]: row[1] for row in page.tables["Active customers by channel"][1:]
    } == {
        row.channel.capitalize(): f"{row.monthly_active_count:,.0f}"
        for row in channels.itertuples()
    }
    assert "In Nov 2017, the last month that is over." in page.source
