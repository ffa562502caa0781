"""Which indicators tell anything, on small tables where that is known."""

import numpy as np
import pyarrow as pa
import pytest

from kith.models import indicators
from kith.models.indicators import judge, sample_bound


def table(n: int = 1000, **columns: object) -> pa.Table:
    ids = [f"{number:04}" for number in range(n)]
    return pa.table({"customer_id": ids, "observed_on": ["2024-06-30"] * n} | columns)


def judged(table: pa.Table) -> dict[str, tuple[str, str | None]]:
    return {
        row["indicator"]: (row["status"], row["reason"])
        for row in judge(table).to_pylist()
    }


def test_an_indicator_is_used_unless_it_tells_too_little_or_twice() -> None:
    random = np.random.default_rng(3)
    first = random.normal(size=1000)
    gaps = np.where(np.arange(1000) < 300, np.nan, first)
    nothing = [None] * 1000
    assert judged(
        table(
            first=first,
            zero=np.zeros(1000),
            unknown=pa.array(nothing, pa.float64()),
            few=np.where(np.arange(1000) < 9, 5.0, 0.0),
            enough=np.where(np.arange(1000) < 10, 5.0, 0.0),
            few_known=pa.array([1.0] * 9 + nothing[9:], pa.float64()),
            nearly_all=pa.array([None] * 9 + [7.0] * 991, pa.float64()),
            turned=-2 * first + 7,
            like_it=first + random.normal(size=1000) / 10,
            with_gaps=pa.array(gaps, pa.float64(), from_pandas=True),
            same_gaps=pa.array(3 * gaps, pa.float64(), from_pandas=True),
        )
    ) == {
        "first": ("used", None),
        "zero": ("constant", "0 for all 1000 customers looked at"),
        "unknown": ("constant", "unknown for all 1000 customers looked at"),
        "few": ("sparse", "other than 0 for 9 of 1000 customers looked at"),
        "enough": ("used", None),
        "few_known": ("sparse", "other than unknown for 9 of 1000 customers looked at"),
        "nearly_all": ("sparse", "other than 7 for 9 of 1000 customers looked at"),
        "turned": ("redundant", "as first (correlation -1.000)"),
        "like_it": ("used", None),
        # Known of others, it tells something else.
        "with_gaps": ("used", None),
        "same_gaps": ("redundant", "as with_gaps (correlation 1.000)"),
    }


def test_counts_tell_who_was_looked_at_known_and_different() -> None:
    values = [None] * 100 + [0.0] * 700 + [2.0] * 200
    (row,) = judge(table(some=pa.array(values, pa.float64()))).to_pylist()
    assert (row["n"], row["known_count"], row["differing_count"]) == (1000, 900, 300)


def test_the_answer_does_not_depend_on_the_order_of_rows() -> None:
    random = np.random.default_rng(5)
    rows = table(**{f"i{place}": random.normal(size=1000) for place in range(9)})
    assert judge(rows) == judge(rows.take(random.permutation(1000)))


@pytest.mark.parametrize("n", [0, 1])
def test_nobody_to_look_at_leaves_every_indicator_constant(n: int) -> None:
    assert {status for status, _ in judged(table(n, a=[1.0] * n)).values()} == {
        "constant"
    }


def test_of_many_customers_a_part_is_looked_at() -> None:
    assert sample_bound(0) == sample_bound(indicators.SAMPLE) == "g"  # after all ids
    assert sample_bound(2 * indicators.SAMPLE) == "80000000"
    assert sample_bound(16 * indicators.SAMPLE) == "10000000"
