"""The entries on deliveries and checks."""

from typing import Any

from tests.report.releases import HOSTILE, Page, page_of


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


def test_warnings_on_deliveries_are_shown_the_newest_first(releases: Any) -> None:
    page = Page(page_of(releases["grocer"][0]))
    rows = page.tables["Warnings on deliveries, the newest first"]
    assert rows[:2] == [
        ["Source table", "From", "To", "Warning"],
        *[["shop.products", "31 Dec 2017", "31 Dec 2017", rows[1][3]]],
    ]
    assert rows[1][3] == f"shop.products: new column {HOSTILE}"
    assert len(rows) == 1 + 20
    assert "The newest 20 of 25 from deliveries up to 31 Dec 2017." in page.source
    clean = Page(page_of(releases["unfinished"][0])).source
    assert "None: no delivery gave cause for one." in clean


def test_deliveries_are_summed_and_missing_feeds_named(releases: Any) -> None:
    page = Page(page_of(releases["grocer"][0]))
    assert page.tables["Deliveries by source table"][1:] == [
        ["shop.products", "92,331", "0", "0", "0", "0", "0", "31 Dec 2017"],
        ["shop.transactions", "4,000", "3", "1", "7", "1", "0", "31 Dec 2017"],
    ]
    assert "Feeds that no source provides: tickets." in page.source


def test_numbers_that_changed_are_shown_the_biggest_first(releases: Any) -> None:
    page = Page(page_of(releases["grocer"][0]))
    caption = "Numbers that changed since they were published, the biggest first"
    rows = page.tables[caption]
    assert rows[0] == [
        *("Mart", "From", "To", "Part", "Number", "Before", "Now", "Reason")
    ]
    assert [row[4] for row in rows[1:]] == [f"number_{n}" for n in range(22, 2, -1)]
    assert rows[1][:3] == ["customer.orders", "1 Mar 2017", "31 Mar 2017"]
    assert rows[1][5:] == ["21.00", "22.13", "late data"]
    assert "The biggest 20 of 22 numbers of periods that were over" in page.source
    # Of a release that changes none, nothing is said.
    assert caption not in Page(page_of(releases["unfinished"][0])).tables
