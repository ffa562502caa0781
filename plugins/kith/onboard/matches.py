"""Which columns of a table may mean a column of a feed, by their names and types."""

from functools import cache

from kith.onboard.columns import ColumnGuess
from kith.onboard.nested import ITEM_SQL
from kith.onboard.tables import TableGuess
from kith.onboard.vocabulary import (
    FEEDS,
    NEVER,
    canonical,
    column_phrases,
    phrases,
    singular,
)

EXACT = 0.9
# Of each column of a feed the columns that may mean it, with how surely, 0 to 1.
Found = dict[str, list[tuple[float, ColumnGuess]]]


def titles(*feeds: str) -> set[str]:
    """Words of a table's name that speak for one of these feeds, in the singular."""
    return {singular(word) for feed in feeds for word in phrases(FEEDS[feed]["titles"])}


def is_of_item(column: ColumnGuess) -> bool:
    """Whether staging takes a column out of each item of a list."""
    return column.within.startswith(ITEM_SQL)


@cache
def _phrases(feed_column: str) -> list[tuple[str, str, int]]:
    """The names of a feed's column: in one word, as part of others, how many words."""
    return [
        ("".join(phrase), f" {' '.join(phrase)} ", len(phrase))
        for phrase in column_phrases(feed_column)
    ]


def match_columns(
    table: TableGuess, feed_column: str, data_type: str
) -> list[tuple[float, ColumnGuess]]:
    """Columns that may mean a feed's column, the surest first."""
    found = []
    for column in table.columns:
        if table.delivery.items and column.is_number and not is_of_item(column):
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
        is_text = column.data_type == "varchar" or surest >= EXACT
        return is_text and not column.is_time and column.data_type != "boolean"
    if data_type in ("timestamp", "date"):
        return column.is_time
    if data_type == "boolean":
        return column.data_type == "boolean"
    return column.is_number or (column.has_one_way and data_type.startswith("decimal"))
