"""Judges which behaviour indicators tell anything, and which say what another one says.

It is done on a part of the customers, which for random ids is a random one.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

# Above so many customers a part of them is looked at.
SAMPLE = 20_000
# Where a smaller share of customers differs from the others, it tells too little.
SPARSE_SHARE = 0.01
# From this correlation on, one of two indicators is enough.
REDUNDANT_CORRELATION = 0.999

KEYS = ("customer_id", "observed_on")
_JUDGEMENT = pa.schema(
    {
        "indicator": pa.string(),
        "status": pa.string(),
        "reason": pa.string(),
        "n": pa.int64(),
        "known_count": pa.int64(),
        "differing_count": pa.int64(),
    }
)
Floats = npt.NDArray[np.float64]


def sample_bound(customers: int) -> str:
    """The hexadecimal text below which the ids of about SAMPLE customers lie."""
    share = min(1.0, SAMPLE / max(customers, 1))
    return "g" if share == 1 else f"{int(share * 16**8):08x}"


def judge(indicators: pa.Table) -> pa.Table:
    """One row per indicator: used, constant, sparse or redundant, and why.

    `indicators` has a row per customer and a column per indicator beside KEYS. An
    indicator is constant where all values are equal (or all unknown), sparse where
    fewer than one customer in a hundred has another value than the usual one, and
    redundant where an earlier one is known of the same customers and correlates with
    it by 0.999 or more, either way. The answer does not depend on the order of the
    rows.
    """
    table = indicators.sort_by("customer_id")
    names = [name for name in table.column_names if name not in KEYS]
    n = len(table)
    rows: list[dict[str, Any]] = []
    candidates: list[int] = []
    values = np.empty((n, len(names)))
    for place, name in enumerate(names):
        values[:, place] = table.column(name).to_numpy().astype(np.float64)
        row = _spread(name, values[:, place])
        rows.append(row)
        if row["status"] == "used":
            candidates.append(place)
    for place, other, correlation in _repeats(values[:, candidates]):
        rows[candidates[place]] |= {
            "status": "redundant",
            "reason": f"as {names[candidates[other]]} (correlation {correlation:.3f})",
        }
    return pa.Table.from_pylist(rows, schema=_JUDGEMENT)


def _spread(name: str, values: Floats) -> dict[str, Any]:
    """How many customers have another value than the usual one."""
    n = len(values)
    known = values[~np.isnan(values)]
    # Where one value is that of most customers, it is the median.
    usual = float(np.median(known)) if len(known) else float("nan")
    is_usually_unknown = 2 * len(known) < n
    differing = (
        len(known)
        if is_usually_unknown
        else n - len(known) + int((known != usual).sum())
    )
    is_constant = not len(known) or (len(known) == n and known.min() == known.max())
    words = "unknown" if is_usually_unknown else f"{usual:g}"
    status, reason = "used", None
    if is_constant:
        status = "constant"
        reason = (
            f"{words} for all {n} customers looked at" if n else "nobody to look at"
        )
    elif differing < SPARSE_SHARE * n:
        status = "sparse"
        reason = f"other than {words} for {differing} of {n} customers looked at"
    return {
        "indicator": name,
        "status": status,
        "reason": reason,
        "n": n,
        "known_count": len(known),
        "differing_count": differing,
    }


def _repeats(values: Floats) -> list[tuple[int, int, float]]:
    """Columns that say what an earlier one says: both places and the correlation."""
    n, count = values.shape
    if not count:
        return []
    is_unknown = np.isnan(values)
    gaps = is_unknown.astype(np.float64)
    both = gaps.T @ gaps
    alone = np.diag(both)
    same_gaps = (alone[:, None] == both) & (alone[None, :] == both)
    filled = np.where(is_unknown, 0.0, values)
    means = filled.sum(axis=0) / np.maximum(n - alone, 1)
    centred = np.where(is_unknown, 0.0, values - means)
    length = np.sqrt((centred**2).sum(axis=0))
    centred = np.divide(centred, length, out=np.zeros_like(centred), where=length > 0)
    correlations = centred.T @ centred
    is_same = same_gaps & (np.abs(correlations) >= REDUNDANT_CORRELATION)
    found: list[tuple[int, int, float]] = []
    kept: list[int] = []
    for place in range(count):
        twins = [other for other in kept if is_same[place, other]]
        if twins:
            found.append((place, twins[0], float(correlations[place, twins[0]])))
        else:
            kept.append(place)
    return found
