"""A run as events of OpenLineage, with the lineage of each column.

The events are lines of JSON in the release. They are sent to nobody unless the standard
settings of OpenLineage name a transport: `openlineage.yml`, `OPENLINEAGE_URL` and the
like (https://openlineage.io/docs/client/python). Neither SQL nor paths stand in them:
compiled SQL holds what the company declares.
"""

import datetime as dt
import functools
import json
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kith.build.dbt import results_of
from kith.catalogue.lineage import ROWS, Column, TableLineage
from kith.runs.journal import Journal
from kith.runs.provenance import git_commit
from kith.runs.run import Run
from kith.settings import openlineage_is_configured

_SPEC = "https://openlineage.io/spec"
_NAMESPACE = "kith"
# Stages that make tables, and of which tables the event of each tells.
_TASKS = ("pull", "admit", "build", "audit")

Event = dict[str, Any]


def events_of(
    run: Run, lineage: dict[str, TableLineage], descriptions: dict[str, dict[str, str]]
) -> list[Event]:
    """Events of a run: of its DAG, of each task, and of each dbt model.

    `descriptions` has, by `<schema>.<table>`, those of the columns; under '' that of
    the table itself.
    """
    journal = Journal(run.run_folder)
    list(journal.new_entries())
    tasks = [
        (stage, entry)
        for stage in _TASKS
        for entry in journal.ends(stage)
        if stage != "pull" or entry["item"]
    ]
    now = dt.datetime.now(dt.UTC)
    started = min(
        (entry["at"] - entry["seconds"] for _, entry in tasks), default=now.timestamp()
    )
    dag = f"customer_marts__{run.company.name}"
    events = [_event("START", dag, run, _instant(started))]
    for stage, entry in tasks:
        item = entry["item"]
        events.append(
            _event(
                "COMPLETE",
                f"{dag}.{stage}.{item}" if item else f"{dag}.{stage}",
                run,
                _instant(entry["at"]),
                parent=dag,
                outputs=[_dataset(run, item)] if stage == "admit" else [],
            )
        )
    ended = {
        result["unique_id"]: result["timing"][-1]["completed_at"]
        for result in results_of(run)
        if result["status"] == "success" and result["timing"]
    }
    for table, origins in lineage.items():
        if origins.kind in ("model", "python"):
            read = {name for found in origins.columns.values() for name, _ in found}
            events.append(
                _event(
                    "COMPLETE",
                    f"{dag}.build.{table}",
                    run,
                    ended.get(origins.node) or _instant(now.timestamp()),
                    parent=f"{dag}.build",
                    inputs=[_dataset(run, name) for name in sorted(read)],
                    outputs=[
                        _described(run, table, origins, descriptions.get(table, {}))
                    ],
                )
            )
    events.append(_event("COMPLETE", dag, run, _instant(now.timestamp())))
    return events


def write_events(path: Path, events: Iterable[Event]) -> None:
    """Write events as lines of JSON."""
    lines = (json.dumps(event, ensure_ascii=False) for event in events)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def read_lineage(path: Path) -> dict[str, TableLineage]:
    """Lineage of each model by `<schema>.<table>`, as the events of a release tell it.

    Source tables, which come from nowhere, are not among them.
    """
    lineage = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        for dataset in json.loads(line)["outputs"]:
            facets = dataset["facets"]
            if "kith_lineage" not in facets:
                continue
            told, own = facets["columnLineage"]["fields"], facets["kith_lineage"]
            columns: dict[str, tuple[Column, ...]] = {}
            renamed = set()
            for field in facets["schema"]["fields"]:
                column = field["name"]
                inputs = told.get(column, {"inputFields": []})["inputFields"]
                columns[column] = (
                    *((each["name"], each["field"]) for each in inputs),
                    *((table, ROWS) for table in own["rows"].get(column, [])),
                )
                if inputs and inputs[0]["transformations"][0]["subtype"] == "IDENTITY":
                    renamed.add(column)
            lineage[dataset["name"]] = TableLineage(
                "", own["kind"], columns, frozenset(renamed), own["reason"]
            )
    return lineage


def send(events: Iterable[Event]) -> int:
    """Send events by the transport that OpenLineage's settings name; returns how many.

    None where they name none. Raises what the transport raises.
    """
    if not openlineage_is_configured():
        return 0
    from openlineage.client import OpenLineageClient
    from openlineage.client import event_v2 as v2

    client = OpenLineageClient()
    count = 0
    for event in events:
        client.emit(
            v2.RunEvent(
                eventType=v2.RunState(event["eventType"]),
                eventTime=event["eventTime"],
                run=v2.Run(**event["run"]),
                job=v2.Job(**event["job"]),
                inputs=[v2.InputDataset(**each) for each in event["inputs"]],
                outputs=[v2.OutputDataset(**each) for each in event["outputs"]],
                producer=event["producer"],
            )
        )
        count += 1
    client.close()
    return count


def _event(
    kind: str,
    job: str,
    run: Run,
    at: str,
    *,
    parent: str = "",
    inputs: list[Event] | None = None,
    outputs: list[Event] | None = None,
) -> Event:
    run_facets = {}
    if parent:
        run_facets["parent"] = _facet(
            "facets/1-0-1/ParentRunFacet.json#/$defs/ParentRunFacet",
            run={"runId": _run_id(run, parent)},
            job={"namespace": _NAMESPACE, "name": parent},
        )
    job_type = ("DBT", "MODEL") if parent.endswith(".build") else ("AIRFLOW", "TASK")
    return {
        "eventType": kind,
        "eventTime": at,
        "producer": _producer(),
        "schemaURL": f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": _run_id(run, job), "facets": run_facets},
        "job": {
            "namespace": _NAMESPACE,
            "name": job,
            "facets": {
                "jobType": _facet(
                    "facets/2-0-3/JobTypeJobFacet.json#/$defs/JobTypeJobFacet",
                    processingType="BATCH",
                    integration=job_type[0],
                    jobType=job_type[1] if parent else "DAG",
                )
            },
        },
        "inputs": inputs or [],
        "outputs": outputs or [],
    }


def _dataset(run: Run, name: str) -> Event:
    return {"namespace": f"duckdb://{run.company.name}", "name": name, "facets": {}}


def _described(
    run: Run, table: str, lineage: TableLineage, texts: dict[str, str]
) -> Event:
    """A model's table with its columns, and from where each comes."""
    namespace = f"duckdb://{run.company.name}"
    fields: Event = {}
    rows: dict[str, list[str]] = {}
    for column, origins in lineage.columns.items():
        how = "IDENTITY" if column in lineage.renamed else "TRANSFORMATION"
        if inputs := [origin for origin in origins if origin[1] != ROWS]:
            fields[column] = {
                "inputFields": [
                    {
                        "namespace": namespace,
                        "name": name,
                        "field": field,
                        "transformations": [{"type": "DIRECT", "subtype": how}],
                    }
                    for name, field in inputs
                ]
            }
        if tables := [name for name, field in origins if field == ROWS]:
            rows[column] = tables
    facets = {
        "schema": _facet(
            "facets/1-1-1/SchemaDatasetFacet.json#/$defs/SchemaDatasetFacet",
            fields=[
                {"name": column}
                | ({"description": texts[column]} if texts.get(column) else {})
                for column in lineage.columns
            ],
        ),
        "columnLineage": _facet(
            "facets/1-2-0/ColumnLineageDatasetFacet.json"
            "#/$defs/ColumnLineageDatasetFacet",
            fields=fields,
        ),
        # Not of the standard: which columns count rows, and why no more is told.
        "kith_lineage": _facet(
            "2-0-2/OpenLineage.json#/$defs/DatasetFacet",
            kind=lineage.kind,
            rows=rows,
            reason=lineage.reason,
        ),
    }
    if texts.get(""):
        facets["documentation"] = _facet(
            "facets/1-0-1/DocumentationDatasetFacet.json"
            "#/$defs/DocumentationDatasetFacet",
            description=texts[""],
        )
    return {"namespace": namespace, "name": table, "facets": facets}


def _facet(schema: str, **content: Any) -> Event:
    return {"_producer": _producer(), "_schemaURL": f"{_SPEC}/{schema}", **content}


def _run_id(run: Run, job: str) -> str:
    name = f"{run.company.name}/{run.run_id}/{job}"
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def _instant(at: float) -> str:
    return dt.datetime.fromtimestamp(at, dt.UTC).isoformat().replace("+00:00", "Z")


@functools.cache
def _producer() -> str:
    return f"urn:kith:{git_commit() or 'unknown'}"
