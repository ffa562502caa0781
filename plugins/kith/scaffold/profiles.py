"""What the values of a table say: types, identifiers of people, keys, time, references.

A type is declared only when admission's own SQL reads every row with it; a key only
when it is unique over all rows. Whatever other meaning the values allow is a doubt.
"""

import datetime as dt
import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import duckdb
import phonenumbers

from kith.casts import declared_types, given_sql, is_number, typed_sql
from kith.company import Column, ColumnRules, SourceTable, TableRules
from kith.database import fetch_row, literal, quote
from kith.scaffold.deliveries import Delivery

_SAMPLE = 500
_FIRST_LOOK = 50_000
# So many values of a column may go to quarantine rather than make it text.
_UNFIT_SHARE = 0.001
_NULL_TOKENS = (
    *("NULL", "null", "(null)", "<NA>", "\\N", "#N/A", "#NULL!", "N/A", "n/a"),
    *("NaN", "nan", "NA", "?", "-", "--", ".", "None", "none", "Blank", "BLANK"),
    *("blank", "Missing", "missing", "Unknown", "unknown", "n.a.", "#"),
)
# Tokens that surely mean nothing; the others may be a value of a text: Namibia, a
# dash, nothing chosen.
_SURE_TOKENS = set(_NULL_TOKENS[:11])

_PII_WORDS = {
    "email": {"email", "mail", "emailaddress", "mailbox", "邮箱", "电子邮件"},
    "phone": {
        *("phone", "phonenumber", "telephone", "tel", "mobile", "cellphone", "fax"),
        *(
            "msisdn",
            "handy",
            "telefon",
            "telefono",
            "whatsapp",
            "电话",
            "手机",
            "手机号",
        ),
    },
    "card": {
        *("card", "cardnumber", "iban", "pan", "ssn", "passport", "taxid", "vatid"),
        *("licence", "license", "bankaccount", "karte", "卡号", "会员卡", "身份证"),
    },
    "device": {
        *("device", "deviceid", "imei", "imsi", "mac", "idfa", "gaid", "cookie", "ip"),
        *("ipaddress", "fingerprint", "useragent", "browserid", "visitorid"),
    },
    "handle": {
        *("handle", "username", "nickname", "screenname", "login", "twitter", "author"),
        *("instagram", "facebook", "wechat", "openid", "firstname", "lastname"),
        *("surname", "fullname", "forename", "givenname", "familyname", "maidenname"),
        *("street", "address", "addressline", "昵称", "姓名", "地址", "微信"),
    },
}
_PEOPLE = {
    *("customer", "client", "contact", "person", "employee", "agent", "clerk", "user"),
    *("member", "household", "caller", "owner", "buyer", "guest", "patient", "staff"),
    *("passenger", "recipient", "sender", "cashier", "seller", "respondent"),
}
_ID_WORDS = {
    *("id", "key", "num", "number", "no", "nr", "nbr", "code", "upc", "sku", "ean"),
    *("uuid", "guid", "ref", "reference", "isbn", "zip", "zipcode", "postcode"),
    *("postal", "plz", "编号", "号", "id号"),
}
_TIME_WORDS = {
    *("date", "day", "time", "timestamp", "datetime", "at", "on", "dt", "ts", "when"),
    *("datum", "zeit", "日期", "时间"),
}
# A moment that says when the row's matter began; the later words say it more surely.
_CURSOR_WORDS = (
    *("date", "day", "time", "timestamp", "datetime", "created", "answered", "posted"),
    *("opened", "occurred", "sent", "event", "visited", "purchase", "bought", "order"),
    *("ordered", "invoice", "transaction", "sold", "redemption", "updated", "modified"),
)
_NO_CURSOR_WORDS = {
    *("birth", "born", "dob", "end", "ends", "ended", "due", "expiry", "expires"),
    *("valid", "promised", "start", "starts", "until", "deleted", "launched"),
    *("resolved", "closed", "delivered", "registered", "renewal", "intdate"),
}

_LARGE_REGIONS = (
    *("CN", "US", "IN", "JP", "DE", "GB", "FR", "BR", "IT", "ES", "MX", "KR", "TR"),
    *("ID", "PL", "NL", "CA", "AU"),
)

_INTEGER = re.compile(r"[+-]?\d{1,18}")
_LEADING_ZERO = re.compile(r"[+-]?0\d+")
_POINT = re.compile(r"[+-]?(\d{1,3}([, '’]\d{3})+|\d+)?(\.\d+)?")
_COMMA = re.compile(r"[+-]?(\d{1,3}([. '’]\d{3})+|\d+)?(,\d+)?")
_EXPONENT = re.compile(r"[+-]?\d+(\.\d+)?[eE][+-]?\d+|[+-]?\d*\.?\d+")
_DATE_LIKE = re.compile(r"(?=.*\d)[\dA-Za-z ,./:T+-]{6,35}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_PHONE = re.compile(r"(\+|00)\d[\d ().-]{6,18}|\(?0?\d{2,4}\)?[ -]\d{3,4}[ -]?\d{3,5}")
_MAC_OR_IP = re.compile(r"([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}|(\d{1,3}\.){3}\d{1,3}")
_BOOLEANS = {"true", "false", "yes", "no", "t", "f", "y", "n"}

_DAYS = (
    *("%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y"),
    *("%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d/%m/%y", "%m/%d/%y", "%d.%m.%y"),
    *("%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y"),
    *("%Y年%m月%d日",),
)
_TIMES = (
    *(" %H:%M:%S", " %H:%M", " %I:%M:%S %p", " %I:%M %p", " %H:%M:%S.%f"),
    *("T%H:%M:%S", "T%H:%M", " %H:%M:%S %z", " %H:%M:%S%z"),
)
_OTHER_ORDER = {
    **{"%d/%m/%Y": "%m/%d/%Y", "%d-%m-%Y": "%m-%d-%Y", "%d/%m/%y": "%m/%d/%y"},
    **{"%m/%d/%Y": "%d/%m/%Y", "%m-%d-%Y": "%d-%m-%Y", "%m/%d/%y": "%d/%m/%y"},
}


@dataclass
class ColumnGuess:
    """A column as it will be declared.

    `rules` are those of `meta`; `given` counts its values, `distinct` the different
    ones; `first` and `last` bound a date or timestamp, `low` and `high` a number.
    """

    name: str
    delivered: list[str]
    words: list[str]
    given: int
    distinct: int
    data_type: str = "varchar"
    rules: dict[str, Any] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)
    first: dt.datetime | None = None
    last: dt.datetime | None = None
    low: float | None = None
    high: float | None = None
    only_value: str | None = None

    @property
    def is_time(self) -> bool:
        """Whether it is declared a day or an instant."""
        return self.data_type in ("date", "timestamp")

    @property
    def is_number(self) -> bool:
        """Whether it is declared a number."""
        return self.data_type.startswith(("bigint", "decimal", "double"))

    @property
    def is_id(self) -> bool:
        """Whether its name is that of a key or a number that names something."""
        return bool(_ID_WORDS & {self.words[-1], self.name}) or bool(
            re.search(r"[a-z](id|num|nbr)$", self.name)
        )

    def declared(self) -> Column:
        """As `load_company` will read it."""
        return Column(
            name=self.name, data_type=self.data_type, rules=ColumnRules(**self.rules)
        )


@dataclass
class TableGuess:
    """A table as it will be declared; `typed` is a view of its rows in their types."""

    delivery: Delivery
    columns: list[ColumnGuess]
    typed: str
    key: list[str] = field(default_factory=list)
    cursor: str | None = None
    rules: dict[str, Any] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Its name in sources.yml."""
        return self.delivery.name

    def column(self, name: str) -> ColumnGuess:
        """The column of that name."""
        return next(column for column in self.columns if column.name == name)


def words_of(name: str) -> list[str]:
    """The words of a name: `CustomerID`, `customer_id` and `customer id` are equal."""
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name)
    spaced = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1 \2", spaced)
    return re.findall(r"[^\W_]+", spaced.lower()) or [name.lower()]


def profile(connection: duckdb.DuckDBPyConnection, delivery: Delivery) -> TableGuess:
    """Guess the columns, the key and the repeats of one table."""
    columns = _counted(connection, delivery)
    samples = {
        column.name: _sample(connection, delivery, column)
        for column in columns
        if column.given
    }
    for column in columns:
        if not column.given:
            column.doubts.append("holds no value at all; correct its data_type")
            continue
        if len(samples[column.name]) == 1:
            (column.only_value,) = samples[column.name]
        _guess_pii(column, samples[column.name], delivery)
    _guess_types(
        connection,
        delivery,
        [column for column in columns if column.given and "pii" not in column.rules],
        samples,
    )
    typed = f"typed_{delivery.view}"
    _create_typed(connection, delivery, columns, typed)
    table = TableGuess(delivery, columns, typed)
    _bound(connection, table)
    _guess_accepted_values(connection, table)
    _guess_key(connection, table)
    return table


# --- columns --------------------------------------------------------------------------


def _counted(
    connection: duckdb.DuckDBPyConnection, delivery: Delivery
) -> list[ColumnGuess]:
    names = list(delivery.columns)
    counts: list[int] = []
    # In slices: one statement of a thousand aggregates takes longer to plan than to
    # run.
    for start in range(0, len(names), 50):
        part = names[start : start + 50]
        texts = [f"nullif(trim(cast({quote(name)} as varchar)), '')" for name in part]
        listed = ", ".join(
            f"count({text}), approx_count_distinct({text})" for text in texts
        )
        counts += fetch_row(connection, f"select {listed} from {delivery.view}")
    columns = []
    for number, name in enumerate(names):
        delivered = delivery.columns[name]
        columns.append(
            ColumnGuess(
                name=name,
                delivered=delivered,
                words=words_of(delivered[0]),
                given=counts[2 * number],
                distinct=counts[2 * number + 1],
            )
        )
    for column in columns:
        aliases = [one for one in column.delivered if one.lower() != column.name]
        if aliases:
            column.rules["aliases"] = aliases
    return columns


def _sample(
    connection: duckdb.DuckDBPyConnection, delivery: Delivery, column: ColumnGuess
) -> list[str]:
    """Different values from all over the table, in a fixed order."""
    text = f"trim(cast({quote(column.name)} as varchar))"
    rows = connection.execute(
        f"""
        select text from (
            select distinct {text} as text from {delivery.view} where {text} != ''
        )
        order by hash(text), text limit {_SAMPLE}
        """
    ).fetchall()
    return [row[0] for row in rows]


def _guess_pii(column: ColumnGuess, sample: list[str], delivery: Delivery) -> None:
    """Declare an identifier of a person; what seems to be one is taken for one."""
    words = {*column.words, "".join(column.words), column.name}
    by_name = [kind for kind, known in _PII_WORDS.items() if words & known]
    if words & {"name", "names"} and words & _PEOPLE | words & {"first", "last"}:
        by_name.append("handle")
    if "name" in words and {"email", "phone"} & _other_pii(column, delivery):
        by_name.append("handle")
    is_class = column.distinct <= 10 and column.given >= 50 * column.distinct
    if is_class or _is_measure(column, words):
        by_name = []

    def share(shape: re.Pattern[str]) -> float:
        return sum(bool(shape.fullmatch(value)) for value in sample) / len(sample)

    by_shape = None
    if share(_EMAIL) >= 0.5:
        by_shape = "email"
    elif share(_MAC_OR_IP) >= 0.5 and not words & {"version"}:
        by_shape = "device"
    elif sum(map(_is_card_number, sample)) >= 0.8 * len(sample):
        by_shape = "card"
    elif share(_PHONE) >= 0.8 and not words & _TIME_WORDS:
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
        kind = _phone_kind(column, sample)
    column.rules["pii"] = kind
    why = "its values look" if by_shape else "its name looks"
    column.doubts.append(
        f"{why} like an identifier of a person, so that it is hashed before it is "
        "stored; take pii out if it names nobody"
    )


def _other_pii(column: ColumnGuess, delivery: Delivery) -> set[str]:
    words = {
        word
        for name, delivered in delivery.columns.items()
        if name != column.name
        for word in words_of(delivered[0])
    }
    return {kind for kind in ("email", "phone") if words & _PII_WORDS[kind]}


def _is_measure(column: ColumnGuess, words: set[str]) -> bool:
    """Whether the name says that it counts or classes, such as card_type."""
    return bool(
        words
        & {
            *("type", "kind", "count", "status", "is", "has", "brand", "category"),
            *("used", "date", "at", "opt", "city", "country", "rate", "score"),
        }
    ) or column.words[0].startswith("q1")


def _is_card_number(value: str) -> bool:
    digits = re.sub(r"[ -]", "", value)
    if not re.fullmatch(r"\d{13,19}", digits):
        return False
    doubled = (
        sum(divmod(int(digit) * (1 + place % 2), 10))
        for place, digit in enumerate(reversed(digits))
    )
    return sum(doubled) % 10 == 0


def _phone_kind(column: ColumnGuess, sample: list[str]) -> str:
    def valid(region: str | None) -> int:
        count = 0
        for value in sample[:100]:
            try:
                number = phonenumbers.parse(value, region)
                count += phonenumbers.is_valid_number(number)
            except phonenumbers.NumberParseException:
                pass
        return count

    tried = len(sample[:100])
    if valid(None) == tried:
        return "phone"
    scores = {region: valid(region) for region in phonenumbers.SUPPORTED_REGIONS}
    # Numbers of one country are often valid in a neighbour: the larger one is likelier.
    likely = [*_LARGE_REGIONS, *sorted(set(scores) - set(_LARGE_REGIONS))]
    best = max(likely, key=lambda region: scores[region])
    if scores[best] < tried:
        column.doubts.append(
            "its numbers are valid in no single country, so that they are hashed as "
            "plain text; declare pii: phone and phone_region to have them normalised"
        )
        return "handle"
    column.rules["phone_region"] = best
    others = sorted(
        region for region in scores if scores[region] == tried and region != best
    )
    also = f"; as valid in {', '.join(others[:5])}" if others else ""
    column.doubts.append(
        f"phone_region {best}: country of its numbers without a country code{also}"
    )
    return "phone"


# --- types ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Candidate:
    data_type: str
    rules: dict[str, Any]
    doubts: tuple[str, ...] = ()


def _guess_types(
    connection: duckdb.DuckDBPyConnection,
    delivery: Delivery,
    columns: list[ColumnGuess],
    samples: dict[str, list[str]],
) -> None:
    candidates: dict[str, list[_Candidate]] = {}
    for column in columns:
        raw_type = delivery.types[column.name]
        if raw_type != "VARCHAR":
            _take_own_type(column, raw_type)
            continue
        tokens = [token for token in _NULL_TOKENS if token in samples[column.name]]
        values = [value for value in samples[column.name] if value not in tokens]
        found = list(_candidates(connection, column, values))
        if not found:
            tokens = [token for token in tokens if token in _SURE_TOKENS]
            found = [_Candidate("varchar", {})] if tokens else []
        if tokens:
            why = f"{', '.join(map(repr, tokens))} taken for no value"
            doubts = () if set(tokens) <= _SURE_TOKENS else (why,)
            found = [
                _Candidate(
                    one.data_type,
                    {"null_values": tokens, **one.rules},
                    (*one.doubts, *doubts),
                )
                for one in found
            ]
        candidates[column.name] = found
    _prove(connection, delivery, columns, candidates)


def day_in(name: str) -> dt.date | None:
    """The last day of the year, month or day that a file's name tells."""
    found = re.findall(
        r"(?<!\d)((?:19|20)\d\d)(?:[-_.]?(\d\d)(?:[-_.]?(\d\d))?)?(?!\d)", name
    )
    try:
        year, month, day = (int(part or 0) for part in found[0])
        if day:
            return dt.date(year, month, day)
        after = dt.date(year + (month in (0, 12)), month % 12 + 1 if month else 1, 1)
        return after - dt.timedelta(1)
    except (IndexError, ValueError):
        return None


def _take_own_type(column: ColumnGuess, raw_type: str) -> None:
    """A file that knows types is believed, but for names in the guise of numbers."""
    if column.is_id and (is_number(raw_type) or raw_type == "VARCHAR"):
        column.data_type = "varchar"
        if raw_type in ("DOUBLE", "FLOAT"):
            column.data_type = "bigint"
            column.doubts.append(
                "a number with decimals in the file; read as a whole one, since it "
                "names something"
            )
    elif raw_type.startswith("TIMESTAMP"):
        column.data_type = "timestamp"
    elif raw_type == "DATE":
        column.data_type = "date"
    elif raw_type == "BOOLEAN":
        column.data_type = "boolean"
    elif raw_type in ("DOUBLE", "FLOAT"):
        column.data_type = "double"
    elif raw_type.startswith("DECIMAL"):
        column.data_type = raw_type.lower()
    elif is_number(raw_type):
        column.data_type = "bigint"
    if column.data_type == "double" and _is_money(column):
        column.data_type = "decimal(18,2)"


def _is_money(column: ColumnGuess) -> bool:
    return bool(
        {
            *("amount", "price", "value", "cost", "total", "revenue", "sales", "disc"),
            *("discount", "fee", "tax", "net", "gross", "subtotal", "shipping", "paid"),
            *("preis", "betrag", "umsatz", "金额", "价格", "单价"),
        }
        & set(column.words)
    )


def _candidates(
    connection: duckdb.DuckDBPyConnection, column: ColumnGuess, values: list[str]
) -> Iterable[_Candidate]:
    """Types that the sample allows, the likeliest first; none for text."""
    if not values:
        return

    def share(shape: re.Pattern[str]) -> float:
        return sum(bool(shape.fullmatch(value)) for value in values) / len(values)

    if {value.lower() for value in values} <= _BOOLEANS and len(values) > 1:
        yield _Candidate("boolean", {})
        return
    if not column.is_id or set(column.words) & _TIME_WORDS:
        yield from _moments(connection, column, values)
    if column.is_id:
        return
    if any(_LEADING_ZERO.fullmatch(value) for value in values):
        if share(_INTEGER) == 1:
            column.doubts.append("leading zeros: kept as text, so that none is lost")
        return
    if share(_INTEGER) >= 0.5:
        yield _Candidate("bigint", {})
    yield from _fractions(column, values, share(_POINT), share(_COMMA))
    if share(_EXPONENT) >= 0.99:
        yield _Candidate("double", {})


def _fractions(
    column: ColumnGuess, values: list[str], point: float, comma: float
) -> Iterable[_Candidate]:
    def decimal(sign: str) -> str:
        places = max(
            (len(value.rpartition(sign)[2]) for value in values if sign in value),
            default=0,
        )
        if _is_money(column) and (places <= 2 or _are_cents(values, sign)):
            return "decimal(18,2)"
        return f"decimal(18,{max(places, 2)})" if places <= 6 else "double"

    groups = [value for value in values if re.search(r"\d,\d{3}(?!\d)", value)]
    commas = [value for value in values if "," in value]
    if point >= 0.99 and (not commas or groups == commas):
        doubts = (
            ("a comma is taken for thousands (1,234 = 1234); else decimal: ','",)
            if commas and not any("." in value for value in values)
            else ()
        )
        yield _Candidate(decimal("."), {"decimal": "."} if commas else {}, doubts)
    if comma >= 0.99 and commas:
        yield _Candidate(decimal(","), {"decimal": ","})


def _are_cents(values: list[str], sign: str) -> bool:
    """Whether all but the noise of binary fractions, 0.30000000000000004, is cents."""
    numbers = [float(value.replace(sign, ".")) for value in values if sign in value]
    return all(abs(number - round(number, 2)) < 1e-6 for number in numbers)


def _moments(
    connection: duckdb.DuckDBPyConnection, column: ColumnGuess, values: list[str]
) -> Iterable[_Candidate]:
    if sum(bool(_DATE_LIKE.fullmatch(value)) for value in values) < 0.99 * len(values):
        return
    is_named = bool(set(column.words) & _TIME_WORDS) or "date" in column.name
    separated = [value for value in values if re.search(r"[-/.:年 ]", value)]
    if len(separated) < 0.99 * len(values) and not is_named:
        return
    connection.execute("create or replace temp table sample_values (v varchar)")
    connection.execute(
        "insert into sample_values select unnest($values)", {"values": values}
    )
    formats = [
        *((day, "date") for day in _DAYS),
        *((day + time, "timestamp") for day in _DAYS for time in _TIMES),
    ]
    counts = fetch_row(
        connection,
        "select "
        + ", ".join(
            f"count(try_strptime(v, {literal(pattern)}))" for pattern, _ in formats
        )
        + ", count(case when regexp_matches(v, '^\\d{4}-\\d\\d-\\d\\d[ T]\\d\\d:') "
        "then try_cast(v as timestamptz) end), "
        "count(case when regexp_matches(v, '[1-9]') and "
        "not regexp_matches(v, '[ T]0?0:00(:00(\\.0+)?)?( AM)?$') then 1 end) "
        "from sample_values",
    )
    least = 0.99 * len(values)
    fitting = [
        (pattern, kind)
        for (pattern, kind), count in zip(formats, counts, strict=False)
        if count >= least and _in_our_time(connection, pattern)
    ]
    iso, with_time = counts[-2], counts[-1]
    if iso >= least:
        if not with_time and fitting:
            yield _Candidate("date", {"format": fitting[0][0]}, _MIDNIGHT)
        yield _Candidate("timestamp", {}, _zone_doubt(values))
        return
    for pattern, kind in fitting:
        other = _OTHER_ORDER.get(pattern.split(" ")[0].split("T")[0])
        both = other and any(
            pattern.replace(pattern.split(" ")[0], other) == one for one, _ in fitting
        )
        doubts: tuple[str, ...] = (
            (
                f"every value is a day as {pattern} and with month and day exchanged "
                f"({other}); ask who made the files",
            )
            if both
            else ()
        )
        if "%y" in pattern:
            doubts += ("years have two digits: 69 to 99 are read as 1969 to 1999",)
        if kind == "timestamp" and not with_time:
            yield _Candidate("date", {"format": pattern}, doubts + _MIDNIGHT)
        elif kind == "timestamp":
            yield _Candidate(kind, {"format": pattern}, doubts + _zone_doubt(values))
        elif pattern == "%Y-%m-%d":
            yield _Candidate(kind, {}, doubts)
        else:
            yield _Candidate(kind, {"format": pattern}, doubts)


_MIDNIGHT = ("always at midnight, so that it is taken for a day",)


def _zone_doubt(values: list[str]) -> tuple[str, ...]:
    if all(re.search(r"(Z|[+-]\d\d:?\d\d)$", value) for value in values):
        return ()
    return (
        "no offset, read as UTC; if the source writes local time, declare time_zone, "
        "such as Europe/Paris",
    )


def _in_our_time(connection: duckdb.DuckDBPyConnection, pattern: str) -> bool:
    first, last = fetch_row(
        connection,
        f"select min(year(t)), max(year(t)) from (select try_strptime(v, "
        f"{literal(pattern)}) as t from sample_values)",
    )
    return first is not None and first >= 1850 and last <= 2150


def _prove(
    connection: duckdb.DuckDBPyConnection,
    delivery: Delivery,
    columns: list[ColumnGuess],
    candidates: dict[str, list[_Candidate]],
) -> None:
    """Take of each column the first candidate with which all rows can be read."""
    open_columns = [column for column in columns if candidates.get(column.name)]
    while open_columns:
        trials = []
        for column in open_columns:
            candidate = candidates[column.name].pop(0)
            trials.append(
                (column, candidate, _unfit_sql(connection, column, candidate))
            )
        found: list[int] = []
        for start in range(0, len(trials), 30):
            listed = ", ".join(
                f"count(*) filter (where {unfit})"
                for _, _, unfit in trials[start : start + 30]
            )
            found += fetch_row(connection, f"select {listed} from {delivery.view}")
        for (column, candidate, _), unfit in zip(trials, found, strict=True):
            if unfit <= _UNFIT_SHARE * column.given:
                column.data_type = candidate.data_type
                column.rules |= candidate.rules
                column.doubts += candidate.doubts
                candidates[column.name] = []
                if unfit:
                    column.doubts.append(
                        f"{unfit} of {column.given} values are no "
                        f"{candidate.data_type} and go to quarantine; declare varchar "
                        "to keep them, or null_values if they mean nothing"
                    )
            elif candidates[column.name] == [] and unfit <= 0.1 * column.given:
                column.doubts.append(
                    f"{column.given - unfit} of {column.given} values are "
                    f"{candidate.data_type}, the others are not: kept as text"
                )
        open_columns = [column for column in columns if candidates.get(column.name)]


def _unfit_sql(
    connection: duckdb.DuckDBPyConnection, column: ColumnGuess, candidate: _Candidate
) -> str:
    """SQL: true where admission could not read a given value."""
    known = ColumnRules.model_fields
    rules = {key: value for key, value in column.rules.items() if key in known}
    trial = Column(
        name=column.name,
        data_type=candidate.data_type,
        rules=ColumnRules(**{**rules, **candidate.rules}),
    )
    (kind,) = declared_types(connection, _table([trial])).values()
    typed = typed_sql(trial, "VARCHAR", kind)
    return f"{typed} is null and {given_sql(trial, 'VARCHAR')} is not null"


def _table(columns: list[Column]) -> SourceTable:
    rules = TableRules(connector="files", path="none")
    return SourceTable(source="scaffold", name="trial", rules=rules, columns=columns)


def _create_typed(
    connection: duckdb.DuckDBPyConnection,
    delivery: Delivery,
    columns: list[ColumnGuess],
    typed: str,
) -> None:
    declared = [column.declared() for column in columns]
    kinds = declared_types(connection, _table(declared))
    listed = ", ".join(
        f"{typed_sql(column, delivery.types[column.name], kinds[column.name])} "
        f"as {quote(column.name)}"
        for column in declared
    )
    # As cheap to ask as the rows themselves, see there.
    connection.execute(
        f"create temp {delivery.kind} {typed} as select {listed} from {delivery.view}"
    )


def _bound(connection: duckdb.DuckDBPyConnection, table: TableGuess) -> None:
    """Find the least and the greatest value of times and numbers."""
    bounded = [column for column in table.columns if column.is_time or column.is_number]
    for start in range(0, len(bounded), 50):
        part = bounded[start : start + 50]
        listed = ", ".join(
            f"min({_comparable(column)}), max({_comparable(column)})" for column in part
        )
        bounds = fetch_row(connection, f"select {listed} from {table.typed}")
        for number, column in enumerate(part):
            low, high = bounds[2 * number : 2 * number + 2]
            if column.is_time:
                column.first, column.last = low, high
            else:
                column.low, column.high = low, high


def _comparable(column: ColumnGuess) -> str:
    kind = "timestamp" if column.is_time else "double"
    return f"cast({quote(column.name)} as {kind})"


def _guess_accepted_values(
    connection: duckdb.DuckDBPyConnection, table: TableGuess
) -> None:
    """A closed list where a text takes few values, each of them often.

    Never of a column that names somebody: its values must not stand in a file.
    """
    for column in table.columns:
        if (
            column.data_type != "varchar"
            or "pii" in column.rules
            or column.is_id
            or set(column.words) & (_PEOPLE | {"name", "text", "comment", "notes"})
            or not 2 <= column.distinct <= 10
        ):
            continue
        values = connection.execute(
            f"""
            select {quote(column.name)}, count(*) from {table.typed}
            where {quote(column.name)} is not null group by 1 order by 1
            """
        ).fetchall()
        if (
            2 <= len(values) <= 8
            and column.given >= 50 * len(values)
            and min(count for _, count in values) >= 5
            and all(re.search(r"[^\W\d_]", value) for value, _ in values)
            and max(len(value) for value, _ in values) <= 40
        ):
            column.rules["accepted_values"] = [value for value, _ in values]
            column.doubts.append("all values so far; a new one would be quarantined")


# --- keys -----------------------------------------------------------------------------


def _guess_key(connection: duckdb.DuckDBPyConnection, table: TableGuess) -> None:
    rows = table.delivery.rows
    if rows < 2:
        table.doubts.append("too few rows to find a key; declare `key`")
        return
    listed = ", ".join(quote(column.name) for column in table.columns)
    (different,) = fetch_row(
        connection,
        f"select count(*) from (select distinct {listed} from {table.typed})",
    )
    if different > _FIRST_LOOK:
        connection.execute(
            f"create or replace temp table first_look as "
            f"select distinct {listed} from {table.typed} limit {_FIRST_LOOK}"
        )
    parts = _key_parts(table)
    for size in (1, 2, 3):
        for chosen in itertools.combinations(parts, size):
            likely = 1.0
            for column in chosen:
                # The count is an estimate: leave it room.
                likely *= column.distinct * 1.2
            if likely < different or (
                len(chosen) == len(table.columns) and different < rows
            ):
                continue
            if not any(column.is_id for column in chosen):
                continue
            if _is_unique(connection, table, chosen, different):
                _take_key(table, chosen, rows - different)
                return
    if different < rows:
        table.doubts.append(
            f"no key, and {rows - different} rows repeat another one entirely; all are "
            "kept, drop_exact_duplicates: true would count equal rows once"
        )
    else:
        table.doubts.append(
            "no key of up to three columns: a row is known by its whole content, so "
            "that a corrected row counts as a new one; declare `key` if there is one"
        )


def _key_parts(table: TableGuess) -> list[ColumnGuess]:
    """Columns that may be part of a key, the likeliest first, a dozen at most."""
    whole = [
        column
        for column in table.columns
        if column.given == table.delivery.rows
        and not column.data_type.startswith(("decimal", "double", "boolean"))
        and "null_values" not in column.rules
        and column.name not in table.delivery.missing
    ]
    places = {column.name: place for place, column in enumerate(table.columns)}

    def rank(column: ColumnGuess) -> tuple[bool, bool, int]:
        is_part = bool({"line", "position", "seq", "week"} & set(column.words))
        return (not column.is_id, not (is_part or column.is_time), places[column.name])

    named = [
        column
        for column in whole
        if column.is_id
        or column.is_time
        or places[column.name] == 0
        or {"line", "position", "seq", "index", "week", "location"} & set(column.words)
    ]
    return sorted(named, key=rank)[:12]


def _is_unique(
    connection: duckdb.DuckDBPyConnection,
    table: TableGuess,
    chosen: tuple[ColumnGuess, ...],
    different: int,
) -> bool:
    listed = ", ".join(quote(column.name) for column in chosen)
    # Most combinations show a repeat at once.
    if different > _FIRST_LOOK:
        (repeated,) = fetch_row(
            connection,
            f"select count(*) - count(distinct ({listed})) from first_look",
        )
        if repeated:
            return False
    (count,) = fetch_row(
        connection,
        f"select count(*) from (select distinct {listed} from {table.typed})",
    )
    return bool(count == different)


def _take_key(table: TableGuess, chosen: tuple[ColumnGuess, ...], repeats: int) -> None:
    table.key = [column.name for column in chosen]
    if not all(column.is_id for column in chosen):
        table.doubts.append(
            f"key {', '.join(table.key)}: unique in these rows, but is it by meaning? "
            "Of rows with an equal key only the latest counts"
        )
    if repeats:
        table.doubts.append(
            f"{repeats} rows repeat another one entirely; they count as duplicates"
        )


# --- time -----------------------------------------------------------------------------


def possible_cursors(table: TableGuess) -> list[ColumnGuess]:
    """Times that all rows have, that are past, and whose name says no other thing."""
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    return [
        column
        for column in table.columns
        if column.is_time
        and column.given == table.delivery.rows
        and "null_values" not in column.rules
        and column.name not in table.delivery.missing
        and column.last is not None
        and column.last <= now
        and not set(column.words) & _NO_CURSOR_WORDS
    ]


def guess_cursor(table: TableGuess, is_flow: bool) -> None:
    """Declare the column that says to which day a row belongs, where there is one.

    `is_flow`: the rows are events that come day by day, not a list that is kept up
    to date.
    """
    possible = possible_cursors(table)
    if not possible or not is_flow:
        if possible:
            table.doubts.append(
                "delivered whole each time; if deliveries bring new rows only, declare "
                f"cursor: {possible[0].name}"
            )
        return

    def likely(column: ColumnGuess) -> int:
        return max(
            (place for place, word in enumerate(_CURSOR_WORDS) if word in column.words),
            default=-1,
        )

    best = max(possible, key=likely)
    table.cursor = best.name
    others = [column.name for column in possible if column is not best]
    also = f" (or {', '.join(others)})" if others else ""
    table.doubts.append(
        f"cursor {best.name}{also}: a row belongs to the day that it tells, and a row "
        "changed later is not fetched again; leave cursor out if deliveries hold the "
        "whole table"
    )


def guess_dated_path(connection: duckdb.DuckDBPyConnection, table: TableGuess) -> None:
    """Say in `path` where files carry the day of their delivery in their names."""
    delivery = table.delivery
    days = [_day_in(path.name) for path in delivery.files]
    if len(days) < 2 or not all(days) or len(set(days)) < len(days):
        return
    pattern = days[0][1]  # type: ignore[index]
    dated = re.sub(
        r"\d{4}([-_.]?)\d{2}\1\d{2}", "{date:" + pattern + "}", delivery.files[0].name
    )
    if {path.parent for path in delivery.files} != {delivery.files[0].parent}:
        return
    by_place = dict(
        zip(
            map(str, delivery.places),
            [day[0] for day in days if day],
            strict=False,
        )
    )
    if table.cursor is None:
        if not _are_snapshots(connection, table):
            return
        delivery.path = str(delivery.files[0].with_name(dated))
        table.doubts.append(
            "each file repeats most rows of the one before, so that only the newest "
            "counts; with path …*… instead of {date:…} all files would"
        )
        return
    cases = " ".join(
        f"when {literal(place)} then date '{day}'" for place, day in by_place.items()
    )
    column = table.column(table.cursor)
    (kind,) = declared_types(connection, _table([column.declared()])).values()
    cursor = typed_sql(column.declared(), delivery.types[column.name], kind)
    earliest, latest = fetch_row(
        connection,
        f"""
        select min(lag), max(lag)
        from (
            select case _kith_file {cases} end - cast({cursor} as date) as lag
            from {delivery.view}
        )
        """,
    )
    if earliest is None or earliest < 0 or latest > 31:
        return
    delivery.path = str(delivery.files[0].with_name(dated))
    if latest:
        table.rules["look_back_days"] = int(latest)
    table.doubts.append(
        "the day in a file's name is taken for the day on which its rows came, at most "
        f"{latest} days after theirs; rows later than look_back_days are left out"
    )


def _day_in(name: str) -> tuple[dt.date, str] | None:
    found = re.findall(r"(?<!\d)(\d{4})([-_.]?)(\d{2})\2(\d{2})(?!\d)", name)
    if len(found) != 1:
        return None
    year, sign, month, day = found[0]
    try:
        return dt.date(int(year), int(month), int(day)), f"%Y{sign}%m{sign}%d"
    except ValueError:
        return None


def _are_snapshots(connection: duckdb.DuckDBPyConnection, table: TableGuess) -> bool:
    """Whether the last file repeats at least half of the rows of the one before."""
    before, last = table.delivery.places[-2:]
    listed = ", ".join(
        f"coalesce({', '.join(map(quote, names))})"
        for name, names in table.delivery.columns.items()
        if name not in table.delivery.missing
    )
    try:
        common, rows = fetch_row(
            connection,
            f"""
            with earlier as (select {listed} from read_parquet({literal(str(before))}))
            select
                (select count(*) from (
                    from earlier
                    intersect all
                    select {listed} from read_parquet({literal(str(last))})
                )),
                (select count(*) from earlier)
            """,
        )
    except duckdb.BinderException:
        return False
    return bool(rows and common * 2 >= rows)


# --- references -----------------------------------------------------------------------


def guess_references(
    connection: duckdb.DuckDBPyConnection, tables: list[TableGuess], source: str
) -> None:
    """Declare in which other table the values of a column are found."""
    parents = {}
    for table in tables:
        if len(table.key) == 1 and table.column(table.key[0]).is_id:
            parents[table.name] = (table, table.column(table.key[0]))
    for table in tables:
        for column in table.columns:
            if column.given == 0 or [column.name] == table.key:
                continue
            named = [
                (parent, key)
                for parent, key in parents.values()
                if parent is not table
                and key.data_type == column.data_type
                and _means_key(column, key, parent)
            ]
            for parent, key in named:
                if _declare_reference(connection, table, column, parent, key, source):
                    break


def _means_key(column: ColumnGuess, key: ColumnGuess, parent: TableGuess) -> bool:
    if "".join(column.words) == "".join(key.words):
        return "".join(key.words) not in ("id", "key", "code", "number")
    singular = re.sub(r"s$", "", parent.name.split("_")[-1])
    return column.words[-2:] in ([singular, "id"], [singular, "code"]) or (
        column.words == [singular]
    )


def _declare_reference(
    connection: duckdb.DuckDBPyConnection,
    table: TableGuess,
    column: ColumnGuess,
    parent: TableGuess,
    key: ColumnGuess,
    source: str,
) -> bool:
    given, orphans = fetch_row(
        connection,
        f"""
        select count(*), count(*) filter (where {quote(key.name)} is null)
        from (select {quote(column.name)} as child from {table.typed}
            where {quote(column.name)} is not null) as children
        left join {parent.typed} as parents
            on children.child = parents.{quote(key.name)}
        """,
    )
    if orphans > 0.05 * given:
        return False
    reference = {"table": f"{source}.{parent.name}", "column": key.name}
    if orphans:
        reference["orphans"] = "warn"
        column.doubts.append(
            f"{orphans} of {given} values are not in {parent.name}; without orphans: "
            "warn these rows would wait in quarantine"
        )
    column.rules["references"] = reference
    return True
