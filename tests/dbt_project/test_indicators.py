"""Indicators of built companies: none looks ahead, each kind against pandas."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
import yaml
from pandas.testing import assert_frame_equal

from kith.build.dbt import DBT_PROJECT
from kith.company.folder import feed_names, load_company
from kith.settings import REPOSITORY

# From feeds to indicators, each after what it reads.
STEPS = [
    *("int_references_resolved", "int_customer_records", "orders", "order_lines"),
    *("products", "int_readings", "int_stays", "int_responses", "interactions"),
    *("sessions", "customers", "complaints", "promises", "int_words_classed"),
    *("int_orders_placed", "int_customer_actions", "int_indicators"),
]
# What nobody could know on the day: it becomes known, or happens, later.
SPOILT = [
    f"update feeds.{feed} set {column} = {value} "
    f"where {column} >= getvariable('day_end')"
    for feed, column, value in [
        ("orders", "delivered_at", "delivered_at + interval 99 day"),
        ("tickets", "resolved_at", "null"),
        ("tickets", "first_response_at", "null"),
        ("contacts", "opened_at", "null"),
        ("contacts", "responded_at", "null"),
        ("promises", "kept_at", "null"),
        ("quotes", "decided_at", "null"),
        ("customers", "deleted_at", "null"),
        ("customers", "updated_at", "null"),
    ]
] + [
    # A third of the last month's orders comes to nothing, a third goes back.
    "update feeds.orders set status = case hash(order_id) % 3 when 0 then 'storniert' "
    "when 1 then 'returned' else status end "
    "where ordered_at between getvariable('day_end') - interval 29 day "
    "and getvariable('day_end') and status not in ('storniert', 'returned')",
    *(
        f"insert into feeds.{feed} select * replace "
        f"('new' || {key} as {key}, {at} + interval 50 day as {at}) from feeds.{feed} "
        f"where {at} between getvariable('day_end') - interval 49 day "
        "and getvariable('day_end')"
        for feed, key, at in [
            ("orders", "order_id", "ordered_at"),
            ("events", "event_id", "occurred_at"),
            ("tickets", "ticket_id", "opened_at"),
            ("survey_answers", "answer_id", "answered_at"),
            ("presences", "presence_id", "occurred_at"),
            ("attributes", "attribute_id", "observed_at"),
        ]
    ),
    "update feeds.attributes set value_number = -1, value_text = null "
    "where observed_at >= getvariable('day_end')",
]


class Past:
    """Indicators as of a day, built anew from the feeds of a built company."""

    def __init__(self, company: str, state: Path) -> None:
        self.zone = load_company(REPOSITORY / "companies" / company).time_zone
        self.target = state / "dbt" / "target"
        nodes = json.loads((self.target / "manifest.json").read_text())["nodes"]
        self.nodes = {
            node["name"]: node
            for node in nodes.values()
            if node["resource_type"] in ("model", "seed")
        }
        self.warehouse = state / "warehouse" / "kith_build.duckdb"

    def query(self, sql: str) -> pd.DataFrame:
        with duckdb.connect(str(self.warehouse), read_only=True) as connection:
            return connection.execute(sql).df()

    def day(self, role: str) -> dt.date:
        days = self.query("from intermediate.int_observation_days")
        return pd.Timestamp(days.set_index("role").observed_on[role]).date()

    def built(self, day: dt.date) -> pd.DataFrame:
        """Rows of a day as the build of the as-of date has them."""
        return self.query(
            f"from intermediate.int_indicators where observed_on = '{day}' "
            "order by customer_id"
        )

    def place(self, name: str) -> str:
        return f"{self.nodes[name]['schema']}.{self.nodes[name]['alias']}"

    def rebuilt(self, day: dt.date, changes: list[str] | None = None) -> pd.DataFrame:
        """The same rows from feeds cut at the day's end, or uncut with `changes`."""
        with duckdb.connect() as connection:
            connection.execute("set TimeZone = 'UTC'")
            connection.execute(f"attach '{self.warehouse}' as built (read_only)")
            connection.execute(
                f"set variable day_end = timezone('UTC', timezone('{self.zone}', "
                f"timestamp '{day}' + interval 1 day))"
            )
            for schema in ("kith", "feeds", "intermediate", "customer", "satisfaction"):
                connection.execute(f"create schema {schema}")
            connection.execute("create table kith.run as from built.kith.run")
            for feed in feed_names():
                query = f"from built.feeds.{feed}" if changes else cut(feed)
                connection.execute(f"create table feeds.{feed} as {query}")
            for change in changes or [
                f"update kith.run set as_of_date = '{day}', "
                "as_of_at = getvariable('day_end')"
            ]:
                connection.execute(change)
            for name in ("identities", "touchpoint_kinds"):
                place = self.place(name)
                connection.execute(f"create table {place} as from built.{place}")
            connection.execute(
                f"create table {self.place('int_observation_days')} as "
                f"select date '{day}' as observed_on, 'score' as role"
            )
            for step in STEPS:
                path = self.nodes[step]["original_file_path"]
                query = (self.target / "compiled" / "kith" / path).read_text()
                shape = "view" if step == "int_customer_actions" else "table"
                connection.execute(
                    f"create {shape} {self.place(step)} as "
                    + query.replace('"kith_build".', "")
                )
            return connection.execute(
                f"from {self.place('int_indicators')} order by customer_id"
            ).df()


def cut(feed: str) -> str:
    """A feed of a build as it was at the variable `day_end`, by its contract."""
    path = DBT_PROJECT / "models" / "feeds" / f"feed_{feed}.yml"
    (model,) = yaml.safe_load(path.read_text())["models"]
    columns = []
    for column in model["columns"]:
        known_at: list[str] = (
            column.get("config", {}).get("meta", {}).get("known_at", [])
        )
        later = " or ".join(f"{time} >= getvariable('day_end')" for time in known_at)
        name = column["name"]
        columns.append(
            f"case when {later} then null else {name} end as {name}" if later else name
        )
    query = f"select {', '.join(columns)} from built.feeds.{feed}"
    if event_time := model.get("config", {}).get("event_time"):
        query += f" where coalesce({event_time} < getvariable('day_end'), true)"
    if feed == "order_lines":
        query += (
            " where (source, order_id) not in (select (source, order_id) "
            "from built.feeds.orders where ordered_at >= getvariable('day_end'))"
        )
    return query


class Seen:
    """What the demo's feeds tell of its customers at the end of a day, in pandas."""

    def __init__(self, past: Past, day: dt.date) -> None:
        self.past = past
        self.day = pd.Timestamp(day)
        self.end = (
            (self.day + pd.Timedelta(days=1))
            .tz_localize(past.zone)
            .tz_convert("UTC")
            .tz_localize(None)
        )
        known = past.query(
            "select identifier_type, identifier_value, customer_id "
            "from intermediate.identities where customer_id is not null"
        )
        self.identities = known

    def local_day(self, times: "pd.Series[Any]") -> "pd.Series[Any]":
        local = times.dt.tz_localize("UTC").dt.tz_convert(self.past.zone)
        return local.dt.tz_localize(None).dt.normalize()

    def rows(self, table: str, at: str) -> pd.DataFrame:
        """Rows of customers up to the day, with their age in days."""
        frame = self.past.query(f"from {table}").merge(self.identities)
        frame = frame[frame[at] < self.end]
        return frame.assign(age=(self.day - self.local_day(frame[at])).dt.days)

    def orders(self) -> pd.DataFrame:
        """Orders as they stood: an end that has no time is known 30 days later."""
        lines = self.past.query("from feeds.order_lines").astype(
            {"quantity": float, "line_amount": float, "discount_amount": float}
        )
        back = lines.line_amount.where(lines.quantity < 0, 0)
        summed = (
            lines.assign(back=-back, is_back=lines.quantity < 0, line_count=1)
            .groupby("order_id")[
                [
                    "quantity",
                    "line_amount",
                    "discount_amount",
                    "back",
                    "is_back",
                    "line_count",
                ]
            ]
            .sum()
        )
        orders = self.rows("feeds.orders", "ordered_at").astype(
            {"discount_amount": float}
        )
        summed = summed.rename(columns={"discount_amount": "line_discount"})
        orders = orders.join(summed, on="order_id")
        voucher = orders.discount_amount.fillna(0)
        net = orders.line_amount - voucher
        delivered = orders.delivered_at.where(orders.delivered_at < self.end)
        ages = (self.day - self.local_day(delivered)).dt.days
        is_settled = orders.age.where(ages.isna(), ages) >= 30
        is_cancelled = (orders.status == "storniert") & is_settled
        went_back = (
            (orders.status == "returned")
            & is_settled
            & (orders.is_back == 0)
            & (net >= 0)
        )
        bought = (net.where(net >= 0, 0) + orders.back.where(net >= 0, 0)).round(2)
        returned = orders.back.where(net >= 0, -net)
        return orders.assign(
            is_cancelled=is_cancelled,
            is_purchase=(net >= 0)
            & (orders.line_count > orders.is_back)
            & ~is_cancelled,
            has_return=~is_cancelled & (went_back | (orders.is_back > 0) | (net < 0)),
            bought=bought,
            returned=returned.where(~went_back, net),
            units=orders.quantity.where(~went_back, 0),
            discount=orders.line_discount + voucher,
        )

    def expected(self) -> pd.DataFrame:
        """One indicator or more of each measure, from its definition."""
        rows = self.rows
        orders = self.orders()
        bought = orders[orders.is_purchase]
        given_back = orders[orders.has_return]
        events = rows("feeds.events", "occurred_at")
        stays = rows("intermediate.int_stays", "occurred_at")
        stays["minutes"] = (stays.ended_at - stays.occurred_at).dt.total_seconds() / 60
        over = stays[stays.ended_at + pd.Timedelta(minutes=60) < self.end]
        tickets = rows("feeds.tickets", "opened_at")
        first = tickets[["first_response_at", "resolved_at"]].min(axis=1)
        waited = first.where(first < self.end, self.end) - tickets.opened_at
        answers = rows("feeds.survey_answers", "answered_at")
        answers["pct"] = (
            100
            * (answers.score - answers.scale_min)
            / (answers.scale_max - answers.scale_min)
        )
        nps = answers[(answers.measure == "nps") & (answers.age < 365)]
        csat = answers[answers.measure == "csat"].sort_values(["age", "pct"])
        posts = rows("feeds.posts", "posted_at")
        contacts = rows("feeds.contacts", "sent_at")
        promises = rows("feeds.promises", "promised_at")
        is_due = promises.due_at < self.end
        in_time = promises.kept_at <= promises.due_at
        quotes = rows("feeds.quotes", "quoted_at")
        accepted = (quotes.outcome == "accepted") & (quotes.decided_at < self.end)
        traits = rows("feeds.attributes", "observed_at").sort_values("observed_at")
        sold = self.past.query(
            "select order_id, category from feeds.order_lines "
            "inner join feeds.products using (product_id) where quantity >= 0"
        )
        sold = orders[["order_id", "customer_id", "age"]].merge(sold)
        delivered = orders[orders.delivered_at < self.end]
        late = delivered[delivered.delivered_at > delivered.promised_at]
        late_age = (self.day - self.local_day(late.delivered_at)).dt.days
        records = rows("feeds.customers", "registered_at")
        traces = self.past.query(
            "select customer_id, occurred_date from customer.interactions "
            f"where occurred_date <= '{self.day.date()}'"
        )
        traces["age"] = (self.day - traces.occurred_date).dt.days
        sessions = self.past.query("from customer.sessions")
        sessions = sessions[sessions.started_at < self.end]
        sessions["age"] = (self.day - self.local_day(sessions.started_at)).dt.days

        def count(frame: pd.DataFrame, days: float = float("inf")) -> "pd.Series[Any]":
            return frame[frame.age < days].groupby("customer_id").size()

        def total(
            frame: pd.DataFrame, column: str, days: float = float("inf")
        ) -> "pd.Series[Any]":
            return frame[frame.age < days].groupby("customer_id")[column].sum()

        def least(frame: pd.DataFrame) -> "pd.Series[Any]":
            return frame.groupby("customer_id").age.min()

        def greatest(frame: pd.DataFrame) -> "pd.Series[Any]":
            return frame.groupby("customer_id").age.max()

        by_day = bought.drop_duplicates(["customer_id", "age"])
        gaps = by_day.sort_values("age").groupby("customer_id").age.diff()
        lately, before = count(bought, 90), count(bought, 180)
        searches = events[events.event_name == "search"]
        in_app = events[events.touchpoint == "app"]
        event_days = events.drop_duplicates(["customer_id", "age"])
        event_gap = (greatest(events) - least(events)) / (count(event_days) - 1)
        tenure = greatest(pd.concat([records, traces]))
        last = {
            name: traits[traits.attribute == name]
            .drop_duplicates("customer_id", keep="last")
            .set_index("customer_id")
            for name in ("club_balance", "diet")
        }
        zero = {  # 0 for who has none
            "order_count_90d": lately,
            "order_amount_web_365d": total(
                bought[bought.channel == "web"], "bought", 365
            ),
            "order_units_ever": total(bought, "units"),
            "order_days_180d": count(by_day, 180),
            "discount_amount_365d": total(bought, "discount", 365),
            "return_count_365d": count(given_back, 365),
            "returned_amount_ever": total(given_back, "returned"),
            "cancelled_count_ever": count(orders[orders.is_cancelled]),
            "late_delivery_count_365d": count(late.assign(age=late_age), 365),
            "delivery_count_ever": count(delivered),
            "event_count_search_90d": count(searches, 90),
            "event_count_app_30d": count(in_app, 30),
            "event_days_ever": count(event_days),
            "session_count_90d": count(sessions, 90),
            "stay_count_ever": count(stays),
            "stay_minutes_365d": total(over, "minutes", 365),
            "complaint_count_365d": count(
                tickets[tickets.kind.isin(["complaint", "claim"])], 365
            ),
            "unanswered_ticket_count_ever": count(tickets[~(first < self.end)]),
            "late_ticket_count_ever": count(tickets[waited > pd.Timedelta(hours=24)]),
            "open_ticket_count_ever": count(tickets[~(tickets.resolved_at < self.end)]),
            "answer_count_nps_365d": count(nps),
            "negative_post_count_ever": count(posts[posts.sentiment < 0]),
            "opened_contact_count_365d": count(
                contacts[contacts.opened_at < self.end], 365
            ),
            "kept_promise_count_ever": count(
                promises[in_time & (promises.kept_at < self.end)]
            ),
            "broken_promise_count_ever": count(promises[is_due & ~in_time]),
            "accepted_quote_count_ever": count(quotes[accepted]),
            "category_variety_365d": count(
                sold.sort_values("age").drop_duplicates(["customer_id", "category"]),
                365,
            ),
            "order_amount_per_year": 365 * total(bought, "bought") / (tenure + 1),
            "trait_diet": last["diet"].value_text.notna().astype(int),
            "app_searches_90d": count(searches[searches.touchpoint == "app"], 90),
        }
        nothing = {  # unknown for who has none
            "score_pct_nps_365d": nps.groupby("customer_id").pct.mean(),
            "last_score_pct_csat": csat.groupby("customer_id").pct.first(),
            "sentiment_ever": posts.groupby("customer_id").sentiment.mean(),
            "days_since_order_web": least(bought[bought.channel == "web"]),
            "days_since_first_event": greatest(events),
            "order_median_gap_days": gaps.groupby(bought.customer_id).median(),
            "order_mean_gap_days": gaps.groupby(bought.customer_id).mean(),
            "order_count_trend_90d": (2 * lately - before) / before,
            "discount_share_365d": total(bought, "discount", 365)
            / total(bought, "bought", 365),
            "event_count_share_app_ever": count(in_app) / count(events),
            "event_gaps_passed": least(events) / event_gap,
            "tenure_days": tenure,
            "trait_club_balance": last["club_balance"].value_number,
        }
        frame = pd.DataFrame(zero | nothing)
        frame[list(zero)] = frame[list(zero)].fillna(0)
        # A share of nothing is unknown; no part of something is 0.
        frame.loc[
            frame.event_count_share_app_ever.isna() & (frame.event_days_ever > 0),
            "event_count_share_app_ever",
        ] = 0
        frame.loc[
            frame.order_count_trend_90d.isna() & frame.index.isin(before.index),
            "order_count_trend_90d",
        ] = -1
        return frame


@pytest.fixture(scope="module")
def demo_past(demo: Path) -> Past:
    return Past("demo", demo)


@pytest.mark.parametrize("role", ["train", "test"])
def test_indicators_of_a_day_are_those_of_a_build_as_of_that_day(
    role: str, demo_past: Past
) -> None:
    day = demo_past.day(role)
    built = demo_past.built(day)
    assert len(built) > 1_800
    assert_frame_equal(built, demo_past.rebuilt(day), check_exact=True)


def test_what_is_known_or_happens_later_changes_no_indicator(demo_past: Past) -> None:
    day = demo_past.day("test")
    assert_frame_equal(
        demo_past.built(day), demo_past.rebuilt(day, SPOILT), check_exact=True
    )


def test_indicators_of_the_grocer_s_year_do_not_look_ahead(
    complete_journey: Path,
) -> None:
    past = Past("complete_journey", complete_journey)
    day = past.day("test")
    built = past.built(day)
    assert len(built) > 2_000
    assert_frame_equal(built, past.rebuilt(day), check_exact=True)


@pytest.mark.parametrize("role", ["test", "score"])
def test_an_indicator_of_each_measure_is_what_its_definition_says(
    role: str, demo_past: Past
) -> None:
    day = demo_past.day(role)
    built = demo_past.built(day).set_index("customer_id")
    expected = Seen(demo_past, day).expected().reindex(built.index).astype(float)
    assert_frame_equal(
        built[list(expected.columns)], expected, check_exact=False, rtol=1e-9
    )
