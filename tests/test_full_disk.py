"""A disk that is full in each stage: named as what it is, and nobody's delivery.

The disk is a file system in memory that is cut down to what lies on it. Where a test
may not mount one, no file of the process may grow further, which stops the same writes.
"""

import contextlib
import errno
import json
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kith.admit.table import admit_table
from kith.build.candidate import build
from kith.company.alert_routes import AlertRoute
from kith.errors import ResourceError
from kith.gate.audit import audit
from kith.incidents.alerts import pending, remember
from kith.incidents.failure import describe
from kith.incidents.history import open_incidents, record_failure, record_success
from kith.publish.release import publish
from kith.pull.table import pull_table
from kith.runs.run import Run, current_release
from tests.conftest import new_run
from tests.one_table import TABLE, company, deliver

# Room that is left, and the most that a file may grow to.
_LEFT_BYTES = 16 << 10


class SmallDisk:
    """A folder on a disk of its own, where the machine lets a test have one."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self.is_mounted = self._mount("size=4g")

    def _mount(self, options: str) -> bool:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self._folder)],
            capture_output=True,
            check=False,
        )
        return done.returncode == 0

    def _resize(self, size: int) -> None:
        subprocess.run(
            ["mount", "-o", f"remount,size={size}", str(self._folder)], check=True
        )

    @contextmanager
    def full(self) -> Iterator[None]:
        """As long as this lasts there is hardly any room."""
        if self.is_mounted:
            used = shutil.disk_usage(self._folder).used
            self._resize(used + _LEFT_BYTES)
            try:
                yield
            finally:
                self._resize(4 << 30)
            return
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (_LEFT_BYTES, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    def end(self) -> None:
        if self.is_mounted:
            subprocess.run(["umount", "-l", str(self._folder)], check=True)


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallDisk]:
    """A small disk as $KITH_HOME."""
    small = SmallDisk(tmp_path / "home")
    monkeypatch.setenv("KITH_HOME", str(tmp_path / "home"))
    yield small
    small.end()


def failed(run: Run) -> list[dict[str, Any]]:
    text = (run.run_folder / "journal.jsonl").read_text()
    entries = []
    for line in text.splitlines():
        with_braces = line.startswith("{") and line.endswith("}")
        entries += [json.loads(line)] if with_braces else []
    return [entry for entry in entries if entry["event"] == "fail"]


def stopped_by_a_full_disk(disk: SmallDisk, stage: Callable[[], object]) -> str:
    """What is told where a stage finds the disk full."""
    with disk.full(), pytest.raises(ResourceError) as caught:
        stage()
    message = str(caught.value)
    assert caught.value.failure_class == "resource"
    lacks = "no space left on the disk" if disk.is_mounted else "is as large as"
    assert lacks in message
    assert "bytes are free" in message
    assert "deliver" not in message
    return message


def large_sales() -> list[str]:
    """Lines that hardly compress, so that what is written of them needs room."""
    return [f"S{n:05}-{hash((n, 7)):x},2024-03-01,1,1.50" for n in range(20_000)]


@pytest.mark.parametrize("name", ["sales.csv", "sales.csv.gz", "sales.jsonl.zst"])
def test_a_pull_does_not_blame_the_supplier(
    name: str, tmp_path: Path, disk: SmallDisk
) -> None:
    import gzip

    import pyarrow as pa

    folder = company(tmp_path, f"data/{name}")
    lines = large_sales()
    deliver(folder, lines, "sales.csv")
    plain = folder / "data" / "sales.csv"
    if name.endswith(".gz"):
        (folder / "data" / name).write_bytes(gzip.compress(plain.read_bytes()))
    elif name.endswith(".zst"):
        rows = [
            dict(zip(("sale_id", "sold_at"), line.split(","), strict=False))
            for line in lines
        ]
        text = "\n".join(json.dumps({**row, "quantity": 1, "price": 1}) for row in rows)
        packed = pa.compress(text.encode(), codec="zstd", asbytes=True)
        (folder / "data" / name).write_bytes(packed)
    run = new_run(folder, "2024-03-01", "2024-03-02")
    stopped_by_a_full_disk(disk, lambda: pull_table(run, TABLE))
    # With room the same file is taken.
    pull_table(run, TABLE)


def test_an_admission_goes_on_once_there_is_room(
    tmp_path: Path, disk: SmallDisk
) -> None:
    deliver(company(tmp_path), large_sales())
    run = new_run(tmp_path, "2024-03-01", "2024-03-02")
    pull_table(run, TABLE)
    stopped_by_a_full_disk(disk, lambda: admit_table(run, TABLE))
    assert [entry["failure_class"] for entry in failed(run)] in (["resource"], [])
    admit_table(run, TABLE)


def test_the_incident_of_a_full_disk_is_kept_and_told_once(
    tmp_path: Path, disk: SmallDisk
) -> None:
    run = new_run(company(tmp_path), "2024-03-01", "2024-03-02")
    routed = [AlertRoute(connection="chat")]
    shop = run.company.model_copy(update={"alerts": routed})
    with run.stage("plan"):
        pass
    record_success(run, "plan")
    with disk.full():
        if disk.is_mounted:
            fill(tmp_path / "home" / "filled")
        for stage in ("pull", "admit"):
            error = OSError(errno.ENOSPC, "x", str(run.folder / stage))
            failure = describe(error, stage, TABLE, run.interval, "r", shop)
            incident = record_failure(run.folder, "shop", shop, failure)
            assert incident.is_kept
            for each in pending(run.folder, shop):
                assert stage == "pull"
                remember(run.folder, each)
    (found,) = open_incidents(run.folder)
    assert (found.failure_class, found.failure_count) == ("resource", 2)
    assert found.thing == f"disk at {tmp_path / 'home'}" or not disk.is_mounted


def fill(path: Path) -> None:
    """Take what room is left on the disk."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass


def test_audit_publication_report_and_build_tell_of_a_full_disk(
    built_shop: Run, tmp_path: Path, disk: SmallDisk
) -> None:
    home = tmp_path / "home"
    run = Run(built_shop.company, built_shop.interval, built_shop.run_id, home)
    # Another process may be noting the lineage of the shop.
    unfinished = shutil.ignore_patterns("*.tmp")
    shutil.copytree(built_shop.folder, run.folder, symlinks=True, ignore=unfinished)
    stopped_by_a_full_disk(disk, lambda: audit(run))
    audit(run)
    before = current_release(run.published)
    stopped_by_a_full_disk(disk, lambda: publish(run))
    assert current_release(run.published) == before
    publish(run)
    # The last, and without the former candidate, whose room the build would take.
    run.warehouse.unlink()
    message = stopped_by_a_full_disk(disk, lambda: build(run))
    # dbt tells of no file, so that the home on that disk is named.
    assert f"{home}: no space left on the disk" in message
    stages = [(entry["stage"], entry["failure_class"]) for entry in failed(run)]
    # Where not even the journal could be written, the log alone says so.
    assert set(stages) <= {
        (stage, "resource") for stage in ("build", "audit", "publish")
    }
