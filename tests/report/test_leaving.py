"""The entries on warnings and their record."""

from typing import Any

from tests.report.releases import Page, page_of
from tests.report.test_predictions import card_of


def test_open_warnings_are_counted_by_sign_and_each_customer_once_in_all(
    releases: Any,
) -> None:
    page = Page(page_of(releases["grocer"][0]))
    assert page.tables["Signs that customers may leave"] == [
        ["Sign", "Customers", "High severity", "New in 30 days", "Next step"],
        [
            *("Gap longer than their own", "2", "1", "1"),
            "Do something about long_gap",
        ],
        ["Promise broken", "1", "0", "0", "Do something about broken_promise"],
        ["Any sign", "2", "1", "1", "–"],
    ]
    assert "2 customers have an open warning" in card_of(page, "churn-warnings")
    assert "person-1" not in page.source


def test_a_sign_is_judged_beside_what_any_customer_does(releases: Any) -> None:
    page = Page(page_of(releases["grocer"][0]))
    assert page.tables["How often the signs were right"][1:] == [
        [
            *("Gap longer than their own", "60", "100", "60", "40.0%", "30 to 50%"),
            *("50.0%", "40 to 60%"),
        ],
        ["Their employee left", "too few", "8", "7", "–", "–", "50.0%", "40 to 60%"],
        ["Any sign", "62", "108", "67", "38.0%", "28 to 48%", "50.0%", "40 to 60%"],
    ]
    card = card_of(page, "warnings-record")
    assert "in the 90 days after it. Judged on 1 days of the past" in card
    assert "of any 100 customers 30 left" in card


def test_without_warnings_the_page_says_so(releases: Any) -> None:
    source = page_of(releases["nothing"][0]).read_text()
    assert "No sign that a customer may leave is open." in source
    assert "No warning can be judged yet" in source
