"""A run's journal, told to people."""

import json
from pathlib import Path

import pytest

from kith.errors import GateError, TransientError
from kith.runs.journal import Journal, describe, summary
from kith.runs.run import Run
from kith.settings import REPOSITORY
from tests.conftest import new_run


@pytest.fixture
def run(kith_home: Path) -> Run:
    return new_run(REPOSITORY / "tests/companies/corner_shop")


def lines(journal: Journal) -> list[str]:
    described = (describe(entry) for entry in journal.new_entries())
    return [" ".join(line.split()) for line in described if line]


def test_each_end_is_told_once_with_its_figures(run: Run) -> None:
    journal = Journal(run.run_folder)
    assert lines(journal) == []
    with run.stage("pull", "shop.orders") as figures:
        figures |= {"rows": 12345, "is_new": True, "path": "x"}
    with run.stage("build"):
        pass
    assert lines(journal) == [
        "pull shop.orders 0.0 s 12,345 rows",
        "build 0.0 s",
    ]
    assert lines(journal) == []


def test_a_line_that_is_still_being_written_waits(run: Run) -> None:
    with run.stage("plan"):
        pass
    path = run.run_folder / "journal.jsonl"
    text = path.read_text()
    journal = Journal(run.run_folder)
    path.write_text(text[:-5])
    assert lines(journal) == []
    path.write_text(text)
    assert lines(journal) == ["plan 0.0 s"]


def test_reason_of_a_failure_is_one_line(run: Run) -> None:
    with pytest.raises(GateError), run.stage("audit"):
        raise GateError("three rows\n  without key")
    journal = Journal(run.run_folder)
    assert lines(journal) == ["audit failed: three rows without key"]
    assert journal.failure() == "audit: three rows without key"


def test_a_long_reason_is_told_in_full_once(run: Run) -> None:
    reason = "shop.sales: " + "a word " * 60
    with pytest.raises(GateError), run.stage("audit"):
        raise GateError(reason)
    journal = Journal(run.run_folder)
    (line,) = lines(journal)
    assert line.startswith("audit failed: shop.sales: a word")
    assert line.endswith(" …") and len(line) < 190
    assert journal.failure() == f"audit: {reason.strip()}"


def test_a_failure_that_a_retry_mended_is_none(run: Run) -> None:
    with pytest.raises(TransientError), run.stage("pull", "a"):
        raise TransientError("not reachable")
    journal = Journal(run.run_folder)
    list(journal.new_entries())
    assert journal.failure() == "pull a: not reachable"
    with pytest.raises(TransientError), run.stage("pull", "b"):
        raise TransientError("busy")
    list(journal.new_entries())
    path = run.run_folder / "journal.jsonl"
    assert journal.failure() == f"pull a: not reachable; and 1 more failed, see {path}"
    for table in ("a", "b"):
        with run.stage("pull", table):
            pass
    list(journal.new_entries())
    assert journal.failure() is None


def test_the_stage_that_a_killed_process_was_in_is_known(run: Run) -> None:
    with run.stage("pull", "a"):
        pass
    stage = run.stage("build")
    stage.__enter__()
    journal = Journal(run.run_folder)
    list(journal.new_entries())
    assert journal.under_way() == ["build"]
    assert journal.failure() is None
    stage.__exit__(None, None, None)
    list(journal.new_entries())
    assert journal.under_way() == []
    assert list(journal.seconds()) == ["pull", "build"]


def test_notes_of_the_build_s_nodes_are_no_lines_of_their_own(run: Run) -> None:
    journal = Journal(run.run_folder)
    with run.stage("build"):
        for name, seconds in (("orders", 0.5), ("sessions", 3.25), ("customers", 1.0)):
            run.note("build", name, status="success", seconds=seconds)
        assert lines(journal) == []
        assert journal.under_way() == ["build"]
    assert lines(journal) == ["build 0.0 s"]
    assert journal.slowest(2) == {"sessions": 3.25, "customers": 1.0}
    assert journal.failure() is None


def test_the_summary_shows_what_deliveries_were_warned_of(run: Run) -> None:
    for attempt in ("first", "second"):
        with run.stage("admit", "shop.orders") as figures:
            figures["warnings"] = [f"{attempt} {number}" for number in range(11)]
            figures["refused"] = [f"shop.orders: {attempt}"]
    with run.stage("references") as figures:
        figures |= {"orphans_let_pass": 4, "warnings": ["orders: 4 rows without"]}
        figures["refused"] = ["shop.lines: 2 of 9 rows: 2 unknown_reference in order"]
    with run.stage("audit") as figures:
        figures["warnings"] = 3  # of the gate, which the summary tells beside them
    release = run.published / "current"
    release.mkdir(parents=True)
    gate = {"passed": 7, "warnings": 0, "failed_warnings": []}
    manifest = {"title": "Corner shop", "gate": gate, "marts": {}}
    (release / "manifest.json").write_text(json.dumps(manifest))
    journal = Journal(run.run_folder)
    assert "references 0.0 s 4 orphans let pass" in lines(journal)
    told = [" ".join(line.split()) for line in summary(run, journal, 1.0).splitlines()]
    start = told.index("sources 12 warnings")
    assert told[start + 1 : start + 12] == [
        *(f"warning: second {number}" for number in range(10)),
        "and 2 more, in the mart operations.source_warnings",
    ]
    assert told[start + 12 : start + 15] == [
        "refused rows, which the mart operations.quarantined_rows shows:",
        "shop.orders: second",
        "shop.lines: 2 of 9 rows: 2 unknown_reference in order",
    ]


def test_what_postgresql_serves_is_told_with_the_logins_it_lacks(run: Run) -> None:
    journal = Journal(run.run_folder)
    assert journal.served() == []
    with run.stage("serve") as figures:
        figures |= {"server": "db:5432/bi", "schemas": ["shop_customer"]}
        figures["logins_missing"] = "anna"
    list(journal.new_entries())
    assert journal.served() == [
        "db:5432/bi, schemas shop_customer",
        "no such login, to be made by whoever runs the server: anna",
    ]


def test_a_run_waits_until_somebody_has_decided(run: Run) -> None:
    journal = Journal(run.run_folder)
    assert journal.waits_until() is None
    with run.stage("approve") as figures:
        figures["waits_until"] = "2024-03-05T20:00:00+00:00"
    assert lines(journal) == [
        "approve 0.0 s waits for a person's approval on Airflow's page until "
        "2024-03-05T20:00:00+00:00"
    ]
    until = journal.waits_until()
    assert until and until.isoformat() == "2024-03-05T20:00:00+00:00"
    with pytest.raises(GateError), run.stage("approve"):
        raise GateError("rejected")
    lines(journal)
    assert journal.waits_until() is None
    assert journal.failure() == "approve: rejected"
