"""What is laid into the scratch of a run."""

from pathlib import Path

import pytest

from kith.reproduce.scratch import lay_scratch
from kith.runs.provenance import keep_provenance
from kith.runs.run import Run
from tests.conftest import new_run
from tests.one_table import TABLE, company, deliver, run_door, sales

pytestmark = pytest.mark.usefixtures("kith_home")


def intervals(run: Run) -> list[str]:
    return sorted(path.name for path in run.admitted(TABLE).glob("[0-9]*"))


def test_what_counted_before_is_linked_and_its_own_attempt_is_to_be_judged(
    tmp_path: Path,
) -> None:
    deliver(company(tmp_path), sales(40))
    first = run_door(tmp_path, "2024-03-01", "2024-03-04")
    run = run_door(tmp_path, "2024-03-05", "2024-03-31")
    keep_provenance(run)
    # Since then: a delivery of a day that the run did not know.
    run_door(tmp_path, "2024-04-01", "2024-04-30")
    scratch = lay_scratch(run, TABLE)
    assert intervals(scratch.run) == [first.interval.slug]
    data = Path(first.interval.slug, "data.parquet")
    linked = scratch.run.admitted(TABLE) / data
    assert linked.stat().st_ino == (run.admitted(TABLE) / data).stat().st_ino
    ((table, interval, attempt),) = scratch.to_admit
    assert (table, interval) == (TABLE, run.interval.slug)
    scratch.link(table, interval, attempt)
    place = Path(interval, attempt, "manifest.json")
    assert (scratch.run.raw(TABLE) / place).samefile(run.raw(TABLE) / place)


def test_what_was_replaced_since_is_judged_again_before_the_runs_own(
    tmp_path: Path,
) -> None:
    deliver(company(tmp_path), sales(40))
    run_door(tmp_path, "2024-03-01", "2024-03-04")
    run = run_door(tmp_path, "2024-03-05", "2024-03-31")
    keep_provenance(run)
    again = run_door(tmp_path, "2024-03-01", "2024-03-04")
    scratch = lay_scratch(run, None)
    assert intervals(scratch.run) == []
    judged = [interval for _, interval, _ in scratch.to_admit]
    assert judged == [again.interval.slug, run.interval.slug]


def test_a_table_delivered_whole_is_judged_against_former_deliveries(
    tmp_path: Path,
) -> None:
    deliver(company(tmp_path, cursor=None), sales(40))
    for day in ("2024-03-01", "2024-03-02"):
        run_door(tmp_path, day, day)
    run = run_door(tmp_path, "2024-03-03", "2024-03-03")
    keep_provenance(run)
    run_door(tmp_path, "2024-03-04", "2024-03-04")
    former = run.admitted(TABLE) / "20240301-20240301" / "data.parquet"
    former.unlink()  # As a prune does.
    scratch = lay_scratch(run, TABLE)
    assert intervals(scratch.run) == ["20240301-20240301", "20240302-20240302"]
    assert [interval for _, interval, _ in scratch.to_admit] == ["20240303-20240303"]


def test_the_history_of_later_runs_is_left_out(tmp_path: Path) -> None:
    import os

    deliver(company(tmp_path), sales(40))
    run = run_door(tmp_path, "2024-03-05", "2024-03-31")
    keep_provenance(run)
    history = run.folder / "history" / "gate_results"
    history.mkdir(parents=True)
    for name, moment in (("before", 1e9), ("after", 9e9)):
        (history / f"{name}.parquet").touch()
        os.utime(history / f"{name}.parquet", (moment, moment))
    scratch = lay_scratch(new_run_of(run), None)
    laid = (scratch.run.folder / "history").rglob("*.parquet")
    assert [path.stem for path in laid] == ["before"]


def new_run_of(run: Run) -> Run:
    """The run as the command knows it: by its id alone."""
    other = new_run(run.company.folder)
    return Run(other.company, other.interval, run.run_id, run.home)
