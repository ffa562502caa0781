"""Alerts go out through Airflow's notifiers, to real servers of this machine."""

import email
import email.policy
import json
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from kith.settings import load_settings
from kith_airflow.home import AirflowHome

# In a process of its own: Airflow takes over logging wherever it is imported.
SEND = """
import json, sys
from kith.company.folder import CrisisWatch
from kith.watch.alerts import Alert
from kith_airflow.alerts import notifier_of
title = "25 <b>complaints</b>\\nBcc: x@y.z"
alert = Alert("k", title, "reason {{ 1 + 1 }}", {"count": 25})
told = []
for declared in json.loads(sys.argv[1]):
    try:
        notifier_of(CrisisWatch(**declared), alert).notify({})
        told.append("sent")
    except Exception as error:
        told.append(f"{type(error).__name__}: {error}")
print(json.dumps(told))
"""


class _Mailbox(socketserver.StreamRequestHandler):
    """Just enough of SMTP to take a message."""

    def handle(self) -> None:
        def say(line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

        say("220 here")
        for line in iter(self.rfile.readline, b""):
            word = line.split()[0].upper()
            if word in (b"MAIL", b"RCPT"):
                self.server.taken.append(line.decode().strip())  # type: ignore[attr-defined]
            if word == b"DATA":
                say("354 go on")
                lines = list(iter(self.rfile.readline, b".\r\n"))
                self.server.taken.append(b"".join(lines))  # type: ignore[attr-defined]
            say("221 bye" if word == b"QUIT" else "250 ok")
            if word == b"QUIT":
                return


class _Hook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken.append(  # type: ignore[attr-defined]
            (self.path, self.headers["Authorization"], json.loads(body))
        )
        self.send_response(404 if self.path == "/gone" else 200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[tuple[int, list[Any]]]:
    server.taken = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1], server.taken  # type: ignore[attr-defined,index]
    finally:
        server.shutdown()
        server.server_close()


def test_webhook_and_mail_bring_an_alert_and_a_failure_shows_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KITH_HOME", str(tmp_path))
    home = AirflowHome(load_settings())
    local = "127.0.0.1"
    with (
        serving(socketserver.ThreadingTCPServer((local, 0), _Mailbox)) as (port, mails),
        serving(ThreadingHTTPServer((local, 0), _Hook)) as (web_port, posts),
    ):
        hook = {"conn_type": "http", "host": f"http://{local}", "port": web_port}
        mail = {"conn_type": "smtp", "host": local, "port": port}
        mail["extra"] = {
            "disable_ssl": True,
            "disable_tls": True,
            "from_email": "kith@shop.example",
        }
        connections = {
            "HOOK": {**hook, "password": "secret", "extra": {"endpoint": "/alerts"}},
            "GONE": {**hook, "password": "secret", "extra": {"endpoint": "gone"}},
            "MAIL": mail,
            "OTHER": {"conn_type": "sqlite"},
        }
        declared = [
            {"alert": "hook"},
            {"alert": "mail", "to": ["desk@shop.example", "boss@shop.example"]},
            {"alert": "gone"},
            {"alert": "mail"},
            {"alert": "other"},
        ]
        done = subprocess.run(
            [sys.executable, "-c", SEND, json.dumps(declared)],
            env=home.environment()
            | {f"AIRFLOW_CONN_{k}": json.dumps(v) for k, v in connections.items()},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    sent = json.loads(done.stdout.splitlines()[-1])
    assert sent[:2] == ["sent", "sent"]
    assert sent[2].startswith(
        "SourceUnavailableError: connection 'gone': its web address"
    )
    assert "404" in sent[2]
    assert "crisis_watch.to in company.yml names no address" in sent[3]
    assert "its type is sqlite; crisis_watch.alert needs" in sent[4]
    assert "secret" not in "".join(sent)

    # What customers wrote is no template, neither line of a header nor HTML.
    message = {"text": "reason {{ 1 + 1 }}", "count": 25}
    assert posts == [(p, "Bearer secret", message) for p in ("/alerts", "/gone")]
    assert [line for line in mails[:-1] if line.startswith("rcpt")] == [
        "rcpt TO:<desk@shop.example>",
        "rcpt TO:<boss@shop.example>",
    ]
    got = email.message_from_bytes(mails[-1], policy=email.policy.default)
    assert got["Subject"] == "25 <b>complaints</b> Bcc: x@y.z"
    assert got["Bcc"] is None
    body = got.get_body(("html",))
    assert body is not None
    assert body.get_content().strip() == "<pre>reason {{ 1 + 1 }}</pre>"
