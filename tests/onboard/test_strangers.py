"""Exports of strangers, taken without an edit: numbers are those of pandas."""

from pathlib import Path

import duckdb
import pandas as pd
import pytest

from kith.admit.table import admit_table
from kith.build.dbt import dbt
from kith.build.warehouse import prepare_warehouse
from kith.company.folder import load_company
from kith.pull.table import pull_table
from tests.conftest import new_run, run_pipeline
from tests.onboard.exports import analytics, baskets, marketplace
from tests.onboard.strangers import Make, doubts, kinds


def publish(folder: Path) -> duckdb.DuckDBPyConnection:
    """Publish a company that was scaffolded; its candidate, with all models."""
    company = load_company(folder)
    run = new_run(folder, str(company.first_day), str(company.last_day))
    release = run_pipeline(run)
    assert (release / "kith.duckdb").is_file()
    return duckdb.connect(str(run.warehouse), read_only=True)


def build(folder: Path, *models: str) -> duckdb.DuckDBPyConnection:
    """Build some models of a company that was scaffolded, with their data tests."""
    company = load_company(folder)
    run = new_run(folder, str(company.first_day), str(company.last_day))
    for table in company.sources:
        pull_table(run, table.full_name)
        admit_table(run, table.full_name)
    run.warehouse.parent.mkdir(parents=True, exist_ok=True)
    selected = ("--select", *models, "--exclude-resource-type", "unit_test")
    dbt(run, "build", *selected, prepare=prepare_warehouse)
    return duckdb.connect(str(run.warehouse), read_only=True)


def row(connection: duckdb.DuckDBPyConnection, query: str) -> dict[str, object]:
    """The only row of a query, by names."""
    (found,) = connection.execute(query).df().to_dict("records")
    return found


VALUES = """
    select
        sum(order_count)::bigint as orders,
        sum(revenue_amount)::double as revenue,
        count(*) filter (where customer_id <> 'unidentified') as customers,
        count(*) filter (where customer_id <> 'unidentified' and order_count > 1)
            as repeating
    from customer.customer_values
"""


def test_a_marketplace_knows_its_people_orders_and_scores(
    files: Path, make: Make
) -> None:
    marketplace(files)
    done = make()
    assert doubts(done, "(customers) customer_id is another one on every order")
    assert doubts(done, "(numbers) 7 of 500 orders are 'canceled' and are no purchases")
    customers, orders, items, payments, reviews = (
        pd.read_csv(files / f"{name}.csv")
        for name in (
            *("customers", "orders", "order_items", "order_payments"),
            "order_reviews",
        )
    )
    bought = orders[orders.order_status != "canceled"].merge(customers)
    people = bought.groupby("customer_unique_id").size()
    scores = reviews.review_score
    with publish(done.folder) as found:
        assert row(found, VALUES) == {
            "orders": 493,
            "revenue": pytest.approx(items.merge(bought).price.sum()),
            "customers": customers.customer_unique_id.nunique(),
            "repeating": (people > 1).sum(),
        }
        assert row(
            found,
            """
            select
                max(n) as n,
                max(score) filter (where measure = 'csat_mean') as mean,
                max(score) filter (where measure = 'csat_top_two_pct') as top_two
            from satisfaction.satisfaction_scores
            where breakdown = 'total' and period_grain = 'all' and answers = 'all'
            """,
        ) == {
            "n": len(scores),
            "mean": pytest.approx(scores.mean()),
            "top_two": pytest.approx(100 * (scores >= 4).mean()),
        }
        # Who scored is known by their order.
        assert row(
            found,
            """
            select count(*) as unknown from satisfaction.satisfaction_scores
            where part = 'unidentified'
            """,
        ) == {"unknown": 0}
        methods = payments.groupby("order_id").payment_type.nunique()
        assert row(
            found,
            """
            select
                sum(shipping_amount)::double as shipping,
                count(*) filter (where payment_method = 'several') as several,
                count(*) filter (where payment_method is null) as unpaid,
                count(delivered_at) as delivered,
                count(*) filter (where delivered_at > promised_at) as late
            from feeds.orders
            """,
        ) == {
            "shipping": pytest.approx(items.freight_value.sum()),
            "several": (methods > 1).sum(),
            "unpaid": 0,
            "delivered": orders.order_delivered_customer_date.count(),
            "late": (
                orders.order_delivered_customer_date
                > orders.order_estimated_delivery_date
            ).sum(),
        }


def test_baskets_without_a_number_are_orders_of_a_person_and_day(
    files: Path, make: Make
) -> None:
    baskets(files)
    done = make()
    assert doubts(done, "(numbers) no number of an order")
    lines = pd.read_csv(files / "groceries.csv")
    orders = lines.groupby(["Member_number", "Date"]).size().reset_index()
    by_member = orders.groupby("Member_number").size()
    with build(done.folder, "+customer_values", "+feed_events") as found:
        assert row(found, VALUES) == {
            "orders": len(orders),
            "revenue": pytest.approx((lines.quantity * lines.price).sum()),
            "customers": len(by_member),
            "repeating": (by_member > 1).sum(),
        }


def test_events_with_structs_and_lists_tell_orders_and_sessions(
    files: Path, make: Make
) -> None:
    analytics(files)
    done = make()
    assert kinds(done, "events")["device"] == "json"
    assert doubts(done, "(customers) 117 of 700 rows have no user_id")
    events = pd.read_json(files / "events.jsonl", lines=True)
    events["user"] = events["user"].str["id"]
    items = events[events.event_name == "purchase"].explode("items")
    amounts = items["items"].str["price"] * items["items"].str["quantity"]
    bought = items.groupby("event_id").user.first()
    with build(done.folder, "+customer_values", "+feed_events") as found:
        assert row(found, VALUES) == {
            "orders": items.event_id.nunique(),
            "revenue": pytest.approx(amounts.sum()),
            "customers": events.user.nunique(),
            "repeating": (bought.value_counts() > 1).sum(),
        }
        assert row(
            found,
            """
            select count(*) as events, count(distinct session_id) as sessions
            from feeds.events
            """,
        ) == {"events": len(events), "sessions": events.session_id.nunique()}
