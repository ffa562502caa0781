"""Columns of a delivery: under which names they come, and what Kith adds to them."""

import unicodedata
from collections.abc import Iterable, Sequence

from kith.company.tables import Column, SourceTable
from kith.errors import DeliveryError

ROW_NUMBER = "_kith_row"
# What Kith and DuckDB add to the columns of a delivery.
_OWN_PREFIX = "_kith_"
_OWN_NAMES = {"file_row_number", "file_index"}
# Each as it is written in sources.yml, and its name.
_DELIMITERS = {
    ";": (";", "semicolon"),
    "\t": ("\\t", "tab"),
    "|": ("|", "bar"),
    ",": (",", "comma"),
    ":": (":", "colon"),
}


def columns_by_name(table: SourceTable) -> dict[str, Column]:
    """The declared column of each name, in lower case, under which it may come."""
    return {
        name.lower(): column
        for column in table.columns
        for name in [column.name, *column.rules.aliases]
    }


def number_as_declared(number: str, column: Column | None) -> str:
    """A number that was written with a point, as text of its column is declared."""
    has_comma = column is not None and column.rules.decimal == ","
    return number.replace(".", ",") if has_comma else number


def is_text(column: Column) -> bool:
    """Whether a column is declared as text, of JSON or of any kind."""
    return column.data_type.lower() in ("varchar", "text", "string", "json")


def is_json(column: Column) -> bool:
    """Whether a column is declared as text of JSON."""
    return column.data_type.lower() == "json"


def is_personal(table: SourceTable) -> bool:
    """Whether a table delivers direct identifiers, which nobody may read anywhere."""
    return any(column.rules.pii for column in table.columns)


def is_own(name: str) -> bool:
    """Whether a column is one that Kith or DuckDB adds to those of a delivery."""
    return name.lower().startswith(_OWN_PREFIX) or name.lower() in _OWN_NAMES


def checked_names(table: SourceTable, where: str, names: Iterable[str]) -> list[str]:
    """Names of delivered columns, composed as Unicode's NFC asks.

    Raises DeliveryError where one is missing or kept for Kith, or two are the same.
    """
    composed = [unicodedata.normalize("NFC", name) for name in names]
    seen: dict[str, str] = {}
    for number, name in enumerate(composed, 1):
        lower = name.lower()
        if not name:
            raise DeliveryError(
                f"{where}: column {number} has no name; have it delivered with one"
            )
        if is_own(name):
            raise DeliveryError(
                f"{where}: a column is named '{name}', as none but Kith's own may be; "
                "have it renamed"
            )
        if lower in seen:
            pair = " and ".join(shown_names(table, [n]) for n in (seen[lower], name))
            raise DeliveryError(
                f"{where}: columns {pair} cannot be told apart, since names of columns "
                "do not mind case; have one renamed"
            )
        seen[lower] = name
    return composed


def shown_names(table: SourceTable, names: Sequence[str]) -> str:
    """Some names of delivered columns, for a message.

    Of a table with identifiers only declared ones: in a file without a header an
    address stands where a name is expected.
    """
    declared = columns_by_name(table)
    shown = [
        f"'{name[:40]}'"
        for name in names
        if not is_personal(table) or name.lower() in declared
    ]
    hidden = len(names) - len(shown)
    rest = "an undeclared name" if hidden == 1 else f"{hidden} undeclared names"
    return ", ".join([*shown[:5], *([rest] if hidden else [])])


def delimiter_cure(found: list[str]) -> str:
    """The cure for a header that was not divided at all."""
    if len(found) != 1:
        return ""
    return next(
        (
            f'the delimiter looks like "{written}" ({name}): set options.delimiter '
            "in sources.yml"
            for delimiter, (written, name) in _DELIMITERS.items()
            if delimiter in found[0]
        ),
        "",
    )
