"""What the values of a column say: its type, and whether they identify people.

A type is declared only when admission's own SQL reads every row with it. Whatever other
meaning the values allow is a doubt.
"""

import datetime as dt
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import phonenumbers
from duckdb import DuckDBPyRelation

from kith.company.tables import Column, ColumnRules
from kith.database import literal, quote
from kith.deliveries.casts import Reading, is_number, is_time, read_column
from kith.deliveries.nobody import NOBODY
from kith.onboard.deliveries import TableFiles
from kith.onboard.doubts import CUSTOMERS, NUMBERS
from kith.onboard.vocabulary import PII, WORDS, words_of

_SAMPLE = 500
_AT_ONCE = 20
# So many values of a column may go to quarantine rather than make it text.
_UNFIT_SHARE = 0.001
# Amounts with each of the decimal signs.
_COMMA, _POINT = r"[+-]?[\d.'’ ]*\d,\d{1,2}", r"[+-]?[\d,'’ ]*\d\.\d{1,2}"
# Without thousands, so that a sign is that of the decimals.
_PLAIN = r"[+-]?\d{1,16}([.,]\d{1,2})?"
# So many of a column of people say what it is, notes and slips of the pen besides.
_MOST = 0.5
# No telephone number has fewer.
_DIGITS = 6
# Of fewer numbers a word among them may be one of theirs.
_FEW_NUMBERS = 10
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
_FRACTION = re.compile(r"[+-]?\d+[.,]\d{1,2}")
# As links and mail programs write it, too.
_WRITTEN_EMAIL = r"(.*<)?(mailto:)?[^@\s<>]+@[^@\s<>]+\.[^@\s.<>]+(>|\?.*)?"
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
    *("T%H:%M:%S", "T%H:%M"),
)
# Of ISO those with an odd offset.
_ZONED_TIMES = (" %H:%M:%S %z", " %H:%M:%S%z", "T%H:%M:%S %z", "T%H:%M:%S%z")
_DATE_LIKE = r"(?=.*\d)[\w ,./:+-]{6,35}"
_ISO = r"\d{4}-\d\d-\d\d([ T]\d\d:.*)?"
_WAS_FLOAT = (
    f"{CUSTOMERS}a number with decimals in the file; read as a whole one, since it "
    "names something"
)
# Instants from 2001 to 2033, counted since 1970.
_EPOCHS = {
    "epoch_s": r"1\d{9}(\.\d+)?",
    "epoch_ms": r"1\d{12}",
    "epoch_us": r"1\d{15}",
}
# What a text may hold that no type reads.
_UNTOLD = {
    "days written in several ways, for which `format` may be a list": (
        r"(?=.*\d\d)(\d+[-./]){2}\d+"
    ),
    "times with an offset, which a `format` with %z may read": (
        r"(?=.*\d{4}).*\d\d:\d\d.*?\s*([+-]\d\d?(:?\d\d)?|Z|z|UTC|utc|GMT)"
    ),
    "numbers with a sign, which staging may take off": (
        r"[$€£¥]\s?-?[\d.,]+|-?[\d.,]+\s?[%€$£¥]"
    ),
}


@dataclass(eq=False)
class ColumnGuess:
    """A column as it will be declared.

    `rules` are those of `meta`; `given` counts its values, `distinct` the different
    ones, `sample` the rows of some of them; `low` and `high` bound a number, a date or
    a timestamp. `swapped` is its format with month and day exchanged, if all values
    allow that too. `is_mixed` tells of numbers with two decimal signs, `has_one_way`
    that staging can read them, having no thousands. A field of a column that holds
    several is not declared: `within` is its SQL in staging.
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
    swapped: str | None = None
    is_mixed: bool = False
    has_one_way: bool = False
    within: str = ""

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the name that it has in the files."""
        return words_of(self.delivered[0])

    @property
    def is_time(self) -> bool:
        """Whether it is declared a day or an instant."""
        return is_time(self.data_type.upper())

    @property
    def is_change(self) -> bool:
        """Whether it tells when the row was changed last."""
        return self.is_time and self.has_word("change")

    @property
    def is_anonymous(self) -> bool:
        """Whether it seems to name a browser or a device, whoever uses it."""
        return (
            self.is_id
            and self.has_word("pseudonym", "anonymous")
            and not self.has_word("session", "no_pii")
        )

    @property
    def is_number(self) -> bool:
        """Whether it is declared a number."""
        return is_number(self.data_type.upper())

    @property
    def is_id(self) -> bool:
        """Whether its name is that of a key or a number that names something."""
        last = self.words[-1]
        return bool(WORDS["id"] & {last, self.name}) or (
            last not in WORDS["no_id"] and bool(re.search("[a-z](id|num|nbr)$", last))
        )

    def has_word(self, *kinds: str) -> bool:
        """Whether its name holds a word of these kinds."""
        return any(WORDS[kind] & set(self.words) for kind in kinds)

    def declared(self) -> Column:
        """As `load_company` will read it."""
        return Column(
            name=self.name, data_type=self.data_type, rules=ColumnRules(**self.rules)
        )

    def reading(
        self,
        delivery: TableFiles,
        data_type: str = "",
        rules: dict[str, Any] | None = None,
    ) -> Reading:
        """How admission reads it, as it is guessed so far or as given."""
        rules = {**self.rules, **(rules or {})}
        # Plain, since nothing of it is kept: a hash would not show that it is a key.
        rules.pop("pii", None)
        kind = data_type or self.data_type
        column = Column(name=self.name, data_type=kind, rules=ColumnRules(**rules))
        reading = read_column(column, delivery.raw_types, kind.upper())
        if reading is None:
            raise KeyError(self.name)
        return reading


def guess_columns(delivery: TableFiles) -> list[ColumnGuess]:
    """Guess type, rules and identifiers of people of each column of a table."""
    columns = [ColumnGuess(name, names) for name, names in delivery.columns.items()]
    for column in columns:
        aliases = [name for name in column.delivered if name.lower() != column.name]
        if aliases and column.name not in delivery.fields:
            column.rules["aliases"] = aliases
    _take_samples(delivery, [c for c in columns if c.name not in delivery.holders])
    for column in columns:
        if column.name in delivery.holders:
            column.data_type = "json"
            column.given = delivery.rows
            continue
        if column.name in delivery.fields:
            _guess_field(delivery, column)
            continue
        if not column.given:
            column.doubts.append("holds no value at all; correct its data_type")
            continue
        others = {word for one in columns if one is not column for word in one.words}
        _guess_pii(column, others)
        if "pii" in column.rules:
            _settle_odd_values(delivery, column)
        raw_types = {delivery.raw_types[name] for name in column.delivered}
        if "pii" not in column.rules and raw_types == {"VARCHAR"}:
            _guess_type(delivery, column)
            _guess_nobody(delivery, column)
            _guess_accepted_values(column)
            _guess_whole_numbers(column)
        elif "pii" not in column.rules and len(raw_types) == 1:
            _take_own_type(delivery, column, *raw_types)
    _settle_orders(columns)
    plain = [one for one in columns if one.within and "pii" in one.rules]
    if plain:
        delivery.doubts.append(
            f"{CUSTOMERS}{', '.join(one.name for one in plain)}: seems to identify "
            "people, but within another column it cannot be hashed and is stored as it "
            "comes; have it delivered as a column of its own, or not at all"
        )
    return [column for column in columns if column not in plain]


def _guess_field(delivery: TableFiles, column: ColumnGuess) -> None:
    """Guess the type of a field, as which staging will cast its text.

    One that identifies people is known by `pii`: it cannot be hashed there.
    """
    column.within, own_name = delivery.fields[column.name]
    if not column.given:
        return
    # The browser of a device is none.
    of_name = column.words if column.is_id else words_of(own_name)
    _guess_pii(replace(column, delivered=[" ".join(of_name)]), set())
    if column.is_anonymous:
        column.rules.clear()
    if "pii" in column.rules:
        return
    _guess_type(delivery, column)
    text = column.reading(delivery, "varchar", {}).given
    (unread,) = aggregates(
        delivery.delivered,
        [f"count({text}) - count(try_cast({text} as {column.data_type}))"],
    )
    has_offset = any(re.search(r"[+-]\d\d(:?\d\d)?$", one) for one in column.sample)
    if (
        unread
        or {"format", "decimal"} & set(column.rules)
        or (has_offset and column.data_type == "timestamp")
    ):
        column.data_type = "varchar"
    column.rules.clear()
    column.doubts.clear()


def aggregates(rows: DuckDBPyRelation, expressions: Iterable[str]) -> list[Any]:
    """The values of many aggregates over a relation."""
    values: list[Any] = []
    remaining = iter(expressions)
    # In slices: a statement of a thousand takes longer to plan than to run.
    while part := list(itertools.islice(remaining, 60)):
        values += rows.aggregate(", ".join(part)).fetchall()[0]
    return values


def _take_samples(delivery: TableFiles, columns: list[ColumnGuess]) -> None:
    """Count their values; keep some from all over the table, in a fixed order."""
    tokens = ", ".join(map(literal, _NULL_TOKENS))
    remaining = iter(columns)
    # Many at once, since most columns take longer to plan than to count.
    while part := list(itertools.islice(remaining, _AT_ONCE)):
        texts = ", ".join(
            f"trim(cast({column.reading(delivery).given} as varchar)) as c{place}"
            for place, column in enumerate(part)
        )
        names = ", ".join(f"c{place}" for place in range(len(part)))
        values = delivery.delivered.query(
            "delivered",
            f"""
            select name, text, n, different, given
            from (
                select
                    name,
                    text,
                    count(*) as n,
                    count(*) over (partition by name) as different,
                    cast(sum(count(*)) over (partition by name) as bigint) as given,
                    row_number() over (
                        partition by name
                        order by text not in ({tokens}), hash(text), text
                    ) as place
                from (
                    unpivot (select {texts} from delivered)
                    on {names} into name name value text
                )
                group by name, text
            )
            where place <= {_SAMPLE}
            order by name, place
            """,
        ).fetchall()
        for name, text, count, different, given in values:
            column = part[int(name[1:])]
            column.sample[text] = count
            column.distinct, column.given = different, given


# --- identifiers of people ------------------------------------------------------------


def _guess_pii(column: ColumnGuess, other_words: set[str]) -> None:
    """Declare an identifier of a person; what seems to be one is taken for one."""
    words = {*column.words, "".join(column.words), column.name}

    values = _known(column.sample)

    def share(shape: re.Pattern[str]) -> float:
        return sum(map(bool, map(shape.fullmatch, values))) / len(values)

    by_name = [kind for kind, known in PII.items() if words & known]
    # So does Google Analytics call a browser, and others a customer.
    is_client = column.words[-2:] == ("client", "id") and bool(
        other_words & WORDS["browsing"] or "ga" in words
    )
    is_anonymous = column.is_anonymous or is_client
    if is_anonymous:
        by_name.insert(0, "device")
    is_name = bool(words & {"name", "names"}) and bool(
        words & (WORDS["people"] | {"first", "last"})
        or other_words & (PII["email"] | PII["phone"])
    )
    if is_name:
        by_name.append("handle")
    is_class = column.distinct <= 10 and column.given >= 50 * column.distinct
    kind = (
        by_name[0] if by_name and not is_class and not words & WORDS["no_pii"] else ""
    )
    why = "its name looks"
    for by_shape, is_so in (
        ("email", share(_EMAIL) >= _MOST),
        ("device", share(_MAC_OR_IP) >= 0.5 and "version" not in words),
        ("card", sum(map(_is_card, values)) >= 0.8 * len(values)),
        (
            "phone",
            share(_PHONE) >= 0.8
            and not words & (WORDS["time"] | WORDS["money"])
            # 0000417.11 is no number of another country.
            and share(_FRACTION) < 0.8,
        ),
    ):
        if is_so:
            kind, why = by_shape, "its values look"
            break
    if not kind:
        return
    if kind == "email" and share(_EMAIL) < _MOST:
        kind = "handle"
        column.doubts.append(
            f"{CUSTOMERS}not all of its values are e-mail addresses, so that it is "
            "hashed as plain "
            "text; declare pii: email once they are"
        )
    elif kind == "phone":
        kind = _phone_kind(column)
    column.rules["pii"] = kind
    if kind == "device" and is_anonymous and not column.has_word("pseudonym"):
        column.doubts.append(
            f"{CUSTOMERS}taken for the number of a browser or device: who is known by "
            "nothing else is a visitor and no customer; take pii out if it numbers "
            "people, or set identity: anonymous in company.yml"
        )
    if kind == "handle" and (is_name or words & WORDS["borne"]):
        column.rules["identifies"] = "nobody"
    elif words & WORDS["others"]:
        column.rules["identifies"] = "somebody_else"
        column.doubts.append(
            f"{CUSTOMERS}its name tells of another person than the row's, so that it "
            "joins nobody; take identifies out if it is the customer's own"
        )
    column.doubts.append(
        f"{why} like an identifier of a person, so that it is hashed before it is "
        "stored; take pii out if it names nobody"
    )


def _is_card(value: str) -> bool:
    """Whether its last digit is the check digit of a card (ISO/IEC 7812)."""
    digits = re.sub(r"[ -]", "", value)
    doubled = (
        sum(divmod(int(digit) * (1 + place % 2), 10))
        for place, digit in enumerate(reversed(digits))
    )
    return bool(re.fullmatch(r"\d{13,19}", digits)) and sum(doubled) % 10 == 0


def _known(values: Iterable[str]) -> list[str]:
    """Those that are no word for nobody; all where there are no others."""
    values = list(values)
    return [value for value in values if value.lower() not in NOBODY] or values


def _phone_kind(column: ColumnGuess) -> str:
    """`phone`, with its region declared; `handle` where no region fits its numbers."""
    values = _known(itertools.islice(column.sample, 100))
    numbers = [value for value in values if len(re.findall(r"\d", value)) >= _DIGITS]

    def misses(region: str | None, allowed: float) -> int:
        """How many are no numbers of a region, counted up to those allowed."""
        count = 0
        for value in numbers:
            number = _phone_number(value, region)
            count += number is None or not phonenumbers.is_valid_number(number)
            if count > allowed:
                break
        return count

    if len(numbers) >= _MOST * len(values):
        if not misses(None, 0):
            return "phone"
        allowed = 0.05 * len(numbers)
        smaller = sorted(phonenumbers.SUPPORTED_REGIONS - set(_LARGE_REGIONS))
        regions = (*_LARGE_REGIONS, *smaller)
        found = {region: misses(region, allowed) for region in regions}
        fewest = min(found.values())
        best, *others = [region for region in found if found[region] == fewest]
        if fewest <= allowed:
            column.rules["phone_region"] = best
            also = f"; as valid in {', '.join(others[:5])}" if others else ""
            column.doubts.append(
                f"{CUSTOMERS}phone_region {best}: country of its numbers without a "
                f"country code{also}"
            )
            return "phone"
    column.doubts.append(
        f"{CUSTOMERS}its numbers are valid in no single country, so that they are "
        "hashed as plain text; declare pii: phone and phone_region to have them "
        "normalised"
    )
    return "handle"


def _phone_number(value: str, region: str | None) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException:
        return None


def _settle_odd_values(delivery: TableFiles, column: ColumnGuess) -> None:
    """Let rows pass whose value is none of what most of them are, and doubt it.

    Notes and slips of the pen name nobody, and the rest of the row is sound.
    """
    kind = column.rules["pii"]
    given = column.reading(delivery).given
    text = f"lower(cast({given} as varchar))"
    nobody = f"{text} in ({', '.join(map(literal, NOBODY))})"
    if kind == "phone":
        region = column.rules.get("phone_region")
        numbers = {value: _phone_number(value, region) for value in column.sample}
        count = sum(
            column.sample[value]
            for value, number in numbers.items()
            if value.lower() not in NOBODY
            and not (number and phonenumbers.is_possible_number(number))
        )
        about = "at least " if column.distinct > len(column.sample) else ""
        _drop_odd_values(
            column, f"{about}{count}" if count else "", "telephone numbers"
        )
    elif kind == "email":
        is_odd = f"not regexp_full_match({text}, {literal(_WRITTEN_EMAIL)})"
        (count,) = aggregates(
            delivery.delivered, [f"count(*) filter (where {is_odd} and not {nobody})"]
        )
        _drop_odd_values(column, f"{count}" if count else "", "e-mail addresses")
    elif kind == "card":
        is_word = f"not regexp_matches({text}, '\\d')"
        (count,) = aggregates(
            delivery.delivered, [f"count(*) filter (where {is_word} and not {nobody})"]
        )
        if 0 < count < _MOST * column.given:
            column.doubts.append(
                f"{CUSTOMERS}{count} of {column.given} values of {column.name} are "
                "words, the others numbers: each word counts as the number of one "
                "person; declare among null_values those that mean nobody"
            )


def _drop_odd_values(column: ColumnGuess, count: str, what: str) -> None:
    if count:
        column.rules["unreadable"] = "drop_value"
        column.doubts.append(
            f"{CUSTOMERS}{count} of {column.given} values of {column.name} are no "
            f"{what}: they count as none, and their rows for whom else they name; take "
            "unreadable out to have such rows refused"
        )


# --- types ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Candidate:
    """A type, and the shape that at least half of the values have then."""

    data_type: str
    rules: dict[str, Any] = field(default_factory=dict)
    shape: str = ".*"


_NUMBERS = (
    _Candidate("bigint", {}, r"[+-]?\d+"),
    _Candidate("double", {}, r"[+-]?\d*\.?\d+([eE][+-]?\d+)?"),
    _Candidate("double", {"decimal": "."}, r"[+-]?\d{1,3}([, '’]?\d{3})*(\.\d*)?"),
    _Candidate("double", {"decimal": ","}, r"[+-]?\d{1,3}([. '’]?\d{3})*(,\d*)?"),
    _Candidate("boolean", {}, r"(?i)true|false|yes|no|t|f|y|n"),
)


def _guess_type(delivery: TableFiles, column: ColumnGuess) -> None:
    """Take the first type with which all rows can be read, else text."""
    tokens = [token for token in _NULL_TOKENS if token in column.sample]
    values = [value for value in column.sample if value not in tokens]
    if tokens:
        column.rules["null_values"] = tokens
    candidates = list(_candidates(column, values)) if values else []
    text = column.reading(delivery).given
    # Of 007 and of a card's twenty digits a number would lose some; of an amount that
    # is filled up with noughts it loses nothing.
    padded = "" if column.has_word("money") else "0\\d|"
    is_code = f"regexp_matches({text}, '^[+-]?({padded}\\d{{19}})')"
    is_padded = f"regexp_full_match({text}, '0\\d+')"
    column.given, codes, noughts, commas, points, plain, *unread = aggregates(
        delivery.delivered,
        [
            f"count({text})",
            f"count(*) filter (where {is_code})",
            f"count(*) filter (where {is_padded})",
            *(
                f"count(*) filter (where regexp_full_match({text}, {literal(sign)}))"
                for sign in (_COMMA, _POINT, _PLAIN)
            ),
            *(
                f"count({text}) - count({reading.typed})"
                for one in candidates
                for reading in [column.reading(delivery, one.data_type, one.rules)]
            ),
        ],
    )
    unfit = list(zip(unread, candidates, strict=True))
    if codes and unfit:
        if unfit[0] == (0, _NUMBERS[0]):
            column.doubts.append(
                "leading zeros, or more than 18 digits: kept as text, so that none is "
                "lost"
            )
        unfit = [pair for pair in unfit if pair[1] not in _NUMBERS]
    is_birth = column.has_word("birth")
    failing, best = min(
        unfit, key=lambda one: one[0] if is_birth else one[0] > 0, default=(0, None)
    )
    is_day = is_birth and best is not None and is_time(best.data_type.upper())
    if best and failing <= (1 - _MOST if is_day else _UNFIT_SHARE) * column.given:
        fitting = [one for count, one in unfit if count in (0, failing * is_day)]
        _take(delivery, column, best, fitting, values)
        if noughts and column.data_type == "bigint":
            column.doubts.append(
                f"{NUMBERS}{noughts} of {column.given} values are padded with noughts "
                "and no decimals: read as whole numbers; if their last two digits are "
                "cents, let staging divide them by 100"
            )
        if failing and is_day:
            _drop_odd_values(column, f"{failing}", "days")
        elif failing:
            column.doubts.append(
                f"{NUMBERS}{failing} of {column.given} values are no "
                f"{best.data_type} and go to "
                "quarantine; declare varchar to keep them, or null_values if they mean "
                "nothing"
            )
    else:
        least = _MOST if column.has_word("money", "time", "birth") else 0.9
        fewest, nearest = min(unfit, key=lambda one: one[0], default=(0, None))
        if commas and points and commas + points >= 0.9 * column.given:
            _tell_mixed(column, commas, points, plain)
        elif nearest and fewest <= (1 - least) * column.given:
            column.doubts.append(
                f"{NUMBERS}{column.given - fewest} of {column.given} values are "
                f"{nearest.data_type}, the others are not: kept as text"
            )
        for kind, shape in _UNTOLD.items() if not column.is_id else ():
            if sum(bool(re.fullmatch(shape, one)) for one in values) > 0.9 * len(
                values
            ):
                column.doubts.append(f"{NUMBERS}seems to hold {kind}: kept as text")
        tokens = [token for token in tokens if token in _SURE_TOKENS]
        column.rules["null_values"] = tokens
    if not tokens:
        column.rules.pop("null_values", None)
    elif not set(tokens) <= set(_SURE_TOKENS):
        column.doubts.append(f"{', '.join(map(repr, tokens))} taken for no value")


def _tell_mixed(column: ColumnGuess, commas: int, points: int, plain: int) -> None:
    """Doubt numbers with two decimal signs, and let staging read them if it can."""
    column.is_mixed = True
    told = (
        f"{NUMBERS}{commas} values of {column.name} have a comma before their "
        f"decimals, and {points} a point"
    )
    if plain == column.given:
        column.has_one_way = True
        column.doubts.append(
            f"{told}: declared as text, and read as numbers by staging; have one sign "
            "delivered, and declare decimal(18,2)"
        )
    else:
        column.doubts.append(
            f"{told}, some with thousands or more decimals: kept as text, so that "
            "nothing is made of them; have one sign delivered, or let staging read them"
        )


def _candidates(column: ColumnGuess, values: list[str]) -> Iterator[_Candidate]:
    """Types that most of the sample allows, the likeliest first; none for text."""

    def share(shape: str) -> float:
        return sum(bool(re.fullmatch(shape, value)) for value in values) / len(values)

    is_named = column.has_word("time", "birth") or "date" in column.name
    # A note among them does not make it another column.
    least = _MOST if is_named else 0.9
    for unit, shape in _EPOCHS.items():
        if is_named and share(shape) == 1:
            yield _Candidate("timestamp", {"format": unit})
    if (
        (is_named or not column.is_id)
        and share(_DATE_LIKE) >= least
        and (is_named or share(".*[-/.:年 ].*") >= 0.9)
    ):
        is_iso = share(_ISO) >= least
        if is_iso:
            yield from (_Candidate("date"), _Candidate("timestamp"))
        days, times = (
            (_DAYS[:1], _ZONED_TIMES) if is_iso else (_DAYS, _TIMES + _ZONED_TIMES)
        )
        for day, time in itertools.product(days, times):
            if _can_read(values, day + time, least):
                yield _Candidate("date", {"format": day + time})
                if time:
                    yield _Candidate("timestamp", {"format": day + time})
    if not column.is_id and not column.has_word("postcode"):
        has_sign = any(re.search(r"[,. '’]", value) for value in values)
        for candidate in _NUMBERS:
            # A column of nothing but yes is no question with two answers.
            is_idle = len(values) < 2 and candidate.data_type == "boolean"
            is_idle |= "decimal" in candidate.rules and not has_sign
            if not is_idle and share(candidate.shape) >= 0.5:
                yield candidate


def _can_read(values: list[str], pattern: str, least: float) -> bool:
    """Whether so many of the values are times of our age in this format."""
    misses = 0
    for value in values:
        try:
            misses += not 1850 <= dt.datetime.strptime(value, pattern).year <= 2150
        except ValueError:
            misses += 1
        if misses > (1 - least) * len(values):
            return False
    return True


def _take(
    delivery: TableFiles,
    column: ColumnGuess,
    chosen: _Candidate,
    fitting: list[_Candidate],
    values: list[str],
) -> None:
    """Declare the chosen type, and doubt it where another one fits as well."""
    column.data_type = chosen.data_type
    column.rules |= chosen.rules
    if chosen.data_type == "double":
        _guess_places(delivery, column)
        sign = chosen.rules.get("decimal", ".")
        if any(one.rules.get("decimal", sign) != sign for one in fitting):
            other = "," if sign == "." else "."
            column.doubts.append(
                f"{NUMBERS}{sign} is taken for the decimal sign and {other} for "
                f"thousands, but all values allow the reverse: decimal: '{other}'"
            )
    pattern = chosen.rules.get("format", "")
    swapped = re.sub("%[dm]", lambda sign: {"%d": "%m", "%m": "%d"}[sign[0]], pattern)
    if swapped != pattern and {"format": swapped} in [one.rules for one in fitting]:
        column.swapped = swapped
    if "%y" in pattern:
        column.doubts.append("years have two digits: 69 to 99 are read as 1969 to 1999")
    if column.data_type == "date" and any(":" in value for value in values):
        column.doubts.append("always at midnight, so that it is taken for a day")
    if (
        column.data_type == "timestamp"
        and pattern not in _EPOCHS
        and not all(re.search(r"(Z|[+-]\d\d:?\d\d)$", value) for value in values)
    ):
        column.doubts.append(
            "no offset, read as UTC; if the source writes local time, declare "
            "time_zone, such as Europe/Paris"
        )


def _settle_orders(columns: list[ColumnGuess]) -> None:
    """Of days that can be read in two ways take the way that their neighbours prove."""

    def is_day_first(pattern: str) -> bool:
        return pattern.index("%d") < pattern.index("%m")

    proved = {
        is_day_first(column.rules["format"])
        for column in columns
        if re.match("%[dm].%[dm]", column.rules.get("format", ""))
        and not column.swapped
    }
    for column in columns:
        if column.swapped is None:
            continue
        if proved == {is_day_first(column.swapped)}:
            column.rules["format"], column.swapped = (
                column.swapped,
                column.rules["format"],
            )
        column.doubts.append(
            f"{NUMBERS}every value is a day as {column.rules['format']} and with month "
            "and day "
            f"exchanged ({column.swapped}); ask who made the files"
        )


def _guess_places(delivery: TableFiles, column: ColumnGuess) -> None:
    """Make a decimal of a fraction where that loses nothing."""
    reading = column.reading(delivery)
    text, value = f"cast({reading.given} as varchar)", reading.typed
    point = f"strpos({text}, {literal(column.rules.get('decimal', '.'))})"
    places, has_exponent, noise, size = aggregates(
        delivery.delivered,
        (
            f"coalesce(max(length({text}) - {point}) filter (where {point} > 0), 0)",
            f"bool_or(regexp_matches({text}, '[eE]'))",
            f"max(abs({value} * 100 - round({value} * 100)))",
            f"max(abs({value}))",
        ),
    )
    places = max(places, 2)
    # Cents are kept as such through the noise of binary fractions, 0.30000000000000004.
    if column.has_word("money") and noise < 1e-4 and size < 1e15:
        column.data_type = "decimal(18,2)"
    elif places <= 6 and not has_exponent and size < 10 ** (18 - places):
        column.data_type = f"decimal(18,{places})"


def _take_own_type(delivery: TableFiles, column: ColumnGuess, raw_type: str) -> None:
    """A file that knows types is believed, but for names in the guise of numbers."""
    is_float = raw_type in ("DOUBLE", "FLOAT")
    units = [
        unit
        for unit, shape in _EPOCHS.items()
        if column.has_word("time")
        and is_number(raw_type)
        and all(re.fullmatch(shape, value) for value in column.sample)
    ]
    if units:
        column.data_type, column.rules["format"] = "timestamp", units[0]
    elif raw_type.startswith("TIMESTAMP"):
        column.data_type = "timestamp"
    elif raw_type in ("DATE", "BOOLEAN") or raw_type.startswith("DECIMAL"):
        column.data_type = raw_type.lower()
    elif is_number(raw_type) and is_float == column.is_id:
        column.data_type = "bigint"
        if is_float:
            column.doubts.append(_WAS_FLOAT)
    elif is_float:
        column.data_type = "double"
        if column.has_word("money"):
            _guess_places(delivery, column)


def _guess_whole_numbers(column: ColumnGuess) -> None:
    """Read 17850.0 as 17850 where all names in a column are numbers."""
    is_float = [bool(re.fullmatch(r"\d+\.00?", value)) for value in column.sample]
    is_whole = [value.isdigit() for value in column.sample]
    if (
        column.is_id
        and any(is_float)
        and sum(is_float) + sum(is_whole) == len(is_float)
    ):
        column.rules["whole_numbers"] = True
        column.doubts.append(_WAS_FLOAT)


def _guess_nobody(delivery: TableFiles, column: ColumnGuess) -> None:
    """Take a word for no value where it stands among numbers that name something."""
    known = column.rules.get("null_values", [])
    values = {
        value: count for value, count in column.sample.items() if value not in known
    }
    words = {value for value in values if not re.search(r"\d", value)}
    numbers = [count for value, count in values.items() if value not in words]
    if (
        not (column.is_id or column.has_word("person"))
        or column.data_type != "varchar"
        or not words
        or len(numbers) < 0.95 * (len(values) - 1)
        or len(numbers) < _FEW_NUMBERS
    ):
        return
    if nobody := sorted(word for word in words if word.lower() in NOBODY):
        column.rules["null_values"] = [*known, *nobody]
        given = f"count({column.reading(delivery).given})"
        (column.given,) = aggregates(delivery.delivered, [given])
        count = sum(values[word] for word in nobody)
        column.doubts.append(
            f"{CUSTOMERS}{', '.join(map(repr, nobody))} in {count} of "
            f"{column.given + count} values, taken for no value, since the others are "
            "numbers"
        )
        column.distinct -= len(nobody)
    most = max((values[word] for word in words - {*nobody}), default=0)
    if most >= 3 * max(numbers):
        # Not which: it may be a name.
        column.doubts.append(
            f"{CUSTOMERS}{most} of {column.given} values are one word, while the "
            "others are numbers and none is so frequent; if it means nobody, declare "
            "it among null_values"
        )


def _guess_accepted_values(column: ColumnGuess) -> None:
    """A closed list where a text takes few values, each of them often.

    Never of a column that names somebody: its values must not stand in a file.
    """
    values = sorted(set(column.sample) - set(column.rules.get("null_values", [])))
    if (
        column.data_type == "varchar"
        and not column.is_id
        and not column.has_word("people", "free_text")
        and 2 <= len(values) <= 8
        and column.given >= 50 * len(values)
        and all(column.sample[value] >= 5 for value in values)
        and all(re.search(r"[^\W\d_]", value) for value in values)
        and max(map(len, values)) <= 40
    ):
        column.rules["accepted_values"] = values
        column.doubts.append("all values so far; a new one would be quarantined")


def quoted(columns: Iterable[ColumnGuess]) -> str:
    """Names of columns for a list in SQL."""
    return ", ".join(quote(column.name) for column in columns)
