"""The entries on whom to contact on the next day."""

from typing import Any

from kith.report.contacts import CARES
from tests.report.releases import Page, page_of
from tests.report.test_predictions import card_of


def test_the_morning_list_adds_up_and_names_nobody(releases: Any) -> None:
    run, frames = releases["grocer"]
    plans = frames["customer.contact_plans"]
    page = Page(page_of(run))
    due = plans[plans.care_due_on <= "2018-01-01"]
    lines = page.tables["The morning list"][1:]
    assert lines == [
        [
            CARES[care].capitalize(),
            f"{len(of_care):,}",
            f"{of_care.is_listed.sum():,}",
            *(
                f"{of_care.blocked_by.fillna('').str.contains(block).sum():,}"
                for block in ("consent", "address", "complaint", "cap", "hold_out")
            ),
        ]
        for care in CARES
        for of_care in [due[due.care == care]]
        if len(of_care)
    ]
    assert len(lines) >= 2
    assert (
        f"Contacts of 1 Jan 2018: {plans.is_listed.sum():,} customers, "
        f"{plans.may_be_contacted.sum():,} of {len(plans):,} may be contacted"
    ) in page.source
    assert "person-0" not in card_of(page, "contacts")
    assert 'class="chart"' in card_of(page, "contacts")


def test_hours_are_counted_where_a_channel_is_permitted(releases: Any) -> None:
    run, frames = releases["grocer"]
    plans = frames["customer.contact_plans"]
    reached = plans[plans.channel.notna()]
    page = Page(page_of(run))
    counts = {
        f"{hour:02}:00–{hour + 3}:00, {channel}": f"{count:,}"
        for (hour, channel), count in reached.groupby(["hour_from", "channel"])
        .size()
        .items()
    }
    shown = page.tables["At what hour customers are reached best"][1:]
    assert dict(shown) == counts
    own = (reached.hour_level == "customer").sum()
    assert (
        f"by their own messages for {own:,}, messages of their tier for" in page.source
    )


def test_who_sends_nothing_has_an_empty_list(releases: Any) -> None:
    page = Page(page_of(releases["nothing"][0]))
    assert "Nobody has to be contacted on the next day." in page.source
