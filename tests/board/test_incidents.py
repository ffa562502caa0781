"""The pages show what the room of incidents tells, where there is one."""

import datetime as dt
from pathlib import Path
from types import SimpleNamespace

import pytest

from kith.board import incidents
from kith.board.incidents import incidents_of, open_incidents, standing


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[SimpleNamespace]:
    def incident(run_id: str, is_open: bool) -> SimpleNamespace:
        return SimpleNamespace(
            run_id=run_id,
            recovered_at=None if is_open else dt.datetime(2024, 1, 3),
            broken={("admit", "shop.a"): None},
            severity="critical",
            task="admit shop.a",
            cause="no rows",
            failure_class="contract",
            failure_count=3,
            first_seen_at=dt.datetime(2024, 1, 2, 3, 4),
            lines=lambda: [f"Incident of {run_id}"],
        )

    found = [incident("new", True), incident("old", False)]
    rooms = {
        "history": SimpleNamespace(
            incidents=lambda state: found,
            open_incidents=lambda state: found[:1],
        ),
        "readers": SimpleNamespace(
            standing=lambda state, company, now: SimpleNamespace(
                is_fresh=False, text=f"late at {now.tzinfo}"
            )
        ),
    }
    monkeypatch.setattr(incidents, "_room", rooms.get)
    return found


def test_the_incidents_of_a_run_and_the_open_ones_of_a_task_are_shown(
    told: list[SimpleNamespace], tmp_path: Path
) -> None:
    of = {name: [f"Incident of {name}"] for name in ("new", "old")}
    assert incidents_of(tmp_path, "old", "build", "") == [of["old"]]
    assert incidents_of(tmp_path, "later", "admit", "shop.a") == [of["new"]]
    assert incidents_of(tmp_path, "later", "admit", "shop.b") == []
    assert open_incidents(tmp_path) == [
        "critical: admit shop.a failed: no rows (contract, 3 times since "
        "2024-01-02 03:04 UTC)"
    ]
    assert standing(tmp_path, None) == (False, "late at UTC")
