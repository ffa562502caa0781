"""Repeated keys: which of several rows of one key counts, and which contradict.

The row with the latest cursor counts, and of several the one that arrived last: as the
column `arrived` says, else as the date in its file's name does. What the rows hold
never decides. Where nothing tells which of two is newer and they differ, neither is
taken, unless the table declares that the last one in a file counts.

All of this is judged by business day, since a later delivery may own only some days.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import duckdb

from kith.admit.faults import SHOWN_CHARACTERS, shown_sql
from kith.admit.judge import Attempt, values_hash
from kith.company.tables import SourceTable
from kith.database import fetch_row, literal, parquet_sql, quote, write_parquet
from kith.deliveries.admitted import DATA, FORMER
from kith.deliveries.business_days import row_day_sql
from kith.deliveries.columns import ROW_NUMBER
from kith.deliveries.repeats import find_repeated, key_hash

REASON = "conflicting_rows"
# The share of a file's rows that make two files look like two versions of one.
_MUCH = 0.5


@dataclass(frozen=True)
class Settled:
    """How many good rows were dropped, kept though equal to others, or refused.

    `replaced` counts those of the dropped that differ from the row that counts.
    """

    dropped: int = 0
    replaced: int = 0
    kept: int = 0
    refused: int = 0
    warnings: tuple[str, ...] = ()


def row_key(table: SourceTable) -> str:
    """SQL of the key of a row of a table that declares none."""
    # New columns are left out: they must not make known rows into other ones.
    declared = [quote(column.name) for column in table.columns]
    return f"{values_hash(declared)} || '-1'"


def settle_repeats(
    connection: duckdb.DuckDBPyConnection, attempt: Attempt, built: Path
) -> Settled:
    """Leave each key once in `DATA`; of each former day of it keep a row in `FORMER`.

    Rows that contradict each other go to the table `bad_rows`. Equal rows of a table
    without a key are told apart by a number, or dropped where declared. The days of
    dropped rows, also of former ones, stand in a table `dropped` afterwards.
    """
    rules = attempt.table.rules
    rows = parquet_sql(built / DATA)
    key = rules.key or ["row_key"]
    connection.execute("create temp table dropped (day date)")
    if not find_repeated(connection, "repeated", rows, key):
        return Settled()
    _rank(connection, attempt, key)
    refused = _refuse(connection, attempt, key)
    (twins,) = fetch_row(
        connection,
        "insert into dropped select _kith_day from placed where _kith_is_twin",
    )
    columns = [*map(quote, attempt.columns), "loaded_at"]
    is_dropped = bool(rules.key) or rules.drop_exact_duplicates
    if is_dropped:
        columns += [] if rules.key else key
        chosen = f"select {', '.join(columns)} from ranked where _kith_rank = 1"
    else:
        columns += ["left(row_key, 33) || _kith_rank as row_key"]
        chosen = f"select {', '.join(columns)} from ranked"
    settled = built / "settled.parquet"
    write_parquet(
        connection,
        f"select * from {rows} where {key_hash(key)} not in (from repeated) "
        f"union all by name {chosen}",
        settled,
    )
    settled.replace(built / DATA)
    later = "from ranked where _kith_rank > 1"
    if not is_dropped:
        (kept,) = fetch_row(connection, f"select count(*) {later}")
        warnings = _told_of_equals(connection, attempt, kept)
        return Settled(dropped=twins, kept=kept, warnings=tuple(warnings))
    former = f"select {', '.join(columns)} {later} and _kith_rank_of_day = 1"
    if connection.execute(f"{former} limit 1").fetchall():
        write_parquet(connection, former, built / FORMER)
    (dropped,) = fetch_row(connection, f"insert into dropped select _kith_day {later}")
    (replaced,) = fetch_row(
        connection, f"select count(*) {later} and _kith_is_replaced"
    )
    warnings = _told_of_earlier_cursors(connection, attempt, key)
    return Settled(
        dropped=twins + dropped,
        replaced=replaced,
        refused=refused,
        warnings=tuple(warnings),
    )


def _rank(
    connection: duckdb.DuckDBPyConnection, attempt: Attempt, key: list[str]
) -> None:
    """Make tables of the rows of repeated keys: `placed`, and `ranked` of good ones.

    Rows of one key and day have one `_kith_place` where nothing tells which is newer.
    They contradict each other when they differ, and are refused unless a newer row
    makes them of no interest. Without a key, a row of a file that holds the same rows
    as another is a `_kith_twin` of the row there, and no row of its own.
    """
    table, rules = attempt.table, attempt.table.rules
    arrived = "cast(null as timestamp)"
    if rules.arrived:
        # What arrived later than now, somewhere on earth, says nothing.
        value = f"cast({quote(rules.arrived)} as timestamp)"
        arrived = f"case when {value} <= loaded_at + interval 1 day then {value} end"
    day = row_day_sql(table, attempt.time_zone, attempt.manifest.window)
    cursor = f"{quote(rules.cursor)} desc, " if rules.cursor else ""
    order = f"{cursor}_kith_arrived desc nulls last, _kith_named_at desc nulls last"
    of_key = ", ".join(map(quote, key))
    of_day = f"{of_key}, _kith_day"
    of_place = f"{of_day}, _kith_place"
    is_spoken_for = "true"
    if rules.repeated_key == "last_in_file":
        is_spoken_for = (
            f"row_number() over (partition by {of_place}, _kith_file "
            f"order by {ROW_NUMBER} desc) = 1"
        )
    is_twin = "false"
    originals = {file.origin: file.same_as for file in attempt.manifest.files}
    if any(originals.values()) and not rules.key:
        pairs = ", ".join(
            f"{literal(origin)}: {literal(original or origin)}"
            for origin, original in originals.items()
        )
        # The second of two equal rows of a file is the twin of the second one there.
        is_twin = (
            "row_number() over (partition by row_key, _kith_number, "
            f"map {{{pairs}}}[_kith_file] order by _kith_file) > 1"
        )
    contents = "_kith_content) filter (where _kith_counts) over same"
    contradict = f"min({contents} <> max({contents}" if rules.key else "false"
    with attempt.reading():
        connection.execute(
            f"""
            create temp table placed as
            with found as (
                select
                    {", ".join(map(quote, attempt.columns))},
                    timestamp '{attempt.manifest.delivered_at}' as loaded_at,
                    {"" if rules.key else f"{row_key(table)} as row_key,"}
                    _kith_file, _kith_named_at, {ROW_NUMBER}, _kith_payload
                from {attempt.judged} where _kith_good
            ),
            repeats as (
                select
                    *,
                    {day} as _kith_day,
                    coalesce({arrived}, _kith_named_at) as _kith_arrived,
                    {values_hash(map(quote, attempt.columns))} as _kith_content
                from found where {key_hash(key)} in (from repeated)
            ),
            in_places as (
                select *, dense_rank() over (
                    partition by {of_day} order by {order}
                ) as _kith_place
                from repeats
            ),
            spoken_for as (
                select
                    *,
                    {is_spoken_for} as _kith_counts,
                    row_number() over (
                        partition by {of_place}, _kith_file
                        order by _kith_content, {ROW_NUMBER}
                    ) as _kith_number
                from in_places
            ),
            compared as (
                select *, {contradict} as _kith_differs
                from spoken_for window same as (partition by {of_place})
            )
            select
                *,
                {is_twin} as _kith_is_twin,
                _kith_differs and _kith_place < coalesce(
                    min(_kith_place) filter (where not _kith_differs)
                        over (partition by {of_day}),
                    _kith_place + 1
                ) as _kith_is_refused
            from compared
            """
        )
    order += f", _kith_counts desc, _kith_content desc, _kith_file, {ROW_NUMBER}"
    connection.execute(
        f"""
        create temp table ranked as
        select
            *,
            row_number() over (partition by {of_key} order by {order}) as _kith_rank,
            row_number() over (
                partition by {of_day} order by {order}
            ) as _kith_rank_of_day,
            _kith_content <> first_value(_kith_content) over (
                partition by {of_key} order by {order}
            ) as _kith_is_replaced
        from placed where not _kith_is_refused and not _kith_is_twin
        """
    )


def _refuse(
    connection: duckdb.DuckDBPyConnection, attempt: Attempt, key: list[str]
) -> int:
    """Add the refused rows to `bad_rows`, each with the first column that differs."""
    (count,) = fetch_row(
        connection, "select count(*) from placed where _kith_is_refused"
    )
    if not count:
        return 0
    columns = attempt.columns
    texts = {name: shown_sql(attempt.table, name) for name in columns}
    differs = " ".join(
        f"when count(distinct {quote(name)}) > 1 "
        f"or count({quote(name)}) not in (0, count(*)) then {literal(name)}"
        for name in columns
    )
    values = " ".join(
        f"when {literal(name)} then {text}" for name, text in texts.items()
    )
    names = ", ', ', ".join(f"{literal(f'{name} ')}, {texts[name]}" for name in key)
    connection.execute(
        f"""
        insert into bad_rows by name
        with conflicts as (
            select *, dense_rank() over (
                order by {", ".join(map(quote, key))}, _kith_day, _kith_place
            ) as _kith_conflict
            from placed where _kith_is_refused
        ),
        differing as (
            select _kith_conflict, case {differs} end as _kith_column
            from conflicts where _kith_counts
            group by _kith_conflict
        )
        select
            _kith_file as file,
            {ROW_NUMBER} as row_number,
            _kith_column as column_name,
            {literal(REASON)} as reason,
            left(case _kith_column {values} end, {SHOWN_CHARACTERS}) as value,
            left(concat('one row for ', {names}), {SHOWN_CHARACTERS}) as expected,
            _kith_payload as payload_hash,
            _kith_day as day
        from conflicts inner join differing using (_kith_conflict)
        """
    )
    return int(count)


def _told_of_earlier_cursors(
    connection: duckdb.DuckDBPyConnection, attempt: Attempt, key: list[str]
) -> list[str]:
    """What to warn of: rows that lost by their cursor, though they came later.

    Where nothing tells when files came, their names are as people number them. Rows of
    one file came at once, unless their order in it is declared to count.
    """
    name, rules = attempt.table.full_name, attempt.table.rules
    if not (rules.key and rules.cursor):
        return []
    origins = sorted({file.origin for file in attempt.manifest.files}, key=_as_numbered)
    place = f"list_position([{', '.join(map(literal, origins))}], _kith_file)"
    is_undated = "lost._kith_arrived is null and winner._kith_arrived is null"
    is_later = (
        "lost._kith_arrived > winner._kith_arrived "
        "or lost._kith_arrived = winner._kith_arrived "
        "and lost._kith_named_at > winner._kith_named_at "
        f"or {is_undated} and lost._kith_file_place > winner._kith_file_place"
    )
    if rules.repeated_key == "last_in_file":
        is_later += (
            " or lost._kith_file = winner._kith_file "
            f"and lost.{ROW_NUMBER} > winner.{ROW_NUMBER}"
        )
    values = [
        quote(column)
        for column in attempt.columns
        if column not in (rules.cursor, rules.arrived)
    ]
    lost, winner = (
        values_hash(f"{each}.{value}" for value in values)
        for each in ("lost", "winner")
    )
    rows, keys, by_name, first = fetch_row(
        connection,
        f"""
        select
            count(*),
            count(distinct {key_hash(key)}),
            bool_or({is_undated} and lost._kith_file <> winner._kith_file),
            min({{'file': lost._kith_file, 'row': lost.{ROW_NUMBER}}})
        from (select *, {place} as _kith_file_place from ranked) as lost
        inner join (select *, {place} as _kith_file_place from ranked) as winner
            using ({", ".join(map(quote, key))})
        where winner._kith_rank = 1 and lost._kith_rank > 1 and ({is_later})
            and {lost} <> {winner}
        """,
    )
    if not rows:
        return []
    by_name = " (as the names of files are ordered)" if by_name else ""
    return [
        f"{name}: {rows} rows of {keys} keys came later{by_name} than the row that "
        f"counts, but with an earlier {rules.cursor} and other values, the first in "
        f"{first['file']}, row {first['row']}; the row with the latest {rules.cursor} "
        "counts; if the later delivery is right, declare the time of the change as "
        "cursor, or none where each delivery is whole"
    ]


def _as_numbered(origin: str) -> list[tuple[int, str]]:
    """Sorts part 10 behind part 9."""
    return [
        (int(piece), "") if piece.isdigit() else (-1, piece)
        for piece in re.split(r"(\d+)", origin)
    ]


def _told_of_equals(
    connection: duckdb.DuckDBPyConnection, attempt: Attempt, kept: int
) -> list[str]:
    """What to warn of: equal rows that were kept, and files that share many rows."""
    if not kept:
        return []
    name = attempt.table.full_name
    shared = connection.execute(
        """
        select file, first_file, count(*)
        from (
            select
                _kith_file as file,
                min(_kith_file) over (partition by left(row_key, 33)) as first_file
            from ranked
        )
        where file <> first_file
        group by all
        order by all
        """
    ).fetchall()
    across = sum(count for _, _, count in shared)
    warnings = [
        f"{name}: {kept} rows equal to others were kept, {across} of them rows of "
        "another file; declare a key, or drop_exact_duplicates, if they are no rows of "
        "their own"
    ]
    rows = {file.origin: file.rows for file in attempt.manifest.files}
    large = [
        f"{name}: {file} and {first} have {count} rows in common, of {rows[file]} and "
        f"{rows[first]}: if one corrects or repeats the other, take one of them away"
        for file, first, count in sorted(shared, key=lambda pair: -pair[2])
        if count >= _MUCH * min(rows[file], rows[first])
    ]
    more = f" (and {len(large) - 3} more pairs of files)" if large[3:] else ""
    return [*warnings, *large[:2], *(f"{each}{more}" for each in large[2:3])]
