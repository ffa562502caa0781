"""What the values of a column say: its type, and whether they identify people.

A type is declared only when admission's own SQL reads every row with it. Whatever other
meaning the values allow is a doubt.
"""

import datetime as dt
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import duckdb
import phonenumbers

from kith.casts import Reading, is_number, is_time, read_column
from kith.company import Column, ColumnRules
from kith.database import fetch_row, literal, quote
from kith.scaffold.deliveries import Delivery
from kith.scaffold.vocabulary import NOT_PII, PII, WORDS, words_of

_SAMPLE = 500
# So many values of a column may go to quarantine rather than make it text.
_UNFIT_SHARE = 0.001
# Tokens that surely mean nothing; the further ones may be a value of a text: Namibia, a
# dash, nothing chosen.
_SURE_TOKENS = (
    *("NULL", "null", "(null)", "<NA>", "\\N", "#N/A", "#NULL!", "N/A", "n/a"),
    *("NaN", "nan"),
)
_NULL_TOKENS = (
    *_SURE_TOKENS,
    *("NA", "?", "-", "--", ".", "None", "none", "Blank", "BLANK", "blank"),
    *("Missing", "missing", "Unknown", "unknown", "n.a.", "#"),
)

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_PHONE = re.compile(r"(\+|00)\d[\d ().-]{6,18}|\(?0?\d{2,4}\)?[ -]\d{3,4}[ -]?\d{3,5}")
_MAC_OR_IP = re.compile(r"([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}|(\d{1,3}\.){3}\d{1,3}")
# Numbers of one country are often valid in a neighbour: the larger one is likelier.
_LARGE_REGIONS = (
    *("CN", "US", "IN", "JP", "DE", "GB", "FR", "BR", "IT", "ES", "MX", "KR", "TR"),
    *("ID", "PL", "NL", "CA", "AU"),
)

_DAYS = (
    *("%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y"),
    *("%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d/%m/%y", "%m/%d/%y", "%d.%m.%y"),
    *("%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y"),
    "%Y年%m月%d日",
)
_TIMES = (
    *("", " %H:%M:%S", " %H:%M", " %I:%M:%S %p", " %I:%M %p", " %H:%M:%S.%f"),
    *("T%H:%M:%S", "T%H:%M", " %H:%M:%S %z", " %H:%M:%S%z"),
)
_DATE_LIKE = re.compile(r"(?=.*\d)[\w ,./:+-]{6,35}")
_ISO = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:.*)?")
_OFFSET = re.compile(r"(Z|[+-]\d\d:?\d\d)$")


@dataclass
class ColumnGuess:
    """A column as it will be declared.

    `rules` are those of `meta`; `given` counts its values, `sample` the rows of some of
    them; `distinct` counts the different ones; `low` and `high` bound a number, a date
    or a timestamp.
    """

    name: str
    delivered: list[str]
    given: int = 0
    distinct: int = 0
    sample: dict[str, int] = field(default_factory=dict)
    data_type: str = "varchar"
    rules: dict[str, Any] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)
    low: Any = None
    high: Any = None

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the name that it has in the files."""
        return words_of(self.delivered[0])

    @property
    def is_time(self) -> bool:
        """Whether it is declared a day or an instant."""
        return is_time(self.data_type.upper())

    @property
    def is_number(self) -> bool:
        """Whether it is declared a number."""
        return is_number(self.data_type.upper())

    @property
    def is_id(self) -> bool:
        """Whether its name is that of a key or a number that names something."""
        return bool(WORDS["id"] & {self.words[-1], self.name})

    def declared(self) -> Column:
        """As `load_company` will read it."""
        return Column(
            name=self.name, data_type=self.data_type, rules=ColumnRules(**self.rules)
        )

    def reading(
        self,
        raw_types: dict[str, str],
        data_type: str | None = None,
        rules: dict[str, Any] | None = None,
    ) -> Reading:
        """How admission reads it, as it is guessed so far or as given."""
        rules = {**self.rules, **(rules or {})}
        # Plain, since nothing of it is kept: a hash would not show that it is a key.
        rules.pop("pii", None)
        rules.pop("references", None)
        data_type = data_type or self.data_type
        column = Column(name=self.name, data_type=data_type, rules=ColumnRules(**rules))
        reading = read_column(column, raw_types, data_type.upper())
        assert reading, f"{self.name} is delivered"  # noqa: S101
        return reading


def guess_columns(
    connection: duckdb.DuckDBPyConnection, delivery: Delivery
) -> list[ColumnGuess]:
    """Guess type, rules and identifiers of people of each column of a table."""
    columns = []
    for name, delivered in delivery.columns.items():
        column = ColumnGuess(name, delivered)
        aliases = [one for one in delivered if one.lower() != name]
        if aliases:
            column.rules["aliases"] = aliases
        _take_sample(connection, delivery, column)
        columns.append(column)
    for column in columns:
        if not column.given:
            column.doubts.append("holds no value at all; correct its data_type")
            continue
        others = {word for one in columns if one is not column for word in one.words}
        _guess_pii(column, others)
        raw_types = {delivery.raw_types[one] for one in column.delivered}
        if "pii" in column.rules:
            continue
        if raw_types == {"VARCHAR"}:
            _guess_type(connection, delivery, column)
            _guess_accepted_values(column)
        elif len(raw_types) == 1:
            _take_own_type(connection, delivery, column, *raw_types)
    return columns


def aggregates(
    connection: duckdb.DuckDBPyConnection, relation: str, expressions: Iterable[str]
) -> list[Any]:
    """The values of many aggregates over a relation."""
    values: list[Any] = []
    remaining = iter(expressions)
    # In slices: a statement of a thousand takes longer to plan than to run.
    while part := list(itertools.islice(remaining, 60)):
        values += fetch_row(connection, f"select {', '.join(part)} from {relation}")
    return values


def _take_sample(
    connection: duckdb.DuckDBPyConnection, delivery: Delivery, column: ColumnGuess
) -> None:
    """Count its values; keep some from all over the table, in a fixed order."""
    given = column.reading(delivery.raw_types).given
    tokens = ", ".join(map(literal, _NULL_TOKENS))
    rows = connection.execute(
        f"""
        select text, n, count(*) over (), sum(n) over ()
        from (
            select trim(cast({given} as varchar)) as text, count(*) as n
            from {delivery.view} where {given} is not null group by 1
        )
        order by text not in ({tokens}), hash(text), text limit {_SAMPLE}
        """
    ).fetchall()
    column.sample = {text: n for text, n, _, _ in rows}
    if rows:
        column.distinct, column.given = rows[0][2], int(rows[0][3])


# --- identifiers of people ------------------------------------------------------------


def _guess_pii(column: ColumnGuess, other_words: set[str]) -> None:
    """Declare an identifier of a person; what seems to be one is taken for one."""
    words = {*column.words, "".join(column.words), column.name}
    by_name = [kind for kind, known in PII.items() if words & known]
    if words & {"name", "names"} and (
        words & (WORDS["people"] | {"first", "last"})
        or other_words & (PII["email"] | PII["phone"])
    ):
        by_name.append("handle")
    is_class = column.distinct <= 10 and column.given >= 50 * column.distinct
    if is_class or words & NOT_PII:
        by_name = []

    def share(shape: re.Pattern[str]) -> float:
        fitting = sum(bool(shape.fullmatch(value)) for value in column.sample)
        return fitting / len(column.sample)

    by_shape = None
    if share(_EMAIL) >= 0.5:
        by_shape = "email"
    elif share(_MAC_OR_IP) >= 0.5 and "version" not in words:
        by_shape = "device"
    elif sum(map(_is_card_number, column.sample)) >= 0.8 * len(column.sample):
        by_shape = "card"
    elif share(_PHONE) >= 0.8 and not words & WORDS["time"]:
        by_shape = "phone"
    kind = by_shape or (by_name[0] if by_name else None)
    if kind is None:
        return
    if kind == "email" and share(_EMAIL) < 0.99:
        kind = "handle"
        column.doubts.append(
            "not all of its values are e-mail addresses, so that it is hashed as plain "
            "text; declare pii: email once they are"
        )
    elif kind == "phone":
        kind = _phone_kind(column)
    column.rules["pii"] = kind
    column.doubts.append(
        f"its {'values look' if by_shape else 'name looks'} like an identifier of a "
        "person, so that it is hashed before it is stored; take pii out if it names "
        "nobody"
    )


def _is_card_number(value: str) -> bool:
    """Whether its last digit is the check digit of a card (ISO/IEC 7812)."""
    digits = re.sub(r"[ -]", "", value)
    if not re.fullmatch(r"\d{13,19}", digits):
        return False
    doubled = (
        sum(divmod(int(digit) * (1 + place % 2), 10))
        for place, digit in enumerate(reversed(digits))
    )
    return sum(doubled) % 10 == 0


def _phone_kind(column: ColumnGuess) -> str:
    """`phone`, with its region declared; `handle` where no region fits all numbers."""
    sample = list(column.sample)[:100]

    def is_valid(value: str, region: str | None) -> bool:
        try:
            return phonenumbers.is_valid_number(phonenumbers.parse(value, region))
        except phonenumbers.NumberParseException:
            return False

    if all(is_valid(value, None) for value in sample):
        return "phone"
    regions = sorted(
        region
        for region in phonenumbers.SUPPORTED_REGIONS
        if all(is_valid(value, region) for value in sample)
    )
    if not regions:
        column.doubts.append(
            "its numbers are valid in no single country, so that they are hashed as "
            "plain text; declare pii: phone and phone_region to have them normalised"
        )
        return "handle"
    best = next((one for one in _LARGE_REGIONS if one in regions), regions[0])
    column.rules["phone_region"] = best
    others = [region for region in regions if region != best][:5]
    column.doubts.append(
        f"phone_region {best}: country of its numbers without a country code"
        + (f"; as valid in {', '.join(others)}" if others else "")
    )
    return "phone"


# --- types ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Candidate:
    data_type: str
    rules: dict[str, Any] = field(default_factory=dict)


_NUMBERS = (
    _Candidate("bigint"),
    _Candidate("double"),
    _Candidate("double", {"decimal": "."}),
    _Candidate("double", {"decimal": ","}),
    _Candidate("boolean"),
)


def _guess_type(
    connection: duckdb.DuckDBPyConnection, delivery: Delivery, column: ColumnGuess
) -> None:
    """Take the first type with which all rows can be read, else text."""
    tokens = [token for token in _NULL_TOKENS if token in column.sample]
    values = [value for value in column.sample if value not in tokens]
    if tokens:
        column.rules["null_values"] = tokens
    candidates = list(_candidates(connection, column, values)) if values else []
    text = column.reading(delivery.raw_types).given
    # Of 007 and of a card's twenty digits a number would lose some.
    is_code = f"regexp_matches({text}, '^[+-]?(0\\d|\\d{{19}})')"
    readings = [
        column.reading(delivery.raw_types, one.data_type, one.rules)
        for one in candidates
    ]
    counts = aggregates(
        connection,
        delivery.view,
        [
            f"count({text})",
            f"count(*) filter (where {is_code})",
            *(f"count({one.given}) - count({one.typed})" for one in readings),
        ],
    )
    column.given, codes = counts[:2]
    unfit = list(zip(counts[2:], candidates, strict=True))
    if codes:
        if any(one.data_type == "bigint" and not n for n, one in unfit):
            column.doubts.append(
                "leading zeros, or more than 18 digits: kept as text, so that none is "
                "lost"
            )
        unfit = [(n, one) for n, one in unfit if one not in _NUMBERS]
    best = min(unfit, key=lambda one: one[0] > 0, default=None)
    if best is None or best[0] > _UNFIT_SHARE * column.given:
        nearest = min(unfit, key=lambda one: one[0], default=None)
        if nearest and nearest[0] <= 0.1 * column.given:
            column.doubts.append(
                f"{column.given - nearest[0]} of {column.given} values are "
                f"{nearest[1].data_type}, the others are not: kept as text"
            )
        tokens = [token for token in tokens if token in _SURE_TOKENS]
        column.rules["null_values"] = tokens
    else:
        fitting = [one for n, one in unfit if n <= max(best[0], 0)]
        _take(connection, delivery, column, best[1], fitting, values)
        if best[0]:
            column.doubts.append(
                f"{best[0]} of {column.given} values are no {best[1].data_type} and go "
                "to quarantine; declare varchar to keep them, or null_values if they "
                "mean nothing"
            )
    if not set(tokens) <= set(_SURE_TOKENS):
        column.doubts.append(f"{', '.join(map(repr, tokens))} taken for no value")
    if not tokens:
        column.rules.pop("null_values", None)


def _candidates(
    connection: duckdb.DuckDBPyConnection, column: ColumnGuess, values: list[str]
) -> Iterator[_Candidate]:
    """Types that half of the sample allows, the likeliest first; none for text."""
    words = set(column.words)
    if not column.is_id or words & WORDS["time"]:
        yield from _moments(column, values)
    if column.is_id or words & WORDS["postcode"]:
        return
    connection.execute(
        "create or replace temp table sample_values as select unnest($v) as value",
        {"v": values},
    )
    sample = ColumnGuess("value", ["value"])
    readings = [
        sample.reading({"value": "VARCHAR"}, one.data_type, one.rules).typed
        for one in _NUMBERS
    ]
    counts = aggregates(
        connection, "sample_values", (f"count({one})" for one in readings)
    )
    for candidate, count in zip(_NUMBERS, counts, strict=True):
        # A column of one yes is no question that was answered yes or no.
        if count >= 0.5 * len(values) and (
            candidate.data_type != "boolean" or len(values) > 1
        ):
            yield candidate


def _moments(column: ColumnGuess, values: list[str]) -> Iterator[_Candidate]:
    def are(shape: re.Pattern[str]) -> bool:
        return sum(bool(shape.fullmatch(v)) for v in values) >= 0.9 * len(values)

    is_named = WORDS["time"] & set(column.words) or "date" in column.name
    if not are(_DATE_LIKE) or not (is_named or are(re.compile(".*[-/.:年 ].*"))):
        return
    if are(_ISO):
        yield _Candidate("date")
        yield _Candidate("timestamp")
        return
    for day, time in itertools.product(_DAYS, _TIMES):
        if _can_read(values, day + time):
            yield _Candidate("date", {"format": day + time})
            if time:
                yield _Candidate("timestamp", {"format": day + time})


def _can_read(values: list[str], pattern: str) -> bool:
    """Whether nine of ten values are times of our age in this format."""
    misses = 0
    for value in values:
        try:
            misses += not 1850 <= dt.datetime.strptime(value, pattern).year <= 2150
        except ValueError:
            misses += 1
        if misses > 0.1 * len(values):
            return False
    return True


def _take(
    connection: duckdb.DuckDBPyConnection,
    delivery: Delivery,
    column: ColumnGuess,
    chosen: _Candidate,
    fitting: list[_Candidate],
    values: list[str],
) -> None:
    """Declare the chosen type, and doubt it where another one fits as well."""
    column.data_type = chosen.data_type
    column.rules |= chosen.rules
    if chosen.data_type == "double":
        _guess_places(connection, delivery, column)
        sign = column.rules.get("decimal", ".")
        for other in fitting:
            read_otherwise = other.rules.get("decimal", sign)
            if read_otherwise != sign:
                column.doubts.append(
                    f"1{sign}234 is read as 1.234; all values can be read as thousands "
                    f"too: decimal: '{read_otherwise}'"
                )
    if not column.is_time:
        return
    pattern = str(chosen.rules.get("format", ""))
    swapped = re.sub("%[dm]", lambda sign: {"%d": "%m", "%m": "%d"}[sign[0]], pattern)
    if swapped != pattern and any(
        one.rules.get("format") == swapped for one in fitting
    ):
        column.doubts.append(
            f"every value is a day as {pattern} and with month and day exchanged "
            f"({swapped}); ask who made the files"
        )
    if "%y" in pattern:
        column.doubts.append("years have two digits: 69 to 99 are read as 1969 to 1999")
    if column.data_type == "date" and any(":" in value for value in values):
        column.doubts.append("always at midnight, so that it is taken for a day")
    if column.data_type == "timestamp" and not all(map(_OFFSET.search, values)):
        column.doubts.append(
            "no offset, read as UTC; if the source writes local time, declare "
            "time_zone, such as Europe/Paris"
        )


def _guess_places(
    connection: duckdb.DuckDBPyConnection, delivery: Delivery, column: ColumnGuess
) -> None:
    """Make a decimal of a fraction where that loses nothing."""
    reading = column.reading(delivery.raw_types)
    text = f"cast({reading.given} as varchar)"
    point = f"strpos({text}, {literal(column.rules.get('decimal', '.'))})"
    places, has_exponent, noise, size = fetch_row(
        connection,
        f"""
        select
            coalesce(max(length({text}) - {point}) filter (where {point} > 0), 0),
            bool_or(regexp_matches({text}, '[eE]')),
            max(abs({reading.typed} * 100 - round({reading.typed} * 100))),
            max(abs({reading.typed}))
        from {delivery.view}
        """,
    )
    places = max(places, 2)
    # Cents are kept as such through the noise of binary fractions, 0.30000000000000004.
    if WORDS["money"] & set(column.words) and noise < 1e-4 and size < 1e15:
        column.data_type = "decimal(18,2)"
    elif places <= 6 and not has_exponent and size < 10 ** (18 - places):
        column.data_type = f"decimal(18,{places})"


def _take_own_type(
    connection: duckdb.DuckDBPyConnection,
    delivery: Delivery,
    column: ColumnGuess,
    raw_type: str,
) -> None:
    """A file that knows types is believed, but for names in the guise of numbers."""
    if raw_type.startswith("TIMESTAMP"):
        column.data_type = "timestamp"
    elif raw_type in ("DATE", "BOOLEAN") or raw_type.startswith("DECIMAL"):
        column.data_type = raw_type.lower()
    elif raw_type in ("DOUBLE", "FLOAT") and column.is_id:
        column.data_type = "bigint"
        column.doubts.append(
            "a number with decimals in the file; read as a whole one, since it names "
            "something"
        )
    elif raw_type in ("DOUBLE", "FLOAT"):
        column.data_type = "double"
        if WORDS["money"] & set(column.words):
            _guess_places(connection, delivery, column)
    elif is_number(raw_type) and not column.is_id:
        column.data_type = "bigint"


def _guess_accepted_values(column: ColumnGuess) -> None:
    """A closed list where a text takes few values, each of them often.

    Never of a column that names somebody: its values must not stand in a file.
    """
    values = {
        value: n
        for value, n in column.sample.items()
        if value not in column.rules.get("null_values", [])
    }
    if (
        column.data_type == "varchar"
        and not column.is_id
        and not set(column.words) & (WORDS["people"] | WORDS["free_text"])
        and 2 <= len(values) <= 8
        and column.given >= 50 * len(values)
        and min(values.values()) >= 5
        and all(re.search(r"[^\W\d_]", value) for value in values)
        and max(map(len, values)) <= 40
    ):
        column.rules["accepted_values"] = sorted(values)
        column.doubts.append("all values so far; a new one would be quarantined")


def quoted(columns: Iterable[ColumnGuess]) -> str:
    """Names of columns for a list in SQL."""
    return ", ".join(quote(column.name) for column in columns)
