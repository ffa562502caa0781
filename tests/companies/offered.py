"""Offers of a built company, held against a computation over whole frames."""

from collections.abc import Callable

import pandas as pd

from tests.models import offers

Query = Callable[[str], pd.DataFrame]


def grounds(query: Query) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What was bought on which day, and children, of who may be profiled."""
    customers = query(
        "select customer_id from customer.customers "
        "where customer_id != 'unidentified' and coalesce(may_be_profiled, true)"
    )
    known = set(customers["customer_id"])
    bought = query(
        "select customer_id, product_key, order_date as day, quantity, is_purchase "
        "from customer.order_lines where product_key is not null"
    )
    bought = bought[
        bought["customer_id"].isin(known)
        & bought["is_purchase"]
        & (bought["quantity"].astype(float) > 0)
    ]
    children = query(
        "select customer_id, birth_date as born from feeds.dependants "
        "inner join intermediate.identities using (identifier_type, identifier_value)"
    ).dropna()
    children = children[children["customer_id"].isin(known)].drop_duplicates()
    return bought[["customer_id", "product_key", "day"]].drop_duplicates(), children


def refused(query: Query) -> set[str]:
    """Who withdrew the last permission of marketing, or that of all channels."""
    words = query(
        "select customer_id, lower(channel) as channel, is_granted, changed_at "
        "from feeds.consents "
        "inner join intermediate.identities using (identifier_type, identifier_value) "
        "where purpose = 'marketing' order by changed_at"
    )
    latest: dict[str, dict[str | None, bool]] = {}
    for word in words.itertuples():
        channel = None if pd.isna(word.channel) else word.channel
        latest.setdefault(word.customer_id, {})[channel] = word.is_granted
    return {
        customer
        for customer, granted in latest.items()
        if not any(granted.values()) or granted.get(None) is False
    }


def check_offers(query: Query) -> pd.Series:
    """See that marts and computation agree; returns the values of all metrics."""
    bought, children = grounds(query)
    found = query(
        "select * from segment.model_evaluations where model = 'recommendations'"
    ).set_index("metric")
    as_of = found["window_end"].iloc[0]
    before = as_of - pd.Timedelta("30D")
    weight = offers.best_weight(bought, children, before)
    ours, usual = offers.first_hits(bought, children, before, [weight, None])
    expected = {
        "customers": len(ours),
        "own_weight": weight,
        "hit_rate_at_5": (ours <= 5).mean(),
        "hit_rate_at_10": (ours <= 10).mean(),
        "popularity_hit_rate_at_5": (usual <= 5).mean(),
        "popularity_hit_rate_at_10": (usual <= 10).mean(),
        "hit_rate_gained_at_10": (ours <= 10).mean() - (usual <= 10).mean(),
    }
    pd.testing.assert_series_equal(
        found["value"][list(expected)], pd.Series(expected), check_names=False
    )
    assert (found["n"] == len(ours)).all()

    stock = query(
        "select product_key, stock_quantity from customer.products where is_listed"
    )
    in_stock = stock[stock["stock_quantity"].isna() | (stock["stock_quantity"] > 0)]
    stocked = set(in_stock["product_key"])
    (share,) = offers.shares(bought, children, as_of, [weight], stocked)
    share = share.drop(index=sorted(refused(query) & set(share.index)))
    for row in _declined(query, bought).itertuples():
        if row.customer_id in share.index and row.product_key in share.columns:
            share.loc[row.customer_id, row.product_key] = float("nan")
    ranked = offers.ranked(share)
    mart = query("from customer.recommendations order by customer_id, rank")
    pd.testing.assert_frame_equal(
        mart[list(ranked.columns)], ranked, check_dtype=False, rtol=1e-9
    )
    days = bought.groupby(["customer_id", "product_key"])["day"].agg(
        ["size", "min", "max"]
    )
    told = mart.join(days, on=["customer_id", "product_key"])
    assert (told["bought_day_count"] == told["size"].fillna(0)).all()
    own = told[told["size"] > 0]
    assert (own["last_bought_on"] == own["max"]).all()
    gap = ((own["max"] - own["min"]).dt.days / (own["size"] - 1)).round()
    due = own["max"] + pd.to_timedelta(gap, unit="D")
    assert (own["due_on"].isna() == (own["size"] == 1)).all()
    assert (own["due_on"].dropna() == due[own["size"] > 1]).all()
    return found["value"].combine_first(found["lower_bound"].add_prefix("least_"))


def _declined(query: Query, bought: pd.DataFrame) -> pd.DataFrame:
    quotes = query(
        "select customer_id, reference_key as product_key, quoted_at from feeds.quotes "
        "inner join intermediate.identities using (identifier_type, identifier_value) "
        "inner join intermediate.int_references_resolved as resolved "
        "on resolved.source = quotes.source and reference_id = product_id "
        "and kind = 'product' where outcome = 'declined'"
    )
    last = bought.groupby(["customer_id", "product_key"])["day"].max().rename("bought")
    quotes = quotes.join(last, on=["customer_id", "product_key"])
    # A purchase on the day itself may have come before.
    is_bought_since = quotes["bought"] > quotes["quoted_at"]
    return quotes[~is_bought_since]
