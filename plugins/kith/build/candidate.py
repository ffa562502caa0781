"""Build the candidate: lay the admitted data before dbt, then run dbt once.

The warehouse file is made anew in each run. Nothing of a run that failed, or that
the gate refused, can leak into the next one, and a killed build leaves nothing to
clean up.
"""

import datetime as dt
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from kith.build.references import hold_orphans_back
from kith.company.folder import Company, feed_names
from kith.company.tables import Freshness, Period, SourceTable
from kith.database import connect, fetch_row, literal, parquet_sql, quote
from kith.deliveries.admitted import (
    DATA,
    FORMER,
    Delivery,
    admitted_deliveries,
    all_deliveries,
    check_declarations,
    check_keys,
    counting,
    day_bounds,
    day_counts_sql,
    instant_bounds,
    late_counts,
    newest_readers,
    owned_sql,
    spans,
)
from kith.errors import BuildError
from kith.runs.run import Interval, Run
from kith.settings import REPOSITORY, child_environment, load_settings

DBT_PROJECT = REPOSITORY / "dbt_project"

# Logs of earlier runs, which dbt reads as sources: columns and types. They are kept
# as one Parquet file per run in history/<name>/.
_HISTORIES = {
    "gate_results": {
        "run_id": "varchar",
        "table_name": "varchar",
        "expectation": "varchar",
        "column_name": "varchar",
        "severity": "varchar",
        "outcome": "varchar",
        "observed": "varchar",
        "unexpected_count": "bigint",
        "row_count": "bigint",
        "sample": "varchar",
        "checked_at": "timestamp",
    },
    "publications": {
        "release_id": "varchar",
        "run_id": "varchar",
        "published_at": "timestamp",
        "from_day": "date",
        "to_day": "date",
        "data_as_of": "date",
        "git_commit": "varchar",
        "mart_count": "bigint",
        "row_count": "bigint",
        "failed_warning_count": "bigint",
    },
}
_QUARANTINED_ROWS = {
    "source_name": "varchar",
    "table_name": "varchar",
    "file": "varchar",
    "row_number": "bigint",
    "column_name": "varchar",
    "reason": "varchar",
    "value": "varchar",
    "expected": "varchar",
    "payload_hash": "varchar",
    "day": "date",
}
_SOURCE_TABLES = {
    "source_name": "varchar",
    "table_name": "varchar",
    "is_incremental": "boolean",
    "late_limit_pct": "double",
    "warn_after_hours": "double",
    "error_after_hours": "double",
}
_ADMITTED_DAYS = {
    "source_name": "varchar",
    "table_name": "varchar",
    "day": "date",
    "row_count": "bigint",
    "quarantined_count": "bigint",
    "duplicate_count": "bigint",
    "late_count": "bigint",
    "out_of_window_count": "bigint",
    "newest_at": "timestamp",
}


def as_of_date(run: Run) -> dt.date:
    """Last business day that the marts cover.

    It is the newest day admitted so far, not the end of this run's interval: a
    backfill of last spring mends the marts of today, it does not turn them back.
    """
    days = [run.interval.to_day]
    for table in run.company.sources:
        days += [each.interval.to_day for each in all_deliveries(run, table)]
    return max(days)


def dbt_vars(company: Company) -> dict[str, Any]:
    """What dbt must know of a company; constant, so that dbt's parse is kept."""
    return {
        "feeds": company.feeds,
        "time_zone": company.time_zone,
        "currency": company.currency,
        "drowsy_days": company.activity_states.drowsy,
        "half_asleep_days": company.activity_states.half_asleep,
        "asleep_days": company.activity_states.asleep,
        "rfm_window_days": company.rfm_window_days,
        "session_timeout_minutes": company.session_timeout_minutes,
        "minimum_answers": company.minimum_answers,
        "complaint_response_hours": company.complaint_response_hours,
    }


def assemble_project(run: Run) -> Path:
    """Lay the dbt project and the company's models side by side, as links.

    dbt must not be given the company's absolute path: it writes compiled SQL to
    <target>/<path of the model>, and an absolute path there is the user's own file.
    """
    project = run.folder / "dbt" / "project"
    shutil.rmtree(project, ignore_errors=True)
    (project / "company" / "staging").mkdir(parents=True)
    for part in ("dbt_project.yml", "models", "macros", "seeds"):
        (project / part).symlink_to(DBT_PROJECT / part)
    # File by file: below a model path dbt does not follow links to folders.
    company = run.company.folder
    for path in [company / "sources.yml", *(company / "staging").iterdir()]:
        (project / "company" / path.relative_to(company)).symlink_to(path)
    return project


def dbt(
    run: Run,
    *arguments: str,
    prepare: Callable[[Run], None] | None = None,
    pass_fds: tuple[int, ...] = (),
) -> None:
    """Run one dbt command on the company's project, after `prepare`.

    In a process of its own: its lock on the warehouse goes when it goes. Its output
    is kept in the run's folder. Raises BuildError with the first failure.
    """
    settings = load_settings()
    log_folder = run.run_folder / "dbt"
    log_folder.mkdir(parents=True, exist_ok=True)
    target = run.folder / "dbt" / "target"
    results = target / "run_results.json"
    results.unlink(missing_ok=True)
    output = log_folder / "output.log"
    with (
        output.open("a", encoding="utf-8") as stream,
        subprocess.Popen(
            [
                *(sys.executable, "-m", "kith.build.launch"),
                "--no-version-check",
                "--no-use-colors",
                *arguments,
                *("--project-dir", str(assemble_project(run))),
                *("--profiles-dir", str(DBT_PROJECT)),
                *("--target-path", str(target)),
                # What it would tell there takes a twentieth of its time.
                *("--log-level-file", "none", "--log-path", str(log_folder)),
                *("--vars", json.dumps(dbt_vars(run.company))),
            ],
            stdin=subprocess.PIPE,
            stdout=stream,
            stderr=subprocess.STDOUT,
            pass_fds=pass_fds,
            env=child_environment(
                PYTHONPATH=str(REPOSITORY / "plugins"),
                KITH_WAREHOUSE=str(run.warehouse),
                KITH_MEMORY_LIMIT=settings.memory_limit,
                KITH_THREADS=str(settings.threads),
                KITH_SCRATCH=str(run.folder / "scratch"),
            ),
        ) as process,
    ):
        try:
            if prepare:
                prepare(run)
            process.communicate(b"begin\n")
        except BaseException:  # An interrupt or a timeout, too.
            process.kill()
            raise
    if process.returncode != 0:
        failure = _first_failure(run.company, results, output)
        raise BuildError(f"{failure} — full log: {output}")


def _first_failure(company: Company, results: Path, output: Path) -> str:
    if results.is_file():
        for result in json.loads(results.read_text())["results"]:
            if result["status"] in ("error", "fail"):
                name = ".".join(result["unique_id"].split(".")[2:3])
                message = " ".join((result["message"] or "").split())
                return f"dbt {name}: {message}{_providers(company, name)}"
    lines = [line for line in output.read_text().splitlines() if line.strip()]
    faults = [line for line in lines if "Error" in line] or lines[-1:]
    start = lines.index(faults[0]) if faults else 0
    return "dbt: " + " ".join(" ".join(lines[start : start + 4]).split())


def _providers(company: Company, model: str) -> str:
    """Where to look when a feed cannot be built: nobody edits the feed itself."""
    feed = model.removeprefix("feed_")
    staging = company.feeds.get(feed, []) if feed != model else []
    if not staging:
        return ""
    return (
        f"; the feed is provided by {', '.join(staging)} in "
        f"{company.folder / 'staging'}, what it needs stands in docs/feeds.md"
    )


def build(run: Run) -> None:
    """Build all feeds, facts and marts of the candidate and run their tests.

    Unit tests of the SQL are left to `make test`: their result cannot change with
    the data.
    """
    with run.stage("build") as figures, run.writer_lock() as lock:
        dbt(
            run,
            *("build", "--exclude-resource-type", "unit_test"),
            prepare=prepare_warehouse,
            pass_fds=(lock,),
        )
        results = json.loads(
            (run.folder / "dbt" / "target" / "run_results.json").read_text()
        )["results"]
        figures["models"] = sum(r["unique_id"].startswith("model.") for r in results)
        figures["tests"] = sum(r["unique_id"].startswith("test.") for r in results)


def prepare_warehouse(run: Run) -> None:
    """Make the warehouse file anew with what dbt reads: sources and control tables."""
    for stale in run.warehouse.parent.glob("kith_build.duckdb*"):
        stale.unlink()
    with connect(run.warehouse, scratch=run.folder / "scratch") as warehouse:
        warehouse.execute("create schema kith")
        warehouse.execute(
            "create temp table superseded "
            "(table_name varchar, day date, row_count bigint)"
        )
        admitted = [
            (table, admitted_deliveries(run, table)) for table in run.company.sources
        ]
        check_keys(
            [
                (table, delivery)
                for table, deliveries in admitted
                for delivery in counting(deliveries)
            ]
        )
        for table, deliveries in admitted:
            check_declarations(table, counting(deliveries))
            warehouse.execute(f"create schema if not exists {quote(table.source)}")
            warehouse.execute(
                f"create view {quote(table.source)}.{quote(table.name)} as "
                + _source_sql(warehouse, run, table, deliveries)
            )
        _write_control_tables(warehouse, run)
        hold_orphans_back(warehouse, run)


def _source_sql(
    warehouse: duckdb.DuckDBPyConnection,
    run: Run,
    table: SourceTable,
    deliveries: list[Delivery],
) -> str:
    if not deliveries:
        columns = [
            f"cast(null as {column.data_type}) as {quote(column.name)}"
            for column in table.columns
        ]
        return f"select {', '.join(columns)} where false"
    rows = _counted_rows(warehouse, run, table, deliveries)
    # Admission leaves each key once per delivery, and a row that holds its cursor in
    # its key lies on one day, which one delivery owns.
    key = table.rules.key
    if len(deliveries) == 1 or not key or table.rules.cursor in key:
        return f"select * from {rows}"
    # Sorting the hashes takes half the time and memory of grouping by the keys.
    hashed = f"hash({', '.join(map(quote, key))})"
    repeated = f"kith.{quote(f'repeated_{table.source}__{table.name}')}"
    (count,) = fetch_row(
        warehouse,
        f"""
        create table {repeated} as
        select distinct hashed
        from (
            select hashed, lag(hashed) over (order by hashed) as previous
            from (select {hashed} as hashed from {rows})
        )
        where hashed = previous
        """,
    )
    if not count:
        warehouse.execute(f"drop table {repeated}")
        return f"select * from {rows}"
    # Of a key in several deliveries the row with the latest cursor counts, then the
    # latest load: as admission does within one delivery, so that the outcome is the
    # same whether the days came at once, one by one, or in disorder.
    ranked = f"""
        select *, row_number() over (
            partition by {", ".join(map(quote, key))}
            order by {quote(table.rules.cursor or "")} desc, loaded_at desc
        ) as _kith_rank
        from {rows}
        where {hashed} in (select hashed from {repeated})
    """
    _count_superseded(
        warehouse, run, table, f"(from ({ranked}) where _kith_rank > 1)", 1
    )
    return f"""
        select * from {rows} where {hashed} not in (select hashed from {repeated})
        union all by name
        select * exclude (_kith_rank) from ({ranked}) where _kith_rank = 1
    """


def _counted_rows(
    warehouse: duckdb.DuckDBPyConnection,
    run: Run,
    table: SourceTable,
    deliveries: list[Delivery],
) -> str:
    """SQL of the admitted rows of each delivery on the days that belong to it.

    Of a key there may be several.
    """
    owned: dict[int, list[Interval]] = {}
    for span in spans(deliveries):
        owned.setdefault(span.number, []).append(span.days)
    files = {number: deliveries[number].folder / DATA for number in owned}
    # A snapshot is one delivery, and counts whole.
    whole = [number for number in owned if owned[number] == [deliveries[number].window]]
    partly = [number for number in owned if number not in whole]
    parts = []
    if whole:
        paths = [files[number] for number in whole]
        parts.append(f"select * from {parquet_sql(*paths, union_by_name='true')}")

    def on_own_days(paths: dict[int, Path]) -> str:
        return owned_sql(
            list(paths.values()),
            [
                (index, *_bounds(run, table, days))
                for index, number in enumerate(paths)
                for days in owned[number]
            ],
            quote(table.rules.cursor or ""),
        )

    if partly:
        parts.append(f"from {on_own_days({n: files[n] for n in partly})}")
    # A delivery that counts whole has the later row of each of these keys.
    former = {n: deliveries[n].folder / FORMER for n in partly}
    former = {number: path for number, path in former.items() if path.exists()}
    if former:
        parts.append(f"from {on_own_days(former)}")
        # They were counted as duplicates.
        _count_superseded(warehouse, run, table, on_own_days(former), -1)
    return f"({' union all by name '.join(parts)})"


def _bounds(run: Run, table: SourceTable, days: Interval) -> tuple[str, str]:
    if _has_date_cursor(table):
        return day_bounds(days)
    return instant_bounds(days, run.company.time_zone)


def _has_date_cursor(table: SourceTable) -> bool:
    cursor = table.rules.cursor
    return cursor is not None and table.column(cursor).data_type.lower() == "date"


def _count_superseded(
    warehouse: duckdb.DuckDBPyConnection,
    run: Run,
    table: SourceTable,
    rows: str,
    sign: int,
) -> None:
    """Note by day how many rows more (or, by the sign, fewer) have a later one."""
    day = quote(table.rules.cursor or "")
    if not _has_date_cursor(table):
        zone = literal(run.company.time_zone)
        day = f"cast({day} at time zone 'UTC' at time zone {zone} as date)"
    warehouse.execute(
        f"""
        insert into superseded
        select {literal(table.full_name)}, {day}, {sign} * count(*)
        from {rows}
        group by all
        """
    )


def _write_control_tables(warehouse: duckdb.DuckDBPyConnection, run: Run) -> None:
    as_of = as_of_date(run)
    _, as_of_at = Interval(as_of, as_of).bounds_utc(run.company.time_zone)
    warehouse.execute(
        """
        create table kith.run as select
            cast($company as varchar) as company,
            cast($run_id as varchar) as run_id,
            cast($as_of as date) as as_of_date,
            cast($as_of_at as timestamp) as as_of_at,
            cast($first_day as date) as first_day
        """,
        {
            "company": run.company.name,
            "run_id": run.run_id,
            "as_of": as_of,
            "as_of_at": as_of_at,
            "first_day": run.company.first_day,
        },
    )
    _create_table(warehouse, "kith.source_tables", _SOURCE_TABLES)
    for table in run.company.sources:
        limits = table.freshness or Freshness()
        warehouse.execute(
            "insert into kith.source_tables values (?, ?, ?, ?, ?, ?)",
            [
                table.source,
                table.name,
                table.rules.cursor is not None,
                table.rules.late_limit_pct,
                _hours(limits.warn_after),
                _hours(limits.error_after),
            ],
        )
    warehouse.execute(
        "create table kith.feeds_provided (feed varchar, is_provided boolean)"
    )
    warehouse.executemany(
        "insert into kith.feeds_provided values (?, ?)",
        [(feed, bool(run.company.feeds.get(feed))) for feed in feed_names()],
    )
    _write_door_tables(warehouse, run, as_of)
    for name, columns in _HISTORIES.items():
        files = sorted((run.folder / "history" / name).glob("*.parquet"))
        _create_from_files(warehouse, f"kith.{name}", columns, files)


def _hours(period: Period | None) -> float | None:
    if period is None:
        return None
    return period.count * {"minute": 1 / 60, "hour": 1, "day": 24}[period.period]


def _write_door_tables(
    warehouse: duckdb.DuckDBPyConnection, run: Run, as_of: dt.date
) -> None:
    """What admission counted, and what it refused, over the deliveries that count."""
    _create_table(warehouse, "kith.admitted_days", _ADMITTED_DAYS)
    _create_table(warehouse, "kith.quarantined_rows", _QUARANTINED_ROWS)
    for table in run.company.sources:
        deliveries = admitted_deliveries(run, table)
        if not deliveries:
            continue
        if table.rules.cursor:
            _write_days(warehouse, run, table, deliveries)
        else:
            days = parquet_sql(deliveries[0].folder / "days.parquet")
            warehouse.execute(
                f"""
                insert into kith.admitted_days by name
                select
                    {literal(table.source)} as source_name,
                    {literal(table.name)} as table_name,
                    date '{as_of}' as day,
                    row_count,
                    quarantined_count,
                    duplicate_count,
                    0 as late_count,
                    0 as out_of_window_count
                from {days}
                """
            )
        _write_quarantined(warehouse, run, table, deliveries)


def _write_days(
    warehouse: duckdb.DuckDBPyConnection,
    run: Run,
    table: SourceTable,
    deliveries: list[Delivery],
) -> None:
    """A row for each day that was delivered, or of which a row came too late for it."""
    late = [
        f"(date '{day}', {late}, {out_of_window})"
        for day, (late, out_of_window) in late_counts(warehouse, deliveries).items()
    ]
    newest_at = "newest_at"
    if _has_date_cursor(table):
        # A day without a time is as new as can be: it ends when the day ends.
        zone = literal(run.company.time_zone)
        midnight = "cast(day as timestamp) + interval 1 day"
        newest_at = f"timezone('UTC', timezone({zone}, {midnight}))"
    warehouse.execute(
        f"""
        insert into kith.admitted_days by name
        select
            {literal(table.source)} as source_name,
            {literal(table.name)} as table_name,
            day,
            days.row_count - coalesce(later.row_count, 0) as row_count,
            coalesce(quarantined_count, 0) as quarantined_count,
            coalesce(duplicate_count, 0) + coalesce(later.row_count, 0)
                as duplicate_count,
            coalesce(late_count, 0) as late_count,
            coalesce(out_of_window_count, 0) as out_of_window_count,
            case when days.row_count > 0 then {newest_at} end as newest_at
        from {day_counts_sql(deliveries)} as days
        full join (
            values {", ".join(late) or "(cast(null as date), 0, 0)"}
        ) as late (day, late_count, out_of_window_count) using (day)
        left join (
            select day, cast(sum(row_count) as bigint) as row_count
            from superseded where table_name = {literal(table.full_name)}
            group by day
        ) as later using (day)
        where day is not null
        """
    )


def _write_quarantined(
    warehouse: duckdb.DuckDBPyConnection,
    run: Run,
    table: SourceTable,
    deliveries: list[Delivery],
) -> None:
    """Refused rows of each delivery on the days that belong to it.

    A row of no day of the window (illegible, or in the future) comes with each delivery
    of its file, so that it counts as the newest of them has it.
    """
    folder = run.quarantine(table.full_name)
    files = [folder / each.folder.name / "rows.parquet" for each in deliveries]
    kept = [number for number, file in enumerate(files) if file.is_file()]
    if not kept:
        return
    index = {number: index for index, number in enumerate(kept)}
    paths = [files[number] for number in kept]
    dated = [
        (index[span.number], *day_bounds(span.days))
        for span in spans(deliveries)
        if span.number in index
    ]
    undated = ", ".join(
        f"({index[number]}, {literal(origin)}, {', '.join(day_bounds(window))})"
        for origin, number in newest_readers(deliveries).items()
        for window in [deliveries[number].window]
        if number in index
    )
    columns = ", ".join(_QUARANTINED_ROWS)
    parts = []
    if dated:
        parts.append(f"select {columns} from {owned_sql(paths, dated, 'day')}")
    if undated:
        parts.append(
            f"""
            select {columns}
            from {parquet_sql(*paths, union_by_name="true")} as found
            inner join (values {undated}) as newest (number, origin, low, high)
                on found.file_index = newest.number
                and found.file = newest.origin
                and coalesce(found.day < newest.low or found.day >= newest.high, true)
            """
        )
    warehouse.execute(f"insert into kith.quarantined_rows {' union all '.join(parts)}")


def _create_table(
    warehouse: duckdb.DuckDBPyConnection, name: str, columns: dict[str, str]
) -> None:
    listed = ", ".join(f"{column} {kind}" for column, kind in columns.items())
    warehouse.execute(f"create table {name} ({listed})")


def _create_from_files(
    warehouse: duckdb.DuckDBPyConnection,
    name: str,
    columns: dict[str, str],
    files: list[Path],
) -> None:
    """Create a table from Parquet files of that shape, empty when there are none."""
    _create_table(warehouse, name, columns)
    if files:
        warehouse.execute(
            f"insert into {name} select {', '.join(columns)} "
            f"from {parquet_sql(*files, union_by_name='true')}"
        )
