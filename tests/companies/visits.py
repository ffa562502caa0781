"""Visits to stores, campaigns and goals of the demo, by plain loops over the traces.

Money is in whole cents.
"""

import math
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from scipy.stats import t as student

from tests.dbt_project.rendered import MODELS, for_engine

ZONE = "Europe/Berlin"
STATES = ["near", "enter", "floor", "dwell", "bag", "leave"]
PAUSE = pd.Timedelta(minutes=60)
LOOK_BACK = pd.Timedelta(days=30)
HALF_LIFE = 7 * 86400.0
# What may be read next; None stands for the beginning.
_MAY_FOLLOW = {
    None: {"near", "enter"},
    "near": {"near", "enter"},
    "enter": {"enter", "floor", "dwell", "bag", "leave"},
    "floor": {"floor", "dwell", "bag", "leave"},
    "dwell": {"floor", "dwell", "bag", "leave"},
    "bag": {"floor", "dwell", "bag", "leave"},
    "leave": {"leave"},
}
Query = Callable[[str], pd.DataFrame]
Record = dict[str, Any]


def local(instant: pd.Timestamp) -> pd.Timestamp:
    """The time that the company's clocks show, without a zone."""
    return instant.tz_localize("UTC").tz_convert(ZONE).tz_localize(None)


def persons(query: Query) -> dict[tuple[str, str], str]:
    """The customer for whom each identifier stands."""
    found = query("from intermediate.identities where customer_id is not null")
    keys = zip(found.identifier_type, found.identifier_value, strict=True)
    return dict(zip(keys, found.customer_id, strict=True))


def visits(query: Query) -> tuple[list[Record], list[list[Record]]]:
    """Each visit as `customer.store_visits` has it, and its readings."""
    names = persons(query)
    readings = query("from feeds.presences").astype(object).to_dict("records")
    for reading in readings:
        reading["position"] = STATES.index(reading["state"])
    assert all(reading["identifier_value"] for reading in readings)

    def whose(reading: Record) -> tuple[str, ...]:
        return tuple(
            reading[name]
            for name in ("source", "identifier_type", "identifier_value", "place_id")
        )

    readings.sort(
        key=lambda row: (
            *whose(row),
            row["occurred_at"],
            row["position"],
            row["presence_id"],
        )
    )
    stays: list[list[Record]] = []
    for _, of_one in groupby(readings, whose):
        last: Record | None = None
        for reading in of_one:
            if (
                last is None
                or reading["occurred_at"] - last["occurred_at"] > PAUSE
                or (last["state"] == "leave" and reading["state"] != "leave")
            ):
                stays.append([])
            stays[-1].append(reading)
            last = reading
    found = [_visit(stay, names) for stay in stays]
    _match_purchases(query, found)
    return found, stays


def _visit(stay: list[Record], names: dict[tuple[str, str], str]) -> Record:
    first = stay[0]
    seconds = [
        int((after["occurred_at"] - before["occurred_at"]).total_seconds())
        for before, after in pairwise(stay)
    ] + [0]
    parts: Counter[tuple[str, str]] = Counter()
    for reading, length in zip(stay, seconds, strict=True):
        reading["seconds"] = length
        if reading["state"] in STATES[1:5]:
            parts[reading["floor"], reading["zone"]] += length
    within = [r for r in stay if r["state"] in STATES[1:5]]
    left = [r["occurred_at"] for r in stay if r["state"] == "leave"]
    states = [None, *(r["state"] for r in stay)]
    main = min(parts, key=lambda part: (-parts[part], part), default=(None, None))
    furthest = max([r["position"] for r in within], default=0 if not left else 1)
    return {
        "visit_id": first["presence_id"],
        "customer_id": names.get((first["identifier_type"], first["identifier_value"])),
        "place_id": first["place_id"],
        "visit_date": local(first["occurred_at"]).normalize(),
        "started_at": first["occurred_at"],
        "ended_at": stay[-1]["occurred_at"],
        "entered_at": within[0]["occurred_at"] if within else None,
        "left_at": left[-1] if left else None,
        "has_entered": bool(within or left),
        "has_left": bool(left),
        "furthest_state": STATES[furthest],
        "inside_seconds": sum(parts.values()),
        "dwell_seconds": sum(r["seconds"] for r in stay if r["state"] == "dwell"),
        "floor_count": len({floor for floor, _ in parts}),
        "zone_count": len(parts),
        "main_floor": main[0],
        "main_zone": main[1],
        "main_zone_seconds": parts[main] if parts else None,
        "reading_count": len(stay),
        "unknown_state_count": 0,
        "impossible_count": sum(
            after not in _MAY_FOLLOW[before] for before, after in pairwise(states)
        ),
        "purchase_count": 0,
        "order_count": 0,
        "revenue": 0,
        "recognised_by": set(),
        "payment_methods": set(),
    }


def _match_purchases(query: Query, found: list[Record]) -> None:
    places = query(
        "select place_key, place_id from customer.places where source = 'retail'"
    )
    place_of = dict(zip(places.place_key, places.place_id, strict=True))
    of_customer = defaultdict(list)
    for visit in sorted(found, key=lambda v: (v["started_at"], v["visit_id"])):
        if visit["customer_id"]:
            of_customer[visit["customer_id"], visit["place_id"]].append(visit)
    orders = query(
        "select * replace (cast(revenue_amount * 100 as bigint) as revenue_amount) "
        "from customer.orders where is_purchase"
    )
    for order in orders.to_dict("records"):
        near = of_customer.get(
            (order["customer_id"], place_of.get(order["place_key"])), []
        )
        at = order["ordered_at"]
        before = bisect_right([visit["started_at"] for visit in near], at)
        off = [
            (max(v["started_at"] - at, at - v["ended_at"], pd.Timedelta(0)), n)
            for n, v in list(enumerate(near))[max(before - 1, 0) : before + 1]
        ]
        if off and min(off)[0] <= PAUSE:
            visit = near[min(off)[1]]
            # All orders of the demo are told by one source.
            visit["purchase_count"] += 1
            visit["order_count"] += 1
            visit["revenue"] += order["revenue_amount"]
            visit["recognised_by"].add(order["identified_by"])
            visit["payment_methods"].add(order["payment_method"])
    for visit in found:
        visit["outcome"] = (
            "bought"
            if visit["purchase_count"]
            else "bag_without_purchase"
            if visit["furthest_state"] == "bag"
            else "looked"
            if visit["has_entered"]
            else "passed_by"
        )
        for name in ("recognised_by", "payment_methods"):
            visit[name] = ", ".join(sorted(visit[name])) or None


def flows(found: list[Record], stays: list[list[Record]]) -> dict[tuple[Any, ...], Any]:
    """By breakdown, place, floor, zone, day and hour: the counts of visitor_flows."""
    sets: dict[tuple[Any, ...], dict[str, Any]] = defaultdict(lambda: defaultdict(set))
    sums: dict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
    for visit, stay in zip(found, stays, strict=True):
        who = visit["customer_id"] or stay[0]["identifier_value"]
        for reading in stay:
            at = local(reading["occurred_at"])
            is_inside = reading["state"] in STATES[1:5]
            for breakdown, part in (
                ("place", (None, None)),
                ("zone", (reading["floor"], reading["zone"])),
            ):
                key = (breakdown, visit["place_id"], *part, at.normalize(), at.hour)
                sums[key]["reading_count"] += 1
                if is_inside:
                    sets[key]["visitor_count"].add(who)
                    sets[key]["inside_count"].add(visit["visit_id"])
                    sums[key]["inside_seconds"] += reading["seconds"]
                    if reading["occurred_at"] == visit["entered_at"]:
                        sums[key]["entered_count"] += 1
                        sums[key]["bought_count"] += visit["outcome"] == "bought"
                for state, name in (
                    ("near", "near_count"),
                    ("dwell", "dwell_count"),
                    ("leave", "left_count"),
                ):
                    if reading["state"] == state:
                        sets[key][name].add(visit["visit_id"])
                if reading["state"] == "dwell":
                    sums[key]["dwell_seconds"] += reading["seconds"]
    return {
        key: dict(total) | {name: len(each) for name, each in sets[key].items()}
        for key, total in sums.items()
    }


# --- as a build would have found them that ended on an earlier day ------------------

_CUTS = {
    "feeds.presences": "occurred_at < {end}",
    "feeds.contacts": "sent_at < {end}",
    "feeds.events": "occurred_at < {end}",
    "feeds.attributes": "observed_at < {end}",
    "customer.orders": "ordered_at < {end}",
    "customer.campaigns": "true",
    "intermediate.identities": "true",
    "intermediate.int_references_resolved": "true",
}
_MODELS = (
    "intermediate/int_readings",
    "marts/customer/store_visits",
    "marts/customer/visitor_flows",
    "marts/customer/campaign_results",
)


def built_as_of(warehouse: Path, company: Path, day: str) -> dict[str, pd.DataFrame]:
    """The marts of visits and campaigns, from what was there by the end of a day."""
    end = pd.Timestamp(day, tz=ZONE) + pd.Timedelta(days=1)
    instant = f"timestamp '{end.tz_convert('UTC').tz_localize(None)}'"
    with duckdb.connect() as connection:
        connection.execute(f"attach '{warehouse}' as warehouse (read_only)")
        connection.execute("create schema kith")
        connection.execute(
            "create table kith.run as select * replace "
            f"(date '{day}' as as_of_date, {instant} as as_of_at) "
            "from warehouse.kith.run"
        )
        for table, cut in _CUTS.items():
            schema, name = table.split(".")
            view = f"feed_{name}" if schema == "feeds" else name
            connection.execute(
                f"create view {view} as select * from warehouse.{table} "
                f"where {cut.format(end=instant)}"
            )
        for model in _MODELS:
            path = MODELS / f"{model}.sql"
            query = for_engine(path.read_text(), "duckdb", path, company)
            connection.execute(f"create table {path.stem} as {query}")
        return {
            path.name: connection.sql(f"from {path.name}").df()
            for path in map(Path, _MODELS[1:])
        }


# --- campaigns ------------------------------------------------------------------------


def credits_of(query: Query) -> dict[str, dict[tuple[str, Any], int]]:
    """By kind of credit: cents of each campaign in each month, months as text."""
    names = persons(query)
    touches = defaultdict(list)
    for feed, key, at, word in (
        ("contacts", "contact_id", "sent_at", "contact"),
        ("events", "event_id", "occurred_at", "event"),
    ):
        rows = query(f"from feeds.{feed} where campaign_id is not null")
        for row in rows.to_dict("records"):
            who = names.get((row["identifier_type"], row["identifier_value"]))
            label = f"{word} {row['source']} {row[key]}"
            touches[who].append((row[at], label, row["campaign_id"]))
    found: dict[str, Counter[tuple[str, Any]]] = defaultdict(Counter)
    for order in query("from customer.orders").to_dict("records"):
        month = f"{order['order_date']:%Y-%m}"
        cents = round(100 * float(order["revenue_amount"]))
        at = order["ordered_at"]
        of_order = sorted(
            touch
            for touch in touches[order["customer_id"]]
            if order["is_purchase"] and timedelta_fits(at - touch[0])
        )
        if order["customer_id"] == "unidentified" or not of_order:
            for kind in ("first", "last", "linear", "time_decay"):
                found[kind]["unattributed", month] += cents
            continue
        found["first"][of_order[0][2], month] += cents
        found["last"][of_order[-1][2], month] += cents
        ages = [(at - touch[0]).total_seconds() for touch in of_order]
        weights = [2 ** (-age / HALF_LIFE) for age in ages]
        for kind, shares in (
            ("linear", [1.0] * len(of_order)),
            ("time_decay", weights),
        ):
            for touch, share in zip(of_order, shares, strict=True):
                part = cents * share / math.fsum(shares)
                found[kind][touch[2], month] += part  # type: ignore[assignment]
    return {kind: dict(each) for kind, each in found.items()}


def timedelta_fits(age: pd.Timedelta) -> bool:
    """Whether a touch comes before the purchase, by 30 days at most."""
    return pd.Timedelta(0) < age <= LOOK_BACK


def compared(query: Query) -> pd.DataFrame:
    """Of each campaign and customer of its draw: held out or not, what they bought."""
    names = persons(query)
    sent = query("from feeds.contacts where campaign_id is not null")
    held = query("from feeds.attributes where attribute = 'hold_out'")
    drawn: dict[tuple[str, str], bool] = {}
    for rows, column, is_held_out in (
        (sent, "campaign_id", False),
        (held, "value_text", True),
    ):
        keys = zip(
            rows[column], rows.identifier_type, rows.identifier_value, strict=True
        )
        for campaign, kind, value in keys:
            who = names.get((kind, value))
            if who:
                drawn[campaign, who] = drawn.get((campaign, who), False) or is_held_out
    campaigns = query("from customer.campaigns").set_index("campaign_id")
    bought = defaultdict(list)
    for order in query("from customer.orders where is_purchase").to_dict("records"):
        bought[order["customer_id"]].append(
            (order["ordered_at"], float(order["revenue_amount"]))
        )
    rows_found = []
    for (campaign, who), is_held_out in drawn.items():
        start, end = campaigns.loc[campaign, ["starts_at", "ends_at"]]
        amounts = [amount for at, amount in bought[who] if start <= at < end]
        rows_found.append((campaign, is_held_out, len(amounts), sum(amounts)))
    return pd.DataFrame(
        rows_found, columns=["campaign", "is_held_out", "purchases", "revenue"]
    )


def welch(one: pd.Series, other: pd.Series) -> tuple[float, float, float]:
    """Difference of means, and its interval of 95 %."""
    errors = [group.var() / len(group) for group in (one, other)]
    freedom = sum(errors) ** 2 / sum(
        error**2 / (len(group) - 1)
        for error, group in zip(errors, (one, other), strict=True)
    )
    difference = one.mean() - other.mean()
    margin = student.ppf(0.975, freedom) * np.sqrt(sum(errors))
    return difference, difference - margin, difference + margin
