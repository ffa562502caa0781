"""The whole company: all tables, chunk by chunk, and the truth about them."""

import dataclasses
import datetime as dt
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from . import catalogue, digital, plan, registry, service, trade
from .delivery import LOOK_BACK_DAYS, Deliveries
from .draws import Draws, Integers
from .people import YEAR, People, life_stage
from .plan import Plan

CHUNK = 5000  # customers at a time: what memory depends on, and nothing else


def generate(folder: Path, wanted: Plan, chunk: int = CHUNK) -> dict[str, Any]:
    """Fill `folder`/delivered and `folder`/truth; returns what truth.json holds."""
    draws = Draws(wanted.seed)
    deliveries = Deliveries(wanted, draws, folder / "delivered")
    (folder / "truth").mkdir()
    totals: Counter[str] = Counter()
    _add_catalogue(deliveries, wanted, draws)
    persons, known_by = None, None
    for start in range(0, wanted.customers, chunk):
        i = np.arange(start, min(start + chunk, wanted.customers))
        people = People(wanted, draws, i)
        totals.update(_add_customers(deliveries, people))
        person, identifiers = _person_truth(people), _identifier_truth(people)
        if persons is None or known_by is None:
            truth = folder / "truth"
            persons = pq.ParquetWriter(truth / "people.parquet", person.schema)
            known_by = pq.ParquetWriter(
                truth / "identifiers.parquet", identifiers.schema
            )
        persons.write_table(person)
        known_by.write_table(identifiers)
    deliveries.close()
    for writer in (persons, known_by):
        if writer:
            writer.close()
    truth_known = {
        "version": plan.VERSION,
        "plan": dataclasses.asdict(wanted),
        "planted": _planted(),
        "tables": {name: _table(counts) for name, counts in deliveries.counts.items()},
        "totals": dict(sorted(totals.items())),
    }
    text = json.dumps(truth_known, indent=2, default=str, ensure_ascii=False)
    (folder / "truth" / "truth.json").write_text(text + "\n")
    return truth_known


def _add_catalogue(deliveries: Deliveries, wanted: Plan, draws: Draws) -> None:
    for day in (wanted.first_day, wanted.last_day - dt.timedelta(20)):
        # Of a table delivered whole only the newest file counts.
        deliveries.counts["retail.products"].clear()
        rows = catalogue.products(wanted, draws, day)
        deliveries.add("retail.products", rows, day)
    deliveries.add("retail.places", catalogue.places(wanted, draws))
    deliveries.add("retail.goals", catalogue.goals(wanted, draws))
    deliveries.add("mailing.campaigns", catalogue.campaigns(wanted, draws))
    offers = catalogue.competitor_offers(wanted, draws)
    deliveries.add("retail.competitor_offers", offers)


def _add_customers(deliveries: Deliveries, people: People) -> Counter[str]:
    """Deliver all that some customers leave behind; returns what the truth counts."""
    totals: Counter[str] = Counter()
    targets = trade.campaign_targets(people)
    sold = trade.Trade(people, targets)
    lines, sums = sold.lines
    orders = sold.orders()
    totals.update(sums)
    totals["orders"] += len(orders)
    vouchers = np.asarray(orders.columns["voucher"].cast(pa.float64()))
    totals["voucher_cents"] += int(np.rint(vouchers * 100).sum())
    deliveries.add("retail.orders", orders)
    deliveries.add("retail.order_lines", lines)
    served = service.Service(people)
    bought = np.bincount(sold.owner, minlength=len(people.i))
    leads, stages, kinds = registry.leads(people)
    totals.update({f"leads_{kind}": count for kind, count in kinds.items()})
    for name, counted in (
        ("stores.presences", sold.presences()),
        ("crm.cases", served.cases()),
        ("crm.promises", served.promises()),
        ("survey.answers", service.answers(people, sold, served)),
        ("web.events", digital.events(people)),
        ("community.posts", digital.posts(people)),
        ("mailing.contacts", digital.contacts(people, targets)),
    ):
        deliveries.add(name, counted[0])
        totals.update(counted[1])
    for name, rows in (
        ("crm.customers", registry.customers(people)),
        ("crm.children", registry.children(people)),
        ("crm.care", registry.care(people)),
        ("crm.quotes", registry.quotes(people)),
        ("crm.leads", leads),
        ("crm.lead_stages", stages),
        ("club.consents", registry.consents(people)),
        ("club.traits", registry.traits(people, targets, bought)),
        ("web.account_links", registry.account_links(people)),
    ):
        deliveries.add(name, rows)
    totals["customers"] += len(people.i)
    totals["churned"] += int((people.churn < people.plan.days).sum())
    totals["followed_an_employee"] += int(people.follows_employee.sum())
    totals["targeted"] += len(targets.owner)
    totals["held_out"] += int(targets.held_out.sum())
    totals["bought_because_of_campaign"] += int(targets.buys.sum())
    return totals


def _person_truth(people: People) -> pa.Table:
    """One row per customer: what drives him, and what he will need."""
    days = people.plan.days
    churned = people.churn < days
    age = (days - people.first_birth) / YEAR
    parent = people.child_count > 0
    now = np.where(parent, life_stage(age), -1)
    starts = np.array([start for _, start, _ in plan.LIFE_STAGES])
    follows = np.where((now >= 0) & (now + 1 < len(starts)), now + 1, -1)
    wait = np.where(follows >= 0, (starts[follows] - age) * YEAR, np.nan)
    stages = [name for name, *_ in plan.LIFE_STAGES]
    needs = [need for *_, need in plan.LIFE_STAGES]
    return pa.table(
        {
            "customer": pa.array(people.i),
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
            "life_stage": _named(stages, now),
            "next_need": _named(needs, follows),
            "next_need_in_days": pa.array(wait),
            "unmet_need": _named(plan.UNMET_NEEDS, people.unmet_need),
            "has_second_record": people.has_second_record,
        }
    )


def _named(names: list[str], position: Integers) -> pa.Array:
    """Names at these positions; NULL for -1."""
    where = pa.array(position, mask=position < 0)
    return pa.array(names).take(where)


def _identifier_truth(people: People) -> pa.Table:
    """One row per identifier of a customer, as it is when spelled plainly.

    `owner` is another customer where several share the telephone or the tablet, and -1
    for a kiosk.
    """
    identifiers, i = people.identifiers, people.i
    zero, every = np.zeros_like(i), np.ones(len(i), dtype=bool)
    tablet = identifiers.family_device(i)
    shares = (tablet != i) | (identifiers.family_device(i + 1) == i)
    parts = []
    for kind, values, has, owner in (
        ("email", identifiers.email(i), people.has_email, i),
        ("card", identifiers.card(i), people.has_card, i),
        ("email", identifiers.second_email(i), people.has_second_record, i),
        ("card", identifiers.second_card(i), people.has_second_record, i),
        ("phone", identifiers.phone(i), people.has_phone, identifiers.phone_owner(i)),
        ("device", identifiers.device(i, zero), people.digital, i),
        ("device", identifiers.device(i, zero + 1), every, i),
        ("device", identifiers.device(tablet, zero + 9), shares, tablet),
        ("device", people.kiosk(np.arange(len(i))), people.at_kiosk, zero - 1),
        ("handle", identifiers.handle(i), every, i),
    ):
        parts.append(
            pa.table(
                {
                    "customer": i[has],
                    "kind": pa.array([kind] * int(has.sum()), pa.string()),
                    "value": values.filter(pa.array(has)),
                    "owner": owner[has],
                }
            )
        )
    return pa.concat_tables(parts)


def _table(counts: Counter[str]) -> dict[str, Any]:
    """Counts of one source table as the truth writes them."""
    reasons = {
        name.removeprefix("quarantined "): count
        for name, count in sorted(counts.items())
        if name.startswith("quarantined ")
    }
    plain = ("delivered", "admitted", "duplicates", "out_of_window", "late")
    return {
        **{name: counts[name] for name in plain},
        "quarantined": sum(reasons.values()),
        "quarantined_by_reason": reasons,
    }


def _planted() -> dict[str, Any]:
    names = [name for name in vars(plan) if name.isupper()]
    return {name.lower(): getattr(plan, name) for name in names} | {
        "look_back_days": LOOK_BACK_DAYS,
        "crisis_product": f"P{catalogue.CRISIS_PRODUCT:04}",
    }
