"""Failures played on a scratch company, and what becomes of each.

    make drill                 # all of them, most of an hour on two cores
    make drill ARGS="disk"     # those whose names hold the word

A small shop, of which one table comes from a web service, is published once. Then each
drill breaks one thing, runs the shop as `make run` does, and mends it as the runbook of
the class says; meanwhile somebody reads `current` all the time. A line for each says
which class was found, how many alerts were sent of the failure and of the recovery, how
often readers met anything but a whole release, and the seconds of all. It ends non-zero
unless each is as expected. Everything lies in a new folder, which is removed when all
went well.

In the last one runs are killed at random moments, one after another: readers must never
notice, and the run after them must publish.
"""

import argparse
import contextlib
import gzip
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import duckdb
import psutil
import yaml

from kith.errors import FailureClass
from kith.incidents.history import open_incidents
from kith.settings import REPOSITORY
from tests.companies.generate import generate
from tests.conftest import CORNER_SHOP_FORMATS
from tests.kith_airflow.test_server import free_port, small_shop
from tests.pull.connectors import web_service

DAYS = {"FROM": "2024-01-01", "TO": "2024-12-31"}
STAGES = ("pull", "admit", "build", "audit", "publish")
_TOKEN = "drill-token"  # noqa: S105
_DISK_BYTES, _LEFT_BYTES = 4 << 30, 16 << 10
_RANDOM_KILLS = 30


class Readers:
    """Reads `current` from another thread, and notes what was not a whole release."""

    def __init__(self, published: Path) -> None:
        self.reads, self.faults = 0, list[str]()
        self._published, self._ended = published, threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while not self._ended.wait(0.05):
            try:
                release = (self._published / "current").resolve(strict=True)
                marts = json.loads((release / "manifest.json").read_text())["marts"]
                with duckdb.connect(str(release / "kith.duckdb"), read_only=True) as it:
                    (found,) = it.sql("select release_id from _release").fetchall()
                    rows = it.sql("select count(*) from customer.orders").fetchall()
                if (found, rows) != (
                    (release.name,),
                    [(marts["customer.orders"]["rows"],)],
                ):
                    self.faults.append(f"{release.name}: {found}, {rows}")
            except Exception as error:
                self.faults.append(repr(error))
            self.reads += 1

    def end(self) -> None:
        """Read no more."""
        self._ended.set()
        self._thread.join()


@contextmanager
def taking_alerts() -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """A webhook: its port, and what was posted to it."""
    taken: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            taken.append(json.loads(self.rfile.read(length)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port, taken
        server.shutdown()


@dataclass
class Scratch:
    """The shop, its $KITH_HOME, what tells it where everything is, what was told."""

    folder: Path
    company: Path
    home: Path
    service: web_service.Service
    environment: dict[str, str]
    alerts: list[dict[str, Any]]
    outputs: list[str] = field(default_factory=list)

    @property
    def state(self) -> Path:
        """The shop's folder in $KITH_HOME."""
        return self.home / "corner_shop"

    def start(self, command: str, **environment: str) -> "subprocess.Popen[str]":
        """Begin a command of the Makefile, in a session of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "kith_airflow", command],
            cwd=REPOSITORY,
            env={**os.environ, **self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def call(self, command: str, **environment: str) -> int:
        """Run a command of the Makefile to its end; returns its exit code."""
        process = self.start(command, **environment)
        output, _ = process.communicate()
        self.outputs.append(output)
        return process.returncode

    def journal(self, started: float) -> str:
        """What runs have written to their journals since."""
        runs = (self.state / "runs").glob("*/journal.jsonl")
        new = [path for path in runs if path.stat().st_mtime >= started]
        return (
            max(new, key=lambda path: path.stat().st_mtime).read_text() if new else ""
        )

    def wait_for(
        self, stage: str, process: "subprocess.Popen[str]", since: float
    ) -> None:
        """Wait until a stage of the run that was begun has started.

        Of a stage of each table that of the web service, which takes longest.
        """
        item = "door.visits" if stage in ("pull", "admit") else ""
        begins = f'"stage": "{stage}", "item": "{item}", "event": "start"'
        while begins not in self.journal(since):
            if process.poll() is not None:
                raise RuntimeError(f"the run ended before {stage}")
            time.sleep(0.02)


@dataclass(frozen=True)
class Drill:
    """One failure. `broken` holds while the run goes wrong; leaving it mends it.

    `play` runs the shop and returns the command's exit code. No class is expected where
    the run must succeed all the same.
    """

    name: str
    expected: FailureClass | None
    broken: Callable[[Scratch], contextlib.AbstractContextManager[None]]
    play: Callable[[Scratch], int] = lambda scratch: scratch.call("run", **DAYS)


# --- what is broken -------------------------------------------------------------------


@contextmanager
def nothing(_: Scratch) -> Iterator[None]:
    """All is well."""
    yield


@contextmanager
def source_down(scratch: Scratch) -> Iterator[None]:
    """Nobody listens at the web service's port."""
    before = scratch.environment["AIRFLOW_CONN_API"]
    scratch.environment["AIRFLOW_CONN_API"] = connection_of(free_port(), _TOKEN)
    yield
    scratch.environment["AIRFLOW_CONN_API"] = before


@contextmanager
def wrong_password(scratch: Scratch) -> Iterator[None]:
    """The web service refuses the token."""
    scratch.service.authorization = "Bearer another"
    yield
    scratch.service.authorization = f"Bearer {_TOKEN}"


def edited(path: str, edit: Callable[[str], str]) -> Callable[..., Any]:
    """A text file of the company, edited; "" where there is none yet."""

    @contextmanager
    def broken(scratch: Scratch) -> Iterator[None]:
        file = scratch.company / path
        before = file.read_bytes() if file.exists() else None
        text = before or b""
        packed = path.endswith(".gz")
        text = gzip.decompress(text) if packed and text else text
        changed = edit(text.decode()).encode()
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(gzip.compress(changed) if packed else changed)
        yield
        if before is None:
            file.unlink()
        else:
            file.write_bytes(before)

    return broken


def expecting(query: str) -> str:
    """A suite of one critical check of the orders."""
    return (
        "import great_expectations.expectations as gxe\n\n"
        "EXPECTATIONS = [gxe.UnexpectedRowsExpectation(\n"
        "    description='A check of the drill', severity='critical',\n"
        f"    unexpected_rows_query='{query}')]\n"
    )


def full_disk(stage: str) -> Callable[[Scratch], int]:
    """A run whose disk is full from the start of a stage on."""

    def play(scratch: Scratch) -> int:
        since = time.time()
        process = scratch.start("run", **DAYS)
        scratch.wait_for(stage, process, since)
        used = shutil.disk_usage(scratch.home).used
        _resize(scratch.home, used + _LEFT_BYTES)
        output, _ = process.communicate()
        _resize(scratch.home, _DISK_BYTES)
        scratch.outputs.append(output)
        return process.returncode

    return play


def _resize(home: Path, size: int) -> None:
    command = ["mount", "-o", f"remount,size={size}", str(home)]
    subprocess.run(command, check=True)


def killed(stage: str) -> Callable[[Scratch], int]:
    """A run of which every process is killed within a stage, then the watchdog."""

    def play(scratch: Scratch) -> int:
        since = time.time()
        process = scratch.start("run", **DAYS)
        scratch.wait_for(stage, process, since)
        kill_all(process)
        return scratch.call("watchdog")

    return play


def kill_all(process: "subprocess.Popen[str]") -> None:
    """Kill a command and all processes that it has begun."""
    with contextlib.suppress(psutil.NoSuchProcess):
        leader = psutil.Process(process.pid)
        for each in [leader, *leader.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
    process.communicate()


def killed_at_random(scratch: Scratch) -> int:
    """Runs of which every process is killed at any moment, then one that may end."""
    begun = time.monotonic()
    if code := scratch.call("run", **DAYS):
        return code
    whole_run = time.monotonic() - begun
    for _ in range(_RANDOM_KILLS):
        process = scratch.start("run", **DAYS)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(random.uniform(0, whole_run))
        kill_all(process)
    return scratch.call("run", **DAYS)


def two_at_once(scratch: Scratch) -> int:
    """Two runs asked for at the same moment."""
    both = [scratch.start("run", **DAYS) for _ in range(2)]
    scratch.outputs += [process.communicate()[0] for process in both]
    return max(process.returncode for process in both)


def beside_a_server(part: str) -> Callable[[Scratch], int]:
    """A run beside a server of which one part is killed meanwhile."""

    def play(scratch: Scratch) -> int:
        if code := scratch.call("up"):
            return code
        try:
            since = time.time()
            process = scratch.start("run", **DAYS)
            scratch.wait_for("build", process, since)
            for each in psutil.process_iter(["cmdline", "environ"]):
                command = " ".join(each.info["cmdline"] or [])
                is_ours = str(scratch.home) in command + str(each.info["environ"])
                if is_ours and f" {part}" in command:
                    each.kill()
            output, _ = process.communicate()
            scratch.outputs.append(output)
            return process.returncode
        finally:
            scratch.call("down")

    return play


DRILLS = [
    Drill("source down", "source_unavailable", source_down),
    Drill("wrong password", "credentials", wrong_password),
    Drill(
        "drift: a column is gone",
        "contract",
        edited("data/order_lines.csv", lambda t: t.replace("quantity", "units", 1)),
    ),
    Drill(
        "poisoned batch",
        "contract",
        edited("data/order_lines.csv", lambda t: t.replace("2024-", "year-")),
    ),
    Drill(
        "gate stop",
        "data_gate",
        edited(
            "expectations/marts/orders.py",
            lambda _: expecting("select * from {batch} where order_id is not null"),
        ),
    ),
    Drill(
        "broken check",
        "broken_check",
        edited(
            "expectations/marts/orders.py",
            lambda _: expecting("select no_such_column from {batch}"),
        ),
    ),
    Drill(
        "wrong SQL of the company",
        "configuration",
        edited(
            "staging/stg_shop__orders.sql",
            lambda t: t.replace("receipt_number", "no_such_column", 1),
        ),
    ),
    *(Drill(f"disk full in {s}", "resource", nothing, full_disk(s)) for s in STAGES),
    *(Drill(f"killed in {s}", "overdue", nothing, killed(s)) for s in STAGES),
    Drill("two runs at once", None, nothing, two_at_once),
    Drill("scheduler killed", None, nothing, beside_a_server("scheduler")),
    Drill("metadata away", None, nothing, beside_a_server("-D")),
    Drill(f"killed {_RANDOM_KILLS} times at random", None, nothing, killed_at_random),
]


# --- the scratch company --------------------------------------------------------------


def connection_of(port: int, password: str = "") -> str:
    """Airflow's JSON of a connection to a web server of this machine."""
    return json.dumps(
        {
            "conn_type": "http",
            "host": "http://127.0.0.1" if not password else "127.0.0.1",
            "port": port,
            **({"password": password, "schema": "api"} if password else {}),
        }
    )


def make_company(folder: Path) -> Path:
    """A corner shop with a table behind a web service, which tells its incidents."""
    shop = generate(folder / "generated", 3000, CORNER_SHOP_FORMATS)
    company = small_shop(shop, folder / "corner_shop")
    sources = yaml.safe_load((company / "sources.yml").read_text())
    meta = {
        "connector": "rest",
        "connection": "api",
        "endpoint": {
            "path": "rows",
            "rows": "$.data.items",
            "paging": {"kind": "none"},
        },
        "key": ["visit_id"],
        "cursor": "seen_at",
    }
    columns = [
        {"name": "visit_id", "data_type": "varchar"},
        {"name": "seen_at", "data_type": "timestamp"},
    ]
    table = {"name": "visits", "config": {"meta": meta}, "columns": columns}
    sources["sources"].append({"name": "door", "tables": [table]})
    (company / "sources.yml").write_text(yaml.safe_dump(sources))
    declared = yaml.safe_load((company / "company.yml").read_text())
    declared |= {
        "last_day": "2024-12-31",
        "alerts": [{"connection": "drill"}],
    }
    (company / "company.yml").write_text(yaml.safe_dump(declared))
    return company


@contextmanager
def small_disk(home: Path) -> Iterator[bool]:
    """The folder on a disk of its own; whether this machine lets us have one."""
    home.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "tmpfs", str(home)]
    is_mounted = (
        subprocess.run(command, capture_output=True, check=False).returncode == 0
    )
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", "-l", str(home)], check=True)


def played(drill: Drill, scratch: Scratch) -> tuple[bool, str]:
    """Whether a drill went as it must, and its line."""
    begun, told = time.monotonic(), len(scratch.alerts)
    readers = Readers(scratch.state / "published")
    with drill.broken(scratch):
        code = drill.play(scratch)
        found = [each.failure_class for each in open_incidents(scratch.state)]
    failures = scratch.alerts[told:]
    again = scratch.call("run", **DAYS) if drill.expected else 0
    readers.end()
    recoveries = scratch.alerts[told + len(failures) :]
    left = open_incidents(scratch.state)
    wanted = [drill.expected] if drill.expected else []
    states = [each["status"] for each in (*failures, *recoveries)]
    is_right = (
        found == wanted
        and (code != 0) == bool(wanted)
        and states == ["open", "recovered"] * len(wanted)
        and (again, left, readers.faults) == (0, [], [])
    )
    line = (
        f"{drill.name:<26} {', '.join(found) or '-':<20} "
        f"{len(failures):>6} {len(recoveries):>8} {readers.reads:>7} "
        f"{len(readers.faults):>5} {'yes' if again == 0 and not left else 'NO':>7} "
        f"{time.monotonic() - begun:>7.0f}  {'' if is_right else 'WRONG'}"
    )
    if not is_right:
        print("\n".join([*readers.faults[:3], *scratch.outputs[-3:]]), file=sys.stderr)
    return is_right, line.rstrip()


def main() -> int:
    """Play the drills that were asked for."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("word", nargs="?", default="", help="in the names of drills")
    word = asked.parse_args().word
    chosen = [drill for drill in DRILLS if word in drill.name]
    folder = Path(tempfile.mkdtemp(prefix="kith_drill_"))
    rows = [
        {"visit_id": f"V{n}", "seen_at": f"2024-{1 + n % 12:02}-05T10:00:00Z"}
        for n in range(120)
    ]
    with (
        taking_alerts() as (port, alerts),
        web_service.serving(
            rows, paging="none", authorization=f"Bearer {_TOKEN}"
        ) as service,
        small_disk(folder / "home") as is_small,
    ):
        company = make_company(folder)
        scratch = Scratch(
            *(folder, company, folder / "home", service),
            {
                "PYTHONPATH": str(REPOSITORY / "plugins"),
                "COMPANY": str(company),
                "KITH_COMPANIES": str(company),
                "KITH_HOME": str(folder / "home"),
                "KITH_PORT": str(free_port()),
                "AIRFLOW_CONN_API": connection_of(
                    int(service.address.rpartition(":")[2]), _TOKEN
                ),
                "AIRFLOW_CONN_DRILL": connection_of(port),
            },
            alerts,
        )
        if scratch.call("run", **DAYS) != 0:
            print(scratch.outputs[-1], file=sys.stderr)
            return 1
        print(
            f"{'drill':<26} {'class':<20} alerts recovery   reads  torn  mended seconds"
        )
        results = []
        for drill in chosen:
            if drill.name.startswith("disk full") and not is_small:
                print(f"{drill.name:<26} not played: this user may not mount a disk")
                results.append(False)
                continue
            is_right, line = played(drill, scratch)
            print(line, flush=True)
            results.append(is_right)
    if all(results):
        shutil.rmtree(folder)
        return 0
    print(f"Kept: {folder}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
