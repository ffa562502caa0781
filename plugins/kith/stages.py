"""The stages as the DAG's tasks call them: plain values in, heavy imports inside.

Airflow reads this module at every parse of a DAG file, so that it must stay light.
`run` is the run as plain values (`Run.to_dict`).
"""

import dataclasses
import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kith.company.folder import check_expressions, load_company
from kith.errors import KithError, one_line
from kith.incidents.history import record_success
from kith.runs.provenance import keep_provenance
from kith.runs.run import Interval, Run, plan_run
from kith.runs.source_systems import adopt_source_systems

if TYPE_CHECKING:
    from kith.approve.approval import Question

RunValues = dict[str, str]
# Airflow's definition of each param of the DAG.
PARAMS: dict[str, dict[str, Any]] = {
    "from_day": {
        "default": None,
        "type": ["null", "string"],
        "format": "date",
        "title": "First day",
        "description": "First business day to take, such as 2017-01-01. Empty: the day "
        "on which the run's data interval begins.",
        "examples": ["2017-01-01"],
    },
    "to_day": {
        "default": None,
        "type": ["null", "string"],
        "format": "date",
        "title": "Last day",
        "description": "Last business day to take, such as 2017-01-31; it must be over "
        "in the company's time zone. Empty: the last day of the run's data interval.",
        "examples": ["2017-01-31"],
    },
    "replay": {
        "default": False,
        "type": "boolean",
        "title": "Replay",
        "description": "Pull nothing: judge anew what was pulled before and has rows "
        "in quarantine, or was admitted under another sources.yml.",
        "examples": [False, True],
    },
}
WATCH_PARAMS: dict[str, dict[str, Any]] = {
    "at": {
        "default": None,
        "type": ["null", "string"],
        "title": "As of",
        "description": "Moment as of which to look for spikes, by the company's clocks "
        "unless it names its offset. Empty: now.",
        "examples": ["2025-06-17T15:05", "2025-06-17T13:05+00:00"],
    },
}


def plan(
    company: str,
    params: dict[str, Any],
    run_id: str,
    data_interval_start: dt.datetime | None = None,
    data_interval_end: dt.datetime | None = None,
) -> tuple[RunValues, list[dict[str, str]]]:
    """Decide the days of a run, and the `table`s to be pulled and admitted.

    A replay takes no new delivery: it judges those anew that have rows in quarantine or
    were admitted under another declaration. Each stands beside its table, as
    `delivery`.

    There are no tables, so that the other tasks are skipped, when the schedule asks for
    a day after the last one of a company whose data have ended, or nothing awaits
    another verdict.
    """
    from kith.deliveries.raw import check_not_erasing

    declared = load_company(Path(company))
    check_expressions(declared)
    run = plan_run(declared, params, data_interval_start, data_interval_end, run_id)
    last_day = declared.last_day
    if not params.get("from_day") and last_day and run.interval.from_day > last_day:
        return run.to_dict(), []
    with run.stage("plan") as figures:
        check_not_erasing(run.folder)
        keep_provenance(run)
        names = [table.full_name for table in declared.sources]
        tables = (
            _deliveries_to_be_judged(run)
            if params.get("replay")
            else [{"table": name} for name in names]
        )
        figures["tables"] = len({each["table"] for each in tables})
    record_success(run, "plan")
    return run.to_dict(), tables


def _deliveries_to_be_judged(run: Run) -> list[dict[str, str]]:
    from kith.admit.replay import replayed_intervals

    return [
        {"table": table.full_name, "delivery": days.slug}
        for table in run.company.sources
        for days in replayed_intervals(run, table)
    ]


def pull(
    run: RunValues, table: str, delivery: str | None = None, conn: Any = None
) -> None:
    """Pull one table; `conn` is Airflow's way to connections, from its context.

    Nothing in a replay, which judges the `delivery` that was pulled.
    """
    if delivery:
        return
    from kith.pull.connections import environment_connection, of_airflow
    from kith.pull.table import pull_table

    this = Run.from_dict(run)
    adopt_source_systems(this.company, this.home)
    pull_table(this, table, of_airflow(conn) if conn else environment_connection)
    record_success(this, "pull", table)


def admit(run: RunValues, table: str, delivery: str | None = None) -> None:
    """Admit one table.

    Rows of erased persons are known by the company's key.
    """
    from kith.admit.table import admit_table

    this = Run.from_dict(run)
    adopt_source_systems(this.company, this.home)
    keep_provenance(this)
    if delivery:
        this = dataclasses.replace(this, interval=Interval.from_slug(delivery))
    admit_table(this, table)
    record_success(this, "admit", table)


def build(run: RunValues, conn: Any = None) -> None:
    """Build the candidate warehouse; `conn` as in `pull`.

    Identifiers that identity blocks are hashed with the company's key.
    """
    from kith.build.candidate import build

    this = Run.from_dict(run)
    adopt_source_systems(this.company, this.home)
    _keep_spark(this, conn)
    keep_provenance(this)
    build(this)
    record_success(this, "build")


def _keep_spark(run: Run, conn: Any) -> None:
    """Let processes of this task know where Spark is, where Airflow says it."""
    from kith.pull.connections import keep_in_environment, of_airflow

    if conn and (spark := run.company.spark_connection):
        keep_in_environment(of_airflow(conn)(spark))


def audit(run: RunValues, conn: Any = None) -> None:
    """Let the gate judge the candidate; `conn` as in `pull`."""
    from kith.gate.audit import audit

    this = Run.from_dict(run)
    _keep_spark(this, conn)
    keep_provenance(this)
    audit(this)
    record_success(this, "audit")


def approve(run: RunValues, *, waits: bool) -> "Question | None":
    """Compare the candidate with what was published; returns what to ask a person.

    None where it may be published: nothing changed beyond the limit, or exactly that
    was approved. Where nobody `waits` for an answer, ApprovalError says how to give it.
    """
    from kith.approve.approval import check_approved, question

    this = Run.from_dict(run)
    keep_provenance(this)
    with this.stage("approve") as figures, this.writer_lock():
        asked = question(this) if waits else None
        if asked is None:
            found, figures["approved_by"] = check_approved(this)
            figures["restated_numbers"] = len(found.changes)
        else:
            figures["waits_until"] = asked.until.isoformat(timespec="seconds")
    if asked is None:
        record_success(this, "approve")
    return asked


def decide(run: RunValues, by: str | None, *, is_approved: bool) -> None:
    """Keep what somebody decided; raises ApprovalError unless they approved.

    `by` is None where nobody has decided in time.
    """
    from kith.approve import approval

    this = Run.from_dict(run)
    with this.stage("approve") as figures:
        found = approval.noted_in(this.run_folder)
        if by is None:
            raise approval.late_error(this, found)
        if not is_approved:
            raise approval.rejected_error(this, found, by)
        approval.approve(this.folder, found, by)
        figures["approved_by"] = by
    record_success(this, "approve")


def publish(run: RunValues, logs: tuple[tuple[Path, str], ...] = ()) -> dict[str, Any]:
    """Publish the candidate with its page; returns what others want to know of it.

    Then what company.yml does not keep goes, see `prune`.
    """
    from kith.publish.release import publish

    this = Run.from_dict(run)
    manifest = publish(this)
    record_success(this, "publish")
    prune(run, logs)
    return {
        "release_id": manifest["release_id"],
        "as_of_date": manifest["as_of_date"],
        "rows": {name: mart["rows"] for name, mart in manifest["marts"].items()},
    }


def prune(run: RunValues, logs: tuple[tuple[Path, str], ...]) -> None:
    """Remove what company.yml does not keep; not a task of its own.

    `logs` are folders of logs, each with the pattern of what one run left there. What
    cannot be removed is told: readers have their release in any case.
    """
    from kith.publish.pruning import prune, told

    this = Run.from_dict(run)
    with this.stage("prune") as figures:
        try:
            removed = prune(this, logs, apply=True)
        except (OSError, KithError) as error:
            figures["fault"] = one_line(str(error))
            return
        figures["removed"] = told(removed)
        figures["bytes"] = sum(each.bytes for each in removed)


def serve(run: RunValues, conn: Any = None) -> None:
    """Load the current release into PostgreSQL; `conn` as in `pull`."""
    from kith.pull.connections import environment_connection, of_airflow
    from kith.serve.serve import serve

    this = Run.from_dict(run)
    adopt_source_systems(this.company, this.home)
    find = of_airflow(conn) if conn else environment_connection
    serve(this, find)
    record_success(this, "serve")


# --- the crisis watch -----------------------------------------------------------------


def plan_watch(
    company: str, params: dict[str, Any], run_id: str
) -> tuple[RunValues, list[dict[str, str]]]:
    """Decide moment and days of a look, and the `table`s to be fetched."""
    from kith.watch.fresh import plan_watch, tables_needed

    look = plan_watch(load_company(Path(company)), params.get("at"), run_id)
    with look.run.stage("plan") as figures:
        tables = tables_needed(look)
        figures["tables"] = len(tables)
    record_success(look.daily, "plan_watch")
    return look.to_dict(), [{"table": table} for table in tables]


def fetch(look: RunValues, table: str, conn: Any = None) -> None:
    """Pull and admit one table for the watch; `conn` as in `pull`."""
    from kith.pull.connections import environment_connection, of_airflow
    from kith.watch.fresh import Watch, fetch

    this = Watch.from_dict(look)
    adopt_source_systems(this.run.company, this.daily.home)
    fetch(this, table, of_airflow(conn) if conn else environment_connection)
    record_success(this.daily, "fetch", table)


def watch(look: RunValues) -> str:
    """Build and publish the spikes; returns the release's id."""
    from kith.watch.fresh import Watch
    from kith.watch.spikes import watch

    this = Watch.from_dict(look)
    release_id = str(watch(this)["release_id"])
    record_success(this.daily, "watch")
    return release_id
