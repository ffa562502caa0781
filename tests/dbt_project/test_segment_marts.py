"""Segment marts of the grocer's year against numpy, and the map of RFM names."""

import csv
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from itertools import product
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from kith.settings import REPOSITORY
from tests.companies.complete_journey import (
    AS_OF,
    MONTHS,
    monthly,
    purchase_days,
    values,
)
from tests.dbt_project.rendered import for_engine

EXACT = {"check_dtype": False, "check_exact": True}
CLOSE = {"check_dtype": False, "rtol": 1e-12}


@pytest.fixture(scope="module")
def warehouse(complete_journey_candidate: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(complete_journey_candidate), read_only=True) as connection:
        yield connection


def segment_name(r: int, f: int, m: int) -> str:
    """The rule that the seed's description states, in its order."""
    value = (f + m + 1) // 2
    if r >= 4 and f == 1:
        return {5: "New", 4: "Promising"}[r]
    if value >= 4 and r >= 3:
        return "Champions" if r == 5 else "Loyal"
    if r >= 4:
        return "Potential loyalist"
    if r == 3:
        return "Needs attention" if value == 3 else "About to sleep"
    if value == 5:
        return "Cannot lose"
    if value >= 3:
        return "At risk"
    return {2: "Hibernating", 1: "Lost"}[r]


def test_each_of_the_125_cells_has_one_name_and_it_follows_the_rule() -> None:
    path = REPOSITORY / "dbt_project/seeds/rfm_segment_names.csv"
    with path.open(newline="", encoding="utf-8") as file:
        rows = [tuple(row.values()) for row in csv.DictReader(file)]

    assert len(rows) == 125
    assert {(int(r), int(f), int(m)): name for r, f, m, name in rows} == {
        cell: segment_name(*cell) for cell in product(range(1, 6), repeat=3)
    }
    assert len({name for *_, name in rows}) == 11


def measures() -> pd.DataFrame:
    """R, F and M of each customer, the window being the whole year."""
    last_days = {customer: days[-1] for customer, days in purchase_days().items()}
    return pd.DataFrame(
        {
            "recency_days": (AS_OF - pd.Series(last_days)).dt.days,
            "frequency_count": {c: len(days) for c, days in purchase_days().items()},
            "monetary_amount": values()["revenue"] / 100,
        }
    ).sort_index()


def test_cut_points_are_the_interpolated_quantiles(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    expected = measures().quantile([0.2, 0.4, 0.6, 0.8]).T
    expected.columns = ["cut_20", "cut_40", "cut_60", "cut_80"]
    expected = expected.assign(
        mean_value=measures().mean(),
        n=2_469,
        window_start=pd.Timestamp("2017-01-01"),
        window_end=AS_OF,
        as_of_date=AS_OF,
    )
    cut_points = warehouse.sql("from segment.rfm_cut_points").df()

    assert_frame_equal(
        cut_points.set_index("dimension").sort_index()[list(expected.columns)],
        expected.rename_axis("dimension").sort_index(),
        **CLOSE,
    )


def exact_quantile(values: list[Decimal], fifth: int) -> Fraction:
    """Between its two neighbours, as a fraction."""
    number, way = divmod(fifth * (len(values) - 1), 5)
    ends = sorted(Fraction(value) for value in values)[number : number + 2]
    return ends[0] + Fraction(way, 5) * (ends[-1] - ends[0])


def test_cut_points_scores_and_means_are_exact_where_many_share_a_value() -> None:
    """Against fractions, for thirty small companies."""
    random = np.random.default_rng(11)
    models = REPOSITORY / "dbt_project" / "models" / "marts" / "segment"
    names = ["recency_days", "frequency_count", "monetary_amount"]
    with duckdb.connect() as connection:
        connection.execute(
            """
            create schema kith;
            create table kith.run as select date '2024-06-30' as as_of_date;
            create table rfm_segment_names (
                r_score int, f_score int, m_score int, segment varchar
            );
            create table int_purchases_windowed (
                customer_id varchar, recency_days bigint, frequency_count bigint,
                monetary_amount decimal(18, 2), window_start date, window_end date
            );
            """
        )
        for name in ("rfm_cut_points", "rfm_scores"):
            path = models / f"{name}.sql"
            query = for_engine(path.read_text(), "duckdb", path)
            connection.execute(f"create view {name} as {query}")
        for size in range(1, 31):
            cents = random.integers(1, 10_000, 4)
            columns = [
                [Decimal(int(value)) for value in random.integers(0, 200, 3)],
                [Decimal(int(value)) for value in random.integers(1, 4, 3)],
                [Decimal(int(value)) / 100 for value in cents],
            ]
            people = [[column[i] for column in columns] for i in (0, 1, 2)]
            rows = [
                [str(i), *(people[n][d] for d, n in enumerate(picks)), None, None]
                for i, picks in enumerate(
                    random.choice(3, (size, 3), p=[0.6, 0.3, 0.1])
                )
            ]
            connection.execute("delete from int_purchases_windowed")
            connection.executemany(
                "insert into int_purchases_windowed values (?, ?, ?, ?, ?, ?)", rows
            )
            values = {
                name: [row[1 + at] for row in rows] for at, name in enumerate(names)
            }
            cuts = {
                name: [exact_quantile(values[name], fifth) for fifth in range(1, 5)]
                for name in names
            }
            found = connection.execute(
                "select dimension, cut_20, cut_40, cut_60, cut_80 from rfm_cut_points"
            ).fetchall()
            assert {name: list(map(Fraction, row)) for name, *row in found} == cuts
            scores = connection.execute(
                """
                select r_score, f_score, m_score,
                    recency_is_high, frequency_is_high, monetary_is_high
                from rfm_scores order by cast(customer_id as bigint)
                """
            ).fetchall()
            below = [
                [sum(value > cut for cut in cuts[name]) for value in values[name]]
                for name in names
            ]
            above = [
                [
                    Fraction(value) * size - sum(map(Fraction, values[name]))
                    for value in values[name]
                ]
                for name in names
            ]
            assert scores == [
                (5 - r, 1 + f, 1 + m, more_days <= 0, more_orders >= 0, more >= 0)
                for r, f, m, more_days, more_orders, more in zip(
                    *below, *above, strict=True
                )
            ]


VALUE_TYPES = {  # recent, frequent, much money
    (True, True, True): "Important value",
    (True, False, True): "Important to develop",
    (False, True, True): "Important to keep",
    (False, False, True): "Important to win back",
    (True, True, False): "Ordinary value",
    (True, False, False): "Ordinary to develop",
    (False, True, False): "Ordinary to keep",
    (False, False, False): "Lost",
}


def expected_scores() -> pd.DataFrame:
    raw = measures()

    def fifths(column: str) -> np.ndarray:
        cuts = np.quantile(raw[column], [0.2, 0.4, 0.6, 0.8])
        return 1 + np.searchsorted(cuts, raw[column], side="left")

    frame = raw.assign(
        r_score=6 - fifths("recency_days"),
        f_score=fifths("frequency_count"),
        m_score=fifths("monetary_amount"),
        recency_is_high=raw["recency_days"] <= raw["recency_days"].mean(),
        frequency_is_high=raw["frequency_count"] >= raw["frequency_count"].mean(),
        monetary_is_high=raw["monetary_amount"] >= raw["monetary_amount"].mean(),
    )
    scores = list(
        zip(frame["r_score"], frame["f_score"], frame["m_score"], strict=True)
    )
    bits = zip(
        frame["recency_is_high"],
        frame["frequency_is_high"],
        frame["monetary_is_high"],
        strict=True,
    )
    return frame.assign(
        rfm_cell=[f"{r}{f}{m}" for r, f, m in scores],
        segment=[segment_name(*cell) for cell in scores],
        value_type=[VALUE_TYPES[tuple(map(bool, three))] for three in bits],
    )


def test_scores_segment_and_value_type_of_each_customer(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    expected = expected_scores()
    scores = warehouse.sql("from segment.rfm_scores order by customer_id").df()

    assert_frame_equal(
        scores.set_index("customer_id")[list(expected.columns)],
        expected.rename_axis("customer_id"),
        **EXACT,
    )


def test_equal_values_have_one_score(warehouse: duckdb.DuckDBPyConnection) -> None:
    for value, score in [
        ("recency_days", "r_score"),
        ("frequency_count", "f_score"),
        ("monetary_amount", "m_score"),
    ]:
        split = warehouse.sql(
            f"select {value} from segment.rfm_scores group by {value} "
            f"having count(distinct {score}) > 1"
        ).fetchall()
        assert split == []


def expected_states() -> pd.DataFrame:
    rows = {}
    for customer, days in purchase_days().items():
        gaps = np.diff(days) / np.timedelta64(1, "D")
        since = (AS_OF - pd.Timestamp(days[-1])).days
        median = np.median(gaps) if len(gaps) else np.nan
        state = "active"
        for name, threshold in [("drowsy", 30), ("half_asleep", 90), ("asleep", 180)]:
            if since >= threshold:
                state = name
        rows[customer] = {
            "state": state,
            "first_order_date": days[0],
            "last_order_date": days[-1],
            "days_since_last_order": since,
            "median_gap_days": median,
            "gap_count": len(gaps),
            "gap_ratio": since / median,
        }
    return pd.DataFrame.from_dict(rows, orient="index").sort_index()


def test_state_and_rhythm_of_each_customer(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    expected = expected_states()
    states = warehouse.sql("from segment.activity_states order by customer_id").df()

    assert set(expected["state"]) == {"active", "drowsy", "half_asleep", "asleep"}
    assert_frame_equal(
        states.set_index("customer_id")[list(expected.columns)],
        expected.rename_axis("customer_id"),
        **EXACT,
    )


def expected_cohorts() -> pd.DataFrame:
    revenue = monthly("revenue")
    active = monthly("line_count") > 0
    first = active.idxmax(axis="columns")
    last = active.loc[:, ::-1].idxmax(axis="columns")
    rows = []
    for cohort_month in MONTHS:
        members = first.index[first == cohort_month]
        if members.empty:
            continue
        start = revenue.loc[members, cohort_month]
        for number, month in enumerate(MONTHS[cohort_month <= MONTHS]):
            present = revenue.loc[members, month]
            active_count = active.loc[members, month].sum()
            later_count = (last[members] >= month).sum()
            rows.append(
                {
                    "cohort": f"{cohort_month:%Y-%m}",
                    "cohort_month": cohort_month,
                    "period_number": number,
                    "period_month": month,
                    "is_complete": True,
                    "cohort_size": len(members),
                    "active_count": active_count,
                    "retention_pct": 100 * active_count / len(members),
                    "active_or_later_count": later_count,
                    "unbounded_retention_pct": 100 * later_count / len(members),
                    "revenue_amount": present.sum() / 100,
                    "gross_revenue_retention_pct": 100
                    * np.minimum(present, start).sum()
                    / start.sum(),
                    "n": len(members),
                }
            )
    return pd.DataFrame(rows)


def test_each_cell_of_the_retention_grid(warehouse: duckdb.DuckDBPyConnection) -> None:
    expected = expected_cohorts()
    cohorts = warehouse.sql(
        "from segment.cohorts order by cohort_month, period_number"
    ).df()

    assert_frame_equal(cohorts[list(expected.columns)], expected, **CLOSE)


def test_shares_of_the_top_and_gini(warehouse: duckdb.DuckDBPyConnection) -> None:
    revenue = np.sort(values()["revenue"].to_numpy())[::-1]
    n = len(revenue)
    # Half of the mean difference of all pairs, in terms of the mean: the definition
    # that the formula over ranks abbreviates.
    differences = np.abs(revenue[:, None] - revenue[None, :]).sum(dtype="int64")
    gini = differences / (2 * n * revenue.sum())
    rows = []
    for top_pct in range(1, 101):
        count = -(-top_pct * n // 100)
        rows.append(
            {
                "top_pct": top_pct,
                "customer_count": count,
                "amount": revenue[:count].sum() / 100,
                "share_pct": 100 * revenue[:count].sum() / revenue.sum(),
                "ties_at_edge_count": (revenue[count:] == revenue[count - 1]).sum(),
                "gini": gini,
                # Each basket names its household.
                "unidentified_revenue_share_pct": 0,
                "n": n,
            }
        )
    expected = pd.DataFrame(rows)
    concentrations = warehouse.sql(
        "from segment.concentrations where measure = 'revenue' order by top_pct"
    ).df()

    assert_frame_equal(concentrations[list(expected.columns)], expected, **CLOSE)
    assert concentrations["missing_reason"].isna().all()


def test_margin_has_no_concentration_without_costs(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    rows = warehouse.sql(
        "select distinct amount, share_pct, gini, missing_reason "
        "from segment.concentrations where measure = 'margin'"
    ).fetchall()

    assert rows == [(None, None, None, "margin unknown for 2469 of 2469 customers")]


def test_segments_hold_all_customers_and_all_revenue(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    scores = expected_scores()
    groups = {
        "rfm_segment": scores["segment"],
        "value_type": scores["value_type"],
        "activity_state": expected_states()["state"],
    }
    mean = values()["revenue"].mean()
    rows = []
    for scheme, names in groups.items():
        for name, members in values().groupby(names):
            rows.append(
                {
                    "scheme": scheme,
                    "segment": name,
                    "customer_count": len(members),
                    "customer_share_pct": 100 * len(members) / len(names),
                    "buyer_count": (members["order_count"] > 0).sum(),
                    "order_count": members["order_count"].sum(),
                    "revenue_amount": members["revenue"].sum() / 100,
                    "revenue_share_pct": 100
                    * members["revenue"].sum()
                    / values()["revenue"].sum(),
                    "revenue_index": members["revenue"].mean() / mean,
                    # All of the grocer's customers bought.
                    "buyer_revenue_index": members["revenue"].mean() / mean,
                    "n": len(members),
                }
            )
    expected = pd.DataFrame(rows).sort_values(["scheme", "segment"], ignore_index=True)
    segments = warehouse.sql("from segment.segments order by scheme, segment").df()

    assert_frame_equal(segments[list(expected.columns)], expected, **CLOSE)
    totals = segments.groupby("scheme")[["customer_count", "order_count"]].sum()
    assert (totals == [2_469, 155_848]).all(axis=None)
