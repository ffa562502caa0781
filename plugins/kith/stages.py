"""The stages as the DAG's tasks call them: plain values in, heavy imports inside.

Airflow reads this module at every parse of the DAG file, so that it must stay light.
`planned` is one dict per source table: the run (`Run.to_dict`) and the table's name; in
a replay one per delivery to be judged anew, with the `delivery`'s interval.
"""

import dataclasses
import datetime as dt
from typing import Any

from kith.company.tables import SourceTable
from kith.runs.run import Interval, Run, plan_run

Planned = dict[str, str]
# Airflow's definition of each param of the DAG.
PARAMS: dict[str, dict[str, Any]] = {
    "company": {"default": None, "type": ["null", "string"]},
    "from_day": {"default": None, "type": ["null", "string"]},
    "to_day": {"default": None, "type": ["null", "string"]},
    "replay": {"default": False, "type": "boolean"},
}


def plan(
    params: dict[str, Any],
    run_id: str,
    data_interval_start: dt.datetime | None = None,
    data_interval_end: dt.datetime | None = None,
) -> list[Planned]:
    """Decide company, days and tables of a run.

    A replay takes no new delivery: it judges those anew that have rows in quarantine or
    were admitted under another declaration.

    Empty, so that the other tasks are skipped, when the schedule asks for a day after
    the last one of a company whose data have ended, or nothing awaits another
    verdict.
    """
    run = plan_run(params, data_interval_start, data_interval_end, run_id)
    last_day = run.company.last_day
    if not params.get("from_day") and last_day and run.interval.from_day > last_day:
        return []
    with run.stage("plan") as figures:
        planned = [
            {**run.to_dict(), "table": table.full_name, **delivery}
            for table in run.company.sources
            for delivery in (_replayed(run, table) if params.get("replay") else [{}])
        ]
        figures["tables"] = len({one["table"] for one in planned})
    return planned


def _replayed(run: Run, table: SourceTable) -> list[dict[str, str]]:
    from kith.admit.replay import replayed_intervals

    return [{"delivery": days.slug} for days in replayed_intervals(run, table)]


def pull(planned: Planned, conn: Any = None) -> None:
    """Pull one table; `conn` is Airflow's way to connections, from its context.

    Nothing in a replay, which judges what was pulled.
    """
    if "delivery" in planned:
        return
    from kith.pull.connections import environment_connection, of_airflow
    from kith.pull.table import pull_table

    find_connection = of_airflow(conn) if conn else environment_connection
    pull_table(Run.from_dict(planned), planned["table"], find_connection)


def admit(planned: Planned) -> None:
    """Admit one table."""
    from kith.admit.table import admit_table

    run = Run.from_dict(planned)
    if "delivery" in planned:
        days = Interval.from_slug(planned["delivery"])
        run = dataclasses.replace(run, interval=days)
    admit_table(run, planned["table"])


def build(planned: list[Planned]) -> None:
    """Build the candidate warehouse."""
    from kith.build.candidate import build

    build(Run.from_dict(planned[0]))


def audit(planned: list[Planned]) -> None:
    """Let the gate judge the candidate."""
    from kith.gate.audit import audit

    audit(Run.from_dict(planned[0]))


def publish(planned: list[Planned]) -> None:
    """Publish the candidate."""
    from kith.publish.release import publish

    publish(Run.from_dict(planned[0]))


def report(planned: list[Planned]) -> None:
    """Write the report page of the release."""
    from kith.report.page import write_report

    write_report(Run.from_dict(planned[0]))
