"""Segment marts of the grocer's year against numpy, and the map of RFM names."""

import csv
import datetime as dt
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
from tests.companies import definitions, offered, priced
from tests.companies.complete_journey import AS_OF, shop
from tests.dbt_project.cut_builds import check_no_look_ahead
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
    models = REPOSITORY / "dbt_project" / "models" / "intermediate" / "segments"
    day = dt.date(2024, 6, 30)
    names = ["recency_days", "frequency_count", "monetary_amount"]
    with duckdb.connect() as connection:
        connection.execute(
            """
            create table rfm_segment_names (
                r_score int, f_score int, m_score int, segment varchar
            );
            create table int_customer_windows (
                customer_id varchar, state_on date, last_order_date date,
                frequency_count bigint, monetary_amount decimal(18, 2),
                window_start date, may_be_scored boolean
            );
            """
        )
        for name in ("int_rfm_cut_points", "int_rfm_scored"):
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
                [str(i), *(people[n][d] for d, n in enumerate(picks))]
                for i, picks in enumerate(
                    random.choice(3, (size, 3), p=[0.6, 0.3, 0.1])
                )
            ]
            connection.execute("delete from int_customer_windows")
            connection.executemany(
                "insert into int_customer_windows values (?, ?, ?, ?, ?, null, true)",
                [
                    (who, day, day - dt.timedelta(int(recency)), *others)
                    for who, recency, *others in rows
                ],
            )
            values = {
                name: [row[1 + at] for row in rows] for at, name in enumerate(names)
            }
            cuts = {
                name: [exact_quantile(values[name], fifth) for fifth in range(1, 5)]
                for name in names
            }
            found = connection.execute(
                "select dimension, cut_20, cut_40, cut_60, cut_80 "
                "from int_rfm_cut_points"
            ).fetchall()
            assert {name: list(map(Fraction, row)) for name, *row in found} == cuts
            scores = connection.execute(
                """
                select r_score, f_score, m_score,
                    recency_is_high, frequency_is_high, monetary_is_high
                from int_rfm_scored order by cast(customer_id as bigint)
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


def test_who_is_active_how_often_by_month_and_channel(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    expected = definitions.engagement(shop())
    engagement = warehouse.sql(
        "from segment.engagement order by breakdown, channel, month"
    ).df()

    assert_frame_equal(engagement[list(expected.columns)], expected, **CLOSE)


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
        "select distinct amount, share_pct, gini, n, unknown_customer_count, "
        "unknown_revenue_share_pct, missing_reason "
        "from segment.concentrations where measure = 'margin'"
    ).fetchall()

    reason = "margin unknown for 2469 of 2469 customers"
    assert rows == [(None, None, None, 0, 2469, 100, reason)]


@pytest.mark.parametrize("day", ["2017-02-28", "2017-08-31", "2017-12-31"])
def test_segments_of_a_day_are_those_of_the_facts_up_to_it(
    warehouse: duckdb.DuckDBPyConnection, day: str
) -> None:
    cut = shop().until(day)
    expected = definitions.segments(cut)
    segments = warehouse.sql(
        f"from segment.segments where state_on = '{day}' order by scheme, segment"
    ).df()

    assert_frame_equal(segments[list(expected.columns)], expected, **CLOSE)
    totals = segments.groupby("scheme")[["customer_count", "order_count"]].sum()
    assert len(totals) == 6
    orders = cut.orders["is_purchase"].sum()
    assert (totals == [len(cut.customers), orders]).all(axis=None)
    members = warehouse.sql(
        f"""
        select customer_id, scheme, segment from segment.segment_memberships
        where '{day}' between valid_from and coalesce(valid_to, as_of_date)
        """
    ).df()
    assert_frame_equal(
        members.pivot(index="customer_id", columns="scheme", values="segment"),
        definitions.memberships(cut).sort_index(axis="columns"),
        check_names=False,
        **EXACT,
    )


def test_segments_hold_all_customers_and_all_revenue(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    totals = warehouse.sql(
        "select scheme, sum(customer_count) as customers, sum(order_count) as orders "
        "from segment.segments where state_on = as_of_date group by scheme"
    ).df()
    assert (totals[["customers", "orders"]] == [2_469, 155_848]).all(axis=None)
    assert len(totals) == 6


def test_offers_are_better_than_what_most_buy(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    worth = offered.check_offers(lambda sql: warehouse.sql(sql).df())
    assert worth["customers"] == 2044
    assert worth["least_hit_rate_gained_at_10"] > 0.08


def test_who_buys_often_responds_to_prices_and_more_than_who_buys_rarely(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    found = priced.check_price_responses(lambda sql: warehouse.sql(sql).df())
    assert found["missing_reason"].isna().all()
    (often,), (rarely,) = (
        found.xs(band, level="stickiness")["price_response"] for band in ("high", "low")
    )
    # Here stickiness does not lower the sensitivity to prices (M30).
    assert often == pytest.approx(-2.55, abs=0.01) and often < rarely


def test_states_of_a_day_know_nothing_of_what_came_later(
    complete_journey_candidate: Path,
) -> None:
    company = REPOSITORY / "companies" / "complete_journey"
    for day in ("2017-03-31", "2017-10-31"):
        assert check_no_look_ahead(complete_journey_candidate, company, day) > 2000
