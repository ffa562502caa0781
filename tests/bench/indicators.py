"""How fast and in how much memory the behaviour indicators of many customers are built.

A million customers with twenty million interactions stand in a warehouse as dbt has
built them; int_indicators is made from them as of one day, by the SQL that dbt sends.
"""

import json
import resource
import shutil
import sys
import time
from pathlib import Path

from kith.database import connect
from kith.settings import load_settings
from tests.bench.measure import measured
from tests.dbt_project.rendered import MODELS, for_engine
from tests.dbt_project.test_portability import schema

CUSTOMERS_WANTED = 1_000_000
INDICATORS_WANTED = 500
SECONDS_ALLOWED = 120
GB_ALLOWED = 8.0
AS_OF = "date '2024-12-31'"
# Of a thousand interactions: how many of each kind.
SHARES = {
    **{"order": 200, "event": 550, "stay": 60, "ticket": 20},
    **{"answer": 20, "post": 20, "contact": 120, "quote": 10},
}
# What int_indicators and its view read, and the query that fills it.
SOURCES = {
    "run": f"select {AS_OF} as as_of_date, date '2022-01-01' as first_day",
    "int_observation_days": f"select {AS_OF} as observed_on, 'score' as role",
    "touchpoint_kinds": """
        select * from (
            values ('store', 'store', false), ('web', 'web', true),
            ('app', 'app', true), ('phone', 'call', false), ('email', 'message', true)
        ) as kinds (word, kind, is_digital)
    """,
    "customers": "select person(n) as customer_id from range({customers}) as t (n)",
    "identities": """
        select 'card' as identifier_type, card(n) as identifier_value,
            person(n) as customer_id
        from range({customers}) as t (n)
    """,
    "feed_customers": """
        select 'crm' as source, 'card' as identifier_type, card(n) as identifier_value,
            timestamp '2022-01-01' + interval (chance(n, 0) % 90_000_000) second
                as registered_at
        from range({customers}) as t (n)
    """,
    "feed_attributes": """
        select 'crm' as source, n as attribute_id, 'card' as identifier_type,
            card(n // 2) as identifier_value, 'trait ' || (n % 2) as attribute,
            if(n % 2 = 0, n % 7, null) as value_number,
            if(n % 2 = 1, 'yes', null) as value_text,
            timestamp '2023-01-01' as observed_at
        from range({customers}) as t (n)
    """,
    "products": """
        select 'shop:' || n as product_key, 'category ' || (n % 20) as category
        from range(1000) as t (n)
    """,
    # Everybody acts as often as chance has it, few very often.
    "interactions": """
        select
            person(floor({customers} * power(chance(n, 1) % 1_000_000 / 1e6, 2)))
                as customer_id,
            cast(n as string) as record_id,
            case
                {kinds}
            end as interaction_kind,
            ['store', 'web', 'app', 'phone', 'email'][1 + chance(n, 2) % 5] as channel,
            ['view', 'search', 'add_to_cart', 'wishlist'][1 + chance(n, 3) % 4]
                as detail,
            timestamp '2022-01-01' + interval (chance(n, 4) % 94_600_000) second
                as occurred_at,
            cast(timestamp '2022-01-01' + interval (chance(n, 4) % 94_600_000) second
                as date) as occurred_date
        from range(20 * {customers}) as t (n)
    """,
    "orders": """
        select 'shop' as source, record_id as order_id, customer_id,
            occurred_date as order_date, channel,
            'shop:' || chance(record_id, 5) % 50 as place_key,
            if(chance(record_id, 6) % 50 = 0, 'cancelled', 'completed') as status_class,
            chance(record_id, 6) % 50 != 0 as is_purchase,
            chance(record_id, 7) % 20 = 0 as has_return, false as is_returned_whole,
            chance(record_id, 8) % 9 as quantity,
            chance(record_id, 9) % 9999 / 100 as gross_amount,
            chance(record_id, 10) % 99 / 100 as discount_amount,
            if(chance(record_id, 7) % 20 = 0, 1, 0) as returned_amount,
            0 as cancelled_amount,
            if(channel = 'store', null, occurred_at + interval 2 day) as promised_at,
            if(
                channel = 'store',
                null,
                occurred_at + interval (chance(record_id, 0) % 90) hour
            ) as delivered_at
        from interactions where interaction_kind = 'order'
    """,
    "feed_orders": """
        select source, order_id, status_class as status, gross_amount as order_amount
        from orders where status_class = 'cancelled'
    """,
    "feed_order_lines": "select 'shop' as source limit 0",
    "order_lines": """
        select customer_id, order_date, 'shop:' || (chance(order_id, line) % 1000)
            as product_key, gross_amount, returned_amount
        from orders, range(2) as t (line)
    """,
    "sessions": """
        select customer_id, occurred_at as started_at, channel as first_touchpoint
        from interactions where interaction_kind = 'event' and detail = 'search'
    """,
    "int_stays": """
        select 'card' as identifier_type,
            card(floor(chance(record_id, 0) % {customers}))
                as identifier_value,
            occurred_at, occurred_at + interval 20 minute as ended_at
        from interactions where interaction_kind = 'stay'
    """,
    "complaints": """
        select 'desk' as source, customer_id, occurred_date as opened_date, channel,
            'complaint' as kind, true as is_complaint, occurred_at as opened_at,
            occurred_at + interval 9 hour as first_response_at,
            occurred_at + interval 90 hour as resolved_at
        from interactions where interaction_kind = 'ticket'
    """,
    "promises": "select 'crm' as source limit 0",
    **{
        feed: f"""
            select 'card' as identifier_type,
                card(floor(chance(record_id, 0) % {{customers}}))
                    as identifier_value, {columns}
            from interactions where interaction_kind = '{kind}'
        """
        for feed, kind, columns in [
            (
                "feed_survey_answers",
                "answer",
                "occurred_at as answered_at, 'nps' as "
                "measure, channel as touchpoint, chance(record_id, 0) % 11 as score",
            ),
            (
                "feed_posts",
                "post",
                "occurred_at as posted_at, true as is_about_us, 0.5 as sentiment",
            ),
            (
                "feed_contacts",
                "contact",
                "occurred_at as sent_at, channel, "
                "occurred_at + interval 1 day as opened_at",
            ),
            (
                "feed_quotes",
                "quote",
                "occurred_at as quoted_at, 'accepted' as outcome, "
                "occurred_at as decided_at",
            ),
        ]
    },
}


def write_town(folder: Path, customers: int) -> None:
    """A warehouse with all that is read."""
    kinds, bound = "", 0
    for kind, share in SHARES.items():
        bound += share
        kinds += f"when chance(n, 0) % 1000 < {bound} then '{kind}'\n"
    with connect(folder / "town.duckdb", scratch=folder / "tmp") as connection:
        connection.execute("set preserve_insertion_order = false")
        connection.execute("create schema kith")
        for name, hashed in {"person": "md5", "card": "sha256"}.items():
            connection.execute(
                f"create temp macro {name}(n) as {hashed}(cast(cast(n as bigint) "
                "as string))"
            )
        connection.execute(
            "create temp macro chance(n, salt) as cast(hash(n, salt) >> 1 as bigint)"
        )
        for name, query in SOURCES.items():
            columns = ", ".join(f"{c} {kind}" for c, kind in schema()[name].items())
            place = f"kith.{name}" if name == "run" else name
            connection.execute(f"create table {place} ({columns})")
            connection.execute(
                f"insert into {place} by name "
                + query.format(customers=customers, kinds=kinds)
            )


def build(folder: Path) -> None:
    """Make int_indicators, by the SQL that dbt sends; store how long it took."""
    with connect(folder / "town.duckdb", scratch=folder / "tmp") as connection:
        connection.execute("set preserve_insertion_order = false")
        connection.execute("set memory_limit = '5GB'")
        started = time.perf_counter()
        for name, shape in {
            "int_words_classed": "table",
            "int_orders_placed": "table",
            "int_customer_actions": "view",
            "int_indicators": "table",
        }.items():
            path = MODELS / "intermediate" / "indicators" / f"{name}.sql"
            query = for_engine(path.read_text(), "duckdb", path)
            connection.execute(f"create or replace {shape} {name} as {query}")
        seconds = time.perf_counter() - started
        used = resource.getrusage(resource.RUSAGE_SELF)
        rows = connection.execute("select count(*) from int_indicators").fetchone()
        columns = len(connection.execute("describe int_indicators").fetchall())
    answer = {
        "seconds": seconds,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "rows": rows[0] if rows else 0,
        "indicators": columns - 2,
    }
    (folder / "answer.json").write_text(json.dumps(answer))


def bench(customers: int, folder: Path) -> None:
    """Measure one size and print its line."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_town(folder, customers)
    command = [sys.executable, "-m", "tests.bench.indicators", "--build", str(folder)]
    _, memory = measured(command)
    answer = json.loads((folder / "answer.json").read_text())
    assert answer["indicators"] >= INDICATORS_WANTED
    print(
        f"\n{answer['indicators']} indicators, {answer['rows']:,} customers with "
        f"{20 * customers:,} interactions: {answer['seconds']:.1f} s (allowed "
        f"{SECONDS_ALLOWED}; of processor time {answer['cpu_seconds']:.1f}), "
        f"{memory.peak_gb():.2f} GB (allowed {GB_ALLOWED})",
        flush=True,
    )
    shutil.rmtree(folder)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--build"]:
        build(Path(sys.argv[2]))
    else:
        wanted = int(sys.argv[1]) if sys.argv[1:] else CUSTOMERS_WANTED
        bench(wanted, load_settings().home / "bench" / "indicators")
