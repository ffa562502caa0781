"""The entries on one customer."""

from pathlib import Path
from typing import Any

import pytest

from tests.report.releases import CHOSEN, HASH, Page, make_page, page_of, publish

TITLE = "One customer: who they are"


def test_the_golden_record_shows_what_others_share(releases: Any) -> None:
    page = Page(page_of(releases["grocer"][0]))
    assert page.tables[TITLE] == [
        ["Attribute", "Value", "Source", "Age in days"],
        ["Kind", "person", "–", "–"],
        ["City", "not shown", "–", "–"],
        ["Region", "visit", "crm", "880"],
        ["Decade of birth", "not shown", "–", "–"],
        ["Year of registration", "2016", "crm", "–"],
        ["Consents in force", "not shown", "–", "–"],
        ["In whose care", "not shown", "–", "–"],
    ]
    assert "Their id begins with c0ffee12." in page.source
    assert "Not known: country, industry, level, organisation they act for" in (
        page.source
    )


def test_what_is_shown_is_shared_by_enough_all_of_it_together(
    tmp_path: Path, releases: Any
) -> None:
    """Six are from Bonn and six have a gold card, but nobody else has both."""
    _, frames = releases["grocer"]
    customers = frames["customer.customers"].copy()
    others = customers.index[customers.customer_id != CHOSEN]
    chosen = customers.index[customers.customer_id == CHOSEN]
    customers.loc[[*chosen, *others[:5]], "city"] = "Bonn"
    customers.loc[[*chosen, *others[5:10]], "level"] = "gold"
    run = publish(
        tmp_path, "alone", frames | {"customer.customers": customers}, "2017-12-31"
    )
    make_page(run)
    shown = {row[0]: row[1] for row in Page(page_of(run)).tables[TITLE][1:]}
    assert [shown["City"], shown["Level"]].count("not shown") == 1


@pytest.mark.parametrize("name", ["grocer", "long_names"])
def test_no_personal_data_is_shown(releases: Any, name: str) -> None:
    words = Page(page_of(releases[name][0])).source.split("<script>")[0]
    hidden = [
        CHOSEN,
        HASH,
        HASH[:9],
        "WK-4711",
        "Kleinkleckersdorf",
        "1984-05",
        "1980s",
        "meier",
    ]
    assert [text for text in hidden if text in words] == []


def test_who_refuses_to_be_profiled_is_not_shown(releases: Any) -> None:
    # Another with as many footprints has more interactions, and refuses.
    _, frames = releases["grocer"]
    profiles = frames["customer.customer_profiles"]
    assert profiles.interaction_count.tolist() == [5, 4, 9, 90, 1000]
    page = Page(page_of(releases["grocer"][0]))
    assert "Their id begins with c0ffee12." in page.source
    assert "There is no customer who may be shown." in (
        Page(page_of(releases["nothing"][0])).source
    )


def test_identifiers_are_shown_by_their_first_signs(releases: Any) -> None:
    page = Page(page_of(releases["grocer"][0]))
    assert page.tables["One customer: identifiers"] == [
        ["Kind", "Value", "First seen", "Last seen", "Sources", "Links"],
        # New York is five hours behind.
        [
            "card",
            "ab12cd34…",
            "31 Jan 2017",
            "30 Dec 2017",
            "crm, shop",
            "3, 2 refused",
        ],
        ["visit", "not shown", "28 Feb 2017", "30 Dec 2017", "visit", "1"],
    ]


def test_interactions_are_counted_by_kind(releases: Any) -> None:
    page = Page(page_of(releases["grocer"][0]))
    assert page.tables["One customer: interactions"] == [
        ["Interaction", "Number", "First", "Last"],
        ["Order", "2", "1 Mar 2017", "3 Dec 2017"],
        ["Post", "1", "1 May 2017", "1 May 2017"],
        ["Visit", "1", "1 Jun 2017", "1 Jun 2017"],
    ]
    assert (
        "Interactions: 5, messages sent to them included. Footprints: search, trade, "
        "social, service, survey, presence." in page.source
    )


def test_orders_value_and_activity_equal_the_marts(releases: Any) -> None:
    run, frames = releases["grocer"]
    values = frames["customer.customer_values"].set_index("customer_id").loc[CHOSEN]
    shown = Page(page_of(run)).tables[
        "One customer: value, satisfaction and what comes next"
    ]
    assert shown[1:] == [
        ["Purchases", f"{int(values.order_count):,}"],
        ["First purchase", "1 Mar 2017"],
        ["Last purchase", "3 Dec 2017"],
        ["Gross", f"{values.gross_amount:,.2f} USD"],
        ["Orders with a return", "2"],
        ["Returned", "10.00 USD"],
        ["Revenue", f"{values.revenue_amount:,.2f} USD"],
        ["Cancelled orders", "1"],
        ["Cancelled", "4.50 USD"],
        ["Activity state", "Half asleep"],
        ["Days since the last purchase", "28"],
        ["Usual days between purchases", "14.5"],
        ["RFM scores", "545"],
        ["RFM segment", "Champions"],
        ["Value type", "Important value"],
        ["Tier", "VIP"],
        ["Satisfaction", "Satisfied"],
        ["Advocate", "yes"],
        ["Unresolved cases", "2"],
        ["Warnings that they may leave", "2"],
        ["The gravest of them", "Long gap"],
        ["Chance that they stop buying", "26%"],
        ["Chance that they are not lost", "90%"],
        ["Expected value, 12 months", "1,234.50 USD"],
        ["Next purchase likely from", "5 Jan 2018"],
        ["Next purchase likely until", "9 Feb 2018"],
        ["Contact them next on", "3 Jan 2018"],
        ["Contact them for", "Birthday"],
        ["Contact them by", "Email"],
        ["Contact them from the hour", "17"],
        ["Contact is forbidden by", "Cap"],
        ["What to offer", "Kinderwagen"],
    ]
