"""The entries on identity."""

from typing import Any

from tests.report.releases import Page, page_of


def test_persons_and_identifiers_are_counted_by_standing(releases: Any) -> None:
    page = Page(page_of(releases["grocer"][0]))
    assert page.tables["Who is known"] == [
        ["Standing", "Persons", "Identifiers"],
        ["Customers", "342", "474"],
        ["Prospects", "7", "7"],
        ["Visitors", "1,200", "1,200"],
        ["Deleted", "0", "0"],
    ]
    assert "1,684 identifiers were seen." in page.source


def test_identifiers_per_customer_are_a_distribution(releases: Any) -> None:
    page = Page(page_of(releases["grocer"][0]))
    assert page.tables["Identifiers per customer"] == [
        ["Identifiers", "Customers", "Share"],
        ["1", "300", "87.7%"],
        ["2", "1", "0.3%"],
        ["3", "0", "0.0%"],
        ["4", "40", "11.7%"],
        ["5", "0", "0.0%"],
        ["6 to 10", "0", "0.0%"],
        ["11 to 20", "1", "0.3%"],
    ]
    assert "1.4 for each of the 342 customers on average, 12 at most." in page.source


def test_links_refused_are_counted_by_rule_and_kind(releases: Any) -> None:
    page = Page(page_of(releases["grocer"][0]))
    assert page.tables["Identifiers that a rule refuses"] == [
        ["Rule and kind", "Identifiers", "Links that do not count"],
        ["Blocked value: email", "1", "120"],
        ["Too many partners: phone", "2", "12"],
        ["Shared by several", "0", "0"],
    ]
    assert "3 identifiers stand for nobody" in page.source


def test_merges_are_counted_by_month_of_the_company(releases: Any) -> None:
    page = Page(page_of(releases["grocer"][0]))
    assert page.tables["Merges by month"] == [
        ["Month", "Merges", "Persons"],
        ["Jan 2017", "2", "1"],
        ["Feb 2017", "0", "0"],
        ["Mar 2017", "1", "1"],
    ]


def test_without_identifiers_the_page_says_so(releases: Any) -> None:
    source = Page(page_of(releases["nothing"][0])).source
    assert "No identifier has been seen yet." in source
    assert 'id="merges-title"' not in source
