"""A company on a Spark cluster: the marts and verdicts of DuckDB, and what kills do.

    PYTHONPATH=plugins:. .venv/bin/python -m tests.bench.spark home company

takes a copy of a home in which the company (a folder) was run, and from the rows that
were admitted there builds, judges (where it was built) and publishes

1. on DuckDB, and once more before the second comparison;
2. on a standalone cluster, a master and two workers of this machine, one of which is
   killed in the middle of the build;
3. on what is left of that cluster: the driver, with all of its run, is killed in the
   middle, and the next run may end.

A reader asks the release all the while, as anybody would; so the home has to stay where
it is: a copy's first release names the original's large files. It ends with 1 where a
mart or a verdict is another than DuckDB's, a run fails that should not, or a reader saw
no whole release. It needs `make spark` and Java.
"""

import contextlib
import datetime as dt
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import psutil

from kith import stages
from kith.build.engines import interpreter, spark_folder
from kith.company.folder import load_company
from kith.runs.run import Interval, Run
from kith.runs.source_systems import keys_of
from tests.build.test_spark import differences
from tests.kith_airflow.test_server import free_port

# For rows as few as these it takes longer to compile queries than to compute them.
_DEFAULTS = """
spark.driver.host 127.0.0.1
spark.driver.bindAddress 127.0.0.1
spark.executor.memory 2g
spark.sql.shuffle.partitions 4
spark.sql.codegen.wholeStage false
spark.sql.codegen.factoryMode NO_CODEGEN
spark.sql.adaptive.enabled false
"""
# So many tables stand when somebody is killed.
_MIDDLE = 60


class Cluster:
    """A standalone master and its workers, each a process group of its own."""

    def __init__(self, python: Path, folder: Path) -> None:
        package = subprocess.run(
            [python, "-c", "import pyspark; print(pyspark.__path__[0])"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        self._program = Path(package) / "bin" / "spark-class"
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.address = f"spark://127.0.0.1:{free_port()}"

    def start(self) -> None:
        """Start the master, then both workers."""
        port = self.address.rpartition(":")[2]
        self._start(
            "master",
            *("org.apache.spark.deploy.master.Master", "--host", "127.0.0.1"),
            *("--port", port, "--webui-port", str(free_port())),
        )
        for name in ("worker_1", "worker_2"):
            self._start(
                name,
                *("org.apache.spark.deploy.worker.Worker", self.address),
                *("--host", "127.0.0.1", "--cores", "1", "--memory", "2g"),
                *("--webui-port", str(free_port())),
                *("--work-dir", str(self._folder / name)),
            )

    def _start(self, name: str, *arguments: str) -> None:
        with (self._folder / f"{name}.log").open("wb") as log:
            self._processes[name] = subprocess.Popen(
                [self._program, *arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self, name: str) -> None:
        """Kill a process with all that it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._processes.pop(name).pid, signal.SIGKILL)

    def stop(self) -> None:
        """Kill what is left of it."""
        for name in list(self._processes):
            self.kill(name)


class Reader(threading.Thread):
    """Reads the current release in a loop: is it whole, as its manifest says?"""

    def __init__(self, published: Path) -> None:
        super().__init__(daemon=True)
        self._published = published
        self._ends = threading.Event()
        self.releases: dict[str, int] = {}
        self.failed: list[str] = []

    def run(self) -> None:
        """Read until `end`."""
        while not self._ends.wait(0.5):
            release = (self._published / "current").resolve()
            try:
                self._read(release)
            except (duckdb.Error, OSError, AssertionError) as error:
                self.failed.append(f"{release.name}: {error}")
            self.releases[release.name] = self.releases.get(release.name, 0) + 1

    def _read(self, release: Path) -> None:
        manifest = json.loads((release / "manifest.json").read_text())
        with duckdb.connect(str(release / "kith.duckdb"), read_only=True) as connection:
            for mart in ("customer.customers", "customer.orders"):
                (rows,) = connection.execute(f"select count(*) from {mart}").fetchall()
                assert rows[0] == manifest["marts"][mart]["rows"], mart

    def end(self) -> None:
        """Read no more."""
        self._ends.set()
        self.join()


def run_stages(values: dict[str, str]) -> None:
    """Build, judge and publish in this process, from what is admitted."""
    run = Run.from_dict(values)
    with keys_of(run.company, run.home):
        for stage in (stages.build, stages.audit):
            started = time.time()
            stage(values)
            print(f"  {stage.__name__:8}{time.time() - started:7.1f} s", flush=True)
        if stages.approve(values, waits=False):
            raise AssertionError("the same rows restate what was published")
        print("  release", stages.publish(values)["release_id"], flush=True)


def begin(run: Run, **environment: str) -> "subprocess.Popen[bytes]":
    """Begin the stages of a run in another process, a group of its own."""
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.bench.spark",
            "stages",
            json.dumps(run.to_dict()),
        ],
        env={**os.environ, "KITH_HOME": str(run.home), **environment},
        start_new_session=True,
    )


def await_middle(run: Run, process: "subprocess.Popen[bytes]") -> None:
    """Wait until a run on Spark has built a part of its tables."""
    built = spark_folder(run) / "built"
    # What the build before has left is removed when this one begins.
    while process.poll() is None and len(list(built.glob("*/*"))) >= _MIDDLE:
        time.sleep(0.5)
    while process.poll() is None and len(list(built.glob("*/*"))) < _MIDDLE:
        time.sleep(0.5)
    if process.poll() is not None:
        sys.exit(f"the run ended with {process.returncode} before its middle")


def kill_all(process: "subprocess.Popen[bytes]") -> None:
    """Kill a process with all that it has started, its driver among them."""
    root = psutil.Process(process.pid)
    for each in [*root.children(recursive=True), root]:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    process.wait()


def verdicts(connection: duckdb.DuckDBPyConnection, side: str) -> list[tuple[str, ...]]:
    """What the gate said of the candidate, for each check.

    Which of many failing rows are its sample depends on the engine.
    """
    return connection.execute(
        "select table_name, expectation, severity, outcome, column_name, observed, "
        f"unexpected_count, row_count from {side}.operations.gate_results "
        "where run_id = 'bench' order by all"
    ).fetchall()


def compare(here: Path, there: Path) -> list[str]:
    """In what marts and verdicts of two warehouses differ."""
    marts = differences(here, there, marts_of="here")
    different = [f"{mart}: {what}" for mart, what in marts.items() if what]
    with duckdb.connect() as connection:
        for name, path in (("here", here), ("there", there)):
            connection.execute(f"attach '{path}' as {name} (read_only)")
        wanted, found = (verdicts(connection, side) for side in ("here", "there"))
        print(f"{len(marts)} marts compared, {len(wanted)} verdicts", flush=True)
        if not wanted:
            different.append("no verdicts to compare")
        different += [f"verdict: {line}" for line in set(wanted) ^ set(found)]
    print("\n".join(different) or "all equal", flush=True)
    return different


@contextlib.contextmanager
def reading(run: Run) -> Iterator[Reader]:
    """Have the releases of a run's company read meanwhile."""
    reader = Reader(run.published)
    reader.start()
    try:
        yield reader
    finally:
        reader.end()


def bench(home: Path, folder: Path, scratch: Path) -> int:
    """Play all of it; returns 1 where something was wrong."""
    on_duckdb = scratch / "duckdb" / folder.name
    on_spark = scratch / "spark" / folder.name
    for copy in (on_duckdb, on_spark):
        shutil.copytree(folder, copy)
    with (on_spark / "company.yml").open("a") as declared:
        declared.write("\nengine: spark\n")
    here, there = (_run(home, copy) for copy in (on_duckdb, on_spark))
    for run in (here, there):
        shutil.copytree(
            home / run.company.name, run.folder, symlinks=True, dirs_exist_ok=True
        )
    conf = scratch / "conf"
    conf.mkdir()
    (conf / "spark-defaults.conf").write_text(_DEFAULTS)
    cluster = Cluster(Path(interpreter(there.company)), scratch)
    spark = {"KITH_SPARK": cluster.address, "SPARK_CONF_DIR": str(conf)}
    faults: list[str] = []

    def publish_on_duckdb() -> None:
        print("on DuckDB", flush=True)
        if begin(here).wait() != 0:
            faults.append("the run on DuckDB failed")

    publish_on_duckdb()
    try:
        cluster.start()
        with reading(there) as reader:
            print("on the cluster, a worker is killed", flush=True)
            first = begin(there, **spark)
            await_middle(there, first)
            cluster.kill("worker_2")
            print("  worker_2 was killed", flush=True)
            if first.wait() != 0:
                faults.append("the run that lost a worker failed")
            faults += compare(here.warehouse, there.warehouse)
            if not (there.run_folder / "gate_spark.log").is_file():
                faults.append("the gate did not judge on Spark")
            print("on what is left, the driver is killed", flush=True)
            second = begin(there, **spark)
            await_middle(there, second)
            kill_all(second)
            print("  the driver was killed; once more", flush=True)
            if begin(there, **spark).wait() != 0:
                faults.append("the run after the killed one failed")
            # The logs are as long where both have published as often.
            publish_on_duckdb()
            faults += compare(here.warehouse, there.warehouse)
    finally:
        cluster.stop()
    print(
        f"{sum(reader.releases.values())} reads of {len(reader.releases)} releases, "
        f"{len(reader.failed)} failed"
    )
    faults += reader.failed[:3]
    print("all well" if not faults else "\n".join(faults))
    return bool(faults)


def _run(home: Path, folder: Path) -> Run:
    company = load_company(folder)
    manifest = json.loads(
        (home / company.name / "published" / "current" / "manifest.json").read_text()
    )
    days = Interval(
        *(dt.date.fromisoformat(manifest[day]) for day in ("from_day", "to_day"))
    )
    return Run(company, days, "bench", folder.parent / "home")


if __name__ == "__main__":
    if sys.argv[1] == "stages":
        run_stages(json.loads(sys.argv[2]))
    else:
        with tempfile.TemporaryDirectory(prefix="kith_spark_") as made:
            home, folder = map(Path, sys.argv[1:])
            sys.exit(bench(home, folder, Path(made)))
