"""Direct identifiers become keyed hashes before anything is stored.

HMAC-SHA-256 over `<kind>:<normalised value>`, so that a phone and a card of equal
digits differ, and one person written in several ways has one hash. What names a person
in its source alone is hashed as `<kind>@<source>:<normalised value>`. What cannot be
normalised becomes `!` and a hash of its text, which admission refuses.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from hashlib import sha256

import duckdb
import phonenumbers
import pyarrow as pa

from kith.company.tables import Column, SourceTable
from kith.database import fetch_row, literal, quote
from kith.deliveries.casts import (
    INEXACT_TEXT,
    as_text,
    as_whole_number,
    is_fraction,
    is_inexact,
    is_nested,
    trimmed,
    with_texts,
)
from kith.deliveries.columns import delimiter_cure, is_json, is_text
from kith.deliveries.nobody import NOBODY, NOBODYS
from kith.deliveries.totals import is_total
from kith.errors import ConfigurationError, CredentialsError, DeliveryError
from kith.settings import identifier_key

# A hash, or the hash of what could not be normalised.
PATTERN = "!?[0-9a-f]{64}"

_BLOCK_BYTES = 64
_INNER, _OUTER = "kith_inner_pad", "kith_outer_pad"
# Signs that may stand around an address but are none of it; O'Brien has one within.
_AROUND = r"@\s[:cntrl:]<>()\[\]{},;:\""
_EMAIL = rf"[^'{_AROUND}][^{_AROUND}]*@[^.'{_AROUND}]+(\.[^.'{_AROUND}]+)+"
# As links and mail programs write it: with a name before it, or the subject behind it.
# A name with @ is another address, unless it is the same.
_LINKED = r"^(?:[^<>@:;]*<(?:mailto:)?([^<>]*)>|mailto:([^?]*)(?:\?.*)?)$"
_QUOTES = "\"'"
_NAMED = r"^(.*?)\s*<([^<>]*)>$"
_SHORTEST_KEY = 32
# A spreadsheet's 1.39E+10: the other digits are lost, and many people would be one.
# The noughts of 123.000 may be those of a thousand, or of a float.
_ROUNDED = r"\d+([.,]\d+[eE]|[eE]\+)\+?\d+|\d+[.,]0{3,}"
# A number such as 12.5, -5.0 or 123,456.0, and no groups of a card's digits.
_FRACTION = (
    r"[-+']?(\d?[\d \x{a0}\x{202f}'’]*[.,]|\d{1,3}(,\d{3})+\.|\d{1,3}(\.\d{3})+,)"
    r"\d{1,2}"
)
# A number such as 7.5, and no version or network address.
_POINT = r"[-+]?\d*[.,]\d+"
# A number such as 13800138.5, and no groups of a telephone number's digits.
_SHORT_POINT = r"[-+]?\d+[.,]\d{1,2}"
# A word before a telephone number, and signs of an extension behind it.
_LABEL = r"^\s*(?:[^\W\d_]{2,}[.:]?\s+|[^\W\d_]+[.:：]\s*)"
_EXTENSION = r"(?i)[\s,;]*(?:ext\w*|x|int|anexo|доб\w*|[#~])[\s.:=]*"
# Letters, of which some look like digits, and signs that stand for digits.
_NO_PHONE = re.compile(r"[^\W\d]|[*?#_…•]")
_ONLY_NOUGHTS = r"(0|[^\pL\pN])*"


def check_identifiers(table: SourceTable, origin: str, found: list[str]) -> None:
    """Raise DeliveryError where an identifier may have come under another name.

    It would be stored as it is, for nobody knows what to hash. Names of columns are not
    told, since a file without a header has people's in their place.
    """
    missing = [
        column.name
        for column in table.columns
        if column.rules.pii and not column.names_in(found)
    ]
    known = {name for column in table.columns for name in column.names_in(found)}
    others = len(found) - len(known)
    if missing and others:
        cure = delimiter_cure(found) or (
            "correct the header, or the column's name or aliases in sources.yml, or "
            "declare the other columns"
        )
        raise DeliveryError(
            f"{table.full_name}: {origin}, header: missing column {', '.join(missing)} "
            f"(pii), and {others} of {len(found)} columns are not declared, in which "
            f"it may stand in plain: nothing was stored; {cure}"
        )


def hashed_rows(
    connection: duckdb.DuckDBPyConnection,
    table: SourceTable,
    relation: str,
    delivered: Mapping[str, str],
) -> str:
    """SQL relation of the rows of another one, with hashes in their `pii` columns.

    `delivered` gives the type of each column of `relation`. A hash is 64 hexadecimal
    digits, `!` and 64 digits where the value cannot be normalised, or NULL where there
    is none. The SQL holds on this connection until the next call.

    Raises CredentialsError when there is no key, and ConfigurationError when a column's
    type holds no text.
    """
    identifiers = [
        (column, name)
        for column in table.columns
        if column.rules.pii
        for name in column.names_in(delivered)
    ]
    if not identifiers:
        return relation
    for column, _ in identifiers:
        if not is_text(column) or is_json(column):
            raise ConfigurationError(
                f"sources.yml: {table.full_name}: column {column.name}: a pii column "
                f"holds a hash, but its data_type is {column.data_type}; expected "
                "varchar"
            )
    _set_pads(connection, table)
    texts = {
        f"_kith_text_{number}": _text(column, name, delivered[name])
        for number, (column, name) in enumerate(identifiers)
    }
    rows = with_texts(relation, texts)
    all_ascii = ", ".join(
        f"coalesce(bool_and({_is_ascii(text)}), true)" for text in texts
    )
    ascii_only = fetch_row(connection, f"select {all_ascii} from {rows}")
    added, hashed, joins = [*texts], [], ""
    for (column, name), text, is_ascii in zip(
        identifiers, texts, ascii_only, strict=True
    ):
        normal = text
        if column.rules.pii == "phone" or not is_ascii:
            normal = _write_normal(connection, column, rows, text)
            added.append(normal)
            joins += f" left join {normal} using ({text})"
        digest = _digest(table, column, name, delivered[name], text, normal, is_ascii)
        hashed.append(f"{digest} as {quote(name)}")
    return (
        f"(select * exclude ({', '.join(added)}) replace ({', '.join(hashed)}) "
        f"from {rows}{joins})"
    )


def hashed_text(
    connection: duckdb.DuckDBPyConnection, table: SourceTable, text: str
) -> str:
    """SQL of the keyed hash of a text that is not to be kept, such as a broken line."""
    _set_pads(connection, table)
    return _hmac(text)


def hashes_of(
    sources: Iterable[SourceTable], given: dict[str, list[str]], where: str
) -> list[tuple[str, str]]:
    """Kind and keyed hash of plain values by kind, as each `pii` column has them.

    Kinds that no column has are left out. A column may lack what it takes to read a
    value, such as the region of a telephone number. Raises ConfigurationError, which
    begins with `where` and tells no value, when there is no key, or no column can read
    a value.
    """
    found: dict[tuple[str, str], None] = {}
    columns: dict[tuple[str, int], list[str]] = {}
    read: set[tuple[str, int]] = set()
    with duckdb.connect() as connection:
        for table in sources:
            for column in table.columns:
                values = given.get(column.rules.pii or "", [])
                if not values:
                    continue
                connection.register("kith_given", pa.table({column.name: values}))
                hashed = hashed_rows(
                    connection, table, "kith_given", {column.name: "VARCHAR"}
                )
                rows = connection.execute(f"from {hashed}").fetchall()
                for number, (digest,) in enumerate(rows, start=1):
                    value = str(column.rules.pii), number
                    columns.setdefault(value, []).append(
                        f"{table.full_name}.{column.name}"
                    )
                    # Who is nobody at the door already need not be found.
                    if not digest or not digest.startswith("!"):
                        read.add(value)
                    if value in read and digest:
                        found[str(column.rules.pii), digest] = None
                connection.unregister("kith_given")
    for kind, number in sorted(columns.keys() - read):
        cure = "correct it"
        if kind == "phone":
            cure += ", or write it with its country, as +49 171 …"
        raise ConfigurationError(
            f"{where}{kind}: value {number} is no {kind} as "
            f"{columns[kind, number][0]} has them; {cure}"
        )
    return list(found)


def key_id(key: str | None = None) -> str:
    """Which key made the hashes: tells keys apart without telling the key.

    Without `key` it is that of the environment.
    """
    with duckdb.connect() as connection:
        if key:
            set_key(connection, key)
        _set_pads(connection, None)
        (digest,) = fetch_row(connection, f"select {_hmac(literal('kith-key-id'))}")
    return str(digest)[:8]


def keyed_hash(text: str) -> str:
    """SQL of the keyed hash of a text, on a connection that was given a key."""
    return _hmac(text)


def set_key(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    """Hash with this key on a connection, whatever the environment says."""
    key = text.encode()
    if len(key) > _BLOCK_BYTES:
        key = sha256(key).digest()
    for name, byte in ((_INNER, 0x36), (_OUTER, 0x5C)):
        pad = bytes(part ^ byte for part in key.ljust(_BLOCK_BYTES, b"\0"))
        connection.execute(f"set variable {name} = $pad", {"pad": pad})


def _set_pads(connection: duckdb.DuckDBPyConnection, table: SourceTable | None) -> None:
    """Hand the key to DuckDB as variables, so that it stands in no SQL text."""
    if fetch_row(connection, f"select getvariable('{_OUTER}') is not null") == (True,):
        return
    set_key(
        connection, company_key(f"{table.full_name}: pii columns: " if table else "")
    )


def company_key(where: str = "") -> str:
    """The key of the environment; raises CredentialsError where it is none."""
    text = identifier_key()
    if text is None:
        raise CredentialsError(
            f"{where}there is no key to hash identifiers with; set KITH_IDENTIFIER_KEY "
            "in the environment to a long secret text (`openssl rand -hex 32` makes "
            "one) and keep it: with another key everybody becomes somebody else"
        )
    if len(text.strip()) < _SHORTEST_KEY:
        raise CredentialsError(
            f"{where}KITH_IDENTIFIER_KEY is too short to be secret; expected at least "
            f"{_SHORTEST_KEY} characters (`openssl rand -hex 32` makes 64)"
        )
    return text


def _hmac(text: str) -> str:
    """SQL of RFC 2104 over UTF-8 text; NULL for NULL."""
    inner = f"sha256(getvariable('{_INNER}') || encode({text}))"
    return f"sha256(getvariable('{_OUTER}') || unhex({inner}))"


def _text(column: Column, name: str, kind: str) -> str:
    """SQL of the value as delivered, without outer white space; NULL for none."""
    raw = quote(name)
    text = f"nullif({trimmed(as_text(raw, kind))}, '')"
    if kind == "VARCHAR" and column.rules.whole_numbers is not False:
        text = as_whole_number(text)
    tokens = ", ".join(map(literal, column.rules.null_values))
    return f"case when {text} not in ({tokens}) then {text} end" if tokens else text


def _digest(
    table: SourceTable,
    column: Column,
    name: str,
    kind: str,
    text: str,
    normal: str,
    is_ascii: bool,
) -> str:
    """SQL of a value's hash.

    `text` is the value, and `normal` the same or what Python made of it, see
    `_write_normal`. `is_ascii` tells whether all texts are of ASCII alone.
    """
    is_nobody, is_a_total = _is_nobody(column, text), is_total(text)
    normalised = _normalised(column, text, normal)
    if is_ascii:
        # Unicode's classes take longer to compile than a small file to hash.
        is_nobody, is_a_total, normalised = (
            sql.replace(r"\pL", "A-Za-z").replace(r"\pN", "0-9")
            for sql in (is_nobody, is_a_total, normalised)
        )
    is_no_text = (
        f"({_holds_several(text, kind)} "
        f"or {_lost_digits(column, quote(name), text, kind)} "
        f"or {_is_fraction(column, text)} or {is_a_total})"
    )
    normalised = f"case when not {is_no_text} then {normalised} end"
    of_source = f"@{table.source}" if column.rules.scope == "source" else ""
    message = f"{literal(f'{column.rules.pii}{of_source}:')} || {normalised}"
    digest = f"coalesce({_hmac(message)}, '!' || {_hmac(text)})"
    return f"case when not {is_nobody} then {digest} end"


def _is_nobody(column: Column, text: str) -> str:
    """SQL whether a text only says that nobody is known, as N/A, 000000, noemail@ do.

    Where a source counts its devices by itself, 0 may be the first one.
    """
    words = ", ".join(map(literal, NOBODY))
    # In order of what they cost: few begin with a nought or a sign, or are so short.
    longest = max(len(word.encode()) for word in NOBODY)
    rules = column.rules
    is_first = (
        f"when {text} = '0' then false "
        if (rules.pii, rules.scope) == ("device", "source")
        else ""
    )
    of_kind = "false"
    if rules.pii in NOBODYS:
        of_kind = f"regexp_full_match({text}, {literal(NOBODYS[rules.pii])})"
    return (
        f"(case when {text} is null then true {is_first}"
        f"when {text} < '1' and contains({text}, '0') "
        f"and regexp_full_match({text}, {literal(_ONLY_NOUGHTS)}) then true "
        f"when strlen({text}) <= {longest} and list_contains([{words}], lower({text})) "
        f"then true else {of_kind} end)"
    )


def _lost_digits(column: Column, raw: str, text: str, kind: str) -> str:
    """SQL whether a number is not the one that it was before a program rounded it."""
    if is_fraction(kind):
        return f"({is_inexact(raw, kind)} or trunc({raw}) <> {raw})"
    lost = _ROUNDED
    if column.rules.whole_numbers is not False:
        lost = f"{_ROUNDED}|{INEXACT_TEXT}"
    return f"regexp_full_match({text}, {literal(lost)})"


def _is_fraction(column: Column, text: str) -> str:
    """SQL whether a text is a number that is not whole, where it would name somebody.

    Cards may be written in groups of digits, see `_normalised`.
    """
    rules = column.rules
    if rules.pii == "phone":
        pattern = _SHORT_POINT
    elif rules.pii in ("device", "handle") and rules.whole_numbers is not False:
        pattern = _POINT
    else:
        return "false"
    # A case, since few have a point.
    return (
        f"case when contains({text}, '.') or contains({text}, ',') "
        f"then regexp_full_match({text}, {literal(pattern)}) else false end"
    )


def _holds_several(text: str, kind: str) -> str:
    """SQL whether a value is no single text but an object or a list."""
    if is_nested(kind):
        return "true"
    # A case, since all parts of an `and` would be computed for every row.
    begins = f"prefix({text}, '{{') or prefix({text}, '[')"
    return f"case when {begins} then json_valid({text}) else false end"


def _normalised(column: Column, text: str, normal: str) -> str:
    """SQL of the one way of writing a value; NULL where there is none."""
    if column.rules.pii == "phone":
        return normal
    if normal != text:
        text = f"coalesce({normal}, {text})"
    lower = f"lower({trimmed(text)})"
    match column.rules.pii:
        case "email":
            linked = rf"regexp_replace({lower}, {literal(_LINKED)}, '\1\2')"
            name, named = (
                f"regexp_extract({lower}, {literal(_NAMED)}, {group})"
                for group in (1, 2)
            )
            is_email, is_linked, is_named = (
                f"regexp_full_match({each}, {literal(_EMAIL)})"
                for each in (lower, linked, named)
            )
            return (
                f"case when {is_email} then {lower} when {is_linked} then {linked} "
                f"when {is_named} and trim({name}, {literal(_QUOTES)}) = {named} "
                f"then {named} end"
            )
        case "card":
            bare = rf"upper(regexp_replace({text}, '[^\pL\pN]', '', 'g'))"
            fraction = f"regexp_full_match({text}, {literal(_FRACTION)})"
            return f"case when not {fraction} then nullif({bare}, '') end"
        case "handle":
            bare = trimmed(f"ltrim({lower}, '@')")
            return f"nullif({bare}, '')"
        case _:
            return lower


def _is_ascii(text: str) -> str:
    return f"strlen({text}) = length({text})"


def _write_normal(
    connection: duckdb.DuckDBPyConnection, column: Column, rows: str, text: str
) -> str:
    """Create a table of texts that Python normalises, each once.

    Returns its name, which is that of its second column; the first one has the name of
    `text`, a column of `rows`.
    """
    normal = f"{text}_normal"
    is_wanted = f"not {_is_ascii(text)}"
    normalise: Callable[[str], str | None] = _fold
    if column.rules.pii == "phone":
        is_wanted = f"{text} is not null"
        normalise = partial(_phone, region=column.rules.phone_region)
    connection.execute(
        f"create or replace temp table {normal} ({text} varchar, {normal} varchar)"
    )
    distinct = connection.execute(
        f"select distinct {text} from {rows} where {is_wanted}"
    ).to_arrow_table()
    for batch in distinct.to_batches(max_chunksize=100_000):
        values: Sequence[str] = batch.column(0).to_pylist()
        normalised = pa.array(map(normalise, values), pa.string())
        connection.register(
            "kith_normalised", pa.table([values, normalised], names=[text, normal])
        )
        connection.execute(f"insert into {normal} from kith_normalised")
        connection.unregister("kith_normalised")
    return normal


def _phone(text: str, region: str | None) -> str | None:
    """E.164, and the extension if there is one; None for what cannot be a number.

    Nor for what would be one only without its letters, or what hides some digits.
    """
    try:
        number = phonenumbers.parse(text, region)
        if _NO_PHONE.search(_bare_phone(text, number.extension)):
            return None
        number = _with_lost_plus(text, region, number)
    except phonenumbers.NumberParseException:
        return None
    # Not whether the number is assigned: the library's list ages, the customers do not.
    possible = phonenumbers.is_possible_number_with_reason(number)
    if possible != phonenumbers.ValidationResult.IS_POSSIBLE:
        return None
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return f"{e164};ext={number.extension}" if number.extension else e164


def _bare_phone(text: str, extension: str | None) -> str:
    """A telephone number without the word before it and the extension behind it."""
    text = re.sub(_LABEL, "", text)
    return re.sub(rf"{_EXTENSION}{extension}\W*$", "", text) if extension else text


def _with_lost_plus(
    text: str, region: str | None, number: phonenumbers.PhoneNumber
) -> phonenumbers.PhoneNumber:
    """The number with its plus where it is none without.

    Raises NumberParseException where it may be both.
    491711234567 is the mobile telephone +49 171 1234567, or in Germany, where people
    write a 0 before it, one of the area 4917.
    """
    if region is None or phonenumbers.ndd_prefix_for_region(region, True) != "0":
        return number
    national = phonenumbers.national_significant_number(number)
    code = str(phonenumbers.country_code_for_region(region))
    digits = phonenumbers.normalize_digits_only(text)
    if not (digits.startswith(national) and national.startswith(code)):
        return number
    with_plus = phonenumbers.parse(f"+{national}")
    if not phonenumbers.is_valid_number(with_plus):
        return number
    if phonenumbers.is_valid_number(number):
        raise phonenumbers.NumberParseException(
            phonenumbers.NumberParseException.INVALID_COUNTRY_CODE, "two readings"
        )
    with_plus.extension = number.extension
    return with_plus


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", text)
