"""The commands. Airflow is the real one, in a process of its own; where a test wants a
stage to fail in its own way, the stages are stand-ins."""

import datetime as dt
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import psutil
import pytest

from kith.approve.approval import Restatement, Restatements, approval_of, note_path
from kith.company.folder import load_company
from kith.errors import ConfigurationError, KithError, TransientError
from kith.incidents.history import open_incidents
from kith.reproduce.rebuild import Rebuilt
from kith.runs.journal import Journal
from kith.runs.run import Interval, Run
from kith.settings import REPOSITORY, Request, load_settings
from kith_airflow import cli
from kith_airflow.cli import (
    _check_known,
    _run_on_server,
    _stop_on_server,
    _wait_until_read,
    chosen_days,
    main,
)
from kith_airflow.companies import logs_of
from kith_airflow.home import AirflowHome, Ownership
from kith_airflow.server import Api, ApiError
from tests.one_table import company, deliver, run_door, sales

SHOP = REPOSITORY / "tests/companies/corner_shop"

STAND_INS = {
    "stand_ins.py": """
import os
import subprocess
import time
from kith import errors

def act(run, stage, item=""):
    with run.stage(stage, item) as figures:
        figures["rows"] = 3
        order = run.home / "orders" / f"{stage} {item}".strip()
        if not order.is_file():
            return
        what = order.read_text()
        if what == "hang":
            subprocess.Popen(["sleep", "120"], process_group=0)  # such as dbt
            (run.home / "hanging").touch()
            time.sleep(120)
        if what == "disk":  # As it takes Airflow, whose database lies there.
            os.write(2, b"(sqlite3.OperationalError) database or disk is full\\n")
            os._exit(1)
        if what == "TransientError":
            order.unlink()
        raise getattr(errors, what)(f"{item} was ordered to fail")
""",
    "publish/release.py": """
import json
from kith.stand_ins import act

def publish(run):
    act(run, "publish")
    release = run.published / f"release_{len(list(run.published.glob('release_*')))}"
    release.mkdir(parents=True)
    gate = {"passed": 7, "warnings": 1, "failed_warnings": ["few rows"]}
    marts = {"customer.customers": {"rows": 1234}}
    manifest = {"title": run.company.title, "gate": gate, "marts": marts}
    (release / "manifest.json").write_text(json.dumps(manifest))
    link = run.published / "new"
    link.symlink_to(release.name)
    link.replace(run.published / "current")
    return {**manifest, "release_id": release.name, "as_of_date": "2024-12-31"}

def rollback(folder, release):
    return f"{folder.name}/{release}"

def lacks_page(release):
    return release.name == "without_page"
""",
    "approve/approval.py": """
from types import SimpleNamespace

def question(run):
    raise AssertionError("nobody can answer without a server")

def check_approved(run):
    return SimpleNamespace(changes=[1, 2]), None
""",
    "publish/pruning.py": """
from types import SimpleNamespace

def prune(run, logs, apply):
    assert apply and all(folder.is_absolute() for folder, pattern in logs)
    return [SimpleNamespace(bytes=1_500_000)]

def told(removed):
    return "2 raw, 1.5 MB"
""",
    "serve/serve.py": """
from types import SimpleNamespace
from kith.errors import CredentialsError

def serve(run, find_connection):
    if (run.home / "refused").exists():
        raise CredentialsError("connection 'bi': refuses the login; check it")
    assert find_connection("bi").host == "db.example"
    assert run.company.postgres.connection == "bi"
    days = f"{run.interval.from_day} {run.interval.to_day}"
    return SimpleNamespace(release_id=f"R1 of {days}", schema="kith_r1",
                           missing_logins=["anna"])
""",
    **{
        f"{module}.py": f"""
from kith.stand_ins import act

def {function}(run, item="", find_connection=None):
    act(run, "{stage}", item)
"""
        for module, function, stage in (
            ("pull/table", "pull_table", "pull"),
            ("admit/table", "admit_table", "admit"),
            ("build/candidate", "build", "build"),
            ("gate/audit", "audit", "audit"),
        )
    },
}


class Kith:
    """A copy of the repository's Airflow side, with stand-ins for the stages."""

    def __init__(self, folder: Path) -> None:
        self.repository, self.home = folder / "repository", folder / "home"
        kith = self.repository / "plugins" / "kith"
        shutil.copytree(REPOSITORY / "plugins", self.repository / "plugins")
        (self.repository / "dbt_project").symlink_to(REPOSITORY / "dbt_project")
        for name, text in STAND_INS.items():
            (kith / name).write_text(text)
        (self.repository / "dags").symlink_to(REPOSITORY / "dags")
        defaults = self.repository / "plugins" / "kith_airflow" / "task_defaults.py"
        text = defaults.read_text()
        assert "timedelta(seconds=30)" in text
        defaults.write_text(text.replace("seconds=30", "seconds=1"))
        (self.home / "orders").mkdir(parents=True)

    @property
    def current(self) -> str | None:
        link = self.home / "corner_shop" / "published" / "current"
        return link.readlink().name if link.is_symlink() else None

    def order(self, stage: str, what: str) -> None:
        (self.home / "orders" / stage).write_text(what)

    def cancel(self, stage: str) -> None:
        (self.home / "orders" / stage).unlink()

    def start(
        self, command: str, of_make: bool = False, **environment: str
    ) -> "subprocess.Popen[str]":
        called = [sys.executable, "-m", "kith_airflow", command]
        if of_make:
            called = ["make", "--eval", f"{command}: ; @{' '.join(called)}", command]
        return subprocess.Popen(
            called,
            env={
                **os.environ,
                "PYTHONPATH": str(self.repository / "plugins"),
                "KITH_HOME": str(self.home),
                "KITH_COMPANY": str(SHOP),
                "COMPANY": "",
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=of_make,
            cwd=self.home,
        )

    def call(self, command: str, **environment: str) -> tuple[int, str, str]:
        """Exit code, output and errors of a command, each blank run made one."""
        process = self.start(command, **environment)
        output, errors = process.communicate(timeout=180)
        lines = (" ".join(line.split()) for line in output.splitlines())
        return process.returncode, "\n".join(lines), errors


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Kith:
    return Kith(tmp_path_factory.mktemp("kith"))


@pytest.fixture
def kith(installed: Kith) -> Iterator[Kith]:
    yield installed
    shutil.rmtree(installed.home / "orders")
    (installed.home / "orders").mkdir()
    (installed.home / "hanging").unlink(missing_ok=True)


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 300
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.1)


def owner(kith: Kith) -> psutil.Process:
    note = json.loads((kith.home / "airflow" / "owner.json").read_text())
    assert note["kind"] == "run"
    return psutil.Process(note["pid"])


def test_what_is_transient_is_tried_again_and_a_refusal_of_the_gate_is_not(
    kith: Kith,
) -> None:
    before = kith.current
    kith.order("pull web.clicks", "TransientError")
    kith.order("audit", "GateError")
    code, output, errors = kith.call("run")
    assert code == 1
    assert "pull web.clicks failed: web.clicks was ordered to fail" in output
    assert "pull web.clicks 0.0 s 3 rows" in output
    assert output.count("audit failed") == 1
    assert "publish" not in output
    lines = [" ".join(line.split()) for line in errors.splitlines()]
    assert lines[:2] == [
        "Failed: audit: was ordered to fail",
        f"current is unchanged: {before or 'nothing was published yet'}",
    ]
    # What a retry mended is no incident. The failed task's log, and the command, end
    # with the one there is.
    (incident,) = open_incidents(kith.home / "corner_shop")
    assert (incident.task, incident.failure_class) == ("audit", "data_gate")
    told = "\n".join(incident.lines()).replace(str(REPOSITORY), str(kith.repository))
    whole = [" ".join(line.split()) for line in told.splitlines()]
    assert any(line.startswith("readers Readers ") for line in whole)
    assert lines[2:] == whole
    log = max((kith.home / "airflow" / "logs").glob("run_corner_shop-*.log"))
    task = re.findall(
        r"\[error +\] +(.*?) +\[kith_airflow.incidents\]|(::endgroup::)",
        log.read_text(),
    )
    end = ["::endgroup::", *whole, "::endgroup::"]
    assert [" ".join("".join(each).split()) for each in task][-len(end) :] == end
    assert kith.current == before


def test_a_killed_run_names_its_stage_and_the_next_one_waits_and_succeeds(
    kith: Kith,
) -> None:
    before = kith.current
    kith.order("build", "hang")
    killed = kith.start("run")
    wait_for(kith.home / "hanging")
    child = owner(kith)
    waiting = kith.start("run", FROM="2024-01-01", TO="2024-03-31")
    assert waiting.stdout
    assert [waiting.stdout.readline() for _ in range(2)] == [
        "Corner shop: 2024-01-01 to 2024-03-31, 6 source tables\n",
        f"Waiting for another run to end (process {child.pid}) …\n",
    ]
    kith.cancel("build")
    child.kill()
    _, errors = killed.communicate(timeout=30)
    assert killed.returncode == 1
    assert errors.startswith(
        "Failed: build: Airflow was killed by SIGKILL, perhaps for lack of memory "
        "(KITH_MEMORY_LIMIT); log: "
    )
    assert Path(errors.splitlines()[0].split("log: ")[1]).is_file()
    assert kith.current == before
    # The task could not tell of it.
    told = " ".join(errors.split())
    assert "class overdue, " in told
    assert "cause a run died without a word, in build: its process is gone" in told

    output, errors = waiting.communicate(timeout=120)
    assert (waiting.returncode, errors) == (0, "")
    told = [" ".join(line.split()) for line in output.splitlines()]
    tables = [table.full_name for table in load_company(SHOP).sources]
    release = kith.home / "corner_shop" / "published" / "release_0"
    for line in (
        *(f"pull {table} 0.0 s 3 rows" for table in tables),
        *(f"admit {table} 0.0 s 3 rows" for table in tables),
        "Published: Corner shop, 2024-01-01 to 2024-03-31",
        f"release {release}",
        f"report {release}/report/index.html",
        "gate 7 checks passed, 1 warnings",
        "warning: few rows",
        "sources 0 warnings",
        "pruned 2 raw, 1.5 MB",
        "customer.customers 1,234",
    ):
        assert line in told
    (seconds,) = [line for line in told if line.startswith("seconds ")]
    assert " ".join(seconds.split()[1::2]) == (
        "plan pull admit build audit approve publish prune Airflow total"
    )
    assert told.index("build 0.0 s 3 rows") < told.index("audit 0.0 s 3 rows")


def test_what_airflow_died_of_is_told_by_the_command(kith: Kith) -> None:
    kith.order("audit", "disk")
    code, _, errors = kith.call("run")
    kith.cancel("audit")
    assert code == 1
    assert "Failed: audit: Airflow ended with 1: (sqlite3.OperationalError)" in errors
    found = open_incidents(kith.home / "corner_shop")
    (incident,) = [each for each in found if each.failure_class == "resource"]
    assert incident.stage == "audit"
    assert "no space left on the disk" in incident.cause
    assert incident.cause in errors


def lives(process: psutil.Process) -> bool:
    """Whether it runs; what has ended may wait for init to collect it."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_an_interrupted_run_leaves_no_process_behind(kith: Kith) -> None:
    kith.order("pull web.clicks", "hang")
    process = kith.start("run", of_make=True)
    wait_for(kith.home / "hanging")
    child = owner(kith)
    started = child.children()
    assert ["sleep", "120"] in [each.cmdline() for each in started]
    # Make hands it on: the second one must not stop the cleaning up.
    os.killpg(process.pid, signal.SIGTERM)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGTERM
    assert "Interrupted, and the run was stopped; current is unchanged" in errors
    assert not any(map(lives, (child, *started)))


def test_rollback_says_where_a_release_has_no_page(kith: Kith) -> None:
    code, output, _ = kith.call("rollback", RELEASE="without_page")
    assert code == 0
    assert output.splitlines()[1].startswith("It has no report page: ")


def test_rollback_hands_on_company_and_release(kith: Kith) -> None:
    code, output, _ = kith.call("rollback", RELEASE="some_release")
    assert (code, output) == (0, "current is now corner_shop/some_release")


def test_serve_and_rollback_bring_postgresql_to_the_current_release(
    kith: Kith, tmp_path: Path
) -> None:
    folder = shutil.copytree(SHOP, tmp_path / "served")
    with (folder / "company.yml").open("a") as declared:
        declared.write("postgres: {connection: bi}\n")
    told = {"COMPANY": str(folder), "AIRFLOW_CONN_BI": "postgres://db.example/bi"}
    code, output, _ = kith.call("serve", **told)
    assert code == 0
    assert output.splitlines() == [
        "PostgreSQL serves R1 of 2024-01-01 2024-01-01, from schema kith_r1",
        "no such login: anna",
    ]
    code, output, _ = kith.call("rollback", RELEASE="some_release", **told)
    assert code == 0
    assert output.splitlines()[:2] == [
        "current is now corner_shop/some_release",
        "PostgreSQL serves R1 of 2024-01-01 2024-01-01, from schema kith_r1",
    ]
    # Where it cannot be reached the files have turned back, and what to do is said.
    (kith.home / "refused").touch()
    code, output, errors = kith.call("rollback", RELEASE="some_release", **told)
    assert (code, output) == (1, "current is now corner_shop/some_release")
    assert "PostgreSQL still serves the former release: connection 'bi'" in errors
    assert "make serve, or clear the task serve" in errors


def test_down_without_a_server_says_so(kith: Kith) -> None:
    code, output, _ = kith.call("down")
    assert (code, output) == (0, "No Airflow server of this KITH_HOME is running")


def request(from_day: str | None = None, to_day: str | None = None) -> Request:
    return Request(SHOP, from_day, to_day, None)


def test_days_are_by_default_those_of_the_company() -> None:
    company = load_company(SHOP)
    assert chosen_days(request(), company).slug == "20240101-20241231"
    assert chosen_days(request("2024-02-03"), company).slug == "20240203-20241231"
    assert chosen_days(request(None, "2024-02-03"), company).slug == "20240101-20240203"


def test_a_living_companys_last_day_is_yesterday_in_its_zone() -> None:
    living = load_company(SHOP).model_copy(
        update={"last_day": None, "time_zone": "Pacific/Kiritimati"}
    )
    zone = ZoneInfo("Pacific/Kiritimati")
    before = dt.datetime.now(zone).date() - dt.timedelta(days=1)
    found = chosen_days(request(), living).to_day
    after = dt.datetime.now(zone).date() - dt.timedelta(days=1)
    assert before <= found <= after


@pytest.mark.parametrize(
    ("days", "message"),
    [
        (request("yesterday"), "FROM=yesterday: not a day"),
        (request(None, "2024-02-30"), "TO=2024-02-30: not a day"),
        (request("2024-02-02", "2024-02-01"), "lies after"),
        (request(None, "2199-01-01"), "TO=2199-01-01 is not over yet"),
    ],
)
def test_days_that_are_none_are_refused(days: Request, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        chosen_days(days, load_company(SHOP))


def test_an_error_is_one_line_and_starts_nothing(
    kith_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COMPANY", "companies/of_nobody")
    assert main(["run"]) == 1
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith("Failed: ") and errors.count("\n") == 1
    assert "companies/of_nobody/company.yml: not found" in errors
    assert not kith_home.exists()


def test_a_company_whose_variables_are_not_set_starts_nothing(
    kith_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COMPANY", "companies/sfo_survey")
    monkeypatch.delenv("KITH_SFO_SURVEY", raising=False)
    assert main(["run"]) == 1
    errors = capsys.readouterr().err
    assert "sources.yml: a path names ${KITH_SFO_SURVEY}, but the " in errors
    assert not kith_home.exists()


def test_a_file_that_is_broken_while_a_run_starts_is_named(
    kith_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "shop"
    shutil.copytree(SHOP, folder)
    monkeypatch.setenv("COMPANY", str(folder))
    whole = {
        name: (folder / name).read_text() for name in ("company.yml", "sources.yml")
    }

    def end(
        home: object, owner: object, run: Run, params: object, dag: str
    ) -> tuple[Journal, cli.RunFault]:
        (folder / name).write_text(broken)
        fault = cli.RunFault("Airflow ended with 1: DagRun failed")
        return Journal(run.run_folder), fault

    monkeypatch.setattr(cli, "_run_in_process", end)
    for name, broken, told in (  # noqa: B007
        (
            "company.yml",
            whole["company.yml"].replace("time_zone: ", "time_zone: Europe/Berlln #"),
            f"Failed: {folder}/company.yml: time_zone: ",
        ),
        ("sources.yml", "sources: [", f"Failed: {folder}/sources.yml: "),
    ):
        assert main(["run"]) == 1
        errors = capsys.readouterr().err
        assert errors.startswith(told), errors
        assert "before the first stage" not in errors
        (folder / name).write_text(whole[name])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_any_signal_to_stop_lets_a_command_clean_up(
    number: signal.Signals,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cleaned = []

    def command() -> int:
        try:
            signal.raise_signal(number)
        finally:
            # Such as from make, which hands SIGTERM on to a group that has it already.
            for again in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.raise_signal(again)
            cleaned.append(number)
        return 0

    before = signal.signal(number, lambda *_: None)
    try:
        monkeypatch.setitem(cli.COMMANDS, "down", command)
        assert main(["down"]) == 130
        signal.raise_signal(number)
    finally:
        signal.signal(number, before)
    assert cleaned == [number]
    assert capsys.readouterr().err == "Interrupted\n"


def test_a_run_under_nohup_goes_on_when_its_terminal_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def command() -> int:
        signal.raise_signal(signal.SIGHUP)
        return 0

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        monkeypatch.setitem(cli.COMMANDS, "down", command)
        assert main(["down"]) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def server_for(home: AirflowHome, **companies: Path) -> Api:
    note = {"kind": "server", "companies": {n: str(p) for n, p in companies.items()}}
    (home.folder / "owner.json").write_text(json.dumps(note))
    return Api("http://127.0.0.1:1", "")


def test_a_server_that_was_started_without_the_company_is_refused(
    kith_home: Path, tmp_path: Path
) -> None:
    home = AirflowHome(load_settings())
    other = Path("/some/other")
    api = server_for(home, other=other)
    with pytest.raises(
        ConfigurationError,
        match=r"started for /some/other.*make down.*KITH_COMPANIES naming",
    ):
        _check_known(home, api, load_company(SHOP))
    # A folder of the same name that is not the one which the server runs.
    api = server_for(home, corner_shop=other)
    with pytest.raises(ConfigurationError, match="does not know"):
        _check_known(home, api, load_company(SHOP))
    _check_known(home, server_for(home, corner_shop=SHOP), load_company(SHOP))


def test_a_company_that_airflow_cannot_read_is_waited_for_and_then_named(
    kith_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    home = AirflowHome(load_settings())
    answers: list[dict[str, str]] = [{"shop": "Error: x.yml"}, {"other": "Error"}]
    monkeypatch.setattr(Api, "import_errors", lambda self: answers.pop(0))
    monkeypatch.setattr("kith_airflow.cli.time.sleep", lambda seconds: None)
    _wait_until_read(home, Api("http://airflow", ""), "shop")
    assert answers == []
    assert capsys.readouterr().out == "Waiting for Airflow to read shop again …\n"
    answers = [{"shop": "Error: x.yml"}]
    monkeypatch.setattr("kith_airflow.cli.REREAD_SECONDS", -1)
    with pytest.raises(ConfigurationError, match=r"cannot read shop: Error: x\.yml"):
        _wait_until_read(home, Api("http://airflow", ""), "shop")


class LateAirflow(BaseHTTPRequestHandler):
    """A server that answers each request in the way that `answers` says, in turn."""

    answers: ClassVar[dict[str, list[tuple[int, dict[str, object]] | None]]] = {}
    asked: ClassVar[list[tuple[str, dict[str, object]]]] = []

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}")
        what = f"{self.command} {self.path.rpartition('/')[2]}"
        self.asked.append((what, body))
        left = self.answers[what]
        answer = left.pop(0) if len(left) > 1 else left[0]
        if answer is None:
            return  # It breaks off, as one does that is killed.
        self.send_response(answer[0])
        self.end_headers()
        self.wfile.write(json.dumps(answer[1]).encode())

    do_GET = do_POST = do_PATCH = _answer

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def late_airflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    answers: dict[str, Any] = {
        "POST token": [(503, {}), (201, {"access_token": "t"})],
        "GET importErrors?limit=100": [(502, {}), (200, {"import_errors": []})],
        "GET shop_dag": [None, (200, {"is_paused": True})],
        "PATCH shop_dag": [(200, {})],
        # The first was queued, but that was not told in time.
        "POST dagRuns": [(500, {}), (409, {"detail": "already exists"})],
        "GET run_1": [
            *((200, {"state": "queued"}), (504, {}), None, (401, {})),
            *((200, {"state": "running"}), (500, {}), (200, {"state": "success"})),
        ],
    }
    monkeypatch.setattr(LateAirflow, "answers", answers)
    monkeypatch.setattr(LateAirflow, "asked", [])
    monkeypatch.setattr("kith_airflow.cli.time.sleep", lambda seconds: None)
    with ThreadingHTTPServer(("127.0.0.1", 0), LateAirflow) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Api(f"http://127.0.0.1:{server.server_port}", "secret")
        server.shutdown()


@pytest.fixture
def served(kith_home: Path) -> Iterator[AirflowHome]:
    """A home that somebody owns."""
    home = AirflowHome(load_settings())
    owner = Ownership(home)
    assert owner.acquire()
    yield home
    owner.release()


def shop_run(home: AirflowHome) -> Run:
    year = Interval(dt.date(2024, 1, 1), dt.date(2024, 12, 31))
    return Run(load_company(SHOP), year, "run_1", home.settings.home)


def test_a_server_that_answers_late_is_asked_again(
    served: AirflowHome, late_airflow: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shop_run(served)
    _, fault = _run_on_server(served, late_airflow, run, {"x": 1}, "shop_dag")
    assert fault is None
    triggers = [body for what, body in LateAirflow.asked if what == "POST dagRuns"]
    assert {body["dag_run_id"] for body in triggers} == {"run_1"}
    assert triggers[0]["note"] == "Corner shop: 2024-01-01 to 2024-12-31"
    assert triggers[0]["conf"] == {"x": 1}
    moment = dt.datetime.fromisoformat(str(triggers[0]["logical_date"]))
    assert abs(dt.datetime.now(dt.UTC) - moment) < dt.timedelta(minutes=5)
    # A login that has run out is renewed.
    assert [what for what, _ in LateAirflow.asked].count("POST token") == 3
    told = capsys.readouterr().out
    assert "asking again for 300 s" in told
    assert "shop_dag was paused; it is not any more" in told


def test_a_conflict_with_another_run_is_no_success(
    served: AirflowHome, late_airflow: Api
) -> None:
    LateAirflow.answers["GET run_1"] = [(404, {})]
    with pytest.raises(ApiError, match="answered 409"):
        _run_on_server(served, late_airflow, shop_run(served), {}, "shop_dag")


def test_a_run_that_has_published_is_no_failure_though_its_server_is_gone(
    served: AirflowHome,
    late_airflow: Api,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("kith_airflow.cli.PATIENCE_SECONDS", 0.2)
    LateAirflow.answers["GET run_1"] = [(200, {"state": "running"}), None]
    run = shop_run(served)
    _, fault = _run_on_server(served, late_airflow, run, {}, "shop_dag")
    page = f"{late_airflow.url}/dags/shop_dag/runs/run_1"
    assert fault and fault.more == f"; the run may go on: {page}"
    assert not fault.is_over
    with pytest.raises(RuntimeError), run.stage("publish"):
        raise RuntimeError
    assert _run_on_server(served, late_airflow, run, {}, "shop_dag")[1]
    with run.stage("publish"):
        pass
    journal, fault = _run_on_server(served, late_airflow, run, {}, "shop_dag")
    assert fault is None
    assert journal.has_ended("publish")
    assert "the run has published its release" in capsys.readouterr().out


def test_who_waits_for_a_server_that_was_stopped_is_told_at_once(
    kith_home: Path, late_airflow: Api
) -> None:
    LateAirflow.answers["GET run_1"] = [None]
    home = AirflowHome(load_settings())
    run = shop_run(home)
    with pytest.raises(TransientError, match="the Airflow server was stopped"):
        _wait_until_read(home, late_airflow, "shop_dag")
    LateAirflow.answers["GET importErrors?limit=100"] = [(200, {"import_errors": []})]
    LateAirflow.answers["GET shop_dag"] = [(200, {"is_paused": False})]
    _, fault = _run_on_server(home, late_airflow, run, {}, "shop_dag")
    assert fault == cli.RunFault("the Airflow server was stopped")


def test_of_a_run_that_could_not_be_stopped_it_is_said(kith_home: Path) -> None:
    with pytest.raises(KithError, match=r"interrupted, but r1 of x may go on.*make do"):
        _stop_on_server(Api("http://127.0.0.1:1", ""), "x", "r1")


def test_an_unknown_command_lists_the_known_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["dance"]) == 2
    assert "run|up|down|rollback" in capsys.readouterr().err


def test_show_asks_the_release_of_the_company(
    kith_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COMPANY", str(SHOP))
    monkeypatch.setenv("CUSTOMER", "c0ffee12")
    assert main(["show"]) == 1
    database = kith_home / "corner_shop" / "published" / "current" / "kith.duckdb"
    assert capsys.readouterr().err == (
        f"Failed: {database}: no release; publish one first: make run COMPANY={SHOP}\n"
    )


def test_releases_are_listed_the_newest_first(
    tmp_path: Path,
    kith_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    company(tmp_path)
    monkeypatch.setenv("COMPANY", str(tmp_path))
    assert main(["releases"]) == 0
    assert capsys.readouterr().out == "Shop: nothing was published yet\n"
    published = kith_home / "shop" / "published"
    for day, name in (("2024-01-31", "20240201T0"), ("2024-02-29", "20240301T0")):
        (published / name / "report").mkdir(parents=True)
        (published / name / "report" / "index.html").write_bytes(b" " * 1_500_000)
        (published / name / "manifest.json").write_text(
            json.dumps({"as_of_date": day, "files": {}})
        )
    (published / "current").symlink_to("20240301T0")
    (published / "20240201T0" / "report" / "index.html").unlink()
    (published / "20240201T0" / "manifest.json").write_text(
        json.dumps({"as_of_date": "2024-01-31", "files": {"kith.duckdb": "1a2b"}})
    )
    assert main(["releases"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "20240301T0  data as of 2024-02-29        1.5 MB  current",
        "20240201T0  data as of 2024-01-31        0.0 MB  "
        "kith.duckdb is missing, no page",
    ]


def test_prune_says_what_would_go_and_removes_it_when_told_to(
    tmp_path: Path,
    kith_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    deliver(company(tmp_path), sales(40))
    for _ in range(5):
        run = run_door(tmp_path)
        with run.stage("publish"):
            pass
    attempts = sorted((kith_home / "shop/raw/shop/sales").glob("[0-9]*/[0-9]*"))
    monkeypatch.setenv("COMPANY", str(tmp_path))
    capsys.readouterr()
    assert main(["prune"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "Shop: Would go: 2 raw, 0.0 MB"
    assert sorted(line.split()[-1] for line in told[1:3]) == [
        str(path.relative_to(kith_home)) for path in attempts[:2]
    ]
    assert told[3] == "Nothing was removed; make prune APPLY=yes removes it"
    assert all(path.exists() for path in attempts)

    monkeypatch.setenv("APPLY", "maybe")
    assert main(["prune"]) == 1
    assert "APPLY=maybe: expected yes" in capsys.readouterr().err
    monkeypatch.setenv("APPLY", "yes")
    assert main(["prune"]) == 0
    assert capsys.readouterr().out.startswith("Shop: Removed: 2 raw, 0.0 MB\n")
    assert [path.exists() for path in attempts] == [False] * 2 + [True] * 3
    assert main(["prune"]) == 0
    assert capsys.readouterr().out == (
        "Shop: nothing is superseded beyond what is kept\n"
    )


def test_logs_of_one_company_are_not_those_of_another(kith_home: Path) -> None:
    logs = kith_home / "airflow" / "logs"
    for name in (
        *("dag_id=customer_marts__shop/run_id=a", "dag_id=customer_marts__x/run_id=b"),
        *("dag_id=customer_marts__my_shop/run_id=c", "dag_processor/2024-01-01"),
    ):
        (logs / name).mkdir(parents=True)
    for name in ("run_shop-2024.log", "run_my_shop-2024.log", "run_2024.log"):
        (logs / name).touch()
    found = [path for folder, like in logs_of("shop") for path in folder.glob(like)]
    assert sorted(str(path.relative_to(logs)) for path in found) == [
        "dag_id=customer_marts__shop/run_id=a",
        "dag_processor/2024-01-01",
        "run_2024.log",
        "run_shop-2024.log",
    ]


def test_catch_up_runs_the_days_that_are_missing_and_no_other(
    kith_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = company(tmp_path / "shop", time_zone="Pacific/Kiritimati")
    monkeypatch.setenv("COMPANY", str(folder))
    asked: list[Interval | None] = []

    def run(replays: bool, days: Interval | None = None) -> int:
        assert not replays
        asked.append(days)
        return 7

    monkeypatch.setattr(cli, "_run", run)
    assert main(["catch-up"]) == 7
    # There the day is over fourteen hours before it is in UTC.
    zone = ZoneInfo("Pacific/Kiritimati")
    yesterday = dt.datetime.now(zone).date() - dt.timedelta(days=1)
    assert asked == [Interval(dt.date(2024, 1, 1), yesterday)]
    deliver(folder, sales(4))
    taken = run_door(folder, "2024-01-01", str(yesterday))
    release = taken.published / "r"
    release.mkdir(parents=True)
    (taken.published / "current").symlink_to("r")
    (release / "manifest.json").write_text(f'{{"as_of_date": "{yesterday}"}}')
    assert main(["catch-up"]) == 0
    assert asked[1:] == []
    assert capsys.readouterr().out.splitlines() == ["Shop: no day is missing"]


def test_changes_are_approved_by_the_run_that_found_them(
    kith_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COMPANY", str(SHOP))
    state = kith_home / "corner_shop"

    def call(run: str) -> tuple[int, str]:
        monkeypatch.setenv("RUN", run)
        code = main(["approve"])
        said = capsys.readouterr()
        return code, said.out + said.err

    assert call("") == (
        1,
        "Failed: make approve needs the run whose changes are approved, as its error "
        "names it: make approve COMPANY=companies/x RUN=…\n",
    )
    code, said = call("run_1")
    assert code == 1
    assert "not found, or of another version of Kith" in said
    change = Restatement(
        mart="customer.orders",
        period_grain="month",
        period_start=dt.date(2024, 3, 1),
        period_end=dt.date(2024, 3, 31),
        dimensions='{"channel": "web"}',
        measure="revenue_amount",
        old_value=Decimal("1000.10"),
        new_value=Decimal(1200),
        difference=Decimal("199.9"),
        change_pct=16.7,
        reason="late data",
        is_beyond_limit=True,
    )
    for run, is_beyond in (("run_1", False), ("run_2", True)):
        found = Restatements(
            run_id=run,
            release_id="r",
            candidate="c",
            digest=run,
            changes=[change.model_copy(update={"is_beyond_limit": is_beyond})],
        )
        note = note_path(state / "runs" / run)
        note.parent.mkdir(parents=True)
        note.write_text(found.model_dump_json())
    assert call("run_1") == (0, "run_1 changes no published number beyond the limit\n")
    assert approval_of(state, "run_1") is None
    code, said = call("run_2")
    assert code == 0
    told = "customer.orders, 2024-03, channel web: revenue_amount 1,000.10 -> 1,200 "
    assert f"{told}(17 %, late data)" in said
    assert "these 1 changes and 0 smaller ones" in said
    approval = approval_of(state, "run_2")
    assert approval and (approval.run_id, bool(approval.by)) == ("run_2", True)


def test_a_past_day_is_made_again(
    kith_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COMPANY", str(SHOP))
    monkeypatch.setenv("AS_OF", "30.6.2024")
    assert main(["rebuild"]) == 1
    assert "AS_OF=30.6.2024: not a day" in capsys.readouterr().err
    made = Rebuilt(Path("kith_build.duckdb"), {"customer.orders": "ab12"})
    asked: list[object] = []

    def rebuilt(company: Any, home: Path, day: dt.date) -> Rebuilt:
        asked.extend([company.name, home, day])
        return made

    monkeypatch.setattr("kith.reproduce.rebuild.rebuild", rebuilt)
    monkeypatch.setenv("AS_OF", "2024-06-30")
    assert main(["rebuild"]) == 0
    assert asked == ["corner_shop", kith_home, dt.date(2024, 6, 30)]
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [["customer.orders", "ab12"], ["database", "kith_build.duckdb"]]
