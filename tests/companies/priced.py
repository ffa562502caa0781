"""Responses to prices of a built company, by whole frames in pandas."""

from collections.abc import Callable

import numpy as np
import pandas as pd

Query = Callable[[str], pd.DataFrame]
WEEK = pd.Timedelta("7D")


def check_price_responses(query: Query) -> pd.DataFrame:
    """See that the mart and a computation agree; returns the mart."""
    mart = query("from customer.price_responses").set_index(
        ["period_start", "stickiness"]
    )
    found, bands = {}, _bands(query)
    for year, lines in _lines(query).groupby("year"):
        watched, varying, chosen = _weeks(lines)
        own = lines[lines["product_key"].isin(chosen["product_key"])]
        for band in ("all", "low", "middle", "high"):
            found[pd.Timestamp(year, 1, 1), band] = {
                "watched_product_count": watched,
                "varying_product_count": varying,
            } | _response(
                own, chosen, bands if band == "all" else bands[bands["band"] == band]
            )
    expected = pd.DataFrame(found).T.infer_objects()
    is_told = mart["price_response"].notna()
    for name in expected:
        ours = expected[name].reindex(mart.index)
        if not name.endswith("_count") and name != "n":
            ours = ours.where(is_told)
        pd.testing.assert_series_equal(
            mart[name], ours, check_dtype=False, check_names=False, rtol=1e-6
        )
    few = (
        (expected["varying_product_count"] < 20)
        | (expected["product_count"] < 20)
        | (expected["n"] < 100)
    )
    assert (few.reindex(mart.index) == mart["missing_reason"].notna()).all()
    assert (is_told == mart["missing_reason"].isna()).all()
    return mart


def _lines(query: Query) -> pd.DataFrame:
    """Purchases in whole weeks of a year, with the logarithm of their price."""
    lines = query(
        "select customer_id, product_key, order_date, "
        "cast(unit_price_amount as double) as price from customer.order_lines "
        "where is_purchase and product_key is not null and quantity > 0 "
        "and unit_price_amount > 0"
    )
    (day,) = query("select as_of_date, first_day from kith.run").itertuples(index=False)
    lines["week"] = lines["order_date"] - pd.to_timedelta(
        lines["order_date"].dt.dayofweek, unit="D"
    )
    last = lines["week"] + pd.Timedelta("6D")
    lines["year"] = lines["week"].dt.year
    whole = (
        (last <= day.as_of_date)
        & (lines["week"] >= day.first_day)
        & (last.dt.year == lines["year"])
    )
    # As exact as the mart has it: hundredths of a per cent.
    lines["log"] = np.round(1e4 * np.log(lines["price"])) / 1e4
    return lines[whole]


def _weeks(lines: pd.DataFrame) -> tuple[int, int, pd.DataFrame]:
    """Products looked at, products that vary, weeks at the usual and a lower price."""
    kept: list[pd.DataFrame] = []
    watched = 0
    count = lines["product_key"].value_counts()
    often = lines[lines["product_key"].isin(count.index[count >= 80])]
    for product, own in often.groupby("product_key"):
        weeks = own.groupby("week")["log"]
        span = (own["week"].max() - own["week"].min()) // WEEK + 1
        count = len(weeks)
        if count < 20 or len(own) < 4 * span:
            continue
        watched += 1
        means = weeks.mean()
        within = ((own["log"] - weeks.transform("mean")) ** 2).sum()
        within /= len(own) - count
        between = (weeks.size() * (means - own["log"].mean()) ** 2).sum() / (count - 1)
        beyond = (between - within) / (len(own) / count)
        if not (beyond > 1e-12 and beyond >= within):
            continue
        change = means - means.median()
        change = change[(change <= np.log(0.95)) | (change.abs() <= 0.02)]
        kept.append(
            pd.DataFrame(
                {"product_key": product, "week": change.index, "change": change.values}
            )
        )
    columns = ["product_key", "week", "change"]
    weeks = pd.concat(kept) if kept else pd.DataFrame(columns=columns)
    return watched, len(kept), weeks


def _bands(query: Query) -> pd.DataFrame:
    """Of each customer and month the band, by the months before."""
    months = query(
        "select customer_id, month, order_count > 0 as has_bought "
        "from customer.customer_months where customer_id != 'unidentified' "
        "order by customer_id, month"
    )
    before = months.groupby("customer_id")["has_bought"].transform(
        lambda has: has.astype(float).shift().rolling(12, min_periods=1).mean()
    )
    band = np.select([before >= 2 / 3, before >= 1 / 3], ["high", "middle"], "low")
    return months.assign(band=band)[before.notna()]


def _response(
    lines: pd.DataFrame, chosen: pd.DataFrame, bands: pd.DataFrame
) -> dict[str, float]:
    """Of the customers and months in `bands`."""
    customers = bands.groupby("month").size().rename("customers")
    month = {"month": lambda frame: frame["week"].dt.to_period("M").dt.to_timestamp()}
    own = lines.assign(**month).merge(bands, on=["customer_id", "month"])
    bought = own.groupby(["product_key", "week"]).size().rename("bought")
    if not len(chosen):
        return {"product_count": 0, "n": 0, "usual_purchase_count": 0}
    cells = chosen.assign(**month).join(customers, on="month", how="inner")
    cells = cells.join(bought, on=["product_key", "week"]).fillna({"bought": 0})
    cut = cells["change"] <= np.log(0.95)
    usual = cells[~cut].groupby("product_key")[["bought", "customers"]].sum()
    usual = usual[usual["bought"] > 0]
    rate = usual["bought"] / usual["customers"]
    low = cells[cut & cells["product_key"].isin(usual.index)]
    low = low.assign(due=low["customers"] * low["product_key"].map(rate))
    by_product = low.groupby("product_key")[["bought", "due"]].sum()
    seen = by_product["bought"].sum()
    ratio = seen / by_product["due"].sum()
    change = (low["change"] * low["due"]).sum() / low["due"].sum()
    count = len(by_product)
    residual = by_product["bought"] - ratio * by_product["due"]
    error = np.sqrt((residual**2).sum() / seen**2 * count / max(count - 1, 1))
    return {
        "product_count": count,
        "n": seen,
        "usual_purchase_count": usual.loc[by_product.index, "bought"].sum(),
        "purchase_change_pct": 100 * (ratio - 1),
        "price_change_pct": 100 * (np.exp(change) - 1),
        "price_response": np.log(ratio) / change,
        "price_response_low": (np.log(ratio) + 1.959964 * error) / change,
        "price_response_high": (np.log(ratio) - 1.959964 * error) / change,
    }
