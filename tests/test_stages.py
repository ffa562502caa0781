"""What a run is planned to be, and what a replay does."""

import datetime as dt
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pendulum
import pytest

from kith.company.folder import load_company
from kith.errors import ConfigurationError, DeliveryError
from kith.runs.run import Run
from kith.settings import REPOSITORY
from kith.stages import admit, plan, pull
from tests.one_table import COLUMNS, company, deliver, report, run_door, sales

SHOP = REPOSITORY / "tests/companies/corner_shop"
BERLIN = ZoneInfo("Europe/Berlin")


def params(**given: str) -> dict[str, Any]:
    return {"company": str(SHOP), "from_day": None, "to_day": None, **given}


def test_plan_names_the_run_once_per_table(kith_home: Path) -> None:
    days = params(from_day="2024-02-01", to_day="2024-02-29")
    planned = plan(days, "by hand")
    tables = [table.full_name for table in load_company(SHOP).sources]
    assert [one["table"] for one in planned] == tables
    run = Run.from_dict(planned[0])
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
        days = params(company=str(company))
        planned = plan(days, "s", start.in_timezone("UTC"), end.in_timezone("UTC"))
        assert (planned[0]["from_day"], planned[0]["to_day"]) == (str(day),) * 2


def test_chosen_days_win_over_the_interval(kith_home: Path) -> None:
    start, end = (dt.datetime(2026, 1, day, tzinfo=dt.UTC) for day in (1, 2))
    planned = plan(params(from_day="2024-01-01", to_day="2024-01-31"), "s", start, end)
    assert (planned[0]["from_day"], planned[0]["to_day"]) == (
        "2024-01-01",
        "2024-01-31",
    )


def test_schedule_has_nothing_to_do_after_a_companys_last_day(kith_home: Path) -> None:
    last, after = (dt.datetime(2024, 12, day, tzinfo=BERLIN) for day in (30, 31))
    assert plan(params(), "s", last, after)
    first, second = (dt.datetime(2025, 1, day, tzinfo=BERLIN) for day in (1, 2))
    assert plan(params(), "s", first, second) == []
    assert not list((kith_home / "corner_shop" / "runs").glob("*2025*"))


def test_without_interval_and_days_the_error_names_the_cure(kith_home: Path) -> None:
    with pytest.raises(ConfigurationError, match="from_day and to_day"):
        plan(params(), "api")


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
    replay = {
        **params(company=str(tmp_path), from_day="2024-03-01", to_day="2024-03-31"),
        "replay": True,
    }
    assert [one["delivery"] for one in plan(replay, "r")] == [
        "20240301-20240301",
        "20240303-20240303",
    ]
    assert [
        one["delivery"] for one in plan({**replay, "from_day": "2024-03-02"}, "r")
    ] == ["20240303-20240303"]

    columns = [dict(column, meta={}) for column in COLUMNS]
    company(tmp_path, columns=columns)
    (tmp_path / "data" / "sales.csv").unlink()
    for planned in plan(replay, "r"):
        pull(planned)
        admit(planned)
    assert [counts(run) for run in (first, second, third)] == [(5, 0), (4, 0), (5, 0)]
    assert sorted(first.folder.glob("raw/**/*.parquet")) == raw
    assert plan(replay, "r") == []


def test_a_replay_takes_a_refused_delivery_but_none_that_a_newer_one_covers(
    kith_home: Path, tmp_path: Path
) -> None:
    bad = "X,2024-03-01 12:00,-1,1"
    deliver(company(tmp_path, quarantine_limit_pct=10), [*sales(4), bad])
    with pytest.raises(DeliveryError, match="quarantine_limit_pct 10"):
        run_door(tmp_path, "2024-03-01", "2024-03-01")
    days = params(company=str(tmp_path), from_day="2024-03-01", to_day="2024-03-01")
    replay = {**days, "replay": True}
    assert [one["delivery"] for one in plan(replay, "r")] == ["20240301-20240301"]
    deliver(tmp_path, sales(4))
    run_door(tmp_path, "2024-03-01", "2024-03-02")
    assert plan(replay, "r") == []
