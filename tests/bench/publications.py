"""Publications to files under six kinds of readers in closed loops.

    PYTHONPATH=plugins:. .venv/bin/python -m tests.bench.publications [publications]

builds a small shop and publishes a few of its marts fifty times (or so many), each time
with another number in two of them. Of each kind of reader it tells how often it read
rows of two releases (torn), none (empty), or failed. Page and metadata are left out:
readers would only wait longer for the next release. It ends with 1 where a read was
wrong.
"""

import datetime as dt
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb

from kith.company.folder import load_company
from kith.publish import release as publishing
from kith.publish.release import publish
from kith.runs.run import Interval, Run
from tests.companies.whole_shop import generate_whole_shop
from tests.conftest import FEW, build_candidate, keep_few
from tests.publish.test_release import permit, write_page

PUBLICATIONS = 50
_MARKS = """
select
    (select count(*) from {customers}), (select count(*) from {orders}),
    (select min(city) from {customers}), (select max(city) from {customers}),
    (select min(city) from {orders}), (select max(city) from {orders})
"""
_IN_FILE = _MARKS.format(customers="customer.customers", orders="customer.orders")
_STAMPS = """
select
    (select count(*) from segment.segments), 1, release_id, release_id,
    (select max_by(release_id, published_at) from operations.publications), release_id
from _release
"""
Look = Callable[[], "tuple[Any, ...] | None"]


class Reader:
    """One reader; each kind gives a function that reads once.

    What that returns are two counts of rows and four marks, which are those of one
    release.
    """

    def __init__(self, published: Path) -> None:
        self._current = published / "current"

    def _open(self, release: Path, name: str = "kith.duckdb") -> Any:
        return duckdb.connect(str(release / name), read_only=True)

    def opens_for_each_query(self) -> Look:
        def look() -> tuple[Any, ...] | None:
            with self._open(self._current) as connection:
                return connection.execute(_IN_FILE).fetchone()

        return look

    def follows_the_pointer(self) -> Look:
        held: dict[str, Any] = {}

        def look() -> tuple[Any, ...] | None:
            release = str(self._current.readlink())
            if release not in held:
                held.clear()
                held[release] = self._open(self._current.parent / release)
            return held[release].execute(_IN_FILE).fetchone()

        return look

    def holds_for_ever(self) -> Look:
        connection = self._open(self._current)
        return lambda: connection.execute(_IN_FILE).fetchone()

    def joins_parquet(self) -> Look:
        def look() -> tuple[Any, ...] | None:
            folder = self._current.resolve() / "parquet" / "customer"
            names = {n: f"'{folder / n}.parquet'" for n in ("customers", "orders")}
            return duckdb.execute(_MARKS.format(**names)).fetchone()

        return look

    def checks_the_manifest(self) -> Look:
        def look() -> tuple[Any, ...] | None:
            release = self._current.resolve()
            manifest = json.loads((release / "manifest.json").read_text())
            for name, digest in manifest["files"].items():
                with (release / name).open("rb") as stream:
                    if hashlib.file_digest(stream, "sha256").hexdigest() != digest:
                        return 1, 1, name, "", "", ""
            with self._open(release) as connection:
                return connection.execute(_IN_FILE).fetchone()

        return look

    def has_no_personal_data(self) -> Look:
        def look() -> tuple[Any, ...] | None:
            name = "kith_without_personal_data.duckdb"
            with self._open(self._current, name) as connection:
                return connection.execute(_STAMPS).fetchone()

        return look


KINDS = [name for name in vars(Reader) if not name.startswith("_")]


def read(kind: str, published: Path, stop: Path) -> None:
    """Read until the file `stop` is there; print what was found as JSON."""
    look = getattr(Reader(published), kind)()
    print("ready", flush=True)
    reads, seen, faults = 0, set(), {"torn": 0, "empty": 0, "failed": 0}
    samples: list[str] = []
    while not stop.exists():
        found: tuple[Any, ...] | None = None
        try:
            found = look()
            fault = "empty" if not found or not all(found[:2]) else ""
            fault = fault or ("torn" if len(set((found or ())[2:])) != 1 else "")
        except Exception as error:
            fault, found = "failed", (repr(error),)
        if fault:
            faults[fault] += 1
            samples.append(f"{found}")
        elif found:
            seen.add(found[2])
        reads += 1
        time.sleep(0.005)
    told = {"kind": kind, "reads": reads, "releases": len(seen), **faults}
    print(json.dumps({**told, "samples": samples[:2]}))


def shop(folder: Path) -> Run:
    """A built shop, of which a few marts are to be published."""
    company = load_company(generate_whole_shop(folder / "company"))
    company = company.model_copy(update={"audiences": ["without_personal_data"]})
    year = Interval(dt.date(2024, 1, 1), dt.date(2024, 12, 31))
    run = Run(company, year, "run_1", folder)
    build_candidate(run)
    keep_few(run.warehouse)
    return run


def publish_number(run: Run, number: int) -> float:
    """Publish marts that bear a number; returns the seconds of the publication."""
    with duckdb.connect(str(run.warehouse)) as warehouse:
        for mart in ("customer.customers", "customer.orders"):
            warehouse.execute(f"update {mart} set city = '{number}'")
    permit(run)
    started = time.monotonic()
    publish(run)
    return time.monotonic() - started


def readers(published: Path, stop: Path) -> Iterator[list[dict[str, Any]]]:
    """Start one of each kind; then, when asked again, end them and tell."""
    processes = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.bench.publications"),
                *(kind, str(published), str(stop)),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        for kind in KINDS
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    yield []
    stop.touch()
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    yield [json.loads(output.splitlines()[-1]) for output in outputs]


def bench(count: int, folder: Path) -> int:
    """Publish, and print what readers found; returns the exit code."""
    os.environ["KITH_HOME"] = str(folder)
    publishing.write_page = write_page
    publishing.write_metadata = lambda *_: []
    run = shop(folder)
    publish_number(run, 1)
    watched = readers(run.published, folder / "stop")
    next(watched)
    seconds = [publish_number(run, number) for number in range(2, count + 2)]
    found = next(watched)
    print(
        f"{count} publications of {len(FEW)} marts: median "
        f"{statistics.median(seconds):.2f} s, longest {max(seconds):.2f} s"
    )
    for each in found:
        print(
            f"  {each['kind']:<22} {each['reads']:>7,} reads, {each['releases']:>3} "
            f"releases, {each['torn']} torn, {each['empty']} empty, {each['failed']} "
            f"failed {each['samples'] or ''}"
        )
    held = next(each for each in found if each["kind"] == "holds_for_ever")
    is_right = held["releases"] == 1 and all(
        each["reads"] > 0 and not each["torn"] + each["empty"] + each["failed"]
        for each in found
    )
    return 0 if is_right else 1


if __name__ == "__main__":
    if len(sys.argv) > 2:
        read(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
        sys.exit()
    with tempfile.TemporaryDirectory(prefix="kith_bench_") as name:
        sys.exit(bench(int(sys.argv[1]) if sys.argv[1:] else PUBLICATIONS, Path(name)))
