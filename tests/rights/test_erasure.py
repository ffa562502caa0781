"""Erasure: nothing of the person is left, all of the others is, and it stays so."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from kith.admit.table import admit_table
from kith.build.engines import spark_folder
from kith.company.postgres import Postgres
from kith.deliveries.raw import ERASING, SUPPRESSED
from kith.errors import ConfigurationError, CredentialsError, TransientError
from kith.publish.release import verify
from kith.pull.connections import Connection
from kith.pull.table import pull_table
from kith.rights import erasure
from kith.rights.erasure import erase
from kith.rights.plan import preview
from kith.runs.run import Run
from kith.serve.serve import Served
from kith_airflow import cli
from tests.conftest import new_run
from tests.rights import shop
from tests.rights.shop import (
    ADA,
    BOB,
    SHARED,
    admitted,
    ask,
    pull_and_admit,
    report,
    traces_in,
)


def proof_of(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text()))


def test_nothing_of_the_person_is_left_and_all_of_the_others_is(
    run: Run, tmp_path: Path
) -> None:
    run.run_folder.mkdir(parents=True)
    (run.run_folder / "gate.json").write_text(json.dumps({"cause": f"O10001 of {ADA}"}))
    logs = run.home / "airflow" / "logs"
    logs.mkdir(parents=True)
    (logs / "run_rights_shop-1.log").write_text(f"email:{shop.ADAS[:8]}… and {ADA}\n")
    assert {trace for trace, _ in traces_in(run.home)} == set(shop.TRACES)
    # What Spark reads and has built lies beside the candidate.
    built = spark_folder(run) / "built" / "customer" / "customers" / "part-0.parquet"
    built.parent.mkdir(parents=True)
    duckdb.sql(f"copy (select '{shop.ADA_ID}' as customer_id) to '{built}'")
    file = ask(tmp_path, "kind,value", f"email, {ADA} ")
    proof = proof_of(erase(run, file, ((logs, "run_rights_shop-*.log"),)))
    assert traces_in(run.home) == set()
    assert proof["left"] == []
    assert proof["searched_files"] > 10
    assert admitted(run, "shop.customers", "number, recommended_by") == [
        ("N00002", None)
    ]
    assert admitted(run, "shop.orders", "order_number") == [("O10002",), ("O10003",)]
    assert admitted(run, "shop.lines", "order_number, line") == [("O10002", 1)]
    assert admitted(run, "web.clicks", "click") == [("C2",), ("C4",)]
    assert shop.PHONE in "".join(text for _, text in shop.values_in(run.folder))
    (log,) = logs.glob("*.log")
    assert log.read_text() == "email:[erased]… and [erased]\n"


def test_neither_a_new_pull_nor_a_replay_brings_them_back(
    run: Run, tmp_path: Path
) -> None:
    erase(run, ask(tmp_path, f"email,{ADA}"))
    kept = {
        table: admitted(run, table, "* exclude (loaded_at)") for table in shop.TABLES
    }
    for table in shop.TABLES:
        admit_table(run, table)  # As a replay does.
    again = pull_and_admit(run.company.folder)
    assert traces_in(run.home) == set()
    for table, rows in kept.items():
        assert admitted(again, table, "* exclude (loaded_at)") == rows
    assert report(again, "shop.orders")["suppressed_rows"] == 3
    assert report(again, "shop.orders")["rows_delivered"] == 2
    assert report(again, "shop.lines")["suppressed_rows"] == 3


def test_what_hangs_on_a_new_row_of_theirs_is_left_out_too(
    run: Run, tmp_path: Path
) -> None:
    erase(run, ask(tmp_path, f"email,{ADA}"))
    data = run.company.folder / "data"
    with (data / "orders.csv").open("a") as orders:
        orders.write(f"O10009,2024-03-03 10:00:00,{ADA},,5.00\n")
    with (data / "lines.csv").open("a") as lines:
        lines.write("O10009,1,jam,2024-03-03 10:00:00\n")
    # Lines before their orders: only the admission can know.
    new = new_run(run.company.folder, "2024-03-01", "2024-03-31")
    for table in ("shop.lines", "shop.orders"):
        pull_table(new, table)
    for table in ("shop.lines", "shop.orders"):
        admit_table(new, table)
    assert "O10009" not in "".join(text for _, text in shop.values_in(run.home))
    assert admitted(new, "shop.lines", "order_number") == [("O10002",)]


def test_who_is_shared_pulls_in_nobody(run: Run, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="row 1: phone is shared by several"):
        erase(run, ask(tmp_path, f"phone,{SHARED}"))
    assert not (run.folder / ERASING).exists()
    assert len(admitted(run, "shop.orders", "order_number")) == 4


def test_several_persons_of_one_file_have_an_entry_each(
    run: Run, tmp_path: Path
) -> None:
    file = ask(tmp_path, f"email,{ADA}", "member,M-7002", "customer_number,N00002")
    proof = proof_of(erase(run, file))
    assert proof["entries"] == [1, 2]
    assert admitted(run, "shop.orders", "order_number") == [("O10003",)]
    held = json.loads((run.folder / SUPPRESSED).read_text())["entries"]
    assert [entry["number"] for entry in held] == [1, 2]
    assert (run.folder / SUPPRESSED).stat().st_mode & 0o777 == 0o600


# --- keys -----------------------------------------------------------------------------


def test_an_entry_outlives_the_key_that_made_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    erase(run, ask(tmp_path, f"email,{ADA}"))
    monkeypatch.setenv("KITH_IDENTIFIER_KEY", "n" * 40)
    with pytest.raises(CredentialsError, match="KITH_FORMER_IDENTIFIER_KEYS") as caught:
        pull_and_admit(run.company.folder, "shop.orders")
    assert shop.KEY not in str(caught.value)
    monkeypatch.setenv("KITH_FORMER_IDENTIFIER_KEYS", f"{'o' * 40},{shop.KEY}")
    again = pull_and_admit(run.company.folder)
    assert admitted(again, "shop.orders", "order_number") == [("O10002",), ("O10003",)]
    assert admitted(again, "shop.lines", "order_number") == [("O10002",)]
    assert admitted(again, "shop.customers", "number, recommended_by") == [
        ("N00002", None)
    ]
    assert admitted(again, "web.clicks", "click") == [("C2",), ("C4",)]


def test_without_a_key_nothing_is_begun(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KITH_IDENTIFIER_KEY")
    with pytest.raises(CredentialsError, match="set KITH_IDENTIFIER_KEY"):
        erase(run, ask(tmp_path, "member,M-7001"))
    assert not (run.folder / ERASING).exists()


# --- kills ---------------------------------------------------------------------------


_ERASE = """
import os, signal, sys
from pathlib import Path
from kith.company.folder import load_company
from kith.rights.erasure import erase
from kith.runs.run import Interval, Run
import datetime as dt
left = int(sys.argv[4])
def kill(event, args):
    global left
    if event in ("os.rename", "os.remove", "shutil.rmtree"):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
company = load_company(Path(sys.argv[1]))
day = dt.date(2024, 3, 1)
run = Run(company, Interval(day, day), "erase", Path(sys.argv[2]))
sys.addaudithook(kill)
erase(run, Path(sys.argv[3]))
"""


@pytest.mark.parametrize("nth", [1, 3, 6, 11, 18])
def test_killed_anywhere_a_second_call_ends_it(
    run: Run, tmp_path: Path, nth: int
) -> None:
    file = ask(tmp_path, f"email,{ADA}")
    arguments = [run.company.folder, run.home, file, nth]
    done = subprocess.run(
        [sys.executable, "-c", _ERASE, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    proof = proof_of(erase(run, file))
    assert traces_in(run.home) == set()
    assert proof["left"] == []
    assert {name: t["rows"] for name, t in proof["removed"]["raw"].items()} == {
        "shop.customers": 1,
        "shop.orders": 3,
        "shop.lines": 3,
        "web.clicks": 2,
    }
    after = report(run, "shop.orders")
    assert (after["admitted"], after["quarantined"], after["duplicates"]) == (2, 0, 0)
    assert after["suppressed_rows"] == 3
    assert verify((run.published / "current").resolve()) == []
    assert not (run.folder / ERASING).exists()


def test_postgresql_is_loaded_anew_before_the_erasure_ends(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = Postgres(connection="bi")
    company = run.company.model_copy(update={"postgres": declared})
    run = Run(company, run.interval, run.run_id, run.home)
    file = ask(tmp_path, f"email,{ADA}")
    states: list[bool] = []

    def serve(run: Run, _: object, kept_former: int) -> Served:
        assert kept_former == 0
        release = (run.published / "current").resolve()
        states.append(traces_in(release) == set() and verify(release) == [])
        if len(states) == 1:
            raise TransientError("the server is away; expected it; start it")
        return Served(release.name, "kith_new", 4, [], [], ["kith_former"])

    monkeypatch.setattr(erasure, "serve", serve)

    def call() -> Path:
        return erase(run, file, find_connection=lambda name: Connection(name, "x"))

    with pytest.raises(TransientError, match="the server is away"):
        call()
    assert erasure.is_pending(run)
    proof = proof_of(call())
    assert states == [True, True]
    assert proof["served_anew"][1] == "kith_new"
    assert ["kith_former" in each for each in proof["left"]] == [True]
    assert proof["removed"]["raw"]["shop.orders"]["rows"] == 3
    with pytest.raises(ConfigurationError, match="expected its connection too"):
        erase(run, file)


def test_a_second_call_finds_nothing_more(run: Run, tmp_path: Path) -> None:
    file = ask(tmp_path, f"email,{ADA}")
    first = proof_of(erase(run, file))
    second = proof_of(erase(run, file))
    assert second["entries"] == first["entries"] == [1]
    assert second["removed"] == {}
    assert len(list((run.folder / "erasures").iterdir())) == 2


def test_others_are_erased_after_somebody_was_twice(run: Run, tmp_path: Path) -> None:
    for _ in range(3):
        erase(run, ask(tmp_path, f"email,{ADA}"))
    assert proof_of(erase(run, ask(tmp_path, f"email,{BOB}")))["entries"] == [2]
    assert len(list((run.folder / "erasures").iterdir())) == 4


def test_state_of_kiths_outlives_values_that_look_alike(
    run: Run, tmp_path: Path
) -> None:
    erase(run, ask(tmp_path, f"email,{BOB}"))
    held = run.folder / SUPPRESSED
    then = json.loads(held.read_text())
    then["entries"][0]["suppressed_at"] = "2024-04-01T10:00:00.878245"
    held.write_text(json.dumps(then))
    entry = {"stage": "pull", "item": "", "event": "end", "at": 1.878245}
    line = json.dumps({**entry, "figures": {"bytes": 878245}}) + "\n"
    run.run_folder.mkdir(parents=True, exist_ok=True)
    journal = run.run_folder / "journal.jsonl"
    journal.write_text(line)
    plan = preview(run, ask(tmp_path, f"email,{ADA}")).plan
    plan.records.append(("shop", "878245"))
    plan.written.append("stage")
    (run.folder / ERASING).write_text(plan.model_dump_json())
    assert proof_of(erase(run, None))["left"] == []
    assert journal.read_text() == line
    now = json.loads(held.read_text())
    assert now["entries"][0] == then["entries"][0]
    assert len(now["entries"]) == 2


def test_what_a_killed_task_left_half_written_goes(run: Run, tmp_path: Path) -> None:
    attempt = next(run.raw("shop.orders").glob("[0-9]*/[0-9]*"))
    left = [
        attempt / ".0000_orders.parquet",
        run.folder / ".erasing.json.new",
        run.folder / "history" / ".told.json",
    ]
    (run.folder / "history").mkdir(exist_ok=True)
    for path in left:
        path.write_text(ADA)
    lock = run.folder / "history" / ".lock"
    lock.touch()
    file = ask(tmp_path, f"email,{ADA}")
    assert preview(run, file).findings.raw["shop.orders"] == 3
    assert proof_of(erase(run, file))["left"] == []
    assert not any(path.exists() for path in left)
    assert lock.exists()
    assert traces_in(run.home) == set()


def test_a_plan_that_cannot_be_read_quotes_nobody(run: Run) -> None:
    (run.folder / ERASING).write_text(json.dumps({"own": ADA}))
    with pytest.raises(ConfigurationError, match="run make erase APPLY=yes") as caught:
        erase(run, None)
    assert ADA not in str(caught.value)


def test_the_proof_tells_nobody(run: Run, tmp_path: Path) -> None:
    text = erase(run, ask(tmp_path, f"email,{ADA}")).read_text()
    assert not any(trace in text or trace[:8] in text for trace in shop.TRACES)
    assert BOB not in text


# --- the command ----------------------------------------------------------------------


@pytest.fixture
def asked(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that names Ada, and the command told of it."""
    file = ask(tmp_path, f"email,{ADA}")
    for name, value in (("COMPANY", run.company.folder), ("FILE", file)):
        monkeypatch.setenv(name, str(value))
    return file


def test_the_command_says_what_would_go_and_what_has_gone(
    asked: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["erase"]) == 0
    assert "Nothing was erased" in capsys.readouterr().out
    monkeypatch.setenv("APPLY", "yes")
    assert cli.main(["erase"]) == 0
    told = capsys.readouterr()
    assert "Erased, entry 1; proof: " in told.out
    assert not any(trace in told.out + told.err for trace in shop.TRACES)


def test_the_command_says_last_whom_it_did_not_erase(
    run: Run,
    asked: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("APPLY", "yes")
    pending = run.folder / ERASING
    plan = preview(run, asked).plan.model_dump_json()
    pending.write_text(plan)
    # The same persons as before need no further call.
    assert cli.main(["erase"]) == 0
    pending.write_text(plan)
    ask(asked.parent, f"email,{BOB}")
    capsys.readouterr()
    assert cli.main(["erase"]) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith(f"The persons of {asked} were NOT erased")
