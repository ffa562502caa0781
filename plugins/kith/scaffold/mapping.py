"""Which feeds a table seems to provide, and the staging models that say so.

The guess is by the names of tables and columns against the feeds' contracts; that a
mapping keeps its contract (keys unique, no value missing where one is needed) is
proved on all rows.
"""

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import duckdb
import yaml

from kith.company import feed_names
from kith.database import fetch_row, literal, quote
from kith.scaffold.profiles import ColumnGuess, TableGuess, day_in
from kith.settings import REPOSITORY

_FEEDS = REPOSITORY / "dbt_project" / "models" / "feeds"
_COMMON = {"source", "identifier_type", "identifier_value", "loaded_at"}

# Words of a table's name that speak for a feed.
_TABLE_WORDS = {
    "customers": "customer client member household user demographic crm 客户 会员",
    "identifier_links": "link alias",
    "attributes": "attribute trait tag property 标签",
    "consents": "consent permission optin subscription",
    "dependants": "dependant dependent child children pet family",
    "assignments": "assignment owner caretaker",
    "places": "place store shop branch location mall outlet 门店",
    "products": "product article item sku catalog catalogue stock 商品",
    "orders": "order receipt basket purchase sale invoice transaction 订单",
    "order_lines": "line item detail position transaction basket sale invoice 明细",
    "quotes": "quote quotation offer",
    "events": "event click view visit log redemption action pageview search activity",
    "posts": "post tweet review comment message 帖子 评论",
    "presences": "presence sensor reading footfall",
    "tickets": "ticket case incident complaint claim service repair 工单 投诉",
    "survey_answers": "survey answer nps csat rating feedback questionnaire 问卷",
    "campaigns": "campaign promotion action 活动",
    "contacts": "contact mailing message call email send letter newsletter",
    "leads": "lead prospect opportunity chance 线索",
    "lead_stages": "stage step pipeline",
    "promises": "promise appointment commitment",
    "competitor_offers": "competitor rival",
    "goals": "goal target budget kpi",
}
# What must be found for a table to be taken for the feed, beside what the contract
# needs.
_SIGNATURES = {
    "customers": [],
    "identifier_links": ["left_value", "right_value"],
    "attributes": ["attribute"],
    "consents": ["purpose", "is_granted"],
    "dependants": ["birth_date", "relation"],
    "assignments": ["employee_id", "valid_from"],
    "places": ["place_id"],
    "products": ["product_id"],
    "orders": ["order_id", "ordered_at"],
    "order_lines": ["order_id", "product_id"],
    "quotes": ["quote_id", "price_amount"],
    "events": ["occurred_at"],
    "posts": ["posted_at", "text"],
    "presences": ["place_id", "occurred_at"],
    "tickets": ["ticket_id", "opened_at"],
    "survey_answers": ["score", "answered_at"],
    "campaigns": ["campaign_id"],
    "contacts": ["sent_at"],
    "leads": ["lead_id", "created_at"],
    "lead_stages": ["lead_id", "stage"],
    "promises": ["promised_at", "due_at"],
    "competitor_offers": ["competitor", "seen_at"],
    "goals": ["measure", "target_value"],
}
# Feeds of which one row is one thing, named by the table's only key.
_THINGS = {
    "customers": "customer_record_id",
    "places": "place_id",
    "products": "product_id",
    "orders": "order_id",
    "campaigns": "campaign_id",
    "tickets": "ticket_id",
    "leads": "lead_id",
}
# Feeds that need their table to be called so, since their columns are common ones.
_NAMED_ONLY = {"events", "contacts", "posts", "attributes", "customers", "quotes"}
# Feeds whose rows come day by day and stay as they are.
FLOWS = {
    *("orders", "order_lines", "events", "posts", "presences", "contacts"),
    *("survey_answers", "quotes"),
}
# Other names of a feed's columns; `/` parts them.
_SYNONYMS = {
    "order_id": "order id/order/basket id/receipt id/receipt/invoice id/invoice/"
    "transaction id/sale id/bill id/订单号/订单编号",
    "line_number": "line id/line/position/order item id",
    "product_id": "product id/product/sku/stock id/article id/article/item id/商品编号",
    "quantity": "quantity/qty/units/pieces/menge/数量",
    "unit_price_amount": "unit price/price/preis/单价",
    "unit_cost_amount": "unit cost/cost/cost price",
    "list_price_amount": "list price/price/msrp/unit price/单价",
    "price_amount": "price/amount/price amount/offer price",
    "cost_amount": "cost/budget/spend",
    "line_amount": "line amount/line total/sales value/amount/total/revenue/sales/"
    "net amount/total amount/total price/order total/order amount/grand total/"
    "umsatz/betrag/金额",
    "discount_amount": "discount/discount amount/voucher amount/disc/rebate/rabatt",
    "shipping_amount": "shipping/shipping cost/shipping amount/freight/freight value",
    "payment_method": "payment method/payment type/payment/paid by/tender",
    "ordered_at": "order date/ordered at/order time/order purchase timestamp/"
    "order timestamp/transaction timestamp/transaction date/invoice date/"
    "purchase date/purchased at/bought at/sold at/sale date/sold on/created at/"
    "timestamp/datetime/date/下单时间",
    "promised_at": "promised at/promise date/estimated delivery date",
    "delivered_at": "delivered at/delivery date/delivered date",
    "occurred_at": "occurred at/event time/event date/timestamp/datetime/clicked at/"
    "viewed at/visited at/time/date/created at/ts",
    "event_name": "event name/event type/event/action/activity/page/kind",
    "touchpoint": "touchpoint/channel/platform/site",
    "query": "query/search term/search/keyword/keywords",
    "device_id": "device id/device/cookie/cookie id/visitor id",
    "url": "url/page url/page address/link",
    "campaign_id": "campaign id/campaign",
    "store_id": "store id/store/shop id/shop/branch id/branch/place id/outlet",
    "place_id": "place id/store id/store/shop id/branch id/location id",
    "kind": "kind/type/category",
    "city": "city/town/ort/stadt/城市",
    "region": "region/state/province/county/bundesland/省",
    "country": "country/country code/land/国家",
    "latitude": "latitude/lat",
    "longitude": "longitude/lon/lng/long",
    "opened_at": "opened at/open date/opening date/created at/sys created at/opened/"
    "open time/created/reported at/date",
    "first_response_at": "first response at/first response/responded at/first reply at",
    "resolved_at": "resolved at/resolved/closed at/closed/solved at",
    "reason": "reason/category/subject/cause/issue/topic",
    "employee_id": "employee id/employee/agent id/agent/assigned to/assignee/clerk",
    "department": "department/team/assignment group/group",
    "is_reopened": "is reopened/reopened",
    "reopen_count": "reopen count/reopened count/reopens",
    "is_within_sla": "is within sla/made sla/within sla/sla met",
    "ticket_id": "ticket id/ticket/case id/incident id/number/complaint id/工单号",
    "name": "name/product name/store name/title/description/designation/名称",
    "category": "category/product category/product group/group/department/class/类别",
    "brand": "brand/brand name/manufacturer/marke/品牌",
    "launched_at": "launched at/launch date/on sale since/released at",
    "channel": "channel/sales channel/medium/渠道",
    "status": "status/state/order status/状态",
    "starts_at": "starts at/start date/start/from date/valid from/begin date",
    "ends_at": "ends at/end date/end/to date/valid to",
    "customer_kind": "customer kind/customer type",
    "industry": "industry/sector/branche",
    "level": "level/tier/grade/loyalty level/segment/等级",
    "registration_source": "registration source/acquisition channel/signup source",
    "registered_at": "registered at/registration date/signup date/created at/"
    "customer since/joined at/member since/注册时间",
    "birth_date": "birth date/birthday/date of birth/dob/born/生日",
    "deleted_at": "deleted at",
    "updated_at": "updated at/modified at/last modified/changed at",
    "score": "score/rating/value/answer/nps/csat/stars/评分",
    "scale_min": "scale min",
    "scale_max": "scale max",
    "question": "question/question id/item",
    "survey": "survey/survey name/survey id/wave",
    "measure": "measure/metric/kpi/question type",
    "dimension": "dimension",
    "factor": "factor",
    "method": "method/mode/meth",
    "answered_at": "answered at/answer date/response date/survey date/submitted at/"
    "created at/date/timestamp",
    "text": "text/comment/comments/content/body/message/review/内容",
    "posted_at": "posted at/post date/created at/published at/date/timestamp",
    "platform": "platform/network/site/source",
    "author": "author/user name/username/handle/screen name",
    "topic": "topic/subject/hashtag",
    "sentiment": "sentiment/sentiment score",
    "sent_at": "sent at/sent on/send date/mail date/mailed at/called at/contact date/"
    "date/created at",
    "purpose": "purpose",
    "opened_at_contact": "opened at",
    "responded_at": "responded at/replied at/answered at",
    "outcome": "outcome/result",
    "lead_id": "lead id/lead/opportunity id/prospect id",
    "created_at": "created at/created/creation date/date",
    "source_of_lead": "source/lead source/origin",
    "has_need": "has need",
    "can_pay": "can pay",
    "stage": "stage/step/status",
    "entered_at": "entered at/changed at/date/stage date",
    "quote_id": "quote id/quotation id/offer id",
    "quoted_at": "quoted at/quote date/date/created at",
    "decided_at": "decided at/decision date",
    "is_granted": "is granted/granted/opt in/consent",
    "changed_at": "changed at/date/updated at",
    "relation": "relation/relationship",
    "valid_from": "valid from/start date/from date",
    "valid_to": "valid to/end date/to date",
    "attribute": "attribute/attribute name/trait/property/tag",
    "value_text": "value/value text",
    "value_number": "value/value number",
    "observed_at": "observed at/date/recorded at",
    "due_at": "due at/due date",
    "kept_at": "kept at/fulfilled at",
    "competitor": "competitor/rival/competitor name",
    "seen_at": "seen at/date/observed at",
    "period_start": "period start/from/start date",
    "period_end": "period end/to/end date",
    "target_value": "target value/target/goal",
    "floor": "floor",
    "zone": "zone/area",
    "state": "state/status",
    "left_type": "left type",
    "left_value": "left value",
    "right_type": "right type",
    "right_value": "right value",
    "seen_with": "seen at",
}
_PERSON_WORDS = (
    *("customer", "household", "member", "client", "user", "person", "buyer", "guest"),
    *("passenger", "patient", "subscriber", "visitor", "consumer", "kunde", "shopper"),
    *("caller", "account", "respondent", "cust", "客户", "会员", "用户"),
)
_NUMBER_WORDS = {"no", "nr", "nbr", "num", "number", "code", "key", "ref"}
_RATING = re.compile(
    r"(^|_|\d)(nps|netpro|recommend\w*|all|overall|whole|rate\w*|rating|score|sat|csat"
    r"|satisfaction)$"
)
_OVERALL = re.compile(r"(^|_|\d)(all|overall|whole|csat|satisfaction)$")
_NPS = re.compile(r"(nps|netpro|net_promoter|recommend)")
_QUESTION = re.compile(r"q\d+")


@dataclass(frozen=True)
class _Contracted:
    name: str
    data_type: str
    is_required: bool


@dataclass
class Staging:
    """A staging model: which columns of a table give which columns of a feed.

    `select` maps the feed's columns to SQL, in the feed's order; `body` replaces the
    plain select where the rows of the feed are not those of the table.
    """

    feed: str
    table: TableGuess
    select: dict[str, str]
    unmapped: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    conditions: list[str] = field(default_factory=list)
    grouped: bool = False
    questions: list[tuple[str, str, int, int]] = field(default_factory=list)
    answered_on: list[tuple[str | None, dt.date]] | None = None
    description: str = ""


@dataclass
class Mapping:
    """What is guessed of all tables; `near` are feeds that lack a needed column."""

    stagings: list[Staging] = field(default_factory=list)
    near: dict[str, list[str]] = field(default_factory=dict)


@cache
def contracts() -> dict[str, list[_Contracted]]:
    """Columns of each feed after its YAML."""
    read = {}
    for feed in feed_names():
        (model,) = yaml.safe_load((_FEEDS / f"feed_{feed}.yml").read_text())["models"]
        read[feed] = [
            _Contracted(
                column["name"],
                column["data_type"],
                {"type": "not_null"} in column.get("constraints", []),
            )
            for column in model["columns"]
        ]
    return read


def likely_feed(table: TableGuess) -> str | None:
    """The feed that a table seems to provide, before its time is known."""
    best = _scored(table)
    return best[0][1] if best else None


def map_feeds(
    connection: duckdb.DuckDBPyConnection, tables: list[TableGuess], source: str
) -> Mapping:
    """Guess the staging models of all tables."""
    mapping = Mapping()
    for table in tables:
        survey = _wide_survey(connection, table)
        if survey:
            mapping.stagings.append(survey)
            continue
        for _, feed, found in _scored(table):
            staging, lacking = _staged(connection, table, feed, found)
            if staging:
                mapping.stagings.append(staging)
                break
            if lacking:
                mapping.near.setdefault(table.name, []).append(
                    f"looks like the feed {feed}, but {lacking}"
                )
    provided = {staging.feed for staging in mapping.stagings}
    for staging in list(mapping.stagings):
        other = None
        if staging.feed == "order_lines" and "orders" not in provided:
            other = _orders_of_lines(connection, staging)
        elif staging.feed == "orders" and "order_lines" not in provided:
            other = _lines_of_orders(staging)
        elif staging.feed == "customers":
            other = _traits(staging)
        if other:
            mapping.stagings.append(other)
    _leave_each_key_once(mapping)
    mapping.stagings.sort(key=lambda staging: (staging.feed, staging.table.name))
    return mapping


def _leave_each_key_once(mapping: Mapping) -> None:
    """Two tables of one source may not give the same feed: their keys could clash."""
    seen: dict[str, Staging] = {}
    for staging in list(mapping.stagings):
        first = seen.setdefault(staging.feed, staging)
        if first is not staging:
            mapping.stagings.remove(staging)
            mapping.near.setdefault(staging.table.name, []).append(
                f"looks like the feed {staging.feed} as well, which "
                f"{first.table.name} provides; write a second staging model, or unite "
                "the two"
            )


# --- scores ---------------------------------------------------------------------------


def _scored(table: TableGuess) -> list[tuple[float, str, dict[str, list[str]]]]:
    """Feeds that the table may provide with the columns found, the best first."""
    title = {_singular(word) for word in re.findall(r"[^\W_]+", table.name.lower())}
    scores = []
    for feed, columns in contracts().items():
        hint = len(title & {_singular(one) for one in _TABLE_WORDS[feed].split()})
        found: dict[str, list[str]] = {}
        score = 0.0
        for column in columns:
            if column.name in _COMMON:
                continue
            matches = _matches(table, column)
            if matches:
                found[column.name] = [name for _, name in matches]
                score += matches[0][0]
        if feed in _THINGS and hint and len(table.key) == 1:
            found.setdefault(_THINGS[feed], list(table.key))
        if feed in _NAMED_ONLY and not hint:
            continue
        if not all(name in found for name in _SIGNATURES[feed]):
            continue
        if feed == "customers" and _person(table) is None:
            continue
        if score + 2 * hint >= 2:
            scores.append((score + 2 * hint, feed, found))
    return sorted(scores, key=lambda one: (-one[0], one[1]))


def _singular(word: str) -> str:
    return re.sub(r"(?<=[a-z]{2})(?<!s)s$", "", word)


def _canonical(words: list[str]) -> list[str]:
    """`order no`, `order number` and `order code` are all an `order id`."""
    return ["id" if word in _NUMBER_WORDS else word for word in words]


def _matches(table: TableGuess, contracted: _Contracted) -> list[tuple[float, str]]:
    """Columns of the table that may mean a feed's column, the surest first."""
    phrases = [
        _canonical(phrase.split())
        for phrase in [
            contracted.name.replace("_", " "),
            *_SYNONYMS.get(contracted.name, "").split("/"),
        ]
        if phrase
    ]
    found = []
    for place, column in enumerate(table.columns):
        if not column.given or not _fits(contracted.data_type, column):
            continue
        best = 0.0
        words = _canonical(column.words)
        for rank, phrase in enumerate(phrases):
            if words == phrase or "".join(words) == "".join(phrase):
                best = max(best, 1 - rank / 1000)
            elif _within(phrase, words):
                best = max(best, 0.4 + 0.1 * len(phrase) - rank / 1000)
        if best:
            found.append((best, -place, column.name))
    return [(score, name) for score, _, name in sorted(found, reverse=True)]


def _within(phrase: list[str], words: list[str]) -> bool:
    length = len(phrase)
    return any(
        words[start : start + length] == phrase
        for start in range(len(words) - length + 1)
    )


def _fits(data_type: str, column: ColumnGuess) -> bool:
    if data_type == "varchar":
        return not column.is_time and column.data_type != "boolean"
    if data_type in ("timestamp", "date"):
        return column.is_time
    if data_type == "boolean":
        return column.data_type == "boolean"
    return column.is_number


# --- staging --------------------------------------------------------------------------


@cache
def sql_name(name: str) -> str:
    """A column's name in SQL, quoted where it must be."""
    reserved = duckdb.execute(
        "select count(*) from duckdb_keywords() "
        "where keyword_name = $name and keyword_category = 'reserved'",
        {"name": name},
    ).fetchone()
    return quote(name) if reserved and reserved[0] else name


def _cast(column: ColumnGuess, data_type: str) -> str:
    name = sql_name(column.name)
    if data_type == "timestamp" and column.data_type == "date":
        return f"{{{{ business_midnight('{name}') }}}}"
    if data_type == "date" and column.data_type == "timestamp":
        return f"cast({name} as date)"
    return name


def _key_sql(table: TableGuess) -> str:
    return " || '-' || ".join(sql_name(name) for name in table.key) or "row_key"


def _person(table: TableGuess) -> ColumnGuess | None:
    """The strongest identifier of a person on the rows."""
    known = [
        column
        for column in table.columns
        if column.given and (column.is_id or "references" in column.rules)
        if set(column.words) & set(_PERSON_WORDS)
    ]
    title = {_singular(word) for word in table.name.split("_")}
    if not known and len(table.key) == 1 and title & set(_PERSON_WORDS):
        known = [table.column(table.key[0])]
    if not known:
        for kind in ("card", "email", "phone", "device", "handle"):
            known += [
                column for column in table.columns if column.rules.get("pii") == kind
            ]
    return known[0] if known else None


def _identifier_type(table: TableGuess, column: ColumnGuess) -> str:
    if "pii" in column.rules:
        return str(column.rules["pii"])
    reference = column.rules.get("references")
    if reference and reference["column"] not in ("id", "key", "number"):
        return str(reference["column"])
    if column.words in (["id"], ["key"], ["number"], ["no"]):
        return f"{_singular(table.name.split('_')[-1])}_id"
    return "_".join(column.words)


def _identifier(table: TableGuess, contracted: Iterable[_Contracted]) -> dict[str, str]:
    if "identifier_value" not in {column.name for column in contracted}:
        return {}
    person = _person(table)
    if person is None:
        return {}
    name, kind = sql_name(person.name), _identifier_type(table, person)
    kind_sql = f"'{kind}'"
    if person.given < table.delivery.rows or "null_values" in person.rules:
        kind_sql = f"case when {name} is not null then {kind_sql} end"
    return {"identifier_type": kind_sql, "identifier_value": name}


def _staged(
    connection: duckdb.DuckDBPyConnection,
    table: TableGuess,
    feed: str,
    found: dict[str, list[str]],
) -> tuple[Staging | None, str | None]:
    """The staging model, or what the feed needs and the table lacks."""
    contracted = contracts()[feed]
    own_key = contracted[1].name
    select: dict[str, str] = {}
    doubts, conditions = [], []
    used: set[str] = set()
    thing = _THINGS.get(feed)
    if thing and table.key != found.get(thing, table.key)[:1] and feed != "orders":
        return None, f"{', '.join(found[thing][:1])} is no key of it"
    if feed == "orders" and table.key != found["order_id"][:1]:
        return None, None  # Lines of orders, perhaps.
    person = _identifier(table, contracted)
    for column in contracted:
        if column.name in _COMMON or column.name == own_key:
            continue
        options = [name for name in found.get(column.name, []) if name not in used]
        if options:
            chosen = table.column(options[0])
            used.add(chosen.name)
            select[column.name] = _cast(chosen, column.data_type)
            rivals = options[1:4]
            if rivals and (column.is_required or column.data_type.startswith("dec")):
                doubts.append(
                    f"{column.name} is {chosen.name}; {', '.join(rivals)} would fit "
                    "as well"
                )
            if column.is_required and _has_gaps(table, chosen):
                conditions.append(f"{sql_name(chosen.name)} is not null")
                doubts.append(
                    f"rows without {chosen.name} are left out, since the feed needs it"
                )
        elif column.is_required:
            stand_in = _stand_in(feed, column.name, table, select)
            if stand_in is None:
                return None, f"no column gives {column.name}, which the feed needs"
            select[column.name], doubt = stand_in
            doubts.append(doubt)
    if thing:
        key = sql_name(table.key[0]) if table.key else "row_key"
    else:
        key = _key_sql(table)
    if feed == "order_lines" and not table.key:
        doubts.append("no key: order_line_id is made of the row's content")
    everything = {"source": "", own_key: key, **person, **select}
    ordered = {
        column.name: everything[column.name]
        for column in contracted
        if column.name in everything and column.name != "source"
    }
    if not person and "identifier_value" in {column.name for column in contracted}:
        doubts.append(
            "no column names the customer: all rows count under 'unidentified'; add "
            "identifier_type and identifier_value if one does"
        )
    elif person:
        doubts.append(
            f"the customer is {person['identifier_value']}; the same kind of "
            "identifier must have the same identifier_type in all models"
        )
    used |= set(table.key)
    used.add(person.get("identifier_value", ""))
    return (
        Staging(
            feed=feed,
            table=table,
            select=ordered,
            unmapped=[
                column.name
                for column in contracted
                if column.name not in {*ordered, "source", "loaded_at"}
            ],
            unused=[one.name for one in table.columns if one.name not in used],
            doubts=doubts,
            conditions=conditions,
            description=f"One row per row of {table.name}.",
        ),
        None,
    )


def _has_gaps(table: TableGuess, column: ColumnGuess) -> bool:
    return column.given < table.delivery.rows or "null_values" in column.rules


def _stand_in(
    feed: str, name: str, table: TableGuess, select: dict[str, str]
) -> tuple[str, str] | None:
    """SQL for a column that the feed needs and no column gives, with its doubt."""
    if (feed, name) == ("order_lines", "quantity"):
        return "1", "quantity is not delivered: each line counts as one unit"
    if (feed, name) == ("order_lines", "line_amount"):
        if "unit_price_amount" in select and "quantity" in select:
            return (
                f"{select['quantity']} * {select['unit_price_amount']}",
                "line_amount is quantity times price; take discounts off if the price "
                "is before them",
            )
        return None
    if (feed, name) == ("events", "event_name"):
        return f"'{_singular(table.name)}'", "event_name is the name of the table"
    return None


# --- derived models -------------------------------------------------------------------


def _orders_of_lines(
    connection: duckdb.DuckDBPyConnection, lines: Staging
) -> Staging | None:
    """Orders from their lines: what is the same on all lines of an order."""
    table = lines.table
    contracted = contracts()["orders"]
    order_id = lines.select["order_id"]
    person = _identifier(table, contracted)
    select = {"order_id": order_id, **person}
    taken = {order_id, *person.values()}
    doubts = []
    for column in contracted:
        if column.name in {*_COMMON, *select} or column.data_type.startswith("dec"):
            continue
        for _, name in _matches(table, column):
            if name in taken:
                continue
            if _depends(connection, table, name, order_id):
                select[column.name] = _cast(table.column(name), column.data_type)
                taken.add(name)
                break
            if column.name == "ordered_at":
                moment = _cast(table.column(name), column.data_type)
                select[column.name] = f"min({moment})"
                taken.add(name)
                doubts.append(f"{name} differs between lines of an order: the first")
                break
    if "ordered_at" not in select or _has_gaps_by_name(table, taken):
        return None
    if person and not _depends(
        connection, table, person["identifier_value"].strip('"'), order_id
    ):
        return None
    doubts.append(
        f"orders are the different values of {order_id}; all other columns were the "
        "same on all lines of an order"
    )
    ordered = {
        column.name: select[column.name]
        for column in contracted
        if column.name in select
    }
    return Staging(
        feed="orders",
        table=table,
        select=ordered,
        unmapped=[
            column.name
            for column in contracted
            if column.name not in {*ordered, "source", "loaded_at"}
        ],
        doubts=doubts,
        grouped=True,
        description=f"One row per {order_id} of {table.name}.",
    )


def _has_gaps_by_name(table: TableGuess, names: set[str]) -> bool:
    return any(
        _has_gaps(table, column)
        for column in table.columns
        if column.name in names and column.is_time
    )


def _depends(
    connection: duckdb.DuckDBPyConnection, table: TableGuess, name: str, on: str
) -> bool:
    """Whether every value of `on` has one value of the column."""
    (differing,) = fetch_row(
        connection,
        f"""
        select count(*) from (
            select {on} from {table.typed} group by {on}
            having min({quote(name)}) is distinct from max({quote(name)})
                or count({quote(name)}) not in (0, count(*))
        )
        """,
    )
    return bool(differing == 0)


def _lines_of_orders(orders: Staging) -> Staging | None:
    """One line per order, where orders tell their amount and no table tells lines."""
    table = orders.table
    amount = next(
        column for column in contracts()["order_lines"] if column.name == "line_amount"
    )
    matches = [
        name
        for _, name in _matches(table, amount)
        if not set(table.column(name).words) & {"discount", "shipping", "tax", "disc"}
        and not _has_gaps(table, table.column(name))
    ]
    if not matches:
        return None
    order_id = orders.select["order_id"]
    return Staging(
        feed="order_lines",
        table=table,
        select={
            "order_line_id": order_id,
            "order_id": order_id,
            "quantity": "1",
            "line_amount": sql_name(matches[0]),
        },
        doubts=[
            f"no table of lines was found: each order is one line of {matches[0]}"
            + (f"; {', '.join(matches[1:])} would fit as well" if matches[1:] else "")
        ],
        description=f"One row per order of {table.name}, standing for its lines.",
    )


def _traits(customers: Staging) -> Staging | None:
    """Traits of customers from columns of few classes that no feed knows."""
    table = customers.table
    traits = [
        column.name
        for column in table.columns
        if column.name in customers.unused
        and column.data_type == "varchar"
        and not column.is_id
        and "pii" not in column.rules
        and 2 <= column.distinct <= 30
        and column.given >= 10 * column.distinct
    ]
    if not traits or "identifier_value" not in customers.select:
        return None
    customers.unused = [name for name in customers.unused if name not in traits]
    return Staging(
        feed="attributes",
        table=table,
        select={
            "attribute_id": f"{_key_sql(table)} || '-{{{{ trait }}}}'",
            "identifier_type": customers.select["identifier_type"],
            "identifier_value": customers.select["identifier_value"],
            "attribute": "'{{ trait }}'",
            "value_text": "{{ trait }}",
        },
        questions=[(name, "", 0, 0) for name in traits],
        doubts=["columns of few classes are taken for traits of the customer"],
        unmapped=["value_number", "observed_at"],
        description=f"One row per known trait of a row of {table.name}.",
    )


def _wide_survey(
    connection: duckdb.DuckDBPyConnection, table: TableGuess
) -> Staging | None:
    """A survey with a column per question: each rating becomes an answer."""
    title = {_singular(word) for word in table.name.split("_")}
    questions = [
        column
        for column in table.columns
        if _QUESTION.match(column.name) or _NPS.search(column.name)
    ]
    is_survey = title & {_singular(w) for w in _TABLE_WORDS["survey_answers"].split()}
    if len(questions) < (2 if is_survey else 10):
        return None
    ratings: list[tuple[str, str, int, int]] = []
    overall: list[str] = []
    others = []
    for column in questions:
        if column.data_type != "bigint":
            continue
        low, high = column.low or 0, int(column.high or 0)
        if low < 0 or high > 12 or high - low < 2:
            continue
        if _NPS.search(column.name):
            ratings.append((column.name, "nps", 0, 10))
        elif _OVERALL.search(column.name) and not _asked_with(
            connection, table, column.name, overall
        ):
            overall.append(column.name)
            ratings.append((column.name, "csat", *_scale(high)))
        elif _RATING.search(column.name):
            ratings.append((column.name, "perception", *_scale(high)))
        else:
            others.append(column.name)
    if not ratings:
        return None
    contracted = contracts()["survey_answers"]
    moment = next(
        (
            column
            for column in table.columns
            if column.is_time and not _has_gaps(table, column)
        ),
        None,
    )
    doubts = [
        "scale of each question: answers outside of it (codes for 'blank' or 'does "
        "not apply') are left out; compare with the code book"
    ]
    if others:
        doubts.append(
            "add those of these that are ratings too: " + ", ".join(sorted(others))
        )
    answered_on = None
    if moment is None:
        answered_at = "{{ business_midnight(answered_on) }}"
        answered_on = _day_by_file(connection, table)
        doubts.append(
            "no column tells when it was answered; answered_on is the end of the time "
            "that a file's name tells, known by the columns that this file alone fills"
            if answered_on
            else "no column tells when it was answered: all answers lie on one day, "
            "answered_on"
        )
    else:
        answered_at = _cast(moment, "timestamp")
    return Staging(
        feed="survey_answers",
        table=table,
        select={
            "answer_id": f"{_key_sql(table)} || '-{{{{ question }}}}'",
            **_identifier(table, contracted),
            "answered_at": answered_at,
            "survey": f"'{table.name}'",
            "question": "'{{ question }}'",
            "measure": "'{{ measure }}'",
            "dimension": "{{ \"'\" ~ question ~ \"'\" if measure == 'perception' "
            "else 'null' }}",
            "score": "{{ question }}",
            "scale_min": "{{ scale_min }}",
            "scale_max": "{{ scale_max }}",
        },
        questions=ratings,
        answered_on=answered_on,
        doubts=doubts,
        unmapped=["factor", "method", "touchpoint", "text"],
        description=f"One row per rating on a row of {table.name}.",
    )


def _asked_with(
    connection: duckdb.DuckDBPyConnection,
    table: TableGuess,
    name: str,
    others: list[str],
) -> bool:
    """Whether somebody answered this question and one of the others."""
    if not others:
        return False
    answered = " or ".join(f"{quote(other)} is not null" for other in others)
    (both,) = fetch_row(
        connection,
        f"select count(*) from {table.typed} "
        f"where {quote(name)} is not null and ({answered})",
    )
    return bool(both)


def _day_by_file(
    connection: duckdb.DuckDBPyConnection, table: TableGuess
) -> list[tuple[str | None, dt.date]] | None:
    """Day of each file and the column that all of its rows have and no other file's.

    At most one file may lack such a column: it is the rest.
    """
    delivery = table.delivery
    marks: list[tuple[str | None, dt.date]] = []
    for path, place in zip(delivery.files, delivery.places, strict=False):
        day = day_in(path.name)
        alone = [
            name
            for name, missing in delivery.missing.items()
            if path.name not in missing and len(missing) == len(delivery.files) - 1
        ]
        if day is None:
            return None
        counts = ", ".join(
            f"count({quote(delivery.columns[name][0])})" for name in alone
        )
        row = fetch_row(
            connection,
            f"select count(*){', ' if counts else ''}{counts} "
            f"from read_parquet({literal(str(place))})",
        )
        full = [
            name
            for name, count in zip(alone, row[1:], strict=True)
            if count == row[0] == table.column(name).given
            and "null_values" not in table.column(name).rules
        ]
        marks.append((full[0] if full else None, day))
    unmarked = [mark for mark in marks if mark[0] is None]
    if len(unmarked) > 1 or len(marks) < len(delivery.files):
        return None
    return [mark for mark in marks if mark[0]] + unmarked


def _scale(high: int) -> tuple[int, int]:
    # 6 beside 1 to 5 is mostly a code; a scale of six is rare.
    return (1, 5) if high <= 6 else (1, 7) if high == 7 else (1, 10)


def staging_name(source: str, staging: Staging) -> str:
    """`stg_<source>__<feed>`."""
    return f"stg_{source}__{staging.feed}"


def feeds_of(source: str, mapping: Mapping) -> dict[str, Any]:
    """As company.yml lists them."""
    return {
        staging.feed: [staging_name(source, staging)] for staging in mapping.stagings
    }
