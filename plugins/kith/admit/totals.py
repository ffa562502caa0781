"""Rows that may be totals of others: a word for it stands in them, or they add up.

What is nothing but a total is refused (`faults.total_line`). Here are those that could
be rows as well, since a company may be called Total: people are told, nothing more.
"""

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator

import duckdb

from kith.admit.judge import Attempt
from kith.database import fetch_row, quote
from kith.deliveries.casts import declared_types, is_fraction, is_number
from kith.deliveries.columns import ROW_NUMBER, is_json
from kith.deliveries.totals import is_total, is_total_of_lines

_FILES_NAMED = 3
# So many values make a sum that is none by chance: different ones, any, and where a
# word says that it is one.
_DIFFERENT, _ALIKE, _NAMED = 3, 5, 2
# More rows than these are written by no person.
_LOOKED_AT = 200_000


def warn_of_totals(
    connection: duckdb.DuckDBPyConnection, attempt: Attempt, rows: str
) -> list[str]:
    """What to warn of: rows that look like totals of others.

    `rows` is the relation of the admitted rows. A row with a word for a total looks
    like one where a number in it is the sum of those of other rows, of its whole file
    or of those that share another text with it; or where it lacks a value that all
    others of its file have. Not where most rows with that word in a file look
    otherwise. Any row of a file looks like one whose number is the sum of the rows
    above it, down from the last such row.
    """
    kinds = declared_types(attempt.table)
    texts = [name for name in attempt.columns if _is_plain_text(attempt, kinds, name)]
    keys = {*attempt.table.rules.key, attempt.table.rules.cursor}
    numbers = [name for name in kinds if is_number(kinds[name]) and name not in keys]
    if not numbers:
        return []
    told = _named(connection, attempt, rows, texts, numbers)
    by_name = {(file, row) for file, row_numbers, _ in told for row in row_numbers}
    warnings = [
        warning
        for label in dict.fromkeys(label for *_, label in told)
        for warning in _warnings(
            attempt,
            [(file, found) for file, found, name in told if name == label],
            f"column {label} holds a word for a total, and",
            "such rows look like totals of others, which would count once more; have "
            "the file delivered without them, or declare accepted_values for "
            f"{label} in sources.yml if they are rows",
        )
    ]
    if attempt.table.rules.connector != "files" or (
        attempt.manifest.rows_taken > _LOOKED_AT
    ):
        return warnings
    for number, found in _running(
        connection, attempt, rows, texts, kinds, numbers
    ).items():
        new = [
            (file, left)
            for file, row_numbers in found
            if (left := [row for row in row_numbers if (file, row) not in by_name])
        ]
        by_name |= {(file, row) for file, left in new for row in left}
        warnings += _warnings(
            attempt,
            new,
            f"column {number} is the sum of the rows above, as in a total, in",
            "of its rows; totals would count once more: have the file delivered "
            "without them",
        )
    return warnings


def _warnings(
    attempt: Attempt, found: list[tuple[str, list[int]]], what: str, then: str
) -> list[str]:
    """One for each of the first files; how many rows stands between the two texts."""
    warnings = []
    for file, rows in found[:_FILES_NAMED]:
        shown = ", ".join(map(str, rows[:3])) + (" …" if rows[3:] else "")
        warnings.append(
            f"{attempt.table.full_name}: {file}, row {shown}: {what} {len(rows)} {then}"
        )
    if more := found[_FILES_NAMED:]:
        count = sum(len(rows) for _, rows in more)
        warnings.append(
            f"{attempt.table.full_name}: {count} such rows in {len(more)} more files"
        )
    return warnings


def _named(
    connection: duckdb.DuckDBPyConnection,
    attempt: Attempt,
    rows: str,
    texts: list[str],
    numbers: list[str],
) -> list[tuple[str, list[int], str]]:
    """Files and rows with a word for a total that look like one, and its column."""
    if not texts:
        return []
    words = ", ".join(f"coalesce(bool_or({is_total(quote(x))}), false)" for x in texts)
    found = fetch_row(connection, f"select {words} from {rows}")
    return [
        (file, row_numbers, label)
        for label, is_one in zip(texts, found, strict=True)
        if is_one
        for file, row_numbers in _told(
            connection,
            attempt,
            label,
            [name for name in texts if name != label],
            numbers,
        )
    ]


def _running(
    connection: duckdb.DuckDBPyConnection,
    attempt: Attempt,
    admitted: str,
    texts: list[str],
    kinds: dict[str, str],
    numbers: list[str],
) -> dict[str, list[tuple[str, list[int]]]]:
    """Of each number the files and rows in which it is the sum of the rows above."""
    calls = " or ".join(
        f"coalesce({is_total_of_lines(quote(name))}, false)" for name in texts
    )
    is_amount = [is_fraction(kinds[name]) for name in numbers]
    if not any(is_amount):
        # Only where a word says so are counts totals, and to judge all rows once more
        # takes long.
        any_call = (
            f"select coalesce(bool_or({calls or 'false'}), false) from {admitted}"
        )
        if fetch_row(connection, any_call) == (False,):
            return {}
    selected = ", ".join(f"cast({quote(name)} as double)" for name in numbers)
    with attempt.reading():
        rows = connection.execute(
            f"""
            select _kith_file, {ROW_NUMBER}, {calls or "false"}, {selected}
            from {attempt.judged} where _kith_good
            order by _kith_file, {ROW_NUMBER}
            """
        ).fetchall()
    found: dict[str, list[tuple[str, list[int]]]] = {}
    for file, of_file in itertools.groupby(rows, key=lambda row: row[0]):
        of_rows = {
            number: (is_named, values) for _, number, is_named, *values in of_file
        }
        sums = {
            name: [
                *_sums(
                    (
                        (number, values[place], is_named)
                        for number, (is_named, values) in of_rows.items()
                    ),
                    is_amount[place],
                )
            ]
            for place, name in enumerate(numbers)
        }
        agreeing = Counter(itertools.chain.from_iterable(sums.values()))
        for name, row_numbers in sums.items():
            sure = []
            for number in row_numbers:
                is_named, values = of_rows[number]
                amounts = sum(map(bool, itertools.compress(values, is_amount)))
                # In one of many columns they add up by chance, too.
                if is_named or 2 * agreeing[number] >= amounts:
                    sure.append(number)
            if sure:
                found.setdefault(name, []).append((file, sure))
    return found


def _sums(
    rows: Iterable[tuple[int, float | None, bool]], is_amount: bool
) -> Iterator[int]:
    """The numbers of rows whose value is the sum of those above, or of all but sums.

    Each row has its number, its value, and whether a word says that it is a total.
    """
    since_last, all_values = _Addends(is_amount), _Addends(is_amount)
    for number, value, is_named in rows:
        if value and any(
            each.add_up_to(value, is_named) for each in (since_last, all_values)
        ):
            since_last = _Addends(is_amount)
            yield number
        elif value:
            since_last.take(value)
            all_values.take(value)


class _Addends:
    """Values that may add up to the next one."""

    def __init__(self, is_amount: bool) -> None:
        self._is_amount = is_amount
        self._sum, self._count, self._least = 0.0, 0, math.inf
        self._different: set[float] = set()

    def take(self, value: float) -> None:
        """Add one."""
        self._sum += value
        self._count += 1
        self._least = min(self._least, value)
        if len(self._different) < _DIFFERENT:
            self._different.add(value)

    def add_up_to(self, value: float, is_named: bool) -> bool:
        """Whether they do, and not by chance.

        Counts do so often, a few values that are alike as well, as fees are, and those
        some of which are below 0.
        """
        enough = self._count >= _NAMED
        if not is_named:
            enough = self._is_amount and self._least > 0
            enough &= len(self._different) >= _DIFFERENT or self._count >= _ALIKE
        return enough and math.isclose(value, self._sum, rel_tol=1e-9)


def _is_plain_text(attempt: Attempt, kinds: dict[str, str], name: str) -> bool:
    if name not in kinds:
        return True  # A new column comes as text.
    column = attempt.table.column(name)
    is_known = column.rules.pii or column.rules.accepted_values or is_json(column)
    return kinds[name] == "VARCHAR" and not is_known


def _told(
    connection: duckdb.DuckDBPyConnection,
    attempt: Attempt,
    label: str,
    others: list[str],
    numbers: list[str],
) -> list[tuple[str, list[int]]]:
    """Files and rows where a word for a total stands in the column `label`."""
    with attempt.reading():
        connection.execute(
            f"""
            create or replace temp table labelled as
            select
                {", ".join(map(quote, attempt.columns))}, _kith_file, {ROW_NUMBER},
                coalesce({is_total(quote(label))}, false) as _kith_is_total
            from {attempt.judged} where _kith_good
            """
        )
    sums = " or ".join(
        f"({quote(x)} <> 0 and abs({quote(x)} - others.sum_{n}) "
        f"<= 1e-9 * abs({quote(x)}))"
        for n, x in enumerate(numbers)
    )
    added = ", ".join(f"sum({quote(x)}) as sum_{n}" for n, x in enumerate(numbers))
    gaps = [name for name in attempt.columns if name != label]
    full = ", ".join(f"count({quote(x)}) as full_{n}" for n, x in enumerate(gaps))
    lacks = " or ".join(
        f"({quote(x)} is null and others.full_{n} = others.row_count)"
        for n, x in enumerate(gaps)
    )
    like_totals = " union ".join(
        f"""
        select totals._kith_file, totals.{ROW_NUMBER}
        from labelled as totals
        inner join (
            select {", ".join(shared)}, count(*) as row_count, {added}, {full}
            from labelled where not _kith_is_total
            group by {", ".join(shared)} having count(*) > 1
        ) as others using ({", ".join(shared)})
        where _kith_is_total and ({sums}{f" or {lacks}" if not shared[1:] else ""})
        """
        for shared in [["_kith_file"], *(["_kith_file", quote(x)] for x in others)]
    )
    found = connection.execute(
        f"""
        select _kith_file, list({ROW_NUMBER} order by {ROW_NUMBER}), any_value(words)
        from ({like_totals})
        inner join (
            select _kith_file, count(*) as words from labelled
            where _kith_is_total group by _kith_file
        ) using (_kith_file)
        group by _kith_file having 2 * count(*) >= any_value(words)
        order by _kith_file
        """
    ).fetchall()
    connection.execute("drop table labelled")
    return [(file, row_numbers) for file, row_numbers, _ in found]
