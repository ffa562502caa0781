"""What can be wrong with a delivered row, as SQL: once to sift, once to explain."""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from kith.company.tables import Column, SourceTable
from kith.database import literal, quote
from kith.deliveries.casts import Reading, is_number, is_time
from kith.deliveries.columns import is_personal
from kith.errors import ConfigurationError

SHOWN_CHARACTERS = 200

CURES = {
    "wrong_type": "correct the source, or the column's data_type, format, decimal or "
    "null_values in sources.yml",
    "required_missing": "have the source fill the column; drop `required` in "
    "sources.yml only if the column is no key and may be empty",
    "below_minimum": "correct the source, or `minimum` in sources.yml",
    "above_maximum": "correct the source, or `maximum` in sources.yml",
    "not_accepted": "correct the source, or `accepted_values` in sources.yml",
    "in_the_future": "correct the source's clock, or the column's time_zone or format "
    "in sources.yml",
    "unknown_reference": "have the other table delivered whole, or declare orphans: "
    "warn for the column's references in sources.yml",
    "repeated_header": "have the file delivered again as one table with one header",
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


def is_required(table: SourceTable, column: Column) -> bool:
    """Whether a row may not lack the column.

    Without its key it cannot be told from another, without its cursor it has no day.
    """
    return column.rules.required or column.name in (
        *table.rules.key,
        table.rules.cursor,
    )


def repeated_header(table: SourceTable, columns: dict[str, str]) -> Fault | None:
    """A row that holds the names of its columns: the header of a second file.

    `columns` gives the types of the delivered columns. None where they came typed: the
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
        return None
    first, *others = plain
    # It may begin with a byte order mark. A case, since all parts of an `and` would be
    # computed for every row.
    same = [f"{quote(name)} = {literal(name)}" for name in others]
    is_header = (
        f"case when suffix({quote(first)}, {literal(first)}) then "
        f"{' and '.join(['true', *same])} end"
    )
    return Fault(first, "repeated_header", is_header, quote(first), "a row of values")


def _limit_sql(limit: float | dt.date | None) -> str | None:
    if isinstance(limit, dt.date):
        return f"date '{limit}'"
    return None if limit is None else f"{limit:.15g}"


@dataclass(frozen=True)
class Rule:
    """What a column of a row must satisfy.

    `good` reads the value as seldom as can be, since it is computed for every row;
    `faults` name what is wrong with the few that fail it. `typed` is SQL of the value
    in its type `kind`; `now` that of the last legal cursor. `ahead` gives for the paths
    of some files the first cursor that they cannot know of yet.
    """

    table: SourceTable
    column: Column
    reading: Reading
    kind: str
    typed: str
    now: str | None
    ahead: Mapping[str, dt.date] = field(default_factory=dict)

    @property
    def _limits(self) -> tuple[str | None, str | None]:
        """SQL of the least and of the greatest value allowed."""
        rules = self.column.rules
        limits = (rules.minimum, rules.maximum)
        for limit in limits:
            fits = is_time if isinstance(limit, dt.date) else is_number
            if limit is not None and not fits(self.kind):
                raise ConfigurationError(
                    f"sources.yml: {self.table.full_name}: column {self.column.name}: "
                    "minimum and maximum are for numbers and, as days, for dates and "
                    f"timestamps; found {limit} for data_type {self.column.data_type}"
                )
        low, high = limits
        return _limit_sql(low), _limit_sql(high)

    @property
    def _day(self) -> str:
        """SQL of what the limits are compared with: a timestamp counts by its day."""
        is_timestamp = self.kind.startswith("TIMESTAMP")
        return f"cast({self.typed} as date)" if is_timestamp else self.typed

    @property
    def _accepted(self) -> str:
        return ", ".join(map(literal, self.column.rules.accepted_values or []))

    @property
    def _later(self) -> str:
        """SQL of whether the cursor lies after the delivery."""
        return " or ".join(
            [
                f"{self.typed} > {self.now}",
                *(
                    f"(_kith_path = {literal(path)} and {self.typed} >= '{moment}')"
                    for path, moment in self.ahead.items()
                ),
            ]
        )

    def good(self) -> Iterator[str]:
        """Conditions that all hold in a good row."""
        low, high = self._limits
        checks = []
        if low:
            checks.append(f"{self._day} >= {low}")
        if high:
            checks.append(f"{self._day} <= {high}")
        if self._accepted:
            checks.append(f"cast({self.typed} as varchar) in ({self._accepted})")
        if self.column.name == self.table.rules.cursor:
            checks.append(f"not ({self._later})")
        fits = " and ".join(checks) or f"{self.typed} is not null"
        if is_required(self.table, self.column):
            yield f"({fits})"
        elif checks or self.reading.can_fail:
            # A case, since `or` would trim each value to see whether one was given.
            yield f"case when {fits} then true else {self.reading.given} is null end"

    def faults(self) -> Iterator[Fault]:
        """What can be wrong, in the order of asking."""
        rules, typed = self.column.rules, self.typed
        low, high = self._limits
        if self.reading.can_fail:
            unreadable = f"{typed} is null and {self.reading.given} is not null"
            yield self._fault("wrong_type", self._type_expected(), unreadable)
        if is_required(self.table, self.column):
            yield self._fault("required_missing", "a value", f"{typed} is null")
        if low:
            yield self._fault("below_minimum", f">= {low}", f"{self._day} < {low}")
        if high:
            yield self._fault("above_maximum", f"<= {high}", f"{self._day} > {high}")
        if rules.accepted_values:
            other = f"cast({typed} as varchar) not in ({self._accepted})"
            listed = ", ".join(rules.accepted_values)
            yield self._fault("not_accepted", f"one of {listed}", other)
        if self.column.name == self.table.rules.cursor:
            expected = "not later than the delivery"
            yield self._fault("in_the_future", expected, self._later)

    def _type_expected(self) -> str:
        rules, kind = self.column.rules, self.kind.lower()
        if rules.pii:
            return f"a {rules.pii} that can be normalised"
        if kind == "varchar":
            return "text without control or replacement characters"
        if rules.format:
            return f"{kind} as {' or '.join(rules.format)}"
        if rules.time_zone != "UTC" and kind == "timestamp":
            return f"timestamp that clocks in {rules.time_zone} showed"
        return kind

    def _fault(self, reason: str, expected: str, condition: str) -> Fault:
        shown = self.reading.shown
        if is_personal(self.table) and not self.column.rules.pii:
            shown = masked(shown)
        return Fault(
            self.column.name,
            reason,
            condition,
            f"left({shown}, {SHOWN_CHARACTERS})",
            expected[:SHOWN_CHARACTERS],
        )
