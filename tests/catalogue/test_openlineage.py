"""Events of OpenLineage: what they tell, and to whom they go."""

import json
from pathlib import Path
from typing import Any

import pytest
from openlineage.client import event_v2
from openlineage.client.facet_v2 import column_lineage_dataset, parent_run

from kith.catalogue.lineage import TableLineage
from kith.catalogue.openlineage import Event, events_of, read_lineage, write_events
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
    made = [e["outputs"][0]["name"] for e in events if ".build." in e["job"]["name"]]
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
