"""How a delivered value becomes a value of its declared type, as SQL expressions.

Pull needs it for the cursor (which rows belong to an interval), admission for all
columns. Nothing is guessed: a value that cannot be read is NULL here, and admission
tells it from a value that was not given.

The expressions run once per value of each delivery. What looks roundabout in them is
the quick way for the usual value before the careful way for the rest.
"""

import datetime as dt
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import duckdb

from kith.company.tables import EPOCHS, Column, SourceTable
from kith.database import literal, quote
from kith.deliveries.columns import is_json, is_text
from kith.errors import ConfigurationError

_INTEGERS = {
    *("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"),
    *("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"),
}
_FLOATS = {"FLOAT", "DOUBLE"}
# What may be declared, beside decimals; JSON comes as text.
DATA_TYPES = {
    *("VARCHAR", "JSON", "BOOLEAN", "DATE", "TIMESTAMP", "TIME"),
    *(_INTEGERS - {"HUGEINT", "UHUGEINT"}),
    *_FLOATS,
}
_ZONED = "TIMESTAMP WITH TIME ZONE"
# The no-break, the ideographic, the zero-width and the typographic spaces, which
# spreadsheets and web forms leave behind.
_WIDE_SPACE = (
    "\u00a0\u3000\ufeff\u200b\u0085\u2028\u2029\u202f\u205f\u2060"
    "\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
)
_WHITE_SPACE = f" \t\n\v\f\r{_WIDE_SPACE}"
_CONTROL = r"[\x00-\x08\x0e-\x1f\x7f-\x{84}\x{86}-\x{9f}]"
_DELETE = "\x7f"
# What a program writes for bytes that it could not read.
_REPLACEMENT = "\ufffd"
_SEPARATORS = {".": ",", ",": "."}
_FIRST_YEAR, _LAST_YEAR = 1000, 9999
# A day, or a time of day with it, as text; an offset from UTC behind it as DuckDB reads
# it, and as others write it.
_DAY = r"[1-9]\d{3}[-/ ]\d{1,2}[-/ ]\d{1,2}"
_CLOCK = r"[ T]+\d{1,2}:\d{1,2}(?::\d{1,2}(?:\.\d*)?)?"
_OF_CELL = "____-__-__T__:__:__.______"
_LOCAL = f"{_DAY}(?:{_CLOCK})?"
# No clock is further from UTC; DuckDB reads -99:99.
_OFFSET = r"[+-](?:(?:0\d|1[0-3])(?::?[0-5]\d)?|14(?::?00)?)"
_NO_OFFSET = r"[+-](?:1[5-9]|[2-9]\d|\d\d:?[6-9]\d|14:?(?:0[1-9]|[1-5]\d))(?::?\d\d)?"
_INSTANT = rf"{_DAY}[ T]+\d{{1,2}}:\d\d:\d\d(?:\.\d+)?(?:Z|{_OFFSET})"
_JSON_PIECE = r'(?s)"(?:[^"\\]|\\.)*"|-?NaN|-?Infinity|[^"NI-]+|.'
# ISO 8601's end of a day, which is the next midnight. DuckDB's casts know it, its
# formats do not.
_END_OF_DAY = r"(^|[ T])24:00(:00(\.0*)?)?([^\d:.]|$)"
_LAST_END_OF_DAY = f"{_LAST_YEAR}-12-31 24"
_TIME_OF_DAY = r"\d{1,2}:\d{1,2}(:\d{1,2}(\.\d+)?)?"
_UTC = "Z|UTC|GMT"
_ONE_ZONE = r"(?i)\b(?:UTC|GMT|Z|[a-z_]+/[a-z_/]+)\b"
_OF_ZONE = r"\[[^\]]*\]"
_WITH_OFFSET = rf"{_DAY}{_CLOCK}\s*(?:{_UTC}|{_OFFSET})(?:{_OF_ZONE})?"
# What is left of a fraction when a float of that many places is written in full: so
# little that it takes a hundred thousand rows to make a tenth of the last place.
_NOISE_PLACES = 6


# Beyond, a float does not tell one integer from the next.
_EXACT = {"DOUBLE": 2**53, "FLOAT": 2**24}


def is_number(kind: str) -> bool:
    """Whether a DuckDB type holds numbers."""
    is_decimal = kind.startswith("DECIMAL") and not is_nested(kind)
    return kind in _INTEGERS | _FLOATS or is_decimal


def is_fraction(kind: str) -> bool:
    """Whether a DuckDB type holds numbers that need not be whole."""
    return is_number(kind) and kind not in _INTEGERS


def is_nested(kind: str) -> bool:
    """Whether a DuckDB type holds several values."""
    return kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION"))


def trimmed(text: str) -> str:
    """SQL text without its outer white space."""
    return f"trim({text}, {literal(_WHITE_SPACE)})"


def is_time(kind: str) -> bool:
    """Whether a DuckDB type holds days or instants."""
    return kind == "DATE" or (kind.startswith("TIMESTAMP") and not is_nested(kind))


def declared_types(table: SourceTable) -> dict[str, str]:
    """DuckDB's own names of the declared types (`text` is VARCHAR, and so on)."""
    kinds = {}
    for column in table.columns:
        try:
            kind = str(duckdb.sqltype(column.data_type))
        except duckdb.Error:
            kind = ""
        if kind in ("HUGEINT", "UHUGEINT"):
            raise ConfigurationError(
                f"sources.yml: {table.full_name}: column {column.name}: Parquet keeps "
                f"no {column.data_type} exactly; declare decimal(38,0), or varchar for "
                "what only looks like a number"
            )
        if kind not in DATA_TYPES and not kind.startswith("DECIMAL"):
            cure = "json for what holds several values, " if is_nested(kind) else ""
            raise ConfigurationError(
                f"sources.yml: {table.full_name}: column {column.name}: data_type "
                f"'{column.data_type}' is unknown; expected {cure}one such as varchar, "
                "bigint, double, decimal(18,2), date, timestamp or boolean"
            )
        kinds[column.name] = "VARCHAR" if is_json(column) else kind
    return kinds


@dataclass(frozen=True)
class Reading:
    """How a declared column is read from the delivered ones, as SQL.

    Attributes:
        typed: The value in its declared type; NULL where it cannot be read as such.
        given: The value as delivered; NULL where nothing was given.
        shown: What people may see of the value.
        can_fail: Whether a given value may be unreadable at all.
    """

    typed: str
    given: str
    shown: str
    can_fail: bool


def read_column(
    column: Column,
    raw_types: Mapping[str, str],
    kind: str,
    has_odd_signs: bool = True,
    texts: dict[str, str] | None = None,
) -> Reading | None:
    """How to read a column of declared type `kind`; None where it does not come.

    `raw_types` gives the type of each delivered column. Where several of them mean this
    one, each row counts the first that it fills, the declared name before its aliases.
    `texts` is that of `typed_sql`.
    """
    readings = [
        Reading(
            typed=typed_sql(column, raw_type, kind, quote(name), has_odd_signs, texts),
            given=given_sql(column, raw_type, quote(name)),
            shown=_shown(column, name),
            can_fail=_can_fail(column, raw_type, kind),
        )
        for name in column.names_in(raw_types)
        for raw_type in [raw_types[name]]
    ]
    if len(readings) < 2:
        return readings[0] if readings else None

    def of_first_given(values: list[str]) -> str:
        cases = " ".join(
            f"when {reading.given} is not null then {value}"
            for reading, value in zip(readings, values, strict=True)
        )
        return f"case {cases} end"

    return Reading(
        typed=of_first_given([each.typed for each in readings]),
        given=of_first_given([f"cast({each.given} as varchar)" for each in readings]),
        shown=of_first_given([each.shown for each in readings]),
        can_fail=any(each.can_fail for each in readings),
    )


def as_text(raw: str, raw_type: str) -> str:
    """SQL of a value as people write it: 7 in a column of fractions, not 7.0.

    Of several values in one it is JSON.
    """
    if is_nested(raw_type):
        return _as_json(f"to_json({raw})")
    text = f"cast({raw} as varchar)"
    if not is_fraction(raw_type):
        return text
    whole = f"cast(try_cast({raw} as hugeint) as varchar)"
    return f"case when trunc({raw}) = {raw} then {whole} else {text} end"


def is_inexact(raw: str, raw_type: str) -> str:
    """SQL of whether digits of a whole number were lost, as a float has only so many.

    Of two numbers that were not equal then, the same text would come.
    """
    if raw_type not in _EXACT:
        return "false"
    return f"abs({raw}) > {_EXACT[raw_type]} and trunc({raw}) = {raw}"


def _up_to(limit: str) -> str:
    """Regular expression of the whole numbers up to a limit, given as its digits."""
    less = [
        f"{limit[:place]}[0-{int(digit) - 1}]\\d{{{len(limit) - place - 1}}}"
        for place, digit in enumerate(limit)
        if digit != "0"
    ]
    return "|".join([rf"\d{{1,{len(limit) - 1}}}", *less, limit])


# A text that was a float: which whole number it was, or that digits were lost.
_WHOLE = rf"^(0*(?:{_up_to(str(_EXACT['DOUBLE']))}))[.,]00?$"
INEXACT_TEXT = r"0*[1-9]\d{15,}[.,]00?"


def as_whole_number(text: str) -> str:
    """SQL of a text that was 17850.0 as 17850; of all others as they are.

    Among these are those of more digits than a float keeps, see `INEXACT_TEXT`.
    """
    # Three noughts could belong to thousands. A case, since few end in a nought.
    whole = rf"regexp_replace({text}, {literal(_WHOLE)}, '\1')"
    return f"case when suffix({text}, '0') then {whole} else {text} end"


def typed_sql(
    column: Column,
    raw_type: str,
    kind: str,
    raw: str,
    has_odd_signs: bool = True,
    texts: dict[str, str] | None = None,
) -> str:
    """The value in its declared type `kind`; NULL where it cannot be read as such.

    `raw` is SQL of the value as delivered. Without `has_odd_signs` nobody looks for
    control characters, nor for white space but blanks and ends of lines. What the
    result reads by a name of `texts`, if these are given, is added there and has to be
    selected before, see `with_texts`.

    Text loses its outer white space. Timestamps come out as naive UTC. No number is
    rounded but by the noise of a float: 3.5 is no integer, 1.005 has too many places
    for a decimal(18,2) unless the column says `round`.
    """
    tokens, delivered = column.rules.null_values, raw
    if column.rules.pii:
        return f"case when strlen({raw}) = 64 then {raw} end"
    if raw_type == "BLOB":
        # What old writers of Parquet call text.
        raw, raw_type = f"try(decode({raw}))", "VARCHAR"
    if raw_type == "VARCHAR":
        if is_json(column):
            return _json_of_text(_text(raw, tokens, has_odd_signs))
        if kind == "VARCHAR":
            text = _text(raw, tokens, has_odd_signs)
            if not column.rules.whole_numbers:
                return text
            whole = as_whole_number(text)
            is_lost = f"regexp_full_match({whole}, {literal(INEXACT_TEXT)})"
            return f"case when not {is_lost} then {whole} end"
        if tokens or column.rules.format or (column.rules.decimal and is_number(kind)):
            raw = _named(_text(raw, tokens, has_odd_signs), texts)
    elif tokens:
        listed = ", ".join(map(literal, tokens))
        raw = f"case when cast({raw} as varchar) not in ({listed}) then {raw} end"
    if is_json(column):
        return _json_of_text(as_text(raw, raw_type))
    if kind == "VARCHAR":
        text = f"nullif({as_text(raw, raw_type)}, '')"
        if raw_type not in _EXACT:
            return text
        return f"case when not ({is_inexact(raw, raw_type)}) then {text} end"
    if is_time(kind):
        if is_time(raw_type):
            return _moment(column, raw, raw_type, kind)
        return _moment_of_text(column, f"cast({raw} as varchar)", kind)
    if raw_type == kind:
        return _finite(raw) if kind in _FLOATS else raw
    if kind == "TIME":
        text = trimmed(f"cast({raw} as varchar)")
        is_time_of_day = f"regexp_full_match({text}, {literal(_TIME_OF_DAY)})"
        # DuckDB reads the 10:00 of a day, of a zone and of PM alike, and 24:00 as well,
        # which Parquet does not know.
        typed = f"try_cast({text} as time)"
        return (
            f"case when {is_time_of_day} and {typed} < time '24:00:00' then {typed} end"
        )
    if not (is_number(raw_type) and is_number(kind)):
        raw = f"cast({raw} as varchar)"
        if is_number(kind) and column.rules.decimal:
            raw = _named(_with_point(raw, column.rules.decimal), texts)
        elif kind in _INTEGERS | _FLOATS:
            # DuckDB reads 1_000 as 1000.
            raw = f"case when not contains({raw}, '_') then {raw} end"
    typed = f"try_cast({raw} as {kind})"
    if kind in _FLOATS:
        return _finite(typed)
    if kind in _INTEGERS and raw_type not in _INTEGERS:
        # DuckDB rounds to the nearest integer, and reads 0x1F, which no float does.
        exact, wide = (f"try_cast({raw} as {k})" for k in ("decimal(38,10)", "double"))
        is_whole = f"trunc({exact}) = {exact} and trunc({wide}) = {wide}"
        if is_number(raw_type):
            return f"case when {is_whole} then {typed} end"
        # As many digits as the text has signs: nothing of it was rounded away.
        least = f"[0, {', '.join(str(10**n) for n in range(1, 18))}][strlen({raw})]"
        return (
            f"case when {typed} >= {least} and not prefix({raw}, '0x') "
            f"and not prefix({raw}, '0X') then {typed} when {is_whole} then {typed} end"
        )
    if kind.startswith("DECIMAL") and raw_type not in _INTEGERS:
        if is_number(raw_type):
            return _decimal_of_number(raw, raw_type, kind, column.rules.round)
        is_computed = texts is None and raw != f"cast({delivered} as varchar)"
        return _decimal_of_text(raw, kind, column.rules.round, is_computed)
    return typed


def _named(text: str, texts: dict[str, str] | None) -> str:
    """A name for SQL that is read in many places, where such texts are collected."""
    if texts is None:
        return text
    name = f"_kith_text_{len(texts)}"
    texts[name] = text
    return name


def with_texts(relation: str, texts: Mapping[str, str]) -> str:
    """SQL relation of the rows of another one, with named texts beside their columns.

    Spelt out wherever it is read, a text would take longer to plan than to read.
    """
    if not texts:
        return relation
    named = ", ".join(f"{sql} as {name}" for name, sql in texts.items())
    return f"(select *, {named} from {relation})"


def given_sql(column: Column, raw_type: str, raw: str) -> str:
    """The value as delivered; NULL where nothing was given.

    Empty text is nothing, whatever the format: a CSV cannot tell it from NULL, and
    an empty identifier would make one customer of all who have none. So is NaN where
    text is declared: programs write it where a number is missing.
    """
    if raw_type == "VARCHAR":
        raw = f"nullif({trimmed(raw)}, '')"
    elif raw_type in _FLOATS and is_text(column):
        raw = f"case when not isnan({raw}) then {raw} end"
    tokens = ", ".join(map(literal, column.rules.null_values))
    if not tokens:
        return raw
    return f"case when cast({raw} as varchar) not in ({tokens}) then {raw} end"


def _shown(column: Column, name: str) -> str:
    text = f"cast({quote(name)} as varchar)"
    if column.rules.pii:
        # Should something plain have come this far, not even that is shown.
        hashed = f"regexp_extract({text}, '^!?([0-9a-f]{{8}})[0-9a-f]{{56}}$', 1)"
        return f"nullif({hashed}, '')"
    return text


def _can_fail(column: Column, raw_type: str, kind: str) -> bool:
    if is_json(column):
        return True
    if kind == "VARCHAR":
        return raw_type in ("VARCHAR", "BLOB", *_EXACT)
    return raw_type != kind or kind in _FLOATS or is_time(kind)


def _text(raw: str, tokens: list[str], has_odd_signs: bool) -> str:
    """Text without outer white space; NULL for nothing, and for what is no text.

    That is text with control characters, or with the sign that a program writes for
    bytes that it could not read.
    """
    nothing = ", ".join(map(literal, ["", *tokens]))
    given = f"case when {raw} not in ({nothing}) then {raw} end"
    bare = trimmed(raw)
    bare_given = f"case when {bare} not in ({nothing}) then {bare} end"
    # Nothing before it in ASCII is but white space and control characters.
    begins = f"{raw} >= '!' and not suffix({raw}, ' ')"
    if not has_odd_signs:
        ends = f"not suffix({raw}, '\n') and not suffix({raw}, '\r')"
        return f"case when {begins} and {ends} then {given} else {bare_given} end"
    is_ascii = f"strlen({raw}) = length({raw})"
    # Nothing to escape in it: no control character of ASCII but one, at a third of a
    # regex's time.
    is_plain = (
        f"strlen(json_quote({raw})) = strlen({raw}) + 2 "
        f"and not contains({raw}, {literal(_DELETE)})"
    )
    has_edge = " or ".join(
        f"{at}({raw}, {literal(sign)})"
        for sign in [" ", *_WIDE_SPACE]
        for at in ("prefix", "suffix")
    )
    is_control = f"regexp_matches({raw}, {literal(_CONTROL)})"
    lost = f"contains({raw}, {literal(_REPLACEMENT)})"
    return (
        f"case when {is_ascii} and {is_plain} and {begins} then {given} "
        f"when {is_plain} and not ({has_edge} or {lost} or {is_control}) then {given} "
        f"when {is_control} or {lost} then null else {bare_given} end"
    )


def _with_point(text: str, decimal: str) -> str:
    """SQL of a written number with a point and without thousands; NULL if it is none.

    1.234,5 and 1 234,5 are numbers of a decimal comma, 1.23,5 and 1,2,3 are not, nor is
    0.123, whose point seems to be a decimal one.
    """
    sign = f"[{decimal}]"
    plain = rf"[+-]?\d*({sign}\d*)?([eE][+-]?\d+)?"
    groups = "|".join(
        rf"({separator}\d{{3}})+"
        for separator in (
            f"[{_SEPARATORS[decimal]}]",
            " ",
            "\u00a0",
            "\u202f",
            "'",
            "’",
        )
    )
    grouped = rf"[+-]?[1-9]\d{{0,2}}({groups})({sign}\d*)?"
    digits = f"regexp_replace({text}, {literal(f'[^0-9{decimal}+-]')}, '', 'g')"
    return (
        f"replace(case when regexp_full_match({text}, {literal(plain)}) then {text} "
        f"when regexp_full_match({text}, {literal(grouped)}) then {digits} end, "
        f"{literal(decimal)}, '.')"
    )


def decimal_places(kind: str) -> int:
    """Places behind the point that a DuckDB type such as DECIMAL(18,2) keeps."""
    return int(kind.rstrip(")").split(",")[1])


def _is_noise(difference: str, value: str, places: int) -> str:
    """SQL of whether two numbers of a decimal's size differ as floats do.

    By a millionth of the last place, or by what the floats of that size leave open.
    """
    least, most = 10.0 ** -(places + _NOISE_PLACES), 10.0**-places / 16
    by_size = f"least(abs(cast({value} as double)) * 1e-15, {most})"
    return f"abs(cast({difference} as double)) < greatest({least}, {by_size})"


def _decimal_of_number(raw: str, raw_type: str, kind: str, rounds: bool) -> str:
    typed = f"try_cast({raw} as {kind})"
    if rounds:
        # As it is written: in binary 1.005 is a little less.
        return f"try_cast(cast({raw} as varchar) as {kind})"
    if raw_type.startswith("DECIMAL") and decimal_places(raw_type) <= decimal_places(
        kind
    ):
        return typed
    is_same = f"try_cast({typed} as {raw_type}) = {raw}"
    difference = f"(cast({typed} as double) - cast({raw} as double))"
    is_noise = _is_noise(difference, raw, decimal_places(kind))
    if raw_type.startswith("DECIMAL"):
        # Beyond, floats cannot tell.
        is_noise = f"abs({raw}) < 1e9 and {is_noise}"
    return f"case when {is_same} or {is_noise} then {typed} end"


def _decimal_of_text(
    text: str, kind: str, rounds: bool, is_computed: bool = False
) -> str:
    if is_computed:
        # Named there: spelt out in each place, it would be computed as often.
        cases = _decimal_of_text("number", kind, rounds)
        return f"list_transform([{text}], lambda number: {cases})[1]"
    places = decimal_places(kind)
    wide = f"decimal(38,{min(places + 9, 38)})"
    typed, exact = (f"try_cast({text} as {each})" for each in (kind, wide))
    # By way of the wider one, since DuckDB makes 0.01 of 5e-10.
    value = f"try_cast({exact} as {kind})"
    is_noise = _is_noise(f"({exact} - try_cast({value} as {wide}))", value, places)
    dot = f"instr({text}, '.')"
    # No more signs behind the point than places; three of them could be an exponent.
    is_usual = f"{dot} >= strlen({text}) - {min(places, 2)}"
    is_short = f"{dot} = 0 or {dot} >= strlen(rtrim({text}, '0 ')) - {places}"
    has_exponent = f"contains({text}, 'e') or contains({text}, 'E')"
    if rounds:
        is_usual, is_short, is_noise = "false", "true", "true"
    return (
        # DuckDB reads 1_000 as 1000.
        f"case when contains({text}, '_') then null "
        f"when {is_usual} then {typed} "
        f"when ({is_short}) and not ({has_exponent}) then {typed} "
        f"when {is_noise} then {value} end"
    )


def _json_of_text(text: str) -> str:
    # Written anew, since DuckDB lets pass what others do not, such as a last comma.
    read = _as_json("json(value)")
    strict = f"case when json_valid(value) then {read} end"
    return f"list_transform([{text}], lambda value: {strict})[1]"


def _as_json(value: str) -> str:
    """SQL of JSON as text, without NaN and infinity, which others cannot read."""
    text = f"cast({value} as varchar)"
    # Piece by piece, since texts within may hold these words as well.
    strict = (
        f"array_to_string(list_transform(regexp_extract_all({text}, "
        f"{literal(_JSON_PIECE)}), lambda piece: case when piece in ('NaN', "
        "'Infinity', '-Infinity') then 'null' else piece end), '')"
    )
    has_any = f"contains({text}, 'NaN') or contains({text}, 'Infinity')"
    return f"case when {has_any} then {strict} else {text} end"


def _finite(number: str) -> str:
    # NaN and infinity would spoil every sum they enter.
    return f"case when isfinite({number}) then {number} end"


def _within_calendar(moment: str) -> str:
    # DuckDB reads 24-07-01 as a day of the year 24, and `infinity` as a day.
    first, end = f"{_FIRST_YEAR}-01-01", f"{_LAST_YEAR}-12-31 23:59:59.999999"
    return f"case when {moment} between '{first}' and '{end}' then {moment} end"


def _moment(column: Column, value: str, raw_type: str, kind: str) -> str:
    if raw_type == _ZONED:
        zone = "UTC" if kind.startswith("TIMESTAMP") else column.rules.time_zone
        value, raw_type = f"({value} at time zone {literal(zone)})", "TIMESTAMP"
        if kind != "DATE":
            return _within_calendar(f"cast({value} as {kind})")
    if kind == "DATE" and raw_type != kind:
        return _day(value)
    if raw_type != kind:
        value = f"try_cast({value} as {kind})"
    return _to_utc(column, _within_calendar(value), kind)


def _day(moment: str) -> str:
    # A time of day would be lost without a word.
    is_whole = f"date_trunc('day', {moment}) = {moment}"
    day = _within_calendar(f"try_cast({moment} as date)")
    return f"case when {is_whole} then {day} end"


def _to_utc(column: Column, local: str, kind: str) -> str:
    """A local time as UTC; NULL where clocks were put forward and it never was.

    Of a time that was twice, when clocks were put back, the first is taken.
    """
    zone = column.rules.time_zone
    if kind == "DATE" or zone == "UTC":
        return local
    days = ", ".join(f"date '{day}'" for day in _clock_changes(zone))

    def utc(moment: str) -> str:
        # By way of microseconds: a second `at time zone` costs as much as the first.
        return f"make_timestamp(epoch_us({moment} at time zone {literal(zone)}))"

    def is_then(moment: str) -> str:
        return f"{moment} at time zone 'UTC' at time zone {literal(zone)} = local"

    if not days:
        return utc(local)
    # As the clock went the day before, and as it went the day after.
    before = f"({utc('(local - interval 1 day)')} + interval 1 day)"
    after = f"({utc('(local + interval 1 day)')} - interval 1 day)"
    odd = (
        f"case when {is_then(before)} then {before} "
        f"when {is_then(after)} then {after} end"
    )
    # Named there: spelt out six times more, it would take longer to plan than to run.
    return (
        f"case when cast({local} as date) not in ({days}) then {utc(local)} "
        f"else list_transform([{local}], lambda local: {odd})[1] end"
    )


@functools.cache
def _clock_changes(time_zone: str) -> list[dt.date]:
    """Days from 1970 to 2049 with times that a zone's clocks skip or show twice."""
    zone = ZoneInfo(time_zone)
    day, noon = dt.timedelta(days=1), dt.timedelta(hours=12)
    days = [dt.datetime(1970, 1, 1) + number * day for number in range(-1, 29_221)]
    noons = [zone.utcoffset(each + noon) for each in days]

    def is_odd(moment: dt.datetime) -> bool:
        return zone.utcoffset(moment) != zone.utcoffset(moment.replace(fold=1))

    return [
        each.date()
        for each, before, after in zip(days[1:], noons, noons[2:], strict=False)
        if before != after
        and any(is_odd(each + dt.timedelta(minutes=at)) for at in range(0, 1440, 15))
    ]


def _moment_of_text(column: Column, text: str, kind: str) -> str:
    patterns = column.rules.format
    if patterns:
        read = []
        for pattern in patterns:
            parsed = _parsed(text, pattern)
            if "%H:%M" in pattern:
                midnight = rf"regexp_replace({text}, '(^|[ T])24:', '\100:')"
                parsed = (
                    f"case when contains({text}, '24:00') "
                    f"and regexp_matches({text}, {literal(_END_OF_DAY)}) "
                    f"then {_parsed(midnight, pattern)} + interval 24 hour "
                    f"else {parsed} end"
                )
            zoned = pattern in EPOCHS or "%z" in pattern or "%Z" in pattern
            raw_type = _ZONED if zoned else "TIMESTAMP"
            read.append(_moment(column, parsed, raw_type, kind))
        # As pull writes a cell of a workbook of which the formats would lose a part.
        of_cell = f"case when {text} like '{_OF_CELL}' then {text} end"
        read.append(_moment_of_local(column, of_cell, kind))
        return f"coalesce({', '.join(read)})"
    # Only a whole time fits there, with no room for an offset but the shortest.
    is_usual = (
        f"{text} like '____-__-_____:__:__' and {text} >= '1' "
        f"and {text} < '{_LAST_END_OF_DAY}' and not suffix({text}, 'Z')"
    )
    usual = _to_utc(column, f"try_cast({text} as timestamp)", kind)
    if kind == "DATE":
        is_usual = f"{text} like '____-__-__' and {text} >= '1'"
        usual = f"try_cast({text} as date)"
    instant = _moment_of_instant(column, text, kind)
    is_instant = f"{_INSTANT}|{_LOCAL}"
    if column.rules.time_zone != "UTC" or kind == "DATE":
        is_instant = _INSTANT
    # In order of what they cost: each of them alone takes as long as the usual value.
    careful = (
        f"case when regexp_full_match(bare, {literal(_LOCAL)}) "
        f"then {_moment_of_local(column, 'bare', kind)} "
        f"when regexp_full_match(bare, {literal(_WITH_OFFSET)}) "
        f"then {_moment_of_instant(column, _with_plain_offset('bare'), kind)} end"
    )
    return (
        f"case when {is_usual} then {usual} "
        f"when regexp_full_match({text}, {literal(is_instant)}) then {instant} "
        f"when regexp_full_match({text}, {literal(_LOCAL)}) "
        f"then {_moment_of_local(column, text, kind)} "
        f"else list_transform([upper({trimmed(text)})], lambda bare: {careful})[1] end"
    )


def _parsed(text: str, pattern: str) -> str:
    """SQL of a time as one format reads it."""
    if pattern in EPOCHS:
        return _since_epoch(text, EPOCHS[pattern])
    parsed = f"try_strptime({text}, {literal(pattern)})"
    if "%Z" in pattern:
        # CST and its like are the letters of several zones.
        is_one = f"regexp_matches({text}, {literal(_ONE_ZONE)})"
        parsed = f"case when {is_one} then {parsed} end"
    if "%z" in pattern:
        # What stands before and behind it, in so far as it is plain text.
        around = re.split("%[^z]", pattern)
        pieces = ".+?".join(map(re.escape, around)).split("%z", 1)
        far = literal(f"(?s){pieces[0]}{_NO_OFFSET}{pieces[1]}")
        parsed = f"case when not regexp_full_match({text}, {far}) then {parsed} end"
    return parsed


def _moment_of_local(column: Column, text: str, kind: str) -> str:
    plain = f"try_cast({text} as timestamp)"
    # By way of a timestamp, since a cast to a day ignores what follows the day.
    return _day(plain) if kind == "DATE" else _to_utc(column, plain, kind)


def _moment_of_instant(column: Column, text: str, kind: str) -> str:
    # A cast to timestamp would drop an offset such as +02:00 without a word; one to
    # timestamptz minds it, and reads a time without an offset as UTC.
    instant = f"try_cast({text} as timestamptz)"
    if kind == "DATE":
        return _moment(column, instant, _ZONED, kind)
    moment = f"make_timestamp(epoch_us({instant}))"
    return (
        f"case when {moment} <= '{_LAST_YEAR}-12-31 23:59:59.999999' then {moment} end"
    )


def _since_epoch(text: str, microseconds: int) -> str:
    """SQL of the instant that many units after 1970 began."""
    # An exponent such as 1.71E+09 has lost the other digits.
    units = (
        rf"case when regexp_full_match({text}, '-?\d{{1,17}}(\.\d*)?') then {text} end"
    )
    count = f"try_cast(try_cast({units} as decimal(38,6)) * {microseconds} as bigint)"
    return f"make_timestamp({count}) at time zone 'UTC'"


def _with_plain_offset(text: str) -> str:
    """SQL of a time with an offset of any form, in the one that DuckDB reads."""
    utc = rf"(?:\s*(?:{_UTC}))?(?:{_OF_ZONE})?$"
    local = f"regexp_replace({text}, {literal(utc)}, '')"
    bare = rf"regexp_replace({local}, '\s+([+-])', '\1')"
    # DuckDB reads no offset behind a time without seconds.
    return rf"regexp_replace({bare}, '([ T]\d{{1,2}}:\d{{1,2}})([+-])', '\1:00\2')"
