"""A small candidate warehouse in which all is well, for the gate and publication.

Its tables have the columns and types of the dbt contracts. Two customers buy, one only
looks; one order belongs to nobody.
"""

import functools
import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from kith.company.folder import load_company
from kith.runs.run import Interval, Run
from kith.settings import REPOSITORY

MODELS = REPOSITORY / "dbt_project" / "models"
COMPANY = REPOSITORY / "tests" / "companies" / "corner_shop"

_ROWS = """
create schema kith;
create table kith.run as select
    'corner_shop' as company, 'run_1' as run_id, date '2024-12-31' as as_of_date,
    timestamp '2025-01-01' as as_of_at, date '2024-01-01' as first_day;
create table kith.gate_results as
    from operations.gate_results select * exclude (as_of_date) limit 0;
create table kith.publications as
    from operations.publications select * exclude (as_of_date) limit 0;

-- feeds ---------------------------------------------------------------------------
insert into feeds.orders by name
from (values
    ('o0', 'b', timestamp '2024-09-15 10:00', 0), ('o1', 'a', '2024-10-05', 0),
    ('o2', 'a', '2024-11-10', 0), ('o3', 'a', '2024-12-20', 0),
    ('o4', 'b', '2024-10-15', 0), ('o5', 'b', '2024-12-28', 5),
    ('o6', null, '2024-11-20', 0)
) as v (order_id, identifier_value, ordered_at, discount_amount)
select *, 'shop' as source, if(identifier_value is null, null, 'card')
    as identifier_type, ordered_at + interval 2 day as delivered_at,
    ordered_at as loaded_at;
insert into feeds.order_lines by name
from (values
    ('l0', 'o0', 200), ('l1', 'o1', 60), ('l2', 'o1', 40), ('l3', 'o2', 100),
    ('l4', 'o3', 120), ('l5', 'o4', 80), ('l6', 'o5', 95), ('l7', 'o6', 100)
) as v (order_line_id, order_id, line_amount)
select *, 'shop' as source, 'p1' as product_id, 1 as quantity,
    timestamp '2024-12-31' as loaded_at;
insert into feeds.customers by name
select 'shop' as source, c as customer_record_id, 'card' as identifier_type,
    c as identifier_value, timestamp '2024-01-01' as registered_at,
    date '1980-01-01' as birth_date, timestamp '2024-12-31' as loaded_at
from unnest(['a', 'b', 'c']) as t (c);
insert into feeds.products by name
from range(10) t (i)
select 'shop' as source, 'p' || i as product_id, 9 as list_price_amount,
    5 as unit_cost_amount, timestamp '2024-12-31' as loaded_at;
insert into feeds.places by name
select 'shop' as source, 's1' as place_id, 48.2 as latitude, 16.4 as longitude,
    timestamp '2024-12-31' as loaded_at;
insert into feeds.events by name
select 'shop' as source, 'e1' as event_id, 'card' as identifier_type,
    'c' as identifier_value, timestamp '2024-12-30 12:00' as occurred_at,
    'view' as event_name, 'd1' as device_id, timestamp '2024-12-31' as loaded_at;
insert into feeds.identifier_links by name
select 'shop' as source, 'k1' as link_id, 'card' as left_type, 'a' as left_value,
    'mail' as right_type, 'x' as right_value, 'profile' as reason,
    timestamp '2024-12-31' as loaded_at;
create macro person() as table
    select 'shop' as source, 'card' as identifier_type, 'a' as identifier_value,
        timestamp '2024-12-31' as loaded_at;
insert into feeds.attributes by name select *, 't1' as attribute_id,
    'taste' as attribute, timestamp '2024-12-01' as observed_at from person();
insert into feeds.consents by name select *, 'y1' as consent_id, 'ads' as purpose,
    true as is_granted, timestamp '2024-12-01' as changed_at from person();
insert into feeds.dependants by name select *, 'd1' as dependant_id,
    date '2020-01-01' as birth_date from person();
insert into feeds.assignments by name select *, 'g1' as assignment_id,
    'w1' as employee_id, timestamp '2024-01-01' as valid_from,
    timestamp '2024-06-01' as valid_to from person();
insert into feeds.quotes by name select *, 'q1' as quote_id,
    timestamp '2024-12-01' as quoted_at, 10 as price_amount,
    timestamp '2024-12-02' as decided_at from person();
insert into feeds.posts by name select *, 'x1' as post_id,
    timestamp '2024-12-01' as posted_at from person();
insert into feeds.presences by name select *, 'r1' as presence_id, 's1' as place_id,
    'enter' as state, timestamp '2024-12-01' as occurred_at from person();
insert into feeds.tickets by name select *, 'i1' as ticket_id,
    'complaint' as kind, timestamp '2024-12-01' as opened_at,
    timestamp '2024-12-02' as first_response_at,
    timestamp '2024-12-03' as resolved_at from person();
insert into feeds.survey_answers by name select *, 'n1' as answer_id, 'nps' as measure,
    timestamp '2024-12-01' as answered_at, 9 as score, 0 as scale_min, 10 as scale_max
    from person();
insert into feeds.contacts by name select *, 'm1' as contact_id,
    timestamp '2024-12-01' as sent_at, timestamp '2024-12-02' as opened_at,
    timestamp '2024-12-03' as responded_at from person();
insert into feeds.leads by name select *, 'z1' as lead_id,
    timestamp '2024-12-01' as created_at from person();
insert into feeds.promises by name select *, 'u1' as promise_id,
    timestamp '2024-12-01' as promised_at, timestamp '2024-12-02' as due_at,
    timestamp '2024-12-02' as kept_at from person();
create macro thing() as table
    select 'shop' as source, timestamp '2024-12-31' as loaded_at;
insert into feeds.lead_stages by name select *, 'z1s' as lead_stage_id,
    'z1' as lead_id, 'won' as stage, timestamp '2024-12-05' as entered_at from thing();
insert into feeds.campaigns by name select *, 'c1' as campaign_id,
    timestamp '2024-12-01' as starts_at, timestamp '2024-12-09' as ends_at,
    5 as cost_amount from thing();
insert into feeds.competitor_offers by name select *, 'f1' as offer_id,
    'them' as competitor, 3 as price_amount, timestamp '2024-12-01' as seen_at
    from thing();
insert into feeds.goals by name select *, 'h1' as goal_id, 'revenue' as measure,
    date '2024-01-01' as period_start, date '2024-12-31' as period_end,
    1000 as target_value from thing();

-- facts ---------------------------------------------------------------------------
insert into facts.identities by name
select identifier_type, identifier_value, identifier_value as customer_id,
    'single_identifier' as method
from feeds.customers;
insert into facts.int_orders_valued by name
with lines as (
    select order_id, count(*) as line_count, sum(quantity) as quantity,
        sum(line_amount) as line_amount
    from feeds.order_lines group by order_id
)
select source, order_id, identifier_value as customer_id, ordered_at,
    ordered_at::date as order_date, date_trunc('month', ordered_at) as order_month,
    line_count, quantity, line_amount - discount_amount as revenue_amount,
    discount_amount
from feeds.orders inner join lines using (order_id);
insert into customer.interactions by name
with traces as (
    select 'order' as interaction_kind, order_id as record_id, identifier_value as c,
        ordered_at as traced_at from feeds.orders
    union all select 'event', event_id, identifier_value, occurred_at from feeds.events
    union all select 'post', post_id, identifier_value, posted_at from feeds.posts
    union all select 'presence', presence_id, identifier_value, occurred_at
        from feeds.presences
    union all select 'ticket', ticket_id, identifier_value, opened_at from feeds.tickets
    union all select 'survey_answer', answer_id, identifier_value, answered_at
        from feeds.survey_answers
    union all select 'contact', contact_id, identifier_value, sent_at
        from feeds.contacts
    union all select 'lead', lead_id, identifier_value, created_at from feeds.leads
    union all select 'quote', quote_id, identifier_value, quoted_at from feeds.quotes
)
select interaction_kind || ':shop:' || record_id as interaction_id, interaction_kind,
    'shop' as source, record_id, c as customer_id, traced_at as occurred_at,
    traced_at::date as occurred_date, revenue_amount as amount,
    date '2024-12-31' as as_of_date
from traces left join facts.int_orders_valued
    on interaction_kind = 'order' and record_id = order_id;
insert into customer.sessions by name
select 's1' as session_id, 'device:d1' as stream_id, 'c' as customer_id,
    occurred_at as started_at, occurred_at as ended_at, 0 as duration_seconds,
    1 as event_count, 0 as search_count, 0 as product_count, 0 as campaign_count,
    date '2024-12-31' as as_of_date
from feeds.events;

-- marts ---------------------------------------------------------------------------
insert into customer.customer_values by name
with summed as (
    select coalesce(customer_id, 'unidentified') as customer_id,
        count(*) as order_count, sum(line_count) as line_count,
        sum(quantity) as quantity, sum(revenue_amount) as revenue_amount,
        sum(discount_amount) as discount_amount
    from facts.int_orders_valued group by all
    union all select 'c', 0, 0, 0, 0, 0
)
select *, date '2024-01-01' as window_start, date '2024-12-31' as window_end,
    100.0 * revenue_amount / sum(revenue_amount) over () as revenue_share_pct,
    date '2024-12-31' as as_of_date
from summed;
insert into customer.customer_months by name
with orders as (
    select coalesce(customer_id, 'unidentified') as customer_id, order_month as month,
        count(*) as order_count, sum(revenue_amount) as revenue_amount
    from facts.int_orders_valued group by all
    union all select 'c', date '2024-12-01', 0, 0
),
months as (
    select customer_id, unnest(generate_series(
        min(month)::timestamp, timestamp '2024-12-01', interval 1 month
    ))::date as month, min(month) filter (order_count > 0) as first_month
    from orders group by customer_id
)
select customer_id, month, true as is_complete, 1 as interaction_count,
    1 as visit_day_count, coalesce(order_count, 0) as order_count,
    coalesce(revenue_amount, 0) as revenue_amount, 0 as discount_amount,
    if(month = first_month and customer_id <> 'unidentified', 'new', null)
        as lifecycle, date '2024-12-31' as as_of_date
from months left join orders using (customer_id, month);
insert into customer.customers by name
select customer_id, 'card' as identifier_type, customer_id as identifier_value,
    date '1980-01-01' as birth_date, min(occurred_at) as first_interaction_at,
    max(occurred_at) as last_interaction_at, count(*) as interaction_count,
    max(occurred_date) filter (amount is not null) as last_order_date,
    any_value(order_count) as order_count, any_value(revenue_amount) as revenue_amount,
    'active' as activity_state, date '2024-12-31' as as_of_date
from customer.interactions inner join customer.customer_values using (customer_id)
group by customer_id;
insert into segment.rfm_cut_points by name
select dimension, 1 as cut_20, 2 as cut_40, 2 as cut_60, 4 as cut_80, 2 as mean_value,
    2 as n, 'quantiles' as method, date '2024-01-02' as window_start,
    date '2024-12-31' as window_end, date '2024-12-31' as as_of_date
from unnest(['recency_days', 'frequency_count', 'monetary_amount']) as t (dimension);
insert into segment.rfm_scores by name
from (values ('a', 11, 3, 320, 1, 3, 1, '131'), ('b', 3, 3, 370, 5, 3, 5, '535')) as v (
    customer_id, recency_days, frequency_count, monetary_amount, r_score, f_score,
    m_score, rfm_cell
)
select *, 'Loyal' as segment, true as recency_is_high, true as frequency_is_high,
    true as monetary_is_high, 'Important value' as value_type,
    date '2024-01-02' as window_start, date '2024-12-31' as window_end,
    date '2024-12-31' as as_of_date;
insert into segment.activity_states by name
from (values ('a', 'active', 11), ('b', 'active', 3), ('c', 'never_purchased', null))
    as v (customer_id, state, days_since_last_order)
select *, 2 as gap_count, date '2024-12-31' as as_of_date;
insert into segment.segments by name
with members as (
    select customer_id, order_count, revenue_amount,
        if(customer_id = 'unidentified', 0, 1) as known,
        case when customer_id = 'unidentified' then customer_id
            when order_count > 0 then 'active' else 'never_purchased' end as segment
    from customer.customer_values
)
select scheme, segment, sum(known) as customer_count, sum(order_count) as order_count,
    100.0 * sum(known) / 3 as customer_share_pct, sum(revenue_amount) as revenue_amount,
    100.0 * sum(revenue_amount) / 790 as revenue_share_pct, sum(known) as n,
    'not measured' as satisfaction_missing_reason, date '2024-12-31' as as_of_date
from members cross join unnest(['activity_state', 'rfm_segment']) as t (scheme)
group by scheme, segment;
insert into segment.cohorts by name
from (values
    (date '2024-09-01', 0, 1), ('2024-09-01', 1, 1), ('2024-09-01', 2, 0),
    ('2024-09-01', 3, 1), ('2024-10-01', 0, 1), ('2024-10-01', 1, 1),
    ('2024-10-01', 2, 1)
) as v (cohort_month, period_number, active_count)
select *, cohort_month + interval 1 month * period_number as period_month,
    true as is_complete, 1 as cohort_size, 100 * active_count as retention_pct,
    1 as active_or_later_count, 100 as unbounded_retention_pct, 10 as revenue_amount,
    50 as gross_revenue_retention_pct, 1 as n, 'calendar months' as method,
    date '2024-12-31' as as_of_date;
insert into segment.concentrations by name
from range(1, 101) as t (top_pct)
select 'revenue' as measure, top_pct, if(top_pct <= 50, 1, 2) as customer_count,
    if(top_pct <= 50, 370, 690) as amount,
    if(top_pct <= 50, 37000.0 / 690, 100) as share_pct, 0 as ties_at_edge_count,
    0.0362 as gini, 2 as n, 'top customers' as method, date '2024-12-31' as as_of_date;
insert into satisfaction.satisfaction_scores by name
select period_grain, breakdown, 'nps' as measure, 'overall' as dimension,
    date '2024-12-01' as period_start, 0 as scale_min, 10 as scale_max, 1 as n,
    0 as invalid_count, 1 as promoter_count, 0 as passive_count, 0 as detractor_count,
    9 as score_sum, 81 as score_square_sum, 100 as score, 90 as interval_low,
    100 as interval_high, date '2024-12-31' as as_of_date
from unnest(['month', 'year', 'all']) as g (period_grain)
cross join unnest(['total', 'touchpoint']) as b (breakdown);
insert into satisfaction.complaints by name
select source, ticket_id, identifier_value as customer_id, kind,
    kind = 'complaint' as is_complaint, 'resolved' as state, opened_at,
    opened_at::date as opened_date, first_response_at, resolved_at,
    24 as response_hours, 48 as resolution_hours, true as is_answered_in_time,
    date '2024-12-31' as as_of_date
from feeds.tickets;
insert into operations.source_deliveries by name
from range(366) as t (i)
select 'shop' as source_name, 'orders' as table_name, date '2024-01-01' + i::int as day,
    true as is_expected, 'arrived' as status, 10 as row_count, 0 as quarantined_count,
    0 as duplicate_count, 2 as late_count, 0 as out_of_window_count,
    'none' as late_alert, 0.5 as newest_row_age_hours, 'fresh' as freshness,
    date '2024-12-31' as as_of_date;
insert into operations.quarantined_rows by name
select 'shop' as source_name, 'orders' as table_name, 'orders.csv' as file,
    7 as row_number, 'quantity' as column_name, 'wrong_type' as reason,
    'three' as value, date '2024-12-31' as as_of_date;
insert into operations.gate_results by name
select 'run_0' as run_id, 'customer.customers' as table_name, 'Somebody is there'
    as expectation, 'critical' as severity, 'passed' as outcome,
    timestamp '2024-12-31' as checked_at, date '2024-12-31' as as_of_date;
insert into operations.publications by name
select '20241231T000000Z_abcdef' as release_id, 'run_0' as run_id,
    timestamp '2024-12-31' as published_at, date '2024-12-30' as from_day,
    date '2024-12-30' as to_day, date '2024-12-30' as data_as_of, 1 as mart_count,
    1 as row_count, 0 as failed_warning_count, date '2024-12-31' as as_of_date;
"""


@functools.cache
def contracts() -> dict[str, dict[str, Any]]:
    """dbt's contract of each feed, fact and mart, by `<schema>.<table>`."""
    found = {}
    for path in sorted(MODELS.glob("*/**/*.yml")):
        for model in (yaml.safe_load(path.read_text()) or {}).get("models", []):
            schema = path.parent.name
            if model["name"] in ("interactions", "sessions"):
                schema = "customer"
            name = model["name"].removeprefix("feed_")
            found[f"{schema}.{name}"] = model
    return found


def make_candidate(path: Path) -> None:
    """Write the warehouse file."""
    with duckdb.connect(str(path)) as warehouse:
        warehouse.execute("begin")
        for name, model in contracts().items():
            columns = ", ".join(
                f"{column['name']} {column['data_type']}" for column in model["columns"]
            )
            schema = name.split(".")[0]
            warehouse.execute(f"create schema if not exists {schema}")
            warehouse.execute(f"create table {name} ({columns})")
            warehouse.execute(f"comment on table {name} is $${model['description']}$$")
            for column in model["columns"]:
                warehouse.execute(
                    f"comment on column {name}.{column['name']} "
                    f"is $${column['description']}$$"
                )
        warehouse.execute(_ROWS)
        warehouse.execute("commit")


def make_run(candidate: Path) -> Run:
    """A run, in the present $KITH_HOME, whose build made a copy of this candidate."""
    run = new_run("run_1")
    run.warehouse.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(candidate, run.warehouse)
    write_dbt_manifest(run)
    return run


def new_run(run_id: str) -> Run:
    """A run over the last day of the candidate."""
    from kith.settings import load_settings

    return Run(
        company=load_company(COMPANY),
        interval=Interval.from_slug("20241231-20241231"),
        run_id=run_id,
        home=load_settings().home,
    )


def write_dbt_manifest(run: Run) -> None:
    """What dbt tells of the keys of its models."""
    nodes: dict[str, Any] = {}
    for name, model in contracts().items():
        schema, table = name.split(".")
        nodes[f"model.{name}"] = {
            "schema": schema,
            "name": model["name"],
            "alias": table,
        }
        for test in model.get("data_tests", []):
            if isinstance(test, dict) and "unique_combination" in test:
                nodes[f"test.{name}"] = {
                    "test_metadata": {
                        "name": "unique_combination",
                        "kwargs": test["unique_combination"]["arguments"],
                    },
                    "attached_node": f"model.{name}",
                }
    path = run.folder / "dbt" / "target" / "manifest.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"nodes": nodes}))


@pytest.fixture(scope="session")
def candidate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The warehouse file; not to be changed."""
    path = tmp_path_factory.mktemp("candidate") / "kith_build.duckdb"
    make_candidate(path)
    return path
