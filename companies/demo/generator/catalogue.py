"""What does not grow with the customers: range, stores, campaigns, goals, rivals."""

import datetime as dt

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from .draws import Draws, Integers
from .plan import (
    BRANDS,
    CAMPAIGN_DAYS,
    CAMPAIGNS,
    CATEGORIES,
    CITIES,
    CRISIS,
    NOT_IN_INVENTORY,
    OUT_OF_STOCK,
    PRODUCTS_PER_CATEGORY,
    STORES_PER_CITY,
    Plan,
)
from .rows import DAY, Rows, row_ids
from .texts import decimals, joined, local_times, padded, picked

RIVALS = ["Kinderland", "babyplus", "Hartmann & Sohn"]
_NEWEST = 3  # products per category that come in the second year
CRISIS_PRODUCT = CATEGORIES.index(str(CRISIS["category"])) * PRODUCTS_PER_CATEGORY + 2


def product_count() -> int:
    """Products in the range."""
    return len(CATEGORIES) * PRODUCTS_PER_CATEGORY


def list_price(product: Integers) -> Integers:
    """Cents; one tail of dear products in every category."""
    place = product % PRODUCTS_PER_CATEGORY
    return 299 + 100 * (place % 12) + 1500 * (place // 12) + 50 * (product // 24)


def unit_cost(product: Integers) -> Integers:
    """Cents; two products in a hundred cost more than they bring."""
    dear = product % 50 == 11
    return list_price(product) * np.where(dear, 110, 55 + product % 20) // 100


def launch_day(product: Integers) -> Integers:
    """Day on which it is first sold; far back for most."""
    is_new = product % PRODUCTS_PER_CATEGORY >= PRODUCTS_PER_CATEGORY - _NEWEST
    return np.where(is_new, 366 + 20 * (product // PRODUCTS_PER_CATEGORY), -900)


def is_missing(product: Integers) -> npt.NDArray[np.bool_]:
    """Whether the inventory system does not know it."""
    return np.isin(product, [int(number[1:]) for number in NOT_IN_INVENTORY])


def sold_instead(product: Integers, day: Integers) -> Integers:
    """An older product where the drawn one is not launched yet."""
    return np.where(day < launch_day(product), product - _NEWEST, product)


def product_number(product: Integers) -> pa.Array:
    """Its number in the range."""
    return joined("P", padded(product, 4))


def store_number(store: Integers) -> pa.Array:
    """A store's number."""
    return joined("S", padded(store, 3))


def _dates(plan: Plan, days: Integers) -> pa.Array:
    start = np.datetime64(plan.first_day, "D")
    return pa.array(start + days.astype("timedelta64[D]"))


def products(plan: Plan, draws: Draws, as_of: dt.date) -> Rows:
    """The range as it stood on a day, without what the inventory system lacks."""
    day = (as_of - plan.first_day).days
    product = np.arange(product_count())
    product = product[(launch_day(product) <= day) & ~is_missing(product)]
    category = picked(CATEGORIES, product // PRODUCTS_PER_CATEGORY)
    brand = picked(BRANDS, draws.below(len(BRANDS), "brand", product))
    is_out = np.isin(product, [int(number[1:]) for number in OUT_OF_STOCK])
    on_hand = 5 + draws.below(400, "stock", product, np.full(len(product), day))
    return Rows(
        {
            "product_number": product_number(product),
            "name": joined(brand, " ", category, " ", product % PRODUCTS_PER_CATEGORY),
            "category": category,
            "brand": brand,
            "list_price": decimals(list_price(product)),
            "unit_cost": decimals(unit_cost(product)),
            "stock": pa.array(np.where(is_out, 0, on_hand)),
            "launched_on": _dates(plan, launch_day(product)),
        },
        row_ids(draws, "products", product),
        product,
    )


def places(plan: Plan, draws: Draws) -> Rows:
    """All stores."""
    store = np.arange(len(CITIES) * STORES_PER_CITY)
    city = store // STORES_PER_CITY
    names, regions, north, east, _ = zip(*CITIES, strict=True)
    nudge = 0.01 * (store % STORES_PER_CITY)
    opened = -4000 + draws.below(3000, "opened", store)
    return Rows(
        {
            "store_number": store_number(store),
            "name": joined(
                "Wiesenkind ", picked(list(names), city), " ", store % 2 + 1
            ),
            "kind": picked(["store", "mall"], (store % 5 == 0).astype(np.int64)),
            "city": picked(list(names), city),
            "region": picked(list(regions), city),
            "latitude": pa.array((np.array(north)[city] + nudge).round(4)),
            "longitude": pa.array((np.array(east)[city] + nudge).round(4)),
            "opened_on": _dates(plan, opened),
        },
        row_ids(draws, "places", store),
        store,
    )


def campaigns(plan: Plan, draws: Draws) -> Rows:
    """The campaigns that begin and end in the planned days."""
    known = [c for c in CAMPAIGNS if c[2] + CAMPAIGN_DAYS < plan.days]
    day = np.array([c[2] for c in known], dtype=np.int64)
    number = np.arange(len(known))
    return Rows(
        {
            "campaign": pa.array([c[0] for c in known], pa.string()),
            "name": joined("Aktion ", number + 1),
            "channel": pa.array([c[1] for c in known], pa.string()),
            "starts_at": local_times(plan.first_day, day * DAY),
            "ends_at": local_times(plan.first_day, (day + CAMPAIGN_DAYS) * DAY),
            "cost": decimals(50000 + 100 * draws.below(4000, "campaign cost", number)),
        },
        row_ids(draws, "campaigns", number),
        day * DAY,
    )


def goals(plan: Plan, draws: Draws) -> Rows:
    """Targets of each quarter."""
    starts = [
        day
        for year in range(plan.first_day.year, plan.last_day.year + 1)
        for month in (1, 4, 7, 10)
        if (day := dt.date(year, month, 1)) <= plan.last_day
    ]
    measures = ["revenue", "new_members", "nps"]
    scale = [90.0 * plan.customers, 0.055 * plan.customers, 45.0]
    number = np.arange(len(starts) * len(measures))
    which = number % len(measures)
    start = [starts[n // len(measures)] for n in number]
    # A day of the month after next but one is in the last month of the quarter.
    follows = [(day + dt.timedelta(days=95)).replace(day=1) for day in start]
    end = [day - dt.timedelta(days=1) for day in follows]
    return Rows(
        {
            "goal": joined("Z", padded(number, 3)),
            "measure": picked(measures, which),
            "scope": picked(["company", "company", "stores"], which),
            "first_day": pa.array(start, pa.date32()),
            "last_day": pa.array(end, pa.date32()),
            "target": pa.array(np.array(scale)[which]),
        },
        row_ids(draws, "goals", number),
        number,
    )


def competitor_offers(plan: Plan, draws: Draws) -> Rows:
    """What rivals asked for our products, collected on the first of each quarter.

    A collection holds some offers that were seen up to six days earlier.
    """
    firsts = [
        (day - plan.first_day).days
        for year in range(plan.first_day.year, plan.last_day.year + 1)
        for month in (1, 4, 7, 10)
        if plan.first_day < (day := dt.date(year, month, 1)) <= plan.last_day
    ]
    per_quarter = 180
    number = np.arange(len(firsts) * per_quarter)
    crawl = np.array(firsts, dtype=np.int64)[number // per_quarter]
    is_late = draws.uniform("late offer", number) < 0.05
    seen = crawl - np.where(is_late, 1 + draws.below(6, "offer delay", number), 0)
    product = draws.below(product_count(), "offered", number)
    factor = 85 + draws.below(30, "offer price", number)
    seconds = seen * DAY + (9 + number % 8) * 3600 + number % per_quarter
    return Rows(
        {
            "offer": joined("O", padded(number, 6)),
            "competitor": picked(RIVALS, number % len(RIVALS)),
            "product_number": product_number(product),
            "price": decimals(list_price(product) * factor // 100),
            "seen_at": local_times(plan.first_day, seconds),
        },
        row_ids(draws, "competitor_offers", number),
        seconds,
        crawl,
    )
