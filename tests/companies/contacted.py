"""Contact plans of the demo, computed over its feeds from the definitions."""

from collections import Counter, defaultdict
from collections.abc import Callable
from statistics import NormalDist, median
from typing import Any

import pandas as pd
import pytest

Query = Callable[[str], pd.DataFrame]
Counts = dict[Any, tuple[int, int]]  # noticed, messages
BANDS = range(8, 19)  # three hours each between 8 and 21
_OWN, _OF_MANY, _PRIOR = 20, 200, 10
_PERSON_ALONE = "from intermediate.identities where customer_id is not null"
_PERSON = """
    left join intermediate.identities as identities
        using (identifier_type, identifier_value)
"""


def _interval(share: float, n: int) -> tuple[float, float]:
    """Wilson's, of 95 %."""
    z2 = NormalDist().inv_cdf(0.975) ** 2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = (z2 * (share * (1 - share) / n + z2 / (4 * n * n))) ** 0.5 / (1 + z2 / n)
    return middle - half, middle + half


def _shrunk(counts: tuple[int, int], wider: float) -> float:
    return (counts[0] + _PRIOR * wider) / (counts[1] + _PRIOR)


def _counts(rows: pd.DataFrame, *keys: str) -> Counts:
    grouped = rows.groupby(list(keys) if len(keys) > 1 else keys[0])["noticed"]
    return {
        key: (int(noticed), int(count))
        for key, noticed, count in grouped.agg(["sum", "count"]).itertuples()
    }


def _banded(hours: Counts) -> list[tuple[int, int]]:
    return [
        (
            sum(hours.get(hour, (0, 0))[0] for hour in range(band, band + 3)),
            sum(hours.get(hour, (0, 0))[1] for hour in range(band, band + 3)),
        )
        for band in BANDS
    ]


def check_plans(query: Query) -> Counter[str]:
    """Compare each plan with its computation; returns how many have which level."""
    plans = query("from customer.contact_plans").set_index("customer_id")
    sent = query(
        "select customer_id, channel, "
        "sent_at at time zone 'UTC' at time zone 'Europe/Berlin' as sent_at, "
        "opened_at is not null or responded_at is not null as noticed, campaign_id "
        f"from feeds.contacts {_PERSON}"
    )
    assert set(sent.groupby("channel")["noticed"].max()) == {True}
    sent["hour"] = sent["sent_at"].dt.hour
    tiers = query(
        "select customer_id, segment from segment.segment_memberships "
        "where scheme = 'tier' and is_current"
    ).set_index("customer_id")["segment"]
    sent["segment"] = sent["customer_id"].map(tiers)
    known = sent.dropna(subset=["customer_id"])
    _check_pressure(plans, known)
    _check_channels(plans, sent, known, tiers, query)
    _check_hours(plans, sent, known, tiers)
    _check_needs(plans, query)
    _check_prices(plans, query)
    return Counter(plans["hour_level"])


def _check_pressure(plans: pd.DataFrame, known: pd.DataFrame) -> None:
    days = known["sent_at"].dt.normalize()
    as_of = pd.Timestamp(plans["as_of_date"].iloc[0])
    within = known[days > as_of + pd.Timedelta(days=1 - 30)]
    counts = within.groupby("customer_id").size().reindex(plans.index, fill_value=0)
    assert counts.tolist() == plans["contact_count"].tolist()
    last = days.groupby(known["customer_id"]).max().reindex(plans.index)
    assert last.equals(plans["last_contact_on"].astype(last.dtype).rename("sent_at"))


def _check_channels(
    plans: pd.DataFrame,
    sent: pd.DataFrame,
    known: pd.DataFrame,
    tiers: pd.Series,
    query: Query,
) -> None:
    consents = query(
        f"select * from feeds.consents {_PERSON} where purpose = 'marketing' "
        "order by changed_at, is_granted desc"
    )
    latest: dict[str, dict[str, bool]] = defaultdict(dict)
    for row in consents.dropna(subset=["customer_id"]).itertuples():
        latest[row.customer_id][row.channel] = row.is_granted
    assert set(consents["channel"]) == {"email", "phone"}
    # Each of the two reaches who has an identifier called like it.
    known_by = query(f"select customer_id, identifier_type {_PERSON_ALONE}")
    reached = set(known_by.itertuples(index=False, name=None))
    costs = query("select campaign_id, cost_amount from customer.campaigns")
    amounts = costs.set_index("campaign_id")["cost_amount"].astype(float)
    led = sent.dropna(subset=["campaign_id"]).groupby("channel")["campaign_id"]
    cost = {
        channel: round(amounts[sorted(set(ids))].sum() / len(ids), 2)
        for channel, ids in led
    }
    of_all = _counts(sent, "channel")
    of_tier, of_own = (
        _counts(known, "segment", "channel"),
        _counts(known, "customer_id", "channel"),
    )
    totals, tier_totals = (
        known["customer_id"].value_counts(),
        (known["segment"].value_counts()),
    )
    for customer, plan in plans.iterrows():
        shares, may_use = {}, False
        tier = tiers[customer]
        is_own = totals.get(customer, 0) >= _OWN
        is_of_tier = tier_totals.get(tier, 0) >= _OF_MANY
        for channel, granted in latest[customer].items():
            may_use |= granted
            if granted and (customer, channel) in reached:
                share = of_all[channel][0] / of_all[channel][1]
                if is_own or is_of_tier:
                    share = _shrunk(of_tier.get((tier, channel), (0, 0)), share)
                if is_own:
                    share = _shrunk(of_own.get((customer, channel), (0, 0)), share)
                shares[channel] = share
        if not shares:
            assert pd.isna(plan["channel"])
            assert ("address" if may_use else "consent") in plan["blocked_by"]
            continue
        best = min(shares, key=lambda name: (-shares[name], cost.get(name, 0), name))
        assert plan["channel"] == best
        assert plan["channel_noticed_share"] == pytest.approx(shares[best], rel=1e-12)
        if is_own:
            level, n = "customer", of_own.get((customer, best), (0, 0))[1]
        elif is_of_tier:
            level, n = "segment", of_tier.get((tier, best), (0, 0))[1]
        else:
            level, n = "all", of_all[best][1]
        assert (plan["channel_level"], plan["channel_n"]) == (level, n)
        found = plan["channel_noticed_share_low"], plan["channel_noticed_share_high"]
        assert found == pytest.approx(_interval(shares[best], n + _PRIOR), rel=1e-9)


def _check_hours(
    plans: pd.DataFrame, sent: pd.DataFrame, known: pd.DataFrame, tiers: pd.Series
) -> None:
    everybody = sent["noticed"].mean()
    counts = _banded(_counts(sent, "hour"))
    of_all = [_shrunk(each, everybody) for each in counts]
    found: dict[str, tuple[str, list[tuple[int, int]], list[float]]] = {}
    of_tier = {}
    for tier, rows in known.groupby("segment"):
        if len(rows) >= _OF_MANY:
            banded = _banded(_counts(rows, "hour"))
            of_tier[tier] = [
                _shrunk(each, wider) for each, wider in zip(banded, of_all, strict=True)
            ]
            found[str(tier)] = ("segment", banded, of_tier[tier])
    for customer, rows in known.groupby("customer_id"):
        if len(rows) >= _OWN:
            banded = _banded(_counts(rows, "hour"))
            widers = of_tier.get(tiers[customer], of_all)
            shares = [_shrunk(*both) for both in zip(banded, widers, strict=True)]
            found[str(customer)] = ("customer", banded, shares)
    for customer, plan in plans.iterrows():
        level, banded, shares = found.get(
            str(customer), found.get(tiers[customer], ("all", counts, of_all))
        )
        best = max(range(len(BANDS)), key=lambda band: (shares[band], -band))
        assert plan["hour_from"] == BANDS[best]
        assert (plan["hour_level"], plan["hour_n"]) == (level, banded[best][1])
        assert plan["hour_noticed_share"] == pytest.approx(shares[best], rel=1e-12)
        bounds = plan["hour_noticed_share_low"], plan["hour_noticed_share_high"]
        n = banded[best][1] + _PRIOR
        assert bounds == pytest.approx(_interval(shares[best], n), rel=1e-9)


def _check_needs(plans: pd.DataFrame, query: Query) -> None:
    """Who is contacted for a need is contacted for the next one of their profile."""
    profiles = query("from customer.customer_profiles").set_index("customer_id")
    cared = plans[plans["care"] == "need"]
    assert len(cared) > 100
    due = profiles["next_need_due_on"].reindex(cared.index)
    assert due.tolist() == cared["care_due_on"].tolist()


def _check_prices(plans: pd.DataFrame, query: Query) -> None:
    accounts = query(
        "select customers.customer_id, coalesce(records.customer_id, "
        "customers.customer_id) as account from customer.customers "
        "left join intermediate.int_customer_records as records "
        "on records.customer_record_id = customers.account_id"
    ).set_index("customer_id")["account"]
    quotes = query(
        "select customer_id, outcome, price_amount, list_price_amount, quantity "
        f"from feeds.quotes {_PERSON} inner join customer.products as products "
        "on quotes.product_id = products.product_id where outcome is not null"
    ).dropna(subset=["customer_id", "list_price_amount"])
    prices: dict[str, dict[bool, list[float]]] = defaultdict(
        lambda: {True: [], False: []}
    )
    for row in quotes.itertuples():
        ratio = 100 * float(row.price_amount) / float(row.list_price_amount)
        ratio /= float(row.quantity)
        prices[accounts[row.customer_id]][row.outcome == "accepted"].append(ratio)
    ranges = 0
    for customer, plan in plans.iterrows():
        won, lost = (prices[accounts[customer]][is_won] for is_won in (True, False))
        assert plan["quote_won_count"] == len(won)
        assert plan["quote_lost_count"] == len(lost)
        is_told = min(len(won), len(lost)) >= 5 and median(won) < median(lost)
        assert pd.notna(plan["price_from_pct"]) == is_told
        assert pd.isna(plan["price_missing_reason"]) == is_told
        if is_told:
            ranges += 1
            found = plan["price_from_pct"], plan["price_until_pct"]
            assert found == pytest.approx((median(won), median(lost)), rel=1e-9)
            # Offers are drawn between 75 and 109 % of the list price.
            assert 74 < min(found) < max(found) < 110
    assert ranges > 10
