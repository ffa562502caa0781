"""The entries on what customers need."""

from typing import Any

from tests.report.releases import HOSTILE, Page, page_of
from tests.report.test_predictions import card_of


def test_needs_stand_by_what_tells_them_and_what_became_of_them(releases: Any) -> None:
    page = Page(page_of(releases["grocer"][0]))
    assert page.tables["What customers need"] == [
        ["Known by", "Customers", "Open", "Not in the range", "Met", "Lapsed"],
        ["Age of a dependant", "2", "4", "0", "0", "0"],
        ["Buy again and again", "1", "1", "0", "0", "1"],
        ["Searched", "1", "2", "1", "1", "0"],
    ]
    nothing = page_of(releases["nothing"][0]).read_text()
    assert "Nothing tells what customers need." in nothing


def test_what_falls_due_is_counted_by_the_month_a_year_ahead(releases: Any) -> None:
    page = Page(page_of(releases["grocer"][0]))
    due = page.tables["Needs that fall due"]
    assert due[1:4] == [
        ["Jan 2018", "1", "1", "1"],
        ["Feb 2018", "0", "0", "0"],
        ["Mar 2018", "1", "0", "1"],
    ]
    assert due[-1] == ["Dec 2018", "1", "0", "1"]


def test_words_searched_in_vain_are_shown_with_where_they_are_most(
    releases: Any,
) -> None:
    page = Page(page_of(releases["grocer"][0]))
    assert page.tables["Searched for and not in the range"][1:] == [
        [HOSTILE, "17", "2", "Oct 2017", "Dec 2017", "north (5)"],
        ["raft", "2", "1", "Dec 2017", "Dec 2017", "–"],
    ]
    card = card_of(page, "unmet-demand")
    assert "25 searches found nothing in the range." in card
    assert "6 of the searches were for other words" in card
