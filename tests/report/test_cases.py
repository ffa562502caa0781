"""The entries on spikes, backlog and incidents."""

from typing import Any

from tests.report.releases import HOSTILE, Page, page_of


def test_a_spike_is_shown_with_its_nature_by_the_hour(releases: Any) -> None:
    page = Page(page_of(releases["grocer"][0]))
    assert page.tables["Spikes of complaints and mentions"] == [
        ["Begins", "Of", "Count", "Usual", "Channel", "Product", "Reason", "Region"],
        [
            *("17 Jun 2017, 14:00", "Complaints", "25", "1.5", "phone (85%)", "–"),
            *("Glass in it (100%)", "north"),
        ],
    ]
    nothing = Page(page_of(releases["unfinished"][0]))
    assert "Spikes of complaints and mentions" not in nothing.tables
    assert "mentions begin on 1 day in all." in page.source


def test_backlog_and_products_are_shown_with_their_years(releases: Any) -> None:
    page = Page(page_of(releases["grocer"][0]))
    backlog = page.tables["Open service cases at each month’s end"]
    assert backlog[1:3] == [
        ["Jan 2017", "30", "10", "–"],
        ["Feb 2017", "58", "19", "–"],
    ]
    assert backlog[-1] == ["Dec 2017", "364", "121", "–"]
    assert page.tables["Complaints and repairs by product"][1:] == [
        ["Glass in it", "9", "300", "30.0", "15.8 to 57.0", "4.0", "rising"],
        ["shop:p2", "1", "1,000", "1.0", "0.2 to 5.7", "–", "–"],
    ]
    assert HOSTILE not in Page(page_of(releases["long_names"][0])).source
