"""Which feeds a table seems to provide, and the staging models that say so.

The guess is by the names of tables and columns against the feeds' contracts; that a
mapping keeps its contract (keys unique, no value missing where one is needed) is
proved on all rows.
"""

import calendar
import datetime as dt
import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cache

import duckdb
import yaml

from kith.company.folder import feed_names
from kith.database import literal, quote
from kith.deliveries.casts import decimal_places
from kith.onboard.columns import ColumnGuess, aggregates
from kith.onboard.deliveries import plain_name
from kith.onboard.doubts import CUSTOMERS, NUMBERS
from kith.onboard.nested import ITEM_SQL
from kith.onboard.people import never_repeats
from kith.onboard.statuses import (
    doubts_of_orders,
    doubts_of_unread,
    is_known,
    is_state,
    lines_of_nothing,
)
from kith.onboard.tables import TableGuess, possible_cursors
from kith.onboard.vocabulary import (
    FEEDS,
    NEVER,
    canonical,
    column_phrases,
    cursor_rank,
    phrases,
    singular,
    title_words,
)
from kith.settings import REPOSITORY

_FEEDS = REPOSITORY / "dbt_project" / "models" / "feeds"
_COMMON = {"source", "identifier_type", "identifier_value", "loaded_at"}
_EXACT = 0.9
# More orders than that have the sum of their lines as total, where it is no other sum.
_AGREED = 0.5
_NET = "without shipping, all discounts taken off"
_GUESSED = 0.5
_UNKNOWN_DECIMALS = 99
_RATING = re.compile(
    r"(^|_|\d)(nps|netpro|recommend\w*|all|overall|whole|rate\w*|rating|score|sat|csat"
    r"|satisfaction)$"
)
_OVERALL = re.compile(r"(^|_|\d)(all|overall|whole|csat|satisfaction)$")
_NPS = re.compile(r"(nps|netpro|net_promoter|recommend)")
_QUESTION = re.compile(r"q\d+")

# Of each column of a feed the columns that may mean it, with how surely, 0 to 1.
Found = dict[str, list[tuple[float, ColumnGuess]]]


@dataclass
class Lookup:
    """Columns that a staging model finds in another table by a column of its own.

    `key` is that column, `key_sql` the same in the other table; `select` maps names to
    SQL there. The other table may have several rows of a key where `is_grouped`.
    """

    table: TableGuess
    key: str
    key_sql: str
    select: dict[str, str]
    is_grouped: bool = False

    @property
    def name(self) -> str:
        """What the model calls it."""
        return plain_name(f"{self.table.name}_by_{self.key}")


@dataclass
class Staging:
    """A staging model: which columns of a table give which columns of a feed.

    `select` maps the feed's columns to SQL. Where the feed has several rows for one of
    the table, there is one for each of `entries`, with `variables` set from it; the
    model then starts with `setting`, lines of Jinja.
    """

    feed: str
    table: TableGuess
    select: dict[str, str]
    description: str
    doubts: list[str] = field(default_factory=list)
    conditions: list[str] = field(default_factory=list)
    group_by: list[str] = field(default_factory=list)
    lookups: list[Lookup] = field(default_factory=list)
    variables: str = ""
    entries: list[str] = field(default_factory=list)
    setting: list[str] = field(default_factory=list)

    @property
    def full_description(self) -> str:
        """What it gives, and which columns of the feed it does not."""
        lacking = set(contracts()[self.feed]) - {*self.select, "source", "loaded_at"}
        if not lacking:
            return self.description
        listed = ", ".join(sorted(lacking))
        return f"{self.description} Not given by the source: {listed}."

    def reads(self, table: TableGuess) -> bool:
        """Whether it reads anything of a table."""
        return table is self.table or any(one.table is table for one in self.lookups)

    def uses(self, column: ColumnGuess, table: TableGuess | None = None) -> bool:
        """Whether it says anything about a column of its table, or of another one."""
        sql = []
        if table in (None, self.table):
            sql += [*self.select.values(), *self.entries]
            sql += [lookup.key for lookup in self.lookups]
        for lookup in self.lookups:
            if lookup.table is table:
                sql += [lookup.key_sql, *lookup.select.values()]
        name = re.escape(column.name)
        return bool(re.search(rf"(?<!\w){name}(?!\w)", " ".join(sql)))


@cache
def contracts() -> dict[str, dict[str, tuple[str, bool]]]:
    """Columns of each feed after its YAML: type, and whether one is needed."""
    read = {}
    for feed in feed_names():
        (model,) = yaml.safe_load((_FEEDS / f"feed_{feed}.yml").read_text())["models"]
        read[feed] = {
            column["name"]: (
                column["data_type"],
                {"type": "not_null"} in column.get("constraints", []),
            )
            for column in model["columns"]
        }
    return read


def is_flow(table: TableGuess) -> bool:
    """Whether the feed that a table seems to provide comes day by day."""
    likely = [feed for _, feed, _ in _likely(table)[:1]]
    return any(FEEDS[feed].get("is_flow", False) for feed in likely) or bool(
        _basket(table)
    )


def map_feeds(tables: list[TableGuess]) -> list[Staging]:
    """Guess the staging models of all tables; what hinders one becomes their doubt."""
    stagings: dict[str, Staging] = {}

    def add(staging: Staging | None) -> None:
        if staging is None:
            return
        first = stagings.setdefault(staging.feed, staging)
        if first is not staging:
            # Their keys could clash.
            staging.table.doubts.append(
                f"{_weight(staging.feed)}looks like the feed {staging.feed} as well, "
                f"which {first.table.name} provides; write a second staging model, or "
                "unite the two"
            )

    likely = {table.name: _likely(table) for table in tables}

    def likeness(table: TableGuess) -> float:
        return max((score for score, _, _ in likely[table.name]), default=0)

    for table in sorted(tables, key=likeness, reverse=True):
        staging, lacking = _wide_survey(table), []
        if staging is None and _basket(table):
            add(_orders_of_baskets(table))
            staging = _lines_of_baskets(table)
        for _, feed, found in [] if staging or _basket(table) else likely[table.name]:
            try:
                staging = _staged(table, feed, found)
                break
            except _Lacking as lack:
                lacking.append((feed, f"looks like the feed {feed}, but {lack}"))
        for feed, told in lacking:
            table.doubts.append(f"{'' if staging else _weight(feed)}{told}")
        add(staging)
    if "order_lines" in stagings and "orders" not in stagings:
        add(_orders_of_lines(stagings["order_lines"]))
    lines = stagings.get("order_lines")
    delivered = lines.select["line_amount"] if lines else ""
    if lines:
        _settle_lines(lines, stagings.get("orders"))
    if "orders" in stagings:
        _add_parts(stagings["orders"], tables)
        _settle_amount(stagings["orders"], lines, delivered)
    if "customers" in stagings and "attributes" not in stagings:
        add(_traits(stagings["customers"]))
    made = [stagings[feed] for feed in sorted(stagings)]
    for table in tables:
        _doubt_use(table, made)
    of_orders = [one for one in made if one.feed in ("orders", "order_lines")]
    # Once where both are made of one table.
    for staging in {one.table.name: one for one in of_orders}.values():
        _doubt_unread(staging, made)
    _doubt_kinds(made)
    return made


def _weight(feed: str) -> str:
    """What a wrong guess about a feed would change."""
    if feed == "customers":
        return CUSTOMERS
    return NUMBERS if FEEDS[feed].get("is_flow") or feed == "tickets" else ""


def _doubt_use(table: TableGuess, stagings: list[Staging]) -> None:
    """Doubt that rows count nowhere, unless a doubt about a feed says so."""
    days = possible_cursors(table)
    is_told = any("looks like the feed" in doubt for doubt in table.doubts)
    is_of_orders = title_words(table.name) & _titles("orders", "order_lines")
    if (
        days
        and (table.person or is_of_orders)
        and not is_told
        and not any(staging.reads(table) for staging in stagings)
    ):
        who = f"who ({table.person.column.name}) and " if table.person else ""
        table.doubts.append(
            f"{NUMBERS}no feed is made of {table.name}, though it tells {who}when "
            f"({days[0].name}): its rows count nowhere until a staging model says what "
            "they are"
        )


def _doubt_unread(staging: Staging, stagings: list[Staging]) -> None:
    """Doubt what nothing reads of what was cancelled or given back."""
    unread = [
        column
        for column in staging.table.columns
        if not any(one.uses(column, staging.table) for one in stagings)
    ]
    staging.doubts += doubts_of_unread(staging.table, unread)


def _titles(*feeds: str) -> set[str]:
    """Words of a table's name that speak for one of these feeds, in the singular."""
    return {singular(word) for feed in feeds for word in phrases(FEEDS[feed]["titles"])}


def _doubt_kinds(stagings: list[Staging]) -> None:
    """Doubt that people are known by several kinds of identifiers, which never meet."""
    kinds = Counter(
        staging.table.person.kind
        for staging in stagings
        if staging.table.person and "identifier_type" in staging.select
    )
    if len(kinds) < 2:
        return
    usual = kinds.most_common(1)[0][0]
    for staging in stagings:
        person = staging.table.person
        if person and "identifier_type" in staging.select and person.kind != usual:
            staging.doubts.append(
                f"{CUSTOMERS}known by {person.kind}, while others are by {usual}: "
                "one person is two customers until both are known by one"
            )


class _Lacking(Exception):
    """What a feed needs and a table lacks."""


# --- likeness -------------------------------------------------------------------------


def _likely(table: TableGuess) -> list[tuple[float, str, Found]]:
    """Feeds that the table may provide, the likeliest first: score and columns."""
    title = title_words(table.name)
    scores: list[tuple[float, str, Found]] = []
    for feed, contract in contracts().items():
        entry = FEEDS[feed]
        hint = len(title & _titles(feed))
        found = {
            name: matches
            for name, (data_type, _) in contract.items()
            if name not in _COMMON and (matches := _matches(table, name, data_type))
        }
        score = 2 * hint + sum(matches[0][0] for matches in found.values())
        own_key = list(contract)[1]
        if entry.get("is_thing") and hint and len(table.key) == 1:
            found.setdefault(own_key, [(1, table.column(table.key[0]))])
        if feed == "order_lines" and _is_list_of_orders(table):
            found.setdefault("order_id", [(1, table.column(table.key[0]))])
        if (
            score >= 2
            and (hint or not entry.get("only_by_title"))
            and set(phrases(entry.get("needs", ""))) <= set(found)
            and (feed != "customers" or (table.person and not table.person.steps))
            # With another key these are lines of orders.
            and (feed != "orders" or table.key == [found["order_id"][0][1].name])
            # Reviews are either.
            and (feed != "posts" or not _rated(table))
            and (feed != "survey_answers" or "review" not in title or _rated(table))
            and (not table.delivery.items or _is_of_items(feed, found))
        ):
            scores.append((score, feed, found))
    scores.sort(key=lambda one: (-one[0], one[1]))
    return scores


def _is_list_of_orders(table: TableGuess) -> bool:
    """Whether its rows are items of what a table of orders lists."""
    of_orders = title_words(table.source_name) & _titles("orders")
    return bool(table.delivery.items and of_orders) and table.key[0] != "row_key"


def _is_of_items(feed: str, found: Found) -> bool:
    """Whether it is the items of a list that provide a feed, not what has the list."""
    name = {"order_lines": "product_id", "survey_answers": "score"}.get(feed, "")
    return any(_is_of_item(column) for _, column in found.get(name, []))


def _is_of_item(column: ColumnGuess) -> bool:
    return column.within.startswith(ITEM_SQL)


@cache
def _phrases(feed_column: str) -> list[tuple[str, str, int]]:
    """The names of a feed's column: in one word, as part of others, how many words."""
    return [
        ("".join(phrase), f" {' '.join(phrase)} ", len(phrase))
        for phrase in column_phrases(feed_column)
    ]


def _matches(
    table: TableGuess, feed_column: str, data_type: str
) -> list[tuple[float, ColumnGuess]]:
    """Columns that may mean a feed's column, the surest first."""
    found = []
    for column in table.columns:
        if table.delivery.items and column.is_number and not _is_of_item(column):
            # What is repeated for each item would be added up.
            continue
        surest = 0.0
        words = canonical(column.words)
        whole, spaced = "".join(words), f" {' '.join(words)} "
        for rank, (joined, part, length) in enumerate(_phrases(feed_column)):
            if whole == joined:
                surest = max(surest, 1 - rank / 1000)
            elif part in spaced:
                surest = max(surest, 0.4 + 0.1 * length - rank / 1000)
        is_other = NEVER.get(feed_column, set()) & set(words)
        if (
            surest
            and not is_other
            and column.given
            and _fits(data_type, column, surest)
        ):
            found.append((surest, column))
    return sorted(found, key=lambda one: -one[0])


def _fits(data_type: str, column: ColumnGuess, surest: float) -> bool:
    if column.data_type == "json":
        return False
    if data_type == "string":
        # A store may be called 12, but product_name_length is no name.
        is_text = column.data_type == "varchar" or surest >= _EXACT
        return is_text and not column.is_time and column.data_type != "boolean"
    if data_type in ("timestamp", "date"):
        return column.is_time
    if data_type == "boolean":
        return column.data_type == "boolean"
    return column.is_number or (column.has_one_way and data_type.startswith("decimal"))


# --- SQL ------------------------------------------------------------------------------


@cache
def _reserved() -> set[str]:
    with duckdb.connect() as connection:
        words = connection.execute(
            "select keyword_name from duckdb_keywords() "
            "where keyword_category = 'reserved'"
        ).fetchall()
    return {word for (word,) in words}


def sql_name(name: str) -> str:
    """A column's name in SQL, quoted where it must be."""
    return quote(name) if name in _reserved() or not name.isascii() else name


def _cast(column: ColumnGuess, data_type: str) -> str:
    name = sql_name(column.name)
    if data_type == "timestamp" and column.data_type == "date":
        return f"{{{{ business_midnight('{name}') }}}}"
    if data_type == "date" and column.data_type == "timestamp":
        return f"cast({name} as date)"
    if column.has_one_way and data_type.startswith("decimal"):
        return f"cast(replace({name}, ',', '.') as decimal(18, 2))"
    return name


def _key_sql(table: TableGuess) -> str:
    return " || '-' || ".join(map(sql_name, table.key)) or "row_key"


def _identified(table: TableGuess) -> tuple[dict[str, str], list[Lookup]]:
    """The feed's columns that name the customer, as SQL, and where they are found."""
    person = table.person
    if person is None:
        return {}, []
    lookups: list[Lookup] = []
    taken = {column.name for column in table.columns}
    wanted = [*(step.column for step in person.steps), person.column]
    known = sql_name(wanted[0].name)
    for step, column in zip(person.steps, wanted[1:], strict=True):
        found = column.name
        if found in taken:
            found = f"{found}_of_{step.parent.name}"
        taken.add(found)
        select = {sql_name(found): sql_name(column.name)}
        key = sql_name(step.parent.key[0])
        lookups.append(Lookup(step.parent, known, key, select))
        known = sql_name(found)
    kind = f"'{person.kind}'"
    if person.has_gaps:
        kind = f"case when {known} is not null then {kind} end"
    return {"identifier_type": kind, "identifier_value": known}, lookups


def _in_order(feed: str, select: dict[str, str]) -> dict[str, str]:
    return {name: select[name] for name in contracts()[feed] if name in select}


# --- staging --------------------------------------------------------------------------


def _staged(
    table: TableGuess, feed: str, found: Found, order_id: str | None = None
) -> Staging:
    """The staging model; raises _Lacking where the feed needs what is not there.

    `order_id` is SQL of an order's number that no column gives.
    """
    contract = contracts()[feed]
    own_key = list(contract)[1]
    select: dict[str, str] = {}
    doubts, conditions = [], []
    if FEEDS[feed].get("is_thing"):
        named = [found[own_key][0][1].name] if own_key in found else table.key[:1]
        if table.key != named or not named:
            raise _Lacking(f"{''.join(named) or own_key} is no key of it")
    chosen: dict[str, ColumnGuess] = {}
    for surest, name, column in sorted(
        ((sure, name, column) for name, ones in found.items() for sure, column in ones),
        key=lambda one: -one[0],
    ):
        if name not in {*chosen, own_key} and column not in chosen.values():
            chosen[name] = column
            left = [(s, c.name) for s, c in found[name] if c not in chosen.values()]
            rivals = [
                rival for sure, rival in left if sure >= _EXACT or surest < _EXACT
            ]
            also = f"; {', '.join(rivals[:3])} would fit as well" if rivals else ""
            if contract[name][0] != "string" and (rivals or surest < _EXACT):
                rank = NUMBERS if rivals else ""
                doubts.append(f"{rank}{name} is {column.name}{also}")
    for name, (data_type, is_required) in contract.items():
        if name in _COMMON or name == own_key:
            continue
        if name == "order_id" and order_id:
            select[name] = order_id
        elif name in chosen:
            select[name] = _cast(chosen[name], data_type)
            if is_required and table.has_gaps(chosen[name]):
                conditions.append(f"{sql_name(chosen[name].name)} is not null")
                doubts.append(
                    f"{NUMBERS}rows without {chosen[name].name} are left out, since "
                    "the feed "
                    "needs it"
                )
        elif is_required:
            select[name], doubt = _stand_in(feed, name, table, select, chosen)
            doubts.append(doubt)
        if name in chosen and data_type.startswith("decimal"):
            given = _decimals(chosen[name])
            if _UNKNOWN_DECIMALS > given > (kept := decimal_places(data_type)):
                doubts.append(
                    f"{NUMBERS}{chosen[name].name} has {given} decimals, {name} keeps "
                    f"{kept}: the build stops at such a number until this model rounds "
                    "what it has summed, or each number if what that loses may go"
                )
    if feed == "survey_answers" and "measure" not in chosen and "score" in chosen:
        select |= _rating(table, chosen["score"])
        doubts.append(
            f"{NUMBERS}{chosen['score'].name} is taken for an answer to "
            f"{select['measure']} on the scale {select['scale_min']} to "
            f"{select['scale_max']}, by the values that came"
        )
    if feed == "order_lines" and "line_amount" in chosen:
        doubts += _doubts_of_amount(table, select["order_id"], chosen["line_amount"])
    if feed == "orders" and "status" in chosen:
        doubts += doubts_of_orders(table, chosen["status"])
    select[own_key] = _key_sql(table)
    if not table.key:
        doubts.append(f"no key: {own_key} is made of the row's content")
    lookups: list[Lookup] = []
    if "identifier_value" in contract:
        person, lookups = _identified(table)
        select |= person
        if select.get("account_id") in (select[own_key], *person.values()):
            del select["account_id"]  # They act for themselves.
        doubts.append(
            f"the customer is {person['identifier_value']}; the same kind of "
            "identifier must have the same identifier_type in all models"
            if person
            else f"{CUSTOMERS}no column names the customer{_names(table)}: all rows "
            "count under 'unidentified'; add identifier_type and identifier_value if "
            "one does"
        )
        number = table.person and table.person.column
        if feed == "orders" and number and not lookups and never_repeats(number):
            doubts.append(
                f"{CUSTOMERS}{number.name} is another one on each of {number.given} "
                "orders: nobody comes back; does another column name the person?"
            )
    return Staging(
        feed=feed,
        table=table,
        select=_in_order(feed, select),
        description=f"One row per row of {table.name}."
        if not table.delivery.items
        else f"One row per item of a row of {table.source_name}.",
        doubts=doubts,
        conditions=conditions,
        lookups=lookups,
    )


def _names(table: TableGuess) -> str:
    """What many bear, in words."""
    names = [
        one.name for one in table.columns if one.rules.get("identifies") == "nobody"
    ]
    return f" (many may bear {', '.join(names)})" if names else ""


def _decimals(column: ColumnGuess | None) -> int:
    """How many decimals a column's numbers have; none for a number that we write."""
    kind = column.data_type if column else "bigint"
    if kind.startswith("decimal"):
        return decimal_places(kind)
    return 0 if kind == "bigint" else _UNKNOWN_DECIMALS


def _stand_in(
    feed: str,
    name: str,
    table: TableGuess,
    select: dict[str, str],
    chosen: dict[str, ColumnGuess],
) -> tuple[str, str]:
    """SQL for a column that the feed needs and no column gives, with its doubt."""
    match feed, name:
        case "order_lines", "quantity":
            return "1", (
                f"{NUMBERS}quantity is not delivered: each line counts as one unit"
            )
        case "order_lines", "line_amount" if "unit_price_amount" in select:
            amount = f"{select['quantity']} * {select['unit_price_amount']}"
            factors = (chosen.get("quantity"), chosen["unit_price_amount"])
            is_rounded = sum(map(_decimals, factors)) > 2
            return f"round({amount}, 2)" if is_rounded else amount, (
                f"{NUMBERS}line_amount is quantity times price"
                f"{', rounded on each line' if is_rounded else ''}; take discounts off "
                "if the price is before them"
            )
        case "events", "event_name":
            event = singular(table.name)
            return f"'{event}'", "event_name is the name of the table"
    raise _Lacking(f"no column gives {name}, which the feed needs")


def _rating(table: TableGuess, score: ColumnGuess) -> dict[str, str]:
    """What the feed wants to know of a table's only question."""
    low, high = _scale(score) or (score.low, score.high)
    is_nps = _NPS.search("_".join([table.name, score.name])) and high == 10
    measure = f"'{'nps' if is_nps else 'csat'}'"
    if table.has_gaps(score):
        measure = f"case when {sql_name(score.name)} is not null then {measure} end"
    return {
        "survey": f"'{table.name}'",
        "question": f"'{score.name}'",
        "measure": measure,
        "scale_min": str(0 if is_nps else low),
        "scale_max": str(high),
    }


def _rated(table: TableGuess) -> bool:
    """Whether its rows carry a score on a scale."""
    return any(
        _scale(column) and column.high >= 3 and column.distinct <= 21
        for _, column in _matches(table, "score", "double")
    )


def _scale(score: ColumnGuess) -> tuple[float, float] | None:
    """The smallest usual scale on which all values of a column lie."""
    low, high = score.low, score.high
    if low is None or low < 0 or not 2 <= high <= 10:
        return None
    least = next(end for end in (1, 0.5, 0) if low >= end)
    return least, next(end for end in (5, 7, 10) if high <= end)


def _doubts_of_amount(
    table: TableGuess, order_id: str, amount: ColumnGuess
) -> list[str]:
    """Doubt that an amount is the line's that is the same on all lines of an order."""
    name = sql_name(amount.name)
    if "{{" in order_id:
        return []
    by_order = table.typed.aggregate(
        f"count(*) as n, min({name}) = max({name}) as is_one", order_id
    )
    several, alike = aggregates(
        by_order,
        ["count(*) filter (where n > 1)", "count(*) filter (where n > 1 and is_one)"],
    )
    if several < 5 or alike < several:
        return []
    return [
        f"{NUMBERS}{amount.name} is the same on all lines of each order: if it is the "
        "order's total, it counts once for each line"
    ]


def _settle_lines(lines: Staging, orders: Staging | None) -> None:
    """Let lines that were cancelled or given back bring nothing, and tell their states.

    They stay lines: an order without any would bring its total.
    """
    table = lines.table
    named = [column for _, column in _matches(table, "status", "string")]
    amounts = [lines.select[name] for name in ("quantity", "line_amount")]
    for column in table.columns:
        is_of_orders = orders and orders.table is table and orders.uses(column)
        if is_of_orders or lines.uses(column):
            continue
        if is_state(column) or (column in named and is_known(column)):
            values, doubts = lines_of_nothing(table, column, amounts)
            lines.doubts += doubts
            if values:
                is_undone = f"{sql_name(column.name)} in ({_listed(values)})"
                for name in ("quantity", "line_amount"):
                    sql = lines.select[name]
                    lines.select[name] = f"case when {is_undone} then 0 else {sql} end"


def _listed(values: list[str]) -> str:
    return ", ".join(map(literal, values))


def _settle_amount(orders: Staging, lines: Staging | None, delivered: str) -> None:
    """Take the total of an order where lines agree with it, or where there are none.

    `delivered` is SQL of the amount of a line, whatever became of it.

    What its lines add up to counts; a total that holds taxes besides would not be what
    an order without lines adds.
    """
    told = orders.select.get("order_amount")
    count = orders.table.delivery.rows
    compared = _compare_amounts(orders, lines, delivered) if lines else _Compared()
    if told and not compared.given:
        where = "" if not lines else " where it has no line"
        if lines and not compared.met:
            where = f", since no line of {lines.table.name} has the number of one"
        _doubt_amount(orders, f"{told} is what an order adds to revenue{where}: {_NET}")
    elif compared.sql and compared.alike > _AGREED * compared.given:
        orders.select["order_amount"] = compared.sql
        orders.select = _in_order("orders", orders.select)
        without = f", as {count - compared.met} of {count} have none"
        _doubt_amount(
            orders,
            f"{compared.sql} is what an order adds to revenue where it has no line"
            f"{without if compared.met < count else ''}: {_NET}",
        )
        if apart := compared.given - compared.alike:
            _doubt_amount(
                orders,
                f"{compared.sql} is not the sum of the lines of {apart} of "
                f"{compared.given} orders: their lines count; are lines missing?",
            )
        if compared.column != told:
            _doubt_amount(
                orders,
                f"{compared.column} is taken for the total of an order, being the sum "
                "of its lines",
            )
        if "discount_amount" in orders.select and compared.takes_discount_off:
            _doubt_amount(
                orders,
                f"{compared.column} is the sum of the lines before discount_amount; if "
                "lines are net of discount already, take discount_amount out",
            )
    elif told:
        del orders.select["order_amount"]
        without = (
            f"{count - compared.met} of {count} orders have no line and bring no "
            "money: "
            if compared.met < count
            else ""
        )
        _doubt_amount(
            orders,
            f"{without}{told} is not mapped: it is the sum of the lines of "
            f"{compared.alike} of {compared.given} orders, discount and shipping taken "
            "off or not; map order_amount to what it is without shipping and taxes, or "
            "nothing tells when lines are missing",
        )
    elif lines is None:
        _doubt_amount(
            orders,
            "no column tells what an order brings, and no table its lines: revenue is "
            "0; map order_amount",
        )


def _doubt_amount(orders: Staging, doubt: str) -> None:
    orders.doubts.insert(0, f"{NUMBERS}{doubt}")


@dataclass(frozen=True)
class _Compared:
    """How many orders have lines, and a total too, and of how many both are alike.

    `sql` makes of a column what is alike most often.
    """

    met: int = 0
    given: int = 0
    alike: int = 0
    sql: str = ""
    column: str = ""
    takes_discount_off: bool = False


def _compare_amounts(orders: Staging, lines: Staging, delivered: str) -> _Compared:
    """Compare totals of orders with the sums of their lines, to a cent for each line.

    A total may hold what was cancelled or given back, or not.

    The total that names tell, else another number of orders, as it is or with discount
    or shipping taken off.
    """
    order_id, amount = lines.select["order_id"], lines.select["line_amount"]
    if "{{" in order_id or orders.group_by:
        return _Compared()
    sums = lines.table.typed.filter(" and ".join(lines.conditions) or "true").aggregate(
        f"cast({order_id} as varchar) as of_order, sum({amount}) as added, "
        f"sum({delivered}) as ordered, count(*) as lines",
        order_id,
    )
    numbers = {sql_name(one.name) for one in orders.table.columns if one.is_number}
    discount, shipping = (
        f"coalesce({sql}, 0)" if (sql := orders.select.get(name, "")) in numbers else ""
        for name in ("discount_amount", "shipping_amount")
    )
    told = orders.select.get("order_amount", "")
    totals = [told] if told else []
    totals += [
        sql_name(column.name)
        for column in orders.table.columns
        if column.is_number
        and column.given
        and not column.within
        and not orders.uses(column)
        and (column.data_type != "bigint" or column.has_word("money"))
    ]
    ways = [
        (total, [less for less in taken_off if less])
        for taken_off in ((), (discount,), (shipping,), (discount, shipping))
        for total in totals
        if all(taken_off)
    ]
    joined = orders.table.typed.project(
        f"cast({orders.select['order_id']} as varchar) as own, "
        f"{', '.join([f'{discount or 0} as less', *_totals(ways)])}"
    ).join(sums, "own = of_order")
    met, *counts = aggregates(
        joined,
        [
            "count(*)",
            *(f"count(total_{n})" for n in range(len(ways))),
            *(
                f"count(*) filter (where least(abs(total_{n} - added + less), "
                f"abs(total_{n} - ordered + less)) <= 0.01 * lines + 1e-6)"
                for n in range(len(ways))
            ),
        ],
    )
    if not ways:
        return _Compared(met=met)
    given, alike = counts[: len(ways)], counts[len(ways) :]
    # What names tell comes first, if it agrees at all.
    best = max(
        range(len(ways)),
        key=lambda n: (
            alike[n] > _AGREED * given[n],
            ways[n][0] == told,
            alike[n],
            -len(ways[n][1]),
        ),
    )
    total, taken_off = ways[best]
    return _Compared(
        met=met,
        given=given[best],
        alike=alike[best],
        sql=" - ".join([total, *taken_off]),
        column=total,
        takes_discount_off=discount in taken_off,
    )


def _totals(ways: list[tuple[str, list[str]]]) -> list[str]:
    return [
        f"{' - '.join([total, *taken_off])} as total_{number}"
        for number, (total, taken_off) in enumerate(ways)
    ]


def _add_parts(orders: Staging, tables: list[TableGuess]) -> None:
    """Take what tables of the parts of orders know: freight, payment, delivery."""
    if orders.group_by:
        return
    taken = {column.name for column in orders.table.columns}
    for name in ("shipping_amount", "payment_method", "promised_at", "delivered_at"):
        data_type, _ = contracts()["orders"][name]
        for part in tables:
            by = next((c for c in part.columns if _refers(c, orders.table)), None)
            found = [
                match
                for match in (_matches(part, name, data_type) if by else [])
                if not match[1].within
            ]
            if (
                not by
                or not found
                or {name, f"{name}_found"} & {*orders.select, *taken}
            ):
                continue
            lookup = next(
                (one for one in orders.lookups if one.is_grouped and one.table is part),
                None,
            )
            if lookup is None:
                key = sql_name(orders.table.key[0])
                lookup = Lookup(part, key, sql_name(by.name), {}, is_grouped=True)
                orders.lookups.append(lookup)
            value = _cast(found[0][1], data_type)
            lookup.select[name], told = {
                "string": (
                    f"case when min({value}) = max({value}) then min({value}) "
                    "else 'several' end",
                    f"{value} of {part.name}, 'several' where its rows differ",
                ),
                "timestamp": (f"max({value})", f"the last {value} of {part.name}"),
            }.get(data_type, (f"sum({value})", f"the sum of {value} in {part.name}"))
            orders.select[name] = name
            orders.doubts.append(f"{name} is {told}")
    orders.select = _in_order("orders", orders.select)


def _refers(column: ColumnGuess, parent: TableGuess) -> bool:
    table = column.rules.get("references", {}).get("table", "")
    return bool(column.given) and table.split(".")[-1] == parent.name


def _orders_of_lines(lines: Staging) -> Staging | None:
    """Orders from their lines: what is the same on all lines of an order."""
    table, order_id = lines.table, lines.select["order_id"]
    person, lookups = _identified(table)
    select = {"order_id": order_id, **person}
    group_by = [order_id, *list(person.values())[1:]]
    doubts = [
        f"{NUMBERS}orders are the different values of {order_id}; all other columns "
        "were the same on all lines of an order"
    ]

    def is_one(sql: str) -> bool:
        """Whether all lines of every order have one value of a column."""
        by_order = table.typed.filter(f"{order_id} is not null").aggregate(
            f"min({sql}) is distinct from max({sql}) "
            f"or count({sql}) not in (0, count(*)) as differs",
            order_id,
        )
        return aggregates(by_order, ["bool_or(differs)"]) == [False]

    if person and not is_one(lookups[0].key if lookups else person["identifier_value"]):
        table.doubts.append(
            f"{CUSTOMERS}lines of orders, but {person['identifier_value']} differs "
            f"between the lines of one {order_id}, so that no feed orders was written"
        )
        return None
    for name, (data_type, _) in contracts()["orders"].items():
        if name in {*_COMMON, *select} or data_type.startswith("decimal"):
            continue
        for _, column in _matches(table, name, data_type):
            sql = sql_name(column.name)
            if sql in group_by or (name == "ordered_at" and table.has_gaps(column)):
                continue
            if is_one(sql):
                select[name] = _cast(column, data_type)
                group_by.append(sql)
                if name == "status":
                    doubts += doubts_of_orders(table, column, "lines of orders")
                break
            if name == "ordered_at":
                select[name] = f"min({_cast(column, data_type)})"
                doubts.append(
                    f"{NUMBERS}{sql} differs between lines of an order: the first"
                )
                break
    if "ordered_at" not in select:
        table.doubts.append(
            f"{NUMBERS}lines of orders, but no time that all of them have tells "
            "ordered_at, so that no feed orders was written"
        )
        return None
    return Staging(
        feed="orders",
        table=table,
        select=_in_order("orders", select),
        description=f"One row per {order_id} of {table.name}.",
        doubts=doubts,
        conditions=[one for one in lines.conditions if one.startswith(order_id)],
        group_by=group_by,
        lookups=lookups,
    )


@dataclass(frozen=True)
class _Basket:
    """Lines of orders without an order's number: whose they are, and of what day."""

    order_id: str
    day: ColumnGuess
    found: Found


def _basket(table: TableGuess) -> _Basket | None:
    """What makes orders of a table of lines that knows no number of an order."""
    found = {
        name: _matches(table, name, data_type)
        for name, (data_type, _) in contracts()["order_lines"].items()
        if name not in _COMMON
    }
    goods = (
        found["product_id"]
        or _matches(table, "name", "string")
        or [
            (_GUESSED, column)
            for column in table.columns
            if column.data_type == "varchar"
            and {*map(singular, column.words)} & _titles("products")
        ]
    )
    moments = possible_cursors(table)
    person = table.person
    if (
        table.delivery.items
        or person is None
        or person.steps
        or found["order_id"]
        or not goods
        or not moments
        or not title_words(table.name) & _titles("orders", "order_lines")
    ):
        return None
    # The day of a purchase is not the one on which its row was changed.
    moments.sort(key=lambda column: (column.is_change, -cursor_rank(column.words)))
    day, name = sql_name(moments[0].name), sql_name(person.column.name)
    by_day = table.typed.project(f"{name}, cast({day} as date)").distinct()
    is_row_by_row = aggregates(by_day, ["count(*)"])[0] > 0.95 * table.delivery.rows
    if is_row_by_row and len(table.key) == 1:
        # Another number than a person's says what a row is.
        return None
    if moments[0].data_type == "timestamp":
        day = f"{{{{ business_date('{day}') }}}}"
    order_id = f"cast({name} as string) || '-' || cast({day} as string)"
    if person.has_gaps:
        order_id = f"coalesce({order_id}, {_key_sql(table)})"
    found["product_id"] = goods
    return _Basket(order_id, moments[0], {k: v for k, v in found.items() if v})


def _orders_of_baskets(table: TableGuess) -> Staging | None:
    """An order of each person and day."""
    basket = _basket(table)
    if basket is None:
        return None
    person, lookups = _identified(table)
    select = {
        "order_id": basket.order_id,
        **person,
        "ordered_at": f"min({_cast(basket.day, 'timestamp')})",
    }
    return Staging(
        feed="orders",
        table=table,
        select=_in_order("orders", select),
        description=f"One row per person and day of {table.name}.",
        doubts=[
            f"{NUMBERS}no number of an order: what {person['identifier_value']} bought "
            "on one day counts as one order"
            "; a row without a person is an order of its own"
        ],
        group_by=[basket.order_id, person["identifier_value"]],
        lookups=lookups,
    )


def _lines_of_baskets(table: TableGuess) -> Staging | None:
    """The lines of these orders, where they tell an amount."""
    basket = _basket(table)
    if basket is None:
        return None
    try:
        return _staged(table, "order_lines", basket.found, basket.order_id)
    except _Lacking as lack:
        table.doubts.append(f"{NUMBERS}lines of orders, but {lack}")
        return None


def _traits(customers: Staging) -> Staging | None:
    """Traits of customers from columns of few classes that no feed knows."""
    table = customers.table
    traits = [
        column.name
        for column in table.columns
        if not customers.uses(column)
        and column.data_type == "varchar"
        and not column.is_id
        and "pii" not in column.rules
        and 2 <= column.distinct <= 30
        and column.given >= 10 * column.distinct
    ]
    if not traits:
        return None
    person, lookups = _identified(table)
    return Staging(
        feed="attributes",
        table=table,
        select={
            "attribute_id": f"{_key_sql(table)} || '-{{{{ trait }}}}'",
            **person,
            "attribute": "'{{ trait }}'",
            "value_text": '"{{ trait }}"',
        },
        lookups=lookups,
        variables="trait",
        entries=[repr(name) for name in traits],
        conditions=["value_text is not null"],
        doubts=["columns of few classes are taken for traits of the customer"],
        description=f"One row per known trait of a row of {table.name}.",
    )


# --- surveys --------------------------------------------------------------------------


def _wide_survey(table: TableGuess) -> Staging | None:
    """A survey with a column per question: each rating becomes an answer."""
    questions = [
        column
        for column in table.columns
        if _QUESTION.match(column.name) or _NPS.search(column.name)
    ]
    titles = phrases(FEEDS["survey_answers"]["titles"])
    if len(questions) < (2 if title_words(table.name) & set(titles) else 10):
        return None
    ratings: list[str] = []
    overall: list[str] = []
    others = []
    for column in questions:
        name, low, high = column.name, column.low or 0, column.high or 0
        if column.data_type != "bigint" or low < 0 or high > 12 or high - low < 2:
            continue
        # 6 beside 1 to 5 is mostly a code; a scale of six is rare.
        scale = (1, 5) if high <= 6 else (1, 7) if high == 7 else (1, 10)
        if _NPS.search(name):
            ratings.append(str((name, "nps", 0, 10)))
        elif _OVERALL.search(name) and not _asked_with(table, name, overall):
            overall.append(name)
            ratings.append(str((name, "csat", *scale)))
        elif _RATING.search(name):
            ratings.append(str((name, "perception", *scale)))
        else:
            others.append(name)
    if not ratings:
        return None
    doubts = [
        f"{NUMBERS}scale of each question: answers outside of it (codes for 'blank' or "
        "'does "
        "not apply') are left out; compare with the code book"
    ]
    if others:
        doubts.append(
            f"{NUMBERS}add those of these that are ratings too: "
            + ", ".join(sorted(others))
        )
    setting: list[str] = []
    if moments := sorted(possible_cursors(table), key=lambda one: one.is_change):
        answered_at = _cast(moments[0], "timestamp")
    else:
        answered_at = "{{ business_midnight(answered_on) }}"
        days = _days_by_file(table)
        setting = ["{%- set answered_on -%}", *days, "{%- endset -%}"]
        known = "the end of the time that a file's name tells, known by the columns "
        doubts.append(
            f"{NUMBERS}no column tells when it was answered; answered_on is "
            + (f"{known}that this file alone fills" if days[1:] else "one day for all")
        )
    person, lookups = _identified(table)
    return Staging(
        feed="survey_answers",
        table=table,
        select={
            "answer_id": f"{_key_sql(table)} || '-{{{{ question }}}}'",
            **person,
            "response_id": _key_sql(table),
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
        lookups=lookups,
        variables="question, measure, scale_min, scale_max",
        entries=ratings,
        conditions=["score between scale_min and scale_max"],
        setting=setting,
        doubts=doubts,
        description=f"One row per rating on a row of {table.name}.",
    )


def _asked_with(table: TableGuess, name: str, others: list[str]) -> bool:
    """Whether somebody answered this question and one of the others."""
    answered = [f"count({quote(name)} + {quote(other)})" for other in others]
    return any(aggregates(table.typed, answered))


def day_in(name: str) -> dt.date | None:
    """The last day of the year, month or day that a file's name tells."""
    found = re.search(
        r"(?<!\d)((?:19|20)\d\d)(?:[-_.]?(\d\d)(?:[-_.]?(\d\d))?)?(?!\d)", name
    )
    if not found:
        return None
    year, month, day = (int(part or 0) for part in found.groups())
    try:
        last = calendar.monthrange(year, month or 12)[1]
        return dt.date(year, month or 12, day or last)
    except ValueError:
        return None


def _days_by_file(table: TableGuess) -> list[str]:
    """SQL of the day that the name of a row's file tells.

    Files are known by a column that all of their rows have and no other file's; at most
    one file may lack such a column: it is the rest. Else it is one day for all.
    """
    delivery = table.delivery
    rows = dict(table.typed.aggregate("_kith_file, count(*)", "_kith_file").fetchall())
    cases, rest = [], []
    for path in delivery.files:
        day = day_in(path.name)
        marks = [
            sql_name(column.name)
            for column in table.columns
            if delivery.missing.get(column.name) == set(rows) - {path.name}
            and column.given == rows[path.name]
            and "null_values" not in column.rules
        ]
        if marks and day:
            cases.append(f"    when {marks[0]} is not null then cast('{day}' as date)")
        else:
            rest.append(day)
    if cases and len(rest) < 2 and None not in rest:
        return [
            "case",
            *cases,
            *(f"    else cast('{day}' as date)" for day in rest),
            "end",
        ]
    last = max(filter(None, (day_in(path.name) for path in delivery.files)), default="")
    return [f"cast('{last or '2000-01-01'}' as date)"]
