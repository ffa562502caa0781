"""What to offer whom: next purchases after own ones, alike ones and children's ages.

What a customer buys is expected to be, for a part, what they bought before, and for the
rest what is bought most, the more so

- as those who bought what the customer bought also bought it: item to item, by lifts,
  (customers who bought both + 10) / (customers expected by chance + 10), that is shrunk
  to 1 where few bought both;
- as it is bought for children of the age of theirs, by lifts of the same kind.

Older purchases count less. How much own purchases count is chosen on the 30 days before
the held-out ones, and what comes out is judged on the last 30 days, which it has not
seen, against what is bought most. Sums of customers are sums of whole numbers: rows
are the same in whatever order customers come.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse
from threadpoolctl import threadpool_limits

from kith.models import judgements
from kith.models.judgements import Estimate
from kith.models.lifetime_fits import NORMAL_95, Booleans, Floats, Integers

GROUNDS_FROM = ("customer_id", "ground", "product_key", "happened_on")
PRODUCTS_FROM = ("product_key", "may_be_offered")
BOUGHT, CHILD, DECLINED, REFUSED = "bought", "child", "declined", "refused"
OFFERS = 10
HELD_OUT_DAYS = 30
MINIMUM_CUSTOMERS = 100
# Products that were bought in the last days before; of them as many, by their buyers.
RECENT_DAYS = 90
MOST_PRODUCTS = 1_000
# On so many customers lifts are learnt, and on so many it is judged.
MOST_LEARNT_FROM = 100_000
MOST_JUDGED_ON = 20_000
SHRINKAGE = 10.0
FADING_DAYS = 180.0
_SHARPNESS = 3.0
# Ages of children are given as the reason where they make an offer likelier by so much.
_TELLING = np.log(1.25)
# What is expected weighs as much as so many own purchases.
_WEIGHTS = (30.0, 300.0, 3_000.0)
# Of buyers of a product fewer bought it again: to have it once is enough. Of products
# with few buyers the rate of all tells more: it counts as so many buyers.
ONCE_IS_ENOUGH_BELOW = 0.02
_BUYERS_OF_ALL = 5
# Ages of children in half years, from a year before birth to the end of childhood.
_BAND_DAYS = 182.625
_BANDS = range(-2, 36)
_BLOCK = 2_048
_EPOCH = np.datetime64("1970-01-01", "D")

_EVALUATION = pa.schema(
    {
        "metric": pa.string(),
        "value": pa.float64(),
        "lower_bound": pa.float64(),
        "upper_bound": pa.float64(),
        "limit_value": pa.float64(),
        "n": pa.int64(),
        "window_start": pa.date32(),
        "window_end": pa.date32(),
        "status": pa.string(),
        "reason": pa.string(),
    }
)
_OFFER = pa.schema(
    {
        "customer_id": pa.string(),
        "rank": pa.int64(),
        "product_key": pa.string(),
        "expected_share": pa.float64(),
        "ground": pa.string(),
        "because_product_key": pa.string(),
        "child_age_months": pa.int64(),
        "bought_day_count": pa.int64(),
        "last_bought_on": pa.date32(),
        "due_on": pa.date32(),
    }
)
_GROUNDS = ("due_again", "bought_before", "child", "bought_with", "popular")


class Grounds(NamedTuple):
    """What speaks for offers and against. Customers and products are positions.

    Rows of `bought` and `day` stand by customer, product and day, so do those of what
    was declined; children stand by customer. Days count from 1970.
    """

    customers: pa.Array
    products: pa.Array
    may_be_offered: Booleans
    bought: Integers  # customer * number of products + product
    day: Integers
    parent: Integers
    birth: Integers
    declined: Integers  # as bought
    declined_day: Integers
    refused: Integers  # customers to whom nothing may be offered

    @property
    def customer(self) -> Integers:
        """Who bought."""
        return self.bought // max(len(self.products), 1)

    @property
    def product(self) -> Integers:
        """What was bought."""
        return self.bought % max(len(self.products), 1)

    def until(self, day: int) -> "Grounds":
        """What was bought by the end of a day."""
        known = self.day <= day
        return self._replace(bought=self.bought[known], day=self.day[known])


class _Learnt(NamedTuple):
    """Products that can be offered, the most popular first, and what speaks for them.

    `popularity` is the number of customers who bought each within the last days,
    `lifts` has a row per product bought, `child_lifts` one per band of a child's age.
    `sold_count` is the number of all products that were bought within these days.
    """

    sold_count: int
    product: Integers
    popularity: Integers
    is_once_only: Booleans
    lifts: Floats
    child_lifts: Floats


class _Rows(NamedTuple):
    """Customers of a block: what they bought of the products that can be offered."""

    own: Any  # sparse: by how much each product bought counts
    total: Floats  # sums of it
    expected: Floats  # what each product's share is proportional to, but for own ones
    from_items: Floats  # logarithm of the part that alike purchases have in it
    from_children: Floats
    is_excluded: Booleans


def read(grounds: Iterable[pa.Table], products: pa.Table) -> Grounds:
    """Purchases, children and what was declined, by positions.

    `grounds` come in parts with the columns GROUNDS_FROM, in any order; `products` has
    PRODUCTS_FROM.
    """
    products = products.sort_by("product_key")
    keys = products["product_key"].combine_chunks()
    parts = [part for part in grounds if len(part)]
    names = [part["customer_id"].unique() for part in parts]
    customers = (
        pa.chunked_array(names).unique().sort() if names else pa.array([], pa.string())
    )
    found: dict[str, list[tuple[Integers, Integers, Integers]]] = {
        ground: [] for ground in (BOUGHT, CHILD, DECLINED, REFUSED)
    }
    for part in parts:
        for ground, rows in found.items():
            chosen = part.filter(pc.equal(part["ground"], ground))
            days = chosen["happened_on"].cast(pa.date32()).cast(pa.int32())
            rows.append(
                (
                    _places(chosen["customer_id"], customers),
                    _places(chosen["product_key"], keys),
                    np.asarray(days).astype(np.int64),
                )
            )
    bought, child, declined, refused = (
        tuple(
            np.concatenate([np.zeros(0, np.int64), *(row[at] for row in rows)])
            for at in range(3)
        )
        for rows in found.values()
    )
    own, other = (rows[0] * len(keys) + rows[1] for rows in (bought, declined))
    by_own, by_other = np.lexsort((bought[2], own)), np.lexsort((declined[2], other))
    by_parent = np.lexsort((child[2], child[0]))
    return Grounds(
        customers,
        keys,
        np.asarray(products["may_be_offered"]).astype(bool),
        own[by_own],
        bought[2][by_own],
        child[0][by_parent],
        child[2][by_parent],
        other[by_other],
        declined[2][by_other],
        np.unique(refused[0]),
    )


def _places(values: pa.ChunkedArray, known: pa.Array) -> Integers:
    """Positions; 0 for NULL, which nobody looks at."""
    found = pc.fill_null(pc.index_in(values, known), 0)
    return np.asarray(found).astype(np.int64)


def evaluate(grounds: Grounds, as_of: np.datetime64) -> pa.Table:
    """Judge what would have been offered before the last days by what was bought then.

    One row per metric; `status` is published or refused, `reason` says why it is
    refused. Without a purchase there is no row.
    """
    if not len(grounds.bought):
        return _EVALUATION.empty_table()
    today = _number(as_of)
    held_out_from = today - HELD_OUT_DAYS
    with threadpool_limits(1):
        weight = _best_weight(grounds, held_out_from)
        offered, popular, bought, coverage = _hits(
            grounds, held_out_from, today, (weight, None)
        )
    n = len(bought)
    hits = {
        "hit_rate": offered,
        "popularity_hit_rate": popular,
    }
    metrics: list[tuple[str, Estimate, float | None]] = [
        ("customers", Estimate(float(n), n), None),
        ("own_weight", Estimate(weight, n), None),
    ]
    for name, hit in hits.items():
        for most in (5, OFFERS):
            count = int(hit[:, :most].any(axis=1).sum())
            metrics.append((f"{name}_at_{most}", judgements.share(count, n), None))
    gain = _gained(offered.any(axis=1), popular.any(axis=1))
    metrics.append((f"hit_rate_gained_at_{OFFERS}", gain, 0.0))
    for name, share in zip(("coverage", "popularity_coverage"), coverage, strict=True):
        metrics.append((name, Estimate(share, n), None))
    reason = _refusal(n, gain)
    window_end: dt.date = as_of.astype(object)
    window_start = window_end - dt.timedelta(HELD_OUT_DAYS - 1)
    return pa.Table.from_pylist(
        [
            {
                "metric": metric,
                "value": estimate.value,
                "lower_bound": estimate.lower,
                "upper_bound": estimate.upper,
                "limit_value": limit,
                "n": estimate.n,
                "window_start": window_start,
                "window_end": window_end,
                "status": "refused" if reason else "published",
                "reason": reason,
            }
            for metric, estimate, limit in metrics
        ],
        _EVALUATION,
    )


def _refusal(n: int, gain: Estimate) -> str | None:
    value, _, lower, upper = gain
    if n < MINIMUM_CUSTOMERS or value is None or lower is None or upper is None:
        return (
            f"{n} customers who had bought before bought in the held-out "
            f"{HELD_OUT_DAYS} days; {MINIMUM_CUSTOMERS} are required"
        )
    if lower <= 0:
        return (
            "no better than what is bought most: of 100 customers "
            f"{100 * value:+.0f} buy something of what is offered "
            f"({100 * lower:+.0f} to {100 * upper:+.0f})"
        )
    return None


def _gained(offered: Booleans, popular: Booleans) -> Estimate:
    """Difference of two shares of the same customers, with its normal interval."""
    n = len(offered)
    if not n:
        return Estimate(None, 0)
    difference = offered.astype(float) - popular
    value = float(difference.sum()) / n
    spread = NORMAL_95 * float(
        np.sqrt(max((difference**2).sum() / n - value**2, 0) / n)
    )
    return Estimate(value, n, value - spread, value + spread)


def _best_weight(grounds: Grounds, day: int) -> float:
    """The weight with the most hits in the days before; of equal ones the greatest."""
    *found, _, _ = _hits(grounds, day - HELD_OUT_DAYS, day, _WEIGHTS)
    counts = [int(hit.any(axis=1).sum()) for hit in found]
    best = max(range(len(counts)), key=lambda place: (counts[place], place))
    return _WEIGHTS[best]


def _hits(
    grounds: Grounds, day: int, end: int, weights: tuple[float | None, ...]
) -> tuple[Any, ...]:
    """Whether each offer of a day was bought by `end`, by each weight.

    Judged are customers who had bought by then and bought by `end`. Returns a matrix
    per weight (None: what is bought most), a row per customer, the customers, and by
    weight the share of the products that is offered to anybody.
    """
    known = grounds.until(day)
    learnt = _learn(known, day, np.ones(len(grounds.products), bool))
    is_then = (grounds.day > day) & (grounds.day <= end)
    then, _ = _distinct(grounds.bought[is_then])
    width = max(len(grounds.products), 1)
    judged, _ = _distinct(then // width)
    judged = judged[_are_in(judged, known.customer)]
    judged = judged[:: len(judged) // MOST_JUDGED_ON + 1]
    if not len(learnt.product):
        judged = judged[:0]
    hits: list[list[Booleans]] = [[] for _ in weights]
    seen: list[set[int]] = [set() for _ in weights]
    for some in _blocks(judged):
        rows = _rows(known, learnt, some, day)
        for place, weight in enumerate(weights):
            top, _ = _ranked(rows, learnt, weight)
            is_offer = top >= 0
            offered = some[:, np.newaxis] * width + learnt.product[top]
            hits[place].append(_are_in(offered, then) & is_offer)
            seen[place].update(top[is_offer].tolist())
    nothing = np.zeros((0, OFFERS), bool)
    return (
        *(np.concatenate([nothing, *found]) for found in hits),
        judged,
        [len(each) / max(learnt.sold_count, 1) for each in seen],
    )


def _distinct(values: Integers) -> tuple[Integers, Integers]:
    """Each of some sorted values once, and how often it is there."""
    starts = np.flatnonzero(np.diff(values, prepend=-1))
    return values[starts], np.diff(starts, append=len(values))


def _are_in(values: Integers, known: Integers) -> Booleans:
    """Whether values are among others, which are sorted."""
    if not len(known):
        return np.zeros(values.shape, bool)
    place = np.minimum(np.searchsorted(known, values), len(known) - 1)
    return np.asarray(known[place] == values)


def recommend(
    grounds: Grounds, evaluations: pa.Table, as_of: np.datetime64
) -> Iterator[pa.Table]:
    """What to offer each customer, the best first, in parts after `_OFFER`.

    By what `evaluate` published, else what is bought most. `ground` says why:
    due_again, bought_before, child, bought_with or popular.
    """
    yield _OFFER.empty_table()
    found = {row["metric"]: row for row in evaluations.to_pylist()}
    weight = None
    if found and found["own_weight"]["status"] == "published":
        weight = found["own_weight"]["value"]
    today = _number(as_of)
    known = grounds.until(today)
    with threadpool_limits(1):
        learnt = _learn(known, today, grounds.may_be_offered)
        if not len(learnt.product):
            return
        everybody = np.union1d(_distinct(known.customer)[0], known.parent)
        everybody = everybody[~_are_in(everybody, known.refused)]
        for some in _blocks(everybody):
            rows = _rows(known, learnt, some, today)
            top, share = _ranked(rows, learnt, weight)
            yield _offers(known, learnt, some, rows, top, share, weight, today)


def _learn(known: Grounds, day: int, may_be_offered: Booleans) -> _Learnt:
    """What is known at the end of a day; `known` has nothing later."""
    width = len(known.products)
    recent, _ = _distinct(known.bought[known.day > day - RECENT_DAYS])
    sold = np.bincount(recent % max(width, 1), minlength=width)
    buyers = sold * may_be_offered
    product = np.argsort(-buyers, kind="stable")[:MOST_PRODUCTS]
    product = product[buyers[product] > 0]
    place = np.full(width, -1)
    place[product] = np.arange(len(product))
    ever, days = _distinct(known.bought)
    buyers_ever = np.bincount(ever % max(width, 1), minlength=width)
    again = np.bincount(ever[days > 1] % max(width, 1), minlength=width)
    rate = again.sum() / max(buyers_ever.sum(), 1)
    shrunk = (again + _BUYERS_OF_ALL * rate) / (buyers_ever + _BUYERS_OF_ALL)
    customers, _ = _distinct(ever // max(width, 1))
    learners = customers[:: len(customers) // MOST_LEARNT_FROM + 1]
    chosen = ever[_are_in(ever // max(width, 1), learners)]
    chosen = chosen[place[chosen % max(width, 1)] >= 0]
    bought = sparse.csr_matrix(
        (
            np.ones(len(chosen), np.float64),
            (
                np.searchsorted(learners, chosen // max(width, 1)),
                place[chosen % max(width, 1)],
            ),
        ),
        shape=(len(learners), len(product)),
    )
    both = (bought.T @ bought).toarray()
    n = np.diag(both)
    lifts = np.log(
        (both + SHRINKAGE) / (np.outer(n, n) / max(len(learners), 1) + SHRINKAGE)
    )
    np.fill_diagonal(lifts, 0.0)  # what they bought themselves counts for itself
    return _Learnt(
        int((sold > 0).sum()),
        product,
        buyers[product],
        shrunk[product] < ONCE_IS_ENOUGH_BELOW,
        lifts,
        _child_lifts(known, place, len(product)),
    )


def _child_lifts(known: Grounds, place: Integers, count: int) -> Floats:
    """By band of age: how much more a product is bought by who has such a child."""
    first = np.searchsorted(known.parent, known.customer, "left")
    children = np.searchsorted(known.parent, known.customer, "right") - first
    row = np.repeat(np.arange(len(children)), children)
    child = np.repeat(first, children) + _numbers(children)
    band = _band(known.day[row] - known.birth[child])
    at = place[known.product[row]]
    counted = (band >= 0) & (at >= 0)
    cells = band[counted] * count + at[counted]
    seen = np.bincount(cells, minlength=len(_BANDS) * count)
    by_band = seen.reshape(len(_BANDS), count).astype(float)
    every = place[known.product]
    whole = np.bincount(every[every >= 0], minlength=count)
    share = whole / max(whole.sum(), 1)
    expected = by_band.sum(axis=1, keepdims=True) * share
    return np.asarray(np.log((by_band + SHRINKAGE) / (expected + SHRINKAGE)))


def _numbers(counts: Integers) -> Integers:
    """For counts (2, 0, 1): 0, 1, 0."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


def _band(age_days: Integers) -> Integers:
    """Position in _BANDS; -1 outside of them."""
    band = np.floor(age_days / _BAND_DAYS).astype(np.int64)
    return np.where(
        (band >= _BANDS.start) & (band < _BANDS.stop), band - _BANDS.start, -1
    )


def _blocks(customers: Integers) -> Iterator[Integers]:
    for start in range(0, len(customers), _BLOCK):
        yield customers[start : start + _BLOCK]


def _rows(known: Grounds, learnt: _Learnt, some: Integers, day: int) -> _Rows:
    """What is known of some customers, who stand in their order."""
    width, count = max(len(known.products), 1), len(learnt.product)
    place = np.full(width, -1)
    place[learnt.product] = np.arange(count)
    start, end = np.searchsorted(
        known.bought, [some[0] * width, (some[-1] + 1) * width]
    )
    bought, age = known.bought[start:end], day - known.day[start:end]
    is_chosen = _are_in(bought // width, some) & (place[bought % width] >= 0)
    bought, age = bought[is_chosen], age[is_chosen]
    row, at = np.searchsorted(some, bought // width), place[bought % width]
    own = sparse.csr_matrix(
        (np.exp(-age / FADING_DAYS), (row, at)), shape=(len(some), count)
    )
    own.sum_duplicates()
    total = np.asarray(own.sum(axis=1)).reshape(-1, 1)
    from_items = own @ learnt.lifts
    from_items *= _SHARPNESS / (total + 1)
    from_children = _from_children(known, learnt, some, day)
    expected = np.exp(from_items + from_children)
    expected *= learnt.popularity
    is_excluded = np.zeros((len(some), count), bool)
    is_excluded[row, at] = learnt.is_once_only[at]
    declined = _declined(known, some, day)
    declined = declined[place[declined % width] >= 0]
    is_excluded[np.searchsorted(some, declined // width), place[declined % width]] = (
        True
    )
    return _Rows(own, total, expected, from_items, from_children, is_excluded)


def _declined(known: Grounds, some: Integers, day: int) -> Integers:
    """What the customers declined by that day and have not bought since."""
    width = max(len(known.products), 1)
    ends = [some[0] * width, (some[-1] + 1) * width]
    start, end = np.searchsorted(known.declined, ends)
    declined, since = known.declined[start:end], known.declined_day[start:end]
    asked = _are_in(declined // width, some) & (since <= day)
    declined, since = declined[asked], since[asked]
    last = np.searchsorted(known.bought, declined, "right") - 1
    is_own = (last >= 0) & (known.bought[np.maximum(last, 0)] == declined)
    return declined[~(is_own & (known.day[np.maximum(last, 0)] > since))]


def _from_children(known: Grounds, learnt: _Learnt, some: Integers, day: int) -> Floats:
    """Mean of what the ages of their children speak for each product; 0 without one."""
    start, end = np.searchsorted(known.parent, [some[0], some[-1] + 1])
    parent, band = known.parent[start:end], _band(day - known.birth[start:end])
    chosen = _are_in(parent, some) & (band >= 0)
    row = np.searchsorted(some, parent[chosen])
    count = np.bincount(row, minlength=len(some))
    share = 1 / np.maximum(count, 1)[row]
    shape = (len(some), len(_BANDS))
    spoken = sparse.csr_matrix((share, (row, band[chosen])), shape) @ learnt.child_lifts
    return np.asarray(spoken)


def _ranked(
    rows: _Rows, learnt: _Learnt, weight: float | None
) -> tuple[Integers, Floats]:
    """Positions of the products to offer, the best first, and their expected shares.

    Without a weight those that are bought most, whoever asks. -1 where there is none.
    """
    if weight is None:
        share = np.broadcast_to(
            learnt.popularity / max(learnt.popularity.sum(), 1), rows.expected.shape
        ).copy()
    else:
        whole = weight + rows.total
        share = rows.expected * (
            weight / (rows.expected.sum(axis=1, keepdims=True) * whole)
        )
        own = rows.own.tocoo()
        share[own.row, own.col] += own.data / whole[own.row, 0]
    # Of equals the more popular one; what differs by rounding alone is equal.
    np.round(share, 12, out=share)
    share[rows.is_excluded] = -1.0
    last = share.shape[1] - min(OFFERS, share.shape[1])
    least = np.partition(share, last, axis=1)[:, last, np.newaxis]
    top = np.full((len(share), OFFERS), -1)
    found = np.full((len(share), OFFERS), np.nan)
    row, at = np.nonzero(share >= np.maximum(least, 0.0))
    order = np.lexsort((at, -share[row, at], row))
    row, at = row[order], at[order]
    rank = _numbers(np.bincount(row, minlength=len(share)))
    kept = rank < OFFERS
    top[row[kept], rank[kept]] = at[kept]
    found[row[kept], rank[kept]] = share[row[kept], at[kept]]
    return top, found


def _offers(
    known: Grounds,
    learnt: _Learnt,
    some: Integers,
    rows: _Rows,
    top: Integers,
    share: Floats,
    weight: float | None,
    today: int,
) -> pa.Table:
    """The offers of a block with what speaks for each."""
    width = len(known.products)
    row, rank = np.nonzero(top >= 0)
    at = top[row, rank]
    key = some[row] * width + learnt.product[at]
    first = np.searchsorted(known.bought, key, "left")
    count = np.searchsorted(known.bought, key, "right") - first
    is_own = count > 0
    begun = known.day[np.where(is_own, first, 0)] if len(known.day) else first
    last = (
        known.day[np.where(is_own, first + count - 1, 0)] if len(known.day) else first
    )
    gap = np.rint((last - begun) / np.maximum(count - 1, 1)).astype(np.int64)
    due = last + gap
    is_due = (count > 1) & (due <= today)
    item, child = np.full(len(at), -1), np.full(len(at), -1)
    if weight is not None:
        item, child = _reasons(known, learnt, some, rows, row, at, today)
    kind = np.select([is_due, is_own, child >= 0, item >= 0], [0, 1, 2, 3], default=4)
    months = (
        np.floor((today - known.birth[child]) / (_BAND_DAYS / 6))
        if len(known.birth)
        else np.zeros(len(at))
    )
    return pa.table(
        [
            known.customers.take(pa.array(some[row])),
            pa.array(rank + 1, pa.int64()),
            known.products.take(pa.array(learnt.product[at])),
            pa.array(share[row, rank]),
            pa.array(_GROUNDS, pa.string()).take(pa.array(kind)),
            known.products.take(
                pa.array(learnt.product[np.maximum(item, 0)], mask=kind != 3)
            ),
            pa.array(months.astype(np.int64), mask=kind != 2),
            pa.array(count, pa.int64()),
            pa.array(last.astype(np.int32), pa.int32(), mask=~is_own).cast(pa.date32()),
            pa.array(due.astype(np.int32), pa.int32(), mask=count < 2).cast(
                pa.date32()
            ),
        ],
        schema=_OFFER,
    )


def _reasons(
    known: Grounds,
    learnt: _Learnt,
    some: Integers,
    rows: _Rows,
    row: Integers,
    at: Integers,
    today: int,
) -> tuple[Integers, Integers]:
    """What speaks most for an offer: a product bought, or a child; -1 where nothing.

    Children, as positions among all, where their ages speak for it, and more than all
    purchases do.
    """
    by_items, by_children = rows.from_items[row, at], rows.from_children[row, at]
    is_for_child = (by_children >= _TELLING) & (by_children > by_items)
    item = np.full(len(at), -1)
    asking = np.flatnonzero((by_items > 0) & ~is_for_child)
    own = rows.own
    counts = np.diff(own.indptr)[row[asking]]
    offer = np.repeat(asking, counts)
    entry = np.repeat(own.indptr[row[asking]], counts) + _numbers(counts)
    part = np.round(own.data[entry] * learnt.lifts[own.indices[entry], at[offer]], 12)
    # The last of an offer's entries in this order is the one that says most.
    order = np.lexsort((-own.indices[entry], part, offer))
    item[offer[order]] = own.indices[entry][order]
    child = np.full(len(at), -1)
    asking = np.flatnonzero(is_for_child)
    start = np.searchsorted(known.parent, some[row[asking]], "left")
    counts = np.searchsorted(known.parent, some[row[asking]], "right") - start
    offer = np.repeat(asking, counts)
    entry = np.repeat(start, counts) + _numbers(counts)
    band = _band(today - known.birth[entry])
    part = np.where(band >= 0, learnt.child_lifts[band, at[offer]], -np.inf)
    order = np.lexsort((-entry, part, offer))
    child[offer[order]] = entry[order]
    return item, child


def _number(day: np.datetime64) -> int:
    return int((day.astype("datetime64[D]") - _EPOCH).astype(int))
