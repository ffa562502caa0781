"""Whom a contact list may hold, against rules written in plain Python.

Customers are generated; the models run on them as the engine gets them, without dbt.
"""

import datetime as dt
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from kith.settings import REPOSITORY
from tests.dbt_project.rendered import MODELS, contract, for_engine

AS_OF = dt.date(2024, 6, 30)
NEXT_DAY = dt.date(2024, 7, 1)
AS_OF_AT = dt.datetime(2024, 6, 30, 22)  # midnight in Berlin, UTC
CAP, CAP_DAYS, PAUSE_DAYS, AFTER_SALE_DAYS = 4, 30, 14, 7
CARES = ["promise", "contract_end", "birthday", "need", "after_sale", "wake_up"]
INPUTS = [
    *("customers", "identities", "segment_memberships", "feed_contacts", "campaigns"),
    *("feed_attributes", "feed_consents", "feed_quotes", "complaints", "promises"),
    *("wake_up_candidates", "orders", "int_customer_records", "products"),
    *("int_references_resolved", "customer_needs"),
]
Person = dict[str, Any]
Rows = dict[str, list[dict[str, Any]]]


class Plans:
    """The models on tables that hold what a test says."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        connection.execute("create schema kith")
        connection.execute(
            "create table kith.run as select $1 as as_of_date, $2 as as_of_at",
            [AS_OF, AS_OF_AT],
        )
        for name in INPUTS:
            (path,) = MODELS.rglob(f"{name}.yml")
            columns = ", ".join(
                f"{column.name} {column.data_type}"
                for column in contract(path).columns.values()
            )
            connection.execute(f"create table {name} ({columns})")
        for name in (
            *("int_contact_channels", "int_contact_hours", "int_price_ranges"),
            "contact_plans",
        ):
            (path,) = MODELS.rglob(f"{name}.sql")
            query = for_engine(path.read_text(), "duckdb", path)
            connection.execute(f"create view {name} as {query}")

    def of(self, rows: Rows) -> dict[str, dict[str, Any]]:
        """The plan of each customer."""
        for name in INPUTS:
            self._connection.execute(f"delete from {name}")
            if rows.get(name):
                given = pa.Table.from_pylist(rows[name])
                self._connection.register("given", given)
                self._connection.execute(
                    f"insert into {name} by name select * from given"
                )
        found = self._connection.execute("from contact_plans")
        names = [column[0] for column in found.description]
        plans = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
        return {plan["customer_id"]: plan for plan in plans}

    def of_contacts(self, sent: pd.DataFrame) -> pd.DataFrame:
        """Plans of customers, of two tiers, of whom nothing is known but contacts."""
        self.of({})
        local = sent[["sent_at", "opened_at"]].apply(_utc)
        sent = sent.assign(**local, identifier_type="id", source="mailing")
        self._connection.execute(
            """
            insert into feed_contacts by name
            select * exclude (best_hour, customer_id, contact),
                contact as contact_id, customer_id as identifier_value,
            from sent;
            insert into customers by name select distinct customer_id from sent;
            insert into identities by name
            select customer_id, 'id' as identifier_type,
                customer_id as identifier_value
            from customers;
            insert into segment_memberships by name
            select customer_id, 'tier' as scheme, true as is_current,
                case when customer_id < 'c2' then 'VIP' else 'Low' end as segment
            from customers
            """
        )
        return self._connection.sql("from contact_plans").df().set_index("customer_id")


def _utc(times: pd.Series) -> pd.Series:
    """Times of Berlin's clocks as UTC."""
    local = pd.to_datetime(times).dt.tz_localize(
        "Europe/Berlin", ambiguous=True, nonexistent="shift_forward"
    )
    return local.dt.tz_convert("UTC").dt.tz_localize(None)


@pytest.fixture(scope="module")
def plans() -> Iterator[Plans]:
    with duckdb.connect() as connection:
        yield Plans(connection)


# Customers ---------------------------------------------------------------------------

# Days ago, on both sides of where the rules change.
ago = st.sampled_from([0, 5, 6, 7, 12, 13, 14, 27, 28, 29, 30, 36, 37, 45])
channels = st.sampled_from(["email", "phone", "Letter"])
people = st.fixed_dictionaries(
    {
        "consents": st.lists(
            st.tuples(
                st.sampled_from(["marketing", "Marketing", "profiling"]),
                st.sampled_from([None, "email", "E-Mail", "phone"]),
                st.booleans(),
                st.integers(0, 1),
            ),
            max_size=4,
        ),
        "contacts": st.lists(st.tuples(ago, st.integers(0, 21), channels), max_size=7),
        "complaints": st.lists(
            st.tuples(
                st.sampled_from(["desk", "mute"]),
                st.booleans(),
                st.integers(14, 45),
                st.none() | st.sampled_from([0, 12, 13, 14]),
            ),
            max_size=2,
        ),
        # Worth waking or not, held out or not.
        "sleeps": st.none() | st.tuples(st.booleans(), st.booleans()),
        "held_out_of": st.none()
        | st.sampled_from(
            [
                *("running", "over", "just over", "later"),
                *("begun, no end", "old, no end"),
            ]
        ),
        "hour": st.none() | st.integers(0, 23),
        "wish": st.none() | channels,
        "addresses": st.sets(st.sampled_from(["email", "phone"])),
        "birth": st.none() | st.dates(dt.date(1940, 1, 1), dt.date(2010, 1, 1)),
        "promises": st.lists(
            st.tuples(
                st.sampled_from([-45, -31, -30, -29, -1, 0, 1, 20]),
                st.sampled_from(["open", "kept", "broken"]),
            ),
            max_size=2,
        ),
        "contract": st.none() | st.sampled_from([-1, 0, 1, 29, 30, 31, 80]),
        "bought": st.none() | ago,
        "needs": st.lists(
            st.tuples(
                st.sampled_from(["replenishment", "life_stage", "complaint"]),
                st.sampled_from(["open", "met", "lapsed"]),
                st.sampled_from([None, True, False]),
                st.sampled_from([-31, -30, -1, 0, 1, 20]),
            ),
            max_size=2,
        ),
    }
)


def day(number: int) -> dt.date:
    """That many days after the day of the plan."""
    return NEXT_DAY + dt.timedelta(number)


def at(date: dt.date, hour: int = 12) -> dt.datetime:
    return dt.datetime.combine(date, dt.time(hour))


# Start and end, which is the first instant after it. Without an end it lasts 30 days.
CAMPAIGNS: dict[str, tuple[dt.datetime, dt.datetime | None]] = {
    "running": (at(day(-5)), at(day(5))),
    "over": (at(day(-30)), at(day(-1))),
    "just over": (at(day(-30)), AS_OF_AT),
    "later": (at(day(1)), at(day(10))),
    "begun, no end": (at(day(-29)), None),
    "old, no end": (at(day(-32)), None),
}


def rows_of(crowd: list[Person]) -> Rows:
    """What the warehouse holds of these customers."""
    rows: Rows = {name: [] for name in INPUTS}
    rows["campaigns"] = [
        {
            **{"campaign_key": f"mail:{name}", "campaign_id": name},
            **{"starts_at": start, "ends_at": end},
        }
        for name, (start, end) in CAMPAIGNS.items()
    ]

    def add(table: str, person: int, **values: Any) -> None:
        who = {"identifier_type": "card", "identifier_value": str(person)}
        rows[table].append(
            {"source": "s", **(who if table.startswith("feed") else {}), **values}
        )

    for i, person in enumerate(crowd):
        name = f"c{i}"
        rows["customers"].append({"customer_id": name, "birth_date": person["birth"]})
        rows["identities"].append(
            {
                "identifier_type": "card",
                "identifier_value": str(i),
                "customer_id": name,
            }
        )
        rows["identities"] += [
            {"identifier_type": kind, "identifier_value": name, "customer_id": name}
            for kind in sorted(person["addresses"])
        ]
        for n, (purpose, channel, granted, number) in enumerate(person["consents"]):
            add(
                "feed_consents",
                i,
                consent_id=f"{i}-{n}",
                purpose=purpose,
                channel=channel,
                is_granted=granted,
                changed_at=at(day(-100 + number)),
            )
        for n, (days, hour, channel) in enumerate(person["contacts"]):
            add(
                "feed_contacts",
                i,
                contact_id=f"{i}-{n}",
                sent_at=at(day(-1 - days), hour),
                channel=channel,
            )
        for n, (source, is_complaint, opened, resolved) in enumerate(
            person["complaints"]
        ):
            told = resolved if source == "desk" else None
            rows["complaints"].append(
                {
                    "source": source,
                    "ticket_id": f"{i}-{n}",
                    "customer_id": name,
                    "is_complaint": is_complaint,
                    "state": "overdue" if told is None else "resolved",
                    "opened_date": day(-1 - opened),
                    "resolved_at": None if told is None else at(day(-1 - told)),
                }
            )
        if person["sleeps"] is not None:
            worth, held = person["sleeps"]
            rows["wake_up_candidates"].append(
                {"customer_id": name, "is_worth_waking": worth, "is_held_out": held}
            )
        traits = {
            "hold_out": (person["held_out_of"], None),
            "preferred_hour": (
                None if person["hour"] is None else f"{person['hour']}:30",
                None if person["hour"] is None or i % 2 else person["hour"],
            ),
            "preferred_channel": (person["wish"], None),
            "contract_ends_on": (
                None if person["contract"] is None else str(day(person["contract"])),
                None,
            ),
        }
        for trait, (text, number) in traits.items():
            if text is not None or number is not None:
                add(
                    "feed_attributes",
                    i,
                    attribute_id=f"{i}-{trait}",
                    attribute=trait,
                    value_text=text,
                    value_number=number,
                )
        for n, (due, state) in enumerate(person["promises"]):
            rows["promises"].append(
                {
                    "source": "s",
                    "promise_id": f"{i}-{n}",
                    "customer_id": name,
                    "due_at": at(day(due)),
                    "state": state,
                }
            )
        for n, (kind, state, is_in_range, due) in enumerate(person["needs"]):
            rows["customer_needs"].append(
                {
                    "need_id": f"{i}-{n}",
                    "customer_id": name,
                    "need_kind": kind,
                    "state": state,
                    "is_in_range": is_in_range,
                    "due_on": day(due),
                }
            )
        if person["bought"] is not None:
            rows["orders"].append(
                {
                    "source": "s",
                    "order_id": str(i),
                    "customer_id": name,
                    "ordered_at": at(day(-1 - person["bought"])),
                    "is_purchase": True,
                }
            )
    return rows


# The rules ---------------------------------------------------------------------------


def folded(word: str) -> str:
    return "".join(sign for sign in word.lower() if sign not in " -_")


def permitted(person: Person, used: set[str], is_kept: bool) -> set[str]:
    """Channels of which the last word by name is a yes, unless all was withdrawn since.

    Without a word by name the last one about all decides.
    """
    if not is_kept:
        return used
    latest: dict[str | None, tuple[int, bool]] = {}
    for purpose, channel, granted, number in person["consents"]:
        if purpose.lower() == "marketing":
            key = channel and folded(channel)
            # Later counts; at one instant the withdrawal.
            latest[key] = max(
                latest.get(key, (-1, False)),
                (number, granted),
                key=lambda change: (change[0], not change[1]),
            )
    everything, all_granted = latest.get(None, (-1, False))
    return {
        channel
        for channel in used
        if (
            latest[channel][1] and (all_granted or everything < latest[channel][0])
            if channel in latest
            else all_granted
        )
    }


def sent_days(person: Person) -> list[dt.date]:
    berlin = ZoneInfo("Europe/Berlin")
    return sorted(
        at(day(-1 - days), hour).replace(tzinfo=dt.UTC).astimezone(berlin).date()
        for days, hour, _ in person["contacts"]
    )


def is_over_cap(sent: list[dt.date], on: dt.date) -> bool:
    """Whether one more on that day makes more than the cap within its days."""
    first = on - dt.timedelta(CAP_DAYS - 1)
    return sum(first <= each <= on for each in sent) + 1 > CAP


def complaints(person: Person, desk_resolves: bool) -> tuple[bool, bool, dt.date]:
    """Whether one is open, or was lately, and the first day after the pause."""
    is_open, free = False, dt.date.min
    for source, is_complaint, opened, resolved in person["complaints"]:
        if not is_complaint:
            continue
        if source == "desk" and resolved is None and desk_resolves:
            is_open = True
        ended = opened if source == "mute" or resolved is None else resolved
        free = max(free, day(-1 - ended + PAUSE_DAYS))
    return is_open, is_open or free > NEXT_DAY, free


def next_birthday(birth: dt.date) -> dt.date:
    for year in (NEXT_DAY.year, NEXT_DAY.year + 1):
        try:
            date = birth.replace(year=year)
        except ValueError:  # 29 February
            date = dt.date(year, 2, 28)
        if date >= NEXT_DAY:
            return date
    raise AssertionError


def cares(person: Person, sent: list[dt.date]) -> list[tuple[dt.date, int, dt.date]]:
    """Day of the contact, place among the kinds, and the day on which it is due."""
    due: list[tuple[str, dt.date]] = []
    for number, state in person["promises"]:
        if state != "kept":
            due.append(("promise", day(number)))
    if person["contract"] is not None:
        due.append(("contract_end", day(person["contract"] - 30)))
    if person["birth"]:
        due.append(("birthday", next_birthday(person["birth"])))
    for kind, state, is_in_range, number in person["needs"]:
        if kind != "complaint" and state == "open" and is_in_range is not False:
            due.append(("need", day(number)))
    if person["bought"] is not None:
        bought = day(-1 - person["bought"])
        if not any(each > bought for each in sent):
            due.append(("after_sale", bought + dt.timedelta(AFTER_SALE_DAYS)))
    if person["sleeps"] == (True, False):
        due.append(("wake_up", NEXT_DAY))
    return sorted(
        (max(date, NEXT_DAY), CARES.index(kind), date)
        for kind, date in due
        if date > day(-31)
    )


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],  # to make a failing crowd smaller takes minutes
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    crowd=st.lists(people, min_size=1, max_size=10),
    asks_for_marketing=st.sampled_from([True, True, False]),
)
def test_nobody_is_listed_against_a_rule(
    plans: Plans, crowd: list[Person], asks_for_marketing: bool
) -> None:
    if not asks_for_marketing:
        for each in crowd:
            each["consents"] = [one for one in each["consents"] if "p" in one[0]]
    found = plans.of(rows_of(crowd))
    assert len(found) == len(crowd)
    used = {folded(channel) for each in crowd for *_, channel in each["contacts"]}
    used |= {
        folded(channel)
        for each in crowd
        for purpose, channel, *_ in each["consents"]
        if purpose.lower() == "marketing" and channel
    }
    known = {kind for each in crowd for kind in each["addresses"]}
    is_kept = any(
        purpose.lower() == "marketing"
        for each in crowd
        for purpose, *_ in each["consents"]
    )
    desk_resolves = any(
        source == "desk" and resolved is not None
        for each in crowd
        for source, _, _, resolved in each["complaints"]
    )
    for i, person in enumerate(crowd):
        plan = found[f"c{i}"]
        permits = permitted(person, used, is_kept)
        may_use = permits - (known - person["addresses"])
        sent = sent_days(person)
        is_open, is_complaining, free = complaints(person, desk_resolves)
        held_out = person["sleeps"] == (True, True) or (
            person["held_out_of"] in ("running", "begun, no end")
        )
        blocks = {
            "consent": not permits,
            "address": permits and not may_use,
            "complaint": is_complaining,
            "cap": is_over_cap(sent, NEXT_DAY),
            "hold_out": held_out,
        }
        expected = ", ".join(name for name, holds in blocks.items() if holds)
        assert (plan["blocked_by"] or "") == expected
        assert bool(plan["blocked_reason"]) == bool(expected)
        assert plan["may_be_contacted"] == (not expected)
        # By which channel, and when.
        assert plan["channel"] in may_use if may_use else plan["channel"] is None
        if person["wish"] and folded(person["wish"]) in may_use:
            assert plan["channel"] == folded(person["wish"])
            assert plan["channel_level"] == "stated"
        if plan["hour_from"] is not None:
            assert plan["hour_from"] >= 8
            assert plan["hour_until"] == plan["hour_from"] + 3 <= 21
        is_told = person["hour"] is not None and 8 <= person["hour"] < 21
        assert (plan["hour_level"] == "stated") == is_told
        if is_told:
            assert plan["hour_from"] <= person["hour"] < plan["hour_until"]
        # What for, and on which day.
        due = cares(person, sent)
        if not due:
            assert plan["care"] is None
            assert plan["next_contact_on"] is None
            assert not plan["is_listed"]
            continue
        contact_on, kind, date = due[0]
        assert (plan["care"], plan["care_due_on"]) == (CARES[kind], date)
        if not may_use or is_open or held_out:
            assert plan["next_contact_on"] is None
        else:
            on = max(contact_on, free)
            while is_over_cap(sent, on):
                on += dt.timedelta(1)
            assert plan["next_contact_on"] == on
        assert plan["is_listed"] == (not expected and contact_on == NEXT_DAY)


# At what hour ------------------------------------------------------------------------

MAKE = """
import datetime as dt, sys
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
from generator.digital import contacts
from generator.draws import Draws
from generator.people import People
from generator.plan import Plan
from generator.trade import campaign_targets
plan = Plan(400, dt.date(2023, 1, 1), dt.date(2024, 6, 30), 7, int(sys.argv[2]))
people = People(plan, Draws(7), np.arange(400))
rows, _ = contacts(people, campaign_targets(people))
names = ["contact", "sent_at", "opened_at", "channel"]
table = pa.table({name: rows.columns[name] for name in names})
owners = [int(contact[1:8]) for contact in table["contact"].to_pylist()]
best = pa.array(people.best_hour[owners])
pq.write_table(table.append_column("best_hour", best), sys.argv[1])
"""


def test_the_best_hour_is_found_from_twenty_messages_on_and_else_that_of_many(
    plans: Plans, tmp_path: Path
) -> None:
    for contacts in (0, 24):
        path = tmp_path / f"{contacts}.parquet"
        subprocess.run(
            [sys.executable, "-c", MAKE, str(path), str(contacts)],
            cwd=REPOSITORY / "companies" / "demo",
            check=True,
        )
        sent = pd.read_parquet(path)
        sent["customer_id"] = "c" + sent["contact"].str[1:8].astype(int).astype(str)
        found = plans.of_contacts(sent)
        counts = sent.groupby("customer_id").size().reindex(found.index)
        is_own = found["hour_level"] == "customer"
        assert is_own.equals(counts >= 20)
        assert set(found["hour_level"]) <= {"customer", "segment", "all"}
        best = sent.groupby("customer_id")["best_hour"].first().reindex(found.index)
        is_right = (found["hour_from"] <= best) & (best < found["hour_until"])
        if contacts:
            assert is_own.sum() > 250
            assert is_right[is_own].mean() >= 0.8
        else:
            assert (~is_own).mean() > 0.95
