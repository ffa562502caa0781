"""What the service centre and the club keep about customers."""

import numpy as np
import pyarrow as pa

from .catalogue import list_price, product_count, product_number
from .draws import Integers, repeated
from .people import INDUSTRIES, PROSPECTS, People, spelled_email, spelled_phone
from .plan import CAMPAIGNS, CHANNELS, CITIES, DEPARTMENTS, LEAD_KINDS
from .rows import DAY, Rows, row_ids, stacked
from .texts import decimals, either, joined, local_times, padded, picked, where
from .trade import Targets


def _dates(people: People, days: Integers) -> pa.Array:
    start = np.datetime64(people.plan.first_day, "D")
    return pa.array(start + days.astype("timedelta64[D]"))


def employee_name(number: Integers) -> pa.Array:
    """Employees as the company writes them, E01 and so on."""
    return joined("E", padded(number, 2))


def departments(number: Integers) -> pa.Array:
    """Department of each employee."""
    sizes = list(DEPARTMENTS.values())
    return picked(
        list(DEPARTMENTS), np.searchsorted(np.cumsum(sizes), number, side="left")
    )


def customers(people: People) -> Rows:
    """Rows of `crm.customers`; some people are held twice, and contacts beside.

    The contacts of an organisation stand there by its telephone.
    """
    draws, plan = people.draws, people.plan

    def records(position: Integers, is_second: bool) -> Rows:
        i = people.i[position]
        identifiers = people.identifiers
        registered = people.registered[position]
        day = np.floor(registered).astype(np.int64) + 9 * is_second
        seconds = day * DAY + 8 * 3600 + draws.below(12 * 3600, "registered at", i)
        organisation = people.is_organisation[position]
        cities, regions, *_ = zip(*CITIES, strict=True)
        city = people.city[position]
        age = 20 * 365 + draws.below(45 * 365, "age", i)
        born = people.first_birth[position] - 20 * 365
        parent = people.child_count[position] > 0
        birth = np.where(parent, np.minimum(born, -age // 2 - 18 * 365), -age)
        erased = np.isfinite(people.erased_day[position])
        erased_day = np.where(erased, people.erased_day[position], 0)
        erased_at = erased_day.astype(np.int64) * DAY + 10 * 3600
        updated = np.where(erased, erased_at, seconds)
        key = np.full(len(i), int(is_second))
        if is_second:
            email = identifiers.second_email(i)
            card = identifiers.second_card(i)
        else:
            email = people.shown_email(position, key)
            card = people.shown_card(position, key)
        channels = np.minimum(people.main_channel[position], 4)
        recommender = people.recommender[position]
        is_recommended = (recommender >= 0) & (not is_second)
        return Rows(
            {
                "customer_number": joined("CD"[is_second], padded(i, 7)),
                "kind": picked(["person", "organisation"], organisation.astype(int)),
                "card_number": card,
                "email": email,
                "phone": people.shown_phone(position, key),
                "account": pa.nulls(len(i), pa.string()),
                "recommended_by": where(
                    is_recommended,
                    spelled_email(draws, identifiers.email(recommender), i, key),
                ),
                "city": picked(list(cities), city),
                "region": picked(list(regions), city),
                "country": pa.array(["DE"] * len(i), pa.string()),
                "industry": where(
                    organisation,
                    picked(INDUSTRIES, draws.below(len(INDUSTRIES), "industry", i)),
                ),
                "level": people.level.take(pa.array(position)),
                "registered_via": picked(CHANNELS, channels),
                "registered_at": local_times(plan.first_day, seconds),
                "birth_date": where(~organisation, _dates(people, birth)),
                "deleted_at": where(erased, local_times(plan.first_day, erased_at)),
                "updated_at": local_times(plan.first_day, updated),
            },
            row_ids(draws, "customers", i, key),
            seconds,
        )

    every = np.arange(len(people.i))
    first = records(every, False)
    second = records(every[people.has_second_record], True)
    return stacked([first, second, _contacts(people, first)])


def _contacts(people: People, organisations: Rows) -> Rows:
    """Rows of `crm.customers` for the contacts, after those of the organisations."""
    draws, plan = people.draws, people.plan
    owner, number = repeated(people.contact_count)
    person = people.contact(owner, number)
    key = np.full(len(person), 2)
    seconds = organisations.seconds[owner] + DAY * (
        1 + draws.below(20, "named", person)
    )
    times = local_times(plan.first_day, seconds)
    columns = {
        name: pa.nulls(len(person), column.type)
        for name, column in organisations.columns.items()
    }
    for name in ("city", "region", "country", "registered_via"):
        columns[name] = organisations.columns[name].take(pa.array(owner))
    columns |= {
        "customer_number": joined("K", padded(people.i[owner], 7), "-", number + 1),
        "kind": pa.array(["person"] * len(person), pa.string()),
        "email": people.shown_email(owner, number, key, by=person),
        "phone": people.shown_phone(owner, number, key),
        "account": joined("C", padded(people.i[owner], 7)),
        "registered_at": times,
        "updated_at": times,
    }
    return Rows(columns, row_ids(draws, "customers", person, key), seconds)


def children(people: People) -> Rows:
    """Rows of `crm.children`."""
    owner, number = repeated(people.child_count)
    i = people.i[owner]
    birth = people.child_birth(owner, number)
    is_due = birth >= people.plan.days
    return Rows(
        {
            "child": joined("B", padded(i, 7), "-", number + 1),
            "card_number": people.shown_card(owner, number),
            "email": people.shown_email(owner, number),
            "birth_date": _dates(people, birth),
            "relation": picked(["child", "expected child"], is_due.astype(np.int64)),
        },
        row_ids(people.draws, "children", i, number),
        i,
    )


def care(people: People) -> Rows:
    """Rows of `crm.care`: who looks after whom, and who came after a leaver."""
    draws, plan = people.draws, people.plan
    first = np.flatnonzero(people.employee > 0)
    second = np.flatnonzero(np.isfinite(people.employee_left) & (people.employee > 0))
    second = second[people.employee_left[second] < plan.days]

    def rows(position: Integers, is_successor: int) -> Rows:
        i = people.i[position]
        left = people.employee_left[position]
        ends = (left < plan.days) & (is_successor == 0)
        begins = left if is_successor else people.start[position]
        begins = np.where(np.isfinite(begins), begins, 0).astype(np.int64)
        left_day = np.where(np.isfinite(left), left, 0).astype(np.int64)
        employee = people.employee[position] + is_successor
        key = np.full(len(i), is_successor)
        return Rows(
            {
                "care": joined("F", padded(i, 7), "-", key),
                "email": people.shown_email(position, key),
                "card_number": people.shown_card(position, key),
                "employee": employee_name(employee),
                "department": departments(employee),
                "valid_from": local_times(plan.first_day, begins * DAY + 8 * 3600),
                "valid_to": where(
                    ends, local_times(plan.first_day, left_day * DAY + 8 * 3600)
                ),
            },
            row_ids(draws, "care", i, key),
            begins * DAY,
        )

    return stacked([rows(first, 0), rows(second, 1)])


def quotes(people: People) -> Rows:
    """Rows of `crm.quotes`: prices that key accounts, or their contacts, asked for."""
    draws, plan = people.draws, people.plan
    mean = np.where(people.is_organisation, 0.7 * people.span / 30, 0.0)
    owner, number = repeated(draws.poisson(mean, "quotes", people.i))
    i = people.i[owner]
    keys = (i, number)
    chance = draws.uniform("quote day", *keys)
    day = (people.start[owner] + people.span[owner] * chance).astype(np.int64)
    seconds = day * DAY + 9 * 3600 + draws.below(7 * 3600, "quote time", *keys)
    product = draws.below(product_count(), "quoted product", *keys)
    percent = 75 + draws.below(35, "quoted price", *keys)
    # The dearer, the less likely it is accepted.
    accepted = draws.uniform("accepted", *keys) < (1.25 - percent / 125)
    outcome = np.where(accepted, 0, 1 + draws.choice([3, 1], "declined", *keys))
    decided = seconds + DAY * (1 + draws.below(12, "decided", *keys))
    known = decided < plan.days * DAY
    person = people.acting("quoted to", owner, number)
    return Rows(
        {
            "quote": joined("Q", padded(i, 7), "-", padded(number, 3)),
            "email": people.shown_email(owner, number, by=person),
            "product_number": product_number(product),
            "quoted_at": local_times(plan.first_day, seconds),
            "price": decimals(list_price(product) * percent * 50 // 100),
            "outcome": where(
                known, picked(["accepted", "declined", "expired"], outcome)
            ),
            "decided_at": where(known, local_times(plan.first_day, decided)),
        },
        row_ids(draws, "quotes", *keys),
        seconds,
        person=person,
    )


def consents(people: People) -> Rows:
    """Rows of `club.consents`: given with the registration, some withdrawn later."""
    draws, plan = people.draws, people.plan
    parts = []
    for number, (purpose, channel, share) in enumerate(
        [
            ("marketing", "email", 0.8),
            ("marketing", "phone", 0.35),
            ("profiling", None, 0.6),
        ]
    ):
        for is_change in (0, 1):
            every = np.arange(len(people.i))
            key = np.full(len(every), 2 * number + is_change)
            given = draws.uniform("consent", people.i, key - is_change) < share
            if is_change:
                changes = draws.uniform("withdrawn", people.i, key) < 0.12
                every = every[given & changes & (people.span > 60)]
            i, key = people.i[every], key[every]
            since = np.floor(people.registered[every]).astype(np.int64)
            if is_change:
                since = (people.start[every] + 0.5 * people.span[every]).astype(int)
            seconds = since * DAY + 20 * 3600 + draws.below(3600, "consent at", i, key)
            granted = given[every] & (is_change == 0)
            parts.append(
                Rows(
                    {
                        "consent": joined("N", padded(i, 7), "-", key),
                        "email": people.shown_email(every, key),
                        "card_number": people.shown_card(every, key),
                        "purpose": pa.array([purpose] * len(i), pa.string()),
                        "channel": pa.array([channel] * len(i), pa.string()),
                        "granted": pa.array(granted),
                        "changed_at": local_times(plan.first_day, seconds),
                    },
                    row_ids(draws, "consents", i, key),
                    seconds,
                )
            )
    return stacked(parts)


def traits(people: People, targets: Targets, bought: Integers) -> Rows:
    """Rows of `club.traits`: tastes, and two that only some customers can have.

    `bought` counts the orders of each customer. Who was held out of a campaign stands
    here too.
    """
    draws, plan = people.draws, people.plan
    every = np.arange(len(people.i))
    churned = every[people.churn < plan.days - 25]
    words = {
        "diet": ["any", "vegetarian", "vegan", "gluten-free"],
        "household": ["1", "2", "3", "4", "5+"],
    }
    parts = []

    def add(
        name: str,
        position: Integers,
        number: Integers,
        text: pa.Array,
        value: pa.Array,
        day: Integers,
    ) -> None:
        i = people.i[position]
        seconds = day * DAY + 12 * 3600
        parts.append(
            Rows(
                {
                    "trait": joined("T", padded(i, 7), f"-{name}-", number),
                    "card_number": people.shown_card(position, number),
                    "email": people.shown_email(position, number),
                    "name": pa.array([name] * len(i), pa.string()),
                    "value_text": text,
                    "value_number": value,
                    "observed_at": local_times(plan.first_day, seconds),
                },
                row_ids(draws, f"traits {name}", i, number),
                seconds,
            )
        )

    for name, known in words.items():
        some = every[draws.uniform(f"knows {name}", people.i) < 0.5]
        text = picked(known, draws.below(len(known), name, people.i[some]))
        value = pa.nulls(len(some), pa.float64())
        start = people.start[some].astype(np.int64)
        add(name, some, np.zeros_like(some), text, value, start)
    add(
        "winback_case",
        churned,
        np.zeros_like(churned),
        joined("W", padded(people.i[churned], 7)),
        pa.nulls(len(churned), pa.float64()),
        np.floor(people.churn[churned]).astype(np.int64) + 21,
    )
    buyers = every[bought > 0]
    add(
        "club_balance",
        buyers,
        np.zeros_like(buyers),
        pa.nulls(len(buyers), pa.string()),
        pa.array((bought[buyers] * 10).astype(float)),
        np.minimum(people.end[buyers], plan.days - 1).astype(np.int64),
    )
    held = targets.owner[targets.held_out]
    campaign = targets.campaign[targets.held_out]
    names, _, starts = zip(*CAMPAIGNS, strict=True)
    add(
        "hold_out",
        held,
        campaign,
        picked(list(names), campaign),
        pa.nulls(len(held), pa.float64()),
        np.array(starts)[campaign],
    )
    return stacked(parts)


def leads(people: People) -> tuple[Rows, Rows, dict[str, int]]:
    """Rows of `crm.leads` and `crm.lead_stages`, and how many there are of each kind.

    Some are customers of today, from before they registered; the others never buy.
    """
    draws, plan = people.draws, people.plan
    won = np.flatnonzero(people.was_lead)
    position = np.concatenate([won, np.flatnonzero(people.knows_prospect)])
    is_won = np.arange(len(position)) < len(won)
    i = people.i[position]
    number = np.where(is_won, i, i + PROSPECTS)
    kinds = list(LEAD_KINDS)
    kind = draws.choice(list(LEAD_KINDS.values()), "kind of lead", number)
    kind = np.where(is_won, len(kinds), kind)
    near, refusing, _, of_won = (kind == k for k in range(len(kinds) + 1))
    chance = draws.uniform("lead day", number)
    day = np.where(
        is_won, people.registered[position] - 12, 15 + (plan.days - 40) * chance
    ).astype(np.int64)
    seconds = day * DAY + 9 * 3600 + draws.below(8 * 3600, "lead time", number)
    has_address = np.where(is_won, people.has_email[position], True)
    reasons = picked(
        ["price", "competitor", "no trust"], draws.below(3, "declined", number)
    )
    known = near | refusing | of_won
    employee = 4 + draws.below(5, "lead employee", number)
    rows = Rows(
        {
            "lead": joined("L", padded(number, 9)),
            "email": where(has_address, people.identifiers.email(number)),
            "phone": either(
                np.asarray(has_address),
                pa.nulls(len(number), pa.string()),
                spelled_phone(draws, people.identifiers.phone(i), number),
            ),
            "created_at": local_times(plan.first_day, seconds),
            "source_of_lead": picked(
                ["fair", "referral", "web form", "walk-in"],
                draws.below(4, "source of lead", number),
            ),
            "employee": employee_name(employee),
            "has_need": where(known, pa.array(known)),
            "can_pay": where(known, pa.array(near | of_won)),
            "declined_reason": where(refusing, reasons),
        },
        row_ids(draws, "leads", number),
        seconds,
    )
    steps = [
        ("new", 0, np.ones_like(near)),
        ("contacted", 3, known),
        ("offer", 6, near | of_won),
        ("declined", 8, refusing),
        ("won", 12, of_won),
    ]
    parts = []
    for step, (stage, wait, reached) in enumerate(steps):
        at = seconds[reached] + wait * DAY
        key = np.full(int(reached.sum()), step)
        parts.append(
            Rows(
                {
                    "step": joined("L", padded(number[reached], 9), "-", key),
                    "lead": rows.columns["lead"].filter(pa.array(reached)),
                    "stage": pa.array([stage] * len(key), pa.string()),
                    "entered_at": local_times(plan.first_day, at),
                },
                row_ids(draws, "lead_stages", number[reached], key),
                at,
            )
        )
    counts = {
        name: int((kind == position).sum())
        for position, name in enumerate([*kinds, "won"])
    }
    return rows, stacked(parts), counts


def account_links(people: People) -> Rows:
    """Rows of `web.account_links`: two identifiers that were shown together."""
    draws, plan, identifiers = people.draws, people.plan, people.identifiers
    every = np.arange(len(people.i))
    zero = np.zeros_like(every)
    nothing = pa.nulls(len(every), pa.string())
    i = people.i
    email, card, phone = (
        people.shown_email(every, zero + 77),
        people.shown_card(every, zero + 77),
        people.shown_phone(every, zero + 77),
    )
    phone_device = identifiers.device(i, zero)
    browser = identifiers.device(i, zero + 1)
    tablet_owner = identifiers.family_device(i)
    tablet = identifiers.device(tablet_owner, zero + 9)
    handle = identifiers.handle(i)
    has_email, has_card, has_phone = people.has_email, people.has_card, people.has_phone
    member = people.drivers["community_member"]
    second = people.has_second_record
    app = people.drivers["app_user"]
    family = (tablet_owner != i) | (identifiers.family_device(i + 1) == i)
    links = [  # reason, who, and the columns that are filled
        ("club_registration", has_email & has_card, {"email": email, "card": card}),
        ("account", has_email & has_phone, {"email": email, "phone": phone}),
        ("account", has_card & has_phone, {"card": card, "phone": phone}),
        ("sign_in", has_email & app, {"email": email, "device": phone_device}),
        ("sign_in", has_email & people.digital, {"email": email, "device": browser}),
        (
            "sign_in",
            has_card & ~has_email & app,
            {"card": card, "device": phone_device},
        ),
        ("sign_in", has_email & family, {"email": email, "device": tablet}),
        ("sign_in", people.at_kiosk, {"email": email, "device": people.kiosk(every)}),
        ("community", has_email & member, {"email": email, "handle": handle}),
        ("community", has_card & member, {"card": card, "handle": handle}),
        (
            "club_registration",
            second,
            {
                "email": identifiers.second_email(i),
                "card": identifiers.second_card(i),
            },
        ),
        (
            "account",
            second & has_phone,
            {"card": identifiers.second_card(i), "phone": phone},
        ),
        (
            "sign_in",
            second & app,
            {"email": identifiers.second_email(i), "device": phone_device},
        ),
    ]
    start = people.start.astype(np.int64)
    parts = []
    for number, (reason, condition, filled) in enumerate(links):
        key = zero + number
        wait = draws.uniform("linked", i, key) * np.maximum(people.span - 1, 0)
        seconds = (start + wait.astype(np.int64)) * DAY + 13 * 3600 + 60 * number
        rows = Rows(
            {
                "link": joined("I", padded(i, 7), "-", padded(key, 2)),
                "seen_at": local_times(plan.first_day, seconds),
                "reason": pa.array([reason] * len(i), pa.string()),
                **{
                    name: filled.get(name, nothing)
                    for name in ("email", "phone", "card", "device", "handle")
                },
            },
            row_ids(draws, "account_links", i, key),
            seconds,
        )
        parts.append(rows.take(condition))
    return stacked(parts)
