"""Offers by whole frames in pandas, from the definition in recommendations.yml."""

import numpy as np
import pandas as pd

HALF_YEAR = pd.Timedelta(days=182.625)


def crossed(rows: pd.DataFrame, products: list[str], values: str) -> pd.DataFrame:
    """Sums by customer and product."""
    found = rows[rows["product_key"].isin(products)].pivot_table(
        index="customer_id", columns="product_key", values=values, aggfunc="sum"
    )
    return found.reindex(columns=products).fillna(0.0)


def range_of(
    bought: pd.DataFrame, day: pd.Timestamp, offered: set[str] | None = None
) -> pd.Series:
    """Products with most buyers in 90 days, 1,000 at most, and their buyers."""
    recent = bought[
        (bought["day"] <= day) & (bought["day"] > day - pd.Timedelta("90D"))
    ]
    if offered is not None:
        recent = recent[recent["product_key"].isin(offered)]
    buyers = recent.groupby("product_key")["customer_id"].nunique().reset_index()
    buyers = buyers.sort_values(["customer_id", "product_key"], ascending=[False, True])
    return buyers.set_index("product_key")["customer_id"].head(1000)


def shares(
    bought: pd.DataFrame,
    children: pd.DataFrame,
    day: pd.Timestamp,
    weights: list[float | None],
    offered: set[str] | None = None,
) -> list[pd.DataFrame]:
    """By weight, of each customer and product the share; nan where once is enough.

    `bought` has a row per customer_id, product_key and day, `children` customer_id and
    born. Without a weight it is the share in the buyers of all.
    """
    bought = bought[bought["day"] <= day]
    buyers = range_of(bought, day, offered)
    products = list(buyers.index)
    who = sorted({*bought["customer_id"], *children["customer_id"]})
    bought = bought.assign(
        one=1.0, own=np.exp(-(day - bought["day"]).dt.days.to_numpy() / 180)
    )
    times = bought.groupby(["customer_id", "product_key"]).size()
    again = (times > 1).groupby("product_key").agg(["sum", "size"])
    rate = again["sum"].sum() / again["size"].sum()
    again = (again["sum"] + 5 * rate) / (again["size"] + 5)
    has = crossed(bought, products, "one").reindex(who).fillna(0.0)
    own = crossed(bought, products, "own").reindex(who).fillna(0.0)
    is_own = (has > 0).to_numpy(float)
    both = is_own.T @ is_own
    count = bought["customer_id"].nunique()
    by_chance = np.outer(np.diag(both), np.diag(both)) / count
    lifts = np.log((both + 10) / (by_chance + 10))
    np.fill_diagonal(lifts, 0)
    total = own.sum(axis=1).to_numpy()[:, None]
    spoken = 3 * (own.to_numpy() @ lifts) / (total + 1)
    spoken += _spoken_by_children(bought, children, day, who, products)
    other = buyers.to_numpy() * np.exp(spoken)
    other /= other.sum(axis=1, keepdims=True)
    once = [product for product in products if again[product] < 0.02]
    found = []
    for weight in weights:
        if weight is None:
            usual = np.tile(buyers / buyers.sum(), (len(who), 1))
            share = pd.DataFrame(usual, index=who, columns=products)
        else:
            share = (own + weight * other) / (total + weight)
        share[once] = share[once].mask(has[once] > 0)
        found.append(share)
    return found


def _spoken_by_children(
    bought: pd.DataFrame,
    children: pd.DataFrame,
    day: pd.Timestamp,
    who: list[str],
    products: list[str],
) -> np.ndarray:
    bought = bought[bought["product_key"].isin(products)]
    with_child = bought.merge(children, on="customer_id")
    with_child["band"] = (with_child["day"] - with_child["born"]) // HALF_YEAR
    by_band = with_child.pivot_table(
        index="band", columns="product_key", values="one", aggfunc="sum"
    )
    by_band = by_band.reindex(columns=products).reindex(range(-2, 36)).fillna(0.0)
    usual = bought["product_key"].value_counts().reindex(products) / len(bought)
    by_chance = np.outer(by_band.sum(axis=1), usual)
    lifts = np.log((by_band + 10) / (by_chance + 10))
    now = children.assign(band=(day - children["born"]) // HALF_YEAR)
    now = now[now["band"].between(-2, 35)]
    spoken = lifts.reindex(now["band"]).set_axis(now["customer_id"])
    return spoken.groupby(level=0).mean().reindex(who).fillna(0.0).to_numpy()


def ranked(share: pd.DataFrame) -> pd.DataFrame:
    """The ten best of each customer: customer_id, rank, product_key, expected_share."""
    values = share.round(12).fillna(-1.0).to_numpy()
    order = np.argsort(-values, axis=1, kind="stable")[:, :10]
    kept = np.take_along_axis(values, order, axis=1) >= 0
    row, rank = np.nonzero(kept)
    at = order[row, rank]
    return pd.DataFrame(
        {
            "customer_id": share.index.to_numpy()[row],
            "rank": rank + 1,
            "product_key": share.columns.to_numpy()[at],
            "expected_share": share.to_numpy()[row, at],
        }
    )


def first_hits(
    bought: pd.DataFrame,
    children: pd.DataFrame,
    day: pd.Timestamp,
    weights: list[float | None],
) -> list[pd.Series]:
    """By weight, the rank of the first offer that was bought within 30 days, or inf.

    Of customers who had bought by the day and bought within these days.
    """
    then = bought[(bought["day"] > day) & (bought["day"] <= day + pd.Timedelta("30D"))]
    then = then[["customer_id", "product_key"]].drop_duplicates()
    known = set(bought.loc[bought["day"] <= day, "customer_id"])
    judged = sorted(known & set(then["customer_id"]))
    found = []
    for share in shares(bought, children, day, weights):
        bought_of_it = ranked(share).merge(then, on=["customer_id", "product_key"])
        first = bought_of_it.groupby("customer_id")["rank"].min()
        found.append(first.reindex(judged).fillna(np.inf))
    return found


def best_weight(
    bought: pd.DataFrame, children: pd.DataFrame, day: pd.Timestamp
) -> float:
    """Of three weights the one with the most hits in the 30 days up to a day."""
    weights = [30.0, 300.0, 3000.0]
    until = bought[bought["day"] <= day]
    first = first_hits(until, children, day - pd.Timedelta("30D"), [*weights])
    hits = [int((rank <= 10).sum()) for rank in first]
    return max(zip(hits, weights, strict=True))[1]
