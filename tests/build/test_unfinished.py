"""When the next build may go on from a failed one, and when it may not."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kith.build import unfinished
from kith.build.control_tables import LOGS
from kith.build.dbt import target
from kith.build.unfinished import built_by_hand, inputs_of, leave, left, remaining
from kith.runs.run import Run
from kith.settings import REPOSITORY
from tests.one_table import TABLE, company, deliver, run_door, sales

CONTROL_TABLES = [
    f"source:kith.{name}+"
    for name in (
        *("source_tables", "feeds_provided", "admitted_days"),
        *("source_warnings", "quarantined_rows"),
        *LOGS,
    )
]


@pytest.fixture(autouse=True)
def project(kith_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dbt project of the test's own."""
    copy = tmp_path / "dbt_project"
    shutil.copytree(REPOSITORY / "dbt_project", copy)
    monkeypatch.setattr(unfinished, "DBT_PROJECT", copy)
    return copy


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A company with a staging model."""
    made = company(tmp_path / "shop")
    deliver(made, sales(12))
    (made / "staging").mkdir(exist_ok=True)
    (made / "staging" / "stg_shop__orders.sql").write_text("select 1 as i")
    return made


def dbt_ended(run: Run, **statuses: str) -> None:
    results = [
        {"unique_id": f"model.kith.{name}", "status": status}
        for name, status in statuses.items()
    ]
    target(run).mkdir(parents=True, exist_ok=True)
    (target(run) / "run_results.json").write_text(json.dumps({"results": results}))


def pulled(folder: Path) -> Run:
    return run_door(folder, "2024-03-01", "2024-03-03")


def failed(folder: Path) -> Run:
    """A run whose build failed at `customers`."""
    run = pulled(folder)
    run.warehouse.parent.mkdir(parents=True, exist_ok=True)
    run.warehouse.write_text("a candidate")
    dbt_ended(run, feed_orders="success", customers="error", customer_values="skipped")
    leave(run, inputs_of(run))
    return run


def rest(run: Run) -> list[str]:
    return remaining(run, inputs_of(run))


UNFINISHED = ["customer_values+", "customers+", *CONTROL_TABLES]


def test_the_same_data_pulled_again_go_on(folder: Path) -> None:
    failed(folder)
    again = pulled(folder)
    path = again.admitted(TABLE) / again.interval.slug / "report.json"
    report = json.loads(path.read_text())
    # What admission compares a delivery with is another one by now.
    path.write_text(json.dumps({**report, "warnings": ["more rows than usual"]}))
    assert rest(again) == UNFINISHED
    # Only once: nobody knows how that build ended.
    assert rest(pulled(folder)) == []


def test_models_that_were_edited_are_built_again_with_what_follows(
    folder: Path, project: Path
) -> None:
    failed(folder)
    marts = project / "models" / "marts"
    for name in ("customer/customers.sql", "segment/cohorts.yml"):
        (marts / name).write_text((marts / name).read_text() + "\n")
    (marts / "segment" / "new_marts.sql").write_text("select 1 as i")
    (folder / "staging" / "stg_shop__orders.sql").write_text("select 2 as i")
    assert rest(pulled(folder)) == [
        *("cohorts+", "customer_values+", "customers+", "new_marts+"),
        *("stg_shop__orders+", *CONTROL_TABLES),
    ]


def _append(name: str) -> Callable[[Path, Path], None]:
    def change(folder: Path, project: Path) -> None:
        path = (folder if name.startswith("company/") else project) / Path(
            name.removeprefix("company/")
        )
        path.write_text((path.read_text() if path.is_file() else "") + "\n")

    return change


def _one_more_sale(folder: Path, project: Path) -> None:
    deliver(folder, [*sales(12), "X,2024-03-02 12:00,1,1"])


def _another_price(folder: Path, project: Path) -> None:
    deliver(folder, [*sales(11), sales(12)[-1].replace(".50", ".75")])


def _without_a_model(folder: Path, project: Path) -> None:
    (project / "models" / "marts" / "segment" / "cohorts.sql").unlink()
    (project / "models" / "marts" / "segment" / "cohorts.yml").unlink()


@pytest.mark.parametrize(
    "change",
    [
        _append("macros/feed.sql"),
        _append("dbt_project.yml"),
        _append("models/_kith_sources.yml"),
        _append("seeds/rfm_segment_names.csv"),
        _append("company/company.yml"),
        _append("company/sources.yml"),
        _append("company/staging/_columns.yml"),
        _without_a_model,
        _one_more_sale,
        _another_price,
    ],
)
def test_anything_else_that_changed_means_a_whole_build(
    change: Callable[[Path, Path], None],
    folder: Path,
    project: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    first = failed(folder)
    change(folder, project)
    assert rest(pulled(folder)) == []
    assert f"changed since {first.run_id} failed" in capsys.readouterr().out


def test_an_open_editor_changes_nothing(folder: Path, project: Path) -> None:
    failed(folder)
    (project / "models" / "marts" / "customer" / ".customers.sql.swp").write_text("")
    assert rest(pulled(folder)) == UNFINISHED


def test_another_as_of_date_means_a_whole_build(folder: Path) -> None:
    failed(folder)
    assert rest(run_door(folder, "2024-03-01", "2024-03-04")) == []


def test_a_candidate_that_somebody_touched_is_not_gone_on_with(folder: Path) -> None:
    run = failed(folder)
    assert left(run)
    run.warehouse.write_text("another candidate")
    assert left(run) is None
    assert rest(pulled(folder)) == []


def test_a_build_that_was_killed_leaves_nothing(folder: Path) -> None:
    run = pulled(folder)
    run.warehouse.parent.mkdir(parents=True, exist_ok=True)
    run.warehouse.write_text("half a candidate")
    leave(run, inputs_of(run))
    assert rest(pulled(folder)) == []


def test_what_was_built_by_hand_meanwhile_is_built_again(folder: Path) -> None:
    run = failed(folder)
    former = left(run)
    assert former
    run.warehouse.write_text("a candidate that was worked on")
    dbt_ended(run, customers="success", feed_orders="success")
    built_by_hand(run, former)
    assert rest(pulled(folder)) == [
        *("customer_values+", "customers+", "feed_orders+", *CONTROL_TABLES)
    ]


def test_a_dbt_by_hand_that_was_killed_leaves_nothing(folder: Path) -> None:
    run = failed(folder)
    former = left(run)
    assert former
    run.warehouse.write_text("a candidate that was worked on")
    (target(run) / "run_results.json").unlink()
    built_by_hand(run, former)
    assert rest(pulled(folder)) == []


def test_no_model_reads_which_run_it_is_built_in(project: Path) -> None:
    # Of kith.run the run's id alone may differ when a build goes on from another.
    logs = {f"{name}.sql" for name in LOGS}
    reading = {
        path.name
        for path in (*project.rglob("models/**/*.sql"), *project.rglob("macros/*.sql"))
        if "run_id" in path.read_text()
    }
    assert reading <= logs
