"""Alerts go out through Airflow's notifiers, to real servers of this machine."""

import email
import email.policy
import json
import quopri
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
import yaml

from kith.incidents.history import open_incidents, record_success
from kith.runs.journal import Journal
from kith.settings import load_settings
from kith_airflow.home import AirflowHome
from tests.conftest import new_run
from tests.incidents.test_history import fail
from tests.one_table import company
from tests.watch.test_alerts import alerts as new_spikes
from tests.watch.test_alerts import spike
from tests.watch.test_fresh import look, publish

# In a process of its own: Airflow takes over logging wherever it is imported.
SEND = """
import json, sys
from kith.incidents.alerts import Alert
from kith_airflow.alerts import notifier_of
title = "25 <b>complaints</b>\\nBcc: x@y.z"
alert = Alert(title, "reason {{ 1 + 1 }} <!here> ```", {"count": 25})
told = []
for connection, to in json.loads(sys.argv[1]):
    try:
        notifier_of(connection, to, alert, "alerts").notify({})
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
        is_down = self.path == "/gone" or getattr(self.server, "is_down", False)
        self.send_response(404 if is_down else 200)
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
            "CHAT": {**hook, "conn_type": "slackwebhook", "password": "T0/B0/secret"},
        }
        declared = [
            ("hook", []),
            ("mail", ["desk@shop.example", "boss@shop.example"]),
            ("gone", []),
            ("mail", []),
            ("other", []),
            ("chat", []),
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
    assert "alerts in company.yml names no address (to)" in sent[3]
    assert "its type is sqlite; alerts needs one of type http or slackw" in sent[4]
    assert sent[5] == "sent"
    assert "secret" not in "".join(sent)

    # What customers wrote is no template, neither line of a header nor HTML.
    message = {"text": "reason {{ 1 + 1 }} <!here> ```", "count": 25}
    assert posts[:2] == [(p, "Bearer secret", message) for p in ("/alerts", "/gone")]
    # Nor a mention, or the end of what is shown as it is.
    escaped = (
        "25 &lt;b&gt;complaints&lt;/b&gt; Bcc: x@y.z\n"
        "```reason {{ 1 + 1 }} &lt;!here&gt; '''```"
    )
    assert posts[2:] == [("/T0/B0/secret", None, {"text": escaped})]
    assert [line for line in mails[:-1] if line.startswith("rcpt")] == [
        "rcpt TO:<desk@shop.example>",
        "rcpt TO:<boss@shop.example>",
    ]
    got = email.message_from_bytes(mails[-1], policy=email.policy.default)
    assert got["Subject"] == "25 <b>complaints</b> Bcc: x@y.z"
    assert got["Bcc"] is None
    body = got.get_body(("html",))
    assert body is not None
    assert body.get_content().strip() == (
        "<pre>reason {{ 1 + 1 }} &lt;!here&gt; ```</pre>"
    )


# What nobody may be told, wherever it stands: in an error, in its evidence, in a row.
PLANTED = {
    "password": "hunter2-pass",
    "token": "tok-9988-abcd",
    "key": "k3y-of-the-hashes",
    "person": "Anna Meier",
    "mail": "anna.meier@shop.example",
    "phone": "+49 171 5551234",
    "hash": "0123456789abcdef0123456789abcdef",
}
FAIL = """
import json, sys
from types import SimpleNamespace as Of
from airflow.sdk.log import mask_secret
from kith.errors import DeliveryError, GateError, SourceUnavailableError
from kith_airflow.alerts import on_success
from kith_airflow.incidents import on_failure
folder, p, mask = sys.argv[1], json.loads(sys.argv[2]), "only-airflow-knows"
mask_secret(mask)
days = {"company": folder, "from_day": "2024-03-05", "to_day": "2024-03-05"}
everything = " ".join(p.values())
def fail(task, error, table=""):
    arguments = Of(op_kwargs={"run": days, "table": table}, op_args=())
    ti = Of(task_id=task, run_id="r", task=arguments)
    on_failure("shop", folder)({"ti": ti, "exception": error, "params": {}})
for _ in range(2):
    fail("pull", SourceUnavailableError(
        f"shop.sales: postgresql://me:{p['password']}@db: {p['token']} {mask}; "
        f"password={p['password']}"), "shop.sales")
fail("admit", DeliveryError(
    f"shop.sales: found '{everything}', expected 'x'; found \\"{everything}\\""
    ).showing(rows=f"name '{everything}'"), "shop.sales")
fail("audit", GateError(
    f"feeds.customers: 'No mail' failed, first: mail {p['mail']}, id {p['hash']}, "
    f"phone {p['phone']}").showing(rows=f"mail {p['mail']}, phone {p['phone']}"))
def deep():
    raise ValueError(f"could not convert {everything}")
try:
    deep()
except ValueError as error:
    fail("build", error)
"""


def test_what_is_planted_stands_in_no_incident_no_alert_and_no_end_of_a_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("KITH_HOME", str(home))
    folder = company(tmp_path / "shop")
    declare(folder, [{"connection": "hook"}, {"connection": "chat"}, MAIL_ROUTE])
    with servers() as (connections, posts, mails):
        done = in_airflow(FAIL, folder, json.dumps(PLANTED), connections=connections)
    assert done.returncode == 0, done.stderr
    found = open_incidents(home / "shop")
    assert {each.stage for each in found} == {"pull", "admit", "audit", "build"}
    # Each once, on each of the three ways, though one was seen twice.
    assert len(posts) == 2 * len(found)
    assert sum(isinstance(mail, bytes) for mail in mails) == len(found)
    files = [path for path in home.rglob("*") if path.is_file()]
    assert any("history/incidents" in str(path) for path in files)
    told = {str(p): p.read_text(errors="replace") for p in files} | {
        "the log": done.stdout + done.stderr,
        "webhooks": json.dumps([body for *_, body in posts], ensure_ascii=False),
        "mails": "".join(
            str(email.message_from_bytes(mail, policy=email.policy.default).get_body())
            + str(quopri.decodestring(mail))
            for mail in mails
            if isinstance(mail, bytes)
        ),
    }
    assert "Incident " in told["the log"] and "Incident " in told["webhooks"]
    planted = {**PLANTED, "mask": "only-airflow-knows"}
    planted |= {"name": "Anna", "digits": "5551234", "part": "89abcdef0123"}
    stands = {
        (place, name)
        for place, text in told.items()
        for name, secret in planted.items()
        if secret in text
    }
    assert stands == set()


TELL = """
import json, sys
from pathlib import Path
from kith.company.folder import load_company
from kith.settings import load_settings
from kith_airflow.alerts import send_pending
print(json.dumps(send_pending(
    load_settings().home / "shop", load_company(Path(sys.argv[1])))))
"""


def test_each_is_told_once_and_what_nobody_took_is_told_later(
    tmp_path: Path, kith_home: Path
) -> None:
    folder = company(tmp_path / "shop")
    declare(folder, [{"connection": "hook"}, {"connection": "down"}])
    run = new_run(folder, "2024-03-05", "2024-03-05")
    incident = fail(run)
    with servers() as (connections, posts, _):

        def tell() -> list[str]:
            done = in_airflow(TELL, folder, connections=connections)
            assert done.returncode == 0, done.stderr
            told: list[str] = json.loads(done.stdout.splitlines()[-1])
            return told

        first, second = tell()
        name = f"failure of incident {incident.incident_id}"
        assert first == f"{name} told by hook"
        assert second == (
            f"{name} could not be told by down, which is tried again later: "
            "connection 'down': its web address took no alert (Connection refused)"
        )
        ((path, _, body),) = posts
        assert (path, body["status"], body["owner"]) == ("/alerts", "open", "kith")
        assert body["text"] == "\n".join(incident.lines())
        # Only what was not heard, until there is somebody who takes it.
        assert tell() == [second]
        connections["DOWN"] = {**connections["HOOK"], "extra": {"endpoint": "late"}}
        fail(run)
        assert tell() == [f"{name} told by down"]
        assert [path for path, *_ in posts] == ["/alerts", "/late"]
        assert posts[-1][2]["failure_count"] == 2

        record_success(run, "admit", "shop.sales")
        assert tell() == [
            f"recovery of incident {incident.incident_id} told by {way}"
            for way in ("hook", "down")
        ]
        assert [body["status"] for *_, body in posts[2:]] == ["recovered"] * 2
        assert tell() == []


WATCHED = """
import json, sys
from kith_airflow.alerts import send_alerts
try:
    print(json.dumps(send_alerts(json.loads(sys.argv[1]))))
except Exception as error:
    print(json.dumps([type(error).__name__, str(error), *error.__notes__]))
"""


@pytest.mark.parametrize(
    ("down", "why"),
    [
        ("down", "connection 'down': its web address took no alert (Connection ref"),
        ("no_mail", "a system cannot be reached or broke off (ConnectionRefusedError"),
    ],
)
def test_of_an_alert_of_the_watch_that_nobody_took_it_is_said_what_becomes_of_it(
    tmp_path: Path, kith_home: Path, down: str, why: str
) -> None:
    folder = company(tmp_path / "shop")
    watched = {"alert": down, "to": ["desk@shop.example"]}
    declare(folder, [], crisis_watch=watched)
    publish(kith_home / "shop", "2024-03-04")
    watch = look(folder, "2024-03-05T14:05")
    (watch.run.folder / "history").mkdir(parents=True)
    (alert,) = new_spikes(watch, spike())
    journal = Journal(watch.run.run_folder)

    def tell() -> list[str]:
        values = json.dumps(watch.to_dict())
        done = in_airflow(WATCHED, values, connections=connections)
        assert done.returncode == 0, done.stderr
        told: list[str] = json.loads(done.stdout.splitlines()[-1])
        return told

    with servers() as (connections, posts, _):
        connections["NO_MAIL"] = {**connections["MAIL"], "port": 9}
        kind, reason, note = tell()
        assert kind == "SourceUnavailableError"
        assert reason.startswith(why)
        assert note == (
            f"the watch's release is published, but its alert '{alert.title}' was not "
            f"sent by connection '{down}' (crisis_watch.alert in company.yml); see "
            "whether its address answers from here, or mend the connection; the next "
            "look tells it again, up to a day after that hour"
        )
        list(journal.new_entries())
        said = journal.failure()
        assert said is not None
        assert said.startswith("alert: ") and said.endswith(note)
        connections["DOWN"] = connections["NO_MAIL"] = connections["HOOK"]
        assert tell() == [alert.key]
        assert [body["text"] for *_, body in posts] == [alert.text]
        assert tell() == []
        list(journal.new_entries())
        assert journal.failure() is None


MAIL_ROUTE = {"connection": "mail", "to": ["desk@shop.example"]}


def declare(folder: Path, routes: list[dict[str, Any]], **more: Any) -> None:
    declared = yaml.safe_load((folder / "company.yml").read_text())
    declared |= {"alerts": routes, **more}
    (folder / "company.yml").write_text(yaml.safe_dump(declared))


@contextmanager
def servers() -> Iterator[tuple[dict[str, Any], list[Any], list[Any]]]:
    """Connections to a webhook, a chat and a mailbox, and what these have taken."""
    local = "127.0.0.1"
    with (
        serving(socketserver.ThreadingTCPServer((local, 0), _Mailbox)) as (port, mails),
        serving(ThreadingHTTPServer((local, 0), _Hook)) as (web_port, posts),
    ):
        hook = {"conn_type": "http", "host": f"http://{local}", "port": web_port}
        yield (
            {
                "HOOK": {**hook, "password": "secret", "extra": {"endpoint": "alerts"}},
                "CHAT": {**hook, "conn_type": "slackwebhook", "password": "T0/B0/x"},
                "DOWN": {**hook, "port": 9},
                "MAIL": {
                    **{"conn_type": "smtp", "host": local, "port": port},
                    "extra": {
                        **{"disable_ssl": True, "disable_tls": True},
                        "from_email": "kith@shop.example",
                    },
                },
                "DATABASE": {"conn_type": "postgres", "password": PLANTED["token"]},
            },
            posts,
            mails,
        )


def in_airflow(
    code: str, *arguments: Any, connections: dict[str, Any]
) -> subprocess.CompletedProcess[str]:
    # In a process of its own: Airflow takes over logging wherever it is imported.
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=AirflowHome(load_settings()).environment()
        | {f"AIRFLOW_CONN_{k}": json.dumps(v) for k, v in connections.items()}
        | {"KITH_IDENTIFIER_KEY": PLANTED["key"]},
        capture_output=True,
        text=True,
        check=False,
    )
