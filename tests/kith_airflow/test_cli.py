"""The commands. Airflow is the real one, in a process of its own; where a test wants a
stage to fail in its own way, the stages are stand-ins."""

import datetime as dt
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import psutil
import pytest

from kith.company.folder import load_company
from kith.errors import ConfigurationError
from kith.settings import REPOSITORY, Request
from kith_airflow.cli import chosen_days, main

SHOP = REPOSITORY / "tests/companies/corner_shop"

STAND_INS = {
    "stand_ins.py": """
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
            (run.home / "hanging").touch()
            time.sleep(120)
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

def rollback(folder, release):
    return f"{folder.name}/{release}"
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
            ("report/page", "write_report", "report"),
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
        dag = (REPOSITORY / "dags" / "customer_marts.py").read_text()
        assert "timedelta(seconds=30)" in dag
        (self.repository / "dags").mkdir()
        (self.repository / "dags" / "customer_marts.py").write_text(
            dag.replace("timedelta(seconds=30)", "timedelta(seconds=1)")
        )
        (self.home / "orders").mkdir(parents=True)

    @property
    def current(self) -> str | None:
        link = self.home / "corner_shop" / "published" / "current"
        return link.readlink().name if link.is_symlink() else None

    def order(self, stage: str, what: str) -> None:
        (self.home / "orders" / stage).write_text(what)

    def cancel(self, stage: str) -> None:
        (self.home / "orders" / stage).unlink()

    def start(self, command: str, **environment: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "kith_airflow", command],
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


def wait_until(is_so: Callable[[], bool], what: str, seconds: int = 60) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def wait_for(path: Path) -> None:
    wait_until(path.exists, f"{path} did not appear")


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
    assert errors.splitlines() == [
        "Failed: audit: was ordered to fail",
        f"current is unchanged: {before or 'nothing was published yet'}",
    ]
    assert kith.current == before


def test_a_killed_run_names_its_stage_and_the_next_one_waits_and_succeeds(
    kith: Kith,
) -> None:
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
    assert errors.startswith("Failed: build: Airflow was killed by SIGKILL; log: ")
    assert Path(errors.splitlines()[0].split("log: ")[1]).is_file()

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
        "customer.customers 1,234",
    ):
        assert line in told
    (seconds,) = [line for line in told if line.startswith("seconds ")]
    assert " ".join(seconds.split()[1::2]) == (
        "plan pull admit build audit publish report Airflow total"
    )
    assert told.index("build 0.0 s 3 rows") < told.index("audit 0.0 s 3 rows")


def pulled(kith: Kith) -> set[str]:
    journals = (kith.home / "corner_shop" / "runs").glob("*/journal.jsonl")
    newest = max(journals, key=lambda journal: journal.stat().st_mtime)
    entries = map(json.loads, newest.read_text().splitlines())
    return {e["item"] for e in entries if (e["stage"], e["event"]) == ("pull", "end")}


def test_an_interrupted_run_leaves_no_process_behind(kith: Kith) -> None:
    kith.order("pull web.clicks", "hang")
    process = kith.start("run")
    wait_for(kith.home / "hanging")
    others = {table.full_name for table in load_company(SHOP).sources} - {"web.clicks"}
    wait_until(lambda: pulled(kith) == others, "the other tables were not pulled")
    child = owner(kith)
    tasks = child.children()
    assert len(tasks) == 2
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)  # the second one must not stop the cleaning up
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Interrupted; current is unchanged" in errors
    assert not any(process.is_running() for process in (child, *tasks))


def test_a_killed_task_ends_the_run_and_names_memory(kith: Kith) -> None:
    before = kith.current
    kith.order("build", "hang")
    process = kith.start("run")
    wait_for(kith.home / "hanging")
    for task in owner(kith).children():
        task.kill()
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert errors.startswith(
        "Failed: build: Airflow ended with 1: kith.errors.KithError: the process of "
        "task build was killed, perhaps for lack of memory (KITH_MEMORY_LIMIT); log: "
    )
    assert kith.current == before


def test_rollback_hands_on_company_and_release(kith: Kith) -> None:
    code, output, _ = kith.call("rollback", RELEASE="some_release")
    assert (code, output) == (0, "current is now corner_shop/some_release")


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


def test_an_unknown_command_lists_the_known_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["dance"]) == 2
    assert "run|up|down|rollback" in capsys.readouterr().err
