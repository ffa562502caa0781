"""Who was asked what on which day: indicators of the day beside what came after it."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kith.models.indicators import KEYS
from kith.models.lifetime_fits import Booleans, Floats

# On so many customers a model is fitted and judged; more would make it hardly better.
MOST_CUSTOMERS = 20_000
# How names of indicators begin that tell a trait: its number, or 1 where it is filled.
TRAIT = "trait_"
# The one indicator alone by which a question would be answered, and its sign.
BASELINES = {
    "buys_again": ("days_since_order", -1.0),
    "pays_again": ("days_since_order", -1.0),
    "becomes_vip": ("order_amount_365d", 1.0),
    "stays": ("days_since_order", -1.0),
}


class Asked(NamedTuple):
    """Customers of one question and day, in an order that says nothing.

    `indicators` has a row per customer and a column per name, nan where undefined.
    """

    customers: pa.Array
    tiers: pa.Array
    names: list[str]
    indicators: Floats
    outcome: Booleans

    def baseline(self, question: str) -> Floats:
        """What one indicator alone says: the higher, the likelier the outcome."""
        name, sign = BASELINES[question]
        values = self.indicators[:, self.names.index(name)]
        return sign * np.where(np.isnan(values), -sign * np.inf, values)

    def of(self, chosen: Booleans) -> "Asked":
        """Some of the customers."""
        return self._replace(
            customers=self.customers.filter(pa.array(chosen)),
            tiers=self.tiers.filter(pa.array(chosen)),
            indicators=self.indicators[chosen],
            outcome=self.outcome[chosen],
        )

    def without(self, names: set[str]) -> "Asked":
        """The same without these indicators."""
        kept = [place for place, name in enumerate(self.names) if name not in names]
        return self._replace(
            names=[self.names[place] for place in kept],
            indicators=self.indicators[:, kept],
        )


def asked(
    indicators: pa.Table, outcomes: pa.Table, question: str, role: str
) -> Asked | None:
    """Those to whom a question was put on the day of a role; None without such a day.

    `indicators` is int_indicators, `outcomes` int_outcomes, or as much of them as is
    needed.
    """
    chosen = outcomes.filter(
        pc.and_(
            pc.and_(
                pc.equal(outcomes.column("question"), question),
                pc.equal(outcomes.column("role"), role),
            ),
            pc.less_equal(outcomes.column("place"), MOST_CUSTOMERS),
        )
    ).sort_by("place")
    if not len(chosen):
        return None
    day = chosen.column("observed_on")[0]
    of_day = indicators.filter(pc.equal(indicators.column("observed_on"), day))
    place = pc.index_in(chosen["customer_id"], of_day["customer_id"].combine_chunks())
    chosen = chosen.filter(place.is_valid())
    names = [name for name in indicators.column_names if name not in KEYS]
    rows = of_day.take(place.drop_null())
    return Asked(
        chosen["customer_id"].combine_chunks(),
        chosen["tier"].combine_chunks(),
        names,
        matrix(rows, names),
        np.asarray(pc.fill_null(chosen["outcome"], False)),
    )


def matrix(rows: pa.Table, names: list[str]) -> Floats:
    """A column per name; nan for NULL."""
    found = np.empty((len(rows), len(names)))
    for place, name in enumerate(names):
        column = rows.column(name).cast(pa.float64()).combine_chunks()
        found[:, place] = np.asarray(column.fill_null(np.nan))
    found[~np.isfinite(found)] = np.nan
    return found


def leaks_of(findings: pa.Table, question: str) -> set[str]:
    """Indicators that may not be used for a question."""
    return {
        row["indicator"]
        for row in findings.to_pylist()
        if (row["question"], row["status"]) == (question, "leak")
    }
