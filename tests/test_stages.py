"""What a run is planned to be."""

import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from kith.company import load_company
from kith.errors import ConfigurationError
from kith.runs import Run
from kith.settings import REPOSITORY
from kith.stages import plan

SHOP = REPOSITORY / "tests/companies/corner_shop"
BERLIN = ZoneInfo("Europe/Berlin")


def params(**given: str) -> dict[str, str | None]:
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


def test_plan_takes_the_business_day_of_a_scheduled_interval(kith_home: Path) -> None:
    # Midnight in Berlin is 23:00 or 22:00 UTC of the day before.
    start = dt.datetime(2024, 3, 31, tzinfo=BERLIN)
    end = dt.datetime(2024, 4, 1, tzinfo=BERLIN)
    planned = plan(params(), "s", start.astimezone(dt.UTC), end.astimezone(dt.UTC))
    assert (planned[0]["from_day"], planned[0]["to_day"]) == ("2024-03-31",) * 2


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
