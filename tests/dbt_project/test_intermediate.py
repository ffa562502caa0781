"""Identities, valued orders, interactions and sessions against pandas: on the grocer's
year, and on the corner shop, which has costs, unknown persons, devices and searches."""

import datetime as dt
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
import yaml
from pandas.testing import assert_frame_equal

from kith.admit.table import admit_table
from kith.build.dbt import DBT_PROJECT, dbt
from kith.build.warehouse import prepare_warehouse
from kith.pull.table import pull_table
from tests.companies.complete_journey import baskets, read, traces
from tests.conftest import new_run


@pytest.fixture(scope="module")
def grocer(complete_journey_candidate: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(complete_journey_candidate), read_only=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def shop_state(
    corner_shop_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """State of a corner shop of which only traces, sessions and products were built.

    Its clicks come every 72 seconds, six on a device in turn, so that a device that
    is back after four others has paused for exactly 30 minutes.
    """
    home = tmp_path_factory.mktemp("intermediate")
    company = Path(shutil.copytree(corner_shop_data, home / "corner_shop"))
    clicks = company / "data" / "clicks.jsonl.zst"
    duckdb.sql(
        f"""
        copy (
            select * replace (
                timestamp '2024-06-01' + to_seconds(72 * cast(click_id[2:] as bigint))
                    as clicked_at
            ) from '{corner_shop_data}/data/clicks.jsonl.zst'
        ) to '{clicks}' (format json, compression zstd)
        """
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KITH_HOME", str(home))
        run = new_run(company)
        for stage in (pull_table, admit_table):
            for table in run.company.sources:
                stage(run, table.full_name)
        run.warehouse.parent.mkdir(parents=True, exist_ok=True)
        prepare_warehouse(run)
        dbt(run, "run", "--select", "+interactions", "+sessions", "+products")
    return run.folder


@pytest.fixture(scope="module")
def shop(shop_state: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(
        str(shop_state / "warehouse" / "kith_build.duckdb"), read_only=True
    ) as connection:
        yield connection


def delivered(shop: duckdb.DuckDBPyConnection, table: str) -> pd.DataFrame:
    """A source table as admitted, before any model touched it."""
    return shop.sql(f"from {table}").df()


# The grocer's year -------------------------------------------------------------------


def test_every_basket_is_one_order_to_the_cent(
    grocer: duckdb.DuckDBPyConnection,
) -> None:
    found = grocer.sql(
        """
        select cast(order_id as bigint) as basket_id, customer_id, ordered_at as at,
            line_count, cast(quantity as bigint) as quantity,
            cast(revenue_amount * 100 as bigint) as revenue,
            cast(discount_amount * 100 as bigint) as discount,
            order_date as day, order_month as month
        from customer.orders order by basket_id
        """
    ).df()

    assert len(found) == 155_848
    assert found["revenue"].sum() == 459_603_958
    assert_frame_equal(
        found.astype({"at": "datetime64[us]"}),
        baskets()
        .sort_values("basket_id", ignore_index=True)[list(found.columns)]
        .astype({"at": "datetime64[us]"}),
        check_dtype=False,
        check_exact=True,
    )


def test_revenue_by_household_and_by_business_month_is_that_of_the_baskets(
    grocer: duckdb.DuckDBPyConnection,
) -> None:
    for key, column in (("customer_id", "customer_id"), ("month", "occurred_month")):
        found = grocer.sql(
            f"""
            select {column} as key, cast(sum(amount) * 100 as bigint) as revenue
            from (
                select *, date_trunc('month', occurred_date) as occurred_month
                from customer.interactions where interaction_kind = 'order'
            ) group by key order by key
            """
        ).df()
        expected = baskets().groupby(key)["revenue"].sum().reset_index()
        assert list(found["key"]) == list(expected[key])
        assert list(found["revenue"]) == list(expected["revenue"])


def test_interactions_are_baskets_letters_and_redemptions(
    grocer: duckdb.DuckDBPyConnection,
) -> None:
    found = grocer.sql(
        """
        select customer_id, occurred_date as day, occurred_at as at,
            interaction_kind as kind
        from customer.interactions
        """
    ).df()
    expected = traces()[["customer_id", "day", "at", "kind"]]

    assert found["kind"].value_counts().to_dict() == {
        "order": 155_848,
        "contact": 6_589,
        "event": 2_102,
    }
    order = ["kind", "customer_id", "at", "day"]
    assert_frame_equal(
        found.sort_values(order, ignore_index=True).astype({"at": "datetime64[us]"}),
        expected.sort_values(order, ignore_index=True).astype({"at": "datetime64[us]"}),
        check_dtype=False,
        check_exact=True,
    )


def test_products_are_all_that_is_listed_or_sold_with_their_first_and_last_day(
    grocer: duckdb.DuckDBPyConnection,
) -> None:
    lines = read("transactions", ["basket_id", "product_id"])
    days = baskets().set_index("basket_id")["day"]
    sold = lines.assign(day=lines["basket_id"].map(days)).groupby("product_id")["day"]
    listed = set(read("products", ["product_id"])["product_id"])
    expected = pd.DataFrame({"first": sold.min(), "last": sold.max()}).reindex(
        sorted(listed | set(lines["product_id"]), key=str)
    )
    found = grocer.sql(
        """
        select product_id, is_listed, first_sold_date as first, last_sold_date as last
        from customer.products order by product_id
        """
    ).df()

    assert list(found["product_id"]) == [str(product) for product in expected.index]
    assert list(found["is_listed"]) == [product in listed for product in expected.index]
    assert_frame_equal(
        found[["first", "last"]].astype("datetime64[us]"),
        expected.reset_index(drop=True).astype("datetime64[us]"),
    )
    cents, count = grocer.sql(
        "select cast(sum(revenue_amount) * 100 as bigint), count(*) "
        "from customer.order_lines inner join customer.products using (product_key)"
    ).fetchone()
    assert (cents, count) == (459_603_958, len(lines))


def test_a_redemption_day_of_a_household_is_one_session(
    grocer: duckdb.DuckDBPyConnection,
) -> None:
    found = grocer.sql(
        """
        select customer_id, event_count, campaign_count, duration_seconds
        from customer.sessions
        """
    ).df()
    redemptions = traces().query("kind == 'event'")
    expected = redemptions.groupby(["customer_id", "day"]).size()

    assert sorted(zip(found["customer_id"], found["event_count"], strict=True)) == (
        sorted(zip(expected.index.get_level_values(0), expected, strict=True))
    )
    assert found["campaign_count"].sum() == 2_102
    assert (found["duration_seconds"] == 0).all()


# The corner shop ---------------------------------------------------------------------


def test_orders_have_the_cost_of_their_products_and_vouchers_are_taken_off(
    shop: duckdb.DuckDBPyConnection,
) -> None:
    lines = delivered(shop, "shop.order_lines").merge(
        delivered(shop, "shop.products"), on="product_code"
    )
    lines["revenue"] = lines["quantity"] * lines["unit_price"]
    lines["cost"] = lines["quantity"] * lines["unit_cost"]
    sums = lines.groupby("receipt_number").agg(
        line_count=("revenue", "size"), revenue=("revenue", "sum"), cost=("cost", "sum")
    )
    orders = delivered(shop, "shop.orders").set_index("receipt_number").sort_index()
    expected = sums.sort_index()
    expected["revenue"] -= orders["voucher_amount"]
    expected["discount"] = orders["voucher_amount"]
    expected["margin"] = expected["revenue"] - expected["cost"]
    found = (
        shop.sql(
            """
            select order_id as receipt_number, line_count, revenue_amount as revenue,
                cost_amount as cost, discount_amount as discount,
                margin_amount as margin
            from customer.orders
            """
        )
        .df()
        .set_index("receipt_number")
        .sort_index()
    )

    assert found["cost"].notna().all()
    assert_frame_equal(
        found.astype(float)[list(expected.columns)],
        expected.astype(float),
        atol=1e-6,
        check_names=False,
    )


def test_lines_bear_the_vouchers_of_their_receipts_and_add_up_to_them(
    shop: duckdb.DuckDBPyConnection,
) -> None:
    orders = delivered(shop, "shop.orders")[["receipt_number", "voucher_amount"]]
    expected = (
        delivered(shop, "shop.order_lines")
        .merge(delivered(shop, "shop.products"), on="product_code")
        .merge(orders, on="receipt_number")
        .astype({"voucher_amount": float, "unit_price": float, "unit_cost": float})
        .sort_values(["receipt_number", "line_number"], ignore_index=True)
    )
    amount = expected["quantity"] * expected["unit_price"]
    by_receipt = expected["receipt_number"]
    part = amount / amount.groupby(by_receipt).transform("sum")
    found = shop.sql(
        """
        select order_id, product_key, quantity, cost_basis,
            cast(gross_amount as double) as gross,
            cast(revenue_amount as double) as revenue,
            cast(discount_amount as double) as discount,
            cast(cost_amount as double) as cost
        from customer.order_lines order by order_id, line_number
        """
    ).df()

    assert list(found["order_id"]) == list(by_receipt)
    assert list(found["product_key"]) == list("shop:" + expected["product_code"])
    assert set(found["cost_basis"]) == {"product"}
    assert (found["revenue"] == found["gross"]).all()
    assert np.allclose(found["revenue"] + found["discount"], amount, atol=1e-9)
    assert np.allclose(
        found["cost"], expected["quantity"] * expected["unit_cost"], atol=1e-9
    )
    assert (found["discount"] - part * expected["voucher_amount"]).abs().max() <= 0.01
    by_voucher = found["discount"].groupby(by_receipt).sum()
    vouchers = expected.groupby("receipt_number")["voucher_amount"].first()
    assert (vouchers > 0).any()
    assert np.allclose(by_voucher, vouchers, atol=1e-9)


def test_receipts_of_a_new_card_s_first_day_are_new_and_all_others_repeat(
    shop: duckdb.DuckDBPyConnection,
) -> None:
    orders = delivered(shop, "shop.orders").set_index("receipt_number").sort_index()
    at = orders["bought_at"].dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin")
    day = at.dt.normalize()
    is_first = day == day.groupby(orders["card_number"]).transform("min")
    registered = delivered(shop, "shop.customers").set_index("card_number")
    opening = pd.Timestamp("2023-12-31 23:00")  # midnight in Berlin
    known = registered.index[registered["registered_at"] < opening]
    is_new = is_first & ~orders["card_number"].isin(known)
    expected = is_new.map({True: "new", False: "repeat"})
    expected[orders["card_number"].isna()] = None
    assert (is_first & ~is_new).any()
    found = shop.sql(
        "select purchase_kind from customer.orders order by order_id"
    ).df()["purchase_kind"]

    assert found.value_counts()["new"] > 0
    assert list(found.fillna("")) == list(expected.fillna(""))


def test_traces_of_strangers_are_kept(shop: duckdb.DuckDBPyConnection) -> None:
    found = dict(
        shop.sql(
            """
            select interaction_kind, count(*) filter (where customer_id is null)
            from customer.interactions group by interaction_kind
            """
        ).fetchall()
    )
    strangers = {
        kind: int(delivered(shop, table)["card_number"].isna().sum())
        for kind, table in {
            "order": "shop.orders",
            "event": "web.clicks",
            "contact": "shop.mailings",
        }.items()
    }

    assert found == strangers
    assert strangers["order"] > 0
    assert strangers["event"] > 0


def expected_sessions(clicks: pd.DataFrame) -> pd.DataFrame:
    """Walks through the events of each device, one after the other."""
    sessions: list[dict] = []
    last_device, last_at = None, None
    for click in clicks.sort_values(["device", "clicked_at", "click_id"]).itertuples():
        if click.device != last_device or click.clicked_at - last_at > dt.timedelta(
            minutes=30
        ):
            sessions.append(
                {
                    "stream_id": f"device:{click.device}",
                    "started_at": click.clicked_at,
                    "event_count": 0,
                    "search_count": 0,
                    "product_count": 0,
                    "cards": set(),
                }
            )
        session = sessions[-1]
        session["ended_at"] = click.clicked_at
        session["event_count"] += 1
        session["search_count"] += not pd.isna(click.search_term)
        session["product_count"] += not pd.isna(click.product_code)
        if not pd.isna(click.card_number):
            session["cards"].add(click.card_number)
        last_device, last_at = click.device, click.clicked_at
    frame = pd.DataFrame(sessions)
    frame["card_number"] = [
        next(iter(cards)) if len(cards) == 1 else None for cards in frame.pop("cards")
    ]
    return frame


def test_sessions_are_those_of_a_walk_through_each_device_s_events(
    shop: duckdb.DuckDBPyConnection,
) -> None:
    columns = [
        *("stream_id", "started_at", "ended_at", "event_count", "search_count"),
        *("product_count", "card_number"),
    ]
    found = shop.sql(
        """
        select sessions.*, identities.identifier_value as card_number
        from customer.sessions left join intermediate.identities using (customer_id)
        """
    ).df()
    clicks = delivered(shop, "web.clicks")
    expected = expected_sessions(clicks)

    # The data try the rule: some pauses last exactly the timeout.
    assert (expected["event_count"] > 6).any()
    assert expected["stream_id"].duplicated().any()
    pauses = clicks.sort_values("clicked_at").groupby("device")["clicked_at"].diff()
    assert (pauses == pd.Timedelta(minutes=30)).any()
    assert_frame_equal(
        found[columns].sort_values(columns[:2], ignore_index=True),
        expected[columns].sort_values(columns[:2], ignore_index=True),
        check_dtype=False,
    )
    seconds = (expected["ended_at"] - expected["started_at"]).dt.total_seconds()
    assert found["duration_seconds"].sum() == np.floor(seconds).sum()
    assert found["session_id"].is_unique


def test_every_identifier_that_a_source_shows_is_in_identities(
    shop: duckdb.DuckDBPyConnection,
) -> None:
    cards = {
        card
        for table in ("shop.customers", "shop.orders", "shop.mailings", "web.clicks")
        for card in delivered(shop, table)["card_number"].dropna()
    }
    found = shop.sql("select identifier_value from intermediate.identities").fetchall()

    assert sorted(found) == sorted((card,) for card in cards)


def test_identities_read_every_feed_that_names_persons(shop_state: Path) -> None:
    persons = {
        path.stem
        for path in (DBT_PROJECT / "models" / "feeds").glob("*.yml")
        if {"identifier_type", "left_type"}
        & {c["name"] for c in yaml.safe_load(path.read_text())["models"][0]["columns"]}
    }
    manifest = json.loads((shop_state / "dbt" / "target" / "manifest.json").read_text())
    parents = {
        parent
        for model in ("int_identifiers", "int_links_shown")
        for parent in manifest["nodes"][f"model.kith.{model}"]["depends_on"]["nodes"]
    }

    assert persons == {
        name.removeprefix("model.kith.") for name in parents if "feed_" in name
    }
