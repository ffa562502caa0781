"""What the events of an incident add up to, and how it is told."""

from pathlib import Path

import pytest

from kith.errors import DeliveryError
from kith.incidents.history import incidents, record_success
from kith.incidents.incident import of_events, opened_by, ordered
from kith.runs.run import Run
from tests.conftest import new_run
from tests.incidents.test_history import TABLE, fail
from tests.one_table import company

EVENT = {
    **{"event": "failure", "at": "2024-03-05T01:00:00", "company": "shop"},
    **{"owner": "kith", "failure_class": "contract", "thing": TABLE},
    **{"stage": "admit", "item": TABLE, "from_day": "2024-03-05"},
    **{"to_day": "2024-03-05", "run_id": "r", "cause": "c", "details": "d"},
    **{"rows": "", "file": "", "query": "", "release_id": None},
    **{"release_as_of_date": None, "is_fresh": None, "effect": "e"},
}


@pytest.fixture
def run(kith_home: Path, tmp_path: Path) -> Run:
    return new_run(company(tmp_path / "shop"), "2024-03-05", "2024-03-05")


def test_its_lines_say_all_of_it_and_none_is_cut(run: Run) -> None:
    error = DeliveryError("shop.sales: " + "a cause " * 30 + "; mend it")
    error.showing(rows="2 of 9", file="/q/x.parquet", query="select 1")
    found = fail(run, error)
    lines = found.lines()
    assert max(map(len, lines)) <= 102
    told = " ".join(" ".join(lines).split())
    for part in (
        f"Incident {found.incident_id} company shop, owner kith failed admit {TABLE}, "
        f"2024-03-05 to 2024-03-05, run {run.run_id} class contract, critical cause",
        " ".join(error.args[0].split(";")[0].split()),
        "details mend it rows 2 of 9 file /q/x.parquet query select 1 seen 1 time",
        "readers Readers have no release yet cure Who delivers; or mend",
    ):
        assert part in told
    assert lines[-1].strip().endswith("docs/runbooks/contract.md")
    record_success(run, "admit", TABLE)
    (closed,) = incidents(run.folder)
    assert closed.lines()[1].split()[0] == "recovered"


def test_without_an_event_there_is_none() -> None:
    assert of_events("i", []) is None
    # A success of what nobody saw failing.
    success = {"event": "success", "at": EVENT["at"], "stage": "admit", "item": TABLE}
    assert of_events("i", [success]) is None


def test_a_later_failure_says_what_is_the_case_now() -> None:
    later = {**EVENT, "at": "2024-03-06T01:00:00", "cause": "worse", "is_fresh": False}
    assert opened_by("i", EVENT).severity == "warning"
    found = of_events("i", [EVENT, later, {**EVENT, "at": "2024-03-07T01:00:00"}])
    assert found
    assert (found.cause, found.failure_count, found.severity) == ("c", 3, "critical")
    assert [f"{at:%d}" for at in (found.first_seen_at, found.last_seen_at)] == [
        *("05", "07")
    ]


def test_the_open_and_critical_ones_come_first() -> None:
    made = {
        name: opened_by(name, {**EVENT, "at": f"2024-03-0{day}T01:00:00", **more})
        for day, (name, more) in enumerate(
            {"old": {}, "new": {}, "critical": {"is_fresh": False}, "done": {}}.items(),
            start=1,
        )
    }
    made["done"].recovered_at = made["done"].first_seen_at
    assert [each.incident_id for each in ordered(made.values())] == [
        *("critical", "new", "old", "done")
    ]
