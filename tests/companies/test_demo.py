"""The demo company: what its generator planted is what comes out of the pipeline."""

import gzip
import hashlib
import json
import re
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal
from scipy.stats import t as student
from statsmodels.stats.proportion import proportion_confint

from kith import stages
from kith.company.folder import Company, feed_names, load_company
from kith.errors import ConfigurationError
from kith.publish import release as release_module
from kith.publish.release import verify
from kith.runs.source_systems import source_systems
from kith.settings import REPOSITORY, load_request, load_settings
from kith.watch import spikes as watch_spikes
from kith.watch.alerts import new_alerts, remember
from kith.watch.fresh import Watch
from tests.companies import definitions, leaving, offered, priced, visits
from tests.companies.contacted import check_plans
from tests.companies.definitions import Shop
from tests.companies.demo import ZONE, Demo
from tests.companies.planted_odds import area_possible
from tests.dbt_project.cut_builds import check_no_look_ahead

DEMO = REPOSITORY / "companies/demo"

# What a plain identifier looks like, in any spelling that the demo uses.
EMAIL = re.compile(r"[a-z]+[.-][a-z]+\d+@example\.(?:com|org|net)", re.IGNORECASE)
CARD = re.compile(r"\bWK[\s-]?[01]\d{9}", re.IGNORECASE)
HANDLE = re.compile(r"[a-z]+_[a-z]+_\d+")
NUMBER = re.compile(r"\d[\d /()-]{8,}\d")


class Warehouse:
    """The candidate that was published, and what the generator knows of it."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.demo = Demo(state / "source_systems")
        self.truth = self.demo.truth
        self.company = load_company(DEMO)

    def query(self, sql: str) -> pd.DataFrame:
        path = self.state / "warehouse" / "kith_build.duckdb"
        with duckdb.connect(str(path), read_only=True) as connection:
            return connection.execute(sql).df()

    def value(self, sql: str) -> Any:
        return self.query(sql).iloc[0, 0]

    def known(self, name: str) -> pd.DataFrame:
        return self.demo.known(name)

    @property
    def totals(self) -> dict[str, int]:
        totals: dict[str, int] = self.truth["totals"]
        return totals

    def feed_of(self, table: str) -> str:
        """The feed that a source table provides; each provides one."""
        reference = "source('{}', '{}')".format(*table.split("."))
        (feed,) = (
            feed
            for feed, models in self.company.feeds.items()
            for model in models
            if reference in (DEMO / "staging" / f"{model}.sql").read_text()
        )
        return feed


@pytest.fixture(scope="session")
def warehouse(demo: Path) -> Warehouse:
    return Warehouse(demo)


def test_it_is_the_company_that_runs_unless_another_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("KITH_COMPANY", "COMPANY"):
        monkeypatch.delenv(name, raising=False)
    assert load_settings().company == load_request().company == DEMO


# --- acceptance: every feed, every row ------------------------------------------------


def test_every_feed_has_rows_and_every_connector_brings_some(
    warehouse: Warehouse,
) -> None:
    rows = {
        feed: warehouse.value(f"select count(*) from feeds.{feed}")
        for feed in feed_names()
    }
    assert len(rows) == 23
    assert [feed for feed, count in rows.items() if not count] == []
    connectors = {table.rules.connector for table in warehouse.company.sources}
    assert connectors == {"files", "sql", "rest"}


def test_rows_delivered_are_those_in_feeds_refused_doubled_or_too_late(
    warehouse: Warehouse,
) -> None:
    counted = warehouse.query(
        """
        select
            source_name || '.' || table_name as name,
            cast(sum(row_count) as bigint) as admitted,
            cast(sum(quarantined_count) as bigint) as quarantined,
            cast(sum(duplicate_count) as bigint) as duplicates,
            cast(sum(late_count) as bigint) as late,
            cast(sum(out_of_window_count) as bigint) as out_of_window
        from operations.source_deliveries
        group by all
        """
    ).set_index("name")
    reasons = warehouse.query(
        """
        select source_name || '.' || table_name as name, reason, count(*) as rows
        from operations.quarantined_rows
        group by all
        """
    )
    tables = warehouse.truth["tables"]
    assert {table.full_name for table in warehouse.company.sources} == set(tables)
    for name, planted in tables.items():
        found = counted.loc[name].to_dict()
        of_table = reasons[reasons["name"] == name].set_index("reason")["rows"]
        assert found["quarantined"] == of_table.sum(), name
        feed = warehouse.feed_of(name)
        found["in_feed"] = warehouse.value(
            f"select count(*) from feeds.{feed} where source = '{name.split('.')[0]}'"
        )
        expected = {name: planted[name] for name in found if name != "in_feed"}
        assert found == expected | {"in_feed": planted["admitted"]}, name
        assert planted["delivered"] == (
            found["in_feed"]
            + found["quarantined"]
            + found["duplicates"]
            + found["out_of_window"]
        ), name
        assert of_table.to_dict() == {
            reason: rows
            for reason, rows in planted["quarantined_by_reason"].items()
            if rows
        }, name


def test_every_kind_of_dirt_was_planted(warehouse: Warehouse) -> None:
    tables = pd.DataFrame(warehouse.truth["tables"]).T
    found = set().union(
        *(
            {reason for reason, rows in reasons.items() if rows}
            for reasons in tables["quarantined_by_reason"]
        )
    )
    assert found == {
        "wrong_type",
        "required_missing",
        "below_minimum",
        "above_maximum",
        "not_accepted",
        "in_the_future",
        "unreadable_line",
        "unknown_reference",
    }
    for column in ("duplicates", "late", "out_of_window"):
        assert (tables[column] > 0).sum() >= 4, column


# --- acceptance: nobody's e-mail, telephone, card or handle ---------------------------


def found_in(text: str, people: dict[str, set[str]]) -> dict[str, str]:
    """One plain identifier of each kind that stands in a text."""
    found = {}
    for kind, pattern, part in (("email", EMAIL, "@example."), ("card", CARD, "wk")):
        if part in text.lower() and (match := pattern.search(text)):
            found[kind] = match.group()
    for handle in HANDLE.findall(text):
        if handle in people["handle"]:
            found["handle"] = handle
    for number in set(NUMBER.findall(text)):
        digits = re.sub(r"\D", "", number)
        for length in (10, 11):
            for start in range(len(digits) - length + 1):
                if digits[start : start + length] in people["phone"]:
                    found["phone"] = number
    return found


def texts(path: Path) -> Iterator[tuple[str, str]]:
    """What a file holds, uncompressed, as (place, text)."""
    if path.suffix == ".parquet":
        # The module's own connection: opening one for each file takes longer.
        yield from _values(duckdb, f"read_parquet('{path}')", str(path))
    elif path.suffix == ".duckdb":
        with duckdb.connect(str(path), read_only=True) as connection:
            tables = connection.execute(
                "select schema_name, table_name from duckdb_tables()"
            ).fetchall()
            for schema, table in tables:
                relation = f'"{schema}"."{table}"'
                yield from _values(connection, relation, f"{path} {relation}")
    else:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
        yield str(path), content.decode("utf-8", errors="replace")


def _values(connection: Any, relation: str, place: str) -> Iterator[tuple[str, str]]:
    columns = connection.execute(f"describe select * from {relation}").fetchall()
    for name, kind, *_ in columns:
        if kind.startswith(("DATE", "TIMESTAMP", "DOUBLE", "DECIMAL", "BOOLEAN")):
            continue
        values = connection.execute(
            f'select distinct cast("{name}" as varchar) from {relation} '
            f'where "{name}" is not null'
        ).fetchall()
        yield f"{place} {name}", "\n".join(value for (value,) in values)


def plain_identifiers(warehouse: Warehouse) -> dict[str, set[str]]:
    identifiers = warehouse.known("identifiers")
    return {kind: set(group["value"]) for kind, group in identifiers.groupby("kind")}


def test_no_plain_identifier_is_kept_anywhere(warehouse: Warehouse) -> None:
    people = plain_identifiers(warehouse)
    sources = warehouse.state / "source_systems"
    # The home as a whole: Airflow's metadata and logs lie beside the company.
    places = [
        path
        for path in sorted(warehouse.state.parent.rglob("*"))
        if path.is_file() and not path.is_relative_to(sources)
    ]
    kept = {place.relative_to(warehouse.state.parent).parts[:2] for place in places}
    for folder in ("raw", "admitted", "quarantine", "warehouse", "runs", "published"):
        assert ("demo", folder) in kept
    assert ("airflow", "logs") in kept
    leaks = {}
    clean = set()  # Releases and candidate hold much of the same.
    for path in places:
        for place, text in texts(path):
            if text in clean:
                continue
            if leak := found_in(text, people):
                leaks[place] = leak
            else:
                clean.add(text)
    assert leaks == {}


def test_the_search_for_plain_identifiers_finds_them_where_they_are(
    warehouse: Warehouse,
) -> None:
    people = plain_identifiers(warehouse)
    delivered = warehouse.state / "source_systems" / "delivered"
    found: dict[str, str] = {}
    for path in sorted(delivered.rglob("*")):
        if path.is_file():
            for _, text in texts(path):
                found |= found_in(text, people)
    assert set(found) == {"email", "phone", "card", "handle"}


# --- who is one person ----------------------------------------------------------------


@pytest.fixture(scope="module")
def identified(warehouse: Warehouse) -> pd.DataFrame:
    """Each identifier of the truth, hashed here, beside what identity says of it."""
    marts = warehouse.query("from customer.customer_identifiers")
    known = warehouse.demo.identifiers
    return known.merge(marts, on="identifier_value", how="inner")


def pairs(groups: pd.Series) -> int:
    """Pairs of identifiers within groups of these sizes."""
    return int((groups * (groups - 1) // 2).sum())


def test_identity_joins_who_is_one_and_nobody_else(identified: pd.DataFrame) -> None:
    own = identified[~identified.duplicated("identifier_value", keep=False)]
    own = own[own.is_linked & (own.owner == own.customer)]
    found = own[own.person_id.notna()]
    right = pairs(found.groupby(["customer", "person_id"]).size())
    assert right > 10_000
    assert right / pairs(found.groupby("person_id").size()) >= 0.999
    assert right / pairs(own.groupby("customer").size()) >= 0.99


def test_what_is_shared_blocked_or_anothers_merges_nobody(
    identified: pd.DataFrame, warehouse: Warehouse
) -> None:
    shared = identified[identified.duplicated("identifier_value", keep=False)]
    assert set(shared.kind) == {"phone", "device"}
    assert set(shared.identifier_value) == set(
        identified[identified.refused_by.notna()].identifier_value
    )
    assert identified.groupby("person_id").customer.nunique().max() == 1
    refused = warehouse.query(
        "select refused_by, count(*) as n from customer.customer_identifiers "
        "where refused_by is not null group by refused_by"
    ).set_index("refused_by")["n"]
    assert refused["blocked_value"] == len(warehouse.truth["planted"]["blocked_values"])
    assert refused["shared_by_several"] > 30


def test_customers_are_the_people_who_are_not_erased(warehouse: Warehouse) -> None:
    people = warehouse.known("people")
    alive = int(people.erased_day.isna().sum())
    customers = warehouse.value(
        "select count(*) from customer.customers where customer_id <> 'unidentified'"
    )
    assert customers == pytest.approx(alive, rel=0.01)
    for mart in ("customer.customer_identifiers", "segment.activity_states"):
        count = f"select count(distinct customer_id) from {mart}"
        assert warehouse.value(count) == customers, mart


@pytest.fixture(scope="module")
def whole(identified: pd.DataFrame) -> pd.DataFrame:
    """Number and customer of everybody whose identifiers were all joined."""
    own = identified[identified.is_linked & identified.customer_id.notna()]
    found = own.groupby("customer").customer_id.agg(["nunique", "first"])
    return found[found["nunique"] == 1]["first"].rename("customer_id").reset_index()


def test_orders_and_revenue_of_each_person_agree_with_the_truth(
    whole: pd.DataFrame, warehouse: Warehouse
) -> None:
    values = warehouse.query("from customer.customer_values")
    orders = warehouse.known("orders")
    known = orders[orders.is_identified & (orders.status != "storniert")]
    expected = (known.line_cents - known.voucher_cents).groupby(known.customer).sum()
    found = whole.merge(values, on="customer_id").set_index("customer")
    both = found.join(expected.rename("cents")).fillna({"cents": 0})
    assert len(both) > 1_900
    agrees = (100 * both.revenue_amount.astype(float)).round() == both.cents
    # Who shares a telephone may have ordered by it alone.
    assert agrees.mean() > 0.97


@pytest.mark.parametrize("population", ["new", "earlier"])
def test_whoever_has_left_is_told_by_their_probability(
    population: str, whole: pd.DataFrame, warehouse: Warehouse
) -> None:
    """Against the day on which each person was made to leave, which no source tells."""
    predictions = warehouse.query(
        "from customer.customer_lifetime_values where repeat_count > 0 and "
        f"population = '{population}' and missing_reason is null"
    )
    people = warehouse.known("people")
    both = predictions.merge(whole, on="customer_id").merge(people, on="customer")
    stays, chance = ~both.is_churned, both.alive_probability
    assert len(both) > 600
    assert chance.mean() == pytest.approx(stays.mean(), abs=0.04)
    assert stays[chance < 0.1].mean() < 0.1
    assert stays[chance > 0.9].mean() > 0.9
    # Probability that one who stays has the higher chance (AUC).
    above = chance.rank()[stays].sum() - stays.sum() * (stays.sum() + 1) / 2
    assert above / (stays.sum() * (~stays).sum()) > 0.9


# --- every measure, computed once more in pandas from what was delivered --------------


@cache
def delivered(state: Path) -> tuple[dict[tuple[str, str], str], Shop]:
    """Whom each plain identifier names, and what they did; not to be changed."""
    warehouse = Warehouse(state)
    marts = warehouse.query("from customer.customer_identifiers")
    names = warehouse.demo.names(marts)
    return names, warehouse.demo.shop(names)


@pytest.fixture(scope="module")
def shop(demo: Path) -> Shop:
    return delivered(demo)[1]


CENTS = ", ".join(
    f"cast({name}_amount * 100 as bigint) as {name}" for name in definitions.AMOUNTS
)
# Costs are unknown where the inventory does not list a product.
COSTS = "cast(cost_amount * 100 as double) as cost"
EXACT = {"check_dtype": False, "check_exact": True}
CLOSE = {"check_dtype": False, "rtol": 1e-12}


def test_customers_orders_and_values_are_those_of_the_delivered_files(
    warehouse: Warehouse, shop: Shop
) -> None:
    assert shop.customers == set(
        warehouse.query(
            "select customer_id from customer.customers "
            "where customer_id <> 'unidentified'"
        ).customer_id
    )
    orders = warehouse.query(
        f"""
        select *, {CENTS}, {COSTS}, order_date as day,
            status_class = 'cancelled' as is_cancelled
        from customer.orders order by order_id
        """
    )
    expected = shop.orders.assign(purchase_kind=definitions.purchase_kinds(shop))
    assert set(expected["purchase_kind"].dropna()) == {"new", "repeat"}
    expected = expected.sort_values("order_id", ignore_index=True)
    assert_frame_equal(orders[list(expected.columns)], expected, **EXACT)
    values = warehouse.query(
        f"""
        select *, {CENTS}, {COSTS}, cast(margin_amount * 100 as double) as margin
        from customer.customer_values order by customer_id
        """
    ).set_index("customer_id")
    silent = ["order_count", "return_count", "cancelled_count"]
    is_silent = ~values[silent].any(axis=1)
    assert not values.loc[is_silent, "revenue"].any()
    expected = definitions.values(shop)
    assert_frame_equal(
        values.loc[~is_silent, list(expected.columns)], expected, **EXACT
    )


def test_each_month_of_each_customer_is_that_of_the_delivered_files(
    warehouse: Warehouse, shop: Shop
) -> None:
    expected = definitions.months(shop)
    months = warehouse.query(
        f"select *, {CENTS} from customer.customer_months order by customer_id, month"
    )
    assert set(expected["lifecycle"].dropna()) == {
        *("new", "returning", "resurrecting", "dormant", "inactive")
    }
    assert_frame_equal(
        months[list(expected.columns)].astype({"is_active": "boolean"}),
        expected,
        **EXACT,
    )


def test_scores_and_states_are_those_of_the_delivered_files(
    warehouse: Warehouse, shop: Shop
) -> None:
    for mart, key, expected, how in (
        ("rfm_cut_points", "dimension", definitions.rfm_cut_points(shop), CLOSE),
        ("rfm_scores", "customer_id", definitions.rfm_scores(shop), EXACT),
        ("activity_states", "customer_id", definitions.activity_states(shop), EXACT),
    ):
        found = warehouse.query(f"from segment.{mart} order by {key}").set_index(key)
        if mart == "activity_states":
            never = set(found.index[found["state"] == "never_purchased"])
            assert never == shop.customers - shop.purchase_days.keys()
            found = found.drop(index=list(never))
        assert_frame_equal(found[list(expected.columns)], expected, **how)


def test_states_and_warnings_of_a_day_know_nothing_of_what_came_later(
    warehouse: Warehouse,
) -> None:
    path = warehouse.state / "warehouse" / "kith_build.duckdb"
    for day in ("2024-06-30", "2025-03-31"):
        assert check_no_look_ahead(path, DEMO, day) > 1000


def test_cohorts_engagement_concentrations_segments_are_those_of_the_delivered_files(
    warehouse: Warehouse, shop: Shop
) -> None:
    cohorts = definitions.cohorts(shop)
    assert "earlier" in set(cohorts["cohort"])
    engagement = definitions.engagement(shop)
    assert engagement["unidentified_count"].sum() > 10_000
    margins = definitions.concentrations(shop, "margin")
    assert margins["unknown_customer_count"].iloc[0] > 0
    for mart, expected in (
        ("cohorts order by cohort, period_number", cohorts),
        ("engagement order by breakdown, channel, month", engagement),
        (
            "concentrations where measure = 'revenue' order by top_pct",
            definitions.concentrations(shop),
        ),
        ("concentrations where measure = 'margin' order by top_pct", margins),
        (
            "segments where state_on = as_of_date order by scheme, segment",
            definitions.segments(shop),
        ),
        (
            "segments where state_on = '2024-10-31' order by scheme, segment",
            definitions.segments(shop.until("2024-10-31")),
        ),
    ):
        found = warehouse.query(f"from segment.{mart}")
        assert_frame_equal(found[list(expected.columns)], expected, **CLOSE)
    reason = "select distinct missing_reason from segment.concentrations where measure"
    assert pd.isna(warehouse.value(f"{reason} = 'revenue'"))
    assert warehouse.value(f"{reason} = 'margin'") == "no Gini: margins may be negative"


# --- what the marts say against what was planted --------------------------------------


def test_orders_and_revenue_agree_with_the_truth(warehouse: Warehouse) -> None:
    orders, cancelled, revenue, lines = warehouse.query(
        """
        select
            count(*),
            count(*) filter (status_class = 'cancelled'),
            sum(revenue_amount),
            sum(line_count)
        from customer.orders
        """
    ).iloc[0]
    totals = warehouse.totals
    assert orders == totals["orders"]
    assert cancelled == totals["orders_cancelled"] > 400
    assert round(float(revenue) * 100) == (
        totals["line_cents"] - totals["voucher_cents"]
    )
    assert lines == warehouse.truth["tables"]["retail.order_lines"]["admitted"]
    by_order, by_customer = (
        warehouse.value(f"select sum(revenue_amount) from {name}")
        for name in ("customer.orders", "customer.customer_values")
    )
    assert by_customer == by_order


def test_purchases_and_revenue_are_the_same_in_every_mart_that_tells_them(
    warehouse: Warehouse,
) -> None:
    found = warehouse.query(
        """
        select 'orders' as mart, count(*) filter (where is_purchase) as purchases,
            sum(revenue_amount) as revenue
        from customer.orders
        union all
        select 'order_lines',
            count(distinct case when is_purchase then (source, order_id) end),
            sum(revenue_amount)
        from customer.order_lines
        union all
        select 'customer_values', sum(order_count), sum(revenue_amount)
        from customer.customer_values
        union all
        select 'customer_months', sum(order_count), sum(revenue_amount)
        from customer.customer_months
        union all
        select 'interactions',
            count(*) filter (where orders.is_purchase), sum(interactions.amount)
        from customer.interactions
        left join customer.orders as orders
            on interactions.interaction_id
            = 'order:' || orders.source || ':' || orders.order_id
        union all
        select scheme, sum(order_count), sum(revenue_amount)
        from segment.segments where state_on = as_of_date group by scheme
        """
    )
    assert len(found) == 11
    assert found["purchases"].nunique() == 1
    assert found["revenue"].nunique() == 1
    kinds = warehouse.query(
        """
        select
            sum(gross_amount - returned_amount - revenue_amount) as rest,
            count(*) filter (where has_return) as returns,
            count(*) filter (where is_purchase and gross_amount < 0) as odd,
            count(*) filter (where not is_status_known) as unknown
        from customer.orders
        """
    ).iloc[0]
    assert (kinds["rest"], kinds["odd"], kinds["unknown"]) == (0, 0, 0)
    assert kinds["returns"] > 0


def test_who_is_new_is_so_in_orders_months_and_cohorts(warehouse: Warehouse) -> None:
    found = warehouse.query(
        """
        with ordered as (
            select order_month as month, count(distinct customer_id) as n
            from customer.orders where purchase_kind = 'new' group by all
        ),
        lived as (
            select month, count(*) as n
            from customer.customer_months where lifecycle = 'new' group by all
        ),
        grouped as (
            select cohort_month as month, cohort_size as n
            from segment.cohorts where cohort <> 'earlier' and period_number = 0
        )
        select ordered.n as ordered, lived.n as lived, grouped.n as grouped
        from ordered full join lived using (month) full join grouped using (month)
        """
    )
    assert len(found) == 24
    assert (found.ordered == found.lived).all() and (
        found.ordered == found.grouped
    ).all()


def test_what_shop_web_and_service_desk_name_is_the_product_of_the_inventory(
    warehouse: Warehouse,
) -> None:
    """Some are named and listed by nobody: their rows were refused or never came."""
    found = warehouse.query(
        """
        select distinct
            traces.source,
            traces.product_id,
            traces.product_key,
            products.is_listed
        from (
            select source, product_id, product_key from customer.interactions
            union all
            select source, product_id, product_key from customer.order_lines
        ) as traces
        inner join customer.products as products
            on traces.product_key = products.product_key
        """
    )
    listed = set(warehouse.query("select product_id from feeds.products").product_id)
    assert {"crm", "retail", "web"} <= set(found.source)
    is_listed = found.product_id.isin(listed)
    assert (found.is_listed == is_listed).all()
    first = found.groupby("product_id").source.transform("min")
    owner = first.where(~is_listed, "inventory")
    assert (found.product_key == owner + ":" + found.product_id).all()
    assert is_listed.any() and not is_listed.all()


def test_complaints_answered_in_time_agree_with_the_truth(
    warehouse: Warehouse,
) -> None:
    found = warehouse.query(
        """
        select
            count(*) as complaints,
            count(*) filter (is_answered_in_time) as complaints_answered_in_time,
            count(*) filter (not is_answered_in_time and first_response_at is not null)
                as complaints_answered_late,
            count(*) filter (first_response_at is null) as complaints_unanswered
        from satisfaction.complaints
        where kind = 'complaint'
        """
    ).iloc[0]
    assert found.to_dict() == {name: warehouse.totals[name] for name in found.index}


def test_promises_kept_late_and_broken_agree_with_the_truth(
    warehouse: Warehouse,
) -> None:
    found = warehouse.query(
        """
        select
            kind,
            count(*) filter (state = 'kept') as kept_in_time,
            count(*) filter (state = 'late') as kept_late,
            count(*) filter (kept_at is null) as kept_not
        from satisfaction.promises
        group by kind
        """
    ).set_index("kind")
    for kind in warehouse.truth["planted"]["promises"]:
        expected = {w: warehouse.totals[f"promises_{kind}_{w}"] for w in found.columns}
        assert found.loc[kind].to_dict() == expected, kind


def test_promises_are_in_the_care_of_who_had_the_customer_that_day(
    warehouse: Warehouse,
) -> None:
    """Whoever's care had begun last, and was not over, when it was promised."""
    promises = warehouse.query("from satisfaction.promises")
    cares = warehouse.query(
        """
        select customer_id, employee_id, department, valid_from, valid_to
        from feeds.assignments
        inner join intermediate.identities using (identifier_type, identifier_value)
        where customer_id is not null
        """
    )
    both = promises[["promise_id", "customer_id", "promised_at"]].merge(
        cares, on="customer_id"
    )
    begun = both.valid_from <= both.promised_at
    over = both.valid_to.notna() & (both.valid_to <= both.promised_at)
    in_care = both[begun & ~over].sort_values("valid_from")
    columns = ["promise_id", "employee_id", "department"]
    expected = in_care.groupby("promise_id").tail(1)[columns]
    found = promises[promises.employee_id.notna()][columns]
    assert len(found) > 30
    pd.testing.assert_frame_equal(
        found.sort_values("promise_id", ignore_index=True),
        expected.sort_values("promise_id", ignore_index=True),
    )


def test_incidents_by_product_are_cases_over_units_sold(warehouse: Warehouse) -> None:
    found = warehouse.query("from satisfaction.product_incidents")
    cases = warehouse.query(
        "select product_key, opened_date as day from satisfaction.complaints "
        "where kind <> 'question' and product_key is not null"
    )
    sold = warehouse.query(
        "select product_key, order_date as day, cast(quantity as double) as units "
        "from customer.order_lines "
        "where is_purchase and quantity > 0 and product_key is not null"
    )
    year = pd.Timestamp("2025-01-01"), pd.Timestamp("2025-12-31")
    before = pd.Timestamp("2024-01-02"), pd.Timestamp("2024-12-31")
    expected = pd.DataFrame(
        {
            "incident_count": cases[
                cases.day.between(*year)
            ].product_key.value_counts(),
            "incident_count_before": cases[
                cases.day.between(*before)
            ].product_key.value_counts(),
            "n": sold[sold.day.between(*year)].groupby("product_key").units.sum(),
            "units_before": sold[sold.day.between(*before)]
            .groupby("product_key")
            .units.sum(),
        }
    ).fillna(0)
    both = found.set_index("product_key").sort_index()
    for column in expected:
        values = both[column].astype(float)
        assert list(values) == list(expected.sort_index()[column]), column
    worst = both.loc[both.incidents_per_1000.idxmax()]
    assert worst.name.endswith(warehouse.truth["planted"]["crisis_product"])
    assert worst.trend == "rising"
    # A score interval: the rates at whose 97.5 % points this number of cases lies.
    low, high = (
        worst.interval_low * worst.n / 1000,
        worst.interval_high * worst.n / 1000,
    )
    count = worst.incident_count
    for mean in (low, high):
        assert abs(count - mean) / np.sqrt(mean) == pytest.approx(1.959963984540054)
    few = both[both.n < 30]
    assert few.incidents_per_1000.isna().all()


def test_answers_by_touchpoint_and_survey_agree_with_the_truth(
    warehouse: Warehouse,
) -> None:
    scores = warehouse.query(
        """
        select *
        from satisfaction.satisfaction_scores
        where period_grain = 'all' and answers = 'all' and dimension = 'overall'
        """
    )
    # Surveys are never pooled: what the truth counts by touchpoint is in several rows.
    by_touchpoint = (
        scores[scores.breakdown == "touchpoint"]
        .groupby(["measure", "part"])
        .sum(numeric_only=True)
    )
    for touchpoint in warehouse.truth["planted"]["touchpoints"]:
        expected = {
            name: warehouse.totals[f"{name}_{touchpoint}"]
            for name in (
                *("nps_promoters", "nps_passives", "nps_detractors"),
                *("csat_satisfied", "csat_answers", "ces_easy", "ces_answers"),
            )
        }
        nps = by_touchpoint.loc["nps", touchpoint]
        csat = by_touchpoint.loc["csat_top_two_pct", touchpoint]
        ces = by_touchpoint.loc["ces_top_three_pct", touchpoint]
        assert expected == {
            "nps_promoters": nps["promoter_count"],
            "nps_passives": nps["passive_count"],
            "nps_detractors": nps["detractor_count"],
            "csat_satisfied": csat["top_box_count"],
            "csat_answers": csat["n"],
            "ces_easy": ces["top_box_count"],
            "ces_answers": ces["n"],
        }, touchpoint
    csat = scores[
        (scores.breakdown == "total") & (scores.measure == "csat_top_two_pct")
    ].set_index("survey")
    surveys = ["after_case", "after_order", "relationship"]
    assert sorted(csat.index) == surveys
    for survey in surveys:
        satisfied, counted = (
            warehouse.totals[f"csat_{kind}_{survey}"]
            for kind in ("satisfied", "answers")
        )
        assert (csat.top_box_count[survey], csat.n[survey]) == (satisfied, counted)
        assert csat.score[survey] == pytest.approx(100 * satisfied / counted)


def test_no_month_with_a_survey_wave_shows_as_a_fall(warehouse: Warehouse) -> None:
    """Who is asked in waves is less pleased than who is asked after an order."""
    scores = warehouse.query(
        """
        select survey, period_start, score, n, interval_low, interval_high
        from satisfaction.satisfaction_scores
        where period_grain = 'month' and answers = 'all' and breakdown = 'total'
            and measure = 'csat_top_two_pct' and score is not null
        """
    )
    waves = set(scores[scores.survey == "relationship"].period_start)
    after = scores[scores.survey == "after_order"]
    in_waves = after.period_start.isin(waves)
    assert in_waves.sum() >= 4
    whole = np.average(after.score, weights=after.n)
    assert abs(np.average(after.score[in_waves], weights=after.n[in_waves]) - whole) < 3
    # Pooled, those months would lie far below.
    pooled = scores[scores.period_start.isin(waves)]
    assert np.average(pooled.score, weights=pooled.n) < whole - 10


def test_marts_are_the_same_to_the_bit_however_many_threads_compute_them(
    warehouse: Warehouse,
) -> None:
    """Doubles that are added up in another order differ in their last digits."""
    path = warehouse.state / "warehouse" / "kith_build.duckdb"
    marts = warehouse.state / "dbt/target/compiled/kith/models/marts"
    compared = 0
    for file in sorted(marts.glob("[!o]*/*.sql")):
        found = set()
        for threads in (1, 4):
            with duckdb.connect(config={"threads": threads}) as connection:
                connection.execute("set preserve_insertion_order = false")
                connection.execute(f"attach '{path}' as kith_build (read_only)")
                query = f"select sum(hash(mart)) from ({file.read_text()}) as mart"
                found |= set(connection.execute(query).fetchall())
        assert len(found) == 1, file.stem
        compared += 1
    assert compared > 30


def test_satisfaction_of_customers_equals_a_computation_over_their_traces(
    warehouse: Warehouse,
) -> None:
    found = warehouse.query("from satisfaction.customer_satisfaction")
    found = found.set_index("customer_id").sort_index()
    known = """
        inner join intermediate.identities using (identifier_type, identifier_value)
        where customer_id is not null
    """
    answers = warehouse.query(f"from feeds.survey_answers {known}")
    answers = answers.sort_values(["answered_at", "answer_id"], ascending=[True, False])
    for kind in ("csat", "nps", "ces"):
        of_kind = answers[(answers.measure == kind) & answers.dimension.isna()]
        by_customer = of_kind.groupby("customer_id").score
        # Mean and change are told within the survey that was answered last.
        last_survey = of_kind.groupby("customer_id").survey.last()
        of_last = of_kind[of_kind.survey == of_kind.customer_id.map(last_survey)]
        before = of_kind[of_kind.duplicated("customer_id", keep="last")]
        before = before[before.survey == before.customer_id.map(last_survey)]
        change = by_customer.last() - before.groupby("customer_id").score.mean()
        for column, expected in {
            f"{kind}_latest": by_customer.last(),
            f"{kind}_mean": of_last.groupby("customer_id").score.mean(),
            f"{kind}_change": change,
            f"{kind}_answer_count": by_customer.count(),
        }.items():
            expected = expected.reindex(found.index)
            if column.endswith("count"):
                expected = expected.fillna(0)
            both = found[column].astype(float), expected.astype(float)
            pd.testing.assert_series_equal(*both, check_names=False)
    whole = answers[
        answers.measure.isin(["csat", "nps", "ces"]) & answers.dimension.isna()
    ]
    whole = whole.sort_values(
        ["answered_at", "measure"],
        key=lambda c: c.replace({"csat": 2, "nps": 1, "ces": 0}),
    )
    last = whole.groupby("customer_id")[["measure", "score"]].last()
    good = last.measure.map({"csat": 4, "nps": 9, "ces": 5})
    bad = last.measure.map({"csat": 2, "nps": 6, "ces": 3})
    words = np.select(
        [last.score >= good, last.score <= bad],
        ["satisfied", "dissatisfied"],
        "undecided",
    )
    told_by = last.measure.reindex(found.index)
    trend = pd.Series(None, found.index, dtype=object)
    for is_telling in (True, False):
        for kind, fifth in (("csat", 0.8), ("nps", 2), ("ces", 1.2)):
            change = found[f"{kind}_change"].round(9)
            of_kind = pd.Series(
                np.select(
                    [change <= -fifth, change >= fifth, change.notna()],
                    ["falling", "rising", "steady"],
                    None,
                ),
                found.index,
            )
            trend = trend.fillna(
                of_kind.where(told_by == kind) if is_telling else of_kind
            )
    assert (found.trend.fillna("none") == trend.fillna("none")).all()
    assert set(found.trend.dropna()) == {"falling", "steady", "rising"}
    said = pd.Series(words, last.index).reindex(found.index).fillna("unknown")
    assert (found.satisfaction == said).all()
    assert found.satisfaction.nunique() == 4

    orders = warehouse.query("from customer.orders where is_purchase")
    lines = (
        warehouse.query(
            """
        select customer_id, category, min(order_date) as day
        from customer.order_lines
        inner join customer.products using (product_key)
        where is_purchase and category is not null
        group by customer_id, category
        """
        )
        .groupby("customer_id")
        .day
    )
    posts = warehouse.query(f"from feeds.posts {known}")
    praise = posts[
        posts.referred_identifier.notna() | (posts.is_about_us & (posts.sentiment > 0))
    ]
    promoters = found.nps_latest >= 9
    expected = {
        "buys_again": (orders.groupby("customer_id").order_date.nunique() > 1),
        "tries_new": lines.max() > lines.min(),
        "tells_others": promoters | found.index.isin(praise.customer_id),
        "answers_surveys": pd.Series(
            found.index.isin(answers.customer_id), found.index
        ),
    }
    all_four = pd.Series(True, found.index)
    for column, does in expected.items():
        does = does.reindex(found.index).fillna(False).astype(bool)
        assert (found[column].astype(bool) == does).all(), column
        all_four &= does
    assert (found.is_advocate.astype(bool) == all_four).all() and all_four.any()

    promises = warehouse.query(f"from feeds.promises {known}")
    due = promises.due_at < pd.Timestamp("2025-12-31 23:00")
    is_impossible = (promises.due_at < promises.promised_at) | (
        promises.kept_at < promises.promised_at
    )
    missed = promises[due & ~is_impossible & ~(promises.kept_at <= promises.due_at)]
    missed = missed.groupby("customer_id").size().reindex(found.index).fillna(0)
    assert (found.promise_missed_count == missed).all()


def test_warnings_and_their_record_equal_plain_loops_over_the_traces(
    warehouse: Warehouse,
) -> None:
    bought = leaving.purchase_days(warehouse.query)
    known = leaving.warnings(warehouse.query, bought)
    found = warehouse.query("from satisfaction.churn_warnings")
    opened, closed = map(leaving.days_of, (found.opened_on, found.closed_on))
    about = [None if pd.isna(each) else each for each in found.about]
    told = zip(found.customer_id, found.sign, about, opened, closed, strict=True)
    assert set(told) == known
    for customer, day, outcome in zip(
        found.customer_id, opened, found.outcome, strict=True
    ):
        days = bought.get(customer, [])
        after = leaving.next_after(days, day)
        until = day + leaving.HORIZON
        if not any(day - leaving.YEAR < each <= day for each in days):
            expected = "no customer"
        elif after is not None and after <= until:
            expected = "stayed"
        else:
            expected = "left" if until <= leaving.LAST else "not yet known"
        assert outcome == expected, (customer, day)

    then = leaving.customers_then(known, bought)
    record = warehouse.query("from satisfaction.churn_warning_records")
    assert len(record) == 8 * 8
    for row in record.to_dict("records"):
        part = then if row["period"] == "all" else then[then.period == row["period"]]
        hits = part.left & part[row["sign"]]
        sums = [len(part), part.left.sum(), part[row["sign"]].sum(), hits.sum()]
        names = ["n", "left_count", "warned_count", "hit_count"]
        assert [row[name] for name in names] == sums
        for rate, of in (("error", part[row["sign"]]), ("miss", part.left)):
            counted = of.groupby(part.customer_id).sum()
            if (counted > 0).sum() < 30:
                assert np.isnan(row[f"{rate}_rate"])
                continue
            of_hits = hits.groupby(part.customer_id).sum()
            share, low, high = leaving.interval(of_hits, counted)
            assert [row[f"{rate}_rate{end}"] for end in ("", "_low", "_high")] == (
                pytest.approx([1 - share, 1 - high, 1 - low])
            )


def test_mentions_agree_with_the_truth_and_shares_of_voice_with_a_computation(
    warehouse: Warehouse,
) -> None:
    found = warehouse.query(
        """
        select mentions.*, author, date_trunc('month', posted_date) as month
        from satisfaction.mentions as mentions
        inner join feeds.posts using (source, post_id)
        """
    )
    kinds = found.subject_kind.value_counts()
    totals = warehouse.totals
    assert kinds["us"] == totals["posts_about_us"]
    assert kinds["competitor"] == totals["posts_about_rivals"] > 100
    assert kinds.sum() == totals["posts"]
    assert set(found.method) == {"delivered"}
    found["writer"] = found.customer_id.fillna("unknown " + found.author)
    found = found[found.subject_kind != "nobody"]
    shares = warehouse.query("from satisfaction.share_of_voice")
    assert (
        (shares.groupby(["period_grain", "breakdown"]).mention_count.sum())
        .eq(len(found))
        .all()
    )
    for row in shares.to_dict("records"):
        part = found
        if row["breakdown"] != "total":
            part = part[part[row["breakdown"]] == row["breakdown_value"]]
        if row["period_grain"] == "month":
            part = part[part.month == row["month"]]
        is_it = part.subject == row["subject"]
        bad = part[is_it].sentiment == "negative"
        names = ["all_mention_count", "mention_count", "negative_count", "n"]
        expected = [len(part), is_it.sum(), bad.sum(), is_it.sum()]
        assert [row[name] for name in names] == expected
        assert row["writer_count"] == part[is_it].writer.nunique()
        for name, hits, of in (
            ("share", is_it, part),
            ("negative", bad, part[is_it]),
        ):
            if len(of) < 30:
                assert np.isnan(row[f"{name}_pct"])
            elif row["period_grain"] == "all":
                whole = of.groupby("writer").size()
                sums = leaving.interval(hits.groupby(of.writer).sum(), whole)
                ends = ("pct", "low_pct", "high_pct")
                assert [row[f"{name}_{end}"] for end in ends] == (
                    pytest.approx([100 * each for each in sums])
                )


def test_planted_promises_and_leavers_are_among_the_signs(warehouse: Warehouse) -> None:
    found = warehouse.query(
        """
        select about, employee_id, opened_on, count(distinct customer_id) as customers
        from satisfaction.churn_warnings
        left join (
            select distinct employee_id, employee_id as about from feeds.assignments
        ) using (about)
        where sign = 'owner_left' group by all order by about
        """
    )
    days = {
        row.about: (row.opened_on - pd.Timestamp("2024-01-01")).days
        for row in found.itertuples()
    }
    assert days == warehouse.truth["planted"]["leavers"]
    cared = warehouse.query(
        """
        select employee_id as about, count(distinct customer_id) as customers
        from feeds.assignments
        inner join intermediate.identities using (identifier_type, identifier_value)
        where valid_to is not null group by all order by about
        """
    )
    assert found.customers.tolist() == cared.customers.tolist()
    missed = warehouse.query(
        """
        select promises.promise_id, warnings.about
        from satisfaction.promises as promises
        left join satisfaction.churn_warnings as warnings
            on warnings.about = promises.source || ':' || promises.promise_id
        where not is_kept_in_time and promises.customer_id is not null
            and kept_at is null
            and not exists (
                from customer.orders where is_purchase
                    and orders.customer_id = promises.customer_id
                    and order_date = due_at::date + 1
            )
        """
    )
    assert len(missed) > 50 and missed.about.notna().all()


def test_delivered_values_equal_a_computation_over_the_answers(
    warehouse: Warehouse,
) -> None:
    """The demo asks for three of the eight parts; of the others nothing is made up."""
    answers = warehouse.query(
        """
        select survey, measure, dimension, score, customer_id,
            coalesce(customer_id, identifier_value, response_id) as person
        from feeds.survey_answers
        left join intermediate.identities using (identifier_type, identifier_value)
        where measure = 'ces' or measure = 'perception'
        """
    )
    service = ["reliability", "responsiveness"]
    answers["part"] = np.select(
        [answers.measure == "ces", answers.dimension.isin(service)],
        ["energy_cost", "service_value"],
        "personnel_value",
    )
    answers = answers[answers.dimension != "tangibles"]
    answers.loc[answers.measure == "ces", "score"] = 8 - answers.score
    told = answers.pivot_table(
        index=["survey", "person"], columns="part", values="score", aggfunc="mean"
    )
    found = warehouse.query(
        "from satisfaction.delivered_values where period_grain = 'all'"
    )
    assert set(found.completeness) == {"partial"}
    people = found[found.breakdown == "customer"].set_index(["survey", "customer_id"])
    expected = told[told.index.get_level_values("person").isin(answers.customer_id)]
    assert len(people) == len(expected) > 1000
    for part in told:
        both = people[part].sort_index(), expected[part].sort_index()
        pd.testing.assert_series_equal(*both, check_names=False, check_index=False)
    whole = found[found.breakdown == "total"].set_index("survey")
    of_survey = told.loc["relationship"]
    row = whole.loc["relationship"]
    value = of_survey.service_value + of_survey.personnel_value
    delivered = value - of_survey.energy_cost
    n = row.person_count
    assert n == len(of_survey) and row.incomplete_count == 0
    assert row.total_value == pytest.approx(value.mean())
    assert row.total_cost == pytest.approx(of_survey.energy_cost.mean())
    assert row.delivered_value == pytest.approx(delivered.mean())
    assert row.value_cost_ratio == pytest.approx(
        value.mean() / of_survey.energy_cost.mean()
    )
    half = delivered.std(ddof=1) / np.sqrt(n) * student.ppf(0.975, n - 1)
    assert row.interval_high - row.delivered_value == pytest.approx(half, rel=1e-4)
    assert row.delivered_value - row.interval_low == pytest.approx(half, rel=1e-4)
    assert row.missing_parts == (
        "product_value, image_value, monetary_cost, time_cost, psychic_cost"
    )
    # After a case only the effort is asked for: that is no delivered value.
    assert pd.isna(whole.delivered_value["after_case"])
    assert whole.missing_reason["after_case"] == "nobody was asked for a part of value"


def test_gaps_of_service_equal_a_computation_over_the_answers(
    warehouse: Warehouse,
) -> None:
    """Pairs by questionnaire and dimension, as this survey asks each once.

    Intervals are those of a regression on a constant with errors clustered by person.
    """
    answers = warehouse.query(
        """
        select
            response_id, dimension, measure, score, touchpoint, answered_at,
            coalesce(customer_id, identifier_value, response_id) as person,
            case when customer_id is null then 'unidentified'
                else coalesce(segment, 'not_yet_known') end as segment
        from feeds.survey_answers
        left join intermediate.identities using (identifier_type, identifier_value)
        left join (
            from segment.segment_memberships where scheme = 'tier'
        ) as tiers using (customer_id)
        where (
            segment is null
            or (answered_at at time zone 'UTC' at time zone 'Europe/Berlin')::date
            between valid_from and coalesce(valid_to, date '9999-12-31')
        )
        and measure in ('perception', 'expectation', 'importance')
        """
    )
    answers["year"] = (
        answers.answered_at.dt.tz_localize("UTC")
        .dt.tz_convert(warehouse.company.time_zone)
        .dt.year
    )
    pairs = answers.pivot_table(
        index=[
            *("response_id", "dimension", "touchpoint", "segment", "year", "person"),
        ],
        columns="measure",
        values="score",
    ).reset_index()
    pairs["gap"] = pairs.perception - pairs.expectation
    found = warehouse.query("from satisfaction.service_gaps")
    weights = warehouse.company.weights.segments
    checked = 0
    for row in found.itertuples():
        some = pairs
        if row.touchpoint != "all":
            some = some[some.touchpoint == row.touchpoint]
        if row.segment != "all":
            some = some[some.segment == row.segment]
        if row.period_grain == "year":
            some = some[some.year == row.period_start.year]
        if row.dimension != "total":
            some = some[some.dimension == row.dimension]
        assert (row.n, row.person_count) == (some.gap.count(), some.person.nunique())
        assert row.unpaired_count == some.gap.isna().sum()
        if row.person_count < warehouse.company.minimum_answers:
            assert pd.isna(row.gap) and "fewer than" in row.missing_reason
            continue
        checked += 1
        means = some.groupby("dimension")[["perception", "expectation", "gap"]].mean()
        assert row.gap == pytest.approx(means.gap.mean())
        assert row.perception_mean == pytest.approx(means.perception.mean())
        assert row.expectation_mean == pytest.approx(means.expectation.mean())
        left = some.gap - some.dimension.map(means.gap)
        weight = 1 / some.groupby("dimension").gap.transform("size") / len(means)
        scores = (left * weight).groupby(some.person).sum()
        persons = len(scores)
        error = np.sqrt(persons / (persons - 1) * (scores**2).sum())
        half = error * student.ppf(0.975, persons - 1)
        assert row.standard_error == pytest.approx(error)
        bounds = [row.interval_low - row.gap, row.interval_high - row.gap]
        assert bounds == pytest.approx([-half, half], rel=1e-4)
        importance = some.groupby("dimension").importance.mean()
        if row.dimension == "total":
            # Of who weighs some dimensions otherwise, the others weigh as to all.
            weight = pd.Series(weights["all"] | weights.get(row.segment, {}))
            weighted = (weight / weight.sum() * means.gap).sum()
            assert row.weighted_gap == pytest.approx(weighted)
            assert row.weighted_by == "weights of company.yml, version 1"
        else:
            told = some[some.importance.notna()].person.nunique()
            if told >= warehouse.company.minimum_answers:
                assert row.importance_mean == pytest.approx(importance.iloc[0])
            else:
                assert pd.isna(row.importance_mean)
    assert checked > 60
    assert found[found.person_count < 30].importance_mean.isna().all()
    assert {"High", "unidentified", "all"} < set(found.segment)
    assert set(found.dimension) == {*warehouse.truth["planted"]["dimensions"], "total"}


def test_the_planted_weights_of_service_lie_within_the_intervals_of_the_drivers(
    warehouse: Warehouse,
) -> None:
    planted = pd.Series(warehouse.truth["planted"]["dimensions"]).sort_index()
    drivers = warehouse.query(
        """
        from satisfaction.satisfaction_drivers
        where survey = 'relationship' and outcome = 'csat' and segment = 'all'
        """
    )
    for (kind, grain, _), found in drivers.groupby(
        ["driver_kind", "period_grain", "period_start"]
    ):
        shares = found[found.share_pct.notna()].set_index("driver").sort_index()
        assert shares.cumulative_share_pct.max() == pytest.approx(100)
        assert found.variance_pct.sum() == pytest.approx(100)
        ranked = shares.sort_values("driver_rank")
        assert list(ranked.share_pct) == sorted(shares.share_pct, reverse=True)
        top = ranked.share_pct.iloc[:3].sum()
        assert ranked.cumulative_share_pct.iloc[2] == pytest.approx(top)
        if kind == "dimension" and grain == "all":
            assert (shares.share_pct_low < 100 * planted).all()
            assert (100 * planted < shares.share_pct_high).all()
            # The outcome is on four sevenths of the scale, and cut off at its ends.
            effects = shares.points_per_point / shares.points_per_point.sum()
            assert abs(effects - planted).max() < 0.04
    assert len(drivers.groupby(["driver_kind", "period_grain", "period_start"])) == 6


def test_shortfalls_are_the_gaps_of_service_by_their_importance(
    warehouse: Warehouse,
) -> None:
    found = warehouse.query(
        """
        select shortfalls.*, points_per_point, share_pct
        from satisfaction.service_shortfalls as shortfalls
        inner join satisfaction.satisfaction_drivers as drivers using (
            source, survey, outcome, driver_kind, driver, measure, scale_min, scale_max
        )
        where drivers.period_grain = 'all' and drivers.segment = (
                case view when 'tier' then place else 'all' end
            ) and outcome = 'csat' and driver_kind = 'dimension'
        """
    )
    gaps = warehouse.query(
        """
        select *, case touchpoint when 'all' then 'all' else 'touchpoint' end as view
        from satisfaction.service_gaps
        where period_grain = 'all' and segment = 'all' and dimension <> 'total'
        """
    ).set_index(["view", "touchpoint", "dimension"])
    owned = warehouse.query(
        """
        with asked as (
            select
                response_id, dimension, customer_id,
                max(score) filter (where measure = 'expectation')
                    - max(score) filter (where measure = 'perception') as shortfall,
                min(answered_at) as answered_at
            from feeds.survey_answers
            left join intermediate.identities using (identifier_type, identifier_value)
            where measure in ('perception', 'expectation')
            group by response_id, dimension, customer_id
        ),
        care as (
            select customer_id, department, valid_from, valid_to
            from feeds.assignments
            inner join intermediate.identities using (identifier_type, identifier_value)
        )
        select dimension, shortfall, coalesce((
            select max_by(department, valid_from) from care
            where care.customer_id = asked.customer_id
                and valid_from <= answered_at
                and (valid_to is null or valid_to > answered_at)
        ), case when customer_id is null then 'unidentified' else 'in_nobodys_care' end
        ) as department,
        (
            select segment from segment.segment_memberships as memberships
            where memberships.customer_id = asked.customer_id and scheme = 'tier'
                and valid_from <= cast(answered_at at time zone 'UTC'
                    at time zone 'Europe/Berlin' as date)
            order by valid_from desc limit 1
        ) as tier
        from asked where shortfall is not null
        """
    )
    by_place = pd.concat(
        {
            view: owned.groupby([view, "dimension"]).shortfall.agg(["mean", "size"])
            for view in ("department", "tier")
        }
    )
    minimum = warehouse.company.minimum_answers
    for row in found.itertuples():
        if row.view in ("department", "tier"):
            expected = by_place.loc[row.view, row.place, row.driver]
            assert row.n == expected["size"]
            shortfall = expected["mean"]
        else:
            gap = gaps.loc[row.view, row.place, row.driver]
            assert (row.n, row.person_count) == (gap.n, gap.person_count)
            shortfall = -gap.gap
            if row.person_count >= minimum:
                assert row.standard_error == pytest.approx(gap.standard_error)
                assert row.interval_low == pytest.approx(-gap.interval_high)
        if row.person_count < minimum:
            assert pd.isna(row.shortfall) and pd.isna(row.priority)
            assert "fewer than" in row.missing_reason
            continue
        assert row.shortfall == pytest.approx(shortfall)
        assert row.priority == pytest.approx(row.share_pct / 100 * shortfall)
        brings = max(row.points_per_point, 0) * max(shortfall, 0) * row.reach_pct / 100
        assert row.would_bring_points == pytest.approx(brings)
    told = found[found.priority.notna()]
    assert set(told.view) == {"all", "touchpoint", "department", "tier"}
    for _, some in told.groupby("view"):
        ranks = some.sort_values("priority", ascending=False).priority_rank
        assert list(ranks) == list(range(1, len(some) + 1))
    for _, some in told.groupby(["view", "place"]):
        first = some[some.priority_rank_in_place == 1]
        assert first.priority.item() == some.priority.max()
        important = some.share_pct >= 100 / len(some)
        behind = (some.shortfall > 0) & (some.shortfall >= some.shortfall.mean())
        assert (important & behind == (some.quadrant == "improve_first")).all()
        assert (important & ~behind == (some.quadrant == "keep_up")).all()
    weakest = told[(told.view == "all") & (told.priority_rank == 1)]
    assert list(weakest.driver) == ["reliability"]


def test_effects_of_service_are_regressions_with_customers_as_clusters(
    warehouse: Warehouse,
) -> None:
    """Against one regression with a dummy for each quarter, in plain numpy."""
    answers = warehouse.query(
        """
        select
            customer_id, survey, measure, dimension, score, scale_min, scale_max,
            date_trunc('quarter', answered_at at time zone 'UTC'
                at time zone 'Europe/Berlin') as quarter
        from feeds.survey_answers
        inner join intermediate.identities using (identifier_type, identifier_value)
        where customer_id is not null and measure not in ('expectation', 'importance')
            and (dimension is not null or measure in ('csat', 'nps'))
        """
    )
    scale = answers.scale_max - answers.scale_min
    answers["points"] = 100 * (answers.score - answers.scale_min) / scale
    question = ["survey", "measure", "dimension", "quarter"]
    answers["points"] -= answers.groupby(question, dropna=False).points.transform(
        "mean"
    )
    answers["quarter"] = pd.PeriodIndex(answers.quarter.dt.tz_localize(None), freq="Q")
    key = ["customer_id", "quarter"]
    months = warehouse.query(
        "from customer.customer_months where customer_id <> 'unidentified'"
    )
    months["quarter"] = pd.PeriodIndex(months.month, freq="Q")
    panel = months.groupby(key).agg(
        loyalty=("purchase_day_count", "sum"), revenue=("revenue_amount", "sum")
    )
    panel["revenue"] = panel.revenue.astype(float)
    is_part = answers.dimension.notna()
    panel["service_quality"] = answers[is_part].groupby(key).points.mean()
    panel["satisfaction"] = answers[~is_part].groupby(key).points.mean()
    panel = panel.reset_index()
    found = warehouse.query("from satisfaction.satisfaction_effects")
    told = found[found.effect_change.notna()]
    for row in told.itertuples():
        causes = panel[[*key, row.cause]].dropna()
        later = panel[[*key, row.effect]].dropna()
        later = later.assign(quarter=later.quarter - row.lag_months // 3)
        pairs = causes.merge(later, on=key, suffixes=("", "_later"))
        dummies = pd.get_dummies(pairs.quarter).to_numpy(float)
        x = np.column_stack([pairs[row.cause], dummies])
        y = pairs.iloc[:, -1].to_numpy(float)
        slopes = np.linalg.lstsq(x, y, rcond=None)[0]
        scores = pd.DataFrame(x * (y - x @ slopes)[:, np.newaxis])
        scores = scores.groupby(pairs.customer_id.to_numpy()).sum().to_numpy()
        (n, columns), clusters = x.shape, len(scores)
        inverse = np.linalg.inv(x.T @ x)
        spread = inverse @ scores.T @ scores @ inverse
        spread *= clusters / (clusters - 1) * (n - 1) / (n - columns)
        error = row.cause_step * np.sqrt(spread[0, 0])
        half = error * student.ppf(0.975, clusters - 1)
        assert (row.n, row.customer_count) == (n, clusters)
        assert row.effect_change == pytest.approx(row.cause_step * slopes[0], rel=1e-5)
        assert row.standard_error == pytest.approx(error, rel=1e-5)
        bounds = [row.interval_low, row.interval_high]
        middle = row.effect_change
        assert bounds == pytest.approx([middle - half, middle + half], rel=1e-3)
        assert row.words.startswith("Association, no proof of a cause")
    assert len(told) == 12
    silent = found[found.effect_change.isna()]
    assert set(silent.lag_months) == {24, 36, 48}
    assert silent.missing_reason.str.startswith("history too short").all()
    # Who is satisfied with the service says so, and stays.
    first = told[told.lag_months == 3].set_index(["cause", "effect"])
    assert first.is_told_apart["service_quality", "satisfaction"]
    assert first.is_told_apart["loyalty", "revenue"]


def test_the_crisis_is_found_in_its_first_hours_and_no_week_has_another(
    warehouse: Warehouse,
) -> None:
    crisis = warehouse.truth["planted"]["crisis"]
    start = pd.Timestamp(crisis["starts_at"], tz=ZONE)
    spikes = warehouse.query("from satisfaction.complaint_spikes where is_spike")
    begin = spikes.period_start_at.dt.tz_localize("UTC").dt.tz_convert(ZONE)
    # The hours of the crisis, and the days on which they lie.
    first = begin.where(spikes.grain == "hour", begin + pd.Timedelta("1D"))
    end = start + pd.Timedelta(hours=crisis["hours"])
    assert (first > start - pd.Timedelta("1h")).all()
    assert (begin < end).all()
    for signal, channel in (("complaints", "channel"), ("mentions", "platform")):
        early = spikes[
            (spikes.signal == signal)
            & (spikes.grain == "hour")
            & (begin + pd.Timedelta("1h") <= start + pd.Timedelta("2h"))
        ]
        found = set(zip(early.dimension, early.value, strict=True))
        assert ("all", "all") in found
        assert ("channel", crisis[channel]) in found
        assert ("reason", crisis["reason"]) in found
        if signal == "complaints":
            assert ("category", crisis["category"]) in found
            assert ("product", warehouse.truth["planted"]["crisis_product"]) in found


def test_the_watch_tells_of_the_crisis_once_and_killed_leaves_what_there_was(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = warehouse.state.parent
    monkeypatch.setenv("KITH_HOME", str(home))
    published = home / "watch" / "demo" / "published"

    def look(at: str) -> tuple[dict[str, str], Watch]:
        values, tables = stages.plan_watch(str(DEMO), {"at": at}, f"look_{at}")
        assert [each["table"] for each in tables] == ["community.posts", "crm.cases"]
        return values, Watch.from_dict(values)

    quiet, before = look("2025-06-17T14:05")
    with source_systems(warehouse.company, home) as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        for table in ("community.posts", "crm.cases"):
            stages.fetch(quiet, table)
    release = stages.watch(quiet)
    assert new_alerts(before) == []
    daily = json.loads(
        (warehouse.state / "published/current/manifest.json").read_text()
    )
    manifest = json.loads((published / "current" / "manifest.json").read_text())
    assert manifest["as_of_at"] == "2025-06-17T12:05:00Z"
    assert manifest["compared_with"] == daily["release_id"]
    assert all(manifest["delivered_at"].values())
    assert verify(published / release) == []

    loud, first_hour = look("2025-06-17T15:05")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(watch_spikes, "dbt", lambda *_, **__: None)  # built already
        patch.setattr(release_module, "_switch", lambda *_: sys.exit("killed"))
        stages.watch(loud)
    assert (published / "current").readlink().name == release
    stages.watch(loud)
    told = new_alerts(first_hour)
    assert [alert.details["signal"] for alert in told] == ["complaints", "mentions"]
    crisis = warehouse.truth["planted"]["crisis"]
    for alert, dimension in zip(told, ("phone", "instagram"), strict=True):
        named = {each["value"] for each in alert.details["nature"]}
        assert {dimension, crisis["reason"]} <= named
        remember(first_hour, alert)
    assert new_alerts(first_hour) == []
    # The daily run keeps nothing of it.
    assert not (warehouse.state / "published" / release).exists()


def test_the_crisis_is_in_the_hours_channel_and_product_planted(
    warehouse: Warehouse,
) -> None:
    crisis = warehouse.truth["planted"]["crisis"]
    start = pd.Timestamp(crisis["starts_at"], tz="Europe/Berlin").tz_convert("UTC")
    cases = warehouse.query(
        f"""
        select opened_at, channel, product_id, kind
        from feeds.tickets
        where reason = '{crisis["reason"]}'
        """
    )
    assert len(cases) == warehouse.totals["crisis_complaints"] >= 40
    assert cases["opened_at"].min() >= start.tz_localize(None)
    hours = (cases["opened_at"].max() - start.tz_localize(None)) / pd.Timedelta("1h")
    assert hours < crisis["hours"]
    assert set(cases["channel"]) == {crisis["channel"]}
    assert set(cases["product_id"]) == {warehouse.truth["planted"]["crisis_product"]}
    assert set(cases["kind"]) == {"complaint"}
    posts = warehouse.value(
        f"select count(*) from feeds.posts where topic = '{crisis['reason']}' "
        f"and platform = '{crisis['platform']}' and sentiment < -0.5"
    )
    assert posts == warehouse.totals["crisis_posts"] > 20


def test_what_only_some_customers_can_have_is_filled_for_them_alone(
    warehouse: Warehouse,
) -> None:
    people = warehouse.known("people")
    days = warehouse.truth["plan"]["first_day"], warehouse.truth["plan"]["last_day"]
    length = (pd.Timestamp(days[1]) - pd.Timestamp(days[0])).days + 1
    left = int((people["churn_day"] < length - 25).sum())
    counts = warehouse.query(
        "select attribute, count(*) as rows from feeds.attributes group by all"
    ).set_index("attribute")["rows"]
    assert counts["winback_case"] == left > 300
    assert counts["hold_out"] == warehouse.totals["held_out"]
    reached = warehouse.value(
        "select count(*) from feeds.contacts where purpose='offer'"
    )
    assert reached == warehouse.totals["targeted"] - warehouse.totals["held_out"]


def test_predictions_come_near_to_what_who_knew_all_that_was_planted_could_say(
    warehouse: Warehouse,
) -> None:
    possible = area_possible(warehouse.demo, warehouse.query)
    found = warehouse.query(
        "select metric, value, status, n from segment.model_evaluations "
        "where model = 'buys_again'"
    ).set_index("metric")
    assert set(found["status"]) == {"published"}
    assert possible - 0.03 < found["value"]["auc"] < possible + 0.01
    # The others have too few customers in a demo of this size, and say so.
    refused = warehouse.query(
        "select distinct model, reason from segment.model_evaluations "
        "where status = 'refused' and model in ('pays_again', 'becomes_vip')"
    ).set_index("model")["reason"]
    assert len(refused) == 2 and refused.str.contains("100 of each are required").all()


def test_both_planted_leaks_are_named_and_left_out_of_the_models(
    warehouse: Warehouse,
) -> None:
    found = warehouse.query(
        "select indicator, reason from intermediate.int_indicator_findings "
        "where question = 'buys_again' and status = 'leak'"
    ).set_index("indicator")["reason"]
    assert set(found.index) == {
        f"trait_{name}" for name in warehouse.truth["planted"]["leaks"]
    }
    assert found.str.contains("have it, and the outcome came of none of them").all()
    shown = warehouse.query(
        "select behaviour, share_pct from segment.behaviour_drivers where is_leak"
    )
    assert set(shown["behaviour"]) == set(found.index)
    assert shown["share_pct"].isna().all()


def test_offers_are_better_than_what_most_buy_and_say_what_was_planted(
    warehouse: Warehouse, whole: pd.DataFrame
) -> None:
    worth = offered.check_offers(warehouse.query)
    assert worth["least_hit_rate_gained_at_10"] > 0
    planted = warehouse.truth["planted"]
    # What is out of stock is bought by many, and offered to nobody.
    gone = [f"inventory:{number}" for number in planted["out_of_stock"]]
    buyers = warehouse.query(
        "select product_key, count(distinct customer_id) as n "
        "from customer.order_lines "
        "where order_date > as_of_date - interval 90 day group by product_key"
    ).set_index("product_key")["n"]
    assert (buyers[gone] > 50).all() and len(gone) == 2
    offers = warehouse.query("from customer.recommendations")
    assert not offers["product_key"].isin(gone).any()
    # Coupons are for who hunts for prices.
    people = warehouse.known("people")
    people = people[people["organisation"].isna()].merge(whole, on="customer")
    hunters = people.set_index("customer_id")["price_hunter"]
    coupons = offers["customer_id"][offers["offer_type"] == "coupon"].unique()
    found = hunters.reindex(coupons).dropna()
    assert found.mean() > 0.95 and len(found) > 100
    # What is offered for a child is what it needs at its age.
    stages = pd.DataFrame(planted["life_stages"], columns=["stage", "age", "needs"])
    for_child = offers.dropna(subset="child_age_months").sort_values("child_age_months")
    for_child = for_child.assign(age=for_child["child_age_months"].astype(float) / 12)
    for_child = pd.merge_asof(for_child, stages, on="age")
    assert (for_child["category"] == for_child["needs"]).mean() > 0.95
    assert len(for_child) > 300


def test_prices_that_only_some_customers_get_say_nothing_of_prices(
    warehouse: Warehouse,
) -> None:
    responses = priced.check_price_responses(warehouse.query)
    assert len(responses) == 8 and responses["price_response"].isna().all()
    assert responses["missing_reason"].str.startswith("prices vary too little").all()


def test_drivers_of_churn_show_in_the_order_of_their_strengths(
    warehouse: Warehouse,
) -> None:
    people = warehouse.known("people")
    people = people[people["organisation"].isna()]
    drivers = warehouse.truth["planted"]["churn_drivers"]
    gap = {
        name: people.loc[people[name], "is_churned"].mean()
        - people.loc[~people[name], "is_churned"].mean()
        for name in drivers
    }
    for name, (_, strength) in drivers.items():
        assert (gap[name] > 0) == (strength > 0), name
    assert max(gap, key=lambda name: gap[name]) == "unanswered_complaint"
    assert min(gap, key=lambda name: gap[name]) == "community_member"


# --- visits, campaigns, goals ---------------------------------------------------------


def test_visits_and_flows_equal_plain_loops_over_readings_and_give_the_planted_ones(
    warehouse: Warehouse,
) -> None:
    known, stays = visits.visits(warehouse.query)
    found = warehouse.query(
        "select *, cast(revenue_amount * 100 as bigint) as revenue "
        "from customer.store_visits order by visit_id"
    )
    expected = pd.DataFrame(known).sort_values("visit_id", ignore_index=True)
    assert set(expected.outcome) == {"bought", "bag_without_purchase", "looked"}
    assert expected.impossible_count.sum() > 20  # readings that were refused
    assert_frame_equal(
        found[list(expected.columns)].astype(object).replace({np.nan: None}),
        expected.astype(object).replace({np.nan: None}),
        check_dtype=False,
    )

    flows = visits.flows(known, stays)
    told = warehouse.query("from customer.visitor_flows")
    assert len(told) == len(flows)
    for row in told.astype(object).replace({np.nan: None}).to_dict("records"):
        keys = ("breakdown", "place_id", "floor", "zone", "flow_date", "flow_hour")
        counts = flows[tuple(row[name] for name in keys)]
        for name in (name for name in row if name.endswith(("_count", "_seconds"))):
            assert row[name] == counts.get(name, 0), (row, name)

    # A reading is called V<customer>-<visit>-<step>; from 10000 on nothing is bought.
    planted = [{r["presence_id"].rpartition("-")[0] for r in stay} for stay in stays]
    # A few were planted on each other: nobody can be in a store twice at once.
    assert sum(len(each) == 1 for each in planted) >= 0.998 * len(planted)
    assert abs(len(planted) - warehouse.totals["visits"]) <= 5
    identified = set(
        warehouse.query(
            "select order_id from customer.orders "
            "where is_purchase and customer_id <> 'unidentified'"
        ).order_id
    )
    bought = {v["visit_id"]: v["outcome"] == "bought" for v in known}
    right = 0
    for visit_id, outcome in bought.items():
        person, number, _ = visit_id[1:].split("-")
        right += outcome == (f"A{person}-{int(number):04}" in identified)
    assert right >= 0.995 * len(bought)


def test_credits_of_campaigns_equal_plain_loops_and_add_up_to_revenue(
    warehouse: Warehouse,
) -> None:
    credited = visits.credits_of(warehouse.query)
    found = warehouse.query(
        "select *, strftime(period_start, '%Y-%m') as month, "
        "split_part(campaign_key, ':', -1) as campaign from customer.campaign_results"
    )
    months = found[found.period_grain == "month"].set_index(["campaign", "month"])
    whole = found[found.period_grain == "all"].set_index("campaign")
    touched = months.touched_purchase_count.fillna(0).to_dict()
    revenue = warehouse.value("select sum(revenue_amount) from customer.orders")
    for kind, known in credited.items():
        cents = (months[f"{kind}_amount"].astype(float) * 100).to_dict()
        assert {key for key, value in known.items() if value} <= set(cents)
        for key, value in cents.items():
            # Of a purchase each share is rounded by less than a cent.
            assert abs(value - known.get(key, 0)) <= 0.5 * touched[key] + 0.01, key
        for grain in (months, whole):
            assert round(sum(grain[f"{kind}_amount"]), 2) == round(revenue, 2)
        by_campaign = months[f"{kind}_amount"].astype(float).groupby("campaign").sum()
        pd.testing.assert_series_equal(
            by_campaign, whole[f"{kind}_amount"].astype(float).sort_index()
        )
    sent = warehouse.query(
        "select contacts.*, customer_id from feeds.contacts left join "
        "intermediate.identities using (identifier_type, identifier_value) "
        "where campaign_id is not null"
    ).groupby("campaign_id")
    for campaign, rows in sent:
        row = whole.loc[campaign]
        answered = rows[rows.responded_at.notna()].customer_id.nunique()
        reached = rows.customer_id.nunique()
        assert [row.contact_count, row.reached_count, row.responded_count] == [
            *(len(rows), reached, answered),
        ]
        assert row.opened_count == rows[rows.opened_at.notna()].customer_id.nunique()
        ends = proportion_confint(answered, reached, method="wilson")
        assert np.allclose(
            [row.responded_pct, row.responded_pct_low, row.responded_pct_high],
            100 * np.array([answered / reached, *ends]),
        )


def test_planted_lifts_of_campaigns_lie_in_their_intervals_and_none_is_invented(
    warehouse: Warehouse,
) -> None:
    found = warehouse.query(
        "from customer.campaign_results where period_grain = 'all' "
        "and campaign_key <> 'unattributed' order by campaign_key"
    )
    drawn = dict(list(visits.compared(warehouse.query).groupby("campaign")))
    lifts = warehouse.truth["planted"]["campaign_lifts"]
    assert len(found) == len(drawn) == 16
    effective = {}
    for row in found.to_dict("records"):
        campaign = row["campaign_key"].split(":")[1]
        rows = drawn[campaign]
        held_out, reached = rows[rows.is_held_out], rows[~rows.is_held_out]
        assert [row["compared_count"], row["held_out_count"]] == [
            *(len(reached), len(held_out)),
        ]
        assert [row["bought_count"], row["held_out_bought_count"]] == [
            (group.purchases > 0).sum() for group in (reached, held_out)
        ]
        for measure, name in (("purchases", "purchase"), ("revenue", "revenue")):
            ends = visits.welch(reached[measure], held_out[measure])
            told = [row[f"{name}_uplift{end}"] for end in ("", "_low", "_high")]
            assert np.allclose(told, ends, rtol=2e-3, atol=2e-3)
        lift = lifts[int(campaign[1:]) % len(lifts)]
        assert row["purchase_uplift_low"] < lift < row["purchase_uplift_high"], campaign
        effective[campaign] = (lift, row["verdict"])
        assert row["uplift_missing_reason"] is None
    assert {verdict for lift, verdict in effective.values() if not lift} == {
        "not_shown"
    }
    assert [lift for lift, verdict in effective.values() if verdict == "effective"]


def test_visits_flows_and_uplifts_of_a_day_know_nothing_of_what_came_later(
    warehouse: Warehouse,
) -> None:
    day = pd.Timestamp("2025-03-15")
    path = warehouse.state / "warehouse" / "kith_build.duckdb"
    then = visits.built_as_of(path, DEMO, "2025-03-15")

    def same(mart: str, rows: str, *columns: str) -> int:
        now = warehouse.query(f"from customer.{mart}")
        wanted = ", ".join(columns or [name for name in now if name != "as_of_date"])
        frames = [
            duckdb.sql(f"select {wanted} from frame where {rows} order by all").df()
            for frame in (then[mart], now)
        ]
        assert_frame_equal(*frames)
        return len(frames[0])

    assert same("store_visits", f"visit_date <= '{day}'") > 4000
    assert same("visitor_flows", f"flow_date <= '{day}'") > 20000
    over = f"period_grain = 'all' and ends_at <= '{day}'"
    uplifts = ("bought_count", "held_out_bought_count", "purchase_uplift", "verdict")
    assert same("campaign_results", over, "campaign_key", *uplifts) == 10
    running = then["campaign_results"].query(
        "period_grain == 'all' and campaign_key != 'unattributed' "
        f"and ends_at > '{day}'"
    )
    assert running.verdict.isna().all() and len(running) == 6
    assert set(running.uplift_missing_reason) <= {
        "the campaign is not over",
        "nobody is known to be reached",
        "nobody was held out",
    }


def test_goals_are_what_orders_records_and_answers_say(warehouse: Warehouse) -> None:
    found = warehouse.query("from customer.goals_attained order by goal_id")
    assert len(found) == 24 and found.missing_reason.isna().all()
    orders = warehouse.query("from customer.orders")
    registered = warehouse.query(
        "select timezone('Europe/Berlin', timezone('UTC', registered_at)) as at "
        "from customer.customers where registered_at is not null"
    )["at"].dt.normalize()
    answers = warehouse.query(
        "select *, timezone('Europe/Berlin', timezone('UTC', answered_at)) as at "
        "from feeds.survey_answers "
        "where measure = 'nps' and dimension is null and touchpoint = 'store'"
    )
    states = set()
    for row in found.to_dict("records"):
        days = row["period_start"], row["period_end"]
        margin = 0.0
        if row["measure"] == "revenue":
            of_days = orders[orders.order_date.between(*days)]
            actual, n = float(of_days.revenue_amount.sum()), len(of_days)
        elif row["measure"] == "new_members":
            actual = n = int(registered.between(*days).sum())
        else:
            scores = answers[answers["at"].dt.normalize().between(*days)].score
            marks = (scores >= 9).astype(int) - (scores <= 6).astype(int)
            actual, n = 100 * marks.mean(), len(marks)
            margin = 100 * 1.959963984540054 * marks.std(ddof=0) / np.sqrt(n)
        told = [row[name] for name in ("actual_value", "n", "attained_pct")]
        assert np.allclose(told, [actual, n, 100 * actual / row["target_value"]])
        if margin:
            ends = row["interval_low"], row["interval_high"]
            assert np.allclose(ends, [actual - margin, actual + margin])
        expected = "attained" if actual >= row["target_value"] else "missed"
        assert row["state"] == expected
        states.add((row["measure"], expected))
    assert len(states) == 6  # each measure was attained once and missed once


def test_contact_plans_equal_a_computation_over_the_feeds(warehouse: Warehouse) -> None:
    levels = check_plans(warehouse.query)
    # Three messages a customer tell nobody's own hour: their tier's is taken, or all's.
    assert levels["segment"] + levels["all"] > 0.99 * levels.total()


def test_contacts_act_for_their_organisation_and_answers_make_responses(
    warehouse: Warehouse,
) -> None:
    contacts = warehouse.query(
        """
        select contacts.account_id, organisations.customer_kind
        from feeds.customers as contacts
        left join feeds.customers as organisations
            on contacts.account_id = organisations.customer_record_id
        where contacts.account_id is not null
        """
    )
    people = warehouse.known("people")
    accounts = people["organisation"].dropna().astype(int)
    assert sorted(contacts["account_id"]) == sorted(accounts.map("C{:07}".format))
    assert set(contacts["customer_kind"]) == {"organisation"}
    assert len(contacts) == warehouse.totals["contacts_of_organisations"] > 40
    responses = "select count(distinct response_id) from feeds.survey_answers"
    assert warehouse.value(responses) == warehouse.totals["responses"]
    unanswered = "select count(*) from feeds.survey_answers where response_id is null"
    assert warehouse.value(unanswered) == 0


def test_shared_telephones_and_tablets_belong_to_several(warehouse: Warehouse) -> None:
    identifiers = warehouse.known("identifiers")
    owners = identifiers.groupby(["kind", "value"])["customer"].nunique()
    shared = identifiers[identifiers["customer"] != identifiers["owner"]]
    assert set(shared["kind"]) == {"phone", "device"}
    kiosks = set(identifiers.loc[identifiers["owner"] == -1, "value"])
    devices = owners.loc["device"]
    assert owners.loc["phone"].max() == 4
    assert devices[~devices.index.isin(kiosks)].max() == 3
    assert owners.loc["email"].max() == owners.loc["card"].max() == 1
    signed_in = warehouse.value(
        """
        select max(people)
        from (
            select count(distinct left_value) as people
            from feeds.identifier_links
            where right_type = 'device'
            group by right_value
        )
        """
    )
    assert signed_in == devices[list(kiosks)].max() > 4


# --- the generator --------------------------------------------------------------------


MAKE = """
import datetime as dt, sys
from pathlib import Path
from generator.company import Plan, generate
plan = Plan(300, dt.date(2024, 1, 1), dt.date(2024, 6, 28), int(sys.argv[2]))
generate(Path(sys.argv[1]), plan, int(sys.argv[3]))
"""


def generated(folder: Path, seed: int, chunk: int) -> Path:
    folder.mkdir()
    subprocess.run(
        [sys.executable, "-c", MAKE, str(folder), str(seed), str(chunk)],
        cwd=DEMO,
        check=True,
    )
    return folder


def content(folder: Path) -> dict[str, list[Any]]:
    """The rows of each file, in one order."""
    found: dict[str, list[Any]] = {}
    for path in sorted((folder / "delivered").rglob("*.*")):
        name = str(path.relative_to(folder))
        if path.suffix == ".parquet":
            rows = pq.read_table(path).to_pylist()
            found[name] = sorted(map(repr, rows))
        elif path.suffix == ".sqlite":
            with sqlite3.connect(path) as database:
                for (table,) in database.execute("select name from sqlite_master"):
                    rows = database.execute(f"select * from {table}").fetchall()
                    bare = [row[1:] for row in rows] if path.stem == "api" else rows
                    found[f"{name} {table}"] = sorted(map(repr, bare))
        elif path.suffix == ".gz":
            found[name] = sorted(gzip.decompress(path.read_bytes()).split(b"\n"))
        else:
            found[name] = sorted(path.read_bytes().split(b"\n"))
    return found


def bytes_of(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*.*")
        if path.is_file()
    }


def test_a_seed_gives_the_same_bytes_and_chunks_of_any_size_the_same_rows(
    tmp_path: Path,
) -> None:
    first = generated(tmp_path / "first", 7, 300)
    again = generated(tmp_path / "again", 7, 300)
    small = generated(tmp_path / "small", 7, 77)
    other = generated(tmp_path / "other", 8, 300)
    assert bytes_of(first) == bytes_of(again)
    assert content(first) == content(small)
    for name in ("people", "identifiers"):
        frames = [
            pq.read_table(folder / "truth" / f"{name}.parquet")
            .to_pandas()
            .sort_values(["customer"], kind="stable", ignore_index=True)
            for folder in (first, small)
        ]
        if name == "identifiers":
            frames = [
                frame.sort_values(list(frame.columns), ignore_index=True)
                for frame in frames
            ]
        pd.testing.assert_frame_equal(*frames)
    truths = [
        json.loads((folder / "truth" / "truth.json").read_text())
        for folder in (first, small, other)
    ]
    assert truths[0] == truths[1]
    assert truths[0]["totals"] != truths[2]["totals"]


# --- the source systems ---------------------------------------------------------------


def ask(api: dict[str, Any], path: str, token: str) -> tuple[int, Any, str | None]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{api['port']}{path}",
        headers={"Authorization": f"Bearer {token}"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as answer:
            return answer.status, json.load(answer), answer.headers["Link"]
    except urllib.error.HTTPError as error:
        return error.code, json.load(error), None


def test_source_systems_serve_while_they_are_wanted_and_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KITH_IDENTIFIER_KEY", raising=False)
    company = load_company(DEMO).model_copy(
        update={"last_day": load_company(DEMO).first_day.replace(month=3)}
    )
    with source_systems(company, tmp_path) as first:
        api = json.loads(first["AIRFLOW_CONN_DEMO_API"])
        token = api["password"]
        assert ask(api, "/survey/answers?size=3", "guessed")[0] == 401
        status, answer, _ = ask(api, "/survey/answers?size=3&page=2", token)
        assert (status, len(answer["data"])) == (200, 3)
        assert answer["total"] > 6
        status, rows, link = ask(api, "/club/consents?per_page=5", token)
        assert (status, len(rows)) == (200, 5)
        assert link
        assert ask(api, "/no/such", token)[0] == 404
        database = json.loads(first["AIRFLOW_CONN_DEMO_CRM"])["host"]
        assert Path(database).is_file()
        assert Path(first["KITH_DEMO_FILES"], "orders").is_dir()
        made = Path(database).stat().st_mtime_ns
    with pytest.raises(OSError, match="refused"):
        ask(api, "/survey/answers", token)
    with source_systems(company, tmp_path) as second:
        assert Path(database).stat().st_mtime_ns == made, "made once"
        assert second["KITH_IDENTIFIER_KEY"] == first["KITH_IDENTIFIER_KEY"]
    monkeypatch.setenv("KITH_IDENTIFIER_KEY", "of the user's own")
    with source_systems(company, tmp_path) as third:
        assert "KITH_IDENTIFIER_KEY" not in third


def with_script(folder: Path, text: str) -> Company:
    folder.mkdir()
    (folder / "source_systems.py").write_text(text)
    return load_company(DEMO).model_copy(update={"folder": folder})


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("raise SystemExit('no room left')", "ended with 1 .*: no room left"),
        ("print('sec' + 'ret')", "first line is no JSON object"),
    ],
)
def test_source_systems_that_do_not_come_up_say_why(
    tmp_path: Path, script: str, message: str
) -> None:
    company = with_script(tmp_path / "company", script)
    with (
        pytest.raises(ConfigurationError, match=message) as failed,
        source_systems(company, tmp_path / "home"),
    ):
        pass
    assert "secret" not in str(failed.value)
    assert "\n" not in str(failed.value)


def test_a_company_without_source_systems_needs_none(tmp_path: Path) -> None:
    grocer = load_company(REPOSITORY / "companies/complete_journey")
    with source_systems(grocer, tmp_path) as variables:
        assert variables == {}
    assert list(tmp_path.iterdir()) == []
