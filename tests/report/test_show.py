"""What `make show` prints of a customer, of a release made by hand."""

import datetime as dt
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

from kith.errors import ConfigurationError
from kith.report.show import next_steps, show_customer
from tests.report.releases import CHOSEN, HASH

PLAN = {
    "as_of_date": dt.date(2017, 12, 31),
    "is_listed": True,
    "blocked_reason": None,
    "next_contact_on": dt.date(2018, 1, 1),
    "care": "wake_up",
    "care_due_on": dt.date(2018, 1, 1),
    "channel": "email",
    "channel_level": "stated",
    "hour_from": 17,
    "hour_until": 20,
    "hour_level": "all",
    "contact_count": 3,
    "contact_cap": 4,
    "contact_cap_days": 30,
    "last_contact_on": dt.date(2017, 12, 30),
    "price_from_pct": 91.0,
    "price_until_pct": 99.5,
    "quote_won_count": 6,
    "quote_lost_count": 5,
    "next_need": "bread",
    "next_need_due_on": None,
    "next_offer": None,
}


def test_all_that_the_release_has_of_a_customer_is_said(releases: Any) -> None:
    run, _ = releases["grocer"]
    shown = show_customer(run.company, run.folder, CHOSEN[:8])
    parts = {
        title: lines
        for title, *lines in (part.split("\n") for part in shown.split("\n\n"))
    }
    assert list(parts) == [
        f"Customer {CHOSEN}, as of 31 Dec 2017",
        *("Known by", "What they did", "How they stand", "What to do next"),
    ]
    assert show_customer(run.company, run.folder, CHOSEN[:8].upper()) == shown
    assert "  City: Kleinkleckersdorf" in parts[f"Customer {CHOSEN}, as of 31 Dec 2017"]
    assert parts["Known by"] == [
        f"  card {HASH}, from crm, shop",
        "  visit WK-4711, from visit",
    ]
    assert parts["What they did"][0] == "  Order: 2, 2017-03-01 to 2017-12-03"
    assert "  RFM segment: Champions" in parts["How they stand"]
    assert parts["What to do next"] == [
        "  Nothing has to be done on 1 Jan 2018.",
        "  Contact them on 3 Jan 2018: it is their birthday.",
        "  By email, between 17:00 and 20:00. Chosen: the channel by their own "
        "messages, the hour by their own messages.",
        "  They need: shoes, due on 9 Jan 2018.",
        "  Offer Kinderwagen: bought with Babybett.",
        "  They had 1 of at most 4 messages and calls within 30 days.",
    ]


def test_what_to_do_next_is_said_in_sentences() -> None:
    assert next_steps(PLAN) == [
        "Contact them on 1 Jan 2018: wake them: they have not bought for long.",
        "By email, between 17:00 and 20:00. Chosen: the channel by their wish, the "
        "hour by messages of all.",
        "They need: bread.",
        "They had 3 of at most 4 messages and calls within 30 days; the last of all "
        "was on 30 Dec 2017.",
        "Quote between 91.0% and 99.5% of the list price: the middle of 6 quotes won "
        "and of 5 lost.",
    ]
    nothing = dict.fromkeys(PLAN) | {
        "as_of_date": PLAN["as_of_date"],
        "is_listed": False,
        "blocked_reason": "a complaint is open",
        "contact_count": 0,
        "contact_cap": 4,
        "contact_cap_days": 30,
    }
    assert next_steps(nothing) == [
        "Do not contact them on 1 Jan 2018: a complaint is open.",
        "Answer their complaint first.",
        "They had 0 of at most 4 messages and calls within 30 days.",
    ]
    # What they are owed is due all the same; how to reach them, or sell, is not said.
    owed = PLAN | {
        "is_listed": False,
        "blocked_reason": "no channel on which they permit marketing",
        "next_contact_on": None,
        "care": "promise",
        "care_due_on": dt.date(2017, 12, 29),
        "next_offer": "Kinderwagen",
        "next_offer_reason": "due again",
    }
    assert next_steps(owed)[:3] == [
        "Do not contact them on 1 Jan 2018: no channel on which they permit marketing.",
        "Due all the same, on 29 Dec 2017: a promise to them is not kept yet.",
        "They need: bread.",
    ]
    assert not any("Offer" in step for step in next_steps(owed))


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ("", "this is no customer_id; ask for one, CUSTOMER="),
        ("anna@example.com", "this is no customer_id"),
        ("c0ffee1", "this is no customer_id"),
        ("00000000", "CUSTOMER=00000000: no customer of the current release"),
        ("visit:WK-0815", "this visit: no customer of the current release"),
        ("mail:anna@example.com", "by that kind of identifier; known are card, "),
    ],
)
def test_who_is_unknown_is_told_apart_from_what_is_no_question(
    releases: Any, asked: str, reason: str
) -> None:
    run, _ = releases["grocer"]
    with pytest.raises(ConfigurationError, match=reason) as error:
        show_customer(run.company, run.folder, asked)
    assert "anna@example.com: " not in str(error.value)
    assert "WK-0815" not in str(error.value)


def test_a_release_that_is_missing_old_or_has_two_such_customers_says_what_to_do(
    releases: Any, tmp_path: Path
) -> None:
    run, _ = releases["grocer"]
    with pytest.raises(ConfigurationError, match="no release; publish one first"):
        show_customer(run.company, tmp_path, CHOSEN)
    current = tmp_path / "published" / "current"
    current.mkdir(parents=True)
    copied = shutil.copy(run.published / "current" / "kith.duckdb", current)
    Path(copied).chmod(0o644)
    twin, gone = f"{CHOSEN[:-1]}1", 32 * "a"
    with duckdb.connect(str(copied)) as marts:
        marts.execute(
            f"insert into customer.customers (customer_id) values ('{twin}'); "
            "insert into customer.customer_merges (person_id_before, person_id) "
            f"values ('{gone}', '{CHOSEN}')"
        )
    with pytest.raises(ConfigurationError, match=f"such as {CHOSEN} and {twin}"):
        show_customer(run.company, tmp_path, CHOSEN[:9])
    with pytest.raises(ConfigurationError, match=f"ask for CUSTOMER={CHOSEN}"):
        show_customer(run.company, tmp_path, gone)
    with duckdb.connect(str(copied)) as marts:
        marts.execute("drop table customer.contact_plans")
    with pytest.raises(ConfigurationError, match="made by an earlier Kith"):
        show_customer(run.company, tmp_path, CHOSEN)
