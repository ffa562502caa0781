"""How fast and in how much memory the marts that say what comes next are built.

A million customers with twenty million interactions stand in a warehouse as feeds,
with who is who. All models that the marts need are made from them, in dbt's order, each
by the SQL that dbt sends, or as dbt calls a model in Python, and each in a process of
its own. Memory of which DuckDB keeps copies of what it has read is in the figures: it
takes what it is given before it gives any back.

    PYTHONPATH=plugins:. .venv/bin/python -m tests.bench.marts 1000000 [model …]

makes the warehouse, or takes the one that is there, and measures the models named, else
all. It is left there where models were named.
"""

import json
import shutil
import sys
from pathlib import Path

from kith.database import fetch_row
from kith.settings import REPOSITORY, load_settings
from tests.bench.measure import measured
from tests.bench.town import build, town, write_town
from tests.dbt_project.rendered import MODELS

CUSTOMERS_WANTED = 1_000_000
SECONDS_ALLOWED = 60
GB_ALLOWED = 8.0
# What buffers may take; Python and what DuckDB counts nowhere come on top.
MEMORY_LIMIT = "6GB"
COMPANY = REPOSITORY / "companies" / "demo"
FIRST_DAY, AS_OF = "date '2022-01-01'", "date '2024-12-31'"
# What is measured, with what they are made of, in dbt's order. True: it is judged.
MODELS_BUILT = {
    "int_customer_records": False,
    "int_references_resolved": False,
    "orders": False,
    "int_readings": True,
    "int_stays": True,
    "int_responses": True,
    "interactions": False,
    "sessions": False,
    "customers": False,
    "order_lines": False,
    "products": False,
    "places": False,
    "campaigns": False,
    "complaints": False,
    "promises": False,
    "int_words_classed": False,
    "int_searches_matched": True,
    "customer_needs": True,
    "unmet_demand": True,
    "customer_preferences": True,
    "int_offer_grounds": True,
    "recommendations": True,
    "customer_months": False,
    "price_responses": True,
    "int_contact_channels": True,
    "int_contact_hours": True,
    "int_price_ranges": True,
    "contact_plans": True,
    "lead_stages": True,
    "leads": True,
    "lead_conversions": True,
    "prospects": True,
    "ownerships": True,
    "portraits": True,
    "store_visits": True,
    "visitor_flows": True,
    "campaign_results": True,
    "int_answers_judged": False,
    "goals_attained": True,
}
# Of a thousand traces: how many of each kind. Stays at a till come on top.
SHARES = {
    **{"order": 270, "event": 480, "stay": 50, "contact": 120, "ticket": 20},
    **{"response": 30, "post": 20, "quote": 5, "lead": 5},
}
PRODUCTS, CATEGORIES, BRANDS, PLACES, EMPLOYEES = 5000, 60, 200, 200, 300
LOADED = "timestamp '2025-01-01' as loaded_at"


def of_whom(kind: str, owner: str = "owner") -> str:
    """The columns that say whose a row is."""
    return f"'{kind}' as identifier_type, {kind}({owner}) as identifier_value"


def listed(*words: str) -> str:
    """SQL of a list of texts."""
    return "[" + ", ".join(f"'{word}'" for word in words) + "]"


STATES = listed("near", "enter", "floor", "dwell", "dwell", "floor", "bag", "leave")
GROUNDS = listed("bought_with", "due_again", "popular", "child", "bought_before")


def sources(customers: int) -> dict[str, str]:
    """What the models read and is not made by one of them, and the query that fills it.

    Who is no customer has a device, or an address, with a number above theirs.
    """
    kinds, bound = "", 0
    for kind, share in SHARES.items():
        bound += share
        kinds += f"when chance(n, 0) % 1000 < {bound} then '{kind}'\n"
    visitors = customers // 2
    everybody = f"range({customers}) as t (n)"
    schemes = {"tier": 2, "activity": 5, "value": 3}
    return {
        "run": f"""
            select 'demo' as company, 'bench' as run_id, {AS_OF} as as_of_date,
                timestamp '2024-12-31 23:00' as as_of_at, {FIRST_DAY} as first_day
        """,
        "registrations": f"""
            select n as owner, timestamp '2020-06-01 09:00'
                + interval (chance(n, 'registered') % 1600) day as registered_at
            from {everybody}
        """,
        # Everybody acts as often as chance has it, few very often; from the day on
        # which they registered or the data begin, between seven and twenty.
        "drawn": f"""
            select n, case {kinds} end as kind, skewed(n, 'owner', {customers}) as owner
            from range(20 * {customers}) as t (n)
        """,
        "acts": f"""
            select drawn.n, drawn.kind, drawn.owner,
                date_trunc('day', timestamp '2024-12-31' - share(drawn.n, 'day') * (
                    timestamp '2024-12-31'
                    - greatest(registrations.registered_at, {FIRST_DAY})
                )) + interval (25200 + chance(drawn.n, 'second') % 46800) second as
                    acted_at
            from drawn inner join registrations using (owner)
        """,
        "touchpoint_kinds": f"""
            from read_csv('{MODELS.parent / "seeds" / "touchpoint_kinds.csv"}')
        """,
        "identities": f"""
            select row_number() over () as identifier_number, * from (
                select 'card' as identifier_type, card(n) as identifier_value,
                    person(n) as person_id, person(n) as customer_id,
                    'customer' as standing
                from {everybody}
                union all
                select 'device', device(n), person(n), person(n), 'customer'
                from {everybody}
                union all
                select 'email', email(n), person(n), person(n), 'customer'
                from {everybody}
                union all
                select 'device', device(n), person(n), null, 'visitor'
                from range({customers}, {customers + visitors}) as t (n)
                union all
                select 'email', email(n), person(n), null, 'prospect'
                from range({customers + visitors}, {customers + 2 * visitors}) as t (n)
            )
        """,
        "feed_customers": f"""
            select 'crm' as source, 'C' || n as customer_record_id,
            {of_whom("card", "n")},
                if(n % 50 = 0, 'organisation', 'person') as customer_kind,
                if(n % 50 = 0, 'C' || chance(n, 1) % {customers} // 50 * 50, null)
                    as account_id,
                'city ' || n % 40 as city, 'region ' || n % 40 % 16 as region,
                'DE' as country, if(n % 50 = 0, 'industry ' || n % 7, null) as industry,
                {listed("basic", "bronze", "silver", "gold")}[1 + chance(n, 2) % 4]
                    as level,
                {listed("app", "store", "web", "call centre")}[1 + chance(n, 3) % 4]
                    as registration_source,
                registrations.registered_at,
                date '1950-01-01' + cast(chance(n, 4) % 20000 as integer) as birth_date,
                registrations.registered_at as updated_at, {LOADED}
            from {everybody} inner join registrations on n = owner
        """,
        "feed_places": f"""
            select 'retail' as source, 'S' || n as place_id, 'Store ' || n as name,
                'store' as kind, 'city ' || n % 40 as city,
                'region ' || n % 40 % 16 as region, 50 + n / 100 as latitude,
                8 + n / 100 as longitude, timestamp '2015-01-01' as opened_at, {LOADED}
            from range({PLACES}) as t (n)
        """,
        "feed_products": f"""
            select 'inventory' as source, 'P' || n as product_id,
                'brand' || n % {BRANDS} || ' ware' || n % {CATEGORIES} || ' ' || n
                    as name,
                'ware' || n % {CATEGORIES} as category, 'brand' || n % {BRANDS} as
                    brand,
                2 + chance(n, 1) % 60 as list_price_amount,
                1 + chance(n, 1) % 60 / 2 as unit_cost_amount,
                chance(n, 2) % 300 as stock_quantity,
                if(n % 20 = 0, timestamp '2023-06-01', timestamp '2020-01-01')
                    as launched_at, {LOADED}
            from range({PRODUCTS}) as t (n)
        """,
        "feed_campaigns": f"""
            select 'mailing' as source, 'K' || n as campaign_id, 'Campaign ' || n as
                name,
                {listed("email", "app", "letter")}[1 + n % 3] as channel,
                {FIRST_DAY} + interval (n // 3 * 7) day as starts_at,
                {FIRST_DAY} + interval (n // 3 * 7 + 14) day as ends_at,
                1000 + chance(n, 1) % 9000 as cost_amount, {LOADED}
            from range(471) as t (n)
        """,
        "feed_orders": f"""
            select 'retail' as source, 'A' || n as order_id,
                if(chance(n, 1) % 100 < 13, null, 'card') as identifier_type,
                if(chance(n, 1) % 100 < 13, null, card(owner)) as identifier_value,
                acted_at as ordered_at, {listed("store", "web", "app", "store")}
                    [1 + chance(n, 2) % 4] as channel,
                if(
                    chance(n, 2) % 2 = 1, null,
                    'S' || if(chance(n, 3) % 5 = 0, chance(n, 4), owner) % {PLACES}
                ) as store_id,
                'city ' || owner % 40 as city,
                case chance(n, 5) % 50 when 0 then 'cancelled' when 1 then 'returned'
                    else 'completed' end as status,
                if(chance(n, 6) % 20 = 0, 2, 0) as discount_amount,
                if(chance(n, 2) % 2 = 1, 4.9, 0) as shipping_amount,
                {listed("card", "cash", "wallet", "invoice")}[1 + chance(n, 7) % 4]
                    as payment_method,
                if(chance(n, 2) % 2 = 1, acted_at + interval 2 day, null) as
                    promised_at,
                if(chance(n, 2) % 2 = 1, acted_at + interval (chance(n, 8) % 90) hour,
                null)
                    as delivered_at, {LOADED}
            from acts where kind = 'order'
        """,
        # Half of what people buy is one of ten things of their own taste. A price is
        # cut
        # in one week of six, for half of the products.
        "feed_order_lines": f"""
            select 'retail' as source, order_id || '-' || line as order_line_id,
            order_id,
                line + 1 as line_number, 'P' || product as product_id, quantity,
                price as unit_price_amount, discount as discount_amount,
                quantity * price - discount as line_amount, {LOADED}
            from (
                select *, if(chance(n, 'many' || line) % 30 = 0, -1,
                        1 + chance(n, 'many' || line) % 3) as quantity,
                    (2 + chance(product, 1) % 60) * if(
                        product % 2 = 0 and chance(product, week) % 6 = 0, 0.8, 1
                    ) as price,
                    if(chance(n, 'cheap' || line) % 8 = 0, 1, 0) as discount
                from (
                    select n, line, 'A' || n as order_id, date_trunc('week', acted_at)
                        as week,
                        if(
                            chance(n, 'own' || line) % 2 = 0,
                            chance(owner, chance(n, 'taste' || line) % 10) % {PRODUCTS},
                            skewed(n, 'ware' || line, {PRODUCTS})
                        ) as product
                    from acts, range(4) as lines (line)
                    where kind = 'order' and line <= chance(n, 'lines') % 4
                )
            )
        """,
        "feed_events": f"""
            select 'web' as source, 'X' || n as event_id,
                'device' as identifier_type, device(actor) as identifier_value,
                acted_at as occurred_at, event_name,
                {listed("web", "app")}[1 + chance(n, 3) % 2] as touchpoint,
                if(event_name = 'search', null, 'P' || skewed(n, 4, {PRODUCTS}))
                    as product_id,
                if(event_name = 'search', case
                    when chance(n, 5) % 10 < 6 then 'ware' || chance(n, 6) %
                        {CATEGORIES}
                    when chance(n, 5) % 10 < 8 then 'Brand' || chance(n, 6) % {BRANDS}
                        || ' Ware' || chance(n, 6) % {PRODUCTS} % {CATEGORIES}
                    else 'wish' || skewed(n, 6, 50000) end, null) as query,
                if(chance(n, 7) % 50 = 0, 'K' || (
                    date_diff('day', {FIRST_DAY}, acted_at) // 7 * 3 + chance(n, 8) % 3
                ), null) as campaign_id,
                device(actor) as device_id, 'https://shop.example.com/' || n % 5000 as
                    url,
                {LOADED}
            from (
                select *, if(chance(n, 1) % 4 = 0,
                        {customers} + chance(n, 2) % {visitors}, owner) as actor,
                    case when chance(n, 9) % 100 < 20 then 'search'
                        when chance(n, 9) % 100 < 35 then 'add_to_cart'
                        when chance(n, 9) % 100 < 40 then 'wishlist'
                        else 'view' end as event_name
                from acts where kind = 'event'
            )
        """,
        # Of those who buy in a store four in ten are read there; others pass by, or
        # come
        # and look, some of them nobody known.
        "stays": f"""
            select 'V' || n as stay, owner as actor, acted_at - interval 25 minute as
                acted_at,
                if(chance(n, 3) % 5 = 0, chance(n, 4), owner) % {PLACES} as place,
                5 + chance(n, 'readings') % 4 as reading_count, false as is_nobody
            from acts
            where kind = 'order' and chance(n, 2) % 2 = 0 and chance(n, 'read') % 10 < 4
            union all
            select 'V' || n as stay,
                if(chance(n, 1) % 3 = 0, {customers} + chance(n, 2) % {visitors}, owner)
                    as actor,
                acted_at, if(chance(n, 3) % 5 = 0, chance(n, 4), owner) % {PLACES} as
                    place,
                1 + chance(n, 'readings') % 8 as reading_count,
                chance(n, 'nobody') % 20 = 0 as is_nobody
            from acts where kind = 'stay'
        """,
        "feed_presences": f"""
            select 'stores' as source, stay || '-' || reading as presence_id,
                if(is_nobody, null, 'device') as identifier_type,
                if(is_nobody, null, device(actor)) as identifier_value,
                acted_at + interval (reading * 4 + chance(stay, reading) % 4) minute
                    as occurred_at,
                'S' || place as place_id, cast(chance(stay, reading // 4) % 2 as string)
                    as floor,
                case reading when 0 then 'street' when 1 then 'door'
                    else 'zone ' || chance(stay, reading // 2) % 8 end as zone,
                {STATES}
                    [1 + reading] as state, {LOADED}
            from stays, range(8) as readings (reading)
            where reading < reading_count
        """,
        "feed_contacts": f"""
            select 'mailing' as source, 'M' || n as contact_id, {of_whom("email")},
                acted_at as sent_at,
                {listed("email", "app", "letter", "phone")}[1 + chance(n, 1) % 4] as
                    channel,
                if(chance(n, 1) % 4 = 3, null, 'K' || (
                    date_diff('day', {FIRST_DAY}, acted_at) // 7 * 3 + chance(n, 1) % 4
                )) as campaign_id,
                if(chance(n, 1) % 4 = 3, 'E' || chance(n, 2) % {EMPLOYEES}, null)
                    as employee_id,
                {listed("offer", "care", "news")}[1 + chance(n, 3) % 3] as purpose,
                if(chance(n, 4) % 4 = 0, acted_at + interval (chance(n, 5) % 900)
                    minute, null)
                    as opened_at,
                if(chance(n, 4) % 16 = 0, acted_at + interval 1 day, null) as
                    responded_at,
                'sent' as outcome, {LOADED}
            from acts where kind = 'contact'
        """,
        "feed_tickets": f"""
            select 'crm' as source, 'H' || n as ticket_id, {of_whom("card")},
                acted_at as opened_at, acted_at + interval 5 hour as first_response_at,
                if(chance(n, 1) % 12 = 0, null,
                    acted_at + interval (chance(n, 2) % 300) hour) as resolved_at,
                {listed("phone", "chat", "store", "email")}[1 + chance(n, 3) % 4]
                    as channel,
                {listed("complaint", "question", "repair", "claim")}[1 + chance(n, 4) %
                    4]
                    as kind,
                'reason ' || chance(n, 5) % 40 as reason,
                if(chance(n, 6) % 2 = 0, 'P' || skewed(n, 7, {PRODUCTS}), null)
                    as product_id,
                'E' || chance(n, 8) % {EMPLOYEES} as employee_id,
                'call centre' as department, false as is_reopened, {LOADED}
            from acts where kind = 'ticket'
        """,
        "feed_survey_answers": f"""
            select 'survey' as source, 'Y' || n || '-' || answer as answer_id,
                {of_whom("email")}, 'Y' || n as response_id,
                acted_at + interval (answer) minute as answered_at, 'after order' as
                    survey,
                measure || ' ' || answer as question, measure,
                if(answer < 2, null, 'dimension ' || answer) as dimension,
                chance(n, answer) % 5 + 1 as score, if(answer = 0, 0, 1) as scale_min,
                if(answer = 0, 10, 5) as scale_max, 'email' as method,
                {listed("web", "app", "store")}[1 + chance(n, 1) % 3] as touchpoint,
                {LOADED}
            from acts, range(5) as answers (answer),
                lateral (select {
            listed("nps", "csat", "perception", "perception", "expectation")
        }[1 + answer] as measure)
            where kind = 'response'
        """,
        "feed_posts": f"""
            select 'community' as source, 'U' || n as post_id, {of_whom("email")},
                acted_at as posted_at, 'club' as platform, 'topic ' || chance(n, 1) % 5
                    as topic,
                'good quality' as text, true as is_about_us, {LOADED}
            from acts where kind = 'post'
        """,
        "feed_quotes": f"""
            select 'crm' as source, 'Q' || n as quote_id, {of_whom("email")},
                'P' || skewed(n, 1, {PRODUCTS}) as product_id, acted_at as quoted_at,
                5 + chance(n, 2) % 60 as price_amount,
                {listed("accepted", "declined", "expired")}[1 + chance(n, 3) % 3]
                    as outcome,
                acted_at + interval 9 day as decided_at, {LOADED}
            from acts where kind = 'quote'
        """,
        "feed_leads": f"""
            select 'crm' as source, 'L' || n as lead_id,
                {
            of_whom(
                "email",
                f"if(chance(n, 1) % 5 < 2, owner, {customers + visitors} "
                f"+ chance(n, 2) % {visitors})",
            )
        },
                acted_at as created_at,
                {
            listed("fair", "referral", "walk-in", "web form")
        }[1 + chance(n, 3) % 4]
                    as source_of_lead,
                'E' || chance(n, 4) % {EMPLOYEES} as employee_id,
                if(chance(n, 5) % 6 = 0, null, chance(n, 6) % 4 > 0) as has_need,
                if(chance(n, 7) % 6 = 0, null, chance(n, 8) % 4 > 0) as can_pay,
                if(chance(n, 9) % 5 = 0, 'price', null) as declined_reason, {LOADED}
            from acts where kind = 'lead'
        """,
        "feed_lead_stages": f"""
            select 'crm' as source, 'L' || n || '-' || step as lead_stage_id,
                'L' || n as lead_id,
                case when step < 3 then {listed("new", "contacted", "offer")}[1 + step]
                    when chance(n, 1) % 3 = 0 then 'declined' else 'won' end as stage,
                acted_at + interval (step * (1 + chance(n, step) % 20)) day as
                    entered_at,
                {LOADED}
            from acts, range(4) as steps (step)
            where kind = 'lead' and step <= chance(n, 2) % 4
                and acted_at < timestamp '2024-10-01'
        """,
        "feed_promises": f"""
            select 'crm' as source, 'G' || n as promise_id, {of_whom("card")},
                'call_back' as kind, acted_at as promised_at, acted_at + interval 1 day
                    as due_at,
                if(chance(n, 1) % 10 = 0, null, acted_at + interval 20 hour) as kept_at,
                {LOADED}
            from acts where kind = 'ticket' and chance(n, 'promise') % 2 = 0
        """,
        "feed_dependants": f"""
            select 'crm' as source, 'B' || n || '-' || child as dependant_id,
                {of_whom("card", "n")},
                date '2010-01-01' + cast(chance(n, child) % 5700 as integer) as
                    birth_date,
                'child' as relation, {LOADED}
            from {everybody}, range(2) as children (child)
            where chance(n, 'children') % 5 < 3 - child
        """,
        "feed_consents": f"""
            select 'club' as source, 'N' || n || '-' || part as consent_id,
                {of_whom("card", "n")}, if(part = 0, 'profiling', 'marketing') as
                    purpose,
                {listed("all", "email", "phone", "app")}[1 + part] as channel,
                chance(n, part) % 10 < if(part = 0, 9, 6) as is_granted,
                timestamp '2022-06-01' as changed_at, {LOADED}
            from {everybody}, range(4) as parts (part)
        """,
        "feed_attributes": f"""
            select 'club' as source, 'T' || n || '-' || part as attribute_id,
                {of_whom("card", "n")},
                {
            listed(
                "household",
                "diet",
                "hold_out",
                "preferred_channel",
                "preferred_hour",
                "contract_ends_on",
            )
        }[1 + part] as attribute,
                case part when 1 then {
            listed("any", "vegan", "halal")
        }[1 + chance(n, 1) % 3]
                    when 2 then 'K' || chance(n, 2) % 471
                    when 3 then {listed("email", "phone", "app")}[1 + chance(n, 3) % 3]
                    when 5 then cast(date '2024-06-01' + cast(chance(n, 4) % 500 as
                        integer)
                        as string) end as value_text,
                case part when 0 then chance(n, 5) % 6 when 4 then 8 + chance(n, 6) %
                    12 end
                    as value_number,
                timestamp '2023-01-01' as observed_at, {LOADED}
            from {everybody}, range(6) as parts (part)
            where chance(n, 'has' || part) % 10 < [10, 10, 4, 1, 1, 1][1 + part]
        """,
        # Three in ten are in somebody's care, some after somebody else's.
        "feed_assignments": f"""
            select 'crm' as source, 'F' || n || '-' || turn as assignment_id,
                {of_whom("card", "n")},
                'E' || (chance(n, 1) + turn) % {EMPLOYEES} as employee_id,
                'department ' || (chance(n, 1) + turn) % {EMPLOYEES} % 12 as department,
                {FIRST_DAY} + interval (chance(n, 2) % 500 + turn * 400) day as
                    valid_from,
                if(turn < chance(n, 3) % 2,
                    {FIRST_DAY} + interval (chance(n, 2) % 500 + 400) day, null)
                    as valid_to, {LOADED}
            from {everybody}, range(2) as turns (turn)
            where chance(n, 'care') % 10 < 3 and turn <= chance(n, 3) % 2
        """,
        "feed_goals": f"""
            select 'retail' as source, 'Z' || n as goal_id,
                {
            listed(
                "revenue",
                "orders",
                "visits",
                "nps",
                "csat",
                "new_members",
                "members",
                "new_customers",
            )
        }[1 + n % 8] as measure,
                case n // 8 % 3 when 0 then 'company' when 1 then 'region ' || n % 16
                    else 'Store ' || n % {PLACES} end as scope,
                {FIRST_DAY} + interval (n % 12 * 3) month as period_start,
                {FIRST_DAY} + interval (n % 12 * 3 + 3) month - interval 1 day
                    as period_end,
                1000 * (1 + n) as target_value, {LOADED}
            from range(600) as t (n)
        """,
        "segment_memberships": " union all ".join(
            f"""
            select person(n) as customer_id, '{scheme}' as scheme,
                '{scheme} ' || chance(n, '{scheme}' || turn) % 5 as segment,
                {FIRST_DAY} + cast(turn * 210 as integer) as valid_from,
                if(turn = {turns - 1}, null, {FIRST_DAY} + cast(turn * 210 + 209 as
                    integer))
                    as valid_to,
                turn = {turns - 1} as is_current, {AS_OF} as as_of_date
            from {everybody}, range({turns}) as turns (turn)
            """
            for scheme, turns in schemes.items()
        ),
        "wake_up_candidates": f"""
            select person(n) as customer_id, 'asleep' as state,
                chance(n, 1) % 2 = 0 as is_worth_waking, chance(n, 2) % 5 = 0 as
                    is_held_out,
                90 as horizon_days, {AS_OF} as as_of_date
            from {everybody} where chance(n, 'asleep') % 5 < 3
        """,
        "int_recommendations": f"""
            select person(n) as customer_id, rank + 1 as rank,
                'inventory:P' || chance(n, rank) % {PRODUCTS} as product_key,
                0.1 / (1 + rank) as expected_share,
                {GROUNDS}
                    [1 + chance(n, rank) % 5] as ground,
                'inventory:P' || chance(n, rank + 99) % {PRODUCTS} as
                    because_product_key,
                chance(n, 1) % 100 as child_age_months, rank % 3 as bought_day_count,
                {AS_OF} - cast(chance(n, rank) % 300 as integer) as last_bought_on,
                {AS_OF} - cast(chance(n, rank) % 30 as integer) as due_on
            from {everybody}, range(10) as ranks (rank)
            where chance(n, 1) % 10 < 6
        """,
        "int_recommendations_evaluated": """
            select 'customers' as metric, 1000 as value, 1000 as n, 'published' as
                status
        """,
    }


def measure_model(folder: Path, name: str) -> None:
    """Make the table of one model in this process; store what it took."""
    with town(folder, MEMORY_LIMIT) as connection:
        seconds, cpu_seconds = build(connection, name, COMPANY)
        (rows,) = fetch_row(connection, f"select count(*) from {name}")
    answer = {"seconds": seconds, "cpu_seconds": cpu_seconds, "rows": rows}
    (folder / "answer.json").write_text(json.dumps(answer))


def bench(customers: int, folder: Path, asked: list[str]) -> None:
    """Measure the models asked for, all where none are, and print a line for each."""
    if not asked:
        shutil.rmtree(folder, ignore_errors=True)
    if not (folder / "is_written").exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_town(folder, sources(customers))
        (folder / "is_written").touch()
    print(
        f"\n{customers:,} customers, {20 * customers:,} interactions; allowed "
        f"{SECONDS_ALLOWED} s, {GB_ALLOWED} GB"
    )
    print(f"{'model':<24}{'rows':>12}{'seconds':>10}{'processor':>11}{'peak GB':>9}")
    for name in asked or MODELS_BUILT:
        command = [sys.executable, "-m", "tests.bench.marts", "--build", str(folder)]
        _, memory = measured([*command, name])
        answer = json.loads((folder / "answer.json").read_text())
        peak = memory.peak_gb()
        is_over = answer["seconds"] > SECONDS_ALLOWED or peak > GB_ALLOWED
        print(
            f"{name:<24}{answer['rows']:>12,}{answer['seconds']:>10.1f}"
            f"{answer['cpu_seconds']:>11.1f}{peak:>9.2f}"
            f"{' over' if is_over and MODELS_BUILT[name] else ''}",
            flush=True,
        )
    if not asked:
        shutil.rmtree(folder)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--build"]:
        measure_model(Path(sys.argv[2]), sys.argv[3])
    else:
        wanted = int(sys.argv[1]) if sys.argv[1:] else CUSTOMERS_WANTED
        bench(wanted, load_settings().home / "bench" / "marts", sys.argv[2:])
