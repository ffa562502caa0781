"""Nobody is erased while somebody else is at work, and nobody begins meanwhile."""

from pathlib import Path

import pytest

from kith import stages
from kith.deliveries.raw import ERASING
from kith.errors import TransientError
from kith.rights.erasure import erase
from kith.runs.run import Run
from tests.rights.shop import ADA, ask


def test_a_run_in_progress_is_not_disturbed(run: Run, tmp_path: Path) -> None:
    file = ask(tmp_path, f"email,{ADA}")
    with (
        run.stage("build"),
        pytest.raises(TransientError, match=r"in progress \(build"),
    ):
        erase(run, file)
    with run.writer_lock(), pytest.raises(TransientError, match="or another erasure"):
        erase(run, file)
    assert not (run.folder / ERASING).exists()


def test_no_run_begins_while_an_erasure_has_not_ended(run: Run) -> None:
    (run.folder / ERASING).write_text("{}")
    asked = {"from_day": "2024-03-01", "to_day": "2024-03-31"}
    with pytest.raises(TransientError, match="end it with make erase APPLY=yes"):
        stages.plan(str(run.company.folder), asked, "run_2")
