"""What others raise is put into classes; the true cause is told, whoever wrapped it."""

import errno
import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import duckdb
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import requests
import sqlalchemy as sa

from kith import errors
from kith.errors import (
    BuildError,
    ConfigurationError,
    DeliveryError,
    FailureClass,
    KithError,
    ResourceError,
)
from kith.failures import explained, failure_class, lack_in, lack_of
from kith.runs.journal import Journal, describe
from kith.settings import REPOSITORY
from tests.conftest import new_run
from tests.one_table import company, deliver, run_door, sales

SHOP = REPOSITORY / "tests/companies/corner_shop"


class AirflowTaskTimeout(BaseException):
    """As Airflow's, which is known by its name."""


def system_error(code: int, path: str | None = None) -> OSError:
    return OSError(code, os.strerror(code), path)


def answer(status: int) -> requests.HTTPError:
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError(
        f"{status} for https://login:secret@host", response=response
    )


def of_database(message: str) -> sa.exc.OperationalError:
    driver = psycopg.OperationalError(message)
    return sa.exc.OperationalError("select secret", None, driver)


def raised(action: Callable[[], object]) -> BaseException:
    with pytest.raises(BaseException) as caught:
        action()
    return caught.value


# --- classes --------------------------------------------------------------------------


def test_each_of_our_errors_has_a_class() -> None:
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, KithError)
    ]
    assert {kind("x").failure_class for kind in kinds} == set(get_args(FailureClass))
    assert all(failure_class(kind("x")) == kind("x").failure_class for kind in kinds)
    assert failure_class(BuildError("x", "contract")) == "contract"


@pytest.mark.usefixtures("kith_home")
@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (system_error(errno.ENOSPC), "resource"),
        (system_error(errno.EDQUOT), "resource"),
        (system_error(errno.EFBIG), "resource"),
        (system_error(errno.EROFS, "/x"), "resource"),
        (system_error(errno.EACCES, "/x"), "resource"),
        (system_error(errno.EMFILE), "resource"),
        (system_error(errno.ENOMEM), "resource"),
        (system_error(errno.EIO, "/x"), "resource"),
        (MemoryError(), "resource"),
        (duckdb.OutOfMemoryException("Out of Memory Error: no block"), "resource"),
        (AirflowTaskTimeout("Timeout"), "resource"),
        (ConnectionResetError(), "source_unavailable"),
        (TimeoutError(), "source_unavailable"),
        (system_error(errno.EHOSTUNREACH), "source_unavailable"),
        (requests.ConnectionError(), "source_unavailable"),
        (requests.ReadTimeout(), "source_unavailable"),
        (answer(503), "source_unavailable"),
        (answer(401), "credentials"),
        (answer(403), "credentials"),
        (answer(400), "bug"),
        (of_database("server closed the connection"), "source_unavailable"),
        (of_database("password authentication failed for user x"), "credentials"),
        (BlockingIOError(), "transient"),
        (KeyboardInterrupt(), "transient"),
        (FileNotFoundError(errno.ENOENT, "No such file", "/x"), "bug"),
        (ValueError("x"), "bug"),
        (duckdb.BinderException("no column x"), "bug"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_others_raise_has_a_class(error: BaseException, expected: str) -> None:
    assert failure_class(error) == expected
    told = str(explained(error) or "")
    assert "secret" not in told and "\n" not in told
    assert bool(told) == (
        expected != "bug" and not isinstance(error, KeyboardInterrupt)
    )


# --- the machine ----------------------------------------------------------------------


def test_a_full_disk_is_named_with_its_room_and_what_to_do(kith_home: Path) -> None:
    kith_home.mkdir()
    path = kith_home / "shop" / "raw" / "x.parquet"
    told = str(explained(system_error(errno.ENOSPC, str(path))))
    found = re.fullmatch(
        rf"{path}: no space left on the disk; ([\d,]+) of ([\d,]+) bytes are free "
        r"there now; free space, or set KITH_HOME to a folder on another disk",
        told,
    )
    assert found
    free, total = (int(number.replace(",", "")) for number in found.groups())
    disk = os.statvfs(kith_home)
    assert total == disk.f_blocks * disk.f_frsize
    assert 0 <= free <= total


def test_a_disk_without_names_for_files_is_told(
    kith_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = os.statvfs_result((4096, 4096, 100, 50, 50, 1000, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _: full)
    told = str(explained(system_error(errno.ENOSPC, str(kith_home))))
    assert "204,800 of 409,600 bytes are free, but no file more (inodes) there" in told


@pytest.mark.usefixtures("kith_home")
def test_duckdb_and_arrow_tell_of_a_full_disk_in_their_words() -> None:
    def by_duckdb() -> None:
        duckdb.sql("copy (from range(100000)) to '/dev/full' (format parquet)")

    def by_arrow() -> None:
        with Path("/dev/full").open("wb", buffering=0) as sink:
            pq.write_table(pa.table({"a": range(100000)}), pa.PythonFile(sink))

    found = [explained(raised(action)) for action in (by_duckdb, by_arrow)]
    assert [type(each) for each in found] == [ResourceError, ResourceError]
    assert str(found[0]).startswith("/dev/full: no space left on the disk")


@pytest.mark.usefixtures("kith_home")
def test_a_query_beyond_the_memory_limit_names_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KITH_MEMORY_LIMIT", "7GB")
    query = (
        "create table t as select random() as a, cast(random() as varchar) as b "
        "from range(5000000) order by a"
    )
    limits = {"memory_limit": "20MB", "threads": 1, "temp_directory": ""}
    told = explained(raised(lambda: duckdb.connect(config=limits).execute(query)))
    assert re.match(
        r"DuckDB has reached its memory limit \(.*\); "
        r"set KITH_MEMORY_LIMIT \(now 7GB\) higher",
        str(told),
    )
    assert isinstance(told, ResourceError) and not told.may_pass


def test_where_no_room_is_left_to_spill_the_disk_is_full(kith_home: Path) -> None:
    error = duckdb.OutOfMemoryException(
        "Out of Memory Error: failed to offload data block of size 256.0 KiB (1.6 MiB/"
        "1.7 MiB used).\nThis limit was set by the 'max_temp_directory_size' setting.\n"
        "By default, this setting utilizes the available disk space on the drive"
    )
    assert re.match(
        rf"{kith_home}: no space left on the disk \(failed to offload data block of "
        r"size 256.0 KiB \(1.6 MiB/1.7 MiB used\).\); .* bytes are free there now; ",
        str(explained(error)),
    )


@pytest.mark.usefixtures("kith_home")
@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "Runtime Error in model orders (models/orders.sql)\n  IO Error: Could not "
            'write file "/h/warehouse/kith_build.duckdb": No space left on device',
            "/h/warehouse/kith_build.duckdb: no space left on the disk",
        ),
        (
            "TransactionContext Error: Failed to commit: Could not write file "
            '"/h/kith_build.duckdb.wal": No space left on device',
            "/h/kith_build.duckdb.wal: no space left on the disk",
        ),
        (
            '(_duckdb.IOException) IO Error: Cannot open file "/h/t": Read-only file '
            "system\n[SQL: select 1]",
            "/h/t: the file system is read-only",
        ),
        (
            "Python model:\n  OSError: [Errno 28] No space left on device: '/h/m'",
            "/h/m: no space left on the disk",
        ),
        (
            "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 9 GiB",
            "the machine has no memory left (Unable to allocate 9 GiB)",
        ),
        ("Out of Memory Error: failed to pin block", "DuckDB has reached its memory"),
        (
            "(sqlite3.OperationalError) database or disk is full\n[SQL: UPDATE dag_run",
            "/",
        ),
    ],
)
def test_what_the_machine_lacks_is_found_in_a_text(text: str, told: str) -> None:
    found = lack_in(text)
    assert found
    assert found.failure_class == "resource"
    assert str(found).startswith(told)


def test_other_texts_tell_of_no_lack() -> None:
    for text in (
        'Catalog Error: Table "No space left on device" does not exist',
        "Conversion Error: Could not convert string 'Read-only file system' to INT32",
        'IO Error: No files found that match the pattern "/h/x.parquet"',
        "",
    ):
        assert lack_in(text) is None


@pytest.mark.usefixtures("kith_home")
def test_the_cause_counts_whatever_it_was_wrapped_in() -> None:
    def wrapped(cause: BaseException) -> BaseException:
        def act() -> None:
            try:
                raise cause
            except BaseException:
                raise DeliveryError("x.zip: cannot be read; deliver again") from None

        return raised(act)

    full = duckdb.IOException(
        'IO Error: Could not write file "/h/x": No space left on device'
    )
    for lack in (system_error(errno.ENOSPC), MemoryError(), full):
        assert failure_class(wrapped(lack)) == "resource"
    # A source's file that is closed to us, or is no archive, is what was said of it.
    for other in (system_error(errno.EACCES, "/x"), OSError("truncated")):
        assert failure_class(wrapped(other)) == "contract"


@pytest.mark.usefixtures("kith_home")
def test_the_full_disk_of_a_database_elsewhere_is_not_ours() -> None:
    error = of_database(
        'could not extend file "base/1": [Errno 28] No space left on device'
    )
    assert lack_of(error) is None
    assert failure_class(error) == "source_unavailable"


# --- stages and commands --------------------------------------------------------------


@pytest.mark.usefixtures("kith_home")
def test_a_stage_notes_the_class_and_tells_the_cause_in_our_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = new_run(SHOP)
    with (
        pytest.raises(ResourceError, match="no space left") as caught,
        run.stage("admit", "shop.orders"),
    ):
        raise system_error(errno.ENOSPC, str(run.folder / "x"))
    with pytest.raises(ValueError, match=r"^ours$"), run.stage("audit"):
        raise ValueError("ours")
    with pytest.raises(ConfigurationError), run.stage("plan"):
        raise ConfigurationError("company.yml: x")
    journal = (run.run_folder / "journal.jsonl").read_text().splitlines()
    ends = [entry for entry in map(json.loads, journal) if entry["event"] == "fail"]
    assert [(entry["failure_class"], entry["reason"]) for entry in ends] == [
        ("resource", str(caught.value)),
        ("bug", "ValueError: ours"),
        ("configuration", "company.yml: x"),
    ]
    assert "no space left on the disk" in " ".join(caplog.messages)


@pytest.mark.parametrize("below", ["a_file/home", "a_file", "/proc/kith"])
def test_a_home_that_cannot_be_made_is_told_in_one_line(
    below: str,
    tmp_path: Path,
    kith_command: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    (tmp_path / "a_file").touch()
    home = tmp_path / below
    done = kith_command("run", KITH_HOME=str(home), COMPANY=str(SHOP))
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1
    assert line.startswith(f"Failed: {home}: no folder can be made there (")
    assert line.endswith("set KITH_HOME to a folder that can be written to")


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_a_home_that_is_closed_is_told_in_our_words(
    code: int, kith_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: Path, *_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code), str(folder))

    monkeypatch.setattr(Path, "mkdir", refuse)
    run = new_run(SHOP)
    with (
        pytest.raises(ResourceError, match=r"KITH_HOME to a folder on an") as caught,
        run.stage("plan"),
    ):
        pass
    words = {errno.EROFS: "is read-only; have it", errno.EACCES: "permission denied to"}
    assert words[code] in str(caught.value)
    assert str(kith_home) in str(caught.value)


# --- names of files -------------------------------------------------------------------


@pytest.mark.usefixtures("kith_home")
def test_a_newline_in_a_files_name_breaks_no_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name = "sales\n\x1b[2J1.csv"
    folder = company(tmp_path, "data/*.csv*")
    bad = [line.replace(",1,", ",one,") for line in sales(40)]
    deliver(folder, bad, name)
    with pytest.raises(DeliveryError) as refused:
        run_door(folder)
    (folder / "data" / name).rename(folder / "data" / f"{name}.gz")
    with pytest.raises(DeliveryError) as unreadable:
        run_door(folder)
    for error in (refused, unreadable):
        assert str(error.value).isprintable()
        assert "data/sales [2J1.csv" in str(error.value)
    assert all(line.isprintable() for line in caplog.messages)
    (folder / "data" / f"{name}.gz").unlink()
    # What holds the same rows as another is warned of, by its name.
    for each in (name, "sales\n2.csv"):
        deliver(folder, sales(40), each)
    run = run_door(folder)
    journal = Journal(run.run_folder)
    shown = [describe(entry) or "" for entry in journal.new_entries()]
    warnings = journal.warnings()
    assert [w for w in warnings if "sales 2.csv holds the same rows as" in w]
    assert all(line.isprintable() for line in [*shown, *warnings])


@pytest.mark.usefixtures("kith_home")
def test_half_a_line_that_a_full_disk_took_breaks_no_journal() -> None:
    run = new_run(SHOP)
    with run.stage("plan"):
        pass
    with (run.run_folder / "journal.jsonl").open("a") as journal:
        journal.write('{"stage": "build", "it')
    with pytest.raises(DeliveryError), run.stage("admit", "shop.orders"):
        raise DeliveryError("shop.orders: bad")
    read = Journal(run.run_folder)
    events = [(entry["stage"], entry["event"]) for entry in read.new_entries()]
    assert events == [
        *(("plan", "start"), ("plan", "end"), ("admit", "start"), ("admit", "fail")),
    ]
    assert read.failure() == "admit shop.orders: shop.orders: bad"


def test_the_page_names_each_class_and_whether_it_is_tried_again() -> None:
    page = (REPOSITORY / "docs" / "failures.md").read_text(encoding="utf-8")
    line = r"^\| \[`(\w+)`\]\(runbooks/\1\.md\) \|[^|]*\| ([^|,]*)"
    rows = re.findall(line, page, re.MULTILINE)
    assert [name for name, _ in rows] == list(get_args(FailureClass))
    assert {name: tried.strip() for name, tried in rows if tried.strip() != "no"} == {
        "transient": "3 times",
        "source_unavailable": "3 times",
        "resource": "once",
    }


def test_each_class_has_a_runbook_whose_commands_there_are() -> None:
    folder = REPOSITORY / "docs" / "runbooks"
    targets = re.findall(
        r"^([a-z-]+):.*##", (REPOSITORY / "Makefile").read_text(), re.MULTILINE
    )
    assert {path.stem for path in folder.iterdir()} == {*get_args(FailureClass)}
    for path in folder.iterdir():
        page = path.read_text(encoding="utf-8")
        assert re.findall(r"^\*\*(\w+)\.\*\*", page, re.MULTILINE) == [
            *("Symptom", "Meaning", "Check", "Cure"),
        ]
        assert {*re.findall(r"\bmake ([a-z-]+)", page)} <= {*targets}, path.name
        for link in re.findall(r"\]\(([^)]+)\)", page):
            assert (folder / link).is_file(), link
