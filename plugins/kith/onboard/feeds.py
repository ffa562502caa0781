"""Which feeds a table seems to provide, and the staging models that say so.

The guess is by the names of tables and columns against the feeds' contracts; that a
mapping keeps its contract (keys unique, no value missing where one is needed) is
proved on all rows.
"""

from collections import Counter
from collections.abc import Iterator

from kith.onboard.baskets import find_basket, lines_of_baskets, orders_of_baskets
from kith.onboard.doubts import CUSTOMERS, NUMBERS
from kith.onboard.mapping import Lacking, stage_rows
from kith.onboard.matches import Found, is_of_item, match_columns, titles
from kith.onboard.order_amounts import settle_amounts
from kith.onboard.orders import add_parts, orders_of_lines
from kith.onboard.staging import (
    COMMON,
    Staging,
    contracts,
    identified,
    key_sql,
    own_key,
)
from kith.onboard.statuses import doubts_of_unread
from kith.onboard.surveys import rated, wide_survey
from kith.onboard.tables import TableGuess, possible_cursors
from kith.onboard.vocabulary import FEEDS, phrases, title_words

# How likely a table provides a feed, and by which columns.
Likely = tuple[float, str, Found]


def is_flow(table: TableGuess) -> bool:
    """Whether the feed that a table seems to provide comes day by day."""
    likely = [feed for _, feed, _ in _likely(table)[:1]]
    return any(FEEDS[feed].get("is_flow", False) for feed in likely) or bool(
        find_basket(table)
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
        for staging in _provided(table, likely[table.name]):
            add(staging)
    if "order_lines" in stagings and "orders" not in stagings:
        add(orders_of_lines(stagings["order_lines"]))
    if "orders" in stagings:
        add_parts(stagings["orders"], tables)
    settle_amounts(stagings.get("orders"), stagings.get("order_lines"))
    if "customers" in stagings and "attributes" not in stagings:
        add(_traits(stagings["customers"]))
    made = [stagings[feed] for feed in sorted(stagings)]
    for table in tables:
        _doubt_use(table, made)
    _doubt_unread(made)
    _doubt_kinds(made)
    return made


def _provided(table: TableGuess, likely: list[Likely]) -> Iterator[Staging | None]:
    """The staging models of one table; what hinders them becomes its doubt."""
    if survey := wide_survey(table):
        yield survey
        return
    if basket := find_basket(table):
        yield orders_of_baskets(basket)
        yield lines_of_baskets(basket)
        return
    staging, lacking = None, []
    for _, feed, found in likely:
        try:
            staging = stage_rows(table, feed, found)
            break
        except Lacking as lack:
            lacking.append((feed, f"looks like the feed {feed}, but {lack}"))
    for feed, told in lacking:
        table.doubts.append(f"{'' if staging else _weight(feed)}{told}")
    yield staging


def _weight(feed: str) -> str:
    """What a wrong guess about a feed would change."""
    if feed == "customers":
        return CUSTOMERS
    return NUMBERS if FEEDS[feed].get("is_flow") or feed == "tickets" else ""


def _doubt_use(table: TableGuess, stagings: list[Staging]) -> None:
    """Doubt that rows count nowhere, unless a doubt about a feed says so."""
    days = possible_cursors(table)
    is_told = any("looks like the feed" in doubt for doubt in table.doubts)
    is_of_orders = title_words(table.name) & titles("orders", "order_lines")
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


def _doubt_unread(stagings: list[Staging]) -> None:
    """Doubt what nothing reads of what was cancelled or given back."""
    of_orders = [one for one in stagings if one.feed in ("orders", "order_lines")]
    # Once where both are made of one table.
    for staging in {one.table.name: one for one in of_orders}.values():
        unread = [
            column
            for column in staging.table.columns
            if not any(one.uses(column, staging.table) for one in stagings)
        ]
        staging.doubts += doubts_of_unread(staging.table, unread)


def _doubt_kinds(stagings: list[Staging]) -> None:
    """Doubt that people are known by several kinds of identifiers, which never meet."""
    known = [
        (staging, staging.table.person.kind)
        for staging in stagings
        if staging.table.person and "identifier_type" in staging.select
    ]
    if not known:
        return
    ((usual, _),) = Counter(kind for _, kind in known).most_common(1)
    for staging, kind in known:
        if kind != usual:
            staging.doubts.append(
                f"{CUSTOMERS}known by {kind}, while others are by {usual}: "
                "one person is two customers until both are known by one"
            )


def _likely(table: TableGuess) -> list[Likely]:
    """Feeds that the table may provide, the likeliest first."""
    title = title_words(table.name)
    scores: list[Likely] = []
    for feed, contract in contracts().items():
        entry = FEEDS[feed]
        hint = len(title & titles(feed))
        found = {
            name: matches
            for name, (data_type, _) in contract.items()
            if name not in COMMON and (matches := match_columns(table, name, data_type))
        }
        score = 2 * hint + sum(matches[0][0] for matches in found.values())
        if entry.get("is_thing") and hint and len(table.key) == 1:
            found.setdefault(own_key(feed), [(1, table.column(table.key[0]))])
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
            and (feed != "posts" or not rated(table))
            and (feed != "survey_answers" or "review" not in title or rated(table))
            and (not table.delivery.items or _is_of_items(feed, found))
        ):
            scores.append((score, feed, found))
    scores.sort(key=lambda one: (-one[0], one[1]))
    return scores


def _is_list_of_orders(table: TableGuess) -> bool:
    """Whether its rows are items of what a table of orders lists."""
    of_orders = title_words(table.source_name) & titles("orders")
    return bool(table.delivery.items and of_orders) and table.key[0] != "row_key"


def _is_of_items(feed: str, found: Found) -> bool:
    """Whether it is the items of a list that provide a feed, not what has the list."""
    name = {"order_lines": "product_id", "survey_answers": "score"}.get(feed, "")
    return any(is_of_item(column) for _, column in found.get(name, []))


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
    person, lookups = identified(table)
    return Staging(
        feed="attributes",
        table=table,
        select={
            "attribute_id": f"{key_sql(table)} || '-{{{{ trait }}}}'",
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
