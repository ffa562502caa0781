"""The Airflow server of `make up`: its processes, and a client of its API.

A supervisor in a session of its own starts the processes, starts one again that dies,
and ends them all when it is asked to, or when one dies again and again. It owns the
Airflow home while it lives.
"""

import datetime as dt
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from kith.company.folder import load_company
from kith.errors import ConfigurationError, KithError, TransientError, one_line
from kith.ports import check_free
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
    session_members,
)

START_SECONDS = 300
STOP_SECONDS = 30
# A part that dies is started again, unless it dies so many times in a row: each time
# before it has lived so long.
RESTARTS = 4
STEADY_SECONDS = 300
# It waits so long before the first of these, and twice as long before each next.
RESTART_SECONDS = 1.0
_TEND_SECONDS = 10
_EVER = dt.datetime.min.replace(tzinfo=dt.UTC).isoformat()
API = ["api-server"]
# Tasks and triggers log to files that the API server reads itself. No DAG of Kith's
# waits in the triggerer; those of a team may.
WORKERS = [
    ["dag-processor"],
    ["scheduler", "--skip-serve-logs"],
    ["triggerer", "--skip-serve-logs"],
]
_HEALTHY = ("metadatabase", "scheduler", "dag_processor", "triggerer")
# Answers to a request that may be granted when it is made again.
_BUSY = {408, 425, 429}
_CONFLICT, _UNAUTHORIZED = 409, 401


class ApiError(KithError):
    """The API refused a request; `code` is the HTTP status of its answer."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


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
            told = f"Airflow at {self.url} answered {error.code} to {path}: {text}"
            if error.code >= 500 or error.code in _BUSY:
                raise TransientError(told) from None
            raise ApiError(told, error.code) from None
        except (OSError, http.client.HTTPException, json.JSONDecodeError) as error:
            raise TransientError(
                f"Airflow at {self.url} does not answer: {error}"
            ) from None

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        if not self._token:
            login = {"username": USER, "password": self._password}
            self._token = self._send("POST", "/auth/token", login)["access_token"]
            return self._send(method, f"/api/v2{path}", body)
        try:
            return self._send(method, f"/api/v2{path}", body)
        except ApiError as error:
            if error.code != _UNAUTHORIZED:
                raise
        self._token = None  # It is a day old.
        return self._call(method, path, body)

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
            if any(health[part]["status"] != "healthy" for part in _HEALTHY):
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

    def trigger(
        self, dag: str, run_id: str, params: dict[str, Any], note: str = ""
    ) -> None:
        """Queue a run, once, however often it is asked for; `note` is for people.

        Its logical date is now: Airflow's home page counts no run that has none.
        """
        body = {
            "dag_run_id": run_id,
            "logical_date": dt.datetime.now(dt.UTC).isoformat(),
            "conf": params,
            "note": note or None,
        }
        try:
            self._call("POST", f"/dags/{dag}/dagRuns", body)
        except ApiError as error:
            # It was queued, though the answer did not come in time.
            if error.code != _CONFLICT or not self._has_run(dag, run_id):
                raise

    def _has_run(self, dag: str, run_id: str) -> bool:
        try:
            self.state(dag, run_id)
        except ApiError:
            return False
        return True

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
    check_free(host, port, "KITH_PORT")
    home.prepare(companies)
    _restart_log(home).write_text("")
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
            env={
                **home.environment(),
                "KITH_COMPANIES": ",".join(folders.values()),
                # As the settings have it: that of its own it knows itself.
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": home.settings.airflow_database,
            },
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
    if not end_leftovers(owner):
        with suppress(ProcessLookupError):
            os.kill(owner["pid"], signal.SIGTERM)
    deadline = time.monotonic() + 3 * STOP_SECONDS
    while not ownership.acquire():
        if time.monotonic() > deadline:
            end_session(owner["pid"], 0)
        time.sleep(0.2)
    ownership.release()
    return True


def end_leftovers(owner: dict[str, Any]) -> bool:
    """End what a server has left whose supervisor was killed; False if it lives.

    To be called while the lock is held: then a process of this session lives, so that
    the kernel gives the leader's number to nobody else, even when the leader is gone.
    """
    with suppress(psutil.NoSuchProcess):
        if psutil.Process(owner["pid"]).status() != psutil.STATUS_ZOMBIE:
            return False
    end_session(owner["pid"], STOP_SECONDS)
    return True


def restarts(home: AirflowHome) -> list[dict[str, str]]:
    """What the server had to start again: `at` (ISO 8601, UTC), `part` and `reason`."""
    log = _restart_log(home)
    lines = log.read_text().splitlines() if log.is_file() else []
    return [json.loads(line) for line in lines]


def _restart_log(home: AirflowHome) -> Path:
    return home.folder / "restarts.jsonl"


def _say(text: str) -> None:
    print(time.strftime("%Y-%m-%d %H:%M:%S"), text, flush=True)


@dataclass
class Part:
    """One of the server's processes: how it is started, and what became of it.

    `deaths` counts those in a row; `due` is when it is to be started again, on the
    monotonic clock.
    """

    name: str
    start: Callable[[], "subprocess.Popen[bytes]"]
    process: "subprocess.Popen[bytes]"
    since: float
    deaths: int = 0
    due: float | None = None


class Parts:
    """The server's processes, of which one that dies is started again."""

    def __init__(self, home: AirflowHome, ownership: Ownership) -> None:
        self._home, self._ownership = home, ownership
        self._parts: dict[str, Part] = {}
        self._tended = 0.0

    def launch(self, command: list[str]) -> None:
        """Start a process of Airflow."""
        self._add(command[0], lambda: self._airflow(command))

    def launch_postgres(self) -> None:
        """Start PostgreSQL, where it is our own, and wait until it answers."""
        if postgres := self._home.postgres:
            # Not as an heir of the lock: its own processes leave our session.
            self._add("postgresql", postgres.launch)
            postgres.wait(self._parts["postgresql"].process)

    def _add(self, name: str, start: Callable[[], "subprocess.Popen[bytes]"]) -> None:
        self._parts[name] = Part(name, start, start(), time.monotonic())

    def _airflow(self, command: list[str]) -> "subprocess.Popen[bytes]":
        with self._log(command[0]).open("a") as log:
            return subprocess.Popen(
                [*LAUNCH, *command],
                env=self._home.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # They hold the lock too: the home is owned as long as one lives.
                pass_fds=self._ownership.inheritance,
            )

    def _log(self, name: str) -> Path:
        return self._home.logs / f"{name}.log"

    def dead(self, name: str) -> str | None:
        """How a process ended, if it did."""
        code = self._parts[name].process.poll()
        if code is None:
            return None
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else ""
        return f"{name} {how or f'ended with {code}'}; its log: {self._log(name)}"

    def tend(self) -> str | None:
        """Start again what died; returns why, if one has died too often in a row."""
        now = time.monotonic()
        for part in self._parts.values():
            if part.due is not None:
                if now >= part.due:
                    self._restart(part)
            elif reason := self.dead(part.name):
                part.deaths = 1 + (
                    part.deaths if now - part.since < STEADY_SECONDS else 0
                )
                if part.deaths > RESTARTS:
                    return f"{reason}; it had been started {part.deaths} times in a row"
                part.due = now + RESTART_SECONDS * 2 ** (part.deaths - 1)
                self._tell(part.name, reason)
        if now - self._tended > _TEND_SECONDS:
            self._tended = now
            _end_idle_orphans()
        return None

    def _restart(self, part: Part) -> None:
        part.since, part.due = time.monotonic(), None
        part.process = part.start()

    def _tell(self, part: str, reason: str) -> None:
        _say(f"{reason}: starting it again")
        at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        line = json.dumps({"at": at, "part": part, "reason": reason})
        with _restart_log(self._home).open("a") as log:
            log.write(line + "\n")

    def end(self) -> None:
        """End all: PostgreSQL last, since the others speak with it while they end."""
        kept = self._parts.pop("postgresql", None)
        end_session(os.getpid(), STOP_SECONDS, {kept.process.pid} if kept else ())
        if kept and self._home.postgres:
            self._home.postgres.end(kept.process)


def _end_idle_orphans() -> None:
    """End workers of a scheduler that was killed, once they have run their tasks.

    Each would wait for ever for a task that nobody gives it.
    """
    members = session_members(os.getpid())
    ours = {os.getpid(), *(process.pid for process in members)}
    for process in members:
        with suppress(psutil.NoSuchProcess):
            title = " ".join(process.cmdline())
            is_idle = "LocalExecutor" in title and "<idle>" in title
            if is_idle and process.ppid() not in ours:
                process.kill()


def supervise(home: AirflowHome, ownership: Ownership) -> int:
    """Keep the server's processes running until SIGTERM comes, or one cannot live."""
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
    parts = Parts(home, ownership)
    reason: str | None = None
    try:
        _say("starting")
        parts.launch_postgres()
        api = Api(home.url, home.password())
        parts.launch(API)
        # What cannot start at all is not started again: `make up` waits for it.
        while not (stopping.wait(0.5) or api.answers()):
            if reason := parts.dead(API[0]):
                return 1
        if not stopping.is_set():
            # Or else the scheduler would take them up again.
            for dag, run_id in api.abandoned_runs():
                _say(f"{run_id} was killed in an earlier process: marked as failed")
                api.fail(dag, run_id)
            for command in WORKERS:
                parts.launch(command)
        while not (stopping.wait(0.5) or (reason := parts.tend())):
            pass
        return 1 if reason else 0
    except Exception as error:
        reason = one_line(str(error))
        if not isinstance(error, KithError):
            raise
        return 1
    finally:
        _say(f"stopping all, because {reason}" if reason else "stopping, as asked")
        parts.end()
        _say(f"stopped, because {reason}" if reason else "stopped")


if __name__ == "__main__":
    the_home = AirflowHome(load_settings(), serves=True)
    sys.exit(supervise(the_home, Ownership(the_home, int(sys.argv[1]))))


def owner_or_server(home: AirflowHome) -> Ownership | Api:
    """Become the owner of the Airflow home, or find the server that owns it.

    Waits while another run owns it, or while the server is starting. Ends what a
    server has left whose supervisor was killed: nobody would start its parts again.
    """
    ownership = Ownership(home)
    told = ""
    deadline = time.monotonic() + START_SECONDS
    while not ownership.acquire():
        owner = ownership.owner()
        if owner.get("kind") == "server":
            if end_leftovers(owner):
                print("Ended what a killed Airflow server has left", flush=True)
                continue
            api = Api(owner["url"], home.password(), owner["since"])
            if api.is_ready(map(dag_id, owner["companies"])):
                return api
            if time.monotonic() > deadline:
                raise KithError(
                    f"the Airflow server at {api.url} was not ready after "
                    f"{START_SECONDS} s; see {home.logs}, and start it "
                    "anew with `make down` and `make up`"
                )
            news = f"Waiting for the Airflow server at {api.url} to be ready …"
        else:
            news = f"Waiting for another run to end (process {owner.get('pid')}) …"
        if news != told and owner:
            print(news, flush=True)
            told = news
        time.sleep(1)
    return ownership
