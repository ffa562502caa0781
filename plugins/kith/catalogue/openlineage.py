"""A run as events of OpenLineage, with the lineage of each column.

The events are lines of JSON in the release. They are sent to nobody unless the standard
settings of OpenLineage name a transport: `openlineage.yml`, `OPENLINEAGE_URL` and the
like (https://openlineage.io/docs/client/python). Neither SQL nor paths stand in them:
compiled SQL holds what the company declares.
"""

import datetime as dt
import functools
import json
import threading
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

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
# In all: a publication does not wait longer for whoever listens.
SECONDS = 60.0

Event = dict[str, Any]


class _Named(NamedTuple):
    """What names a run."""

    company: str
    run_id: str


def _dag(company: str) -> str:
    """Name of the DAG that publishes a company, as Airflow knows it."""
    return f"customer_marts__{company}"


def events_of(
    run: Run, lineage: dict[str, TableLineage], descriptions: dict[str, dict[str, str]]
) -> list[Event]:
    """Events of a run: of its DAG, of tasks that make tables, and of each dbt model.

    Each has a start and an end. `descriptions` has, by `<schema>.<table>`, those of the
    columns; under '' that of the table itself.
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
    named, dag = _Named(run.company.name, run.run_id), _dag(run.company.name)
    events = [_event("START", dag, named, _instant(started))]
    for stage, entry in tasks:
        item = entry["item"]
        job = f"{dag}.{stage}.{item}" if item else f"{dag}.{stage}"
        begun = _instant(entry["at"] - entry["seconds"])
        events += [
            _event("START", job, named, begun, parent=dag),
            _event(
                "COMPLETE",
                job,
                named,
                _instant(entry["at"]),
                parent=dag,
                outputs=[_dataset(run, item)] if stage == "admit" else [],
            ),
        ]
    times = {
        result["unique_id"]: result["timing"][-1]
        for result in results_of(run)
        if result["status"] == "success" and result["timing"]
    }
    # Of a model that was made before the build went on from a failed one.
    unknown = dict.fromkeys(("started_at", "completed_at"), _instant(now.timestamp()))
    for table, origins in lineage.items():
        if origins.kind in ("model", "python"):
            job, parent = f"{dag}.build.{table}", f"{dag}.build"
            time = times.get(origins.node, unknown)
            events += [
                _event("START", job, named, time["started_at"], parent=parent),
                _event(
                    "COMPLETE",
                    job,
                    named,
                    time["completed_at"],
                    parent=parent,
                    inputs=[_dataset(run, name) for name in origins.reads],
                    outputs=[
                        _described(run, table, origins, descriptions.get(table, {}))
                    ],
                ),
            ]
    events.append(_event("COMPLETE", dag, named, _instant(now.timestamp())))
    return events


def events_of_failure(
    company: str, run_id: str, stage: str, item: str, message: str
) -> list[Event]:
    """Events of a task that failed, and of the run that failed with it.

    `item` is the source table, if it is one's. The message goes to whoever listens.
    """
    named, dag = _Named(company, run_id), _dag(company)
    job = f"{dag}.{stage}.{item}" if item else f"{dag}.{stage}"
    at = _instant(dt.datetime.now(dt.UTC).timestamp())
    events = [
        _event("FAIL", job, named, at, parent=dag),
        _event("FAIL", dag, named, at),
    ]
    for event in events:
        event["run"]["facets"]["errorMessage"] = _facet(
            "facets/1-0-0/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet",
            message=message,
            programmingLanguage="python",
        )
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

    None where they name none. Raises what the transport raises, and TimeoutError where
    it takes too long in all: the rest is not sent.
    """
    if not openlineage_is_configured():
        return 0
    sending = _Sending(list(events))
    sending.start()
    sending.join(SECONDS)
    sending.is_over.set()
    if sending.is_alive():
        raise TimeoutError(
            f"{sending.sent} of {len(sending.events)} events were sent within "
            f"{SECONDS:g} s; the rest is not sent"
        )
    if sending.error:
        raise sending.error
    return sending.sent


class _Sending(threading.Thread):
    """Sends events until `is_over`. No process waits for it at its end."""

    def __init__(self, events: list[Event]) -> None:
        super().__init__(daemon=True)
        self.events = events
        self.sent = 0
        self.error: Exception | None = None
        self.is_over = threading.Event()

    def run(self) -> None:
        """Send one after the other."""
        try:
            self._send()
        except Exception as error:
            self.error = error

    def _send(self) -> None:
        from openlineage.client import OpenLineageClient
        from openlineage.client import event_v2 as v2

        client = OpenLineageClient()
        for event in self.events:
            if self.is_over.is_set():
                return
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
            self.sent += 1
        client.close()


def _event(
    kind: str,
    job: str,
    run: _Named,
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


def _run_id(run: _Named, job: str) -> str:
    name = f"{run.company}/{run.run_id}/{job}"
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def _instant(at: float) -> str:
    return dt.datetime.fromtimestamp(at, dt.UTC).isoformat().replace("+00:00", "Z")


@functools.cache
def _producer() -> str:
    return f"urn:kith:{git_commit() or 'unknown'}"
