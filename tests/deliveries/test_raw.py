import errno
import json
import stat
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from kith.company.tables import Column, ColumnRules, SourceTable, TableRules
from kith.deliveries.raw import newest_attempt, reading, workspace
from kith.errors import DeliveryError, ResourceError
from kith.settings import REPOSITORY
from tests.conftest import new_run
from tests.one_table import TABLE, company, deliver, run_door, sales


def table(**rules: str) -> SourceTable:
    return SourceTable(
        source="shop",
        name="people",
        rules=TableRules(connector="files", path="people.csv"),
        columns=[Column(name="who", data_type="text", rules=ColumnRules(**rules))],
    )


@pytest.mark.usefixtures("kith_home")
def test_the_newest_complete_attempt_counts(tmp_path: Path) -> None:
    deliver(company(tmp_path), sales(3))
    run = new_run(tmp_path, "2024-03-01", "2024-12-31")
    with pytest.raises(
        DeliveryError, match=r"nothing was pulled for 20240301-20241231"
    ):
        newest_attempt(run, TABLE)
    run_door(tmp_path)
    deliver(tmp_path, sales(4))
    run_door(tmp_path)
    folder, manifest = newest_attempt(run, TABLE)
    assert manifest.rows_taken == 4
    (folder / "manifest.json").unlink()
    former, manifest = newest_attempt(run, TABLE)
    assert (former < folder, manifest.rows_taken) == (True, 3)


@pytest.mark.usefixtures("kith_home")
def test_what_another_version_pulled_is_not_taken_for_ours(tmp_path: Path) -> None:
    deliver(company(tmp_path), sales(3))
    run = run_door(tmp_path)
    folder, manifest = newest_attempt(run, TABLE)
    former = manifest.model_dump(mode="json")
    former["files"][0]["facts"] = {"typed": {"quantity": "BIGINT"}}
    (folder / "manifest.json").write_text(json.dumps(former))
    with pytest.raises(DeliveryError, match=r"another version of Kith pulled it.*make"):
        newest_attempt(run, TABLE)


def test_a_workspace_is_empty_private_and_gone_afterwards(tmp_path: Path) -> None:
    left = tmp_path / "table/.work/left"
    left.mkdir(parents=True)
    with workspace(tmp_path / "table") as work:
        assert list(work.iterdir()) == []
        assert stat.S_IMODE(work.stat().st_mode) == 0o700
        (work / "file").touch()
    assert not work.exists()


def test_a_workspace_is_for_one_process_at_a_time(tmp_path: Path) -> None:
    waiting = f"""
import sys
sys.path.insert(0, {str(REPOSITORY / "plugins")!r})
from pathlib import Path
from kith.deliveries.raw import workspace
print("waits", flush=True)
with workspace(Path({str(tmp_path)!r})) as work:
    print((work.parent / "ended").exists(), flush=True)
"""
    with workspace(tmp_path):
        process = subprocess.Popen(
            [sys.executable, "-c", waiting], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout and process.stdout.readline() == "waits\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
        (tmp_path / "ended").touch()
    assert process.communicate()[0] == "True\n"


def test_a_damaged_file_is_a_fault_of_the_delivery() -> None:
    with (
        pytest.raises(DeliveryError, match=r"a\.csv: cannot be read.*line of li"),
        reading("a.csv", table()),
    ):
        raise duckdb.InvalidInputException("line of li")


def test_of_a_table_with_identifiers_no_line_is_quoted() -> None:
    with (
        pytest.raises(DeliveryError, match="InvalidInputException") as caught,
        reading("a.csv", table(pii="email")),
    ):
        raise duckdb.InvalidInputException("line of li")
    assert "line of li" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_fault_of_ours_stays_one() -> None:
    with (
        pytest.raises(ResourceError, match=r"its memory limit \(too big\); set KITH_M"),
        reading("a.csv", table()),
    ):
        raise duckdb.OutOfMemoryException("too big")
    with (
        pytest.raises(ResourceError, match="no space left on the disk; ") as caught,
        reading("a.zip", table(pii="email")),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert "a.zip" not in str(caught.value)
    with pytest.raises(duckdb.BinderException), reading("a.csv", table()):
        raise duckdb.BinderException("no such column")
