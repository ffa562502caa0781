"""The entries on scores and complaints."""

from typing import Any

import numpy as np

from tests.report.releases import Page, page_of


def test_scores_are_shown_with_answers_and_interval(releases: Any) -> None:
    run, frames = releases["grocer"]
    page = Page(page_of(run))
    scores = frames["satisfaction.satisfaction_scores"]

    def cells(row: Any) -> list[str]:
        if row.score is None:
            return [f"{row.n}", "too few answers", "–"]
        interval = f"{row.interval_low:.1f} to {row.interval_high:.1f}"
        if np.isnan(row.interval_low):
            interval = "–"
        shown = [f"{row.n:,}", f"{row.score:.1f}", interval]
        return [text.replace("-", "−") for text in shown]

    nps = scores[(scores.measure == "nps") & (scores.answers == "all")]
    by_month = nps.query("breakdown == 'total' and period_grain == 'month'")
    expected = [
        [f"{row.period_start:%b %Y}", *cells(row)] for row in by_month.itertuples()
    ]
    expected.insert(3, ["Apr 2017", "0", "no answers", "–"])
    assert expected[2] == ["Mar 2017", "12", "too few answers", "–"]
    assert page.tables["NPS by month"][1:] == expected
    by_place = nps[nps.breakdown == "touchpoint"].sort_values("n", ascending=False)
    shown = page.tables["NPS by touchpoint"][1:]
    assert shown[-1][0] == "Not stated"
    assert "Hotline: Waiting" in [row[0] for row in shown]
    assert sorted(row[1:] for row in shown) == sorted(map(cells, by_place.itertuples()))
    # Surveys stand apart, and months of one without a wave say nothing of the other.
    assert len(page.tables["CSAT by month: after order"]) == 1 + 12
    waves = page.tables["CSAT by year: relationship"][1:]
    assert [row[:2] for row in waves] == [["2017", "185"]]
    by_survey = page.tables["CSAT by survey"][1:]
    assert [row[:2] for row in by_survey] == [
        ["After order", "3,600"],
        ["Relationship", "185"],
    ]
    assert "NPS by survey" not in page.tables
    assert "Grey crosses: fewer than 30 answers." in page.source


def test_a_yearly_survey_is_shown_by_year(releases: Any) -> None:
    run, _ = releases["long_names"]
    shown = Page(page_of(run)).tables["CSAT by year"][1:]
    assert [row[:2] for row in shown] == [
        ["2015", "400"],
        ["2016", "12"],
        ["2017", "400"],
    ]
    assert shown[1][2] == "too few answers"


def test_complaints_are_counted_by_month_of_opening(releases: Any) -> None:
    run, frames = releases["grocer"]
    page = Page(page_of(run))
    cases = frames["satisfaction.complaints"].query("is_complaint")
    shown = page.tables["Complaints answered within 24 hours"][1:]
    for line, (month, group) in zip(
        shown, cases.groupby(cases.opened_date.dt.to_period("M")), strict=True
    ):
        came = int((group.is_answered_in_time == True).sum())  # noqa: E712
        late = int((group.is_answered_in_time == False).sum())  # noqa: E712
        assert line == [
            *(f"{month:%b %Y}", f"{len(group)}", f"{came}", f"{late}"),
            *(f"{len(group) - came - late}", f"{100 * came / (came + late):.1f}%"),
        ]
    states = {row[0]: row[1] for row in page.tables["Complaints by state"][1:]}
    assert states["Overdue"] == str((cases.state == "overdue").sum())
    assert states["Reopened"] == "0"
    others = Page(page_of(releases["one_customer"][0]))
    assert len(others.tables["Service cases answered within 24 hours"]) == 2


def test_gaps_of_the_greatest_survey_are_shown_from_the_widest_on(
    releases: Any,
) -> None:
    page = Page(page_of(releases["grocer"][0]))
    assert page.tables["Service gaps: Yearly"][1:] == [
        ["Reliability", "220", "5.10", "5.60", "−0.50", "−0.70 to −0.30"],
        ["Empathy", "240", "5.50", "5.30", "0.20", "0.10 to 0.30"],
        ["Tangibles", "4", "–", "–", "–", "–"],
    ]
    assert "Dashed line: −0.15 in all. Weighted: −0.21." in page.source
