"""How a delivered value becomes a value of its declared type, as SQL expressions.

Pull needs it for the cursor (which rows belong to an interval), admission for all
columns. Nothing is guessed: a value that cannot be read is NULL here, and admission
tells it from a value that was not given.
"""

import duckdb

from kith.company import Column, SourceTable
from kith.database import fetch_row, literal, quote
from kith.errors import ConfigurationError

_INTEGERS = {
    *("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"),
    *("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"),
}
_FLOATS = {"FLOAT", "DOUBLE"}
_ZONED = "TIMESTAMP WITH TIME ZONE"
# Among them the no-break, the ideographic and the zero-width ones, which spreadsheets
# and web forms leave behind.
_WHITE_SPACE = " \t\n\v\f\r\u00a0\u3000\ufeff\u200b"


def is_number(kind: str) -> bool:
    """Whether a DuckDB type holds numbers."""
    return kind in _INTEGERS | _FLOATS or kind.startswith("DECIMAL")


def is_fraction(kind: str) -> bool:
    """Whether a DuckDB type holds numbers that need not be whole."""
    return is_number(kind) and kind not in _INTEGERS


def trimmed(text: str) -> str:
    """SQL text without its outer white space."""
    return f"trim({text}, {literal(_WHITE_SPACE)})"


def is_time(kind: str) -> bool:
    """Whether a DuckDB type holds days or instants."""
    return kind == "DATE" or kind.startswith("TIMESTAMP")


def declared_types(
    connection: duckdb.DuckDBPyConnection, table: SourceTable
) -> dict[str, str]:
    """DuckDB's own names of the declared types (`text` is VARCHAR, and so on)."""
    kinds = {}
    for column in table.columns:
        try:
            (kind,) = fetch_row(
                connection, f"select typeof(cast(null as {column.data_type}))"
            )
        except duckdb.Error:
            raise ConfigurationError(
                f"sources.yml: {table.full_name}: column {column.name}: data_type "
                f"'{column.data_type}' is unknown; expected one such as varchar, "
                "bigint, double, decimal(18,2), date, timestamp or boolean"
            ) from None
        kinds[column.name] = kind
    return kinds


def given_sql(column: Column, raw_type: str) -> str:
    """The value as delivered; NULL where nothing was given.

    Empty text is nothing, whatever the format: a CSV cannot tell it from NULL, and
    an empty identifier would make one customer of all who have none.
    """
    raw = _without_tokens(column)
    return f"nullif(trim({raw}), '')" if raw_type == "VARCHAR" else raw


def typed_sql(column: Column, raw_type: str, kind: str) -> str:
    """The value in its declared type `kind`; NULL where it cannot be read as such.

    Timestamps come out as naive UTC. A decimal is rounded to its declared places; an
    integer is never rounded, so 3.5 is not one.
    """
    raw = _without_tokens(column)
    if kind == "VARCHAR":
        return f"nullif(cast({raw} as varchar), '')"
    if is_time(kind) and is_time(raw_type):
        return _moment(column, raw, raw_type, kind)
    if is_time(kind):
        return _moment_of_text(column, f"cast({raw} as varchar)", kind)
    if raw_type == kind:
        return _finite(raw) if kind in _FLOATS else raw
    if not (is_number(raw_type) and is_number(kind)):
        raw = f"cast({raw} as varchar)"
    typed = f"try_cast({raw} as {kind})"
    if kind in _FLOATS:
        return _finite(typed)
    if kind in _INTEGERS and raw_type not in _INTEGERS:
        number = f"try_cast({raw} as double)"
        return f"case when trunc({number}) = {number} then {typed} end"
    return typed


def _without_tokens(column: Column) -> str:
    raw = quote(column.name)
    if not column.rules.null_values:
        return raw
    tokens = ", ".join(map(literal, column.rules.null_values))
    return f"case when cast({raw} as varchar) not in ({tokens}) then {raw} end"


def can_fail(raw_type: str, kind: str) -> bool:
    """Whether a given value of that raw type may be unreadable at all."""
    if kind == "VARCHAR":
        return False
    return raw_type != kind or kind in _FLOATS


def _finite(number: str) -> str:
    # NaN and infinity would spoil every sum they enter.
    return f"case when isfinite({number}) then {number} end"


def _moment(column: Column, value: str, raw_type: str, kind: str) -> str:
    if raw_type == _ZONED:
        zone = "UTC" if kind.startswith("TIMESTAMP") else column.rules.time_zone
        return f"cast(({value} at time zone {literal(zone)}) as {kind})"
    if raw_type != kind:
        value = f"try_cast({value} as {kind})"
    return _to_utc(column, value, kind)


def _to_utc(column: Column, value: str, kind: str) -> str:
    zone = column.rules.time_zone
    if kind == "DATE" or zone == "UTC":
        return value
    return f"({value} at time zone {literal(zone)} at time zone 'UTC')"


def _moment_of_text(column: Column, text: str, kind: str) -> str:
    patterns = column.rules.format
    if patterns:
        read = []
        for pattern in patterns:
            parsed = f"try_strptime({text}, {literal(pattern)})"
            zoned = "%z" in pattern or "%Z" in pattern
            raw_type = _ZONED if zoned else "TIMESTAMP"
            read.append(_moment(column, parsed, raw_type, kind))
        return f"coalesce({', '.join(read)})" if len(read) > 1 else read[0]
    if kind == "DATE":
        return f"try_cast({text} as date)"
    # A cast to timestamp would drop an offset such as +02:00 without a word; one to
    # timestamptz minds it, and reads a time without an offset as UTC.
    # By way of microseconds, since `at time zone` asks a calendar about each value.
    with_offset = f"make_timestamp(epoch_us(try_cast({text} as timestamptz)))"
    if column.rules.time_zone == "UTC":
        return with_offset
    local = _to_utc(column, f"try_cast({text} as timestamp)", kind)
    offset = literal(r":\d\d(:\d\d(\.\d+)?)?\s*(Z|UTC|[+-]\d\d(:?\d\d)?)$")
    has_offset = f"regexp_matches({text}, {offset})"
    return f"case when {has_offset} then {with_offset} else {local} end"
