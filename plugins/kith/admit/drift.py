"""How the columns of a delivery differ from the declared and from the last ones."""

import re
from collections.abc import Callable, Mapping
from difflib import SequenceMatcher

from kith.admit.faults import is_required
from kith.company.tables import SourceTable
from kith.deliveries.columns import delimiter_cure
from kith.deliveries.raw import Manifest, PulledFile
from kith.errors import DeliveryError

_ALIKE = 0.6
# A number, a day or an address, which stand in a first row and in no header.
_VALUE = re.compile(r"[+-]?[\d.,:/ T-]*\d[\d.,:/ TZ-]*|[^@\s]+@[^@\s]+\.\w+")

# Whether the values of a delivered column could be those of a declared one.
Fits = Callable[[PulledFile, str, str], bool]


def compare_columns(
    table: SourceTable, manifest: Manifest, fits: Fits
) -> tuple[list[str], list[str]]:
    """New columns, and what to warn of.

    `fits(file, delivered, declared)` is asked only for the guess that a column came
    under a new name. Raises DeliveryError where the declared policy says stop, and
    always when a column that no row may lack (key, cursor, required) is missing.
    """
    policy = table.rules.drift
    all_new: dict[str, None] = {}
    warnings = []
    for file in manifest.files:
        if not file.has_schema and file.rows_seen == 0:
            continue
        found = list(file.columns)
        known = {name for column in table.columns for name in column.names_in(found)}
        missing = [
            column.name for column in table.columns if not column.names_in(found)
        ]
        new = [name for name in found if name not in known]
        needed = [name for name in missing if is_required(table, table.column(name))]
        parts = []
        if missing:
            parts.append(f"missing column {', '.join(missing)}")
        if new:
            parts.append(f"new column {', '.join(new)}")
        message = (
            f"{table.full_name}: {file.origin}, header: {' and '.join(parts)}; found "
            f"{', '.join(found)}; expected "
            f"{', '.join(column.name for column in table.columns)}"
        )
        values = [name for name in found if _VALUE.fullmatch(name)]
        if values and not known:
            raise DeliveryError(
                f"{message}; no name is known, and '{values[0]}' looks like a value: "
                "without a header the first row would be lost; have the file "
                "delivered with one"
            )
        renamed = _renamed(table, file, missing, new, fits)
        if needed or (missing and policy.missing == "stop"):
            cure = delimiter_cure(found) or renamed or _missing_cure(needed)
            raise DeliveryError(f"{message}; {cure}")
        if new and policy.new == "stop":
            cure = renamed or (
                "have the column removed, declare it in sources.yml, or declare drift: "
                "{new: warn}"
            )
            raise DeliveryError(f"{message}; {cure}")
        if missing or (new and policy.new == "warn"):
            warnings.append(f"{message}; {renamed}" if renamed else message)
        all_new |= dict.fromkeys(new)
    return list(all_new), warnings


def _renamed(
    table: SourceTable,
    file: PulledFile,
    missing: list[str],
    new: list[str],
    fits: Fits,
) -> str:
    """What looks like a missing column under a new name, with the cure."""
    declared = [column.name for column in table.columns]
    found = list(file.columns)
    guesses = []
    new = [name for name in new if not _VALUE.fullmatch(name)]
    for name in missing:
        alike = max(new, key=lambda other: _likeness(name, other), default=None)
        if alike and _likeness(name, alike) >= _ALIKE:
            guesses.append((name, alike, "its name is alike"))
            continue
        place = declared.index(name)
        at_place = found[place] if place < len(found) else None
        if at_place in new and fits(file, at_place, name):
            guesses.append(
                (name, at_place, "it stands in its place and its values fit")
            )
    return "; ".join(
        f"{other} looks like {name} renamed ({reason}): if so, declare aliases: "
        f"[{other}] for {name} in sources.yml"
        for name, other, reason in guesses
    )


def _likeness(one: str, other: str) -> float:
    bare_one, bare_other = (
        re.sub(r"[\W_]", "", name.casefold()) for name in (one, other)
    )
    return SequenceMatcher(None, bare_one, bare_other).ratio()


def _missing_cure(needed: list[str]) -> str:
    if needed:
        return (
            f"no row may lack {', '.join(needed)} (key, cursor or required); have the "
            "column delivered, or correct its name in sources.yml"
        )
    return (
        "have the column delivered, correct its name in sources.yml, or declare "
        "drift: {missing: warn} to go on with NULL"
    )


def compare_types(
    table: SourceTable, delivered: Mapping[str, str], earlier: Mapping[str, str]
) -> list[str]:
    """What to warn of: columns whose type differs from that of an earlier delivery.

    Raises DeliveryError where the declared policy says stop.
    """
    before = {name.lower(): kind for name, kind in earlier.items()}
    known = {name for column in table.columns for name in column.names_in(delivered)}
    retyped = [
        f"{name} from {before[name.lower()]} to {kind}"
        for name, kind in delivered.items()
        if name in known and before.get(name.lower(), kind) != kind
    ]
    policy = table.rules.drift.retyped
    if not retyped or policy == "evolve":
        return []
    message = (
        f"{table.full_name}: type of column changed since the last delivery: "
        f"{', '.join(retyped)}"
    )
    if policy == "stop":
        raise DeliveryError(
            f"{message}; have the former type delivered, or declare drift: "
            "{retyped: warn} to go on with what can be read as the declared type"
        )
    return [message]
