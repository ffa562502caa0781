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
from pathlib import Path
from typing import Any

import duckdb

from kith.company import Company, SourceTable, feed_names
from kith.database import connect, literal, quote
from kith.errors import BuildError
from kith.runs import Interval, Run
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
_ADMITTED_DAYS = {
    "day": "date",
    "row_count": "bigint",
    "quarantined_count": "bigint",
    "duplicate_count": "bigint",
}


def admitted_intervals(run: Run, table: SourceTable) -> list[Interval]:
    """Intervals of a table whose rows count, in the order of their days.

    All intervals of an incremental table; of a snapshot only the newest.
    """
    folder = run.admitted(table.full_name)
    intervals = sorted(
        (
            Interval.from_slug(report.parent.name)
            for report in folder.glob("[0-9]*-[0-9]*/report.json")
        ),
        key=lambda interval: (interval.to_day, interval.from_day),
    )
    return intervals if table.rules.cursor else intervals[-1:]


def as_of_date(run: Run) -> dt.date:
    """Last business day that the marts cover.

    It is the newest day admitted so far, not the end of this run's interval: a
    backfill of last spring mends the marts of today, it does not turn them back.
    """
    days = [run.interval.to_day]
    for table in run.company.sources:
        days += [interval.to_day for interval in admitted_intervals(run, table)]
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


def dbt(run: Run, *arguments: str, pass_fds: tuple[int, ...] = ()) -> None:
    """Run one dbt command on the company's project.

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
    with output.open("a", encoding="utf-8") as stream:
        process = subprocess.run(
            [
                str(Path(sys.executable).with_name("dbt")),
                "--no-version-check",
                "--no-use-colors",
                *arguments,
                *("--project-dir", str(assemble_project(run))),
                *("--profiles-dir", str(DBT_PROJECT)),
                *("--target-path", str(target)),
                *("--log-path", str(log_folder)),
                *("--vars", json.dumps(dbt_vars(run.company))),
            ],
            stdout=stream,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            pass_fds=pass_fds,
            check=False,
            env=child_environment(
                KITH_WAREHOUSE=str(run.warehouse),
                KITH_MEMORY_LIMIT=settings.memory_limit,
                KITH_THREADS=str(settings.threads),
                KITH_SCRATCH=str(run.folder / "scratch"),
            ),
        )
    if process.returncode != 0:
        raise BuildError(f"{_first_failure(results, output)} — full log: {output}")


def _first_failure(results: Path, output: Path) -> str:
    if results.is_file():
        for result in json.loads(results.read_text())["results"]:
            if result["status"] in ("error", "fail"):
                name = ".".join(result["unique_id"].split(".")[2:3])
                return f"dbt {name}: {' '.join((result['message'] or '').split())}"
    lines = [line for line in output.read_text().splitlines() if line.strip()]
    faults = [line for line in lines if "Error" in line] or lines[-1:]
    start = lines.index(faults[0]) if faults else 0
    return "dbt: " + " ".join(" ".join(lines[start : start + 4]).split())


def build(run: Run) -> None:
    """Build all feeds, facts and marts of the candidate and run their tests.

    Unit tests of the SQL are left to `make test`: their result cannot change with
    the data.
    """
    with run.stage("build") as figures, run.writer_lock() as lock:
        prepare_warehouse(run)
        dbt(run, "build", "--exclude-resource-type", "unit_test", pass_fds=(lock,))
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
        for table in run.company.sources:
            warehouse.execute(f"create schema if not exists {quote(table.source)}")
            warehouse.execute(
                f"create view {quote(table.source)}.{quote(table.name)} as "
                + _source_sql(warehouse, run, table)
            )
        warehouse.execute("create schema kith")
        _write_control_tables(warehouse, run)


def _source_sql(
    warehouse: duckdb.DuckDBPyConnection, run: Run, table: SourceTable
) -> str:
    folder = run.admitted(table.full_name)
    files = [
        str(folder / interval.slug / "data.parquet")
        for interval in admitted_intervals(run, table)
    ]
    if not files:
        columns = [
            f"cast(null as {column.data_type}) as {quote(column.name)}"
            for column in table.columns
        ]
        return f"select {', '.join(columns)} where false"
    rows = f"read_parquet([{', '.join(map(literal, files))}], union_by_name = true)"
    key = ", ".join(map(quote, table.rules.key or ["row_key"]))
    repeated = f"select {key} from {rows} group by {key} having count(*) > 1"
    # Admission leaves each key once per interval, so one interval needs no second
    # look. Of a key in several intervals the row with the latest cursor counts, then
    # the latest load: as admission does within one delivery, so that the outcome is
    # the same whether the days came at once, one by one, or in disorder.
    if len(files) == 1 or not warehouse.execute(f"{repeated} limit 1").fetchone():
        return f"select * from {rows}"
    order = f"{quote(table.rules.cursor or '')} desc, loaded_at desc"
    return f"""
        with repeated_keys as ({repeated})
        select * from {rows} anti join repeated_keys using ({key})
        union all by name
        select * from {rows} semi join repeated_keys using ({key})
        qualify row_number() over (partition by {key} order by {order}) = 1
    """


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
    warehouse.execute(
        "create table kith.source_tables "
        "(source_name varchar, table_name varchar, is_incremental boolean)"
    )
    warehouse.executemany(
        "insert into kith.source_tables values (?, ?, ?)",
        [
            (table.source, table.name, table.rules.cursor is not None)
            for table in run.company.sources
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


def _write_door_tables(
    warehouse: duckdb.DuckDBPyConnection, run: Run, as_of: dt.date
) -> None:
    """What admission counted, and what it refused, over the intervals that count."""
    quarantine_files: list[Path] = []
    warehouse.execute(
        "create table kith.admitted_days (source_name varchar, table_name varchar, "
        + ", ".join(f"{name} {kind}" for name, kind in _ADMITTED_DAYS.items())
        + ")"
    )
    for table in run.company.sources:
        files = []
        for interval in admitted_intervals(run, table):
            folder = run.admitted(table.full_name) / interval.slug
            files.append((folder / "days.parquet", _delivered_at(folder)))
            refused = run.quarantine(table.full_name) / interval.slug / "rows.parquet"
            if refused.is_file():
                quarantine_files.append(refused)
        if not files:
            continue
        # A day that two intervals cover counts as the newer delivery had it.
        deliveries = " union all ".join(
            f"select *, {literal(delivered_at)} as delivered_at "
            f"from read_parquet({literal(str(path))})"
            for path, delivered_at in files
        )
        day = "day" if table.rules.cursor else f"cast({literal(str(as_of))} as date)"
        warehouse.execute(
            f"""
            insert into kith.admitted_days
            select {literal(table.source)}, {literal(table.name)}, {day},
                row_count, quarantined_count, duplicate_count
            from ({deliveries})
            qualify row_number() over (partition by day order by delivered_at desc) = 1
            """
        )
    _create_from_files(
        warehouse, "kith.quarantined_rows", _QUARANTINED_ROWS, quarantine_files
    )


def _delivered_at(admitted_folder: Path) -> str:
    return str(
        json.loads((admitted_folder / "report.json").read_text())["delivered_at"]
    )


def _create_from_files(
    warehouse: duckdb.DuckDBPyConnection,
    name: str,
    columns: dict[str, str],
    files: list[Path],
) -> None:
    """Create a table from Parquet files of that shape, empty when there are none.

    Equal rows count once: a faulty row whose day cannot be read comes with each
    interval of its file.
    """
    listed = ", ".join(f"{column} {kind}" for column, kind in columns.items())
    warehouse.execute(f"create table {name} ({listed})")
    if files:
        paths = ", ".join(literal(str(path)) for path in files)
        warehouse.execute(
            f"insert into {name} select distinct {', '.join(columns)} "
            f"from read_parquet([{paths}], union_by_name = true)"
        )
