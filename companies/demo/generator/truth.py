"""What is true of the customers: what they do, need and buy, and how they are known."""

from collections import Counter
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from . import plan
from .draws import Floats, Integers, repeated
from .people import PROSPECTS, YEAR, Booleans, People, life_stage
from .rows import Rows
from .trade import Trade

_IDENTIFIERS = ("email", "card_number", "phone", "device", "author")


def persons(people: People, tables: Iterable[Rows], orders: pa.Table) -> pa.Table:
    """One row per customer: what drives them, what they did, what they will need.

    The contacts of an organisation follow, with its number in `organisation` and
    nothing of what only a customer has. Money is in cents and of all orders that were
    not cancelled, also of those that name nobody. `acts` counts the rows that tell what
    somebody did and bear an identifier of theirs; apart from acts all have a record.
    `searches_in_vain` are searches for an unmet need, signed in or on a device on which
    they have signed in.
    Days count from the plan's first.
    """
    days = people.plan.days
    churned = people.churn < days
    parent = people.child_count > 0
    customers = pa.table(
        {
            "customer": pa.array(people.i),
            "organisation": pa.nulls(len(people.i), pa.int64()),
            "is_organisation": people.is_organisation,
            "churn_day": np.where(churned, people.churn, np.nan),
            "is_churned": churned,
            **people.drivers,
            "orders_per_month": people.orders_per_month,
            "satisfaction": people.satisfaction,
            "best_hour": people.best_hour,
            "main_channel": _named(plan.CHANNELS, people.main_channel),
            "employee_left_day": pa.array(
                np.where(people.employee_left < days, people.employee_left, np.nan)
            ),
            "follows_employee": people.follows_employee,
            "child_count": people.child_count,
            "first_child_born_day": np.where(parent, people.first_birth, np.nan),
            **_life_stages(people, people.first_birth, parent),
            "unmet_need": _named(plan.UNMET_NEEDS, people.unmet_need),
            "has_second_record": people.has_second_record,
            "erased_day": _finite(people.erased_day),
            **_bought(people, orders),
        }
    )
    owner, number = repeated(people.contact_count)
    filling = {pa.bool_(): False, pa.int64(): 0}
    contacts = {
        field.name: pa.nulls(len(owner), field.type).fill_null(filling[field.type])
        if field.type in filling
        else pa.nulls(len(owner), field.type)
        for field in customers.schema
    } | {"customer": people.contact(owner, number), "organisation": people.i[owner]}
    both = pa.concat_tables([customers, pa.table(contacts)])
    person = np.asarray(both["customer"])
    acts = np.zeros(len(person), dtype=np.int64)
    in_vain = np.zeros_like(acts)
    signed_in = _signed_in(tables)
    for rows in tables:
        if rows.person is not None:
            acting = rows.person[_is_identified(rows) & (rows.person >= 0)]
            acts += np.bincount(np.searchsorted(person, acting), minlength=len(person))
        if "query" in rows.columns and rows.person is not None:
            seeking = rows.person[_is_in_vain(rows, signed_in) & (rows.person >= 0)]
            found = np.searchsorted(person, seeking)
            in_vain += np.bincount(found, minlength=len(person))
    both = both.append_column("acts", pa.array(acts))
    return both.append_column("searches_in_vain", pa.array(in_vain))


def children(people: People) -> pa.Table:
    """One row per child, born or expected: its stage of life and what comes next."""
    owner, number = repeated(people.child_count)
    birth = people.child_birth(owner, number)
    every = np.ones(len(owner), dtype=bool)
    return pa.table(
        {
            "customer": people.i[owner],
            "born_day": birth,
            **_life_stages(people, birth, every),
        }
    )


def _life_stages(
    people: People, birth: Integers, is_child: Booleans
) -> dict[str, pa.Array]:
    """Stage of life on the last day, the need of the next one and how far it is."""
    age = (people.plan.days - birth) / YEAR
    now = np.where(is_child, life_stage(age), -1)
    starts = np.array([start for _, start, _ in plan.LIFE_STAGES])
    follows = np.where((now >= 0) & (now + 1 < len(starts)), now + 1, -1)
    wait = np.where(follows >= 0, (starts[follows] - age) * YEAR, np.nan)
    return {
        "life_stage": _named([name for name, *_ in plan.LIFE_STAGES], now),
        "next_need": _named([need for *_, need in plan.LIFE_STAGES], follows),
        "next_need_in_days": pa.array(wait),
    }


def _is_in_vain(rows: Rows, signed_in: pa.Array) -> Booleans:
    """Whether somebody who can be known searches for what no product meets."""
    asks = pc.is_in(rows.columns["query"], pa.array(plan.UNMET_NEEDS))
    is_known = pc.or_(
        rows.columns["email"].is_valid(), pc.is_in(rows.columns["device"], signed_in)
    )
    return np.asarray(pc.and_(asks, is_known))


def _bought(people: People, orders: pa.Table) -> dict[str, Integers]:
    """Numbers and cents of each customer's orders."""
    owner = np.searchsorted(people.i, np.asarray(orders["customer"]))
    cents = np.asarray(pc.subtract(orders["line_cents"], orders["voucher_cents"]))
    cancelled = np.asarray(pc.equal(orders["status"], plan.CANCELLED_STATUS))
    returned = np.asarray(pc.equal(orders["status"], "returned"))
    sums = {
        name: np.bincount(owner[some], values[some], len(people.i)).astype(np.int64)
        for name, some, values in (
            ("order_count", ~cancelled & ~returned, np.ones_like(cents)),
            ("cancelled_count", cancelled, np.ones_like(cents)),
            ("return_count", returned, np.ones_like(cents)),
            ("gross_cents", ~cancelled & ~returned, cents),
            ("returned_cents", returned, -cents),
        )
    }
    return sums | {"net_cents": sums["gross_cents"] - sums["returned_cents"]}


def _is_identified(rows: Rows) -> Booleans:
    """Whether a row bears an identifier at all."""
    found = np.zeros(len(rows), dtype=bool)
    for name in _IDENTIFIERS:
        if name in rows.columns:
            found |= np.asarray(rows.columns[name].is_valid())
    return found


def _finite(days: Floats) -> pa.Array:
    """Days, NULL where they are infinite."""
    return pa.array(days, mask=~np.isfinite(days))


def orders(rows: Rows, sold: Trade) -> pa.Table:
    """One row per order or return: whose it is, its status and its sums.

    Money is in cents, below 0 for a return, and as ordered where it was cancelled.
    `is_identified` tells whether the delivered row bears an identifier of the customer.
    """
    vouchers = np.asarray(rows.columns["voucher"].cast(pa.float64()))
    return pa.table(
        {
            "order_number": rows.columns["order_number"],
            "customer": rows.person,
            "status": rows.columns["status"],
            "is_identified": _is_identified(rows),
            "voucher_cents": np.rint(vouchers * 100).astype(np.int64),
            **sold.lines[1],
        }
    )


def order_totals(orders: pa.Table) -> Counter[str]:
    """Numbers of orders, and cents of those that were not cancelled."""
    cancelled = pc.equal(orders["status"], plan.CANCELLED_STATUS)
    kept = orders.filter(pc.invert(cancelled))
    sums = ("line_cents", "voucher_cents", "cost_cents", "lines_without_cost")
    return Counter(
        orders=len(orders),
        orders_cancelled=len(orders) - len(kept),
        orders_returned=int(pc.sum(pc.equal(orders["status"], "returned")).as_py()),
        **{name: int(pc.sum(kept[name]).as_py()) for name in sums},
    )


def rows_with_blocked_values(tables: Iterable[Rows]) -> Counter[str]:
    """Numbers of rows on which staff typed an e-mail or a card that is nobody's."""
    counts: Counter[str] = Counter()
    for rows in tables:
        for kind, name in (("email", "email"), ("card", "card_number")):
            if name in rows.columns:
                typed = pc.equal(rows.columns[name], plan.BLOCKED_VALUES[kind])
                counts[f"blocked_{kind}_rows"] += pc.sum(typed).as_py() or 0
    return counts


def _named(names: list[str], position: Integers) -> pa.Array:
    """Names at these positions; NULL for -1."""
    where = pa.array(position, mask=position < 0)
    return pa.array(names).take(where)


def identifiers(people: People, tables: Iterable[Rows]) -> pa.Table:
    """One row per identifier of a person, as it is when spelled plainly.

    Persons are customers, contacts of organisations, and prospects: leads who are no
    customers and have no row in `persons`. `owner` is another person where several
    share the telephone or the tablet, and -1 for a kiosk. `is_linked` tells whether the
    deliveries show that it belongs to whatever else the person is known by: the others
    are shared, or stand alone wherever they are seen. Blocked values stand in the plan.
    """
    identifiers, i = people.identifiers, people.i
    zero, every = np.zeros_like(i), np.ones(len(i), dtype=bool)
    tablet = identifiers.family_device(i)
    shares = (tablet != i) | (identifiers.family_device(i + 1) == i)
    phone, browser = identifiers.phone(i), identifiers.device(i, zero + 1)
    has_app = people.drivers["app_user"]
    own_phone = people.has_phone & ~identifiers.shares_phone(i)
    only_lead = people.was_lead & ~people.has_email & ~people.has_phone
    second = people.has_second_record
    signed_in = np.asarray(pc.is_in(browser, _signed_in(tables)))
    member = people.drivers["community_member"]
    owner, number = repeated(people.contact_count)
    account, contact = i[owner], people.contact(owner, number)
    switchboard, named = phone.take(pa.array(owner)), np.ones(len(owner), dtype=bool)
    prospect, is_there = i + PROSPECTS, people.knows_prospect
    kiosk, nobody, never = people.kiosk(np.arange(len(i))), zero - 1, ~every
    parts = []
    for person, kind, values, has, owned_by, is_linked in (
        (i, "email", identifiers.email(i), people.has_email, i, every),
        (i, "card", identifiers.card(i), people.has_card, i, every),
        (i, "email", identifiers.second_email(i), second, i, has_app | own_phone),
        (i, "card", identifiers.second_card(i), second, i, has_app | own_phone),
        (i, "phone", phone, people.has_phone, identifiers.phone_owner(i), own_phone),
        (i, "phone", phone, only_lead, identifiers.phone_owner(i), never),
        (i, "device", identifiers.device(i, zero), has_app, i, every),
        (i, "device", browser, every, i, signed_in),
        (i, "device", identifiers.device(tablet, zero + 9), shares, tablet, never),
        (i, "device", kiosk, people.at_kiosk, nobody, never),
        (i, "handle", identifiers.handle(i), every, i, member),
        (contact, "email", identifiers.email(contact), named, contact, named),
        (contact, "phone", switchboard, named, account, ~named),
        (prospect, "email", identifiers.email(prospect), is_there, prospect, every),
    ):
        parts.append(
            pa.table(
                {
                    "customer": person[has],
                    "kind": pa.array([kind] * int(has.sum()), pa.string()),
                    "value": values.filter(pa.array(has)),
                    "owner": owned_by[has],
                    "is_linked": is_linked[has],
                }
            )
        )
    return pa.concat_tables(parts)


def _signed_in(tables: Iterable[Rows]) -> pa.Array:
    """Devices that stand beside an e-mail on a row."""
    found = [
        rows.columns["device"].filter(rows.columns["email"].is_valid())
        for rows in tables
        if {"device", "email"} <= rows.columns.keys()
    ]
    return pa.concat_arrays(found).drop_null()
