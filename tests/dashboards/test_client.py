"""The client, against a server that answers as Superset does."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from kith.dashboards.client import Client
from kith.errors import KithError, TransientError


@dataclass
class Stand:
    """A server, what it was asked, and what it answers."""

    url: str = ""
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)


@pytest.fixture
def stand() -> Iterator[Stand]:
    said = Stand()
    said.answers = {
        "/health": (200, "OK"),
        "/api/v1/security/login": (200, {"access_token": "t0ken"}),
        "/api/v1/security/csrf_token/": (200, {"result": "f0rm"}),
        "/api/v1/assets/import/": (200, {"message": "OK"}),
    }

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            said.asked.append((self.command, self.path, dict(self.headers), body))
            code, content = said.answers.get(self.path, (404, {"message": "Not found"}))
            self.send_response(code)
            if self.path.endswith("csrf_token/"):
                self.send_header("Set-Cookie", "session=c00kie; Path=/")
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        do_GET = do_POST = answer

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    said.url = f"http://127.0.0.1:{server.server_port}"
    yield said
    server.shutdown()
    thread.join()
    server.server_close()


def test_it_logs_in_once(stand: Stand) -> None:
    stand.answers["/api/v1/chart/"] = (200, {"result": [1]})
    client = Client(stand.url, "hush")
    assert client.get("/chart/") == client.get("/chart/") == {"result": [1]}
    paths = [path for _, path, _, _ in stand.asked]
    assert paths == [
        "/api/v1/security/login",
        "/api/v1/security/csrf_token/",
        "/api/v1/chart/",
        "/api/v1/chart/",
    ]
    assert json.loads(stand.asked[0][3])["password"] == "hush"  # noqa: S105
    assert stand.asked[2][2]["Authorization"] == "Bearer t0ken"
    # Superset takes a GET for JSON that says it is, and it has no body.
    assert "Content-Type" not in stand.asked[2][2]


def test_an_import_is_a_form_with_file_and_passwords(stand: Stand) -> None:
    Client(stand.url, "hush").import_assets(b"PK\r\nzip", {"databases/a.yaml": "p4ss"})
    method, path, headers, body = stand.asked[-1]
    assert (method, path) == ("POST", "/api/v1/assets/import/")
    assert headers["X-Csrftoken"] == "f0rm"
    assert headers["Cookie"] == "session=c00kie"
    boundary = headers["Content-Type"].partition("boundary=")[2].encode()
    parts = body.split(b"--" + boundary)
    assert (parts[0], parts[3]) == (b"", b"--\r\n")
    assert parts[1].endswith(b'\r\n\r\n{"databases/a.yaml": "p4ss"}\r\n')
    assert b'name="passwords"' in parts[1]
    assert b'name="bundle"; filename="kith.zip"' in parts[2]
    assert parts[2].endswith(b"\r\n\r\nPK\r\nzip\r\n")


def test_a_query_that_failed_is_told(stand: Stand) -> None:
    stand.answers["/api/v1/chart/7/data/"] = (
        200,
        {"result": [{"error": "no such\ncolumn", "data": None}]},
    )
    client = Client(stand.url, "hush")
    with pytest.raises(KithError, match="chart 7: no such column"):
        client.data_of_chart(7)
    stand.answers["/api/v1/chart/7/data/"] = (
        200,
        {"result": [{"error": None, "data": [{"a": 1}]}]},
    )
    assert client.data_of_chart(7) == [{"a": 1}]


def test_a_refusal_is_told_with_its_words(stand: Stand) -> None:
    stand.answers["/api/v1/security/login"] = (401, {"message": "Not authorized"})
    with pytest.raises(KithError, match=r"answered 401 to .*login.*Not authorized"):
        Client(stand.url, "wrong").get("/chart/")


def test_one_that_does_not_answer_is_told(stand: Stand) -> None:
    assert Client(stand.url, "hush").is_healthy()
    nobody = Client("http://127.0.0.1:9", "hush")
    assert not nobody.is_healthy()
    with pytest.raises(TransientError, match="does not answer"):
        nobody.get("/chart/")
