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

from . import catalogue, digital, plan, registry, service, trade, truth
from .delivery import LOOK_BACK_DAYS, Deliveries
from .draws import Draws
from .people import People
from .plan import Plan

CHUNK = 5000  # customers at a time: what memory depends on, and nothing else


def generate(folder: Path, wanted: Plan, chunk: int = CHUNK) -> dict[str, Any]:
    """Fill `folder`/delivered and `folder`/truth; returns what truth.json holds."""
    draws = Draws(wanted.seed)
    deliveries = Deliveries(wanted, draws, folder / "delivered")
    (folder / "truth").mkdir()
    totals: Counter[str] = Counter()
    _add_catalogue(deliveries, wanted, draws)
    writers: dict[str, pq.ParquetWriter] = {}
    for start in range(0, wanted.customers, chunk):
        i = np.arange(start, min(start + chunk, wanted.customers))
        counts, tables = _add_customers(deliveries, People(wanted, draws, i))
        totals.update(counts)
        for name, table in tables.items():
            if name not in writers:
                path = folder / "truth" / f"{name}.parquet"
                writers[name] = pq.ParquetWriter(path, table.schema)
            writers[name].write_table(table)
    deliveries.close()
    for writer in writers.values():
        writer.close()
    known = {
        "version": plan.VERSION,
        "plan": dataclasses.asdict(wanted),
        "planted": _planted(),
        "tables": {name: _table(counts) for name, counts in deliveries.counts.items()},
        "totals": dict(sorted(totals.items())),
    }
    text = json.dumps(known, indent=2, default=str, ensure_ascii=False)
    (folder / "truth" / "truth.json").write_text(text + "\n")
    return known


def _add_catalogue(deliveries: Deliveries, wanted: Plan, draws: Draws) -> None:
    for day in (wanted.first_day, wanted.last_day - dt.timedelta(20)):
        # Of a table delivered whole only the newest file counts.
        deliveries.counts["inventory.products"].clear()
        rows = catalogue.products(wanted, draws, day)
        deliveries.add("inventory.products", rows, day)
    deliveries.add("retail.places", catalogue.places(wanted, draws))
    deliveries.add("retail.goals", catalogue.goals(wanted, draws))
    deliveries.add("mailing.campaigns", catalogue.campaigns(wanted, draws))
    offers = catalogue.competitor_offers(wanted, draws)
    deliveries.add("retail.competitor_offers", offers)


def _add_customers(
    deliveries: Deliveries, people: People
) -> tuple[Counter[str], dict[str, pa.Table]]:
    """Deliver all that some customers leave behind.

    Returns the sums of the truth, and its tables with what is true of these customers.
    """
    totals: Counter[str] = Counter()
    targets = trade.campaign_targets(people)
    sold = trade.Trade(people, targets)
    served = service.Service(people)
    bought = np.bincount(sold.owner[~sold.cancelled], minlength=len(people.i))
    leads, stages, kinds = registry.leads(people)
    totals.update({f"leads_{kind}": count for kind, count in kinds.items()})
    tables = {
        "retail.orders": sold.orders(),
        "retail.order_lines": sold.lines[0],
        "crm.customers": registry.customers(people),
        "crm.children": registry.children(people),
        "crm.care": registry.care(people),
        "crm.quotes": registry.quotes(people),
        "crm.leads": leads,
        "crm.lead_stages": stages,
        "club.consents": registry.consents(people),
        "club.traits": registry.traits(people, targets, bought),
        "web.account_links": registry.account_links(people),
    }
    for name, (rows, counts) in (
        ("stores.presences", sold.presences()),
        ("crm.cases", served.cases()),
        ("crm.promises", served.promises()),
        ("survey.answers", service.answers(people, sold, served)),
        ("web.events", digital.events(people)),
        ("community.posts", digital.posts(people)),
        ("mailing.contacts", digital.contacts(people, targets)),
    ):
        tables[name] = rows
        totals.update(counts)
    for name, rows in tables.items():
        deliveries.add(name, rows)
    orders = truth.orders(tables["retail.orders"], sold)
    totals.update(truth.order_totals(orders))
    totals.update(truth.rows_with_blocked_values(tables.values()))
    totals["customers"] += len(people.i)
    totals["contacts_of_organisations"] += int(people.contact_count.sum())
    totals["erased"] += int(np.isfinite(people.erased_day).sum())
    totals["recommended"] += int((people.recommender >= 0).sum())
    totals["churned"] += int((people.churn < people.plan.days).sum())
    totals["followed_an_employee"] += int(people.follows_employee.sum())
    totals["targeted"] += len(targets.owner)
    totals["held_out"] += int(targets.held_out.sum())
    totals["bought_because_of_campaign"] += int(targets.buys.sum())
    return totals, {
        "people": truth.persons(people, tables.values(), orders),
        "children": truth.children(people),
        "identifiers": truth.identifiers(people, tables.values()),
        "orders": orders,
    }


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
