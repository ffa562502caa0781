"""Rows that were lost in a value: of two quotes too many the lines between are one.

A value of several lines is suspected where its lines are divided like rows of the file.
Whether they are rows tells the form of their values: a day stands where days stand.
"""

import csv
import functools
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import duckdb

from kith.database import literal, parquet_sql, quote

# Rows by which the form of each column's values is known.
_KNOWN_ROWS = 2_000
# Of so many it is asked whether they may hold rows; of all, whether they do.
_DOUBTFUL_VALUES = 1_000
_BREAK = r"\r\n|\r|\n"


class HeldRows(NamedTuple):
    """A value that seems to hold rows.

    `row` counts the readable rows of the file from 1. `is_certain`: its lines cannot be
    anything else.
    """

    row: int
    column: str
    value: str
    is_certain: bool


class Forms:
    """The forms that values of each column have: 9-9-9 of a day, a9 of S002."""

    def __init__(self, rows: Sequence[Sequence[str | None]], width: int) -> None:
        self.width, self.are_known = width, bool(rows)
        self._known = [{_form(row[place]) for row in rows} for place in range(width)]
        self._numbered = {
            place
            for place, known in enumerate(self._known)
            if known and all("9" in form for form in known)
        }
        self._of_digits = {
            place: {_form_of_digits(row[place]) for row in rows}
            for place in self._numbered
        }

    def fit(self, values: Sequence[str | None]) -> bool:
        """Whether values look like a row: all of two, three in four of more."""
        if len(values) != self.width:
            return False
        alike = sum(map(self._is_known, range(self.width), values))
        return 4 * alike >= (3 if self.width > 2 else 4) * self.width

    def fit_number(self, values: Sequence[str | None]) -> bool:
        """Whether one stands where each row has a number, a day or a code."""
        return any(self._is_known(place, values[place]) for place in self._numbered)

    def fit_beside(self, values: Sequence[str | None], place: int) -> bool:
        """Whether values look like a row, whatever text stands in one column.

        A number, a day or a code has as many digits as one of that column.
        """
        return (
            len(values) == self.width
            and all(
                self._is_known(other, values[other])
                for other in range(self.width)
                if other != place
            )
            and any(
                _form_of_digits(values[numbered]) in known
                for numbered, known in self._of_digits.items()
            )
        )

    def _is_known(self, place: int, value: str | None) -> bool:
        return _form(value) in self._known[place]


def known_forms(
    connection: duckdb.DuckDBPyConnection, names: Sequence[str], rows: Path
) -> Forms:
    """Forms of the first values that are of one line, of a Parquet file of text."""
    is_long = " or ".join(map(_is_long, names))
    known = connection.execute(
        f"select {', '.join(map(quote, names))} from {parquet_sql(rows)} "
        f"where not coalesce({is_long}, false) limit {_KNOWN_ROWS}"
    ).fetchall()
    return Forms(known, len(names))


def find_held_rows(
    connection: duckdb.DuckDBPyConnection,
    names: Sequence[str],
    rows: Path,
    delimiter: str,
) -> HeldRows | None:
    """The first value that holds rows for certain, else the first that may hold some.

    `rows` is a Parquet file of text, `names` its columns in the order of the file.
    """
    candidates = connection.execute(_candidates(names, rows, delimiter)).fetchall()
    if not candidates:
        return None
    forms, doubtful = known_forms(connection, names, rows), None
    for number, place, value, record in candidates:
        judged = _judge(forms, place, value, record, delimiter)
        if judged is not None:
            found = HeldRows(number + 1, names[place], value, judged)
            if judged:
                return found
            doubtful = doubtful or found
    return doubtful


def lines_hold_row(lines: Iterable[str], dialect: dict[str, str], forms: Forms) -> bool:
    """Whether a line looks like a row of its own."""
    for line in lines:
        with suppress(csv.Error):
            read = csv.reader(
                [line],
                delimiter=dialect["delimiter"],
                quotechar=dialect["quote"] or None,
                quoting=csv.QUOTE_MINIMAL if dialect["quote"] else csv.QUOTE_NONE,
            )
            if any(forms.fit(values) and forms.fit_number(values) for values in read):
                return True
    return False


def line_of(path: Path, held: HeldRows, dialect: dict[str, str]) -> int:
    """Number of the line of a text, from 1, in which a value begins."""
    first, end = re.split(f"({_BREAK})", held.value, maxsplit=1)[:2]
    written = first.replace(dialect["quote"], dialect["escape"] + dialect["quote"])
    sought = (dialect["quote"] + written + end).encode(errors="surrogateescape")
    number = 1
    with path.open("rb") as text:
        for line in text:
            # Lines may end in carriage returns alone.
            before, *others = line.split(sought, 1)
            number += before.rstrip(b"\r\n").count(b"\r")
            if others:
                return number + before.endswith(b"\r")
            number += 1
    return held.row + 1


def _candidates(names: Sequence[str], rows: Path, delimiter: str) -> str:
    """SQL of the values whose lines are divided like rows, with all of their row.

    The first line goes on from the values before it, the last to those behind it.
    """
    width, stored = len(names), parquet_sql(rows, file_row_number="true")
    values = " union all ".join(
        f"select file_row_number, {place} as place, {quote(name)} as value "
        f"from {stored} where {_is_long(name)}"
        for place, name in enumerate(names)
    )
    sign = literal(delimiter)
    return f"""
        with long_values as ({values}),
        divided as (
            select *,
                list_transform(
                    regexp_split_to_array(value, {literal(_BREAK)}),
                    lambda line: case when line <> ''
                        then length(line) - length(replace(line, {sign}, '')) end
                ) as counts,
                list_filter(counts[2:-2], lambda count: count is not null) as between,
                len(list_filter(between, lambda count: count = {width - 1})) as whole
            from long_values
        ),
        framed as (
            select file_row_number, place, value,
                {width} > 1
                and coalesce(counts[1], 0) = {width - 1} - place
                and coalesce(counts[-1], 0) = place
                and 4 * whole >= 3 * len(between) as is_framed
            from divided
            where is_framed or {width} = 1 or ({width} > 2 and whole >= 2)
        ),
        suspected as (
            select file_row_number, place, value
            from framed
            qualify is_framed or row_number() over (
                partition by is_framed order by file_row_number, place
            ) <= {_DOUBTFUL_VALUES}
        )
        select file_row_number, place, value, [{", ".join(map(quote, names))}]
        from suspected
        inner join {stored} using (file_row_number)
        order by file_row_number, place
    """


def _judge(
    forms: Forms, place: int, value: str, record: Sequence[str | None], delimiter: str
) -> bool | None:
    """Whether a value holds rows for certain; None where it does not seem so."""
    lines = [line.split(delimiter) for line in re.split(_BREAK, value)]
    first, *inner, last = lines
    rows: list[Sequence[str | None]] = [
        [*record[:place], *first],
        *[line for line in inner if line != [""]],
        [*last, *record[place + 1 :]],
    ]
    fitting = [row for row in rows if forms.fit(row)]
    if not forms.are_known:
        return False if forms.width > 2 and _are_wide(rows, forms.width) else None
    is_numbered = all(map(forms.fit_number, fitting))
    if forms.width == 1:
        # Each line of a text is as good as a row.
        return False if len(fitting) == len(rows) and is_numbered else None
    if (
        is_numbered
        and 4 * len(fitting) >= 3 * len(rows)
        and forms.fit(rows[0])
        and forms.fit(rows[-1])
    ):
        return True
    # The text in which quotes were opened has a form of its own, as remarks have.
    if len(fitting) > 1 or all(forms.fit_beside(row, place) for row in rows):
        return False
    return None


def _are_wide(rows: Sequence[Sequence[str | None]], width: int) -> bool:
    return all(len(row) == width for row in rows)


def _is_long(name: str) -> str:
    return f"contains({quote(name)}, '\n') or contains({quote(name)}, '\r')"


@functools.lru_cache(maxsize=1 << 16)
def _form(value: str | None) -> str:
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "9", value or ""))


def _form_of_digits(value: str | None) -> str:
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d", "9", value or ""))
