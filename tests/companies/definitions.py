"""Measures of customers in pandas, written from the definitions, with no SQL.

What the tests of the marts compare with, for any company whose orders and traces they
can read. Money is in whole cents, days are business days, months their first days.
"""

from dataclasses import dataclass, field, replace
from functools import cache, cached_property

import numpy as np
import pandas as pd

UNIDENTIFIED = "unidentified"
AMOUNTS = ["gross", "returned", "revenue", "discount"]
COUNTS = ["order_count", "return_count", "cancelled_count"]


def month_of(days: pd.Series) -> pd.Series:
    """First day of the month of each day."""
    return days.dt.to_period("M").dt.to_timestamp()


@dataclass(frozen=True, eq=False)
class Shop:
    """What a company's customers did.

    Attributes:
        orders: One row per order: customer_id, day, is_purchase, has_return,
            is_cancelled, the amounts, and cost, NaN where it is unknown.
        traces: One row per contact: customer_id, day, kind, the folded word of its
            channel, and for events the visit to which they belong.
        customers: Everybody who is one.
        registered: Day of registration of those who tell it, by customer_id.
    """

    orders: pd.DataFrame
    traces: pd.DataFrame
    customers: frozenset[str]
    first_day: pd.Timestamp
    as_of: pd.Timestamp
    registered: pd.Series = field(default_factory=lambda: pd.Series(dtype="M8[us]"))

    def until(self, day: str) -> "Shop":
        """What had happened by the end of a day."""
        end = pd.Timestamp(day)
        dated = {*self.traces["customer_id"], *self.registered.index}
        traces = self.traces[self.traces["day"] <= end]
        registered = self.registered[self.registered <= end]
        known = {*traces["customer_id"], *registered.index}
        return replace(
            self,
            orders=self.orders[self.orders["day"] <= end],
            traces=traces,
            customers=frozenset(self.customers - (dated - known)),
            as_of=end,
            registered=registered,
        )

    def has_whole(self, month: pd.Timestamp) -> bool:
        """Whether all days of a month, given by its first, lie in the data."""
        end = month + pd.offsets.MonthEnd()
        return bool(self.first_day <= month and end <= self.as_of)

    @cached_property
    def earlier(self) -> frozenset[str]:
        """Who was known before the data begin."""
        return frozenset(self.registered.index[self.registered < self.first_day])

    @cached_property
    def purchases(self) -> pd.DataFrame:
        """Orders of known customers that count as purchases."""
        is_known = self.orders["customer_id"] != UNIDENTIFIED
        return self.orders[self.orders["is_purchase"] & is_known]

    @cached_property
    def purchase_days(self) -> dict[str, np.ndarray]:
        """Each buyer's distinct purchase days, ascending."""
        days = self.purchases.groupby("customer_id")["day"].unique()
        return {customer: np.sort(unique) for customer, unique in days.items()}

    @cached_property
    def contacts(self) -> pd.DataFrame:
        """What people did: customer_id, day, channel. Events of a visit are one."""
        own = self.traces[self.traces["kind"] != "contact"]
        is_event = own["kind"] == "event"
        rows = own.loc[~is_event, ["customer_id", "day", "channel"]].to_dict("records")
        for _, visit in own[is_event].groupby("visit", sort=False):
            known = set(visit["customer_id"]) - {UNIDENTIFIED}
            first = visit.iloc[0]
            rows.append(
                {
                    "customer_id": known.pop() if len(known) == 1 else UNIDENTIFIED,
                    "day": first["day"],
                    "channel": first["channel"],
                }
            )
        return pd.DataFrame(rows)

    @cached_property
    def beginning(self) -> pd.Timestamp:
        """The month from which the data tell of purchases, at the latest the first."""
        bought = self.orders.loc[self.orders["is_purchase"], "day"]
        first = self.first_day.to_period("M").to_timestamp()
        return min(month_of(bought).min(), first)


def values(shop: Shop) -> pd.DataFrame:
    """Totals of each customer who ordered, and of unknown people."""
    orders = shop.orders
    sums = orders.groupby("customer_id").agg(
        order_count=("is_purchase", "sum"),
        return_count=("has_return", "sum"),
        cancelled_count=("is_cancelled", "sum"),
        **{name: (name, "sum") for name in AMOUNTS},
        cost=("cost", lambda costs: costs.sum(skipna=False)),
    )
    bought = orders[orders["is_purchase"]].groupby("customer_id")["day"].nunique()
    sums["purchase_day_count"] = bought.reindex(sums.index).fillna(0).astype("int64")
    sums["margin"] = sums["revenue"] - sums["cost"]
    return sums.sort_index()


def purchase_kinds(shop: Shop) -> pd.Series:
    """What each order is to its customer: new, repeat, or None for no purchase."""
    first = shop.purchases.groupby("customer_id")["day"].min()
    is_first = shop.orders["day"] == shop.orders["customer_id"].map(first)
    is_new = is_first & ~shop.orders["customer_id"].isin(shop.earlier)
    kinds = is_new.map({True: "new", False: "repeat"})
    return kinds.where(shop.orders.index.isin(shop.purchases.index))


@cache
def months(shop: Shop) -> pd.DataFrame:
    """customer_months by plain loops: the empty months are there as well."""
    orders = shop.orders.assign(month=month_of(shop.orders["day"]))
    traces = shop.traces.assign(month=month_of(shop.traces["day"]))
    keys = ["customer_id", "month"]
    sums = (
        orders.assign(
            order_count=orders["is_purchase"],
            return_count=orders["has_return"],
            cancelled_count=orders["is_cancelled"],
        )
        .groupby(keys)[COUNTS + AMOUNTS]
        .sum()
        .astype("int64")
        .to_dict("index")
    )
    nothing = dict.fromkeys(COUNTS + AMOUNTS, 0)

    def days_of(frame: pd.DataFrame) -> dict[tuple[str, pd.Timestamp], int]:
        days = frame.drop_duplicates(["customer_id", "day"])
        return days.groupby(keys).size().to_dict()

    bought = days_of(orders[orders["is_purchase"]])
    visits = days_of(traces[traces["kind"].isin(["order", "event", "presence"])])
    interactions = traces.groupby(keys).size().to_dict()
    seen = traces.groupby("customer_id")["month"].min().to_dict()
    for customer, day in shop.registered.items():
        begun = max(day, shop.first_day).to_period("M").to_timestamp()
        seen[customer] = min(begun, seen.get(customer, begun))
    active_months = orders[orders["is_purchase"]].groupby("customer_id")["month"]
    active_months = active_months.agg(set).to_dict()
    all_months = pd.date_range(
        min(seen.values()), shop.as_of.to_period("M").to_timestamp(), freq="MS"
    )
    month_before = dict(zip(all_months[1:], all_months[:-1], strict=True))
    rows = []
    for customer, first_month in seen.items():
        is_known = customer != UNIDENTIFIED
        active = active_months.get(customer, set()) if is_known else set()
        is_earlier = customer in shop.earlier
        cohort = None
        if active:
            cohort = shop.beginning if is_earlier else min(active)
        for month in all_months[all_months >= first_month]:
            key = (customer, month)
            is_complete = shop.has_whole(month)
            bought_before = month_before.get(month) in active
            if month in active:
                if month == min(active) and not is_earlier:
                    lifecycle = "new"
                else:
                    lifecycle = "returning" if bought_before else "resurrecting"
            elif not active or month < min(active) or not is_complete:
                lifecycle = None
            else:
                lifecycle = "dormant" if bought_before else "inactive"
            rows.append(
                {
                    "customer_id": customer,
                    "month": month,
                    "cohort": cohort
                    and ("earlier" if is_earlier else f"{cohort:%Y-%m}"),
                    "cohort_month": cohort,
                    "is_complete": is_complete,
                    "interaction_count": interactions.get(key, 0),
                    "visit_day_count": visits.get(key, 0),
                    "purchase_day_count": bought.get(key, 0),
                    **sums.get(key, nothing),
                    "is_active": month in active if is_known else None,
                    "lifecycle": lifecycle,
                    "as_of_date": shop.as_of,
                }
            )
    frame = pd.DataFrame(rows).sort_values(keys, ignore_index=True)
    return frame.astype({"is_active": "boolean"})


def rfm_measures(shop: Shop, window_days: int = 365) -> pd.DataFrame:
    """R, F and M of each customer who bought within the window."""
    since = shop.as_of - pd.Timedelta(days=window_days - 1)
    orders = shop.orders[
        (shop.orders["day"] >= since) & (shop.orders["customer_id"] != UNIDENTIFIED)
    ]
    bought = orders[orders["is_purchase"]].groupby("customer_id")["day"]
    measures = pd.DataFrame(
        {
            "recency_days": (shop.as_of - bought.max()).dt.days,
            "frequency_count": bought.nunique(),
        }
    )
    money = orders.groupby("customer_id")["revenue"].sum() / 100
    return measures.assign(monetary_amount=money).sort_index()


def segment_name(r: int, f: int, m: int) -> str:
    """The rule that the seed's description states, in its order."""
    value = (f + m + 1) // 2
    if r >= 4 and f == 1:
        return {5: "Recent and rare", 4: "Promising"}[r]
    if value >= 4 and r >= 3:
        return "Champions" if r == 5 else "Loyal"
    if r >= 4:
        return "Potential loyalist"
    if r == 3:
        return "Needs attention" if value == 3 else "About to sleep"
    if value == 5:
        return "Cannot lose"
    if value >= 3:
        return "At risk"
    return {2: "Hibernating", 1: "Lost"}[r]


_VALUE_TYPES = {  # recent, frequent, much money
    (True, True, True): "Important value",
    (True, False, True): "Important to develop",
    (False, True, True): "Important to keep",
    (False, False, True): "Important to win back",
    (True, True, False): "Ordinary value",
    (True, False, False): "Ordinary to develop",
    (False, True, False): "Ordinary to keep",
    (False, False, False): "Ordinary to win back",
}


def rfm_cut_points(shop: Shop) -> pd.DataFrame:
    """Quantiles and mean of each dimension, interpolated between two neighbours."""
    measured = rfm_measures(shop)
    cut_points = measured.quantile([0.2, 0.4, 0.6, 0.8]).T
    cut_points.columns = [f"cut_{percent}" for percent in (20, 40, 60, 80)]
    cut_points = cut_points.assign(mean_value=measured.mean(), n=len(measured))
    return cut_points.rename_axis("dimension").sort_index()


def rfm_scores(shop: Shop) -> pd.DataFrame:
    """Scores, segment and value type of each customer, equal values alike."""
    raw = rfm_measures(shop)

    def fifths(column: str) -> np.ndarray:
        cuts = np.quantile(raw[column], [0.2, 0.4, 0.6, 0.8])
        return 1 + np.searchsorted(cuts, raw[column], side="left")

    frame = raw.assign(
        r_score=6 - fifths("recency_days"),
        f_score=fifths("frequency_count"),
        m_score=fifths("monetary_amount"),
        recency_is_high=raw["recency_days"] <= raw["recency_days"].mean(),
        frequency_is_high=raw["frequency_count"] >= raw["frequency_count"].mean(),
        monetary_is_high=raw["monetary_amount"] >= raw["monetary_amount"].mean(),
    )
    scores = list(
        zip(frame["r_score"], frame["f_score"], frame["m_score"], strict=True)
    )
    bits = zip(
        frame["recency_is_high"],
        frame["frequency_is_high"],
        frame["monetary_is_high"],
        strict=True,
    )
    return frame.assign(
        rfm_cell=[f"{r}{f}{m}" for r, f, m in scores],
        segment=[segment_name(*cell) for cell in scores],
        value_type=[_VALUE_TYPES[tuple(map(bool, three))] for three in bits],
    ).rename_axis("customer_id")


def activity_states(shop: Shop) -> pd.DataFrame:
    """State and rhythm of each customer who bought."""
    rows = {}
    for customer, days in shop.purchase_days.items():
        gaps = np.diff(days) / np.timedelta64(1, "D")
        since = (shop.as_of - pd.Timestamp(days[-1])).days
        median = np.median(gaps) if len(gaps) else np.nan
        state = "active"
        for name, threshold in [("drowsy", 30), ("half_asleep", 90), ("asleep", 180)]:
            if since >= threshold:
                state = name
        rows[customer] = {
            "state": state,
            "first_order_date": days[0],
            "last_order_date": days[-1],
            "days_since_last_order": since,
            "median_gap_days": median,
            "gap_count": len(gaps),
            "gap_ratio": since / median,
        }
    states = pd.DataFrame.from_dict(rows, orient="index").sort_index()
    return states.rename_axis("customer_id")


def cohorts(shop: Shop) -> pd.DataFrame:
    """Each cell of the retention grid; one that is not over holds nothing.

    Revenue is retained of the cohort's first whole month: that after the first
    purchase, for who was known earlier the one with which the data begin.
    """
    known = months(shop).dropna(subset="cohort").astype({"is_active": "int64"})
    revenue, active = (
        known.pivot(index="customer_id", columns="month", values=name).fillna(0)
        for name in ("revenue", "is_active")
    )
    active = active.astype(bool)
    last = active.loc[:, ::-1].idxmax(axis="columns")
    rows = []
    for (cohort, begin), members in known.groupby(["cohort", "cohort_month"]):
        ids = members["customer_id"].unique()
        is_whole_at_once = cohort == "earlier" and shop.first_day <= begin
        base = 0 if is_whole_at_once else 1
        every_month = active.columns[active.columns >= begin]
        is_whole = [shop.has_whole(month) for month in every_month]
        has_base = len(every_month) > base and is_whole[base]
        start = pd.Series(dtype="int64")
        if has_base:
            start = revenue.loc[ids, every_month[base]]
            start = start[start > 0]
        for number, month in enumerate(every_month):
            active_count = active.loc[ids, month].sum()
            later_count = (last[ids] >= month).sum()
            found = {
                "active_count": active_count,
                "retention_pct": 100 * active_count / len(ids),
                "active_or_later_count": later_count,
                "unbounded_retention_pct": 100 * later_count / len(ids),
                "revenue_amount": revenue.loc[ids, month].sum() / 100,
            }
            kept = {
                "net_revenue_retention_pct": np.nan,
                "gross_revenue_retention_pct": np.nan,
            }
            if not is_whole[number]:
                found = dict.fromkeys(found, np.nan)
                reason = (
                    "the data begin in mid-month"
                    if month < shop.first_day
                    else "the month is not over"
                )
            elif number < base:
                reason = "no revenue retention: the first month is not whole"
            elif not len(start):
                reason = "no revenue retention: no revenue in the first whole month"
            else:
                reason = None
                now = revenue.loc[start.index, month]
                kept = {
                    "net_revenue_retention_pct": 100 * now.sum() / start.sum(),
                    "gross_revenue_retention_pct": 100
                    * sum(min(max(b, 0), a) for a, b in zip(start, now, strict=True))
                    / start.sum(),
                }
            rows.append(
                {
                    "cohort": cohort,
                    "cohort_month": begin,
                    "period_number": number,
                    "period_month": month,
                    "is_complete": is_whole[number],
                    "cohort_size": len(ids),
                    **found,
                    "base_period_number": base,
                    "base_customer_count": len(start) if has_base else np.nan,
                    "base_revenue_amount": start.sum() / 100 if has_base else np.nan,
                    **kept,
                    "missing_reason": reason,
                    "n": len(ids),
                }
            )
    keys = ["cohort", "period_number"]
    frame = pd.DataFrame(rows).astype({"base_customer_count": "Int64"})
    return frame.sort_values(keys, ignore_index=True)


def engagement(shop: Shop) -> pd.DataFrame:
    """Who is active how often, by month and channel, by sets of customers and days."""
    traces = shop.traces.assign(month=month_of(shop.traces["day"]))
    made = shop.contacts
    every_month = sorted(months(shop)["month"].unique())
    every_month = [m for m in every_month if m >= traces["month"].min()]
    every_day = pd.date_range(every_month[0], shop.as_of)
    rows = []
    for channel in [None, *sorted(traces["channel"].unique())]:
        of_all, of_known = (
            frame if channel is None else frame[frame["channel"] == channel]
            for frame in (traces, made[made["customer_id"] != UNIDENTIFIED])
        )
        counts = of_known.groupby(["day", "customer_id"]).size()
        by_day = counts.unstack(fill_value=0).reindex(every_day, fill_value=0)
        weekly = (by_day > 0).rolling(7, min_periods=1).max().sum(axis="columns")
        weekly = weekly[every_day >= shop.first_day + pd.Timedelta(days=6)]
        for month in every_month:
            end = month + pd.offsets.MonthEnd()
            days = pd.date_range(month, end)
            seen = of_all[of_all["month"] == month]
            is_message = seen["kind"] == "contact"
            is_unknown = ~is_message & (seen["customer_id"] == UNIDENTIFIED)
            of_month = counts[counts.index.get_level_values(0).isin(days)]
            customers = len(set(of_month.index.get_level_values(1)))
            is_complete = shop.has_whole(month)
            daily = len(of_month) / len(days)
            in_week = weekly[weekly.index.isin(days)].mean()
            busy = int((of_month >= 3).sum())
            figures = {
                "daily_active_average": daily,
                "weekly_active_average": in_week,
                "monthly_active_count": customers,
                "daily_to_monthly_pct": 100 * daily / customers if customers else None,
                "daily_to_weekly_pct": 100 * daily / in_week if in_week else None,
                "contacts_per_active_day": of_month.sum() / len(of_month)
                if customers
                else None,
                "three_contacts_pct": 100 * busy / len(of_month) if customers else None,
            }
            reason = None if customers else "no customer was active"
            if not is_complete:
                figures = dict.fromkeys(figures)
                reason = "not all days of the month lie in the data"
            rows.append(
                {
                    "month": month,
                    "breakdown": "total" if channel is None else "channel",
                    "channel": channel or "all",
                    "is_complete": is_complete,
                    "interaction_count": len(seen),
                    "message_count": int(is_message.sum()),
                    "unidentified_count": int(is_unknown.sum()),
                    "contact_count": of_month.sum(),
                    "active_day_count": len(of_month),
                    "three_contacts_day_count": busy,
                    **figures,
                    "missing_reason": reason,
                    "n": customers,
                }
            )
    frame = pd.DataFrame(rows)
    types = dict.fromkeys(figures, "float64") | {"monthly_active_count": "Int64"}
    keys = ["breakdown", "channel", "month"]
    return frame.astype(types).sort_values(keys, ignore_index=True)


def concentrations(shop: Shop, measure: str = "revenue") -> pd.DataFrame:
    """Share of the best 1 to 100 % of the buyers, and Gini.

    Margin is that of the orders whose cost is known.
    """
    sums = values(shop)
    all_revenue = sums["revenue"].sum()
    unidentified = sums["revenue"].get(UNIDENTIFIED, 0)
    buyers = sums[(sums["order_count"] > 0) & (sums.index != UNIDENTIFIED)]
    theirs = shop.orders[shop.orders["customer_id"].isin(buyers.index)]
    counts = theirs[theirs["is_purchase"] | theirs["has_return"]]
    known = counts.assign(margin=counts["revenue"] - counts["cost"])
    known = known.dropna(subset=[measure])
    unknown = counts.drop(index=known.index)
    amounts = known.groupby("customer_id")[measure].sum().to_numpy()
    amounts = np.sort(amounts)[::-1]
    n = len(amounts)
    gini = np.nan
    if measure == "revenue" and amounts.min() >= 0:
        # Half of the mean difference of all pairs, in terms of the mean: the definition
        # that the formula over ranks abbreviates.
        differences = np.abs(amounts[:, None] - amounts[None, :]).sum()
        gini = differences / (2 * n * amounts.sum())
    rows = []
    for top_pct in range(1, 101):
        count = -(-top_pct * n // 100)
        rows.append(
            {
                "top_pct": top_pct,
                "customer_count": count,
                "amount": amounts[:count].sum() / 100,
                "share_pct": 100 * amounts[:count].sum() / amounts.sum(),
                "ties_at_edge_count": (amounts[count:] == amounts[count - 1]).sum(),
                "gini": gini,
                "unknown_customer_count": unknown["customer_id"].nunique(),
                "unknown_revenue_share_pct": 100
                * unknown["revenue"].sum()
                / buyers["revenue"].sum(),
                "unidentified_revenue_share_pct": 100 * unidentified / all_revenue,
                "n": n,
            }
        )
    return pd.DataFrame(rows)


def memberships(shop: Shop) -> pd.DataFrame:
    """The segment of each customer in each of Kith's schemes."""
    sums = values(shop).reindex(sorted(shop.customers)).fillna({"order_count": 0})
    scores, states = rfm_scores(shop), activity_states(shop)
    begin = shop.as_of - pd.Timedelta(364, "D")
    year = shop.orders[shop.orders["day"] >= begin].groupby("customer_id")["revenue"]
    year = year.sum().drop(UNIDENTIFIED, errors="ignore")
    year = year[year > 0]
    rank = 100 * (year.rank(method="min", ascending=False) - 1) / len(year)
    tier = pd.cut(rank, [-1, 4.999999, 19.999999, 49.999999, 100], labels=False)
    tiers = {0: "VIP", 1: "High", 2: "Middle", 3: "Low"}
    brought = sums.loc[sums["revenue"] > 0, "revenue"]
    above = brought.map(lambda revenue: brought[brought > revenue].sum())
    share = 100 * above / brought.sum()
    worth = share.map(
        lambda pct: "Core" if pct < 80 else "Supporting" if pct < 95 else "Marginal"
    ).reindex(sums.index, fill_value="No revenue")
    worth[(sums["revenue"] < 0) | (sums["margin"] < 0)] = "Loss-making"
    current = months(shop)
    current = current[current["month"] == month_of(pd.Series([shop.as_of]))[0]]
    lifecycle = current.set_index("customer_id")["lifecycle"].dropna().str.capitalize()
    named = {
        "rfm": (scores["segment"], "no_purchase_in_window"),
        "rfm_type": (scores["value_type"], "no_purchase_in_window"),
        "activity": (states["state"], "never_purchased"),
        "tier": (tier.map(tiers), "No revenue in 365 days"),
        "lifecycle": (lifecycle, "never_purchased"),
        "value": (worth, "No revenue"),
    }
    return pd.DataFrame(
        {
            scheme: names.reindex(sums.index).fillna(otherwise)
            for scheme, (names, otherwise) in named.items()
        }
    )


def segments(shop: Shop) -> pd.DataFrame:
    """Size and value of each segment of each scheme, beside the averages."""
    everybody = [*sorted(shop.customers), UNIDENTIFIED]
    sums = values(shop).reindex(everybody).fillna(0)
    if not sums.loc[UNIDENTIFIED, COUNTS].any():
        sums = sums.drop(index=UNIDENTIFIED)
    is_known = sums.index != UNIDENTIFIED
    is_buyer = is_known & (sums["order_count"] > 0)
    schemes = memberships(shop)
    mean = sums.loc[is_known, "revenue"].mean()
    buyer_mean = sums.loc[is_buyer, "revenue"].mean()
    rows = []
    for scheme in schemes:
        names = schemes[scheme].reindex(sums.index, fill_value=UNIDENTIFIED)
        for name, members in sums.groupby(names):
            customers = members[is_known[names == name]]
            buyers = members[is_buyer[names == name]]
            rows.append(
                {
                    "scheme": scheme,
                    "segment": name,
                    "customer_count": len(customers),
                    "customer_share_pct": 100 * len(customers) / is_known.sum(),
                    "buyer_count": len(buyers),
                    "order_count": members["order_count"].sum(),
                    "revenue_amount": members["revenue"].sum() / 100,
                    "revenue_share_pct": 100
                    * members["revenue"].sum()
                    / sums["revenue"].sum(),
                    "revenue_index": customers["revenue"].mean() / mean,
                    "buyer_revenue_index": buyers["revenue"].mean() / buyer_mean,
                    "n": len(customers),
                }
            )
    keys = ["scheme", "segment"]
    return pd.DataFrame(rows).sort_values(keys, ignore_index=True)
