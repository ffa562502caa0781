"""Offers by whole frames in pandas, from the definition in recommendations.yml."""

import numpy as np
import pandas as pd

HALF_YEAR = pd.Timedelta(days=182.625)


def crossed(rows: pd.DataFrame, products: list[str], values: str) -> pd.DataFrame:
    """Sums by customer and product; a row per customer of any product."""
    found = rows.pivot_table(
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
    weight: float | None,
    offered: set[str] | None = None,
) -> pd.DataFrame:
    """Of each customer and product the expected share; nan where once is enough.

    `bought` has a row per customer_id, product_key and day, `children` customer_id and
    born. Without a weight the share in the buyers of all.
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
    if weight is None:
        share = pd.DataFrame(
            np.tile(buyers / buyers.sum(), (len(who), 1)), index=who, columns=products
        )
    else:
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
        share = (own + weight * other) / (total + weight)
    once = [product for product in products if again[product] < 0.02]
    share[once] = share[once].mask(has[once] > 0)
    return share


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


def hits(
    bought: pd.DataFrame,
    children: pd.DataFrame,
    day: pd.Timestamp,
    weight: float | None,
    most: int = 10,
) -> pd.Series:
    """Whether who had bought, and buys within 30 days, buys any of the first offers."""
    then = bought[(bought["day"] > day) & (bought["day"] <= day + pd.Timedelta("30D"))]
    then = then[["customer_id", "product_key"]].drop_duplicates()
    known = set(bought.loc[bought["day"] <= day, "customer_id"])
    offers = ranked(shares(bought, children, day, weight))
    offers = offers[offers["rank"] <= most].merge(then, how="inner")
    judged = sorted(known & set(then["customer_id"]))
    return pd.Series(
        pd.Index(judged).isin(offers["customer_id"]), index=judged, dtype=bool
    )


def best_weight(
    bought: pd.DataFrame, children: pd.DataFrame, day: pd.Timestamp
) -> float:
    """Of three weights the one with the most hits in the 30 days up to a day."""
    before = day - pd.Timedelta("30D")
    until = bought[bought["day"] <= day]
    found = {
        weight: hits(until, children, before, weight).sum()
        for weight in (30.0, 300.0, 3000.0)
    }
    return max(found, key=lambda weight: (found[weight], weight))
