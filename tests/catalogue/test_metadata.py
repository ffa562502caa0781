"""What a release says about itself: its folder, and to whom events go."""

import json
import os
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from kith.catalogue import openlineage
from kith.catalogue.lineage import TableLineage
from kith.catalogue.metadata import send_events, write_metadata
from kith.catalogue.openlineage import Event, events_of
from kith.runs.run import Run


@pytest.fixture(scope="module")
def events(built_shop: Run, lineage: dict[str, TableLineage]) -> list[Event]:
    return events_of(built_shop, lineage, {})


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    known = {*os.environ}
    yield
    # OpenLineage's client keeps what it is told in variables of its own.
    for name in {*os.environ} - known:
        del os.environ[name]


def test_the_folder_is_whole(candidate: Run, tmp_path: Path) -> None:
    events = write_metadata(candidate, tmp_path)
    assert sorted(path.name for path in (tmp_path / "metadata").iterdir()) == [
        *("dbt_docs.html", "dictionary.csv"),
        *("openlineage.jsonl", "semantic_manifest.json"),
    ]
    lines = (tmp_path / "metadata" / "openlineage.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == events
    for path in (tmp_path / "metadata").iterdir():
        assert str(candidate.home) not in path.read_text(encoding="utf-8")


def test_a_fault_says_where_it_was_met(candidate: Run, tmp_path: Path) -> None:
    (candidate.folder / "dbt" / "target" / "manifest.json").write_text("{")
    with pytest.raises(ValueError, match="Expecting") as fault:
        write_metadata(candidate, tmp_path)
    assert fault.value.__notes__ == [
        "met while the metadata of the release were written"
    ]


class _Collector(HTTPServer):
    got: list[dict[str, Any]]
    status = 201
    waits = 0.0


class _Handler(BaseHTTPRequestHandler):
    server: _Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(self.server.waits)
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


def test_a_slow_server_holds_up_nobody_longer_than_a_minute_in_all(
    events: list[Event], collector: _Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it takes for each event."""
    assert openlineage.SECONDS == 60
    monkeypatch.setattr(openlineage, "SECONDS", 2.0)
    collector.waits = 0.4
    port = collector.server_address[1]
    monkeypatch.setenv("OPENLINEAGE_URL", f"http://127.0.0.1:{port}")
    started = time.monotonic()
    fault = send_events(events)["openlineage_fault"]
    assert time.monotonic() - started < 6
    assert re.fullmatch(
        rf"TimeoutError: [1-5] of {len(events)} events were sent within 2 s; the rest "
        "is not sent",
        fault,
    )
    got = len(collector.got)
    time.sleep(1)
    assert len(collector.got) <= got + 1
    # The first event may take as long.
    monkeypatch.setattr(openlineage, "SECONDS", 0.1)
    assert "0 of 1 events" in send_events(events[:1])["openlineage_fault"]


def test_who_cannot_be_reached_is_told_and_stops_nothing(
    events: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    transport = {"type": "http", "url": "http://127.0.0.1:9", "retry": {"total": 0}}
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT", json.dumps(transport))
    figures = send_events(events[:2])
    assert list(figures) == ["openlineage_fault"]
    assert "127.0.0.1" in figures["openlineage_fault"]
