"""The entries on what satisfaction hangs on, on shortfalls and on what follows."""

from typing import Any

from tests.report.releases import Page, page_of
from tests.report.test_predictions import card_of


def test_drivers_are_listed_with_interval_effect_and_what_is_unlisted(
    releases: Any,
) -> None:
    page = Page(page_of(releases["grocer"][0]))
    assert page.tables["What satisfaction hangs on"] == [
        [
            *("Part of the service", "Share", "from", "to"),
            *("A point more goes with", "at least", "at most"),
        ],
        ["Waiting time", "50.0%", "45.0%", "55.0%", "+0.20", "+0.10", "+0.30"],
        ["Staff", "33.3%", "28.3%", "38.3%", "+0.20", "+0.10", "+0.30"],
        ["Opening hours", "16.7%", "11.7%", "21.7%", "+0.20", "+0.10", "+0.30"],
    ]
    card = card_of(page, "satisfaction-drivers")
    assert "what CSAT hangs on, by 500 answers of 400 persons." in card
    assert "which is 50.0%; 50.0% is unlisted. The first three have 100.0%." in card
    changes = page.tables["The same by year and tier"]
    assert changes[1] == ["Waiting time", "2016: 50%, 2017: 50%", "VIP: 50%"]
    other = Page(page_of(releases["one_customer"][0]))
    assert "What satisfaction hangs on" not in other.tables
    assert "no survey asks about the whole and about parts" in other.source


def test_importance_stands_beside_performance_and_what_it_would_bring(
    releases: Any,
) -> None:
    page = Page(page_of(releases["grocer"][0]))
    table = page.tables["Importance against performance"]
    first = ["Waiting time", "50.0%", "3.50", "4.00", "+0.50", "+0.40", "+0.60"]
    last = ["Opening hours", "16.7%", "4.50", "4.00", "−0.50", "−0.60", "−0.40"]
    assert table[1] == [*first, "Improve first"]
    assert table[-1] == [*last, "Leave as is"]
    card = card_of(page, "importance-and-performance")
    assert "three quarters up the scale" in card
    assert "1 Waiting time, 2 Staff, 3 Opening hours." in card
    assert page.tables["Where making it good would bring most"][1:] == [
        ["Hotline: Waiting time", "+0.50", "50.0%", "+0.10", "500"]
    ]


def test_what_follows_is_called_an_association_and_a_short_history_is_a_dash(
    releases: Any,
) -> None:
    page = Page(page_of(releases["grocer"][0]))
    table = page.tables["What goes with better service, and when"]
    assert [row[0] for row in table[1:]] == [
        "Satisfaction 10 points of 100 higher: days with a purchase in a quarter",
        "Satisfaction 10 points of 100 higher: revenue of a quarter, USD",
    ]
    assert table[1][1:] == ["+1.25 (−1.00 to 3.00)", *"–––––"]
    assert "Associations, no proof of causes." in card_of(page, "satisfaction-effects")
