"""Superset on a release and on PostgreSQL: every chart, and reads through publications.

    PYTHONPATH=plugins:. .venv/bin/python -m tests.bench.superset [home [pictures]]

takes a copy of a home in which the demo was run (else it runs the demo), serves it by
a PostgreSQL of its own, starts `make superset` on both, and

1. asks every chart through Superset's API;
2. publishes the candidate again and again, to both, while readers ask charts in loops,
   and runs docs/notebook.py meanwhile, as docs/superset.md says;
3. looks at each dashboard in a browser, where there is one, and keeps the pictures.

It ends with 1 where a chart fails or is empty, where a reader sees no new release or an
older one again, or where a page shows an error or gets something from elsewhere.
"""

import datetime as dt
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kith.company.folder import load_company
from kith.dashboards.client import USER, Client
from kith.dashboards.declared import dashboards
from kith.errors import KithError
from kith.gate.audit import fingerprint, permit_path
from kith.publish.release import publish
from kith.pull.connections import environment_connection
from kith.runs.run import Interval, Run, current_release
from kith.serve.serve import serve
from kith.settings import REPOSITORY, child_environment
from kith_airflow.postgres import Postgres
from tests.serve.stand_in import LOADER, PASSWORD, as_owner, prepare, socket_folder

PORT = 8199
PUBLICATIONS = 3
READERS = 3
WIDTH = 1400
READER = "chief"
_DECLARED = f"""
postgres:
  connection: bench
  dashboards_connection: bench_reader
  readers:
    - {{login: {READER}, audience: all}}
"""
# Shown where a chart could not be drawn.
_FAULTS = ".ant-alert-error, [data-test='error-message']"


def company_served(folder: Path, server: Postgres) -> Path:
    """The demo with a PostgreSQL declared; its connections are in the environment."""
    shutil.copytree(REPOSITORY / "companies" / "demo", folder)
    file = folder / "company.yml"
    file.write_text(file.read_text(encoding="utf-8") + _DECLARED, encoding="utf-8")
    prepare(server)
    as_owner(server, "postgres", "create database bench")
    as_owner(server, "postgres", f"grant create on database bench to {LOADER}")
    for name, login in (("BENCH", LOADER), ("BENCH_READER", READER)):
        os.environ[f"AIRFLOW_CONN_{name}"] = json.dumps(
            {
                "conn_type": "postgres",
                "host": socket_folder(server),
                "login": login,
                "password": PASSWORD,
                "schema": "bench",
            }
        )
    return folder


def last_run(home: Path, folder: Path) -> Run:
    """The run whose candidate lies in the home."""
    company = load_company(folder)
    current = home / company.name / "published" / "current"
    said = json.loads((current / "manifest.json").read_text())
    days = [dt.date.fromisoformat(said[name]) for name in ("from_day", "to_day")]
    return Run(company, Interval(*days), said["run_id"], home)


def permit_copy(run: Run) -> None:
    """The gate has passed on this candidate, though a copy is another file."""
    path = permit_path(run)
    permit = json.loads(path.read_text())
    path.write_text(json.dumps({**permit, "candidate": fingerprint(run)}))


def make(target: str, company: Path) -> "subprocess.Popen[str]":
    """A command of make, without make."""
    return subprocess.Popen(
        [sys.executable, "-m", "kith_airflow", target],
        env=child_environment(COMPANY=str(company)),
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@contextmanager
def superset(company: Path, home: Path) -> Iterator[Client]:
    started = time.monotonic()
    process = make("superset", company)
    try:
        assert process.stdout
        for line in process.stdout:
            print(f"  | {line}", end="", flush=True)
            if line.startswith("Ctrl-C"):
                break
        else:
            sys.exit("make superset did not start")
        print(f"up after {time.monotonic() - started:.0f} s", flush=True)
        password = (home / "superset" / "password").read_text().strip()
        yield Client(f"http://127.0.0.1:{PORT}", password)
    finally:
        process.terminate()
        process.wait()


def charts(client: Client) -> list[dict[str, Any]]:
    return list(client.get("/chart/?q=(page:0,page_size:500)")["result"])


def database_of(chart: dict[str, Any]) -> str:
    return "PostgreSQL" if "demo_" in chart["datasource_name_text"] else "file"


def ask_all(client: Client) -> bool:
    """Ask each chart once; the same chart has the same rows in both places."""
    declared = [each for one in dashboards().values() for each in one.charts.values()]
    may_be_empty = {chart.title for chart in declared if chart.may_be_empty}
    counts: Counter[str] = Counter()
    rows: dict[str, dict[str, int]] = {}
    for chart in charts(client):
        name, place = chart["slice_name"], database_of(chart)
        counts[f"charts on {place}"] += 1
        try:
            found = client.data_of_chart(chart["id"])
        except KithError as error:
            counts["failed"] += 1
            print(f"  FAILED on {place}: {name}: {str(error)[:500]}")
            continue
        rows.setdefault(name, {})[place] = len(found)
        if not found and name not in may_be_empty:
            counts["empty"] += 1
            print(f"  EMPTY on {place}: {name}")
    unlike = {name: each for name, each in rows.items() if len({*each.values()}) > 1}
    expected = len(declared) + len(dashboards())
    print(f"every chart once: {dict(counts)}, unlike in both: {unlike or 'none'}")
    both = [counts[f"charts on {place}"] for place in ("file", "PostgreSQL")]
    return both == [expected] * 2 and not (
        counts["failed"] + counts["empty"] + len(unlike)
    )


class Reader(threading.Thread):
    """Asks charts one after another, until it is told to stop."""

    def __init__(self, client: Client, asked: list[dict[str, Any]]) -> None:
        super().__init__()
        self._client, self._asked = client, asked
        self.reads: Counter[str] = Counter()
        self.seen: dict[str, list[str]] = {"file": [], "PostgreSQL": []}
        self.faults: list[str] = []
        self.end = threading.Event()

    def run(self) -> None:
        number = 0
        while not self.end.is_set():
            chart = self._asked[number % len(self._asked)]
            number += 1
            place = database_of(chart)
            try:
                rows = self._client.data_of_chart(chart["id"])
            except KithError as error:
                self.faults.append(f"{place}: {chart['slice_name']}: {error}")
                continue
            self.reads[place] += 1
            for row in rows:
                if "checks_passed" in row:
                    release = str(row["release_id"])
                    if [release] != self.seen[place][-1:]:
                        self.seen[place].append(release)


def through_publications(client: Client, run: Run, notebook: "Notebook") -> bool:
    password = client._password
    asked = charts(client)
    stamps = {
        database_of(chart): chart
        for chart in asked
        if chart["slice_name"].startswith("Release that")
    }
    # The stamps again and again between the others, which each reader begins elsewhere.
    mixed = [each for chart in asked for each in (chart, *stamps.values())]
    parts = [number * len(mixed) // READERS for number in range(READERS)]
    readers = [
        Reader(Client(client.url, password), mixed[part:] + mixed[:part])
        for part in parts
    ]
    for reader in readers:
        reader.start()
    made = [current_release(run.published)]
    try:
        for _ in range(PUBLICATIONS):
            publish(run)
            serve(run, environment_connection)
            made.append(current_release(run.published))
            notebook.run()
            time.sleep(5)
    finally:
        for reader in readers:
            reader.end.set()
        for reader in readers:
            reader.join()
    reads = sum((reader.reads for reader in readers), Counter())
    faults = [fault for reader in readers for fault in reader.faults]
    print(f"{PUBLICATIONS} publications: {dict(reads)} reads, {len(faults)} failed")
    for fault in faults[:5]:
        print(f"  {fault[:500]}")
    is_right = not faults
    for place in ("file", "PostgreSQL"):
        for reader in readers:
            seen = reader.seen[place]
            places = [made.index(each) if each in made else -1 for each in seen]
            is_right = is_right and -1 not in places and places == sorted(places)
        seen = readers[0].seen[place]
        print(f"  the stamp on {place} was of {len(seen)} of {len(made)} releases")
        is_right = is_right and seen[-1:] == made[-1:] and len(seen) > 1
    return is_right


class Notebook:
    """docs/notebook.py, run as its page says."""

    def __init__(self, published: Path) -> None:
        self._published = published
        self.runs = 0
        self.stamps: set[str] = set()
        self.faults: list[str] = []

    def run(self) -> None:
        done = subprocess.run(
            [
                *(str(Path(sys.executable).with_name("uv")), "run", "--quiet"),
                *("--no-project", "--isolated"),
                *("--with-requirements", "docs/notebook.txt", "docs/notebook.py"),
                *("--published", str(self._published)),
            ],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
        self.runs += 1
        said = [line for line in done.stdout.splitlines() if line.startswith("release")]
        self.stamps |= set(said)
        if done.returncode != 0 or len(said) != 2:
            self.faults.append(done.stderr[-500:] or done.stdout[-500:])

    def is_right(self) -> bool:
        print(
            f"the notebook ran {self.runs} times: {len(self.stamps)} releases, "
            f"{len(self.faults)} failed {self.faults[:1] or ''}"
        )
        return not self.faults and len(self.stamps) > 1


def look(client: Client, pictures: Path) -> bool:
    """Open each dashboard in a browser; its pictures are for people to look at."""
    executable = shutil.which("chromium")
    if not executable:
        print("no chromium: nobody looked at the pages")
        return True
    from playwright.sync_api import sync_playwright

    pictures.mkdir(parents=True, exist_ok=True)
    faults, tried = [], set()
    with sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": WIDTH, "height": 2700})
        page.set_default_timeout(180_000)
        page.on(
            "response",
            lambda answer: (
                faults.append(f"got {answer.url}")
                if answer.url.startswith("http")
                and not answer.url.startswith(client.url)
                else None
            ),
        )
        page.on("requestfailed", lambda request: tried.add(request.url.split("/")[2]))
        page.goto(f"{client.url}/login/")
        page.locator("input:visible").nth(0).fill(USER)
        page.locator("input[type=password]").fill(client._password)
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url: "/login" not in url)
        for found in client.get("/dashboard/?q=(page_size:100)")["result"]:
            declared = dashboards()[found["slug"].split("-")[1]]
            page.goto(f"{client.url}/superset/dashboard/{found['slug']}/")
            wanted = len(declared.charts) + 1
            is_drawn = (
                f"document.querySelectorAll('.slice_container').length == {wanted} && "
                "!document.querySelector('[data-test=\"loading-indicator\"]')"
            )
            # Not wait_for_function: the page forbids what it would evaluate there.
            deadline = time.monotonic() + 180
            while not page.evaluate(is_drawn) and time.monotonic() < deadline:
                time.sleep(0.5)
            time.sleep(3)  # They are drawn in motion.
            height = page.evaluate(
                "Math.max(...[...document.querySelectorAll("
                "'.dashboard-component-chart-holder')]"
                ".map(each => each.getBoundingClientRect().bottom))"
            )
            page.screenshot(
                path=pictures / f"{found['slug']}.png",
                clip={"x": 0, "y": 0, "width": WIDTH, "height": min(2700, height + 20)},
            )
            errors = page.locator(_FAULTS).count()
            empty = page.get_by_text("No results were returned").count()
            allowed = sum(chart.may_be_empty for chart in declared.charts.values())
            if errors or empty > allowed:
                faults.append(f"{found['slug']}: {errors} errors, {empty} empty")
        browser.close()
    refused = tried - {client.url.removeprefix("http://")}
    print(f"pictures: {pictures}; faults: {faults or 'none'}; refused: {refused}")
    return not faults


def bench(home: Path | None, pictures: Path | None) -> int:
    """Measure and print; returns the exit code."""
    with tempfile.TemporaryDirectory(prefix="kith_bench_") as name:
        folder = Path(name)
        copied = folder / "home"
        os.environ["KITH_HOME"] = str(copied)
        os.environ["KITH_SUPERSET_PORT"] = str(PORT)
        if home:
            shutil.copytree(home, copied, symlinks=True)
        else:
            process = make("run", REPOSITORY / "companies" / "demo")
            process.communicate()
            if process.returncode:
                sys.exit("the demo could not be run")
        server = Postgres(folder / "postgresql", folder / "log")
        with server.running():
            company = company_served(folder / "demo", server)
            run = last_run(copied, company)
            permit_copy(run)
            serve(run, environment_connection)
            with superset(company, copied) as client:
                results = [ask_all(client)]
                notebook = Notebook(run.published)
                results.append(through_publications(client, run, notebook))
                results.append(notebook.is_right())
                results.append(
                    look(
                        client,
                        pictures or Path(tempfile.gettempdir()) / "kith_pictures",
                    )
                )
    print("all well" if all(results) else f"WRONG: {results}")
    return 0 if all(results) else 1


if __name__ == "__main__":
    given = [Path(each).resolve() for each in sys.argv[1:3]] + [None, None]
    sys.exit(bench(given[0], given[1]))
