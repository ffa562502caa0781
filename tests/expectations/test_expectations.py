"""Every check of every suite passes on good tables and catches one bad row."""

import functools
import json
import re
from typing import Any

import duckdb
import pytest
import sqlglot

from kith.gate.checks import Check, check_tables
from kith.gate.rows import CRITICAL
from kith.gate.suites import Suites, load_suites
from kith.gate.tables import Table, list_tables
from kith.runs.run import Run
from kith.settings import REPOSITORY

_BUYER = "customer_id = (select min(customer_id) from segment.rfm_scores)"


def _copies(table: str, count: int, key: str, where: str = "true") -> str:
    """SQL that repeats a row under the keys n0, n1, …"""
    return (
        f"insert into {table} select * exclude (i) replace ('n' || i as {key}) "
        f"from (from {table} where {where} limit 1), range({count}) as numbers (i)"
    )


def _cut(feed: str) -> str:
    """SQL: one row of the feed lay after the as-of date."""
    return (
        "insert into intermediate.int_rows_cut values "
        f"('{feed}', 'shop', 'x9', timestamp '2025-01-01')"
    )


def _records_twice(birth_date: str) -> str:
    """SQL that gives each customer a second record; `i` is 0 in one, 1 in the other."""
    return (
        "create temp table twice as select * exclude (i) replace "
        f"({birth_date} as birth_date, customer_record_id || i as customer_record_id) "
        "from intermediate.int_customer_records, range(2) as numbers (i); "
        "delete from intermediate.int_customer_records; "
        "insert into intermediate.int_customer_records from twice"
    )


def _demand(counts: str, share: str) -> str:
    """SQL that inserts a row of unmet demand, of which the shop has none.

    `counts`: terms, searches, customers, seekers, all searches, n. `share`: the share,
    its interval and why it is missing.
    """
    return (
        "insert into customer.unmet_demand values "
        f"('2024-12-01', 'north', 'raft', {counts.rsplit(', ', 1)[0]}, {share}, "
        f"{counts.rsplit(', ', 1)[1]}, 'x', '2024-12-31')"
    )


# (table, check) -> what spoils the good candidate so that just this check must notice.
MUTATIONS: dict[tuple[str, str], str] = {
    (
        "customer.customers",
        "Everybody whom identity finds is a customer, and nobody else",
    ): f"delete from customer.customers where {_BUYER}",
    (
        "customer.customer_profiles",
        "Who is satisfied and what is unresolved is as the marts of satisfaction say",
    ): "update customer.customer_profiles set unresolved_case_count = 7",
    (
        "customer.customer_profiles",
        "Each customer has a profile",
    ): f"delete from customer.customer_profiles where {_BUYER}",
    (
        "customer.customer_profiles",
        "Orders, revenue and interactions are those of the other marts",
    ): "update customer.customer_profiles set revenue_amount = revenue_amount + 1 "
    f"where {_BUYER}",
    (
        "customer.customer_profiles",
        "Nobody's first trace follows their last, and none lies after the as-of date",
    ): "update customer.customer_profiles set last_order_date = '2025-01-01' "
    f"where {_BUYER}",
    (
        "customer.customers",
        "Birth dates lie within the last 120 years",
    ): f"update customer.customers set birth_date = '1880-01-01' where {_BUYER}",
    (
        "customer.customers",
        "Of customers with several records that tell a birth date, at most one in "
        "fifty has two: no strangers are one customer",
    ): _records_twice("date '1990-01-01' + cast(i as int)"),
    (
        "customer.customers",
        "At most one customer in twenty has several records of one source, unless "
        "these tell one birth date: no strangers are one customer",
    ): _records_twice("case i when 1 then date '1990-01-01' end"),
    (
        "customer.customer_identifiers",
        "At most one customer in twenty has several of a source's own numbers of one "
        "kind, unless these tell one birth date: no strangers are one customer",
    ): "insert into customer.customer_identifiers "
    "select * replace ('n' || identifier_value as identifier_value) "
    "from customer.customer_identifiers; insert into intermediate.int_identifiers "
    "select * replace ('n' || identifier_value as identifier_value) "
    "from intermediate.int_identifiers",
    (
        "customer.customer_identifiers",
        "Customers are those of customers, and identifiers those of the feeds",
    ): f"delete from customer.customer_identifiers where {_BUYER}",
    (
        "customer.customer_identifiers",
        "Who is refused stands for nobody, everybody else for a person",
    ): "update customer.customer_identifiers set refused_by = 'shared_by_several' "
    f"where {_BUYER}",
    (
        "customer.customer_identifiers",
        "No identifier is first seen after it was last seen",
    ): "update customer.customer_identifiers set first_seen_at = '2025-01-01' "
    f"where {_BUYER}",
    (
        "customer.customer_identifiers",
        "No keyed hash stands under two kinds, as where a staging model calls a card "
        "otherwise than `pii` does",
    ): "update customer.customer_identifiers set identifier_value = repeat('a', 64) "
    "where identifier_value in (select distinct identifier_value "
    "from customer.customer_identifiers order by 1 limit 2)",
    (
        "customer.customer_identifiers",
        "No customer has over fifty identifiers beside browsers and telephones",
    ): _copies("customer.customer_identifiers", 50, "identifier_value", _BUYER),
    (
        "customer.customer_identifiers",
        "At most one identifier in twenty is refused by a rule",
    ): "update customer.customer_identifiers set refused_by = 'blocked_value'",
    (
        "customer.customer_merges",
        "No id that ended is in use",
    ): "update customer.customer_merges set person_id_before = person_id",
    (
        "customer.customer_merges",
        "No merge lies after the as-of date",
    ): "update customer.customer_merges set merged_at = '2025-01-02'",
    (
        "customer.order_lines",
        "Purchases, revenue and what was given back are those of customer.orders",
    ): "delete from customer.order_lines where order_id = 'R3'",
    (
        "customer.order_lines",
        "At least nine lines in ten name a product",
    ): "update customer.order_lines set product_key = null where order_id like 'R1%'",
    (
        "customer.products",
        "No product is one that several other sources list: which is meant is unknown",
    ): "update customer.products set missing_reason = 'several other sources list it' "
    "where product_id = 'P1'",
    (
        "customer.products",
        "Where products are listed, at most one sold in a hundred is not",
    ): "update customer.products set is_listed = false where product_id like 'P1%'",
    (
        "customer.places",
        "Where places are listed, at most one named in a hundred is not",
    ): "update customer.places set is_listed = false",
    (
        "customer.campaigns",
        "Where campaigns are listed, at most one named in a hundred is not",
    ): "update customer.campaigns set is_listed = false",
    (
        "customer.employees",
        "Nobody is last seen before the first time, or after the as-of date",
    ): "update customer.employees set last_seen_date = '2025-01-01'",
    (
        "customer.lead_stages",
        "Every step of a lead that is known is there",
    ): "delete from customer.lead_stages",
    (
        "customer.lead_stages",
        "No step begins before the one before it, and one is the latest",
    ): "update customer.lead_stages set days_in_stage = -1",
    (
        "customer.leads",
        "Leads are those of the feed",
    ): "delete from customer.leads where lead_id = 'z0'",
    (
        "customer.leads",
        "A lead is decided where something tells it, by the as-of date",
    ): "update customer.leads set decided_on = null, decided_at = null",
    (
        "customer.leads",
        "A chance lies within its interval, and a missing one has a reason",
    ): "update customer.leads set win_probability = 0.1, missing_reason = null, "
    "win_probability_low = 0.2, win_probability_high = 0.3",
    (
        "customer.lead_conversions",
        "Won, lost and open leads are all that reached the stage",
    ): "update customer.lead_conversions set open_count = open_count + 1",
    (
        "customer.lead_conversions",
        "Each breakdown holds every lead of customer.leads",
    ): "update customer.lead_conversions set won_count = won_count + 1 "
    "where breakdown = 'employee'",
    (
        "customer.lead_conversions",
        "A rate lies within its interval, and a missing one has a reason",
    ): "update customer.lead_conversions set missing_reason = null",
    (
        "customer.prospects",
        "No prospect is a customer, or was deleted",
    ): "update customer.prospects set person_id = (select min(person_id) "
    "from customer.customer_identifiers where standing = 'customer')",
    (
        "customer.prospects",
        "Whoever lacks a criterion refuses, and nobody else was lost",
    ): "update customer.prospects set unmet_criteria = 'has_need'",
    (
        "customer.prospects",
        "Nobody has bought in a market that counts as unexplored",
    ): "update customer.prospects set region = 'north', category = 'unknown'; "
    "update customer.customers set region = 'north'",
    (
        "customer.ownerships",
        "No customer is in the care of two employees at one time",
    ): "insert into customer.ownerships select * replace (2 as ownership_number, "
    "began_at + interval 1 day as began_at) from customer.ownerships",
    (
        "customer.ownerships",
        "Whoever is in charge of a customer today is the one in customer.customers",
    ): "update customer.ownerships set employee_id = 'w2'",
    (
        "customer.portraits",
        "Each dimension holds all purchases and revenue of each period",
    ): "update customer.portraits set revenue_amount = revenue_amount + 1 "
    "where dimension = 'city' and period_grain = 'year'",
    (
        "customer.portraits",
        "Each dimension of the last periods holds all customers",
    ): "update customer.portraits set customer_count = customer_count + 1 "
    "where dimension = 'level' and period_grain = 'quarter'",
    (
        "customer.portraits",
        "Nowhere are more buyers than customers, or fewer than none",
    ): "update customer.portraits set buyer_count = customer_count + 1 "
    "where part = 'unknown' and dimension = 'industry'",
    (
        "customer.touchpoints",
        "Touchpoints show every interaction",
    ): "delete from customer.touchpoints where touchpoint = 'web'",
    (
        "customer.touchpoints",
        "Of traces that name a touchpoint, at most one in five has one of unknown kind",
    ): "update customer.touchpoints set kind = 'unknown' where touchpoint = 'web'",
    (
        "customer.interactions",
        "Each kind of trace is as frequent as in its feed, up to the as-of date",
    ): "delete from customer.interactions where interaction_kind = 'post'",
    (
        "customer.interactions",
        "Stays hold every reading of a sensor, questionnaires every answer",
    ): "update intermediate.int_stays set reading_count = 2",
    (
        "customer.interactions",
        "Amounts add up to the revenue of customer_values",
    ): "update customer.interactions set amount = amount + 0.01 where record_id = 'R1'",
    (
        "customer.interactions",
        "No trace lies after the as-of date",
    ): "update customer.interactions set occurred_date = '2025-01-01' "
    "where record_id = 'R1'",
    (
        "customer.interactions",
        "At least half of the traces belong to somebody known",
    ): "update customer.interactions set customer_id = null "
    "where interaction_kind in ('order', 'event')",
    (
        "customer.interactions",
        "The newest trace is at most seven days older than the as-of date",
    ): "delete from customer.interactions where occurred_date > '2024-12-23'",
    (
        "customer.sessions",
        "Sessions hold every event of the feed up to the as-of date",
    ): "update customer.sessions set event_count = 2 * event_count",
    (
        "customer.sessions",
        "No session ends before it begins, nor after the as-of date",
    ): "update customer.sessions set ended_at = '2025-01-01 00:00'",
    (
        "customer.sessions",
        "At most one session in a hundred lasts longer than a day",
    ): "update customer.sessions set duration_seconds = 86401",
    (
        "customer.customer_months",
        "Orders and revenue of all months are those of customer_values",
    ): "update customer.customer_months set revenue_amount = revenue_amount + 1 "
    f"where {_BUYER} and month = '2024-10-01'",
    (
        "customer.customer_months",
        "Everybody who ever bought was new in exactly one month, but who was known "
        "earlier",
    ): "update customer.customer_months set lifecycle = 'new' "
    f"where {_BUYER} and month = '2024-11-01'",
    (
        "customer.customer_months",
        "New, returning and resurrecting customers are the active ones",
    ): "update customer.customer_months set lifecycle = 'dormant' "
    "where lifecycle = 'new'",
    (
        "customer.customer_months",
        "Who is dormant was active the month before, who is inactive was not",
    ): "update customer.customer_months set lifecycle = 'inactive' "
    "where lifecycle = 'dormant'",
    (
        "customer.customer_months",
        "Everybody's months begin by the day after their registration",
    ): "delete from customer.customer_months where month = '2024-01-01' "
    "and customer_id in (select customer_id from customer.customers where is_earlier)",
    (
        "customer.customer_months",
        "Each customer has every month from their first to that of the as-of date",
    ): f"delete from customer.customer_months where {_BUYER} and month = '2024-11-01'",
    (
        "customer.customer_months",
        "Revenue of the last complete month is half to double that of the three before",
    ): "update customer.customer_months set revenue_amount = 0.4 * revenue_amount "
    "where month = '2024-12-01'",
    (
        "customer.customer_values",
        "Purchases, returns, cancelled orders and money are those of customer.orders",
    ): "update customer.customer_values set revenue_amount = revenue_amount - 0.01 "
    f"where {_BUYER}",
    (
        "customer.orders",
        "Orders, lines and revenue are those of the feeds up to the as-of date",
    ): "update customer.orders set revenue_amount = revenue_amount - 0.01 "
    "where order_id = 'R3'",
    (
        "customer.orders",
        "Nothing below 0 was given back",
    ): "update customer.orders set returned_amount = -0.01 where order_id = 'R3'",
    (
        "customer.orders",
        "Each status is a word that Kith knows or order_statuses in company.yml maps; "
        "others count as placed",
    ): "update customer.orders set status = 'zorg', is_status_known = false "
    "where order_id in ('R3', 'R4')",
    (
        "customer.orders",
        "Orders that their status alone calls returned or cancelled are the purchases "
        "themselves, no rows beside these; such rows need an amount below 0, and no "
        "status of a cancelled order",
    ): "insert into customer.orders select * replace ('n' || order_id as order_id, "
    "true as is_returned_whole, ordered_at + interval 9 day as ordered_at) "
    f"from customer.orders where {_BUYER} and is_purchase and not is_returned_whole",
    (
        "customer.orders",
        "No order that was cancelled or given back is taken off again, by an order "
        "below 0 of its customer and amount that nothing else bought explains",
    ): "insert into customer.orders select * exclude (i) replace (i as order_id, "
    "false as is_purchase, 0 as gross_amount, 777 * (i % 2) as returned_amount, "
    "777 * (1 - i % 2) as cancelled_amount, "
    "case i when 0 then 'cancelled' else 'completed' end as status_class) "
    f"from (from customer.orders where {_BUYER} limit 1), range(2) as numbers (i)",
    (
        "customer.orders",
        "Of a hundred orders or more, at most one in five was cancelled",
    ): "update customer.orders set status_class = 'cancelled' "
    "where order_id like 'R1%' or order_id like 'R2%'",
    (
        "customer.customer_values",
        "Shares of revenue add up to 100 %",
    ): "update customer.customer_values set "
    f"revenue_share_pct = revenue_share_pct + 0.01 where {_BUYER}",
    (
        "customer.customer_values",
        "At most half of the revenue belongs to nobody known",
    ): "update customer.customer_values set revenue_share_pct = 50.1 "
    "where customer_id = 'unidentified'",
    (
        "customer.customer_months",
        "No month of the last year brings over three times the most, or under a third "
        "of the least, of the three before",
    ): "update customer.customer_months set revenue_amount = 100 * revenue_amount "
    "where month >= '2024-07-01'",
    (
        "customer.customer_values",
        "Of a hundred buyers or more, none holds a fifth of the revenue",
    ): _copies("customer.customer_values", 100, "customer_id", _BUYER)
    + f"; update customer.customer_values set revenue_share_pct = 21 where {_BUYER}",
    (
        "customer.customer_values",
        "At most one buyer in twenty has given back more than they bought",
    ): "update customer.customer_values set revenue_amount = -1 where customer_id in "
    "(select customer_id from segment.rfm_scores order by customer_id limit 3)",
    (
        "customer.store_visits",
        "Visits hold every reading of the feed up to the as-of date",
    ): "update customer.store_visits set reading_count = 2",
    (
        "customer.store_visits",
        "No visit holds more seconds than it lasts, or ends before it begins",
    ): "update customer.store_visits set inside_seconds = 1",
    (
        "customer.store_visits",
        "Each purchase is on one visit at most, of its customer in its place",
    ): "update customer.store_visits set order_count = 1",
    (
        "customer.store_visits",
        "At most one reading in twenty cannot follow the one before it",
    ): "update customer.store_visits set impossible_count = 1",
    (
        "customer.visitor_flows",
        "Places, and zones, each add up to the readings, seconds and entries of visits",
    ): "delete from customer.visitor_flows where breakdown = 'zone'",
    (
        "customer.visitor_flows",
        "No hour has more visitors, entries or dwelling visits than visits within",
    ): "update customer.visitor_flows set visitor_count = 2",
    (
        "customer.campaign_results",
        "Each kind of credit adds up to the revenue of all orders, in all and by month",
        # From one month to another: the sum of all stays.
    ): "update customer.campaign_results set linear_amount = linear_amount + case "
    "when period_start = (select min(period_start) from customer.campaign_results) "
    "then 0.01 else -0.01 end where campaign_key = 'unattributed' and period_start in ("
    "(select min(period_start) from customer.campaign_results), "
    "(select max(period_start) from customer.campaign_results))",
    (
        "customer.campaign_results",
        "What no campaign has a share in is the same by each kind of credit",
    ): "update customer.campaign_results set time_decay_amount = 0.01",
    (
        "customer.campaign_results",
        "Messages of campaigns are those of the feed, in all and by month",
    ): "update customer.campaign_results set contact_count = contact_count + 1",
    (
        "customer.campaign_results",
        "Nobody opened or answered who was not reached, or bought who was not compared",
    ): "update customer.campaign_results set responded_count = reached_count + 1",
    (
        "customer.campaign_results",
        "A campaign is called effective or harmful by its whole interval alone",
    ): "update customer.campaign_results set verdict = 'effective'",
    (
        "customer.campaign_results",
        "Each campaign from which somebody was held out is known",
    ): "update feeds.attributes set attribute = 'Hold-out', value_text = 'zorg'",
    (
        "customer.campaign_results",
        "At most one customer in a hundred who was held out was reached all the same",
    ): "update customer.campaign_results set held_out_count = 99, "
    "held_out_reached_count = 1",
    (
        "customer.goals_attained",
        "Each goal of the feed has a row",
    ): "delete from customer.goals_attained",
    (
        "customer.goals_attained",
        "What is missing has a reason, and nothing else has",
    ): "update customer.goals_attained set actual_value = null",
    (
        "customer.goals_attained",
        "Revenue of the whole company is that of the orders of the period",
    ): "update customer.goals_attained set actual_value = actual_value + 1",
    (
        "customer.goals_attained",
        "Each goal has a measure that Kith computes, and a scope that names one part",
    ): "update customer.goals_attained set missing_reason = 'several are'",
    (
        "customer.customer_lifetime_values",
        "All buyers who may be scored have a row, and nobody else; nobody where models "
        "are switched off",
    ): f"delete from customer.customer_lifetime_values where {_BUYER}",
    (
        "customer.customer_lifetime_values",
        "Repeats lie between the first purchase and the as-of date",
    ): "update customer.customer_lifetime_values set days_since_first_order = "
    f"first_to_last_days - 1 where {_BUYER}",
    (
        "customer.customer_lifetime_values",
        "P(alive) lies from 0 to 1, and more is expected of more months",
    ): "update customer.customer_lifetime_values set expected_purchases_3_months = 1, "
    f"expected_purchases_6_months = 0.9 where {_BUYER}",
    (
        "customer.customer_lifetime_values",
        "What is missing has a reason, and nothing else has",
    ): "update customer.customer_lifetime_values set missing_reason = null "
    f"where {_BUYER}",
    (
        "customer.customer_lifetime_values",
        "Only by published models something is foretold",
    ): "update customer.customer_lifetime_values set alive_probability = 0.5 "
    f"where {_BUYER}",
    (
        "segment.model_evaluations",
        "A model is published, refused with a reason, or switched off with a reason",
    ): "update segment.model_evaluations set reason = null where model = 'bg_nbd'",
    (
        "segment.model_evaluations",
        "What is published was off by no more than allowed on days it did not see",
    ): "update segment.model_evaluations set status = 'published', reason = null",
    (
        "customer.price_responses",
        "Each year has a row for all customers and one for each band",
    ): "delete from customer.price_responses where stickiness = 'low'",
    (
        "customer.price_responses",
        "There is a response or a reason, never both, and it lies within its interval",
    ): "update customer.price_responses set missing_reason = null",
    (
        "customer.price_responses",
        "A response is told by twenty products with a hundred purchases, at lower "
        "prices",
    ): "update customer.price_responses set price_response = -1",
    (
        "customer.price_responses",
        "No more products are used than vary, and no more vary than are looked at",
    ): "update customer.price_responses set varying_product_count = 99999",
    (
        "segment.model_evaluations",
        "Offers that are published are bought by more than what most buy",
    ): "update segment.model_evaluations set status = 'published', reason = null "
    "where model = 'recommendations'",
    (
        "customer.recommendations",
        "The offers of a customer are numbered from 1, up to ten, the likeliest first",
    ): "update customer.recommendations set expected_share = 0 where rank = 1",
    (
        "customer.recommendations",
        "No product is offered to a customer twice",
    ): "update customer.recommendations set product_key = "
    "(select min(product_key) from customer.recommendations)",
    (
        "customer.recommendations",
        "Nothing is offered that is not yet sold, or of which none is in stock",
    ): "update customer.products set stock_quantity = 0",
    (
        "customer.recommendations",
        "Nobody is offered anything who may not be profiled",
    ): "update customer.customers set may_be_profiled = false",
    (
        "customer.recommendations",
        "What is offered is better than what most buy, or a reason says that it is not",
    ): "update customer.recommendations set is_better_than_popularity = true",
    (
        "customer.recommendations",
        "A ground has what it says: days of purchases, another product, or a child",
    ): "update customer.recommendations set child_age_months = 3",
    (
        "customer.customer_profiles",
        "The next offer is the first of their recommendations",
    ): f"update customer.customer_profiles set next_offer = 'x' where {_BUYER}",
    (
        "segment.model_evaluations",
        "No value lies outside of its interval",
    ): "update segment.model_evaluations set lower_bound = value + 1",
    (
        "segment.model_evaluations",
        "What customers pay hardly hangs on how often they buy, as gamma_gamma assumes",
    ): "update segment.model_evaluations set metric = 'correlation', value = -0.31, "
    "limit_value = 0.3 where model = 'gamma_gamma'",
    (
        "segment.model_evaluations",
        "What is published is wrong, and misses, no more often than allowed, and is "
        "better than its baseline",
    ): "update segment.model_evaluations set status = 'published', reason = null "
    "where model = 'becomes_vip'",
    (
        "segment.customer_predictions",
        "All buyers who may be scored are asked whether they buy again, nobody else "
        "is; nobody where models are switched off",
    ): f"delete from segment.customer_predictions where {_BUYER}",
    (
        "segment.customer_predictions",
        "A probability lies from 0 to 1",
    ): "update segment.customer_predictions set probability = 1.5",
    (
        "segment.customer_predictions",
        "By published models something is foretold of each, by others of nobody and "
        "with the reason",
    ): "update segment.customer_predictions set missing_reason = null "
    "where question = 'becomes_vip'",
    (
        "segment.behaviour_drivers",
        "The shares of a segment sum to 100 %",
    ): "update segment.behaviour_drivers set share_pct = 3, missing_reason = null "
    "where not is_leak",
    (
        "segment.behaviour_drivers",
        "A share lies within its interval, and none is below 0",
    ): "update segment.behaviour_drivers set share_pct = 100, missing_reason = null, "
    "share_pct_upper_bound = 99 where behaviour = (select min(behaviour) from "
    "segment.behaviour_drivers)",
    (
        "segment.behaviour_drivers",
        "What has no share has a reason, and nothing that leaks has a share",
    ): "update segment.behaviour_drivers set missing_reason = null",
    (
        "customer.contact_plans",
        "Each customer has a plan, and nobody else",
    ): f"delete from customer.contact_plans where {_BUYER}",
    (
        "customer.contact_plans",
        "Nobody is listed on a channel on which they do not permit marketing",
    ): "update feeds.consents set purpose = 'marketing'; "
    "update customer.contact_plans set is_listed = true, blocked_by = null, "
    f"channel = 'pigeon' where {_BUYER}",
    (
        "customer.contact_plans",
        "Nobody is listed while a complaint is open, over the cap, or held out",
    ): "update customer.contact_plans set is_listed = true, contact_count = 9 where "
    "customer_id = (select min(customer_id) from customer.contact_plans "
    "where blocked_by is null)",
    (
        "customer.contact_plans",
        "A share lies within its interval, prices within theirs",
    ): "update customer.contact_plans set price_from_pct = 120",
    (
        "segment.wake_up_candidates",
        "All who sleep have a row, nobody else has; nobody where models are off",
    ): "delete from segment.wake_up_candidates where customer_id = (select "
    "min(customer_id) from segment.wake_up_candidates)",
    (
        "segment.wake_up_candidates",
        "Only who brings more than the message costs is worth waking, on a channel",
    ): "update segment.wake_up_candidates set is_worth_waking = true, "
    "expected_gain_amount = 0",
    (
        "segment.wake_up_candidates",
        "Nobody is woken on a channel on which they have withdrawn marketing",
    ): "update feeds.consents set purpose = 'marketing'; "
    "update segment.wake_up_candidates set channel = 'pigeon', "
    "is_worth_waking = coalesce(expected_gain_amount > 0, false)",
    (
        "customer.customer_needs",
        "A need is met, or has ended, or is open",
    ): "update customer.customer_needs set state = 'met', met_on = null",
    (
        "customer.customer_needs",
        "Each search of a customer who has needs is told by one of them",
    ): "update customer.customer_needs set evidence_count = evidence_count + 1 "
    "where need_kind = 'searched'",
    (
        "customer.customer_needs",
        "Nothing was seen after the as-of date, and only what is told by age or by "
        "gaps falls due later",
    ): "update customer.customer_needs set due_on = '2025-01-01' "
    "where need_kind = 'searched'",
    (
        "customer.customer_needs",
        "The range holds the category of each stage in life_stages of company.yml",
    ): "update customer.customer_needs set need_kind = 'life_stage', "
    "is_in_range = false where need_kind = 'replenishment'",
    (
        "customer.customer_needs",
        "Where dependants are known, life_stages of company.yml say what some need",
    ): "delete from customer.customer_needs where need_kind = 'life_stage'",
    (
        "customer.unmet_demand",
        "Searches in vain are no more than all searches of the month and region",
    ): _demand("1, 2, 1, 1, 1, 3", "null, null, null, 'few'"),
    (
        "customer.unmet_demand",
        "Who searched is counted once, and words are shown of one need alone",
    ): _demand("1, 1, 0, 2, 1, 3", "null, null, null, 'few'"),
    (
        "customer.unmet_demand",
        "A share lies within its interval, and a missing one has a reason",
    ): _demand("1, 1, 1, 1, 1, 1", "50, 60, 70, null"),
    (
        "customer.customer_preferences",
        "A preference is stated or shown, and a missing one has a reason",
    ): "update customer.customer_preferences set missing_reason = 'none'",
    (
        "customer.customer_preferences",
        "A share lies within its interval, and traces with it are some of all",
    ): "update customer.customer_preferences set share_pct = 101 "
    "where share_high_pct < 100.5",
    (
        "segment.rfm_scores",
        "Recency score from 1 to 5",
    ): f"update segment.rfm_scores set r_score = 6 where {_BUYER}",
    (
        "segment.rfm_scores",
        "Frequency score from 1 to 5",
    ): "update segment.rfm_scores set f_score = 0",
    (
        "segment.rfm_scores",
        "Money score from 1 to 5",
    ): f"update segment.rfm_scores set m_score = 6 where {_BUYER}",
    (
        "segment.rfm_scores",
        "All purchases of the window by customers who may be scored are scored",
    ): "update segment.rfm_scores set frequency_count = frequency_count + 1 "
    f"where {_BUYER}",
    (
        "segment.rfm_scores",
        "Nobody is scored who may not be",
    ): f"update segment.activity_states set state = 'not_permitted' where {_BUYER}",
    (
        "segment.rfm_scores",
        "A better value never has a lower score",
    ): f"update segment.rfm_scores set r_score = 1, recency_days = 0 where {_BUYER}",
    (
        "segment.rfm_cut_points",
        "Cut points ascend",
    ): "update segment.rfm_cut_points set cut_60 = -1 where dimension = 'recency_days'",
    (
        "segment.rfm_cut_points",
        "The cuts were made from all scored customers",
    ): "update segment.rfm_cut_points set n = n + 1 where dimension = 'recency_days'",
    (
        "segment.activity_states",
        "Every customer has one state",
    ): f"delete from segment.activity_states where {_BUYER}",
    (
        "segment.activity_states",
        "Longer silence is deeper sleep, and only who never bought is never_purchased",
    ): "update segment.activity_states set state = 'asleep', days_since_last_order = 0 "
    f"where {_BUYER}",
    (
        "segment.activity_states",
        "Where profiling needs permission, all and only who has not given it have no "
        "state",
    ): f"update segment.activity_states set state = 'not_permitted' where {_BUYER}",
    (
        "segment.activity_states",
        "Somebody is still active",
    ): "update segment.activity_states set state = 'drowsy' where state = 'active'",
    (
        "segment.indicators",
        "An indicator is used, or says why it is not",
    ): "update segment.indicators set reason = 'so' where indicator = 'tenure_days'",
    (
        "segment.indicators",
        "No more customers differ, or are known, than were looked at",
    ): "update segment.indicators set known_count = n + 1 "
    "where indicator = 'tenure_days'",
    (
        "segment.indicators",
        "Five hundred indicators or more are there",
    ): "delete from segment.indicators where position > 499",
    (
        "segment.customer_indicators",
        "Values are those of indicators that are used, or the company's own, never 0",
    ): "update segment.indicators set status = 'sparse', reason = 'few' "
    "where indicator = 'tenure_days'",
    (
        "segment.customer_indicators",
        "Shares of what is counted within itself lie from 0 to 1, trends from -1 to 1",
    ): "update segment.customer_indicators set value = 1.1 "
    "where indicator = 'order_count_trend_90d'",
    (
        "segment.segments",
        "Segments of each scheme add up to all customers, buyers, orders and revenue",
    ): "update segment.segments set order_count = order_count + 1 "
    "where segment = 'unidentified' and state_on = as_of_date",
    (
        "segment.segments",
        "All schemes divide the same customers and the same revenue on each day",
    ): "update segment.segments set order_count = order_count + 1 "
    "where scheme = 'tier' and segment = 'unidentified' and state_on < as_of_date",
    (
        "segment.segments",
        "Shares of each scheme add up to 100 %",
    ): "update segment.segments set revenue_share_pct = revenue_share_pct + 0.01 "
    "where scheme = 'rfm' and segment = 'unidentified'",
    (
        "segment.segments",
        "Each index is 1 on average over those whom it compares",
    ): "update segment.segments set buyer_revenue_index = 1.01 * buyer_revenue_index",
    (
        "segment.segment_memberships",
        "In each scheme each customer is in one segment now",
    ): "delete from segment.segment_memberships "
    f"where scheme = 'tier' and is_current and {_BUYER}",
    (
        "segment.segment_memberships",
        "Memberships follow one another without gap and overlap",
    ): "update segment.segment_memberships set valid_to = valid_to + interval '1' day "
    f"where not is_current and {_BUYER}",
    (
        "segment.segment_memberships",
        "Each segment is one of its scheme",
    ): f"update segment.segment_memberships set segment = 'Nowhere' where {_BUYER}",
    (
        "segment.segment_transitions",
        "Who came and who stayed are all who are there, with their revenue",
    ): "update segment.segment_transitions set revenue_amount = revenue_amount + 1 "
    "where scheme = 'tier' and customer_count > 0",
    (
        "segment.segment_transitions",
        "Who left and who stayed are all who were there, with their revenue",
    ): "update segment.segment_transitions set from_segment = 'not_yet_known' "
    "where scheme = 'tier' and customer_count > 0",
    (
        "segment.schemes",
        "A segment of one name has one condition in all schemes",
    ): "update segment.schemes set condition = 'true' "
    "where scheme = 'rfm' and segment = 'no_purchase_in_window'",
    (
        "segment.rfm_cells",
        "There are 125 cells, and they hold all who are scored",
    ): "delete from segment.rfm_cells where rfm_cell = '111'",
    (
        "segment.cohorts",
        "Retention from 0 to 100 %",
    ): "update segment.cohorts set retention_pct = 100.1 where period_number = 1",
    (
        "segment.cohorts",
        "Unbounded retention from 0 to 100 %",
    ): "update segment.cohorts set unbounded_retention_pct = -1 "
    "where period_number = 1",
    (
        "segment.cohorts",
        "Gross revenue retention from 0 to 100 %",
    ): "update segment.cohorts set gross_revenue_retention_pct = 101 "
    "where period_number = 2",
    (
        "segment.cohorts",
        "The first whole month retains all of its own revenue",
    ): "update segment.cohorts set net_revenue_retention_pct = 99.9 "
    "where period_number = 1",
    (
        "segment.cohorts",
        "In its first month the whole cohort is active, but that of customers known "
        "earlier",
    ): "update segment.cohorts set active_count = active_count - 1 "
    "where period_number = 0 and cohort = '2024-01'",
    (
        "segment.cohorts",
        "Who comes back later is fewer each month, and never fewer than who is there",
    ): "update segment.cohorts set active_or_later_count = 0 where period_number = 1",
    (
        "segment.cohorts",
        "Active customers and revenue of all cohorts are those of customer_months",
    ): "delete from segment.cohorts where cohort = 'earlier'",
    (
        "segment.cohorts",
        "Everybody who ever bought belongs to one cohort",
    ): "update segment.cohorts set cohort_size = cohort_size + 1 "
    "where period_number = 0 and cohort = '2024-01'",
    (
        "segment.engagement",
        "All traces of each month are those of customer_months",
    ): "delete from segment.engagement where month = '2024-03-01'",
    (
        "segment.engagement",
        "The channels of a month add up to all of it, but for who comes on several",
    ): "delete from segment.engagement where channel = 'web'",
    (
        "segment.engagement",
        "No day has more active customers than its month, no share is above 100 %",
    ): "update segment.engagement set contacts_per_active_day = 0.9 "
    "where channel = 'all'",
    (
        "segment.concentrations",
        "Gini from 0 to 1",
    ): "update segment.concentrations set gini = 1.1 where top_pct = 7",
    (
        "segment.concentrations",
        "The top x % hold at least x % of the whole, all together 100 %",
    ): "update segment.concentrations set share_pct = 69 where top_pct = 70",
    (
        "segment.concentrations",
        "All buyers together hold the revenue of customer_values",
    ): "update segment.concentrations set amount = amount - 1 where top_pct = 100",
    (
        "segment.concentrations",
        "The unidentified share of revenue is that of customer_values",
    ): "update segment.concentrations set unidentified_revenue_share_pct = 0",
    (
        "segment.concentrations",
        "The costs of at least half of the revenue are known, if any are",
    ): "update segment.concentrations set unknown_revenue_share_pct = 50.1 "
    "where measure = 'margin'",
    (
        "satisfaction.satisfaction_scores",
        "Each breakdown holds every answer of the feed up to the as-of date, in each "
        "kind of period",
    ): "delete from satisfaction.satisfaction_scores",
    (
        "satisfaction.satisfaction_scores",
        "Promoters, passives and detractors are all who answered",
    ): "update satisfaction.satisfaction_scores set passive_count = passive_count + 1",
    (
        "satisfaction.satisfaction_scores",
        "Of each person who answered, one answer counts as the last",
    ): "update satisfaction.satisfaction_scores set n = n + 1, "
    "passive_count = passive_count + 1 where answers = 'last_of_person'",
    (
        "satisfaction.satisfaction_scores",
        "NPS from -100 to 100, shares from 0 to 100, means on their scale, each within "
        "its interval",
    ): "update satisfaction.satisfaction_scores set score = 0, interval_low = 1",
    (
        "satisfaction.satisfaction_scores",
        "At most one answer in five of a question is no score",
    ): "update satisfaction.satisfaction_scores set n = 79, invalid_count = 20",
    (
        "satisfaction.complaints",
        "Every case of the feed up to the as-of date is here",
    ): "delete from satisfaction.complaints",
    (
        "satisfaction.complaints",
        "No case was opened, answered or resolved after the as-of date",
    ): "update satisfaction.complaints set resolved_at = '2025-01-01'",
    (
        "satisfaction.complaints",
        "Of thirty cases or more, at most one in five waits for an answer",
    ): _copies("satisfaction.complaints", 29, "ticket_id")
    + "; update satisfaction.complaints set state = 'overdue' "
    "where ticket_id in ('n1', 'n2', 'n3', 'n4', 'n5', 'n6', 'n7')",
    (
        "satisfaction.complaint_backlog",
        "What is open is what was open the day before, and what came less what ended",
    ): "update satisfaction.complaint_backlog set open_count = 1 "
    "where day = '2024-12-05'",
    (
        "satisfaction.complaint_backlog",
        "The ages of what is open add up to it, and the kinds to all",
    ): "update satisfaction.complaint_backlog set open_over_30_days_count = 1 "
    "where day = '2024-12-05'",
    (
        "satisfaction.complaint_backlog",
        "Cases that are resolved are the cases of the mart complaints",
    ): "update satisfaction.complaint_backlog set resolved_count = 0",
    (
        "satisfaction.complaint_backlog",
        "Of thirty open cases, at most half are older than thirty days",
    ): "update satisfaction.complaint_backlog "
    "set open_count = 30, open_over_30_days_count = 16",
    (
        "satisfaction.product_incidents",
        "Incidents are the cases of the year that name a product",
    ): "update satisfaction.product_incidents set incident_count = 1 "
    "where product_key = (select min(product_key) from satisfaction.product_incidents)",
    (
        "satisfaction.product_incidents",
        "A rate lies in its interval, or says why there is none",
    ): "update satisfaction.product_incidents "
    "set incidents_per_1000 = interval_high + 1, missing_reason = null",
    (
        "satisfaction.product_incidents",
        "No product of which three incidents are known has ten times the usual rate",
    ): "update satisfaction.product_incidents set incident_count = 3, "
    "usual_per_1000 = 1, incidents_per_1000 = 12, interval_low = 11, "
    "interval_high = 13, missing_reason = null",
    (
        "satisfaction.complaint_spikes",
        "A spike lies above what is usual, and each value within all of its period",
    ): "update satisfaction.complaint_spikes set n = 7 where dimension = 'source'",
    (
        "satisfaction.complaint_spikes",
        "No period is told that was not over at the as-of date",
    ): "update satisfaction.complaint_spikes set period_start_at = '2025-01-01'",
    (
        "satisfaction.complaint_spikes",
        "On at most one day in ten of the last thirty complaints or mentions spike",
    ): "insert into satisfaction.complaint_spikes "
    "select * exclude (i) "
    "replace (date '2024-12-10' + cast(i as integer) as period_date) "
    "from (from satisfaction.complaint_spikes where dimension = 'all'), "
    "range(4) as numbers (i)",
    (
        "satisfaction.customer_satisfaction",
        "Every customer has one row",
    ): "delete from satisfaction.customer_satisfaction",
    (
        "satisfaction.customer_satisfaction",
        "Who is called satisfied or not has said so, and the others have a reason",
    ): "update satisfaction.customer_satisfaction set told_at = null",
    (
        "satisfaction.customer_satisfaction",
        "Nobody has more unresolved cases than the service desk",
    ): "update satisfaction.customer_satisfaction set unresolved_case_count = 2",
    (
        "satisfaction.customer_satisfaction",
        "Of thirty customers who said so, at most half are dissatisfied",
    ): "update satisfaction.customer_satisfaction "
    "set told_at = '2024-12-01', satisfaction = 'dissatisfied'",
    (
        "satisfaction.promises",
        "Every promise of the feed up to the as-of date is here",
    ): "delete from satisfaction.promises",
    (
        "satisfaction.promises",
        "No promise was made or kept after the as-of date",
    ): "update satisfaction.promises set kept_at = '2025-01-01'",
    (
        "satisfaction.promises",
        "Of thirty promises that were due, at most one in five was broken",
    ): _copies("satisfaction.promises", 29, "promise_id")
    + "; update satisfaction.promises set state = 'broken' "
    "where promise_id in ('n1', 'n2', 'n3', 'n4', 'n5', 'n6', 'n7')",
    (
        "satisfaction.churn_warnings",
        "A warning begins by the last day and ends after it began, if it has ended",
    ): "update satisfaction.churn_warnings set closed_on = opened_on, is_open = false",
    (
        "satisfaction.churn_warnings",
        "A warning has numbers that tell it, a severity and a next step",
    ): "update satisfaction.churn_warnings set evidence = ''",
    (
        "satisfaction.churn_warnings",
        "Who left or stayed is told once the horizon is over, and stayed when they buy",
    ): "update satisfaction.churn_warnings "
    "set outcome = 'left', judged_on = '2025-01-01'",
    (
        "satisfaction.churn_warnings",
        "Of thirty customers, at most half have a warning of high severity",
    ): "insert into satisfaction.churn_warnings "
    "select * exclude (another) replace (another as customer_id, null as closed_on, "
    "true as is_open, 'high' as severity) "
    "from (from satisfaction.churn_warnings limit 1) "
    "cross join (select customer_id as another from customer.customers "
    "where customer_id <> 'unidentified')",
    (
        "satisfaction.churn_warning_records",
        "Warned who left are some of those warned and of those who left",
    ): "update satisfaction.churn_warning_records set hit_count = warned_count + 1",
    (
        "satisfaction.churn_warning_records",
        "Each day is judged by the customers that it has, whatever the sign",
    ): "update satisfaction.churn_warning_records set n = n + 1 where sign = 'any'",
    (
        "satisfaction.churn_warning_records",
        "A rate lies within its interval, and a missing one has a reason",
    ): "update satisfaction.churn_warning_records "
    "set miss_rate = 0.5, miss_rate_low = 0.6, miss_rate_high = 0.7",
    (
        "satisfaction.churn_warning_records",
        "Warned customers leave more often than others",
    ): "update satisfaction.churn_warning_records set missing_reason = null, "
    "error_rate = 0.8, error_rate_low = 0.7, error_rate_high = 0.9, base_rate = 0.4, "
    "miss_rate = 0.5, miss_rate_low = 0.4, miss_rate_high = 0.6",
    (
        "satisfaction.mentions",
        "Every post is here, with those of whom it speaks or with nobody",
    ): "delete from satisfaction.mentions",
    (
        "satisfaction.mentions",
        "A mood is that of the source or has a method; where nobody can tell it is "
        "unknown",
    ): "update satisfaction.mentions set sentiment = 'negative'",
    (
        "satisfaction.mentions",
        "Of thirty posts, the mood of at least half can be told",
    ): _copies("satisfaction.mentions", 29, "post_id")
    + "; "
    + _copies("feeds.posts", 29, "post_id")
    + "; update satisfaction.mentions set sentiment = 'unknown', "
    "sentiment_delivered = null, method = 'none: no text' where post_id < 'n5'",
    (
        "satisfaction.share_of_voice",
        "Mentions of all subjects of a voice are all its mentions",
    ): "update satisfaction.share_of_voice set all_mention_count = 2",
    (
        "satisfaction.share_of_voice",
        "Each mention is in each kind of period and breakdown",
    ): "delete from satisfaction.share_of_voice where breakdown = 'topic'",
    (
        "satisfaction.share_of_voice",
        "Each mention has one mood, and writers are no more than mentions",
    ): "update satisfaction.share_of_voice set writer_count = 2",
    (
        "satisfaction.share_of_voice",
        "A share lies within its interval, and a missing one has a reason",
    ): "update satisfaction.share_of_voice set missing_reason = null",
    (
        "satisfaction.delivered_values",
        "Delivered value is total value less total cost, within its interval",
    ): "update satisfaction.delivered_values set delivered_value = 11 "
    "where breakdown = 'customer'",
    (
        "satisfaction.delivered_values",
        "Who is in a segment is counted in all",
    ): "update satisfaction.delivered_values set person_count = person_count + 1 "
    "where breakdown = 'total'",
    (
        "satisfaction.delivered_values",
        "Of thirty persons who were asked, at least half told all parts",
    ): "update satisfaction.delivered_values set incomplete_count = 30",
    (
        "satisfaction.service_gaps",
        "Each questionnaire's pairs are in one row of each breakdown",
    ): "update satisfaction.service_gaps set n = n + 1 where touchpoint <> 'all'",
    (
        "satisfaction.service_gaps",
        "The gap is perception less expectation, within the scale and its interval",
    ): "update satisfaction.service_gaps set gap = 11",
    (
        "satisfaction.service_gaps",
        "At most one item in five that is asked for both has only one",
    ): "update satisfaction.service_gaps set unpaired_count = n",
    (
        "satisfaction.satisfaction_drivers",
        "The shares of drivers sum to 100 %, and so does the variance with unlisted",
    ): "update satisfaction.satisfaction_drivers set variance_pct = 87.1",
    (
        "satisfaction.satisfaction_drivers",
        "Shares and effects lie within their intervals, and no share is below 0",
    ): "update satisfaction.satisfaction_drivers set share_pct = 100, driver_rank = 1, "
    "missing_reason = null, share_pct_low = 10, share_pct_high = 20",
    (
        "satisfaction.satisfaction_drivers",
        "What has no share has a reason, and only that",
    ): "update satisfaction.satisfaction_drivers set missing_reason = null",
    (
        "satisfaction.service_shortfalls",
        "All answers to a driver are in one row of each view",
    ): "update satisfaction.service_shortfalls set n = n + 1 where view = 'all'",
    (
        "satisfaction.service_shortfalls",
        "A shortfall is the target less the performance, within scale and interval",
    ): "update satisfaction.service_shortfalls set shortfall = 11",
    (
        "satisfaction.service_shortfalls",
        "What lacks a priority has a reason, and only what is behind brings points",
    ): "update satisfaction.service_shortfalls set would_bring_points = -1",
    (
        "satisfaction.satisfaction_effects",
        "Each of four links has a row for each of six lags",
    ): "delete from satisfaction.satisfaction_effects where lag_months = 48",
    (
        "satisfaction.satisfaction_effects",
        "What was found lies in its interval and is told in words; else a reason is",
    ): "update satisfaction.satisfaction_effects set missing_reason = null",
    (
        "operations.source_deliveries",
        "Something arrived",
    ): "update operations.source_deliveries set row_count = 0",
    (
        "operations.source_deliveries",
        "No day is missing",
    ): "update operations.source_deliveries set status = 'missing', row_count = 0 "
    "where day = '2024-03-01'",
    (
        "operations.source_deliveries",
        "On no day more rows came too late than the table's limit allows",
    ): "update operations.source_deliveries set late_alert = 'warning', "
    "out_of_window_count = 3 where day = '2024-03-01'",
    (
        "operations.source_deliveries",
        "At the as-of date no table is older than its freshness allows",
    ): "update operations.source_deliveries set freshness = 'warn', "
    "newest_row_age_hours = 30 where day = '2024-12-31'",
    (
        "operations.source_deliveries",
        "The last seven days brought half to double the rows of a usual week",
    ): "update operations.source_deliveries set row_count = 4 * row_count "
    "where day > '2024-12-24'",
    (
        "operations.source_warnings",
        "No warning is of days after the as-of date",
    ): "update operations.source_warnings set to_day = '2025-01-01'",
    (
        "operations.quarantined_rows",
        "No value is longer than 200 characters",
    ): "update operations.quarantined_rows set value = repeat('x', 201)",
    (
        "operations.quarantined_rows",
        "At most one row in a hundred of a table was refused",
    ): _copies("operations.quarantined_rows", 10, "payload_hash"),
    (
        "operations.gate_results",
        "No run was published over a broken or a failed critical check",
    ): "update operations.gate_results set outcome = 'failed'",
    (
        "operations.model_runs",
        "Each node of the run that built this candidate succeeded",
    ): "update operations.model_runs set status = 'error' where node_name = 'segments'",
    (
        "operations.model_runs",
        "The run that built this candidate is among the runs",
    ): "update operations.model_runs set run_id = 'run_0'",
    (
        "operations.publications",
        "The data reach at least as far as in the last publication",
    ): "update operations.publications set data_as_of = '2025-01-01'",
    (
        "operations.restatements",
        "Old and new number of a restatement differ, and the difference is theirs",
    ): "update operations.restatements set difference = 2",
    (
        "operations.restatements",
        "Each restatement has a reason, and those beyond the limit somebody's approval",
    ): "update operations.restatements set is_beyond_limit = true",
    (
        "operations.incidents",
        "No incident ends or goes on before it began, and each has failed",
    ): "update operations.incidents set recovered_at = timestamp '2020-01-01'",
    (
        "operations.incidents",
        "Of one thing that is broken in one way at most one incident is open",
    ): "insert into operations.incidents select * replace ('i2' as incident_id) "
    "from operations.incidents",
    (
        "operations.incidents",
        "An incident is critical where readers had a release past its promise",
    ): "update operations.incidents set is_fresh = false, severity = 'warning'",
    (
        "feeds.customers",
        "No registration lies after the as-of date",
    ): _cut("customers"),
    (
        "feeds.customers",
        "At least nine records in ten name the customer",
    ): "update feeds.customers set identifier_value = null "
    "where customer_record_id like 'C1%'",
    (
        "feeds.customers",
        "Customers are persons or organisations",
    ): "update feeds.customers set customer_kind = 'Person' "
    "where customer_record_id = 'C1'",
    (
        "feeds.identifier_links",
        "No identifier is linked with more than a hundred others",
    ): _copies("feeds.identifier_links", 100, "right_value"),
    (
        "feeds.attributes",
        "No observation lies after the as-of date",
    ): _cut("attributes"),
    (
        "feeds.consents",
        "No change lies after the as-of date",
    ): _cut("consents"),
    (
        "feeds.dependants",
        "Nobody is older than 120 years, or due in more than ten months",
    ): "update feeds.dependants set birth_date = '2025-11-01'",
    (
        "feeds.assignments",
        "No assignment ends before it begins",
    ): "update feeds.assignments set valid_to = '2023-12-31'",
    (
        "feeds.places",
        "Latitude from -90 to 90",
    ): "update feeds.places set latitude = 90.1",
    (
        "feeds.places",
        "Longitude from -180 to 180",
    ): "update feeds.places set longitude = -180.1",
    (
        "feeds.places",
        "Places are stores, malls, branches or regions",
    ): "update feeds.places set kind = 'shop'",
    (
        "feeds.products",
        "No unit costs less than 0",
    ): "update feeds.products set unit_cost_amount = -0.01 where product_id = 'P1'",
    (
        "feeds.products",
        "No price below 0",
    ): "update feeds.products set list_price_amount = -0.01 where product_id = 'P1'",
    (
        "feeds.products",
        "At most one product in ten costs more than its price",
    ): "update feeds.products set list_price_amount = unit_cost_amount "
    "- if(product_id like 'P1%', 0.01, 0)",
    (
        "feeds.orders",
        "No order lies after the as-of date",
    ): _cut("orders"),
    (
        "feeds.orders",
        "No order is delivered before it was made",
    ): "update feeds.orders set delivered_at = '2023-12-31' where order_id = 'R3'",
    (
        "feeds.orders",
        "No discount on an order is below 0",
    ): "update feeds.orders set discount_amount = -0.01 where order_id = 'R3'",
    (
        "feeds.orders",
        "No discount is larger than the order that it is taken off",
    ): "update feeds.orders set discount_amount = 0.01 where order_id = 'R3'; "
    "update customer.orders set revenue_amount = -0.01 "
    "where order_id = 'R3'",
    (
        "feeds.orders",
        "At most one order in a hundred has neither a line nor an amount",
    ): ("update customer.orders set line_count = 0 where order_id like 'R11%'"),
    (
        "feeds.orders",
        "An order's amount is that of its lines, to a cent for each",
    ): "update feeds.orders set order_amount = ("
    "select revenue_amount + 0.01 * line_count + 0.01 "
    "from customer.orders where order_id = 'R3') where order_id = 'R3'",
    (
        "feeds.orders",
        "No day of ten orders or more in the last year brings over ten times the most, "
        "or under a tenth of the least, of the four weeks before",
    ): _copies("customer.orders", 10, "order_id", "order_date = '2024-12-01'")
    + "; update customer.orders set revenue_amount = 9999 "
    "where order_id like 'n%'",
    (
        "feeds.order_lines",
        "No line is without its order, whose revenue would be lost",
    ): "insert into feeds.order_lines select * replace "
    "('lost' as order_id, 'lost-1' as order_line_id) "
    "from feeds.order_lines where order_id = 'R3' limit 1",
    (
        "feeds.order_lines",
        "No discount on a line is below 0",
    ): "update feeds.order_lines set discount_amount = -0.01 "
    "where order_line_id = 'R3-1'",
    (
        "feeds.order_lines",
        "No unit costs less than 0",
    ): "update feeds.order_lines set unit_cost_amount = -0.01 "
    "where order_line_id = 'R3-1'",
    (
        "feeds.order_lines",
        "No returned line adds to the revenue",
    ): "update feeds.order_lines set quantity = -1 where order_line_id = 'R3-1'",
    (
        "feeds.order_lines",
        "Where nearly all lines of a source bring quantity times price, all do",
    ): "update feeds.order_lines set line_amount = line_amount / 100 "
    "where order_line_id = 'R3-1'",
    (
        "feeds.order_lines",
        "At most one line in five is a return",
    ): "update feeds.order_lines set quantity = -1 "
    "where order_id like 'R2%' or order_id like 'R3%'",
    (
        "feeds.order_lines",
        "Of a thousand lines or more, none holds a tenth of the revenue",
    ): "update feeds.order_lines set line_amount = 5000 where order_line_id = 'R3-1'",
    (
        "feeds.quotes",
        "No quotation is decided before it was given",
    ): "update feeds.quotes set decided_at = '2024-01-01'",
    (
        "feeds.quotes",
        "No price below 0",
    ): "update feeds.quotes set price_amount = -0.01",
    (
        "feeds.quotes",
        "Quotations offer more than 0 units",
    ): "update feeds.quotes set quantity = 0",
    (
        "feeds.quotes",
        "Quotations are accepted, declined or expired",
    ): "update feeds.quotes set outcome = 'won'",
    (
        "feeds.events",
        "No event lies after the as-of date",
    ): _cut("events"),
    (
        "feeds.events",
        "At least one event in twenty names a person or a device",
    ): "update feeds.events set identifier_value = null, device_id = null",
    (
        "feeds.posts",
        "No post lies after the as-of date",
    ): _cut("posts"),
    (
        "feeds.posts",
        "Sentiment from -1 to 1",
    ): "update feeds.posts set sentiment = 1.1",
    (
        "feeds.presences",
        "No reading lies after the as-of date",
    ): _cut("presences"),
    (
        "feeds.presences",
        "Each reading has a state that the feed knows",
    ): "update feeds.presences set state = 'left'",
    (
        "feeds.tickets",
        "No case is opened again fewer than 0 times",
    ): "update feeds.tickets set reopen_count = -1",
    (
        "feeds.tickets",
        "No case is answered or resolved before it was opened",
    ): "update feeds.tickets set resolved_at = '2024-01-01'",
    (
        "feeds.tickets",
        "Cases are questions, complaints, claims or repairs",
    ): "update feeds.tickets set kind = 'Complaint'",
    (
        "feeds.survey_answers",
        "Every score lies on its scale, a whole number on those of NPS, CSAT, CES",
    ): "update feeds.survey_answers set score = 11",
    (
        "feeds.survey_answers",
        "No answer lies after the as-of date",
    ): _cut("survey_answers"),
    (
        "feeds.survey_answers",
        "Each answer is to a measure that the feed knows",
    ): "update feeds.survey_answers set measure = 'NPS'",
    (
        "feeds.survey_answers",
        "Factors are product, price, channel or competitor",
    ): "update feeds.survey_answers set factor = 'brand'",
    (
        "feeds.campaigns",
        "No campaign ends before it begins",
    ): "update feeds.campaigns set ends_at = '2024-01-01'",
    (
        "feeds.campaigns",
        "No cost below 0",
    ): "update feeds.campaigns set cost_amount = -0.01",
    (
        "feeds.contacts",
        "No message is opened or answered before it was sent",
    ): "update feeds.contacts set responded_at = '2024-01-01'",
    (
        "feeds.leads",
        "No lead lies after the as-of date",
    ): _cut("leads"),
    (
        "feeds.lead_stages",
        "No lead takes a step before it exists",
    ): "update feeds.lead_stages set entered_at = '2024-01-01'",
    (
        "feeds.promises",
        "No promise is due or kept before it was made",
    ): "update feeds.promises set kept_at = '2024-01-01'",
    (
        "feeds.competitor_offers",
        "No price below 0",
    ): "update feeds.competitor_offers set price_amount = -0.01",
    (
        "feeds.competitor_offers",
        "No sighting lies after the as-of date",
    ): _cut("competitor_offers"),
    (
        "feeds.goals",
        "No period ends before it begins",
    ): "update feeds.goals set period_end = '2023-12-31'",
}


@functools.cache
def suites() -> Suites:
    """Those of Kith, without a company's own."""
    return load_suites(REPOSITORY / "tests" / "companies" / "corner_shop")


def check(run: Run, table: str | None = None) -> list[Check]:
    """All checks, or those of one table."""
    tables = [t for t in list_tables(run) if table in (None, t.full_name)]
    wanted = {(t.kind, t.name) for t in tables}
    chosen = {place: suite for place, suite in suites().items() if place in wanted}
    return check_tables(run, tables, chosen)


def test_good_tables_pass_and_every_check_has_its_bad_row(built_shop: Run) -> None:
    assert all(table.row_count for table in list_tables(built_shop))
    checks = check(built_shop)
    assert [c for c in checks if c.outcome != "passed"] == []
    assert {(c.table_name, c.expectation) for c in checks} == set(MUTATIONS)


@pytest.fixture(scope="module")
def tables(built_shop: Run) -> dict[str, Table]:
    """The tables of the candidate before anything in it was changed, by name."""
    return {table.full_name: table for table in list_tables(built_shop)}


@pytest.mark.parametrize(("table", "expectation"), MUTATIONS)
def test_a_bad_row_is_caught(
    table: str, expectation: str, candidate: Run, tables: dict[str, Table]
) -> None:
    with duckdb.connect(str(candidate.warehouse)) as warehouse:
        warehouse.execute(MUTATIONS[table, expectation])
    place = tables[table].kind, tables[table].name
    # Alone: to check all of a table anew for each of its rows takes most of an hour.
    alone = [e for e in suites()[place] if expectation == e.description]
    (found,) = check_tables(candidate, [tables[table]], {place: alone})
    assert (found.expectation, found.outcome) == (expectation, "failed")


def test_a_table_of_which_many_rows_were_refused_is_named(candidate: Run) -> None:
    table = "operations.quarantined_rows"
    few = "At most one row in a hundred of a table was refused"
    with duckdb.connect(str(candidate.warehouse)) as warehouse:
        warehouse.execute(MUTATIONS[table, few])
    (observed,) = (c.observed for c in check(candidate, table) if c.expectation == few)
    assert observed == "source_table shop.products, rows_refused 11, rows_admitted 1000"


def test_strangers_who_are_one_customer_are_counted_and_true_doubles_are_not(
    candidate: Run,
) -> None:
    def found() -> dict[str, str | None]:
        return {
            c.expectation.split(",")[0]: c.observed
            for table in ("customer.customers", "customer.customer_identifiers")
            for c in check(candidate, table)
            if c.expectation.endswith("no strangers are one customer")
            and c.outcome == "failed"
        }

    with duckdb.connect(str(candidate.warehouse)) as warehouse:
        warehouse.execute(_records_twice("date '1990-01-01'"))
        # Two numbers of a customer in two systems.
        warehouse.execute(
            "insert into customer.customer_identifiers "
            "select * replace ('n' || identifier_value as identifier_value, "
            "'crm' as sources) from customer.customer_identifiers; "
            "insert into intermediate.int_identifiers "
            "select * replace ('n' || identifier_value as identifier_value) "
            "from intermediate.int_identifiers"
        )
        (customers,) = warehouse.sql(
            "select count(distinct customer_id) from intermediate.int_customer_records"
        ).fetchall()[0]
    assert found() == {}
    with duckdb.connect(str(candidate.warehouse)) as warehouse:
        warehouse.execute(
            "update intermediate.int_customer_records set birth_date = '1991-02-03' "
            "where customer_record_id like '%1'"
        )
    assert found() == {
        "Of customers with several records that tell a birth date": (
            f"customers_compared {customers}, with_several_birth_dates {customers}"
        ),
        "At most one customer in twenty has several records of one source": (
            f"source shop, customers {customers}, with_several_records {customers}"
        ),
    }


def test_orders_that_are_taken_off_twice_are_named_with_their_share_of_revenue(
    candidate: Run,
) -> None:
    # Customer, order, day, status, gross, given back, cancelled; below 0: gross 0.
    orders = [
        ("a", "A1", 1, "cancelled", 0, 0, 70),
        ("a", "A2", 5, "completed", 0, 70, 0),
        ("b", "B1", 1, "returned", 40, 40, 0),
        ("b", "B2", 1, "returned", 0, 40, 0),
        # The returned line, and the note that credits it.
        ("c", "C1", 1, "completed", 100, 30, 0),
        ("c", "C2", 8, "completed", 0, 30, 0),
        ("c", "C3", 9, "completed", 0, 20, 0),
        # A cancelled order was bought anew, and that one given back.
        ("d", "D1", 1, "cancelled", 0, 0, 25),
        ("d", "D2", 2, "completed", 25, 0, 0),
        ("d", "D3", 9, "completed", 0, 25, 0),
        # Other people, other amounts, and what was given back before.
        ("e", "E1", 1, "cancelled", 0, 0, 70),
        ("f", "F1", 1, "completed", 0, 70, 0),
        ("f", "F2", 3, "returned", 70, 70, 0),
        ("unidentified", "U1", 1, "cancelled", 0, 0, 60),
        ("unidentified", "U2", 2, "completed", 0, 60, 0),
        ("g", "G1", 1, "completed", 1620, 0, 0),
    ]
    with duckdb.connect(str(candidate.warehouse)) as warehouse:
        warehouse.execute(
            "create temp table one as from customer.orders limit 1; "
            "delete from customer.orders; "
            "create temp table line as from customer.order_lines limit 1; "
            "delete from customer.order_lines"
        )
        for person, number, day, status, gross, given_back, cancelled in orders:
            warehouse.execute(
                f"""
                insert into customer.orders
                select * replace ('{person}' as customer_id, '{number}' as order_id,
                    date '2024-05-01' + {day} as order_date, '{status}' as status_class,
                    {gross} as gross_amount, {given_back} as returned_amount,
                    {cancelled} as cancelled_amount, {gross > 0} as is_purchase,
                    {gross - given_back} as revenue_amount, 1 as line_count) from one;
                insert into customer.order_lines
                select * replace ('{person}' as customer_id, {gross > 0} as is_purchase,
                    {gross - given_back} as revenue_amount) from line
                """
            )
    (found,) = [
        c
        for c in check(candidate, "customer.orders")
        if c.expectation.startswith("No order that was cancelled")
    ]
    assert (found.outcome, found.severity) == ("failed", "warning")
    assert [list(pair.values()) for pair in json.loads(found.sample or "")] == [
        ["shop", "A1", "A2", "70.00", "140.00", "10.0"],
        ["shop", "B1", "B2", "40.00", "140.00", "10.0"],
        ["shop", "C1", "C2", "30.00", "140.00", "10.0"],
    ]


@pytest.mark.parametrize("sign", ["", "-"])
def test_cancellations_that_are_rows_beside_their_purchases_are_told(
    sign: str, candidate: Run
) -> None:
    # Neither takes anything off: the purchase counts as before.
    with duckdb.connect(str(candidate.warehouse)) as warehouse:
        warehouse.execute(
            f"""
            insert into customer.orders
            select * replace ('n' || order_id as order_id, false as is_purchase,
                'cancelled' as status_class, 0 as gross_amount, 0 as returned_amount,
                {sign}gross_amount as cancelled_amount,
                ordered_at + interval 9 day as ordered_at)
            from customer.orders where is_purchase and not is_returned_whole
            """
        )
    told = "Orders that their status alone calls returned or cancelled"
    (found,) = [
        c for c in check(candidate, "customer.orders") if c.expectation.startswith(told)
    ]
    assert (found.outcome, found.severity) == ("failed", "warning")


def test_statuses_that_nobody_knows_are_named_the_most_frequent_first(
    candidate: Run,
) -> None:
    with duckdb.connect(str(candidate.warehouse)) as warehouse:
        warehouse.execute(
            """
            update customer.orders set is_status_known = false, status =
                case when order_id = 'R1' then 'zorg' when order_id = 'R2'
                then repeat('a note on somebody ', 3) else 'blorp' end
            where order_id in ('R1', 'R2', 'R3', 'R4')
            """
        )
    (found,) = [c for c in check(candidate, "customer.orders") if c.outcome == "failed"]
    assert found.severity == "warning"
    assert found.observed == (
        "orders_counted 4, unknown_words 3, most_frequent blorp, a text, zorg"
    )


def test_every_feed_and_mart_of_dbt_has_a_suite_and_every_suite_its_table(
    built_shop: Run,
) -> None:
    built = {(table.kind, table.name) for table in list_tables(built_shop)}
    assert set(suites()) == built
    assert len(built) == len(list((REPOSITORY / "expectations").glob("*/*.py")))


@pytest.mark.parametrize(
    ("feed", "expectation"),
    [
        pytest.param(table, each, id=f"{table}: {each.description}")
        for (kind, table), suite in suites().items()
        for each in suite
        if kind == "feeds" and each.severity == CRITICAL
    ],
)
def test_a_check_that_stops_a_feed_says_what_staging_has_to_do(
    feed: str, expectation: Any
) -> None:
    # To leave the row out would lose its money too.
    assert expectation.meta["cure"].startswith(("give ", "translate "))


QUERIES = {
    f"{kind}.{table}: {expectation.description}": expectation.unexpected_rows_query
    for (kind, table), suite in suites().items()
    for expectation in suite
    if hasattr(expectation, "unexpected_rows_query")
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_a_query_means_the_same_to_duckdb_and_to_spark(query: str) -> None:
    assert not re.search(r"(?i)(^|\()\s*from\b|\bfilter\s*\((?!\s*where)", query)
    as_read_by = {
        engine: sqlglot.transpile(
            query.format(batch="a_table"),
            read=engine,
            write="spark",
            unsupported_level=sqlglot.ErrorLevel.RAISE,
        )
        for engine in ("duckdb", "spark")
    }
    assert as_read_by["duckdb"] == as_read_by["spark"]


def test_by_rhythm_silence_is_compared_in_usual_gaps(candidate: Run) -> None:
    def outcome(weekly_gaps: float) -> str:
        with duckdb.connect(str(candidate.warehouse)) as warehouse:
            warehouse.execute(
                f"""
                update segment.activity_states set method = 'own rhythm',
                    days_since_last_order = if({_BUYER}, 42, 80),
                    gap_ratio = if({_BUYER}, {weekly_gaps}, 1),
                    state = if({_BUYER}, 'asleep', 'active')
                where method is not null
                """
            )
        (found,) = [
            c.outcome
            for c in check(candidate, "segment.activity_states")
            if c.expectation.startswith("Longer silence")
        ]
        return found

    assert (outcome(6), outcome(0.9)) == ("passed", "failed")
