"""What can be wrong with a delivered row, as SQL."""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from kith.company.tables import Column, SourceTable
from kith.database import literal, quote
from kith.deliveries.casts import Reading, decimal_places, is_number, is_time
from kith.deliveries.columns import columns_by_name, is_json, is_personal, is_text
from kith.deliveries.totals import is_total, is_total_of_lines
from kith.errors import ConfigurationError

SHOWN_CHARACTERS = 200

CURES = {
    "wrong_type": "correct the source, or the column's data_type, format, decimal, "
    "round or null_values in sources.yml",
    "required_missing": "have the source fill the column; drop `required` in "
    "sources.yml only if the column is no key and may be empty",
    "below_minimum": "correct the source, or `minimum` in sources.yml",
    "above_maximum": "correct the source, or `maximum` in sources.yml",
    "not_accepted": "correct the source, or `accepted_values` in sources.yml",
    "in_the_future": "correct the source's clock, or the column's time_zone or format "
    "in sources.yml",
    "conflicting_rows": "have one of them delivered; if they are rows of their own, "
    "add to `key` what tells them apart; if one is newer, declare what says so in "
    "sources.yml: cursor, arrived, {date:…} in path, or repeated_key: last_in_file",
    "unknown_reference": "have the other table delivered whole, or declare orphans: "
    "warn for the column's references in sources.yml",
    "repeated_header": "have the file delivered again as one table with one header",
    "total_line": "have the file delivered without lines of totals: they would count "
    "what stands above once more",
    "unreadable_line": "have the file delivered again, or set options.delimiter, quote "
    "or encoding in sources.yml to what the file uses",
}


@dataclass(frozen=True)
class Fault:
    """One way in which a row can be bad.

    `condition` and `shown` (the value at fault) are SQL.
    """

    column: str
    reason: str
    condition: str
    shown: str
    expected: str


# What is expected of unreadable lines that have a cure of their own.
IN_ENCODING = "text in "
OF_JSON = ("a JSON object", "each key of the object once")


def expected_of_line(table: SourceTable, error: str) -> str:
    """SQL of what was expected of an unreadable line, where its connector says `error`.

    Of a table with identifiers only the first words of the error are kept.
    """
    encoding = table.rules.options.get("encoding", "UTF-8")
    width = rf"regexp_extract({error}, 'Columns: (\d+) Found: (\d+)', ['of', 'found'])"
    columns = (
        f"case when {width}.of = '' then 'as many columns as the header has' "
        f"else {width}.of || ' columns, not ' || {width}.found end"
    )
    words = {
        "INVALID ENCODING": literal(f"{IN_ENCODING}{encoding}"),
        "TOO MANY COLUMNS": columns,
        "MISSING COLUMNS": columns,
        "UNQUOTED VALUE": "'quotes only around a whole value, and closed'",
        "LINE SIZE OVER MAXIMUM": "'a line of at most 2,000,000 bytes'",
        "not a JSON object": literal(OF_JSON[0]),
        "repeated key": literal(OF_JSON[1]),
        "cell error": f"replace({error}, 'cell error', 'values, no cell error')",
    }
    cases = " ".join(
        f"when prefix({error}, {literal(begin)}) then {expected}"
        for begin, expected in words.items()
    )
    return f"case {cases} else 'readable values; ' || {error} end"


def masked(text: str) -> str:
    """SQL of a text of which only days and short numbers are shown, else the shape.

    Where values have slipped into other columns, a name or a telephone number may
    stand anywhere.
    """
    harmless = literal(
        r"[+-]?\d{0,6}([.,]\d{0,4})?|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T]+[\d:.,]*)?"
    )
    shape = text
    for kind, sign in ((r"\pL", "x"), (r"\pN", "9")):
        shape = f"regexp_replace({shape}, {literal(kind)}, {literal(sign)}, 'g')"
    return (
        f"case when regexp_full_match({text}, {harmless}) then {text} else {shape} end"
    )


def shown_sql(table: SourceTable, name: str) -> str:
    """SQL of what people may see of an admitted value: of a hash its first digits."""
    text = f"cast({quote(name)} as varchar)"
    if any(column.name == name and column.rules.pii for column in table.columns):
        return f"left({text}, 8)"
    return masked(text) if is_personal(table) else text


def is_required(table: SourceTable, column: Column) -> bool:
    """Whether a row may not lack the column.

    Without its key it cannot be told from another, without its cursor it has no day.
    """
    return column.rules.required or column.name in (
        *table.rules.key,
        table.rules.cursor,
    )


def drops_unreadable(table: SourceTable, column: Column) -> bool:
    """Whether a value that cannot be read counts as none instead of its row as bad."""
    return column.rules.unreadable == "drop_value" and not is_required(table, column)


def repeated_header(table: SourceTable, columns: dict[str, str]) -> Iterator[Fault]:
    """A row that holds the names of its columns: the header of a second file.

    `columns` gives the types of the delivered columns. Not where they came typed: the
    names would not have passed. Hashed columns cannot tell.
    """
    hashed = {
        name
        for column in table.columns
        if column.rules.pii
        for name in column.names_in(columns)
    }
    plain = [name for name in columns if name not in hashed]
    if not plain or set(columns.values()) != {"VARCHAR"}:
        return
    first, *others = plain
    # It may begin with a byte order mark. A case, since all parts of an `and` would be
    # computed for every row.
    same = [f"{quote(name)} = {literal(name)}" for name in others]
    is_header = (
        f"case when suffix({quote(first)}, {literal(first)}) then "
        f"{' and '.join(['true', *same])} end"
    )
    yield Fault(first, "repeated_header", is_header, quote(first), "a row of values")


def total_line(
    table: SourceTable, columns: dict[str, str], is_last: str
) -> Iterator[Fault]:
    """A row that holds nothing but totals of those above.

    Its only words say so, all else in it is numbers, and some column is empty, or it
    is the last row of its file: `is_last` is SQL of that. Not where a declared column
    accepts the word, nor where a key is given and the words are more than that.
    """
    declared = columns_by_name(table)
    owners = {name: declared.get(name.lower()) for name in columns}
    plain = [name for name, owner in owners.items() if not (owner and owner.rules.pii)]
    texts = [name for name in plain if columns[name] == "VARCHAR"]
    # What a column of numbers holds is seldom the word.
    texts.sort(key=lambda name: (owner := owners[name]) is None or not is_text(owner))
    if not texts:
        return
    label = _matching(texts, r"regexp_matches(value, '\pL')") + "[1]"
    accepted = [
        value.lower()
        for owner in owners.values()
        for value in (owner and owner.rules.accepted_values) or []
    ]
    is_accepted = f"lower({label}) in ({', '.join(map(literal, accepted))})"
    keys = [
        name
        for name, owner in owners.items()
        if owner and owner.name in table.rules.key
    ]
    is_known = " and ".join(
        f"regexp_full_match(cast({quote(name)} as varchar), '[^\\pL]+')"
        for name in keys
    )
    lines = f"concat_ws('\n', {', '.join(map(quote, texts))})"
    nobody = [f"{quote(name)} is null" for name in columns if name not in plain]
    is_number = r"regexp_full_match(value, '[^\pL]*\d[^\pL]*')"
    has_number = f"{_matching(plain, is_number)} <> []"
    gap = " or ".join(f"{quote(name)} is null" for name in columns)
    is_row = " or ".join(
        [
            *([is_accepted] if accepted else []),
            *(
                [f"coalesce({is_known} and not {is_total(label)}, false)"]
                if keys
                else []
            ),
        ]
    )
    is_one = " and ".join([*nobody, has_number, f"not ({is_row or 'false'})"])
    shown = masked(label) if is_personal(table) else label
    # Cases, since all parts of an `and` would be computed for every row.
    yield Fault(
        texts[0],
        "total_line",
        f"case when {gap} or {is_last} then case when {is_total_of_lines(lines)} "
        f"then {is_one} end end",
        f"left({shown}, {SHOWN_CHARACTERS})",
        "a row of values, no total of them",
    )


def _matching(names: Iterable[str], condition: str) -> str:
    """SQL of the list of those columns' values, as texts, that meet a condition.

    `condition` calls each of them `value`. So its regular expression stands there once:
    Unicode's classes take milliseconds to compile.
    """
    values = ", ".join(f"cast({quote(name)} as varchar)" for name in names)
    return f"list_filter([{values}], lambda value: {condition})"


def column_faults(
    table: SourceTable,
    column: Column,
    reading: Reading,
    kind: str,
    typed: str,
    later: str | None = None,
) -> Iterator[Fault]:
    """What can be wrong with a value, in the order of asking.

    `typed` is SQL of the value in its type `kind`, `later` of whether it lies after the
    delivery. The conditions read it as seldom as can be, since each row asks them.
    """
    rules, shown = column.rules, reading.shown
    if is_personal(table) and not rules.pii:
        shown = masked(shown)

    def fault(reason: str, expected: str, condition: str) -> Fault:
        return Fault(
            column.name,
            reason,
            condition,
            f"left({shown}, {SHOWN_CHARACTERS})",
            expected[:SHOWN_CHARACTERS],
        )

    if reading.can_fail and not drops_unreadable(table, column):
        # A case, since an `and` would trim each value to see whether one was given.
        unreadable = f"case when {typed} is null then {reading.given} is not null end"
        if kind.startswith("DECIMAL") and not rules.round:
            places = decimal_places(kind)
            has_more = _has_more_places(reading.given, places, rules.decimal)
            yield fault(
                "wrong_type",
                f"{kind.lower()}: at most {places} places",
                f"case when {typed} is null then {has_more} end",
            )
        yield fault("wrong_type", type_expected(column, kind), unreadable)
    if is_required(table, column):
        yield fault("required_missing", "a value", f"{typed} is null")
    # A timestamp counts by its day.
    compared = f"cast({typed} as date)" if kind.startswith("TIMESTAMP") else typed
    for limit, reason, allowed, sign in (
        (rules.minimum, "below_minimum", ">=", "<"),
        (rules.maximum, "above_maximum", "<=", ">"),
    ):
        if limit is not None:
            sql = _limit_sql(table, column, kind, limit)
            yield fault(reason, f"{allowed} {sql}", f"{compared} {sign} {sql}")
    if rules.accepted_values:
        accepted = ", ".join(map(literal, rules.accepted_values))
        yield fault(
            "not_accepted",
            f"one of {', '.join(rules.accepted_values)}",
            f"cast({typed} as varchar) not in ({accepted})",
        )
    if later:
        yield fault("in_the_future", "not later than the delivery", later)


def _limit_sql(
    table: SourceTable, column: Column, kind: str, limit: float | dt.date
) -> str:
    fits = is_time if isinstance(limit, dt.date) else is_number
    if not fits(kind):
        raise ConfigurationError(
            f"sources.yml: {table.full_name}: column {column.name}: minimum and "
            "maximum are for numbers and, as days, for dates and timestamps; found "
            f"{limit} for data_type {column.data_type}"
        )
    return f"date '{limit}'" if isinstance(limit, dt.date) else f"{limit:.15g}"


def _has_more_places(given: str, places: int, decimal: str | None) -> str:
    """SQL of whether a value is a number of more than some decimal places."""
    whole, sign = (r"[\d.,' ]*", decimal) if decimal else (r"\d*", ".")
    more = rf"[+-]?{whole}[{sign}]\d{{{places + 1},}}"
    small = rf"[+-]?\d+([{sign}]\d*)?[eE]-\d+"
    pattern = literal(rf"\s*({more}|{small})\s*")
    return f"regexp_full_match(cast({given} as varchar), {pattern})"


def type_expected(column: Column, kind: str) -> str:
    """What a value of the column should have been, for people."""
    rules, kind = column.rules, kind.lower()
    if rules.pii:
        article = "an" if rules.pii[0] in "aeiou" else "a"
        return f"{article} {rules.pii} that can be normalised"
    if is_json(column):
        return "JSON"
    if kind == "varchar":
        return (
            "text without control or replacement characters, or a number of no more "
            "digits than its type keeps"
        )
    if rules.format:
        return f"{kind} as {' or '.join(rules.format)}"
    if rules.time_zone != "UTC" and kind == "timestamp":
        return (
            f"timestamp that clocks in {rules.time_zone} showed, or with its offset "
            "such as Z or +01:00; any other form needs a format, with %z for an offset"
        )
    return kind


def first_fault(faults: Sequence[Fault]) -> str:
    """SQL of the number of the first fault of a row, from 1; NULL of a good row."""
    cases = " ".join(
        f"when {fault.condition} then {number}"
        for number, fault in enumerate(faults, 1)
    )
    return f"case {cases} end" if cases else "null"
