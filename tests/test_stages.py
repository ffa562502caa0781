"""What a run is planned to be, and what a replay does."""

import datetime as dt
import shutil
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pendulum
import pytest
from airflow.sdk.definitions.connection import Connection as AirflowConnection

from kith.build import candidate
from kith.build.engines import spark_environment
from kith.company.folder import load_company
from kith.errors import ConfigurationError, DeliveryError
from kith.publish import pruning
from kith.runs.journal import Journal
from kith.runs.provenance import company_as_of, provenance_of
from kith.runs.run import Run
from kith.settings import REPOSITORY
from kith.stages import admit, audit, build, plan, prune, pull
from tests.one_table import COLUMNS, company, deliver, report, run_door, sales

SHOP = REPOSITORY / "tests/companies/corner_shop"
BERLIN = ZoneInfo("Europe/Berlin")


def params(**given: Any) -> dict[str, Any]:
    return {"from_day": None, "to_day": None, "replay": False, **given}


def test_plan_gives_the_run_once_and_the_tables(kith_home: Path) -> None:
    days = params(from_day="2024-02-01", to_day="2024-02-29")
    values, planned = plan(str(SHOP), days, "by hand")
    tables = [table.full_name for table in load_company(SHOP).sources]
    assert planned == [{"table": table} for table in tables]
    run = Run.from_dict(values)
    assert (run.interval.slug, run.run_id) == ("20240201-20240229", "by hand")
    assert run.folder == kith_home / "corner_shop"
    assert (run.run_folder / "journal.jsonl").is_file()


@pytest.mark.parametrize(
    "company", [SHOP, REPOSITORY / "companies" / "complete_journey"]
)
def test_plan_takes_the_business_day_of_a_scheduled_interval(
    kith_home: Path, company: Path
) -> None:
    # Berlin's midnight lies before that of UTC, New York's after it; on both of these
    # days a clock was changed somewhere. Airflow hands over times of pendulum.
    zone = load_company(company).time_zone
    for day in (dt.date(2017, 3, 12), dt.date(2017, 3, 26)):
        start = pendulum.datetime(day.year, day.month, day.day, tz=zone)
        end = start.add(days=1)
        interval = start.in_timezone("UTC"), end.in_timezone("UTC")
        run, _ = plan(str(company), params(), "s", *interval)
        assert (run["from_day"], run["to_day"]) == (str(day),) * 2


@pytest.mark.parametrize(
    ("begin", "end", "days"),
    [
        # Each morning at half past six the day before; of seven days none is missed.
        ("2024-03-30 06:30", "2024-03-31 06:30", ("2024-03-30", "2024-03-30")),
        ("2024-03-31 06:30", "2024-04-01 06:30", ("2024-03-31", "2024-03-31")),
        # Each Monday at midnight, or in the morning, the week before.
        ("2024-03-25 00:00", "2024-04-01 00:00", ("2024-03-25", "2024-03-31")),
        ("2024-03-25 06:30", "2024-04-01 06:30", ("2024-03-25", "2024-03-31")),
    ],
)
def test_plan_takes_the_days_that_are_over_whatever_the_hour(
    kith_home: Path, begin: str, end: str, days: tuple[str, str]
) -> None:
    interval = (pendulum.parse(moment, tz="Europe/Berlin") for moment in (begin, end))
    run, _ = plan(str(SHOP), params(), "s", *interval)  # type: ignore[arg-type]
    assert (run["from_day"], run["to_day"]) == days


def test_chosen_days_win_over_the_interval(kith_home: Path) -> None:
    start, end = (dt.datetime(2026, 1, day, tzinfo=dt.UTC) for day in (1, 2))
    days = params(from_day="2024-01-01", to_day="2024-01-31")
    run, _ = plan(str(SHOP), days, "s", start, end)
    assert (run["from_day"], run["to_day"]) == ("2024-01-01", "2024-01-31")


def test_schedule_has_nothing_to_do_after_a_companys_last_day(kith_home: Path) -> None:
    last, after = (dt.datetime(2024, 12, day, tzinfo=BERLIN) for day in (30, 31))
    assert plan(str(SHOP), params(), "s", last, after)[1]
    first, second = (dt.datetime(2025, 1, day, tzinfo=BERLIN) for day in (1, 2))
    assert plan(str(SHOP), params(), "s", first, second)[1] == []
    assert not list((kith_home / "corner_shop" / "runs").glob("*2025*"))


def test_without_interval_and_days_the_error_names_the_cure(kith_home: Path) -> None:
    with pytest.raises(ConfigurationError, match="from_day and to_day"):
        plan(str(SHOP), params(), "api")


def counts(run: Run) -> tuple[int, int]:
    return report(run)["admitted"], report(run)["quarantined"]


def test_a_replay_judges_what_lies_in_quarantine_anew_and_pulls_nothing(
    kith_home: Path, tmp_path: Path
) -> None:
    lines = [*sales(12), "X,2024-03-01 12:00,-1,1", "Y,2024-03-03 12:00,-1,1"]
    deliver(company(tmp_path, quarantine_limit_pct=50), lines)
    first, second, third = (
        run_door(tmp_path, f"2024-03-0{day}", f"2024-03-0{day}") for day in (1, 2, 3)
    )
    assert [counts(run) for run in (first, second, third)] == [(4, 1), (4, 0), (4, 1)]
    raw = sorted(first.folder.glob("raw/**/*.parquet"))
    shop = str(tmp_path)
    replay = params(from_day="2024-03-01", to_day="2024-03-31", replay=True)
    assert [one["delivery"] for one in plan(shop, replay, "r")[1]] == [
        "20240301-20240301",
        "20240303-20240303",
    ]
    later = {**replay, "from_day": "2024-03-02"}
    assert [one["delivery"] for one in plan(shop, later, "r")[1]] == [
        "20240303-20240303"
    ]

    columns = [dict(column, meta={}) for column in COLUMNS]
    company(tmp_path, columns=columns)
    (tmp_path / "data" / "sales.csv").unlink()
    run, judged = plan(shop, replay, "r")
    for each in judged:
        pull(run, **each)
        admit(run, **each)
    assert [counts(each) for each in (first, second, third)] == [
        (5, 0),
        (4, 0),
        (5, 0),
    ]
    assert sorted(first.folder.glob("raw/**/*.parquet")) == raw
    assert plan(shop, replay, "r")[1] == []


def test_a_replay_takes_a_refused_delivery_but_none_that_a_newer_one_covers(
    kith_home: Path, tmp_path: Path
) -> None:
    bad = "X,2024-03-01 12:00,-1,1"
    deliver(company(tmp_path, quarantine_limit_pct=10), [*sales(4), bad])
    with pytest.raises(DeliveryError, match="quarantine_limit_pct 10"):
        run_door(tmp_path, "2024-03-01", "2024-03-01")
    replay = params(from_day="2024-03-01", to_day="2024-03-01", replay=True)
    _, judged = plan(str(tmp_path), replay, "r")
    assert [one["delivery"] for one in judged] == ["20240301-20240301"]
    deliver(tmp_path, sales(4))
    run_door(tmp_path, "2024-03-01", "2024-03-02")
    assert plan(str(tmp_path), replay, "r")[1] == []


def test_what_cannot_be_pruned_is_told_and_fails_nothing(
    tmp_path: Path, kith_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(company(tmp_path), sales(40))
    run = run_door(tmp_path)

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied", "/some/folder")

    monkeypatch.setattr(pruning, "prune", refuse)
    prune(run.to_dict(), ())
    journal = Journal(run.run_folder)
    list(journal.new_entries())
    assert journal.failure() is None
    assert "Permission denied" in journal.pruned()
    monkeypatch.undo()
    monkeypatch.setenv("KITH_HOME", str(kith_home))
    for _ in range(4):
        run_door(tmp_path)
    prune(run.to_dict(), ())
    list(journal.new_entries())
    # One was taken by no run that failed, but none of these runs was published.
    assert journal.pruned() == ""


def test_each_stage_keeps_what_the_run_is_made_with(
    tmp_path: Path, kith_home: Path
) -> None:
    deliver(company(tmp_path), sales(40))
    values, _ = plan(
        str(tmp_path), params(from_day="2024-03-01", to_day="2024-03-31"), "r"
    )
    run = Run.from_dict(values)
    assert provenance_of(run.run_folder).run_id == "r"
    pull(values, "shop.sales")
    (tmp_path / "company.yml").write_text(
        (tmp_path / "company.yml").read_text().replace("Shop", "Mended")
    )
    admit(values, "shop.sales")
    company_as_of(run.run_folder, tmp_path / "then")
    assert load_company(tmp_path / "then").title == "Mended"


def test_build_and_audit_are_told_of_spark_what_airflow_knows(
    tmp_path: Path, kith_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(SHOP, tmp_path / "shop")
    with (folder / "company.yml").open("a") as declared:
        declared.write("\nengine: spark\nspark_connection: lake\n")
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", "")
    told = []

    def note(run: Run) -> None:
        told.append(spark_environment(run)["KITH_SPARK"])

    monkeypatch.setattr(candidate, "build", note)
    monkeypatch.setattr("kith.gate.audit.audit", note)
    known = AirflowConnection(
        conn_id="lake", conn_type="spark_connect", host="sc://here"
    )
    values, _ = plan(
        str(folder), params(from_day="2024-02-01", to_day="2024-02-29"), "r"
    )
    for stage in (build, audit):
        monkeypatch.setenv("AIRFLOW_CONN_LAKE", "")
        stage(values, {"lake": known})
    assert told == ["sc://here:15002"] * 2
