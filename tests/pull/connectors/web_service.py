"""A web service on loopback that misbehaves on order, and notes what it was asked.

`with serving(rows) as service:` answers GET /api/rows in any way of paging.
`service.plan` holds what it does to the next requests, one each: `None` is proper
behaviour.
"""

import itertools
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

Misdeed = Callable[["Handler"], None]


@dataclass
class Service:
    """What it has, how it pages, what it was asked.

    `size` rows make a page, even when more are asked for.
    """

    rows: list[Any]
    paging: str = "page"
    size: int = 10
    total: Callable[[int], int] | None = None
    authorization: str | None = None
    plan: list[Misdeed | None] = field(default_factory=list)
    asked: list[tuple[float, str, dict[str, str], dict[str, str]]] = field(
        default_factory=list
    )
    address: str = ""

    @property
    def parameters(self) -> list[dict[str, str]]:
        """Query of each request."""
        return [query for _, _, query, _ in self.asked]

    @property
    def waits(self) -> list[float]:
        """Seconds between requests."""
        moments = [moment for moment, *_ in self.asked]
        return [later - earlier for earlier, later in itertools.pairwise(moments)]


class Handler(BaseHTTPRequestHandler):
    """Answers one request, or does what is planned."""

    protocol_version = "HTTP/1.1"
    service: Service

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        self.service.asked.append(
            (time.monotonic(), parts.path, query, dict(self.headers))
        )
        misdeed = self.service.plan.pop(0) if self.service.plan else None
        if misdeed:
            misdeed(self)
        elif parts.path != "/api/rows":
            self.answer({"error": "secret body"}, 404)
        elif self.service.authorization not in (None, self.headers["Authorization"]):
            self.answer({"error": "secret body"}, 401)
        else:
            self.answer(*self.page(query))

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        form = parse_qs(self.rfile.read(length).decode())
        query = {name: values[-1] for name, values in form.items()}
        self.service.asked.append(
            (time.monotonic(), self.path, query, dict(self.headers))
        )
        number = sum(path == "/token" for _, path, *_ in self.service.asked)
        self.service.authorization = f"Bearer token{number}"
        self.answer({"access_token": f"token{number}", "expires_in": 3600})

    def page(self, query: dict[str, str]) -> tuple[Any, int, dict[str, str]]:
        """Body, status and headers of the rows that a query asks for."""
        service, headers = self.service, {}
        start = {
            "none": lambda: 0,
            "page": lambda: (int(query.get("page", 1)) - 1) * service.size,
            "offset": lambda: int(query.get("offset", 0)),
            "cursor": lambda: int(query.get("cursor", 0)),
            "next_link": lambda: int(query.get("from", 0)),
            "link_header": lambda: int(query.get("from", 0)),
        }[service.paging]()
        end = len(service.rows) if service.paging == "none" else start + service.size
        body: dict[str, Any] = {"data": {"items": service.rows[start:end]}}
        if service.total:
            body["total"] = service.total(len(self.service.asked))
        has_next = end < len(service.rows)
        link = "?" + urlencode({**query, "from": end})
        if service.paging == "cursor":
            body["next"] = end if has_next else None
        elif service.paging == "next_link":
            body["next"] = f"/api/rows{link}" if has_next else ""
        elif service.paging == "link_header" and has_next:
            headers["Link"] = f'<{service.address}/api/rows{link}>; rel="next"'
        return body, 200, headers

    def answer(
        self,
        body: Any,
        status: int = 200,
        headers: dict[str, str] | None = None,
        *,
        kind: str = "application/json",
        missing: int = 0,
    ) -> None:
        """Send a body as JSON; `missing` bytes of it are announced but never come."""
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text[: len(text) - missing])
        self.close_connection = missing > 0

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def status(code: int, **headers: str) -> Misdeed:
    """Answer with that status and headers, such as Retry_After."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: handler.answer({"error": "secret body"}, code, named)


def reset(handler: Handler) -> None:
    """Cut the connection in the middle of the body."""
    handler.answer({"data": {"items": ["x" * 1000]}}, missing=500)
    handler.wfile.flush()
    linger = struct.pack("ii", 1, 0)  # resets instead of closing
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.connection.close()


def break_off(handler: Handler) -> None:
    """Send less than was announced, then close in order."""
    handler.answer({"data": {"items": [1, 2, 3]}}, missing=5)


def truncate(handler: Handler) -> None:
    """Send a whole answer that holds half of the JSON."""
    handler.answer(b'{"data": {"items": [{"sale_id": "S00')


def html(handler: Handler) -> None:
    """Send a page for people."""
    handler.answer(b"<html>secret body</html>", kind="text/html")


def send(body: Any, code: int = 200, **headers: str) -> Misdeed:
    """Answer with something else."""
    return lambda handler: handler.answer(body, code, headers)


def keep_silent(handler: Handler) -> None:
    """Answer nothing until the client gives up."""
    handler.rfile.read(1)
    handler.close_connection = True


def page_again(number: int) -> Misdeed:
    """Answer with another page than the one asked for."""
    return lambda handler: handler.answer(*handler.page({"page": str(number)}))


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Say nothing of clients that gave up."""


@contextmanager
def serving(rows: list[Any], **options: Any) -> Iterator[Service]:
    """A service at `address`, until the block ends."""
    service = Service(rows, **options)
    handler = type("OneHandler", (Handler,), {"service": service})
    server = _Server(("127.0.0.1", 0), handler)
    service.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
