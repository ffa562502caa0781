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
from tests.companies import definitions
from tests.companies.complete_journey import AS_OF, shop
from tests.dbt_project.rendered import for_engine

EXACT = {"check_dtype": False, "check_exact": True}
CLOSE = {"check_dtype": False, "rtol": 1e-12}


@pytest.fixture(scope="module")
def warehouse(complete_journey_candidate: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(complete_journey_candidate), read_only=True) as connection:
        yield connection


def test_each_of_the_125_cells_has_one_name_and_it_follows_the_rule() -> None:
    path = REPOSITORY / "dbt_project/seeds/rfm_segment_names.csv"
    with path.open(newline="", encoding="utf-8") as file:
        rows = [tuple(row.values()) for row in csv.DictReader(file)]

    assert len(rows) == 125
    assert {(int(r), int(f), int(m)): name for r, f, m, name in rows} == {
        cell: definitions.segment_name(*cell) for cell in product(range(1, 6), repeat=3)
    }
    assert len({name for *_, name in rows}) == 11


def test_cut_points_are_the_interpolated_quantiles(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    expected = definitions.rfm_cut_points(shop()).assign(
        n=2_469,
        window_start=pd.Timestamp("2017-01-01"),
        window_end=AS_OF,
        as_of_date=AS_OF,
    )
    cut_points = warehouse.sql("from segment.rfm_cut_points").df()

    assert_frame_equal(
        cut_points.set_index("dimension").sort_index()[list(expected.columns)],
        expected,
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


def test_scores_segment_and_value_type_of_each_customer(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    expected = definitions.rfm_scores(shop())
    scores = warehouse.sql("from segment.rfm_scores order by customer_id").df()

    assert_frame_equal(
        scores.set_index("customer_id")[list(expected.columns)],
        expected,
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


def test_state_and_rhythm_of_each_customer(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    expected = definitions.activity_states(shop())
    states = warehouse.sql("from segment.activity_states order by customer_id").df()

    assert set(expected["state"]) == {"active", "drowsy", "half_asleep", "asleep"}
    assert_frame_equal(
        states.set_index("customer_id")[list(expected.columns)],
        expected,
        **EXACT,
    )


def test_each_cell_of_the_retention_grid(warehouse: duckdb.DuckDBPyConnection) -> None:
    expected = definitions.cohorts(shop())
    cohorts = warehouse.sql(
        "from segment.cohorts order by cohort_month, period_number"
    ).df()

    assert_frame_equal(cohorts[list(expected.columns)], expected, **CLOSE)


def test_shares_of_the_top_and_gini(warehouse: duckdb.DuckDBPyConnection) -> None:
    expected = definitions.concentrations(shop())
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
    expected = definitions.segments(shop())
    segments = warehouse.sql("from segment.segments order by scheme, segment").df()

    assert_frame_equal(segments[list(expected.columns)], expected, **CLOSE)
    totals = segments.groupby("scheme")[["customer_count", "order_count"]].sum()
    assert (totals == [2_469, 155_848]).all(axis=None)
