"""Synthetic releases as the page finds them, and a reader of the page."""

import calendar
import datetime as dt
import html.parser
import json
from pathlib import Path
from typing import Any, Literal

import duckdb
import numpy as np
import pandas as pd

from kith.company.folder import Company
from kith.report.page import PAGE, write_page
from kith.runs.run import Interval, Run

NAMES = [
    "Champions",
    "Loyal customers",
    "Potential loyalists",
    "New customers",
    "Promising",
    "Need attention",
    "About to sleep",
    "At risk",
    "Cannot lose them",
    "Hibernating",
]
HOSTILE = "</script><img src=x onerror=alert(1)>{{ 7 * 7 }}<!--"

CHOSEN = "c0ffee12" + 24 * "0"  # whom the page shows as one customer
HASH = "ab12cd34" + 56 * "9"

Frames = dict[str, pd.DataFrame]


# --- a synthetic release ------------------------------------------------------


def orders_of(customers: int, first: str, as_of: str, seed: int = 7) -> pd.DataFrame:
    """Orders of a shop: many small buyers, few large ones, 3% unidentified."""
    random = np.random.default_rng(seed)
    days = pd.date_range(first, as_of)
    rates = random.gamma(0.9, 5.0, customers)
    starts = (random.beta(0.5, 3.0, customers) * len(days)).astype(int)
    orders = []
    for number, (rate, start) in enumerate(zip(rates, starts, strict=True)):
        left = len(days) - start
        size = max(1, random.poisson(rate * left / 30))
        offsets = start + (random.random(size) * left).astype(int)
        orders.append(
            pd.DataFrame(
                {
                    "customer_id": f"person-{number:06d}",
                    "day": days[offsets],
                    "amount": np.round(random.gamma(2.0, 16.0, size), 2),
                }
            )
        )
    table = pd.concat(orders, ignore_index=True)
    table["customer_id"] = table.customer_id.replace("person-000007", CHOSEN)
    unknown = random.random(len(table)) < 0.03
    # Each keeps its first order, so that every customer has bought.
    unknown &= table.duplicated("customer_id").to_numpy()
    table.loc[unknown, "customer_id"] = None
    return table


def _segment_rows(
    scheme: str, groups: pd.Series, values: pd.DataFrame, unidentified: float
) -> pd.DataFrame:
    joined = values.assign(segment=groups).groupby("segment")
    total, base = values.revenue_amount.sum() + unidentified, len(values)
    rows = joined.agg(
        customer_count=("revenue_amount", "size"),
        revenue_amount=("revenue_amount", "sum"),
        average_revenue_amount=("revenue_amount", "mean"),
    ).reset_index()
    rows["revenue_index"] = rows.average_revenue_amount / values.revenue_amount.mean()
    if unidentified:
        rows.loc[len(rows)] = ["unidentified", 0, unidentified, None, None]
    return rows.assign(
        scheme=scheme,
        customer_share_pct=100 * rows.customer_count / base,
        revenue_share_pct=100 * rows.revenue_amount / total if total else None,
    )


def _past(known: pd.DataFrame, today: pd.Timestamp) -> Frames:
    """Segments at each end of a month, and who moved between them."""
    days = [*pd.date_range(known.day.min(), today, freq="ME"), today]
    members: list[pd.DataFrame] = []
    for day in sorted(set(days)):
        until = known[known.day <= day]
        since = (day - until.groupby("customer_id").day.max()).dt.days
        year = until[until.day > day - pd.Timedelta(days=365)]
        year = year.groupby("customer_id").amount.sum()
        rank = 100 * year.rank(ascending=False, method="first") / len(year)
        tiers = pd.cut(
            rank, [0, 5, 20, 50, 100], labels=["VIP", "High", "Middle", "Low"]
        )
        found = pd.DataFrame({"activity": _states(since), "tier": tiers.astype(object)})
        found["tier"] = found.tier.fillna("No revenue in 365 days")
        members.append(found.assign(year=year).fillna({"year": 0}).assign(state_on=day))
    sizes, moves = [], []
    for scheme in ("activity", "tier"):
        for at, now in enumerate(members):
            if scheme == "tier" or at < len(members) - 1:
                size = now.groupby(scheme).year.agg(["size", "sum"]).reset_index()
                size.columns = ["segment", "customer_count", "revenue_amount_365d"]
                share = 100 * size.customer_count / len(now)
                size = size.assign(scheme=scheme, customer_share_pct=share)
                sizes.append(
                    size.assign(state_on=now.state_on.iloc[0], as_of_date=today)
                )
            if not at:
                continue
            was = members[at - 1]
            both = now.join(was[[scheme, "year"]].add_suffix("_before"))
            both[f"{scheme}_before"] = both[f"{scheme}_before"].fillna("not_yet_known")
            move = both.fillna({"year_before": 0}).groupby([f"{scheme}_before", scheme])
            move = move.agg({"state_on": "size", "year": "sum", "year_before": "sum"})
            move = move.reset_index()
            move.columns = [
                *("from_segment", "to_segment", "customer_count"),
                *("revenue_amount_365d", "previous_revenue_amount_365d"),
            ]
            moves.append(
                move.assign(
                    scheme=scheme,
                    is_move=move.from_segment != move.to_segment,
                    previous_state_on=was.state_on.iloc[0],
                    state_on=now.state_on.iloc[0],
                    as_of_date=today,
                )
            )
    frames = {"past": pd.concat(sizes)}
    return frames | ({"segment.segment_transitions": pd.concat(moves)} if moves else {})


def _states(since: pd.Series) -> pd.Series:
    labels = ["active", "drowsy", "half_asleep", "asleep"]
    return pd.cut(since, [-1, 29, 89, 179, 10**6], labels=labels).astype(str)


def _engagement(known: pd.DataFrame, is_over: dict[pd.Period, bool]) -> pd.DataFrame:
    """As if each order were a contact in the web shop or, each third, at the till."""
    channel = np.where(np.arange(len(known)) % 3, "web", "till")
    told = known.assign(month=known.day.dt.to_period("M"), channel=channel)
    rows = []
    for name, of_channel in [("all", told), *told.groupby("channel")]:
        for month, over in is_over.items():
            seen = of_channel[of_channel.month == month]
            days = seen.drop_duplicates(["customer_id", "day"])
            count = seen.customer_id.nunique()
            daily = len(days) / month.days_in_month
            figures = {
                "daily_active_average": daily,
                "weekly_active_average": 3 * daily,
                "monthly_active_count": count,
                "daily_to_monthly_pct": 100 * daily / count if count else None,
                "daily_to_weekly_pct": 100 / 3 if count else None,
                "contacts_per_active_day": len(seen) / len(days) if count else None,
                "three_contacts_pct": 0 if count else None,
            }
            rows.append(
                {
                    "month": month.to_timestamp(),
                    "breakdown": "total" if name == "all" else "channel",
                    "channel": name,
                    "is_complete": over,
                    "interaction_count": len(seen) + 5,
                    "unidentified_count": 5,
                    "active_day_count": len(days),
                    "n": count,
                    **(figures if over else dict.fromkeys(figures)),
                }
            )
    return pd.DataFrame(rows)


def marts(orders: pd.DataFrame, as_of: str, names: list[str] = NAMES) -> Frames:
    """The marts that the page reads, computed from orders."""
    today = pd.Timestamp(as_of)
    known = orders.dropna(subset="customer_id")
    unidentified = orders[orders.customer_id.isna()]
    values = known.groupby("customer_id").agg(
        order_count=("amount", "size"),
        purchase_day_count=("day", "nunique"),
        revenue_amount=("amount", "sum"),
        last=("day", "max"),
        first=("day", "min"),
    )
    since = (today - values["last"]).dt.days
    state = _states(since)
    rank = values.revenue_amount.rank(method="first", pct=True)
    rfm = rank.map(lambda r: names[int((1 - r) * len(names))])
    lost = float(unidentified.amount.sum())
    segments = pd.concat(
        [
            _segment_rows("activity", state, values, lost),
            _segment_rows("rfm", rfm, values, lost),
        ]
    )

    month = known.day.dt.to_period("M")
    first = values["first"].dt.to_period("M")
    last_month = today.to_period("M")
    is_over = {
        m: m < last_month or today.day == calendar.monthrange(m.year, m.month)[1]
        for m in pd.period_range(first.min(), last_month, freq="M")
    }
    bought = known.groupby(["customer_id", month]).amount.agg(["size", "sum"])
    bought = {key: (size, total) for key, size, total in bought.itertuples()}
    months = []
    for customer, start in first.items():
        was = None
        for m in pd.period_range(start, last_month, freq="M"):
            count, total = bought.get((customer, m), (0, 0))
            active = count > 0
            kind = (
                ("new" if m == start else "returning" if was else "resurrecting")
                if active
                else "dormant"
            )
            months.append((customer, m, is_over[m], count, total, active, kind))
            was = active
    strangers = unidentified.groupby(unidentified.day.dt.to_period("M")).amount
    for m, group in strangers:
        row = ("unidentified", m, is_over[m], len(group), group.sum(), None, None)
        months.append(row)

    cohorts = []
    start_of = first.to_dict()
    sizes = first.value_counts()
    activity = pd.DataFrame(sorted(bought, key=str), columns=["customer_id", "month"])
    activity["cohort"] = activity.customer_id.map(start_of)
    counts = activity.groupby(["cohort", "month"]).size()
    for cohort, size in sizes.sort_index().items():
        for number, m in enumerate(pd.period_range(cohort, last_month, freq="M")):
            active = int(counts.get((cohort, m), 0)) if is_over[m] else None
            pct = None if active is None else 100 * active / size
            start = cohort.to_timestamp()
            later = None if active is None else 100 - number / 2
            # Kept is half of the base, or all of it in its own month, net is more.
            kept = None if active is None or not number else 50 if number > 1 else 100
            cohorts.append(
                (
                    *(str(cohort), start, number, is_over[m], size, active, pct, later),
                    *(size // 2, 30 * size, kept and kept * 1.5 - 50, kept),
                )
            )

    ordered = values.revenue_amount.sort_values(ascending=False).to_numpy()
    n, index = len(ordered), np.arange(1, len(ordered) + 1)
    gini = 2 * (index * ordered[::-1]).sum() / (n * ordered.sum()) - (n + 1) / n
    tops = [(q, -(-q * n // 100)) for q in range(1, 101)]

    people = values.reset_index()[
        ["customer_id", "order_count", "purchase_day_count", "revenue_amount"]
    ]
    if len(unidentified):
        days = unidentified.day.nunique()
        people.loc[len(people)] = ["unidentified", len(unidentified), days, lost]
    return {
        "orders": orders,  # no mart: what the figures are recomputed from
        "customer.customers": pd.DataFrame({"customer_id": values.index}),
        "customer.customer_values": people,
        "customer.customer_months": pd.DataFrame(
            months,
            columns=[
                "customer_id",
                "month",
                "is_complete",
                "order_count",
                "revenue_amount",
                "is_active",
                "lifecycle",
            ],
        ).assign(month=lambda frame: frame.month.dt.to_timestamp()),
        "segment.segments": segments,
        "segment.rfm_scores": pd.DataFrame(
            {"window_start": [dt.date(2017, 1, 1)], "window_end": [today.date()]}
        ),
        "segment.cohorts": pd.DataFrame(
            cohorts,
            columns=[
                "cohort",
                "cohort_month",
                "period_number",
                "is_complete",
                "cohort_size",
                "active_count",
                "retention_pct",
                "unbounded_retention_pct",
                "base_customer_count",
                "base_revenue_amount",
                "net_revenue_retention_pct",
                "gross_revenue_retention_pct",
            ],
        ),
        "segment.engagement": _engagement(known, is_over),
        **_past(known, today),
        "segment.concentrations": pd.DataFrame(
            {
                "measure": "revenue",
                "top_pct": [q for q, _ in tops],
                "customer_count": [k for _, k in tops],
                "amount": [ordered[:k].sum() for _, k in tops],
                "share_pct": [100 * ordered[:k].sum() / ordered.sum() for _, k in tops],
                "gini": gini,
                "n": n,
            }
        ),
        "operations.source_deliveries": _deliveries(as_of),
        "operations.gate_results": _checks(0),
    }


def predictions(customer_ids: pd.Series, leak: str) -> Frames:
    """One model that is published, one refused when judged, one never judged."""
    days = {"window_start": "2017-10-03", "window_end": "2017-12-31", "n": 1732}
    judged = {
        "precision": (0.76, 0.73, 0.79, None),
        "recall": (0.96, 0.94, 0.97, None),
        "base_rate": (0.52, 0.5, 0.55, None),
        "auc": (0.89, 0.87, 0.9, None),
        "baseline_auc": (0.87, 0.85, 0.89, None),
        "error_rate": (0.24, 0.21, 0.27, 0.5),
        "miss_rate": (0.04, 0.03, 0.06, 0.5),
    }
    names = ["value", "lower_bound", "upper_bound", "limit_value"]
    evaluations = [
        {"model": model, "population": "all", "metric": metric, "status": status}
        | {"reason": reason}
        | dict(zip(names, figures, strict=True))
        | days
        for model, status, reason in (
            ("buys_again", "published", None),
            (
                "becomes_vip",
                "refused",
                "its miss rate is 60 %, at most 50 % is allowed",
            ),
        )
        for metric, figures in judged.items()
    ]
    few = "the outcome came of 35 customers, 100 are required"
    evaluations += [
        {"model": "pays_again", "population": "all", "metric": "positives"}
        | {"status": "refused", "reason": few, "value": 35, "n": 126},
        *(
            {"model": "bg_nbd", "population": "new", "metric": f"held_out_{metric}"}
            | {"value": value, "limit_value": limit, "status": "published", "n": 472}
            for metric, value, limit in (
                ("purchases_expected", 2264, None),
                ("purchases_actual", 2137, None),
                ("purchases_error_pct", 5.96, 20),
            )
        ),
        *(
            {"model": "recommendations", "population": "all", "metric": metric}
            | {"status": "published", "value": value, "n": 400}
            | {"lower_bound": value - 0.05, "upper_bound": value + 0.05}
            | {"window_start": "2017-12-02", "window_end": "2017-12-31"}
            for metric, value in (
                ("hit_rate_at_5", 0.4),
                ("popularity_hit_rate_at_5", 0.3),
                ("hit_rate_at_10", 0.55),
                ("popularity_hit_rate_at_10", 0.41),
                ("hit_rate_gained_at_10", 0.14),
                ("coverage", 0.25),
            )
        ),
        {"model": "gamma_gamma", "population": "all", "metric": "repeat_buyers"}
        | {"status": "refused", "reason": "q is 0.9, above 1 is required", "n": 3},
    ]
    shares = [("discounts", 50.6, "drives_away"), ("the app", 30.5, "keeps")]
    shares += [("returns", 12.0, "drives_away"), ("a club", 7.0, "keeps")]
    told = {"observed_on": "2017-07-05", "n": 977, "is_leak": False} | days
    drivers = [
        {"scheme": "all", "segment": "all", "behaviour": behaviour, "effect": effect}
        | {"definition": behaviour, "share_pct": share, "stability_pct": 99}
        | {"share_pct_lower_bound": share / 2, "share_pct_upper_bound": share * 1.4}
        | told
        | {"n": 977, "explained_pct": 4.5}
        for behaviour, share, effect in shares
    ]
    drivers += [
        {"scheme": "tier", "segment": "VIP", "behaviour": "discounts"}
        | told
        | {"missing_reason": "61 customers, 210 are required", "n": 61},
        {"scheme": "all", "segment": "all", "behaviour": f"trait_{leak}"}
        | told
        | {"is_leak": True, "missing_reason": "all who have it stayed"},
    ]
    asked = pd.DataFrame({"customer_id": customer_ids, "horizon_days": 90})
    number = np.arange(len(asked))
    sleepers = asked.assign(
        state=np.array(["drowsy", "half_asleep", "asleep"])[number % 3],
        channel=np.where(number % 4, "email", None),
        expected_gain_amount=np.where(number % 4, number % 2 - 0.5, np.nan),
        is_held_out=number % 5 == 0,
    )
    is_worth = (number % 4 > 0) & (sleepers.expected_gain_amount > 0)
    offers = [
        {"rank": rank, "ground": ground, "offer_type": kind, "product_name": leak}
        | {"product_key": f"p{rank}", "reason": f"{ground} after {leak}"}
        | {"customer_id": customer_id, "expected_share": 0.5 / rank}
        for customer_id in customer_ids[:3]
        for rank, ground, kind in (
            (1, "due_again", "product"),
            (2, "child", "coupon"),
            (3, "bought_with", "product"),
        )
    ]
    return {
        "customer.recommendations": pd.DataFrame(offers).assign(
            is_better_than_popularity=True
        ),
        "segment.model_evaluations": pd.DataFrame(evaluations),
        "segment.behaviour_drivers": pd.DataFrame(drivers),
        "segment.customer_predictions": asked.assign(
            question="buys_again", is_foretold=number % 2 == 0
        ),
        "segment.wake_up_candidates": sleepers.assign(is_worth_waking=is_worth),
    }


def _gaps() -> pd.DataFrame:
    """Of a survey, with a dimension of too few persons, and of one with fewer pairs."""
    rows = [
        ("yearly", "reliability", 220, 5.1, 5.6, -0.5, -0.7, -0.3, None),
        ("yearly", "empathy", 240, 5.5, 5.3, 0.2, 0.1, 0.3, None),
        ("yearly", "tangibles", 4, None, None, None, None, None, None),
        ("yearly", "total", 464, 5.3, 5.45, -0.15, -0.3, 0.0, -0.21),
        ("pilot", "reliability", 40, 3.0, 4.0, -1.0, -1.5, -0.5, None),
    ]
    names = ["survey", "dimension", "n", "perception_mean", "expectation_mean", "gap"]
    names += ["interval_low", "interval_high", "weighted_gap"]
    whole = {"period_grain": "all", "touchpoint": "all", "segment": "all"}
    scale = {"source": "desk", "scale_min": 1, "scale_max": 7}
    return pd.DataFrame(rows, columns=names).assign(**whole, **scale)


def _scores(
    measure: str,
    months: pd.DatetimeIndex,
    answers: list[int],
    touchpoints: list[str],
    dimension: str = "overall",
    survey: str = "after_order",
) -> pd.DataFrame:
    """Scores by month, by touchpoint and in all: as dear as the answers are many."""
    random = np.random.default_rng(len(touchpoints))
    weights = random.dirichlet(np.ones(len(touchpoints)) / 2) * sum(answers)
    cells = [
        ("total", "month", "all", month, n)
        for month, n in zip(months, answers, strict=True)
        if n
    ]
    by_year = pd.Series(answers, months).groupby(months.year).sum()
    cells += [("total", "year", "all", f"{y}-01-01", n) for y, n in by_year.items()]
    cells.append(("total", "all", "all", months[0], sum(answers)))
    cells += [
        ("touchpoint", "all", touchpoint, months[0], int(n) + 1)
        for touchpoint, n in zip(touchpoints, weights, strict=True)
    ]
    names = ["breakdown", "period_grain", "part", "period_start", "n"]
    rows = pd.DataFrame(cells, columns=names).assign(
        measure=measure,
        dimension=dimension,
        survey=survey,
        source="desk",
        question="all",
        factor="not_stated",
        answers="all",
        is_complete=True,
    )
    rows["period_start"] = pd.to_datetime(rows.period_start)
    rows.loc[rows.part == "hotline", "dimension"] = "waiting"
    rows["score"] = np.where(rows.n < 30, None, random.normal(40, 20, len(rows)))
    margin = 80 / np.sqrt(rows.n)
    # Where all answers are alike the error is not known.
    margin[rows.part == "alike"] = None
    rows["interval_low"] = rows.score - margin
    rows["interval_high"] = rows.score + margin
    return rows


def service(survey: str, parts: list[str]) -> Frames:
    """A survey of whose parts the first weighs most and is farthest behind."""
    asked = {"source": "poll", "survey": survey, "outcome": "csat"}
    asked |= {"outcome_scale_max": 5.0, "driver_kind": "dimension"}
    shares = np.arange(len(parts), 0, -1) / sum(range(len(parts) + 1))
    drivers, shortfalls = [], []
    for at, (part, share) in enumerate(zip(parts, 100 * shares, strict=True)):
        driver = asked | {"driver": part, "driver_rank": at + 1, "share_pct": share}
        driver |= {"share_pct_low": share - 5, "share_pct_high": share + 5}
        driver |= {"cumulative_share_pct": 100 * shares[: at + 1].sum()}
        driver |= {"variance_pct": share / 2, "n": 500, "person_count": 400}
        driver |= {"effect": "raises" if at < 2 else "lowers"}
        effects = {"points_per_point": 0.2, "points_per_point_low": 0.1}
        driver |= effects | {"points_per_point_high": 0.3}
        for grain, first, segment in (
            ("all", "2016-05-01", "all"),
            ("year", "2016-01-01", "all"),
            ("year", "2017-01-01", "all"),
            ("all", "2016-05-01", "VIP"),
        ):
            cut = {"period_grain": grain, "segment": segment}
            drivers.append(driver | cut | {"period_start": pd.Timestamp(first)})
        behind = 0.5 - at / 2
        here = asked | {"driver": part, "importance_pct": share, "shortfall": behind}
        here |= {
            "target_kind": "mark",
            "target_mean": 4,
            "performance_mean": 4 - behind,
        }
        here |= {"interval_low": behind - 0.1, "interval_high": behind + 0.1}
        here |= {"priority": share * behind / 100, "priority_rank": at + 1, "n": 500}
        here |= {"quadrant": "improve_first" if at == 0 else "leave_as_is"}
        for view, place in (("all", "all"), ("touchpoint", "hotline")):
            brings = {"would_bring_points": 0.1 if at == 0 else 0}
            shortfalls.append(here | {"view": view, "place": place} | brings)
    unlisted = {"driver": "unlisted", "variance_pct": 50, "n": 500}
    drivers.append(drivers[0] | dict.fromkeys(effects) | unlisted | {"share_pct": None})
    effects_later = [
        {"cause": "satisfaction", "effect": effect, "lag_months": lag, "n": 90}
        | {"effect_change": change, "interval_low": -1, "interval_high": 3}
        for effect in ("revenue", "loyalty")
        for lag, change in ((3, 1.25), (24, None))
    ]
    return {
        "satisfaction.satisfaction_drivers": pd.DataFrame(drivers),
        "satisfaction.service_shortfalls": pd.DataFrame(shortfalls),
        "satisfaction.satisfaction_effects": pd.DataFrame(effects_later),
    }


def _cases(first: str, as_of: str, count: int) -> pd.DataFrame:
    random = np.random.default_rng(count)
    days = pd.date_range(first, as_of)
    in_time = random.choice([True, False, None], count, p=[0.7, 0.25, 0.05])
    return pd.DataFrame(
        {
            "source": "desk",
            "is_complaint": random.random(count) < 0.8,
            "state": np.where(in_time == False, "overdue", "resolved"),  # noqa: E712
            "opened_date": days[random.integers(0, len(days), count)],
            "is_answered_in_time": in_time,
            "as_of_date": pd.Timestamp(as_of),
        }
    )


def _warnings(as_of: str) -> Frames:
    """Open warnings of a few customers and a closed one; how often signs were right."""
    today = pd.Timestamp(as_of)
    opened = [
        ("person-1", "long_gap", "high", True, 3),
        ("person-1", "broken_promise", "medium", True, 40),
        ("person-2", "long_gap", "medium", True, 50),
        ("person-3", "owner_left", "high", False, 60),
    ]
    warnings = pd.DataFrame(
        [
            {
                "customer_id": customer,
                "sign": sign,
                "severity": severity,
                "is_open": is_open,
                "opened_on": today - pd.Timedelta(days=days),
                "next_step": f"Do something about {sign}",
                "as_of_date": today,
            }
            for customer, sign, severity, is_open, days in opened
        ]
    )
    judged = [
        ("long_gap", "all", None, 100, 60, 0.6),
        ("owner_left", "all", None, 8, 7, None),
        ("long_gap", "2017-10-02", pd.Timestamp("2017-10-02"), 50, 30, 0.6),
        ("any", "all", None, 108, 67, 0.62),
        ("broken_promise", "all", None, 0, 0, None),
    ]
    record = pd.DataFrame(
        [
            {
                "sign": sign,
                "period": period,
                "judged_on": day,
                "horizon_days": 90,
                "warned_count": warned,
                "hit_count": hits,
                "base_rate": 0.3,
                "precision_rate": rate,
                "error_rate": rate and 1 - rate,
                "error_rate_low": rate and 0.9 - rate,
                "error_rate_high": rate and 1.1 - rate,
                "miss_rate": 0.5,
                "miss_rate_low": 0.4,
                "miss_rate_high": 0.6,
            }
            for sign, period, day, warned, hits, rate in judged
        ]
    )
    return {
        "satisfaction.churn_warnings": warnings,
        "satisfaction.churn_warning_records": record,
    }


def _voices(has_rival: bool) -> pd.DataFrame:
    """Posts about us on two platforms, and about a competitor or a brand."""
    told = [
        ("total", "all", "us", "us", 60, 75.0, 25.0),
        ("total", "all", "brand", "Alp", 7, 100.0, None),
        ("platform", "web_forum", "us", "us", 40, 80.0, 20.0),
        ("platform", "club", "us", "us", 20, 70.0, None),
    ]
    if has_rival:
        told.append(("total", "all", "competitor", HOSTILE, 20, 25.0, None))
    rows = [
        {
            "period_grain": "all",
            "breakdown": breakdown,
            "breakdown_value": value,
            "subject_kind": kind,
            "subject": subject,
            "mention_count": count,
            "writer_count": count - 1,
            "share_pct": share if has_rival else None,
            "share_low_pct": share - 5 if has_rival else None,
            "share_high_pct": share + 5 if has_rival else None,
            "share_missing_reason": None if has_rival else "no post names a competitor",
            "unknown_count": 3,
            "n": count - 3,
            "negative_pct": negative,
            "negative_low_pct": negative and negative - 5,
            "negative_high_pct": negative and negative + 5,
            "referral_count": 2,
            "method": "delivered",
        }
        for breakdown, value, kind, subject, count, share, negative in told
    ]
    frame = pd.DataFrame(rows)
    by_month = frame.assign(period_grain="month", month=dt.date(2017, 12, 1))
    return pd.concat([frame, by_month])


def _desk(name: str) -> Frames:
    """A spike of complaints, the backlog of a year, and incidents of two products."""
    begin = pd.Timestamp("2017-06-17 18:00")
    spikes = pd.DataFrame(
        [
            ("all", "all", True, 25, 1.5, 100.0),
            ("channel", "phone", True, 20, 0.0, 85.1),
            ("reason", name, True, 24, 0.0, 100.0),
            ("region", "north", False, 2, 0.0, None),
        ],
        columns=[
            *("dimension", "value", "is_new", "n", "usual_count", "share_of_rise_pct")
        ],
    ).assign(signal="complaints", grain="hour", period_start_at=begin, position=1)
    days = pd.date_range("2017-01-01", "2017-12-31")
    day = spikes.assign(grain="day", period_start_at=begin.normalize())
    backlog = pd.DataFrame({"day": days, "open_count": range(len(days))})
    rates = pd.DataFrame(
        [
            ("shop:p1", name, 9, 300, 30.0, 15.8, 57.0, 4.0, "rising"),
            ("shop:p2", None, 1, 1000, 1.0, 0.2, 5.7, None, None),
        ],
        columns=[
            *("product_key", "name", "incident_count", "n", "incidents_per_1000"),
            *("interval_low", "interval_high", "incidents_per_1000_before", "trend"),
        ],
    )
    return {
        "satisfaction.complaint_spikes": pd.concat([spikes, day]).assign(
            period_date=begin.normalize()
        ),
        "satisfaction.complaint_backlog": backlog.assign(
            kind="all",
            open_over_30_days_count=backlog.open_count // 3,
            overdue_count=None,
            as_of_date=days[-1],
        ),
        "satisfaction.product_incidents": rates.assign(usual_per_1000=2.5),
    }


def _visits(campaign: str) -> Frames:
    """Three visits, of which one ends with a purchase; a campaign of each verdict."""
    day = pd.Timestamp("2017-12-29")
    visits = pd.DataFrame(
        [
            ("shop:s1", "person-1", True, "bag", "bought", 1800, 1200, 6, 0),
            ("shop:s1", None, True, "floor", "looked", 600, 0, 3, 1),
            ("shop:s2", None, False, "near", "passed_by", 0, 0, 1, 0),
        ],
        columns=[
            *("place_key", "customer_id", "has_entered", "furthest_state", "outcome"),
            *("inside_seconds", "dwell_seconds", "reading_count", "impossible_count"),
        ],
    )
    hours = pd.DataFrame(
        [
            ("place", None, None, 9, 1, 1, 1, 1800),
            ("place", None, None, 17, 1, 0, 1, 600),
            ("zone", "1", "toys", 9, 1, 1, 1, 1800),
            ("zone", None, "door", 17, 1, 0, 1, 600),
            ("zone", None, "street", 17, 0, 0, 0, 0),
        ],
        columns=[
            *("breakdown", "floor", "zone", "flow_hour", "entered_count"),
            *("bought_count", "inside_count", "inside_seconds"),
        ],
    )
    results = pd.DataFrame(
        [
            ("mail:a", "all", campaign, 300, 60, 0.2, 0.1, 0.3, "effective", None),
            ("mail:b", "all", None, 200, 50, -0.01, -0.1, 0.08, "not_shown", None),
            *[
                ("mail:c", "all", "Flyer", 9, 0, None, None, None, None, "no draw"),
                ("mail:c", "month", "Flyer", 9, None, None, None, None, None, "month"),
                ("unattributed", "all", *[None] * 7, "no campaign"),
            ],
        ],
        columns=[
            *("campaign_key", "period_grain", "name", "reached_count"),
            *("held_out_count", "purchase_uplift", "purchase_uplift_low"),
            *("purchase_uplift_high", "verdict", "uplift_missing_reason"),
        ],
    ).assign(channel="email", responded_pct=7.25, revenue_uplift=[1.5, -2, *[None] * 3])
    for credit in ("first", "last", "linear", "time_decay"):
        results[f"{credit}_amount"] = [400, 300, 200, 200, 9000]
    goals = pd.DataFrame(
        [
            ("revenue", None, "2017-10-01", 1000, 1250, 125, "attained", None),
            ("nps", "stores", "2017-10-01", 40, 30, 75, "behind", None),
            ("joy", "moon", "2017-07-01", 1, None, None, None, "nobody knows joy"),
            ("revenue", None, "2018-01-01", 1, None, None, "not_begun", "not begun"),
        ],
        columns=[
            *("measure", "scope", "period_start", "target_value", "actual_value"),
            *("attained_pct", "state", "missing_reason"),
        ],
    )
    goals["period_start"] = pd.to_datetime(goals.period_start)
    return {
        "customer.store_visits": visits.assign(visit_date=day),
        "customer.visitor_flows": hours,
        "customer.campaign_results": results.assign(cost_amount=99),
        "customer.goals_attained": goals.assign(
            goal_id=["1", "2", "3", "4"],
            period_end=goals.period_start + pd.offsets.QuarterEnd(0),
        ),
    }


def _deliveries(as_of: str) -> pd.DataFrame:
    rows = [
        ("shop", "transactions", dt.date.fromisoformat(as_of), "arrived", 4000, 3, 1),
        ("shop", "transactions", dt.date(2017, 5, 1), "missing", 0, 0, 0),
        ("shop", "products", dt.date.fromisoformat(as_of), "arrived", 92331, 0, 0),
        ("kith", "tickets", dt.date.fromisoformat(as_of), "feed_not_provided", 0, 0, 0),
    ]
    names = ["source_name", "table_name", "day", "status"]
    names += ["row_count", "quarantined_count", "duplicate_count"]
    late = {"out_of_window_count": [2, 0, 0, 0], "outside_count": [5, 0, 0, 0]}
    return pd.DataFrame(rows, columns=names).assign(**late)


def _restatements(count: int) -> pd.DataFrame:
    """Changes of this run, the biggest last, and one of a run before."""
    return pd.DataFrame(
        {
            "run_id": ["run-1" if number else "before" for number in range(count + 1)],
            "mart": "customer.orders",
            "period_grain": "month",
            "period_start": dt.date(2017, 3, 1),
            "period_end": dt.date(2017, 3, 31),
            "dimensions": '{"channel": "' + HOSTILE.replace('"', "'") + '"}',
            "measure": [f"number_{number}" for number in range(count + 1)],
            "old_value": [None, *map(float, range(count))],
            "new_value": [float(number) + 0.126 for number in range(count + 1)],
            "change_pct": [float(number) for number in range(count + 1)],
            "reason": "late data",
        }
    )


def _source_warnings(count: int) -> pd.DataFrame:
    """Of which the newest says something hostile."""
    days = pd.date_range("2017-12-31", periods=count, freq="-1D")
    rows = pd.DataFrame({"from_day": days, "to_day": days})
    rows["warning"] = f"shop.products: new column {HOSTILE}"
    return rows.assign(source_name="shop", table_name="products")


def _checks(warnings: int) -> pd.DataFrame:
    common = {"run_id": "run-1", "severity": "critical", "sample": "person-000001"}
    rows = [
        common | {"table_name": "segment.cohorts", "expectation": f"rows_{i}"}
        for i in range(40)
    ]
    for row in rows:
        row |= {"column_name": None, "outcome": "passed", "observed": "1"}
    rows.append(rows[0] | {"run_id": "an-older-run", "outcome": "failed"})
    for i in range(warnings):
        rows.append(
            rows[0]
            | {
                "table_name": "customer.customers",
                "column_name": "city",
                "severity": "warning",
                "outcome": "failed",
                "expectation": f"expect_column_values_to_not_be_null_{i}",
                "observed": "1668 of 2469 values",
                "sample": "person-000002",
            }
        )
    return pd.DataFrame(rows)


_TYPES = """
create schema customer; create schema segment; create schema operations;
create schema satisfaction;
create table satisfaction.satisfaction_scores (
    source varchar, survey varchar, question varchar, factor varchar,
    scale_min double, scale_max double, measure varchar, dimension varchar,
    breakdown varchar, period_grain varchar, part varchar, answers varchar,
    period_start date, is_complete boolean, n bigint,
    score double, interval_low double, interval_high double);
create table satisfaction.service_gaps (
    source varchar, survey varchar, scale_min double, scale_max double,
    period_grain varchar, touchpoint varchar, segment varchar, dimension varchar,
    n bigint,
    perception_mean double, expectation_mean double, gap double, interval_low double,
    interval_high double, weighted_gap double);
create table satisfaction.complaints (
    source varchar, is_complaint boolean, state varchar, opened_date date,
    is_answered_in_time boolean, as_of_date date);
create table satisfaction.churn_warnings (
    customer_id varchar, sign varchar, severity varchar, is_open boolean,
    opened_on date, next_step varchar, as_of_date date);
create table satisfaction.churn_warning_records (
    sign varchar, period varchar, judged_on date, horizon_days bigint,
    warned_count bigint, hit_count bigint, base_rate double, precision_rate double,
    error_rate double, error_rate_low double, error_rate_high double,
    miss_rate double, miss_rate_low double, miss_rate_high double);
create table customer.customer_needs (
    customer_id varchar, need_kind varchar, state varchar, is_in_range boolean,
    due_on date, as_of_date date);
create table customer.unmet_demand (
    month date, region varchar, need varchar, search_count bigint);
create table satisfaction.share_of_voice (
    period_grain varchar, month date, breakdown varchar, breakdown_value varchar,
    subject_kind varchar, subject varchar, mention_count bigint, writer_count bigint,
    share_pct double, share_low_pct double, share_high_pct double,
    share_missing_reason varchar, unknown_count bigint, n bigint, negative_pct double,
    negative_low_pct double, negative_high_pct double, referral_count bigint,
    method varchar);
create table satisfaction.satisfaction_drivers (
    period_grain varchar, period_start date, source varchar, survey varchar,
    outcome varchar, outcome_scale_max double, segment varchar, driver_kind varchar,
    driver varchar, driver_rank bigint, share_pct double, share_pct_low double,
    share_pct_high double, cumulative_share_pct double, variance_pct double,
    effect varchar, points_per_point double, points_per_point_low double,
    points_per_point_high double, n bigint, person_count bigint);
create table satisfaction.service_shortfalls (
    source varchar, survey varchar, outcome varchar, outcome_scale_max double,
    driver_kind varchar, view varchar, place varchar, driver varchar,
    target_kind varchar, performance_mean double, target_mean double, shortfall double,
    interval_low double, interval_high double, importance_pct double, priority double,
    priority_rank bigint, would_bring_points double, quadrant varchar, n bigint);
create table satisfaction.satisfaction_effects (
    cause varchar, effect varchar, lag_months bigint, effect_change double,
    interval_low double, interval_high double, n bigint);
create table satisfaction.complaint_spikes (
    signal varchar, grain varchar, period_start_at timestamp, period_date date,
    dimension varchar, value varchar, is_new boolean, n bigint, usual_count double,
    share_of_rise_pct double, position bigint);
create table satisfaction.complaint_backlog (
    day date, kind varchar, open_count bigint, open_over_30_days_count bigint,
    overdue_count bigint, as_of_date date);
create table satisfaction.product_incidents (
    product_key varchar, name varchar, incident_count bigint, n decimal(18, 3),
    incidents_per_1000 double, interval_low double, interval_high double,
    usual_per_1000 double, incidents_per_1000_before double, trend varchar);
create table customer.customer_values (
    customer_id varchar, order_count bigint, purchase_day_count bigint,
    return_count bigint, cancelled_count bigint, gross_amount decimal(18, 2),
    returned_amount decimal(18, 2), revenue_amount decimal(18, 2),
    cancelled_amount decimal(18, 2), margin_amount decimal(18, 2),
    average_order_amount decimal(18, 2), revenue_share_pct double);
create table customer.customer_identifiers (
    identifier_type varchar, identifier_value varchar, customer_id varchar,
    person_id varchar, standing varchar, refused_by varchar, first_seen_at timestamp,
    last_seen_at timestamp, sources varchar, link_count bigint,
    refused_link_count bigint);
create table customer.customer_merges (
    merged_at timestamp, person_id_before varchar, person_id varchar,
    as_of_date date);
create table customer.orders (
    customer_id varchar, order_date date, order_month date, status_class varchar,
    is_purchase boolean,
    has_return boolean, gross_amount decimal(18, 2), returned_amount decimal(18, 2),
    revenue_amount decimal(18, 2), cancelled_amount decimal(18, 2), as_of_date date);
create table customer.interactions (
    customer_id varchar, interaction_kind varchar, occurred_date date);
create table segment.activity_states (
    customer_id varchar, first_order_date date, last_order_date date, state varchar,
    days_since_last_order bigint, median_gap_days double);
create table customer.customer_months (
    customer_id varchar, month date, is_complete boolean, order_count bigint,
    revenue_amount decimal(18, 2), is_active boolean, lifecycle varchar);
create table segment.segments (
    scheme varchar, state_on date, segment varchar, other_name varchar,
    customer_count bigint, customer_share_pct double, as_of_date date,
    buyer_count bigint, revenue_amount decimal(18, 2), revenue_share_pct double,
    revenue_amount_365d decimal(18, 2), average_revenue_amount decimal(18, 2),
    revenue_index double, satisfaction_score double,
    satisfaction_answer_count bigint);
create table segment.segment_transitions (
    scheme varchar, previous_state_on date, state_on date, from_segment varchar,
    to_segment varchar, is_move boolean, customer_count bigint,
    revenue_amount_365d decimal(18, 2), previous_revenue_amount_365d decimal(18, 2),
    as_of_date date);
create table segment.schemes (
    scheme varchar, segment varchar, position bigint, owner varchar);
create table segment.engagement (
    month date, breakdown varchar, channel varchar, is_complete boolean,
    interaction_count bigint, unidentified_count bigint, active_day_count bigint,
    daily_active_average double, weekly_active_average double,
    monthly_active_count bigint, daily_to_monthly_pct double,
    daily_to_weekly_pct double, contacts_per_active_day double,
    three_contacts_pct double, n bigint);
create table segment.behaviour_drivers (
    scheme varchar, segment varchar, behaviour varchar, definition varchar,
    share_pct double, share_pct_lower_bound double, share_pct_upper_bound double,
    effect varchar, stability_pct double, is_leak boolean, explained_pct double,
    n bigint, observed_on date, window_start date, window_end date,
    missing_reason varchar);
create table segment.model_evaluations (
    model varchar, population varchar, metric varchar, value double,
    lower_bound double, upper_bound double, limit_value double, n bigint,
    window_start date, window_end date, status varchar, reason varchar);
create table customer.recommendations (
    customer_id varchar, rank bigint, offer_type varchar, product_key varchar,
    product_name varchar, reason varchar, ground varchar, expected_share double,
    is_better_than_popularity boolean, fallback_reason varchar);
create table segment.customer_predictions (
    customer_id varchar, question varchar, is_foretold boolean, horizon_days bigint);
create table segment.wake_up_candidates (
    customer_id varchar, state varchar, is_worth_waking boolean, channel varchar,
    expected_gain_amount decimal(18, 2), is_held_out boolean, horizon_days bigint);
create table customer.store_visits (
    place_key varchar, customer_id varchar, visit_date date, has_entered boolean,
    furthest_state varchar, outcome varchar, inside_seconds bigint,
    dwell_seconds bigint, reading_count bigint, impossible_count bigint);
create table customer.visitor_flows (
    breakdown varchar, floor varchar, zone varchar, flow_hour bigint,
    entered_count bigint, bought_count bigint, inside_count bigint,
    inside_seconds bigint);
create table customer.campaign_results (
    campaign_key varchar, period_grain varchar, name varchar, channel varchar,
    starts_at timestamp, reached_count bigint, responded_pct double,
    held_out_count bigint, purchase_uplift double, purchase_uplift_low double,
    purchase_uplift_high double, revenue_uplift double, verdict varchar,
    uplift_missing_reason varchar, first_amount decimal(18, 2),
    last_amount decimal(18, 2), linear_amount decimal(18, 2),
    time_decay_amount decimal(18, 2), cost_amount decimal(18, 2),
    touched_purchase_count bigint);
create table customer.goals_attained (
    goal_id varchar, measure varchar, scope varchar, period_start date,
    period_end date, target_value double, actual_value double, attained_pct double,
    state varchar, missing_reason varchar);
create table customer.touchpoints (touchpoint varchar, name varchar);
create table segment.rfm_scores (
    customer_id varchar, rfm_cell varchar, segment varchar, value_type varchar,
    window_start date, window_end date);
create table segment.cohorts (
    cohort varchar, cohort_month date, period_number bigint, is_complete boolean,
    cohort_size bigint, active_count bigint, retention_pct double,
    unbounded_retention_pct double, base_customer_count bigint,
    base_revenue_amount decimal(18, 2), net_revenue_retention_pct double,
    gross_revenue_retention_pct double);
create table segment.concentrations (
    measure varchar, top_pct bigint, customer_count bigint, amount decimal(18, 2),
    share_pct double, gini double, missing_reason varchar,
    unknown_revenue_share_pct double, n bigint);
create table operations.source_deliveries (
    source_name varchar, table_name varchar, day date, status varchar,
    row_count bigint, quarantined_count bigint, duplicate_count bigint,
    out_of_window_count bigint, outside_count bigint);
create table operations.source_warnings (
    source_name varchar, table_name varchar, from_day date, to_day date,
    warning varchar);
create table operations.restatements (
    run_id varchar, mart varchar, period_grain varchar, period_start date,
    period_end date, dimensions varchar, measure varchar, old_value decimal(38, 9),
    new_value decimal(38, 9), change_pct double, reason varchar);
create table operations.gate_results (
    run_id varchar, table_name varchar, expectation varchar, column_name varchar,
    severity varchar, outcome varchar, observed varchar, sample varchar);
"""
ATTRIBUTES = [
    *["customer_kind", "city", "region", "country", "industry", "level", "account_id"],
    *["registration_source", "birth_date"],
]
# What is said of CHOSEN alone.
AHEAD = {
    "tier": "VIP",
    "satisfaction": "satisfied",
    "is_advocate": True,
    "unresolved_case_count": 2,
    "promise_missed_count": 0,
    "warning_count": 2,
    "worst_warning": "long_gap",
    "churn_probability": 0.256,
    "alive_probability": 0.9,
    "value_12_months_amount": 1234.5,
    "next_purchase_from": dt.date(2018, 1, 5),
    "next_purchase_until": dt.date(2018, 2, 9),
    "next_contact_on": dt.date(2018, 1, 3),
    "next_contact_care": "birthday",
    "next_contact_channel": "email",
    "next_contact_hour": 17,
    "next_contact_blocked_by": "cap",
    "next_need": "shoes",
    "next_need_due_on": dt.date(2018, 1, 9),
    "next_offer": "Kinderwagen",
    "next_offer_reason": "bought with Babybett",
}
FOOTPRINTS = ["search", "trade", "social", "service", "survey", "presence"]
_OF_RECORD = ", ".join(
    f"{name} {'date' if name == 'birth_date' else 'varchar'}, {name}_source varchar, "
    f"{name}_age_days bigint"
    for name in ATTRIBUTES
)
_TYPES += f"""
create table customer.customers (
    customer_id varchar, registered_at timestamp, record_sources varchar,
    employee_id varchar, department varchar, consents varchar, {_OF_RECORD});
create table customer.customer_profiles (
    customer_id varchar, may_be_profiled boolean, interaction_count bigint,
    {", ".join(f"has_{name} boolean" for name in FOOTPRINTS)},
    tier varchar, satisfaction varchar, is_advocate boolean,
    unresolved_case_count bigint, promise_missed_count bigint,
    warning_count bigint, worst_warning varchar,
    churn_probability double, alive_probability double,
    value_12_months_amount decimal(18, 2), next_purchase_from date,
    next_purchase_until date, next_contact_on date, next_contact_care varchar,
    next_contact_channel varchar, next_contact_hour bigint,
    next_contact_blocked_by varchar, next_need varchar, next_need_due_on date,
    next_offer varchar, next_offer_reason varchar);
create table customer.contact_plans (
    customer_id varchar, is_listed boolean, may_be_contacted boolean,
    blocked_by varchar, blocked_reason varchar, next_contact_on date, care varchar,
    care_due_on date, channel varchar, channel_level varchar,
    channel_noticed_share double, channel_n bigint, hour_from bigint,
    hour_until bigint, hour_level varchar, hour_noticed_share double, hour_n bigint,
    hour_missing_reason varchar, contact_count bigint, contact_cap bigint,
    contact_cap_days bigint, last_contact_on date, price_from_pct double,
    price_until_pct double, quote_won_count bigint, quote_lost_count bigint,
    as_of_date date);
"""

_TYPES += """
create table customer.portraits (
    period_grain varchar, period_start date, dimension varchar, part varchar,
    customer_count bigint, order_count bigint, revenue_amount decimal(18, 2));
create table customer.places (region varchar, longitude double, latitude double);
create table customer.ownerships (
    employee_id varchar, department varchar, is_current boolean, ended_on date,
    ended_because varchar, compared_days bigint, bought_again_on date,
    revenue_amount_365d decimal(18, 2), revenue_before_amount decimal(18, 2),
    revenue_after_amount decimal(18, 2));
create table customer.lead_conversions (
    cohort_grain varchar, cohort_start date, breakdown varchar, stage varchar,
    stage_class varchar, lead_count bigint, won_count bigint, lost_count bigint,
    open_count bigint);
create table customer.leads (outcome varchar, is_stuck boolean);
create table customer.prospects (
    subject varchar, prospect_kind varchar, unmet_criteria varchar, is_stuck boolean);
"""


def _portrait(hostile: str = "unknown") -> Frames:
    """Two regions with places, one without; two employees; five leads."""
    months = pd.date_range("2016-12-01", "2017-12-01", freq="MS")
    parts = {"north": 10, "south": 20, hostile: 30, "unidentified": 0}
    portraits = [
        (grain, month, dimension, part, count, 2, 5.5)
        for grain, starts in (("month", months), ("year", months[1:2]))
        for month in starts
        for dimension in ("region", "source")
        for part, count in parts.items()
    ]
    owned = pd.DataFrame(
        [
            *[("E1", True, None, None, None, None, 30, None, None)] * 5,
            ("E2", True, None, None, None, None, 70, None, None),
            *[("E3", True, None, None, None, None, 5, None, None)] * 4,
            (
                *("E9", False, "2017-07-01", "employee_left", 183, "2017-08-01"),
                *(40, 40, 30),
            ),
            *[("E9", False, "2017-07-01", "employee_left", 183, None, 15, 15, 0)] * 4,
            ("E8", False, "2017-08-01", "changed", 152, None, 9, 9, 9),
        ],
        columns=[
            *("employee_id", "is_current", "ended_on", "ended_because"),
            *("compared_days", "bought_again_on", "revenue_amount_365d"),
            *("revenue_before_amount", "revenue_after_amount"),
        ],
    ).assign(department=hostile)
    stages = [
        *[("created", "open", 3, 1, 1, 1), ("created", "open", 2, 0, 0, 2)],
        *[("offer", "open", 2, 1, 0, 1), ("won", "won", 1, 1, 0, 0)],
        (hostile, "lost", 1, 0, 1, 0),
    ]
    conversions = pd.DataFrame(
        [
            (grain, breakdown, *stage)
            for grain in ("month", "year")
            for breakdown in ("total", "employee")
            for stage in stages
        ],
        columns=[
            *("cohort_grain", "breakdown", "stage", "stage_class", "lead_count"),
            *("won_count", "lost_count", "open_count"),
        ],
    )
    return {
        "customer.portraits": pd.DataFrame(
            portraits,
            columns=[
                *("period_grain", "period_start", "dimension", "part"),
                *("customer_count", "order_count", "revenue_amount"),
            ],
        ),
        "customer.places": pd.DataFrame(
            {
                "region": ["north", "north", "south", "west"],
                "longitude": [9.0, 11.0, 10.0, 1.0],
                "latitude": [54.0, 54.0, 48.0, 50.0],
            }
        ),
        "customer.ownerships": owned,
        "customer.lead_conversions": conversions,
        "customer.leads": pd.DataFrame(
            {
                "outcome": ["won", "lost", "open", "open", "open"],
                "is_stuck": [False, False, True, True, None],
            }
        ),
        "customer.prospects": pd.DataFrame(
            {
                "subject": ["lead", "lead", "lead", "market"],
                "prospect_kind": ["near", "near", "refusing", "unexplored"],
                "unmet_criteria": [None, None, "has_need, can_pay", None],
                "is_stuck": [True, False, False, None],
            }
        ),
    }


def _plans(customer_ids: pd.Series, as_of: str) -> Frames:
    """Plans of contacts: each care in turn, some due later, some forbidden."""
    today = pd.Timestamp(as_of)
    number = np.arange(len(customer_ids))
    cares = [*["promise", "contract_end", "birthday", "after_sale", "wake_up"], None]
    plans = pd.DataFrame({"customer_id": customer_ids.to_numpy()}).assign(
        care=np.array(cares, dtype=object)[number % 6],
        blocked_by=np.array(
            ["consent", "complaint, cap", "hold_out", *[None] * 4], dtype=object
        )[number % 7],
        channel=np.where(number % 7, np.where(number % 3, "email", "phone"), None),
        hour_from=np.where(number % 5, 17, 9),
        hour_level=np.where(number % 4, "segment", "customer"),
        channel_level="segment",
        channel_noticed_share=0.25,
        channel_n=400,
        hour_noticed_share=0.3,
        hour_n=120,
        contact_count=1,
        contact_cap=4,
        contact_cap_days=30,
        quote_won_count=0,
        quote_lost_count=0,
        as_of_date=today,
    )
    due = today + pd.to_timedelta(1 + 9 * (number % 2), unit="D")
    plans["care_due_on"] = pd.Series(due).where(plans.care.notna())
    plans["hour_until"] = plans.hour_from + 3
    plans["may_be_contacted"] = plans.blocked_by.isna()
    plans["is_listed"] = plans.may_be_contacted & plans.care.notna() & (number % 2 == 0)
    plans["blocked_reason"] = plans.blocked_by.map({"consent": "no channel permitted"})
    plans["next_contact_on"] = plans.care_due_on.where(plans.may_be_contacted)
    chosen = {"care": "birthday", "hour_from": 17, "hour_until": 20, "channel": "email"}
    chosen |= {"blocked_by": None, "is_listed": False, "may_be_contacted": True}
    chosen |= {"care_due_on": pd.Timestamp("2018-01-03"), "channel_level": "customer"}
    chosen |= {"blocked_reason": None, "hour_level": "customer"}
    chosen |= {"next_contact_on": pd.Timestamp("2018-01-03"), "channel_n": 21}
    for column, value in chosen.items():
        plans.loc[plans.customer_id == CHOSEN, column] = value
    return {"customer.contact_plans": plans}


def _identity(customer_ids: pd.Series, as_of: str, kind: str) -> Frames:
    """Identifiers and merges, and what is known of CHOSEN, of whom `kind` is said."""
    today = pd.Timestamp(as_of)
    others = customer_ids[customer_ids != CHOSEN]
    people = [
        # standing, persons, identifiers of each, kind
        *[("customer", 300, 1, "card"), ("customer", 40, 4, "card")],
        *[("customer", 1, 12, "email"), ("prospect", 7, 1, "email")],
        ("visitor", 1200, 1, "device"),
    ]
    rows = [
        (
            type_,
            f"{standing}-{person}-{number}",
            f"{standing}-{count}-{person}",
            standing,
        )
        for standing, persons, count, type_ in people
        for person in range(persons)
        for number in range(count)
    ]
    known = pd.DataFrame(
        rows, columns=["identifier_type", "identifier_value", "person_id", "standing"]
    ).assign(link_count=1, refused_link_count=0)
    refused = pd.DataFrame(
        [
            ("phone", "too_many_partners", 9),
            ("phone", "too_many_partners", 3),
            ("email", "blocked_value", 120),
        ],
        columns=["identifier_type", "refused_by", "refused_link_count"],
    ).assign(standing="nobody", link_count=120)
    refused["identifier_value"] = refused.index.astype(str)
    own = pd.DataFrame(
        {
            "identifier_type": ["card", kind],
            "identifier_value": [HASH, "WK-4711"],
            "first_seen_at": pd.to_datetime(["2017-01-31 23:30", "2017-03-01 04:30"]),
            "last_seen_at": today,
            "sources": ["crm, shop", kind],
            "link_count": [3, 1],
            "refused_link_count": [2, 0],
        }
    ).assign(person_id=CHOSEN, standing="customer")
    identifiers = pd.concat([known, refused, own])
    identifiers["customer_id"] = identifiers.person_id.where(
        identifiers.standing == "customer"
    )
    # The second is in January where the company is.
    merged_at = pd.to_datetime(
        ["2017-01-03 12:00", "2017-02-01 04:30", "2017-03-05 12:00"]
    )
    common = {
        "customer_kind": "person",
        "region": kind,
        "registered_at": pd.Timestamp("2016-05-17"),
        "record_sources": "crm",
        "region_source": "crm",
        "region_age_days": 880,
    }
    alone = {
        "city": "Kleinkleckersdorf",
        "birth_date": dt.date(1984, 5, 17),
        "employee_id": "anna.meier",
        "department": "Service",
        "consents": "profiling",
    }
    # Five of them live in one region.
    customers = pd.DataFrame([common | {"customer_id": id_} for id_ in others[:4]])
    chosen = pd.DataFrame([common | alone | {"customer_id": CHOSEN}])
    rest = pd.DataFrame({"customer_id": others[4:]})
    profiles = pd.DataFrame(
        {
            "customer_id": [CHOSEN, *others[:3], "unidentified"],
            "may_be_profiled": [True, None, False, None, None],
            "interaction_count": [5, 4, 9, 90, 1000],
            **{f"has_{name}": True for name in FOOTPRINTS},
        }
    )
    profiles.loc[3, "has_social"] = False
    is_chosen = profiles.customer_id == CHOSEN
    for column, value in AHEAD.items():
        profiles[column] = pd.Series([value] * len(profiles)).where(is_chosen, None)
    return {
        "customer.customer_identifiers": identifiers,
        "customer.customer_merges": pd.DataFrame(
            {"merged_at": merged_at, "person_id": ["a", "a", "b"]}
        ).assign(as_of_date=today),
        "customer.customers": pd.concat([customers, chosen, rest]),
        "customer.customer_profiles": profiles,
        "customer.interactions": pd.DataFrame(
            [
                (CHOSEN, "order", "2017-03-01"),
                (CHOSEN, "post", "2017-05-01"),
                (CHOSEN, "order", "2017-12-03"),
                (CHOSEN, kind, "2017-06-01"),
                (others.iloc[0], "order", "2017-01-01"),
            ],
            columns=["customer_id", "interaction_kind", "occurred_date"],
        ),
        "segment.activity_states": pd.DataFrame(
            {"customer_id": [CHOSEN], "state": ["half_asleep"]}
        ).assign(
            first_order_date=dt.date(2017, 3, 1),
            last_order_date=dt.date(2017, 12, 3),
            days_since_last_order=28,
            median_gap_days=14.5,
        ),
        "segment.rfm_scores": pd.DataFrame(
            {"customer_id": [CHOSEN], "rfm_cell": ["545"], "segment": ["Champions"]}
        ).assign(
            value_type="Important value",
            window_start=dt.date(2017, 1, 1),
            window_end=today.date(),
        ),
    }


def order_rows(orders: pd.DataFrame, as_of: str) -> pd.DataFrame:
    """The mart of orders: each third gives half back, each fifth was cancelled."""
    rows = orders.reset_index(drop=True)
    is_cancelled = rows.index % 5 == 0
    gives_back = (rows.index % 3 == 0) & ~is_cancelled
    mart = pd.DataFrame(
        {
            "customer_id": rows.customer_id.fillna("unidentified"),
            "order_date": rows.day,
            "order_month": rows.day.dt.to_period("M").dt.to_timestamp(),
            "status_class": np.where(is_cancelled, "cancelled", "completed"),
            "is_purchase": ~is_cancelled,
            "has_return": gives_back,
            "gross_amount": rows.amount.where(~is_cancelled, 0),
            "returned_amount": (rows.amount / 2).round(2).where(gives_back, 0),
            "cancelled_amount": rows.amount.where(is_cancelled, 0),
        }
    ).assign(as_of_date=pd.Timestamp(as_of))
    return mart.assign(revenue_amount=mart.gross_amount - mart.returned_amount)


def publish(
    home: Path,
    name: str,
    frames: Frames,
    as_of: str,
    title: str = "Corner Grocer",
    language: Literal["en", "zh"] = "en",
) -> Run:
    """A release as the page finds it, and the run that made it."""
    company = Company(
        name=name,
        title=title,
        time_zone="America/New_York",
        currency="USD",
        first_day=dt.date(2017, 1, 1),
        feeds={},
        folder=home,
        sources=[],
        language=language,
    )
    day = dt.date.fromisoformat(as_of)
    run = Run(company, Interval(day, day), "run-1", home)
    release = run.published / "20180101T050000Z_a1b2c3"
    release.mkdir(parents=True)
    with duckdb.connect(str(release / "kith.duckdb")) as connection:
        connection.execute(_TYPES)
        for table, frame in frames.items():
            if table in ("orders", "past"):
                continue
            if table == "segment.segments":
                today = frame.assign(state_on=day, as_of_date=day)
                # What was before is in no figure of today.
                then = today.assign(state_on=day - dt.timedelta(31), customer_count=7)
                before = frames.get("past", then)
                frame = pd.concat([today, before])
            connection.register("frame", frame)
            connection.execute(f"insert into {table} by name select * from frame")
    manifest = {
        "release_id": release.name,
        "run_id": "run-1",
        "title": title,
        "currency": "USD",
        "time_zone": "America/New_York",
        "as_of_date": as_of,
        "published_at": "2018-01-01T05:00:00Z",
    }
    (release / "manifest.json").write_text(json.dumps(manifest))
    (run.published / "current").symlink_to(release.name)
    return run


def make_page(run: Run) -> None:
    write_page(run, (run.published / "current").resolve())


def page_of(run: Run) -> Path:
    return run.published / "current" / PAGE


def _grocer() -> tuple[Frames, str]:
    orders = orders_of(2469, "2017-01-01", "2017-12-31")
    frames = marts(orders, "2017-12-31")
    customer_ids = frames["customer.customers"].customer_id
    frames |= _identity(customer_ids, "2017-12-31", "visit")
    frames |= _plans(customer_ids, "2017-12-31")
    frames |= predictions(customer_ids, "club_balance")
    frames |= service("yearly", ["waiting_time", "staff", "opening_hours"])
    frames |= _portrait()
    frames["customer.orders"] = order_rows(orders, "2017-12-31")
    values = frames["customer.customer_values"]
    frames["customer.customer_values"] = values.assign(
        gross_amount=values.revenue_amount + 10,
        returned_amount=10,
        return_count=2,
        cancelled_count=1,
        cancelled_amount=4.5,
    )
    months = pd.date_range("2017-01-01", "2017-12-01", freq="MS")
    places = ["till", "web_shop", "delivery", "hotline", "alike", "not_stated"]
    scores = [
        _scores("nps", months, [80, 90, 12, 0, *[70] * 8], places),
        _scores("csat_top_two_pct", months, [300] * 12, ["not_stated"]),
        # A wave each half a year, of who is not as pleased as after an order.
        _scores(
            "csat_top_two_pct",
            months[[1, 7]],
            [90, 95],
            ["not_stated"],
            survey="relationship",
        ),
    ]
    # What counts the last answers of persons is no answer more.
    scores.append(scores[0].assign(answers="last_of_person", n=1))
    return frames | {
        "operations.gate_results": _checks(4),
        "operations.source_warnings": _source_warnings(25),
        "operations.restatements": _restatements(22),
        "satisfaction.satisfaction_scores": pd.concat(scores),
        "satisfaction.complaints": _cases("2017-01-01", "2017-12-31", 900),
        "satisfaction.share_of_voice": _voices(has_rival=True),
        **_needs(),
        **_warnings("2017-12-31"),
        **_desk("Glass in it"),
        **_visits("Spring"),
        "satisfaction.service_gaps": _gaps(),
    }, "2017-12-31"


def _needs() -> Frames:
    """What some need, when it falls due, and what the shop does not sell."""
    needs = pd.DataFrame(
        [
            ("anna", "searched", "open", True, "2017-12-01"),
            ("anna", "searched", "open", False, "2017-12-02"),
            ("ben", "searched", "met", True, "2017-12-01"),
            ("ben", "life_stage", "open", True, "2018-01-31"),
            ("cleo", "life_stage", "open", True, "2018-03-01"),
            ("cleo", "life_stage", "open", True, "2018-12-31"),
            ("cleo", "life_stage", "open", True, "2019-01-01"),
            ("ben", "replenishment", "open", True, "2018-01-02"),
            ("ben", "replenishment", "lapsed", True, "2017-01-02"),
        ],
        columns=["customer_id", "need_kind", "state", "is_in_range", "due_on"],
    )
    demand = pd.DataFrame(
        [
            ("2017-10-01", "north", HOSTILE, 4),
            ("2017-12-01", "north", HOSTILE, 1),
            ("2017-12-01", "south", HOSTILE, 3),
            ("2017-12-01", "unknown", HOSTILE, 9),
            ("2017-12-01", "unknown", "raft", 2),
            ("2017-12-01", "south", None, 6),
        ],
        columns=["month", "region", "need", "search_count"],
    )
    return {
        "customer.customer_needs": needs.assign(as_of_date="2017-12-31"),
        "customer.unmet_demand": demand,
    }


def _unfinished() -> tuple[Frames, str]:
    """And a survey that just began."""
    months = pd.DatetimeIndex(["2017-11-01", "2017-12-01"])
    scores = _scores("nps", months, [20, 11], ["till", "web_shop"])
    scores["is_complete"] = scores.period_start < "2017-12-01"
    frames = marts(orders_of(60, "2016-01-10", "2017-12-12"), "2017-12-12")
    frames["segment.concentrations"] = frames["segment.concentrations"].assign(
        gini=None, missing_reason="no Gini: negative for 1 of 60 customers"
    )
    return frames | {"satisfaction.satisfaction_scores": scores}, "2017-12-12"


def _ten_years() -> tuple[Frames, str]:
    """And large amounts, as in a currency of small value."""
    orders = orders_of(150, "2008-01-01", "2017-12-31")
    orders["amount"] *= 450
    months = pd.date_range("2008-01-01", "2017-12-01", freq="MS")
    places = [f"Counter {number} on the ground floor" for number in range(22)]
    answers = list(np.random.default_rng(3).integers(0, 90, len(months)))
    return marts(orders, "2017-12-31") | {
        "satisfaction.satisfaction_scores": _scores("nps", months, answers, places),
        # Of a desk that tells no solutions.
        "satisfaction.complaints": _cases("2008-01-01", "2017-12-31", 4000).assign(
            state="answered"
        ),
    }, "2017-12-31"


def _one_customer() -> tuple[Frames, str]:
    """And a visitor, who has not bought."""
    orders = pd.DataFrame(
        {"customer_id": ["person-1"], "day": pd.to_datetime(["2017-12-03"])}
    ).assign(amount=12.5)
    cases = _cases("2017-12-31", "2017-12-31", 1).assign(is_complaint=False)
    frames = marts(orders, "2017-12-31")
    visitor = {"customer_count": 1, "revenue_amount": 0, "revenue_share_pct": 0}
    segments = frames["segment.segments"]
    rest = segments.assign(
        segment=["never_purchased", "no_purchase_in_window"], **visitor
    )
    frames["segment.segments"] = pd.concat([segments, rest]).assign(
        customer_share_pct=50.0
    )
    return frames | {
        "satisfaction.satisfaction_scores": _scores(
            "nps", pd.DatetimeIndex(["2017-12-01"]), [1], ["till"]
        ),
        "satisfaction.complaints": cases,
    }, "2017-12-31"


def _long_names() -> tuple[Frames, str]:
    names = [
        "Customers who bought a great deal of everything but have not come back lately",
        "Donaudampfschifffahrtsgesellschaftskapitänsmützenliebhaber",
        "重要价值客户以及需要特别关注和重点维护的老客户群体",
        HOSTILE,
    ]
    orders = orders_of(200, "2017-01-01", "2017-12-31")
    months = pd.DatetimeIndex(["2015-11-01", "2016-11-01", "2017-12-01"])
    frames = marts(orders, "2017-12-31", names)
    customer_ids = frames["customer.customers"].customer_id
    frames |= predictions(customer_ids, HOSTILE) | service(HOSTILE, names)
    frames |= _portrait(HOSTILE)
    return frames | _identity(customer_ids, "2017-12-31", HOSTILE) | {
        "satisfaction.satisfaction_scores": _scores(
            "csat_top_two_pct", months, [400, 12, 400], names, dimension=HOSTILE
        ),
        # Of 13 months, two neighbours have their year below them.
        "satisfaction.complaints": _cases("2016-12-01", "2017-12-31", 400),
        "satisfaction.share_of_voice": _voices(has_rival=False),
        **_desk(HOSTILE),
        **_visits(HOSTILE),
    }, "2017-12-31"


def _events_only() -> tuple[Frames, str]:
    """Customers who left traces, but no order."""
    frames = _nothing()[0]
    frames["customer.customers"] = pd.DataFrame({"customer_id": ["person-1"]})
    frames["customer.customer_values"] = pd.DataFrame(
        {"customer_id": ["person-1"], "order_count": [0], "revenue_amount": [0]}
    ).assign(purchase_day_count=0)
    frames["customer.customer_months"] = pd.DataFrame(
        {"customer_id": ["person-1"], "month": ["2017-12-01"], "is_complete": [True]}
    ).assign(order_count=0, revenue_amount=0, is_active=False)
    frames["segment.segments"] = pd.DataFrame(
        {
            "scheme": ["activity", "rfm"],
            "segment": ["never_purchased", "no_purchase_in_window"],
            "customer_count": [1, 1],
            "customer_share_pct": [100.0, 100.0],
            "revenue_amount": [0, 0],
        }
    )
    return frames, "2017-12-31"


def _known_before() -> tuple[Frames, str]:
    """All buyers registered before the data begin; ten others permit no scores."""
    orders = orders_of(40, "2017-01-01", "2017-12-31")
    frames = marts(orders, "2017-12-31")
    months = frames["customer.customer_months"]
    months["lifecycle"] = months["lifecycle"].replace("new", "resurrecting")
    months_of = orders.dropna(subset="customer_id").assign(
        month=lambda frame: frame.day.dt.to_period("M").dt.to_timestamp()
    )
    active = months_of.groupby("month").customer_id.nunique()
    frames["segment.cohorts"] = pd.DataFrame(
        {
            "cohort": "earlier",
            "cohort_month": active.index[0],
            "period_number": range(len(active)),
            "cohort_size": 40,
            "active_count": active.to_numpy(),
            "retention_pct": 100 * active.to_numpy() / 40,
        }
    )
    refused = {"segment": "not_permitted", "customer_count": 10}
    frames["segment.segments"] = pd.concat(
        [
            frames["segment.segments"],
            pd.DataFrame(
                [
                    refused | {"scheme": scheme, "customer_share_pct": 20.0}
                    for scheme in ("activity", "rfm")
                ]
            ),
        ]
    )
    return frames, "2017-12-31"


def _nothing() -> tuple[Frames, str]:
    return {"operations.gate_results": _checks(0)}, "2017-12-31"


RELEASES = {
    "grocer": _grocer,
    "unfinished": _unfinished,
    "ten_years": _ten_years,
    "one_customer": _one_customer,
    "long_names": _long_names,
    "events_only": _events_only,
    "known_before": _known_before,
    "nothing": _nothing,
    "in_chinese": _grocer,
}

# --- reading the page ---------------------------------------------------------


class Page(html.parser.HTMLParser):
    """Texts of the key figures and cells of the tables, by caption."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.tiles: dict[str, list[str]] = {}
        self.tables: dict[str, list[list[str]]] = {}
        self._text: list[str] = []
        self._label = self._caption = ""
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        if tag in ("dt", "dd", "th", "td", "caption", "title", "p"):
            self._text = []
        if tag == "tr":
            self.tables[self._caption].append([])

    def handle_endtag(self, tag: str) -> None:
        text = " ".join("".join(self._text).split())
        if tag == "dt":
            self._label = text
            self.tiles.setdefault(text, [])  # the definitions come later
        elif tag == "dd":
            self.tiles[self._label].append(text)
        elif tag == "caption":
            self._caption = text
            self.tables[text] = []
        elif tag in ("th", "td"):
            self.tables[self._caption][-1].append(text)
        elif tag == "title":
            self.title = text

    def handle_data(self, data: str) -> None:
        self._text.append(data)


def by_month(frames: Frames) -> Any:
    return frames["orders"].groupby(frames["orders"].day.dt.to_period("M"))


def signed(change: float) -> str:
    return f"{change:+,.1f}%".replace("-", "−")
