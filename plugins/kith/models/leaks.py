"""Indicators that give the outcome away: they are no reason for it, but its trace.

What only those have of whom it came, or only the others, is written because it came or
because it did not, and nobody has it in time. So is what parts the two all but
perfectly, where the baseline does not. Only traits are judged by who has them: when
they were written is what a source says. What people did is dated, and its days count;
that somebody without a purchase in a year does not buy is no leak.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from kith.models.lifetime_fits import Booleans, Floats
from kith.models.observations import BASELINES, TRAIT, Asked, asked

# Customers who have a trait, or have it not, below which it is too early to say.
_FEW = 20
# As unlikely as this must it be that all of them are alike by chance.
_CHANCE = 1e-6
_NEARLY_PERFECT = 0.99
# Where the baseline does as well as that, the outcome is easily foretold.
_EASY = 0.95

_FINDINGS = pa.schema(
    {
        "question": pa.string(),
        "indicator": pa.string(),
        "status": pa.string(),
        "reason": pa.string(),
        "n": pa.int64(),
        "role": pa.string(),
    }
)


def find_leaks(indicators: pa.Table, outcomes: pa.Table) -> pa.Table:
    """One row per question and indicator that leaks into it.

    Both days of which the outcome is known are looked at, the later first.
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for question in BASELINES:
        for role in ("test", "train"):
            seen = asked(indicators, outcomes, question, role)
            if (
                seen is None
                or not _FEW <= seen.outcome.sum() <= len(seen.outcome) - _FEW
            ):
                continue
            alone = _perfect(seen, question) if role == "test" else []
            for name, reason in [*_by_trait(seen), *alone]:
                found.setdefault(
                    (question, name),
                    {
                        "question": question,
                        "indicator": name,
                        "status": "leak",
                        "reason": reason,
                        "n": len(seen.outcome),
                        "role": role,
                    },
                )
    return pa.Table.from_pylist(list(found.values()), _FINDINGS)


def _by_trait(seen: Asked) -> Iterator[tuple[str, str]]:
    for place, name in enumerate(seen.names):
        if not name.startswith(TRAIT):
            continue
        values = seen.indicators[:, place]
        has = ~np.isnan(values) & (values != 0)
        for which, words in ((has, "have it"), (~has, "have it not")):
            if reason := _alike(which, seen.outcome, words):
                yield name, reason
                break


def _alike(which: Booleans, outcome: Booleans, words: str) -> str | None:
    """Why these customers are too much alike; None where they are not."""
    n, came = int(which.sum()), int(outcome[which].sum())
    others = len(which) - n
    if min(n, others) < _FEW or 0 < came < n:
        return None
    share = float(outcome.mean())
    if n * math.log(share if came else 1 - share) > math.log(_CHANCE):
        return None
    return (
        f"{n} customers {words}, and the outcome came of {'all' if came else 'none'} "
        f"of them; of {others} others it came of {100 * outcome[~which].mean():.0f} %"
    )


def _perfect(seen: Asked, question: str) -> Iterator[tuple[str, str]]:
    alone = _areas(seen.baseline(question)[:, np.newaxis], seen.outcome)
    if alone[0] >= _EASY:
        return
    areas = _areas(seen.indicators, seen.outcome)
    for place in np.flatnonzero(areas >= _NEARLY_PERFECT):
        yield (
            seen.names[place],
            (
                "alone it parts those of whom the outcome came from the others: AUC "
                f"{areas[place]:.3f} over {len(seen.outcome)} customers"
            ),
        )


def _areas(values: Floats, outcome: Booleans) -> Floats:
    """AUC of each column, in whichever direction; what is missing stands at an end."""
    from scipy.stats import rankdata  # slow to import

    is_missing = np.isnan(values)
    ranks = rankdata(np.where(is_missing, -np.inf, values), axis=0)
    missing = is_missing.sum(axis=0)
    n, came = len(outcome), int(outcome.sum())
    # With what is missing first, and with it last.
    sums = ranks[outcome].sum(axis=0)
    moved = n * is_missing[outcome].sum(axis=0) - came * missing
    pairs = came * (n - came)
    areas = np.stack([sums, sums + moved]) - came * (came + 1) / 2
    return np.maximum(areas, pairs - areas).max(axis=0) / pairs
