"""Retention: what goes, and above all what stays."""

import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from kith.admit.replay import replayed_intervals
from kith.admit.table import admit_table
from kith.build.warehouse import write_sources
from kith.company.folder import load_company
from kith.deliveries.admitted import admitted_deliveries, all_deliveries
from kith.errors import ConfigurationError, DeliveryError
from kith.publish.pruning import Doomed, has_published, listed, prune, told
from kith.pull.table import pull_table
from kith.runs.run import Run
from kith.settings import REPOSITORY
from kith.storage import sha256
from tests.conftest import new_run
from tests.one_table import TABLE, admitted, company, deliver, run_door, sales

pytestmark = pytest.mark.usefixtures("kith_home")


def keep(folder: Path, **retention: dict[str, int]) -> None:
    path = folder / "company.yml"
    declared = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**declared, "retention": retention}))


def shop(folder: Path, **meta: Any) -> Path:
    company(folder, **meta)
    deliver(folder, sales(40))
    return folder


def again(run: Run) -> Run:
    """The same run as its company is declared now."""
    return Run(load_company(run.company.folder), run.interval, run.run_id, run.home)


def attempts(run: Run) -> list[str]:
    """Interval and attempt of all that was pulled, the oldest first."""
    found = run.raw(TABLE).glob("[0-9]*/[0-9]*")
    return [
        f"{path.parent.name}/{path.name}"
        for path in sorted(found, key=lambda path: path.name)
    ]


def tree(home: Path) -> dict[str, bytes]:
    """All files but locks."""
    return {
        str(path.relative_to(home)): path.read_bytes()
        for path in home.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def rows_counted(run: Run) -> int:
    """Rows that a build would see."""
    table = run.company.table(TABLE)
    with duckdb.connect() as warehouse:
        deliveries = admitted_deliveries(run, table)
        write_sources(warehouse, run, [(table, deliveries)])
        found = warehouse.execute("select count(*) from shop.sales").fetchone()
    assert found
    return int(found[0])


def published(run: Run) -> None:
    """What the journal says of a run that came to its end."""
    with run.stage("publish"):
        pass


def aged(folder: Path, days: float) -> None:
    moment = time.time() - days * 86_400
    for path in [*folder.rglob("*"), folder]:
        os.utime(path, (moment, moment))


def test_of_many_pulls_of_one_interval_the_newest_three_stay(tmp_path: Path) -> None:
    shop(tmp_path)
    for _ in range(6):
        run = run_door(tmp_path)
        published(run)
    pulled = attempts(run)
    removed = prune(run, (), apply=True)
    assert attempts(run) == pulled[-3:]
    assert told(removed) == "3 raw, 0.0 MB"
    assert len(admitted(run)) == rows_counted(run) == 40
    assert list(run.folder.glob(".trash/*")) == []


def test_without_a_word_nothing_of_one_pull_goes(tmp_path: Path) -> None:
    shop(tmp_path)
    for day in range(1, 4):
        run = run_door(tmp_path, f"2024-03-{day:02}", f"2024-03-{day:02}")
    published(run)
    before = tree(run.home)
    assert prune(run, (), apply=True) == []
    assert tree(run.home) == before


def test_saying_what_would_go_removes_nothing(tmp_path: Path) -> None:
    shop(tmp_path)
    for _ in range(5):
        run = run_door(tmp_path)
        published(run)
    before = tree(run.home)
    would = prune(run, (), apply=False)
    assert tree(run.home) == before
    assert [each.kind for each in would] == ["raw", "raw"]
    sizes = [
        sum(p.stat().st_size for p in path.rglob("*"))
        for each in would
        for path in each.paths
    ]
    assert [each.bytes for each in would] == sizes
    assert prune(run, (), apply=True) == would


def test_the_attempt_that_was_admitted_stays_behind_ones_that_were_refused(
    tmp_path: Path,
) -> None:
    shop(tmp_path)
    keep(tmp_path, raw={"count": 2})
    good = run_door(tmp_path)
    published(good)
    deliver(tmp_path, [line.replace(",1,", ",-1,") for line in sales(40)])
    for _ in range(4):
        bad = new_run(tmp_path, "2024-03-01", "2024-12-31")
        pull_table(bad, TABLE)
        with pytest.raises(DeliveryError, match="rows are bad"):
            admit_table(bad, TABLE)
        published(bad)  # As if a later try had gone well.
    # The run's failure stands in its journal: its attempt would stay as well.
    for each in (good, bad):
        assert has_published(each.run_folder) == (each is good)
    pulled = attempts(bad)
    for folder in (bad.folder / "runs").glob("*/attempts/*"):
        folder.unlink()
    prune(bad, (), apply=True)
    assert attempts(bad) == [pulled[0], *pulled[-2:]]
    assert len(admitted(good)) == 40
    # The newest is judged once more where the declaration lets it pass.
    table = bad.company.table(TABLE)
    assert replayed_intervals(bad, table) == [bad.interval]


def test_raw_attempts_of_a_failed_run_stay_while_its_folder_does(
    tmp_path: Path,
) -> None:
    shop(tmp_path)
    failed = run_door(tmp_path)
    with pytest.raises(ZeroDivisionError), failed.stage("build"):
        raise ZeroDivisionError
    for _ in range(5):
        run = run_door(tmp_path)
        published(run)
    pulled = attempts(run)
    prune(run, (), apply=True)
    assert attempts(run) == [pulled[0], *pulled[-3:]]

    keep(tmp_path, runs={"count": 1})
    for folder in (run.folder / "runs").iterdir():
        aged(folder, 61 if folder == failed.run_folder else 0)
    prune(again(run), (), apply=True)
    assert not failed.run_folder.exists()
    assert attempts(run) == pulled[-3:]


def test_a_killed_run_has_not_published(tmp_path: Path) -> None:
    run = new_run(shop(tmp_path))
    published(run)
    assert has_published(run.run_folder)
    run._write({"stage": "report", "item": "", "event": "start", "at": 1})
    assert not has_published(run.run_folder)


@pytest.mark.parametrize("days", [0, 2])
def test_of_a_table_delivered_whole_former_rows_go_and_their_counts_stay(
    days: int, tmp_path: Path
) -> None:
    shop(tmp_path, cursor=None)
    keep(tmp_path, raw={"count": 2, "days": days}, admitted={"count": 3, "days": days})
    for day in range(1, 7):
        deliver(tmp_path, sales(30 + day))
        run = run_door(tmp_path, f"2024-03-{day:02}", f"2024-03-{day:02}")
        published(run)
    pulled, before = attempts(run), tree(run.home)
    removed = prune(run, (), apply=True)
    if days:  # All of them are younger.
        assert (removed, tree(run.home)) == ([], before)
        return
    assert attempts(run) == pulled[-2:]
    kept = [each.folder.name for each in all_deliveries(run, run.company.table(TABLE))]
    assert kept == [f"202403{day:02}-202403{day:02}" for day in range(1, 7)]
    with_rows = run.admitted(TABLE).glob("[0-9]*/data.parquet")
    assert sorted(path.parent.name for path in with_rows) == kept[-3:]
    quarantines = sorted(path.name for path in run.quarantine(TABLE).glob("[0-9]*"))
    assert quarantines == kept[-2:]
    assert rows_counted(run) == 36
    # A day later the size is still judged by former ones.
    deliver(tmp_path, sales(2))
    with pytest.raises(DeliveryError, match="36 rows delivered before"):
        run_door(tmp_path, "2024-03-07", "2024-03-07")
    assert replayed_intervals(new_run(tmp_path), run.company.table(TABLE)) == []


def test_an_admitted_snapshot_before_a_refused_one_stays(tmp_path: Path) -> None:
    shop(tmp_path, cursor=None)
    keep(tmp_path, raw={"count": 2}, admitted={"count": 2})
    for day in (1, 2, 3, 4):
        run = run_door(tmp_path, f"2024-03-{day:02}", f"2024-03-{day:02}")
        published(run)
    deliver(tmp_path, sales(1))
    with pytest.raises(DeliveryError):
        run_door(tmp_path, "2024-03-05", "2024-03-05")
    prune(run, (), apply=True)
    assert [each.split("/")[0][6:8] for each in attempts(run)] == ["03", "04", "05"]
    assert rows_counted(run) == 40


def test_where_a_cursor_was_taken_out_by_mistake_nothing_goes(tmp_path: Path) -> None:
    shop(tmp_path)
    for day in range(1, 7):
        run = run_door(tmp_path, f"2024-03-{day:02}", f"2024-03-{day:02}")
        published(run)
    company(tmp_path, cursor=None)
    keep(tmp_path, raw={"count": 2}, admitted={"count": 2})
    run = run_door(tmp_path, "2024-03-07", "2024-03-07")
    before = tree(run.home)
    assert prune(run, (), apply=True) == []
    assert tree(run.home) == before


def test_where_a_table_gets_a_cursor_later_its_pruned_days_are_asked_for(
    tmp_path: Path,
) -> None:
    shop(tmp_path, cursor=None)
    keep(tmp_path, admitted={"count": 2}, raw={"count": 2})
    for day in range(1, 5):
        run = run_door(tmp_path, f"2024-03-{day:02}", f"2024-03-{day:02}")
        published(run)
    prune(run, (), apply=True)
    company(tmp_path)
    with pytest.raises(
        ConfigurationError, match=r"of 2024-03-01 to 2024-03-01 and 1 more .* make run"
    ):
        rows_counted(again(run))
    for day in range(1, 5):
        run = run_door(tmp_path, f"2024-03-{day:02}", f"2024-03-{day:02}")
    assert rows_counted(run) == 16  # Four a day.


def test_a_table_at_work_is_left_for_the_next_time(tmp_path: Path) -> None:
    shop(tmp_path)
    for _ in range(5):
        run = run_door(tmp_path)
        published(run)
    pulled = attempts(run)
    for place in (run.raw(TABLE), run.admitted(TABLE)):
        with (place / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            assert prune(run, (), apply=True) == []
        assert attempts(run) == pulled
    prune(run, (), apply=True)
    assert attempts(run) == pulled[-3:]


def test_runs_and_logs_go_by_count_and_age(tmp_path: Path) -> None:
    shop(tmp_path)
    keep(tmp_path, runs={"count": 2, "days": 30}, logs={"count": 1, "days": 10})
    runs = [new_run(tmp_path) for _ in range(5)]
    logs = runs[0].home / "airflow" / "logs"
    task_logs = logs / "dag_id=customer_marts__shop"
    for age, run in zip((50, 40, 29, 20, 0), runs, strict=True):
        published(run)
        aged(run.run_folder, age)
        log = task_logs / f"run_id={run.run_id}" / "task_id=pull" / "attempt=1.log"
        log.parent.mkdir(parents=True)
        log.write_text("x" * 1000)
        aged(log.parent.parent, age)
    other = logs / "dag_id=customer_marts__other" / "run_id=x"
    other.mkdir(parents=True)
    aged(other, 400)
    removed = prune(runs[-1], ((task_logs, "run_id=*"),), apply=True)
    assert [run.run_folder.exists() for run in runs] == [False] * 2 + [True] * 3
    assert sorted(path.name for path in task_logs.iterdir()) == sorted(
        f"run_id={run.run_id}" for run in runs[4:]
    )
    assert other.exists()
    assert sum(each.bytes for each in removed if each.kind == "logs") == 4000


def test_scratch_of_killed_processes_goes_after_a_day(tmp_path: Path) -> None:
    run = new_run(shop(tmp_path))
    published(run)
    for name, age in (("old", 2), ("new", 0)):
        (run.folder / "scratch" / name).mkdir()
        aged(run.folder / "scratch" / name, age)
        (run.home / "reproduced" / "shop" / name).mkdir(parents=True)
        aged(run.home / "reproduced" / "shop" / name, 10 * age)
    prune(run, (), apply=True)
    for folder in (run.folder / "scratch", run.home / "reproduced" / "shop"):
        assert [path.name for path in folder.iterdir()] == ["new"]


def test_the_largest_of_each_kind_are_listed() -> None:
    found = [
        Doomed("raw", f"raw/{size}", (), size * 1_000_000) for size in range(1, 14)
    ]
    lines = listed(found).splitlines()
    assert lines[0].split() == ["raw", "13.0", "MB", "raw/13"]
    assert lines[-1].split() == ["raw", "6.0", "MB", "3", "more"]
    assert told(found) == "13 raw, 91.0 MB"
    assert (told([]), listed([])) == ("", "")


# --- kills ----------------------------------------------------------------------------

# Ends itself, as by SIGKILL, before the nth change of the disk.
KILLED = """
import os, shutil, signal, sys
from pathlib import Path
left = [int(sys.argv[2])]
def dying(change):
    def changed(*arguments, **more):
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        return change(*arguments, **more)
    return changed
for name in ("rename", "unlink", "rmdir", "mkdir"):
    setattr(os, name, dying(getattr(os, name)))
from kith.publish.pruning import prune
from kith.runs.run import Run
import json
prune(Run.from_dict(json.loads(sys.argv[1])), (), apply=True)
"""


def test_a_prune_that_is_killed_anywhere_leaves_what_counts_whole(
    tmp_path: Path,
) -> None:
    shop(tmp_path, cursor=None)
    keep(tmp_path, raw={"count": 2}, admitted={"count": 2})
    for day in (1, 2, 3, 4):
        for _ in range(1 + 2 * (day == 4)):
            run = run_door(tmp_path, f"2024-03-{day:02}", f"2024-03-{day:02}")
            published(run)
    expected, kills = attempts(run)[-2:], 0
    environment = {**os.environ, "PYTHONPATH": f"{REPOSITORY}/plugins:{REPOSITORY}"}
    while True:
        done = subprocess.run(
            [sys.executable, "-c", KILLED, json.dumps(run.to_dict()), "3"],
            env=environment,
            check=False,
        )
        for manifest in run.raw(TABLE).glob("[0-9]*/[0-9]*/manifest.json"):
            for file in json.loads(manifest.read_text())["files"]:
                assert sha256(manifest.parent / file["stored"]) == file["sha256"]
        for folder in run.raw(TABLE).glob("[0-9]*/[0-9]*"):
            assert (folder / "manifest.json").is_file()
        assert rows_counted(run) == 40
        assert replayed_intervals(run, run.company.table(TABLE)) == []
        assert len(all_deliveries(run, run.company.table(TABLE))) == 4
        if done.returncode == 0:
            break
        assert done.returncode == -9
        kills += 1
        assert kills < 50
    assert kills > 3
    # Of the last day its newest two, and the day before it.
    assert attempts(run)[1:] == expected
    assert attempts(run)[0].startswith("20240303")
    assert list(run.folder.glob(".trash/*")) == []
    admit_table(run, TABLE)
    assert len(admitted(run)) == 40
