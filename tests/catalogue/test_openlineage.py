"""Events of OpenLineage: what they tell, and to whom they go."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from openlineage.client import event_v2
from openlineage.client.facet_v2 import column_lineage_dataset, parent_run

from kith.catalogue.lineage import TableLineage
from kith.catalogue.metadata import send_events
from kith.catalogue.openlineage import Event, events_of, read_lineage, write_events
from kith.runs.run import Run

TEXTS = {"customer.customers": {"": "One row per customer.", "city": "Where they live"}}


@pytest.fixture(scope="module")
def events(built_shop: Run, lineage: dict[str, TableLineage]) -> list[Event]:
    return events_of(built_shop, lineage, TEXTS)


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))


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


class _Collector(HTTPServer):
    got: list[dict[str, Any]]
    status = 201


class _Handler(BaseHTTPRequestHandler):
    server: _Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append({"path": self.path, **json.loads(body)})
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[_Collector]:
    server = _Collector(("127.0.0.1", 0), _Handler)
    server.got = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_nothing_is_sent_unless_settings_say_where(
    events: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openlineage.client.OpenLineageClient", None)
    assert send_events(events) == {}


def test_events_go_where_the_standard_settings_say(
    events: list[Event], collector: _Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = collector.server_address[1]
    monkeypatch.setenv("OPENLINEAGE_URL", f"http://127.0.0.1:{port}")
    assert send_events(events[:3]) == {"openlineage_events": 3}
    assert [got["path"] for got in collector.got] == ["/api/v1/lineage"] * 3
    assert [got["run"]["runId"] for got in collector.got] == [
        event["run"]["runId"] for event in events[:3]
    ]


def test_a_file_of_settings_says_so_too(events: list[Event], tmp_path: Path) -> None:
    log = tmp_path / "lineage.log"
    (tmp_path / "openlineage.yml").write_text(
        f"transport: {{type: file, log_file_path: '{log}', append: true}}"
    )
    assert send_events(events[-2:]) == {"openlineage_events": 2}
    sent = [json.loads(line) for line in log.read_text().splitlines()]
    assert [each["job"]["name"] for each in sent] == [
        event["job"]["name"] for event in events[-2:]
    ]


def test_who_cannot_be_reached_is_told_and_stops_nothing(
    events: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    transport = {"type": "http", "url": "http://127.0.0.1:9", "retry": {"total": 0}}
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT", json.dumps(transport))
    figures = send_events(events[:2])
    assert list(figures) == ["openlineage_fault"]
    assert "127.0.0.1" in figures["openlineage_fault"]
