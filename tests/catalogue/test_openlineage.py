"""Events of OpenLineage: what they tell, and to whom they go."""

import json
from pathlib import Path
from typing import Any

import pytest
from openlineage.client import event_v2
from openlineage.client.facet_v2 import (
    column_lineage_dataset,
    error_message_run,
    parent_run,
)

from kith.catalogue.lineage import TableLineage
from kith.catalogue.openlineage import (
    Event,
    events_of,
    events_of_failure,
    read_lineage,
    write_events,
)
from kith.runs.run import Run

TEXTS = {"customer.customers": {"": "One row per customer.", "city": "Where they live"}}


@pytest.fixture(scope="module")
def events(built_shop: Run, lineage: dict[str, TableLineage]) -> list[Event]:
    return events_of(built_shop, lineage, TEXTS)


def outputs(events: list[Event], table: str) -> dict[str, Any]:
    (found,) = (
        dataset
        for event in events
        for dataset in event["outputs"]
        if dataset["name"] == table and dataset["facets"]
    )
    return dict(found)


def test_each_model_has_an_event_with_the_lineage_of_its_columns(
    events: list[Event], manifest: dict[str, Any]
) -> None:
    models = {
        f"{node['schema']}.{node['alias']}"
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model"
    }
    made = [
        event["outputs"][0]["name"]
        for event in events
        if ".build." in event["job"]["name"] and event["eventType"] == "COMPLETE"
    ]
    assert sorted(made) == sorted(models)
    facets = outputs(events, "customer.customers")["facets"]
    fields = facets["columnLineage"]["fields"]
    assert fields["city"]["inputFields"] == [
        {
            "namespace": "duckdb://corner_shop",
            "name": "intermediate.int_customer_records",
            "field": "city",
            "transformations": [{"type": "DIRECT", "subtype": "TRANSFORMATION"}],
        }
    ]
    assert facets["documentation"]["description"] == "One row per customer."
    described = {f["name"]: f.get("description") for f in facets["schema"]["fields"]}
    assert described["city"] == "Where they live"
    assert described["region"] is None


def test_a_model_has_all_tables_that_it_reads_as_inputs(
    events: list[Event], manifest: dict[str, Any]
) -> None:
    """Those too of which no column comes, such as in a join that only filters."""
    names = {
        key: f"{node['schema']}.{node.get('alias') or node['identifier']}"
        for key, node in {**manifest["nodes"], **manifest["sources"]}.items()
    }
    inputs = {
        event["outputs"][0]["name"]: {each["name"] for each in event["inputs"]}
        for event in events
        if event["outputs"] and event["outputs"][0]["facets"]
    }
    for key, node in manifest["nodes"].items():
        if node["resource_type"] == "model":
            read = {names[parent] for parent in node["depends_on"]["nodes"]}
            # The macro as_of() reads it without a word to dbt.
            assert inputs.pop(names[key]) - {"kith.run"} == read - {"kith.run"}
    assert inputs == {}
    for event in events:
        for output in event["outputs"]:
            origins = output["facets"].get("columnLineage", {"fields": {}})["fields"]
            told = {f["name"] for way in origins.values() for f in way["inputFields"]}
            assert told <= {each["name"] for each in event["inputs"]}


def test_what_has_an_end_has_a_start_before_it(events: list[Event]) -> None:
    ends = [event for event in events if event["eventType"] == "COMPLETE"]
    starts = {
        event["run"]["runId"]: event
        for event in events
        if event["eventType"] == "START"
    }
    assert len(starts) == len(ends) == len(events) / 2
    for end in ends:
        start = starts[end["run"]["runId"]]
        assert start["job"] == end["job"]
        assert start["eventTime"] <= end["eventTime"]
        assert start["inputs"] == start["outputs"] == []


def test_a_failure_is_that_of_the_task_and_of_its_run(
    events: list[Event], built_shop: Run
) -> None:
    runs = {event["job"]["name"]: event["run"]["runId"] for event in events}
    company, run_id = built_shop.company.name, built_shop.run_id
    table = built_shop.company.sources[0].full_name
    for stage, item in (("admit", table), ("build", "")):
        task, dag = events_of_failure(company, run_id, stage, item, "resource")
        assert {task["eventType"], dag["eventType"]} == {"FAIL"}
        for event in (task, dag):
            assert event["run"]["runId"] == runs[event["job"]["name"]]
            event_v2.Run(**event["run"])
            facet = event["run"]["facets"]["errorMessage"]
            told = {k: v for k, v in facet.items() if not k.startswith("_")}
            error_message_run.ErrorMessageRunFacet(**told)
        assert task["run"]["facets"]["parent"]["run"] == {"runId": dag["run"]["runId"]}


def test_tasks_and_models_belong_to_the_run_of_the_dag(
    events: list[Event], built_shop: Run
) -> None:
    runs = {event["job"]["name"]: event["run"]["runId"] for event in events}
    for event in events[1:-1]:
        parent = event["run"]["facets"]["parent"]
        assert parent["run"]["runId"] == runs[parent["job"]["name"]]
    jobs = {name.removeprefix("customer_marts__corner_shop") for name in runs}
    for table in built_shop.company.sources:
        assert f".pull.{table.full_name}" in jobs
        assert f".admit.{table.full_name}" in jobs
    assert {"", ".build"} <= jobs


def test_events_are_as_the_client_of_openlineage_writes_them(
    events: list[Event],
) -> None:
    """Its classes refuse keys that the standard does not have."""
    for event in events:
        for dataset in event["outputs"]:
            for told in (
                dataset["facets"]
                .get("columnLineage", {"fields": {}})["fields"]
                .values()
            ):
                column_lineage_dataset.Fields(
                    inputFields=[
                        column_lineage_dataset.InputField(
                            **{
                                **each,
                                "transformations": [
                                    column_lineage_dataset.Transformation(**way)
                                    for way in each["transformations"]
                                ],
                            }
                        )
                        for each in told["inputFields"]
                    ]
                )
        if parent := event["run"]["facets"].get("parent"):
            parent_run.ParentRunFacet(
                run=parent_run.Run(**parent["run"]),
                job=parent_run.Job(**parent["job"]),
            )
        event_v2.Run(**event["run"])  # An id that is no UUID is refused.


def test_no_event_holds_sql_or_a_place_of_the_machine(
    events: list[Event], built_shop: Run
) -> None:
    text = json.dumps(events)
    assert str(built_shop.home) not in text
    assert "select " not in text


def test_lineage_is_read_back_as_it_was_written(
    events: list[Event], lineage: dict[str, TableLineage], tmp_path: Path
) -> None:
    write_events(tmp_path / "events.jsonl", events)
    read = read_lineage(tmp_path / "events.jsonl")
    models = {n: t for n, t in lineage.items() if t.kind in ("model", "python")}
    assert list(read) == list(models)
    for name, table in models.items():
        for column, origins in table.columns.items():
            assert set(read[name].columns[column]) == set(origins)
        assert read[name].reason == table.reason
