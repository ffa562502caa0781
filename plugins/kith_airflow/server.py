"""The Airflow server of `make up`: its processes, and a client of its API.

A supervisor in a session of its own starts the processes, ends them all when one of
them dies or when it is asked to, and owns the Airflow home while it lives.
"""

import datetime as dt
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from kith.company.folder import load_company
from kith.errors import ConfigurationError, KithError, TransientError
from kith.runs.source_systems import source_systems
from kith.settings import load_settings
from kith_airflow.companies import dag_id, known_companies
from kith_airflow.home import (
    LAUNCH,
    USER,
    AirflowHome,
    Ownership,
    end_session,
    last_line,
)

START_SECONDS = 180
STOP_SECONDS = 30
_EVER = dt.datetime.min.replace(tzinfo=dt.UTC).isoformat()
API = ["api-server"]
# Tasks of this executor log to files that the API server reads itself.
WORKERS = [["dag-processor"], ["scheduler", "--skip-serve-logs"]]


class ApiError(KithError):
    """The API refused a request."""


class Api:
    """The few calls of Airflow's REST API that Kith needs.

    `since` is when the server was started, ISO 8601: what Airflow remembers of DAG
    files from an earlier one may no longer hold.
    """

    def __init__(self, url: str, password: str, since: str = _EVER) -> None:
        self.url = url
        self._password = password
        self._since = dt.datetime.fromisoformat(since)
        self._token: str | None = None
        # The server is this machine: no proxy between.
        self._open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open

    def _send(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(  # noqa: S310
            self.url + path,
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"Content-Type": "application/json"},
        )
        if self._token:
            request.add_header("Authorization", f"Bearer {self._token}")
        try:
            with self._open(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            raise ApiError(
                f"Airflow at {self.url} answered {error.code} to {path}: {text}"
            ) from None
        except (OSError, json.JSONDecodeError) as error:
            raise TransientError(
                f"Airflow at {self.url} does not answer: {error}"
            ) from None

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        if not self._token:
            login = {"username": USER, "password": self._password}
            self._token = self._send("POST", "/auth/token", login)["access_token"]
        return self._send(method, f"/api/v2{path}", body)

    def answers(self) -> bool:
        """Whether the API is there at all."""
        try:
            self._call("GET", "/version")
        except TransientError:
            return False
        return True

    def is_ready(self, dags: Iterable[str]) -> bool:
        """Whether runs can be started: all processes healthy, each DAG file read."""
        try:
            health = self._call("GET", "/monitor/health")
            parts = ("metadatabase", "scheduler", "dag_processor")
            if any(health[part]["status"] != "healthy" for part in parts):
                return False
            faults = self.import_errors()
            return all(dag in faults or self._has_read(dag) for dag in dags)
        except (TransientError, ApiError):
            return False

    def _has_read(self, dag: str) -> bool:
        try:
            known = self._call("GET", f"/dags/{dag}")
        except ApiError:
            return False
        return not known["is_stale"] and self._is_news(known["last_parsed_time"])

    def _is_news(self, moment: str | None) -> bool:
        return dt.datetime.fromisoformat(moment or _EVER) >= self._since

    def import_errors(self) -> dict[str, str]:
        """What is wrong with DAG files that cannot be read, by the files' stems."""
        errors = self._call("GET", "/importErrors?limit=100")["import_errors"]
        return {
            Path(error["filename"]).stem: error["stack_trace"].strip().splitlines()[-1]
            for error in errors
            if self._is_news(error["timestamp"])
        }

    def unpause(self, dag: str) -> bool:
        """Take the pause off a DAG; False if there was none."""
        is_paused = self._call("GET", f"/dags/{dag}")["is_paused"]
        if is_paused:
            self._call("PATCH", f"/dags/{dag}", {"is_paused": False})
        return bool(is_paused)

    def trigger(self, dag: str, run_id: str, params: dict[str, Any]) -> None:
        """Queue a run."""
        body = {"dag_run_id": run_id, "logical_date": None, "conf": params}
        self._call("POST", f"/dags/{dag}/dagRuns", body)

    def state(self, dag: str, run_id: str) -> str:
        """State of a run: queued, running, success, failed."""
        return str(self._call("GET", f"/dags/{dag}/dagRuns/{run_id}")["state"])

    def fail(self, dag: str, run_id: str) -> None:
        """End a run and its tasks."""
        self._call("PATCH", f"/dags/{dag}/dagRuns/{run_id}", {"state": "failed"})

    def abandoned_runs(self) -> list[tuple[str, str]]:
        """DAG and run id of `airflow dags test` processes that were killed.

        To be called by the owner, while no such process can live.
        """
        runs = self._call("GET", "/dags/~/dagRuns?state=running")["dag_runs"]
        return [
            (run["dag_id"], run["dag_run_id"])
            for run in runs
            if run["triggered_by"] == "test"
        ]


def start(
    home: AirflowHome, ownership: Ownership, companies: dict[str, Path]
) -> dict[str, str]:
    """Start the server and wait until it is ready; the caller owns the home.

    Returns what is wrong with companies that cannot run, by their DAGs.

    Raises ConfigurationError when the port is taken, KithError with the reason and
    the place of the log when a process dies meanwhile.
    """
    host, port = home.settings.airflow_host, home.settings.airflow_port
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigurationError(
                f"port {port} on {host} is not free ({error.strerror}): end what "
                "listens there or choose another with KITH_PORT"
            ) from None
    home.prepare(companies)
    since = dt.datetime.now(dt.UTC).isoformat()
    api = Api(home.url, home.password(), since)
    log = home.logs / "server.log"
    folders = {name: str(folder) for name, folder in companies.items()}
    with log.open("a") as output:
        supervisor = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "kith_airflow.server",
                *map(str, ownership.inheritance),
            ],
            env=home.environment() | {"KITH_COMPANIES": ",".join(folders.values())},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=ownership.inheritance,
        )
    ownership.write_note(
        "server", supervisor.pid, url=home.url, since=since, companies=folders
    )
    ownership.release()
    dags = [dag_id(name) for name in companies]
    deadline = time.monotonic() + START_SECONDS
    while not api.is_ready(dags):
        if supervisor.poll() is not None:
            raise KithError(f"the server did not start: {last_line(log)}")
        if time.monotonic() > deadline:
            stop(home)
            raise KithError(
                f"the server was not ready after {START_SECONDS} s and was stopped; "
                f"logs: {home.logs}"
            )
        time.sleep(0.5)
    faults = api.import_errors()
    return {dag: faults[dag] for dag in dags if dag in faults}


def stop(home: AirflowHome) -> bool:
    """Stop the server and everything it started; False if there was none."""
    ownership = Ownership(home)
    if ownership.acquire():
        ownership.release()
        return False
    owner = ownership.owner()
    if owner.get("kind") != "server":
        return False
    # As long as the lock is held, a process of this session lives, so that the
    # kernel gives the leader's number to nobody else, even when the leader is gone.
    try:
        os.kill(owner["pid"], signal.SIGTERM)
    except ProcessLookupError:
        end_session(owner["pid"], STOP_SECONDS)
    deadline = time.monotonic() + 2 * STOP_SECONDS
    while not ownership.acquire():
        if time.monotonic() > deadline:
            end_session(owner["pid"], 0)
        time.sleep(0.2)
    ownership.release()
    return True


def _say(text: str) -> None:
    print(time.strftime("%Y-%m-%d %H:%M:%S"), text, flush=True)


def supervise(home: AirflowHome, ownership: Ownership) -> int:
    """Run the server's processes until one of them dies or SIGTERM comes."""
    settings = home.settings
    with ExitStack() as systems:
        for folder in known_companies(settings).values():
            try:
                company = load_company(folder)
                systems.enter_context(source_systems(company, settings.home))
            except ConfigurationError as error:
                _say(f"without {folder}: {error}")  # The others run.
        return _supervise(home, ownership)


def _supervise(home: AirflowHome, ownership: Ownership) -> int:
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    processes: dict[str, subprocess.Popen[bytes]] = {}

    def launch(command: list[str]) -> None:
        with (home.logs / f"{command[0]}.log").open("a") as log:
            processes[command[0]] = subprocess.Popen(
                [*LAUNCH, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # They hold the lock too: the home is owned as long as one lives.
                pass_fds=ownership.inheritance,
            )

    def dead() -> str | None:
        for name, process in processes.items():
            if process.poll() is not None:
                log = home.logs / f"{name}.log"
                return f"{name} ended with {process.returncode}; its log: {log}"
        return None

    api = Api(home.url, home.password())
    _say("starting")
    launch(API)
    while not (stopping.wait(0.5) or dead() or api.answers()):
        pass
    if not (stopping.is_set() or dead()):
        # Or else the scheduler would take them up again.
        for dag, run_id in api.abandoned_runs():
            _say(f"{run_id} was killed in an earlier process: marked as failed")
            api.fail(dag, run_id)
        for command in WORKERS:
            launch(command)
    while not (stopping.wait(0.5) or dead()):
        pass
    reason = dead()
    _say(f"stopping all, because {reason}" if reason else "stopping, as asked")
    end_session(os.getpid(), STOP_SECONDS)
    _say("stopped" if not reason else f"stopped, because {reason}")
    return 1 if reason else 0


if __name__ == "__main__":
    the_home = AirflowHome(load_settings())
    sys.exit(supervise(the_home, Ownership(the_home, int(sys.argv[1]))))
