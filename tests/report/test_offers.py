"""The entries on offers."""

from typing import Any

from tests.report.releases import Page, page_of
from tests.report.test_predictions import card_of


def test_offers_are_counted_by_their_ground_and_name_nobody(releases: Any) -> None:
    page = Page(page_of(releases["grocer"][0]))
    assert page.tables["What to offer, and why"] == [
        ["Why", "Customers", "Offers", "The first of their offers", "Coupons"],
        ["They buy it again and again: it is due", "3", "3", "3", "0"],
        ["It is bought with what they bought", "3", "3", "0", "0"],
        ["It is bought for children of that age", "3", "3", "0", "3"],
    ]
    card = card_of(page, "offers")
    assert "9 offers to 3 customers, 3 of them coupons" in card
    assert "An example: club_balance (bought_with after club_balance)." in card
    assert "person-" not in card


def test_offers_are_held_against_what_most_buy(releases: Any) -> None:
    page = Page(page_of(releases["grocer"][0]))
    assert page.tables["How good the offers are"] == [
        ["Customers", "Of 100", "from", "to"],
        ["Buy one of the first 5 offers", "40", "35", "45"],
        ["Buy one of the 5 that most buy", "30", "25", "35"],
        ["Buy one of the 10 offers", "55", "50", "60"],
        ["Buy one of the 10 that most buy", "41", "36", "46"],
        ["With 10: more than with what most buy", "14", "9", "19"],
        ["Products offered to anybody", "25", "20", "30"],
    ]
    card = card_of(page, "offers-worth")
    assert "bought before 2 Dec 2017, and who bought from then until 31 Dec" in card
    assert "Judged on 400 customers" in card
    assert "Better than what most customers buy: published." in card
    assert 'class="chart"' in card
    assert "These offers" in card and "What most buy" in card


def test_without_offers_the_page_says_so(releases: Any) -> None:
    source = page_of(releases["nothing"][0]).read_text()
    assert "Nothing is offered to anybody" in source
    assert "Offers were never judged." in source
