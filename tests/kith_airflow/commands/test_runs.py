"""Commands that lead a run, whatever becomes of it."""

import datetime as dt
import json
import os
import re
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import psutil
import pytest

from kith.company.folder import load_company
from kith.errors import ConfigurationError, KithError, TransientError
from kith.incidents.history import open_incidents
from kith.runs.journal import Journal
from kith.runs.run import Interval, Run
from kith.settings import REPOSITORY, Request, load_settings
from kith_airflow.cli import main
from kith_airflow.commands import runs
from kith_airflow.commands.runs import (
    _check_known,
    _run_on_server,
    _stop_on_server,
    _wait_until_read,
    chosen_days,
)
from kith_airflow.home import AirflowHome, Ownership
from kith_airflow.server import Api, ApiError
from tests.kith_airflow.commands.conftest import SHOP, Kith
from tests.one_table import company, deliver, run_door, sales


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
    ) -> tuple[Journal, runs.RunFault]:
        (folder / name).write_text(broken)
        fault = runs.RunFault("Airflow ended with 1: DagRun failed")
        return Journal(run.run_folder), fault

    monkeypatch.setattr(runs, "_run_in_process", end)
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
    monkeypatch.setattr("kith_airflow.commands.runs.time.sleep", lambda seconds: None)
    _wait_until_read(home, Api("http://airflow", ""), "shop")
    assert answers == []
    assert capsys.readouterr().out == "Waiting for Airflow to read shop again …\n"
    answers = [{"shop": "Error: x.yml"}]
    monkeypatch.setattr("kith_airflow.commands.runs.REREAD_SECONDS", -1)
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
    monkeypatch.setattr("kith_airflow.commands.runs.time.sleep", lambda seconds: None)
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
    monkeypatch.setattr("kith_airflow.commands.runs.PATIENCE_SECONDS", 0.2)
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
    assert fault == runs.RunFault("the Airflow server was stopped")


def test_of_a_run_that_could_not_be_stopped_it_is_said(kith_home: Path) -> None:
    with pytest.raises(KithError, match=r"interrupted, but r1 of x may go on.*make do"):
        _stop_on_server(Api("http://127.0.0.1:1", ""), "x", "r1")


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

    monkeypatch.setattr(runs, "_run", run)
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
