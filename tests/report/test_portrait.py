"""The entries on portraits, ownerships and leads."""

from typing import Any

from kith.report.portrait import cells
from tests.report.releases import Page, page_of
from tests.report.test_predictions import card_of


def test_tiles_stand_where_regions_lie_and_each_on_a_cell_of_its_own() -> None:
    north, south, west, near_north = cells([(10, 54), (10, 48), (6, 51), (10.1, 53.9)])
    assert north[1] < west[1] < south[1]
    assert west[0] < north[0]
    assert len({north, south, west, near_north}) == 4
    assert near_north[1] <= south[1]
    # What lies nowhere stands below, and alone all of it.
    assert cells([(10, 54), None, (10, 48)])[1][1] > cells([(10, 54), (10, 48)])[1][1]
    assert cells([None, None]) == [(0, 0), (1, 0)]
    assert cells([(10, 54)]) == [(0, 0)]
    assert len(set(cells([(10.0, 50.0)] * 50))) == 50


def test_regions_show_twelve_months_and_the_customers_at_their_end(
    releases: Any,
) -> None:
    page = Page(page_of(releases["grocer"][0]))
    rows = page.tables["Customers and revenue by region"]
    assert rows[0][-2:] == ["Revenue, USD", "Share of revenue"]
    # Of 13 months the last twelve.
    assert rows[1:] == [
        ["North", "10", "24", "66.00", "25.0%"],
        ["South", "20", "24", "66.00", "25.0%"],
        ["Unidentified", "0", "24", "66.00", "25.0%"],
        ["Unknown", "30", "24", "66.00", "25.0%"],
    ]
    assert "up to Dec 2017" in card_of(page, "portrait-map")
    portrait = page.tables["Portrait of the customers"]
    assert [row[:3] for row in portrait[1:6:4]] == [
        ["Region", "North", "10"],
        ["How they came", "North", "10"],
    ]


def test_what_goes_with_an_employee_and_what_became_of_it(releases: Any) -> None:
    page = Page(page_of(releases["grocer"][0]))
    risk = page.tables["What goes with an employee who leaves"]
    assert [row[:4] for row in risk[1:]] == [
        ["E1", "unknown", "5", "150.00"],
        ["Several together", "unknown", "5", "90.00"],
    ]
    assert (
        "Groups of fewer than 5 customers are merged, if need be with the next "
        "larger one." in card_of(page, "ownerships")
    )
    left = page.tables["What became of the customers of those who left"]
    assert left[1:] == [["E9", "1 Jul 2017", "5", "1", "183", "100.00", "30.00"]]


def test_leads_show_how_far_they_come_and_who_is_no_customer(releases: Any) -> None:
    page = Page(page_of(releases["grocer"][0]))
    assert page.tables["Leads: how far they come"][1:] == [
        ["Created", "5", "100.0%", "1", "1", "3"],
        ["Offer", "2", "40.0%", "1", "0", "1"],
        ["Unknown", "1", "20.0%", "0", "1", "0"],
        ["Won", "1", "20.0%", "1", "0", "0"],
    ]
    card = card_of(page, "leads")
    assert "Of 5 leads 1 were won (20.0%), 1 lost; 3 are open, 2 of them" in card
    assert page.tables["Who is no customer yet"][1:] == [
        ["Near: a need or means are known", "2", "1", "0", "0"],
        ["Refusing: lost, or a criterion unmet", "1", "0", "1", "1"],
        ["Unexplored: a market where nobody buys", "1", "0", "0", "0"],
    ]


def test_without_leads_or_care_the_page_says_so(releases: Any) -> None:
    source = page_of(releases["nothing"][0]).read_text()
    assert "There is no lead yet." in source
    assert "No prospect is known." in source
    assert "No customer is in an employee’s care." in source
    assert "No employee has left customers behind." in source
