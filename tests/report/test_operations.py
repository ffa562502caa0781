"""The entries on deliveries and checks."""

from typing import Any

from tests.report.releases import Page, page_of


def test_gate_names_its_warnings_and_no_person(releases: Any) -> None:
    page = Page(page_of(releases["grocer"][0]))
    words = page.source.split("<script>")[0]
    assert "Gate passed with 4 warnings" in words
    assert (
        "customer.customers.city: expected “expect_column_values_to_not_be_null_0”, "
        "found 1668 of 2469 values;"
    ) in words
    assert page.tables["Gate warnings"][0] == ["Table", "Column", "Expected", "Found"]
    assert [r[3] for r in page.tables["Gate warnings"][1:]] == [
        "1668 of 2469 values"
    ] * 4
    assert "person-" not in page.source
    clean = Page(page_of(releases["unfinished"][0])).source
    assert "40 checks, no warnings" in clean


def test_deliveries_are_summed_and_missing_feeds_named(releases: Any) -> None:
    page = Page(page_of(releases["grocer"][0]))
    assert page.tables["Deliveries by source table"][1:] == [
        ["shop.products", "92,331", "0", "0", "0", "0", "31 Dec 2017"],
        ["shop.transactions", "4,000", "3", "1", "1", "0", "31 Dec 2017"],
    ]
    assert "Feeds that no source provides: tickets." in page.source
