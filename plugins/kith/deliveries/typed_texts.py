"""How delivered text lies in Parquet: as its value, where the value tells the text.

In a column declared as whole number, decimal, day or timestamp, 42 and 2024-05-01 are
what their values look like when written out. Such a text is stored as its value, in a
fraction of the bytes and of the time to read it. Any other (007, 1e3, n/a) is stored
as it came, in a column beside it, so that nothing is lost.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import duckdb
from pydantic import BaseModel

from kith.company.tables import Column, SourceTable
from kith.database import file_literal, quote

_TEXT = "_kith_text_"
_TYPES = re.compile(r"U?(TINY|SMALL|BIG)INT|U?INTEGER|DECIMAL\(.*\)|DATE|TIMESTAMP")


class TextFacts(BaseModel, frozen=True):
    """What is known of the values of a file before anybody reads them.

    Attributes:
        has_odd_signs: False where no value holds a control character, white space but
            blanks and ends of lines, or a replacement character.
        typed: Type of each column whose texts are stored as values of that type.
        unusual: Those of `typed` in which other texts were found.
    """

    has_odd_signs: bool = True
    typed: dict[str, str] = {}
    unusual: frozenset[str] = frozenset()

    @classmethod
    def of_all(cls, files: "Sequence[TextFacts]") -> "TextFacts":
        """What is known of the values of several files, where `typed` do not differ.

        Of the spellings of a name the first is taken, as DuckDB takes it.
        """
        typed = [column for file in files for column in file.typed.items()]
        first = {name.lower(): name for name, _ in reversed(typed)}
        return cls(
            has_odd_signs=any(file.has_odd_signs for file in files),
            typed={first[name.lower()]: kind for name, kind in typed},
            unusual=frozenset(
                first[name.lower()] for file in files for name in file.unusual
            ),
        )


def typed_columns(
    table: SourceTable, kinds: dict[str, str], delivered: Iterable[str]
) -> dict[str, str]:
    """The delivered columns of text to be stored as values, and their types.

    Not those of which the declaration tells another way of writing, and no identifiers,
    which are hashed.
    """
    names = list(delivered)
    return {
        name: kinds[column.name]
        for column in table.columns
        if is_typed(column, kinds[column.name])
        for name in column.names_in(names)
    }


def is_typed(column: Column, kind: str) -> bool:
    """Whether texts of a column of type `kind` may be stored as values."""
    rules = column.rules
    has_own_writing = rules.pii or rules.format or rules.decimal
    return not has_own_writing and _TYPES.fullmatch(kind) is not None


def stored_sql(delivered: Iterable[str], typed: dict[str, str]) -> str:
    """SQL of the columns to be stored, over columns of text."""
    columns = []
    for name in delivered:
        text = quote(name)
        if name not in typed:
            columns.append(text)
            continue
        value = f"try_cast({text} as {typed[name]})"
        is_usual = f"cast({value} as varchar) = {text}"
        columns += [
            f"case when {is_usual} then {value} end as {text}",
            f"case when {is_usual} then null else {text} end as {unusual_sql(name)}",
        ]
    return ", ".join(columns)


def find_unusual(
    connection: duckdb.DuckDBPyConnection, path: Path, typed: dict[str, str]
) -> frozenset[str]:
    """Those of the `typed` columns of a stored file that may hold other texts, too."""
    empty = connection.execute(
        f"""
        select path_in_schema
        from parquet_metadata({file_literal(path)})
        group by path_in_schema
        having bool_and(coalesce(stats_null_count = num_values, false))
        """
    ).fetchall()
    return frozenset(name for name in typed if (f"{_TEXT}{name}",) not in empty)


def delivered_columns(stored: dict[str, str], typed: dict[str, str]) -> dict[str, str]:
    """Name and type of each column as it came, of those of a stored file."""
    return {
        name: "VARCHAR" if name in typed else kind
        for name, kind in stored.items()
        if not name.startswith(_TEXT)
    }


def texts_sql(relation: str, facts: TextFacts) -> str:
    """SQL relation of the columns as they came, over a stored one."""
    if not facts.typed:
        return relation
    texts = ", ".join(
        f"{text_sql(name, facts)} as {quote(name)}" for name in facts.typed
    )
    return f"(select * replace ({texts}) from {relation})"


def text_sql(name: str, facts: TextFacts) -> str:
    """SQL of a column as it came, over a stored relation."""
    if name not in facts.typed:
        return quote(name)
    text = f"cast({quote(name)} as varchar)"
    is_unusual = name in facts.unusual
    return f"coalesce({text}, {unusual_sql(name)})" if is_unusual else text


def unusual_sql(name: str) -> str:
    """SQL of a text that its value would not tell; NULL where it is stored as value."""
    return quote(f"{_TEXT}{name}")
