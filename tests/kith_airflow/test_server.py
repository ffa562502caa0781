"""The real server: started, used by runs, looked at in a browser, and stopped.

It serves two companies, of which one is broken at first, and a DAG of somebody else's
that follows the marts of the other.
"""

import csv
import gzip
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import psutil
import pytest
import yaml

from kith.incidents.history import open_incidents
from kith.runs.journal import Journal
from kith.runs.run import folder_name
from kith.settings import REPOSITORY, load_settings
from kith_airflow.home import USER, AirflowHome, Ownership, session_members
from kith_airflow.server import (
    RESTARTS,
    Api,
    ApiError,
    Parts,
    end_leftovers,
    owner_or_server,
    restarts,
)

DAG = "customer_marts__corner_shop"
Call = Callable[..., subprocess.CompletedProcess[str]]


TABLES = ("shop.orders", "shop.order_lines")
SCRIPT = "<script>document.title = 'owned'</script>"


def small_shop(corner_shop: Path, folder: Path) -> Path:
    """The corner shop without models, and tables that are only further tasks."""
    shutil.copytree(corner_shop, folder)
    sources = yaml.safe_load((folder / "sources.yml").read_text())
    (shop,) = (each for each in sources["sources"] if each["name"] == "shop")
    shop["tables"] = [t for t in shop["tables"] if f"shop.{t['name']}" in TABLES]
    (folder / "sources.yml").write_text(yaml.safe_dump({"sources": [shop]}))
    company = yaml.safe_load((folder / "company.yml").read_text())
    feeds = company["feeds"]
    company["feeds"] = {name: feeds[name] for name in ("orders", "order_lines")}
    company["models"] = False
    (folder / "company.yml").write_text(yaml.safe_dump(company))
    for model in (folder / "staging").glob("*.sql"):
        if model.stem.partition("__")[2] not in company["feeds"]:
            model.unlink()
    return folder


def spoil(orders: Path) -> None:
    """Give each order a moment that is a script of a page."""
    with gzip.open(orders, "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    with gzip.open(orders, "wt", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "bought_at": SCRIPT} for row in rows)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# A company whose files are found by what its own source systems announce.
SOURCE_SYSTEMS = """
import json, pathlib, sys
data = pathlib.Path(__file__).with_name("data")
print(json.dumps({"SHOP_FILES": str(data)}), flush=True)
sys.stdin.read()
"""
FOLLOWER = """
import json, pathlib
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import Asset, dag, task

@dag(schedule=None, is_paused_upon_creation=False)
def nothing():
    EmptyOperator(task_id="nothing")

nothing()

@dag(schedule=[Asset("customer_marts__corner_shop")], is_paused_upon_creation=False)
def follower():
    @task
    def follow(triggering_asset_events):
        (events,) = triggering_asset_events.values()
        pathlib.Path(FILE).write_text(json.dumps([event.extra for event in events]))
    follow()

follower()
"""


@dataclass
class Server:
    """A server that a test may use, and the command to speak with it."""

    home: Path
    company: Path
    broken: Path
    port: int
    call: Call
    announcement: str

    def command(
        self, name: str, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return self.call(
            name,
            # A run that waits for a person, on a machine with four tests at once.
            timeout=900,
            KITH_HOME=str(self.home),
            KITH_PORT=str(self.port),
            KITH_COMPANY=str(self.company),
            KITH_COMPANIES=f"{self.company},{self.broken}",
            **environment,
        )

    @property
    def followed(self) -> Path:
        return self.home / "followed.json"

    @property
    def note(self) -> dict[str, object]:
        note: dict[str, object] = json.loads(
            (self.home / "airflow" / "owner.json").read_text()
        )
        return note

    @property
    def password(self) -> str:
        place = self.announcement.split("password  in ")[1].splitlines()[0]
        passwords: dict[str, str] = json.loads(Path(place).read_text())
        return passwords[USER]

    @property
    def api(self) -> Api:
        return Api(f"http://127.0.0.1:{self.port}", self.password)


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def wait_until(is_so: Callable[[], object], what: str, seconds: int = 60) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.5)


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory,
    corner_shop_data: Path,
    kith_command: Call,
) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("server")
    company = small_shop(corner_shop_data, home / "companies" / "corner_shop")
    (company / "source_systems.py").write_text(SOURCE_SYSTEMS)
    replace(
        company / "sources.yml", "path: data/orders.", "path: ${SHOP_FILES}/orders."
    )
    # A promise that each run breaks: it ends after more than four seconds.
    with (company / "company.yml").open("a") as declared:
        declared.write("\nfresh_within_hours: 0.001\n")
    broken = small_shop(corner_shop_data, home / "companies" / "late_shop")
    replace(broken / "company.yml", "name: corner_shop", "name: late_shop")
    replace(broken / "company.yml", "Europe/Berlin", "Europe/Berlln")
    spoil(broken / "data" / "orders.csv.gz")
    started = Server(home, company, broken, free_port(), kith_command, "")
    dags = home / "airflow" / "dags"
    dags.mkdir(parents=True)
    (dags / "follower.py").write_text(
        FOLLOWER.replace("FILE", repr(str(started.followed)))
    )
    up = started.command("up")
    try:
        assert up.returncode == 0, up.stderr
        started.announcement = up.stdout
        yield started
    finally:
        started.command("down")


def test_announcement_names_page_user_and_place_of_the_password(server: Server) -> None:
    assert f"Airflow is up: http://127.0.0.1:{server.port}\n" in server.announcement
    assert f"user      {USER}\n" in server.announcement
    assert "companies corner_shop, late_shop\n" in server.announcement
    assert len(server.password) >= 16
    assert server.password not in server.announcement
    for log in (server.home / "airflow" / "logs").glob("*.log"):
        assert server.password not in log.read_text(), log


def test_login_is_required(server: Server) -> None:
    with pytest.raises(ApiError, match="401"):
        Api(server.api.url, "admin").state("any", "any")


def test_what_airflow_remembers_of_an_earlier_server_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    health = {"status": "healthy"}
    error = {"filename": "shop.py", "stack_trace": "not found"}
    answers: dict[str, object] = {
        "/monitor/health": dict.fromkeys(
            ("metadatabase", "scheduler", "dag_processor", "triggerer"), health
        )
    }
    monkeypatch.setattr(Api, "_call", lambda self, method, path: answers[path])
    api = Api("http://airflow", "", "2024-01-02T09:00:00+00:00")

    def remembers(read: str, stale: bool, failed: str) -> None:
        answers["/dags/shop"] = {"last_parsed_time": read, "is_stale": stale}
        errors = [error | {"timestamp": failed}]
        answers["/importErrors?limit=100"] = {"import_errors": errors}

    remembers("2024-01-02T08:59:59Z", stale=False, failed="2024-01-02T08:59:59Z")
    assert api.import_errors() == {}
    assert not api.is_ready(["shop"])
    remembers("2024-01-02T09:00:01Z", stale=True, failed="2024-01-02T08:59:59Z")
    assert not api.is_ready(["shop"])
    remembers("2024-01-02T09:00:01Z", stale=False, failed="2024-01-02T08:59:59Z")
    assert api.is_ready(["shop"])
    remembers("2024-01-02T08:59:59Z", stale=False, failed="2024-01-02T09:00:01Z")
    assert api.import_errors() == {"shop": "not found"}
    assert api.is_ready(["shop"])


def test_a_broken_company_shows_what_is_wrong_with_it_and_hides_nobody(
    server: Server,
) -> None:
    errors = server.api._call("GET", "/importErrors")["import_errors"]
    assert [error["filename"] for error in errors] == ["customer_marts__late_shop.py"]
    told = (
        f"{server.broken}/company.yml: time_zone: expected a name of the IANA list "
        "such as Europe/Paris (found 'Europe/Berlln')"
    )
    assert errors[0]["stack_trace"].strip().endswith(told)
    (said,) = [
        line for line in server.announcement.splitlines() if "cannot run" in line
    ]
    assert "customer_marts__late_shop cannot run: " in said
    assert said.endswith(told)
    dags = server.api._call("GET", "/dags")["dags"]
    assert {dag["dag_id"] for dag in dags} == {DAG, "follower", "nothing"}


def test_only_this_machine_is_served(server: Server) -> None:
    addresses = {
        connection.laddr.ip
        for process in session_members(int(str(server.note["pid"])))
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert addresses == {"127.0.0.1"}


def test_up_twice_says_that_it_is_up(server: Server) -> None:
    before = server.note
    again = server.command("up")
    assert again.returncode == 0
    # A line before it says so where the server takes its time to answer.
    assert f"Airflow is already up: {server.api.url}" in again.stdout.splitlines()
    assert "Starting" not in again.stdout
    assert server.note == before


def test_run_beside_the_server_is_driven_by_its_scheduler(server: Server) -> None:
    done = server.command("run")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    (announced,) = [line for line in lines if line.startswith("Airflow at")]
    run_id = announced.split()[-1]
    assert any(line.startswith("pull shop.orders ") for line in lines)
    assert "Published: Corner shop, 2024-01-01 to 2024-12-31" in lines
    published = server.home / "corner_shop" / "published"
    manifest = json.loads((published / "current" / "manifest.json").read_text())
    assert manifest["run_id"] == run_id

    api = server.api
    seen = api._call("GET", f"/dags/{DAG}/dagRuns/{run_id}")
    assert seen["state"] == "success"
    assert run_id.startswith("make__corner_shop__2024-01-01_to_2024-12-31__")
    assert seen["note"] == "Corner shop: 2024-01-01 to 2024-12-31"
    assert seen["logical_date"]
    tasks = api._call("GET", f"/dags/{DAG}/dagRuns/{run_id}/taskInstances")
    assert {
        (task["task_id"], task["map_index"], task["state"], task["executor"])
        for task in tasks["task_instances"]
    } == {
        *((stage, n, "success", None) for stage in ("pull", "admit") for n in range(2)),
        *(
            (stage, -1, "success", None)
            for stage in ("plan", "build", "audit", "approve", "publish")
        ),
    }
    assert {task["rendered_map_index"] for task in tasks["task_instances"]} >= {*TABLES}
    for company in ("corner_shop", "late_shop"):
        assert api._call("GET", f"/pools/warehouse__{company}")["slots"] == 1


def test_a_run_that_misses_its_deadline_has_somebody_look_at_the_company(
    server: Server,
) -> None:
    logs = server.home / "airflow" / "logs" / "executor_callbacks" / DAG

    def looked() -> bool:
        texts = [path.read_text() for path in logs.rglob("make__*/*")]
        return any("Corner shop: Readers " in text for text in texts)

    wait_until(looked, "nobody looked")


def test_a_publication_is_an_asset_that_other_dags_follow(server: Server) -> None:
    published = server.home / "corner_shop" / "published"
    manifest = json.loads((published / "current" / "manifest.json").read_text())
    expected = {
        "release_id": manifest["release_id"],
        "as_of_date": "2024-12-31",
        "rows": {name: mart["rows"] for name, mart in manifest["marts"].items()},
    }
    assert expected["rows"]["customer.customers"] > 0
    # While who follows is queued, Airflow cannot show the event: it lacks a start_date.
    wait_until(server.followed.is_file, "nobody followed", 300)
    query = f"/assets/events?source_dag_id={DAG}"
    (event,) = server.api._call("GET", query)["asset_events"]
    assert event["source_task_id"] == "publish"
    assert event["extra"] == expected
    assert json.loads(server.followed.read_text()) == [expected]


@pytest.fixture(scope="module")
def page(server: Server) -> Iterator[Any]:
    """A page of a browser that has logged in."""
    chromium = shutil.which("chromium")
    if not chromium:
        pytest.skip("no chromium on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ],
        )
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(180_000)
        page.goto(server.api.url)
        page.get_by_role("button", name="Sign in").wait_for()
        page.fill("input[name=username]", USER)
        page.fill("input[name=password]", server.password)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(lambda url: "/login" not in url)
        yield page
        browser.close()


def test_page_opens_after_login_and_the_dag_shows_its_notes(
    server: Server, page: Any, tmp_path: Path
) -> None:
    page.goto(f"{server.api.url}/dags/{DAG}")
    docs = page.get_by_role("button", name="Dag Docs")
    docs.wait_for()
    page.screenshot(path=tmp_path / "dag.png")
    docs.click()
    note = page.get_by_text("A dbt model or test", exact=False)
    note.wait_for()
    page.screenshot(path=tmp_path / "notes.png")
    assert page.get_by_role("table").filter(has=note).is_visible()
    page.goto(f"{server.api.url}/dags")
    page.get_by_role("button", name="Import Error").click()
    page.get_by_text("customer_marts__late_shop.py").first.click()
    page.get_by_text("Europe/Berlln").first.wait_for()
    page.screenshot(path=tmp_path / "import_error.png")


def test_a_company_mended_meanwhile_runs_and_a_wrong_delivery_is_tried_once(
    server: Server,
) -> None:
    replace(server.broken / "company.yml", "Europe/Berlln", "Europe/Berlin")
    done = server.command("run", COMPANY=str(server.broken))
    assert done.returncode == 1
    assert done.stderr.startswith("Failed: admit shop.orders: "), done.stderr
    assert "current is unchanged: nothing was published yet" in done.stderr
    assert done.stdout.count("admit shop.orders") == 1
    api = server.api
    assert api.import_errors() == {}
    # The home page knows of it.
    counts = api._send("GET", "/ui/dashboard/dag_stats")
    assert counts["failed_dag_count"] == 1
    # The task's log ends with the incident, whole, outside of the groups that Airflow's
    # page folds; so does what the command says.
    (incident,) = open_incidents(server.home / "late_shop")
    whole = incident.lines()
    assert done.stderr.splitlines()[-len(whole) :] == whole
    admits = f"run_id={incident.run_id}/task_id=admit/**/*.log"
    logs = [
        [json.loads(line)["event"] for line in log.read_text().splitlines()]
        for log in (server.home / "airflow" / "logs").rglob(admits)
    ]
    (log,) = (lines for lines in logs if whole[0] in lines)
    assert len(logs) == len(TABLES)
    assert log[-len(whole) - 2 :] == ["::endgroup::", *whole, "::endgroup::"]


def failed_task(server: Server) -> str:
    """Run, task and map index of the one that the run before has failed with."""
    query = "/dags/customer_marts__late_shop/dagRuns/~/taskInstances?state=failed"
    (task,) = server.api._call("GET", query)["task_instances"]
    assert task["task_id"] == "admit"
    return f"{task['dag_run_id']}/admit/{task['map_index']}"


def opened(url: str, cookie: str = "") -> tuple[int, str, Any]:
    """Status, text and headers of an answer."""
    request = urllib.request.Request(url, headers={"Cookie": cookie})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), error.headers


def test_nobody_sees_the_pages_of_kith_without_a_login(server: Server) -> None:
    paths = [
        "/companies",
        f"/task/customer_marts__late_shop/{failed_task(server)}",
        f"/task/{DAG}/x/plan",
        "/task/no_dag/x/y/-1",
    ]
    for path in paths:
        for cookie in ("", "_token=made-up"):
            status, text, _ = opened(f"{server.api.url}/kith{path}", cookie)
            assert status in (401, 403), path
            assert "late_shop" not in text
    api = server.api
    api.import_errors()
    for path in paths[:2]:
        status, text, headers = opened(f"{api.url}/kith{path}", f"_token={api._token}")
        assert status == 200, text
        assert "late_shop" in text
        assert headers["content-security-policy"].startswith("default-src 'none'")


def test_the_failed_task_has_a_tab_that_shows_its_rows_as_text(
    server: Server, page: Any, tmp_path: Path
) -> None:
    run, task, place = failed_task(server).split("/")
    dag = "customer_marts__late_shop"
    # Of a refused row only the shape is shown, of what the gate finds the keys.
    check = {
        **dict.fromkeys(("observed", "unexpected_count", "row_count", "cure")),
        **{"table_name": "customer.orders", "expectation": "Orders are known"},
        **{"severity": "critical", "outcome": "failed", "query": SCRIPT},
        "sample": json.dumps([{"order_id": SCRIPT}]),
    }
    folder = server.home / "late_shop" / "runs" / folder_name(run)
    (folder / "failed_checks.json").write_text(json.dumps([check]))
    page.goto(f"{server.api.url}/dags/{dag}/runs/{run}/tasks/{task}/mapped/{place}")
    page.get_by_role("link", name="Kith").click()
    inside = page.frame_locator("iframe[title=Kith]")
    inside.get_by_role("cell", name=SCRIPT).wait_for()
    assert inside.get_by_text("<xxxxxx>xxxxxxxx.xxxxx = 'xxxxx'").first.is_visible()
    page.screenshot(path=tmp_path / "tab.png")
    assert inside.get_by_text("shop.orders: 900 refused rows").is_visible()
    assert inside.get_by_text(f"make reproduce COMPANY={server.broken}").is_visible()
    assert inside.get_by_text("data/orders.csv.gz").first.is_visible()
    assert "owned" not in page.title()
    page.goto(f"{server.api.url}/plugin/kith-companies")
    inside = page.frame_locator("iframe[title=Companies]")
    inside.get_by_text("admit shop.orders: ").first.wait_for()
    page.screenshot(path=tmp_path / "companies.png")
    assert inside.locator("svg rect").count() >= 3
    assert "owned" not in page.title()


def approve_on_the_page(
    page: Any, server: Server, question: dict[str, Any], folder: Path
) -> None:
    """Approve as a person does: from the task to its question, read, click."""
    run_id = question["task_instance"]["dag_run_id"]
    page.goto(f"{server.api.url}/dags/{DAG}/runs/{run_id}/tasks/approve")
    page.get_by_role("link", name="Required Action").click()
    listed = [line for line in question["body"].splitlines() if line.startswith("- `")]
    numbers = page.locator("li code")
    numbers.first.wait_for()
    page.screenshot(path=folder / "question.png")
    assert [f"- `{each}`" for each in numbers.all_inner_texts()] == listed
    page.get_by_role("button", name="Approve", exact=True).click()
    page.get_by_text("Response received at").first.wait_for()
    page.screenshot(path=folder / "answered.png")


def test_changed_numbers_wait_for_a_person_and_are_published_when_approved(
    server: Server, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    published = server.home / "corner_shop" / "published"
    before = (published / "current").resolve().name
    # Each order of January is given away since: the lines of a closed month.
    lines = server.company / "data" / "order_lines.csv"
    told = lines.read_text()
    with lines.open(newline="") as file:
        rows = list(csv.DictReader(file))
    with lines.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        for row in rows:
            is_of_january = row["bought_at"].startswith("2024-01-1")
            writer.writerow({**row, **({"unit_price": "0"} if is_of_january else {})})
    with ThreadPoolExecutor(1) as beside:
        done = beside.submit(server.command, "run")
        api, query = server.api, f"/dags/{DAG}/dagRuns/~/hitlDetails"

        def asked() -> list[dict[str, Any]]:
            found = api._call("GET", f"{query}?response_received=false")
            details: list[dict[str, Any]] = found["hitl_details"]
            return details

        wait_until(asked, "nobody is asked", 600)
        (question,) = asked()
        assert question["options"] == ["Approve", "Reject"]
        assert "customer.orders, 2024-01: revenue_amount " in question["body"]
        assert "more changed numbers" in question["body"]
        assert (published / "current").resolve().name == before
        # Who has to decide is told, and a run that waits is not called dead.
        (incident,) = open_incidents(server.home / "corner_shop")
        assert (incident.task, incident.failure_class) == ("approve", "approval")
        run_id = question["task_instance"]["dag_run_id"]
        assert incident.run_id == run_id
        path = f"/dags/{DAG}/dagRuns/{run_id}/taskInstances/approve"
        assert api._call("GET", path)["state"] == "awaiting_input"
        journal = Journal(server.home / "corner_shop" / "runs" / folder_name(run_id))
        list(journal.new_entries())
        assert journal.waits_until()
        if shutil.which("chromium"):
            page = request.getfixturevalue("page")
            approve_on_the_page(page, server, question, tmp_path)
        else:
            # As the page does.
            answer = {"chosen_options": ["Approve"], "params_input": {}}
            api._call("PATCH", f"{path}/-1/hitlDetails", answer)
        finished = done.result()
    lines.write_text(told)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "waits for a person's approval on Airflow's page until" in finished.stdout
    release = (published / "current").resolve()
    assert release.name != before
    assert open_incidents(server.home / "corner_shop") == []
    with duckdb.connect(str(release / "kith.duckdb"), read_only=True) as opened:
        rows = opened.execute(
            "select distinct reason, approved_by from operations.restatements "
            f"where release_id = '{release.name}' and mart = 'customer.orders' "
            "and is_beyond_limit"
        ).fetchall()
    assert rows == [("correction", USER)]


def test_a_backfill_takes_each_day_of_a_range(server: Server) -> None:
    # Of the company whose other table is refused: its runs end soon.
    dag = "customer_marts__late_shop"
    created = server.command(
        "airflow",
        ARGS=f"backfill create --dag-id {dag} --max-active-runs 1 "
        "--from-date 2024-02-03T00:00+01:00 --to-date 2024-02-04T00:00+01:00",
    )
    assert created.returncode == 0, created.stdout + created.stderr
    query, api = f"/dags/{dag}/dagRuns?run_type=backfill", server.api

    def states() -> list[str]:
        return [run["state"] for run in api._call("GET", query)["dag_runs"]]

    wait_until(
        lambda: len(states()) == 2 and {*states()} <= {"success", "failed"},
        "the backfill did not end",
        300,
    )
    assert states() == ["failed", "failed"]
    raw = server.home / "late_shop" / "raw" / "shop" / "order_lines"
    assert {days.name for days in raw.iterdir() if days.is_dir()} == {
        "20240101-20241231",
        "20240203-20240203",
        "20240204-20240204",
    }


def parts(server: Server) -> dict[str, psutil.Process]:
    """The server's processes by their names in its log."""
    leader = psutil.Process(int(str(server.note["pid"])))
    names = ("api_server", "dag-processor", "scheduler", "triggerer", "postgres")
    return {
        name: process
        for process in leader.children()
        for name in names
        if name in " ".join(process.cmdline())
    }


def test_five_runs_asked_for_at_once_while_the_scheduler_is_dead_all_end(
    server: Server,
) -> None:
    api, before = server.api, parts(server)
    assert len(before) == 5
    before["scheduler"].kill()
    names = [f"at_once_{n}" for n in range(5)]
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda name: Api.trigger(server.api, "nothing", name, {}), names))
    wait_until(
        lambda: {api.state("nothing", name) for name in names} == {"success"},
        "not all runs have ended",
        120,
    )
    after = parts(server)
    assert after.pop("scheduler").pid != before.pop("scheduler").pid
    assert after == before
    told = server.command("up").stdout
    assert "restarted scheduler, 1 times" in told
    assert "scheduler was killed by SIGKILL; its log: " in told


def test_a_company_that_the_server_does_not_know_is_refused(
    server: Server, corner_shop_data: Path
) -> None:
    done = server.command("run", COMPANY=str(corner_shop_data))
    assert done.returncode == 1
    assert f"does not know {corner_shop_data}; it was started for" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_taken_port_is_named(kith_home: Path, kith_command: Call) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = str(listener.getsockname()[1])
        done = kith_command(
            "up",
            KITH_HOME=str(kith_home),
            KITH_PORT=port,
            KITH_COMPANIES="tests/companies/corner_shop",
        )
    assert done.returncode == 1
    assert f"port {port} on 127.0.0.1 is not free" in done.stderr
    assert "KITH_PORT" in done.stderr


def test_down_ends_all_that_up_started_and_nothing_else(server: Server) -> None:
    foreign = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(300)", "airflow scheduler"],
        start_new_session=True,
    )
    leader = int(str(server.note["pid"]))
    commands = [" ".join(process.cmdline()) for process in session_members(leader)]
    for part in ("api", "dag-processor", "scheduler", "triggerer", "postgres"):
        assert any(part in command for command in commands), commands
    done = server.command("down")
    assert (done.returncode, done.stdout) == (0, "Airflow is down\n")
    assert session_members(leader) == []
    assert foreign.poll() is None
    foreign.kill()
    foreign.wait()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", server.port)) != 0
    again = server.command("down")
    assert again.stdout == "No Airflow server of this KITH_HOME is running\n"
    # What was run is known without the server, too.
    listed = server.command("airflow", ARGS="dags list-runs nothing -o plain")
    assert listed.stdout.count("at_once_") == 5, listed.stderr
    assert not (server.home / "airflow" / "postgresql/data/postmaster.pid").exists()


SUPERVISE = """
import os, sys
from pathlib import Path
from kith_airflow import server as server
from kith_airflow.home import AirflowHome, Ownership
from kith.settings import load_settings

server.LAUNCH = [sys.executable, "-c", sys.argv[1]]
server.RESTART_SECONDS = 0.01
server.Api.answers = lambda api: True
server.Api.abandoned_runs = lambda api: [("customer_marts__x", "manual__killed")]
server.Api.fail = lambda api, dag, run_id: print("failed:", dag, run_id, flush=True)
home = AirflowHome(load_settings())
ownership = Ownership(home)
assert ownership.acquire()
ownership.write_note("server", os.getpid())
sys.exit(server.supervise(home, ownership))
"""
# The triggerer dies once, the scheduler each time.
PART = """
import os, sys, time
from pathlib import Path
died = Path(os.environ["KITH_HOME"]) / "died"
if sys.argv[1] == "triggerer" and not died.exists():
    died.touch()
elif sys.argv[1] != "scheduler":
    time.sleep(300)
"""


def supervisor_of(part: str, *companies: Path) -> "subprocess.Popen[str]":
    """A supervisor of processes that run this program."""
    return subprocess.Popen(
        [sys.executable, "-c", SUPERVISE, part],
        start_new_session=True,
        stdout=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": str(REPOSITORY / "plugins"),
            "KITH_COMPANIES": ",".join(map(str, companies)),
        },
    )


def test_a_process_that_dies_is_started_again_but_not_for_ever(
    kith_home: Path, tmp_path: Path
) -> None:
    # Companies that are broken, or whose source systems are, stop nobody.
    broken, silent = tmp_path / "broken", tmp_path / "silent"
    shop = REPOSITORY / "tests/companies/corner_shop"
    for folder in (broken, silent):
        shutil.copytree(shop, folder)
    replace(broken / "company.yml", "Europe/Berlin", "Europe/Berlln")
    (silent / "source_systems.py").write_text("raise SystemExit('no room left')")
    supervisor = supervisor_of(PART, broken, silent)
    output, _ = supervisor.communicate(timeout=60)
    assert supervisor.returncode == 1
    assert session_members(supervisor.pid) == []
    lines = output.splitlines()
    assert "stopped, because scheduler ended with 0; its log: " in lines[-1]
    assert lines[-1].endswith("it had been started 5 times in a row")
    home = AirflowHome(load_settings())
    died = [(each["part"], each["reason"].partition(";")[0]) for each in restarts(home)]
    scheduler = ("scheduler", "scheduler ended with 0")
    assert sorted(died) == [*[scheduler] * 4, ("triggerer", "triggerer ended with 0")]
    assert output.count("starting it again") == 5
    # A run whose process was killed must not be taken up again by the scheduler.
    assert "failed: customer_marts__x manual__killed" in lines
    said = [line for line in lines if " without " in line]
    assert f"without {broken}: " in said[0] and "Europe/Berlln" in said[0]
    assert f"without {silent}: " in said[1] and "no room left" in said[1]


def test_deaths_count_in_a_row_only(
    kith_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kith_airflow.server.RESTART_SECONDS", 0)
    monkeypatch.setattr("kith_airflow.server.STEADY_SECONDS", 0)
    home = AirflowHome(load_settings())
    ownership = Ownership(home)
    assert ownership.acquire()
    monkeypatch.setattr("kith_airflow.server.LAUNCH", ["true"])
    parts = Parts(home, ownership)
    parts.launch(["scheduler"])
    deadline = time.monotonic() + 30
    while len(restarts(home)) < 2 * RESTARTS:
        assert parts.tend() is None
        assert time.monotonic() < deadline
    ownership.release()


def test_what_a_killed_supervisor_has_left_is_ended(
    kith_home: Path, tmp_path: Path
) -> None:
    home = AirflowHome(load_settings())
    supervisor = supervisor_of("import time; time.sleep(300)", tmp_path / "nobody")
    wait_until(
        lambda: len(session_members(supervisor.pid)) == 5, "not all have started"
    )
    assert not end_leftovers(Ownership(home).owner()), "it lives"
    supervisor.kill()
    supervisor.wait()
    assert len(session_members(supervisor.pid)) == 4
    owner = owner_or_server(home)
    assert isinstance(owner, Ownership)
    assert session_members(supervisor.pid) == []
    owner.release()


ORPHAN = """
import subprocess, sys, time
from kith_airflow.server import _end_idle_orphans
wait = "import time; time.sleep(60)"
start = "import subprocess as s, sys; s.Popen([sys.executable, '-c', *sys.argv[1:]])"
titles = ("worker -- LocalExecutor: <idle>", "worker -- LocalExecutor: a task")
for title in titles:  # Their parent ends at once.
    subprocess.run([sys.executable, "-c", start, wait, title], check=True)
subprocess.Popen([sys.executable, "-c", wait, titles[0], "with a parent"])
time.sleep(0.5)
_end_idle_orphans()
"""


def test_only_idle_workers_of_a_scheduler_that_is_gone_are_ended() -> None:
    leader = subprocess.Popen(
        [sys.executable, "-c", ORPHAN],
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "plugins")},
    )
    leader.wait(60)
    left = session_members(leader.pid)
    titles = sorted(" ".join(process.cmdline()[3:]) for process in left)
    for process in left:
        process.kill()
    assert titles == [
        "worker -- LocalExecutor: <idle> with a parent",
        "worker -- LocalExecutor: a task",
    ]
