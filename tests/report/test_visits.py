"""The entries on visits, campaigns and goals."""

from typing import Any

from tests.report.releases import Page, page_of
from tests.report.test_predictions import card_of


def test_visits_are_counted_by_step_zone_and_hour(releases: Any) -> None:
    page = Page(page_of(releases["grocer"][0]))
    assert page.tables["What becomes of who comes to a store"][1:] == [
        ["Came near", "3", "150.0"],
        ["Entered", "2", "100.0"],
        ["Stayed somewhere", "1", "50.0"],
        ["Carried a bag", "1", "50.0"],
        ["Purchase known", "1", "50.0"],
    ]
    card = card_of(page, "store-visits")
    assert "3 visits to 2 places, 29 Dec 2017 to 29 Dec 2017; 1 are of known" in card
    assert "stayed for 20 minutes or more. Of 10 readings 1 cannot follow" in card
    assert page.tables["Where they stay"][1:] == [
        ["toys, floor 1", "0", "75.0%", "30.0", "1"],
        ["door", "0", "25.0%", "10.0", "1"],
    ]
    assert page.tables["When they come, and when they buy"][1:] == [
        ["09:00", "1", "1", "100.0"],
        ["17:00", "1", "0", "0.0"],
    ]


def test_campaigns_are_told_by_what_they_bring_and_by_their_share(
    releases: Any,
) -> None:
    page = Page(page_of(releases["grocer"][0]))
    assert page.tables["What campaigns bring by themselves"][1:] == [
        [
            *("Spring", "email", "300", "60", "7.2%", "+20.0", "+10.0", "+30.0"),
            *("+1.50", "effective"),
        ],
        [
            *("mail:b", "email", "200", "50", "7.2%", "−1.0", "−10.0", "+8.0"),
            *("−2.00", "not shown"),
        ],
        ["Flyer", "email", "9", "0", "7.2%", "–", "–", "–", "–", "no draw"],
    ]
    assert "1 of 2 are; 3 are known." in card_of(page, "campaign-uplift")
    assert [row[:2] for row in page.tables["Who has a share in revenue, USD"][1:]] == [
        ["Spring", "400"],
        ["mail:b", "300"],
        ["Flyer", "200"],
        ["No campaign", "9,000"],
    ]


def test_goals_are_told_with_their_state_or_the_reason(releases: Any) -> None:
    page = Page(page_of(releases["grocer"][0]))
    assert page.tables["Goals"][1:] == [
        [
            *("NPS, stores", "1 Oct 2017 – 31 Dec 2017", "40", "30", "75.0%"),
            "behind so far",
        ],
        ["Revenue", "1 Oct 2017 – 31 Dec 2017", "1,000", "1,250", "125.0%", "attained"],
        ["Joy, moon", "1 Jul 2017 – 30 Sep 2017", "1", "–", "–", "nobody knows joy"],
    ]


def test_without_visits_campaigns_and_goals_the_page_says_so(releases: Any) -> None:
    source = page_of(releases["nothing"][0]).read_text()
    assert "No sensor tells who visits a store" in source
    assert "No campaign is known." in source
    assert "No goals are known." in source
