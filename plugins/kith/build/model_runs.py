"""How each dbt node of a build went: for the journal, `operations.model_runs`, the log.

Earlier runs are dbt's source `kith.model_runs`; how the current one went is known only
when dbt has ended, so that its rows are added to the mart then.
"""

import datetime as dt
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kith.build.control_tables import create_table, insert_rows
from kith.build.dbt import name_of, results_of
from kith.database import connect, literal, parquet_sql
from kith.runs.run import Run

SUCCEEDED = ("success", "pass", "warn")
_SHOWN_MODELS = 5
_BUILDS_COMPARED = 20


@dataclass(frozen=True)
class ModelRun:
    """One dbt node that was executed: a row of operations.model_runs."""

    run_id: str
    node_name: str
    resource_type: str
    status: str
    seconds: float
    row_count: int | None
    failing_row_count: int | None
    started_at: dt.datetime | None


def record(run: Run) -> None:
    """Tell how the nodes of the last dbt went; nothing when it executed none."""
    nodes = _model_runs(run)
    if not nodes:
        return
    for node in nodes:
        run.note("build", node.node_name, status=node.status, seconds=node.seconds)
    print(_slowest(nodes, _usual_seconds(run)), flush=True)
    _keep(run, nodes)


def add_to_mart(run: Run) -> None:
    """Add what was recorded of this run to the mart in the candidate."""
    with connect(run.warehouse, scratch=run.folder / "scratch") as warehouse:
        # A build that is tried again has its former try among the earlier runs.
        warehouse.execute(
            "delete from operations.model_runs where run_id = ?", [run.run_id]
        )
        warehouse.execute(
            "insert into operations.model_runs by name "
            "select *, (select as_of_date from kith.run) as as_of_date "
            f"from {parquet_sql(_history(run))}"
        )


def _history(run: Run) -> Path:
    return run.folder / "history" / "model_runs" / f"{run.run_folder.name}.parquet"


def _model_runs(run: Run) -> list[ModelRun]:
    results = results_of(run)
    rows: dict[str, int] = {}
    if results:
        with connect(
            run.warehouse, scratch=run.folder / "scratch", read_only=True
        ) as warehouse:
            rows = dict(
                warehouse.execute(
                    'select format(\'"{}"."{}"."{}"\', database_name, schema_name, '
                    "table_name), estimated_size from duckdb_tables()"
                ).fetchall()
            )
    return [
        ModelRun(
            run_id=run.run_id,
            node_name=name_of(result),
            resource_type=result["unique_id"].split(".")[0],
            status=result["status"],
            seconds=round(result["execution_time"], 3),
            row_count=rows.get(
                result["relation_name"], result["adapter_response"].get("rows_affected")
            )
            if result["status"] in SUCCEEDED
            else None,
            failing_row_count=result["failures"],
            started_at=_started_at(result),
        )
        for result in results
    ]


def _started_at(result: dict[str, Any]) -> dt.datetime | None:
    if not result["timing"]:
        return None  # It was skipped.
    started_at = dt.datetime.fromisoformat(result["timing"][0]["started_at"])
    return started_at.astimezone(dt.UTC).replace(tzinfo=None)


def _usual_seconds(run: Run) -> dict[str, float]:
    """Median seconds of each node in the latest builds of other runs."""
    files = set(_history(run).parent.glob("*.parquet")) - {_history(run)}
    latest = sorted(files, key=lambda path: path.stat().st_mtime)[-_BUILDS_COMPARED:]
    if not latest:
        return {}
    with connect(scratch=run.folder / "scratch") as connection:
        return dict(
            connection.execute(
                f"select node_name, median(seconds) from {parquet_sql(*latest)} "
                f"where status in {SUCCEEDED} group by node_name"
            ).fetchall()
        )


def _slowest(nodes: list[ModelRun], usual: dict[str, float]) -> str:
    """The slowest models, and those that took a second and twice as long as usual."""
    models = [node for node in nodes if node.resource_type == "model"]
    models.sort(key=lambda node: -node.seconds)
    lines = ["Slowest models, in seconds; in brackets the median of the latest builds:"]
    for place, node in enumerate(models):
        before = usual.get(node.node_name)
        is_slower = before is not None and node.seconds > max(2 * before, before + 1)
        if place < _SHOWN_MODELS or is_slower:
            lines.append(
                f"  {node.seconds:8.2f} {f'({before:.2f})' if before else '':>10} "
                f"{node.node_name}{'  SLOWER' if is_slower else ''}"
            )
    return "\n".join(lines)


def _keep(run: Run, nodes: list[ModelRun]) -> None:
    """Write the history; a build that is tried again replaces what it did anew."""
    history = _history(run)
    history.parent.mkdir(parents=True, exist_ok=True)
    unfinished = history.with_suffix(".tmp")
    with connect(scratch=run.folder / "scratch") as connection:
        connection.execute("create schema kith")
        create_table(connection, "model_runs")
        insert_rows(connection, "model_runs", [asdict(node) for node in nodes])
        if history.is_file():
            connection.execute(
                f"insert into kith.model_runs by name from {parquet_sql(history)} "
                f"where status in {SUCCEEDED} "
                "and node_name not in (select node_name from kith.model_runs)"
            )
        connection.execute(
            f"copy kith.model_runs to {literal(str(unfinished))} (format parquet)"
        )
    unfinished.replace(history)
