"""Customer marts of the grocer's year against pandas, to the cent."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal, assert_series_equal

from tests.companies.complete_journey import baskets, customer_id, read, shop, traces
from tests.companies.definitions import AMOUNTS, months, values

CENTS = ", ".join(f"cast({n}_amount * 100 as bigint) as {n}" for n in AMOUNTS)


@pytest.fixture(scope="module")
def warehouse(complete_journey_candidate: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(complete_journey_candidate), read_only=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def customer_values(warehouse: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    return warehouse.sql(
        f"select *, {CENTS} from customer.customer_values order by customer_id"
    ).df()


@pytest.fixture(scope="module")
def customer_months(warehouse: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    return warehouse.sql(
        f"select *, {CENTS} from customer.customer_months order by customer_id, month"
    ).df()


def test_totals_are_those_of_the_source(customer_values: pd.DataFrame) -> None:
    totals = customer_values[["line_count", "order_count", "revenue"]].sum()

    assert list(totals) == [1_469_307, 155_848, 459_603_958]
    assert len(customer_values) == 2_469
    # The grocer tells neither returns nor cancelled orders.
    assert not customer_values[["return_count", "cancelled_count"]].any(axis=None)
    assert (customer_values["gross_amount"] == customer_values["revenue_amount"]).all()


def test_values_of_each_customer(customer_values: pd.DataFrame) -> None:
    counted = baskets().groupby("customer_id")[["line_count", "quantity"]].sum()
    expected = values(shop()).drop(columns=["cost", "margin"]).join(counted)

    assert_frame_equal(
        customer_values.set_index("customer_id")[list(expected.columns)],
        expected,
        check_dtype=False,
        check_exact=True,
    )
    shares = 100 * expected["revenue"] / expected["revenue"].sum()
    assert_series_equal(
        customer_values["revenue_share_pct"],
        shares.reset_index(drop=True),
        check_names=False,
        rtol=1e-12,
    )
    error = (
        customer_values["average_order_amount"] * 100 * customer_values["order_count"]
        - customer_values["revenue"]
    )
    assert (error.abs() <= 0.5001 * customer_values["order_count"]).all()


def test_margin_is_unknown_since_the_grocer_tells_no_cost(
    customer_values: pd.DataFrame,
) -> None:
    assert customer_values["margin_amount"].isna().all()
    counts = customer_values["order_count"].astype(str)
    assert (
        customer_values["margin_missing_reason"]
        == "cost unknown in " + counts + " of " + counts + " orders"
    ).all()


def test_each_month_of_each_customer_empty_ones_included(
    customer_months: pd.DataFrame,
) -> None:
    expected = months(shop())

    assert (expected["order_count"] == 0).any()
    assert set(expected["lifecycle"].dropna()) == {
        "new",
        "returning",
        "resurrecting",
        "dormant",
        "inactive",
    }
    assert_frame_equal(
        customer_months[list(expected.columns)],
        expected,
        check_dtype=False,
        check_exact=True,
    )


def test_revenue_by_month(customer_months: pd.DataFrame) -> None:
    assert_series_equal(
        customer_months.groupby("month")["revenue"].sum().loc["2017":],
        baskets().groupby("month")["revenue"].sum(),
        check_dtype=False,
        check_freq=False,
    )
    assert customer_months["revenue"].sum() == 459_603_958


def test_each_customer_is_one_row_with_all_his_traces(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    customers = warehouse.sql(
        "from customer.customer_profiles where customer_id <> 'unidentified' "
        "order by customer_id"
    ).df()
    described = set(read("demographics", ["household_id"])["customer_id"])
    households = read("transactions", ["household_id"])
    seen = traces().groupby("customer_id")["at"].agg(["min", "max", "size"])
    days = shop().purchase_days
    ids = sorted(households["customer_id"].unique())

    assert list(customers["customer_id"]) == ids
    assert (
        customers["identifier_value"].astype(int).map(customer_id)
        == customers["customer_id"]
    ).all()
    assert list(customers["customer_kind"].notna()) == [i in described for i in ids]
    assert_frame_equal(
        customers[
            ["first_interaction_at", "last_interaction_at", "interaction_count"]
        ].set_axis(["min", "max", "size"], axis="columns"),
        seen.sort_index().reset_index(drop=True),
        check_dtype=False,
        check_exact=True,
    )
    assert list(customers["first_order_date"]) == [days[i][0] for i in ids]
    assert list(customers["last_order_date"]) == [days[i][-1] for i in ids]


def test_customers_repeat_state_segment_and_value_of_the_other_marts(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    different = warehouse.sql(
        """
        select customers.customer_id
        from customer.customer_profiles as customers
        left join segment.activity_states using (customer_id)
        left join segment.rfm_scores using (customer_id)
        left join customer.customer_values using (customer_id)
        where customers.activity_state is distinct from activity_states.state
            or customers.rfm_segment is distinct from rfm_scores.segment
            or customers.revenue_amount <> coalesce(customer_values.revenue_amount, 0)
            or customers.order_count <> coalesce(customer_values.order_count, 0)
        """
    ).fetchall()

    assert different == []
