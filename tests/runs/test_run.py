"""Days, places, journal and lock of a run."""

import datetime as dt
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kith.company.folder import load_company
from kith.errors import ConfigurationError, DeliveryError
from kith.runs.run import (
    Interval,
    Run,
    current_release,
    last_complete_day,
    plan_run,
    requested_interval,
)
from kith.settings import REPOSITORY
from tests.conftest import new_run

SHOP = REPOSITORY / "tests/companies/corner_shop"


@pytest.fixture
def run(kith_home: Path) -> Run:
    return new_run(SHOP)


def entries(run: Run) -> list[dict[str, Any]]:
    text = (run.run_folder / "journal.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


# --- days -----------------------------------------------------------------------------


def test_an_interval_has_a_slug_and_comes_back_from_it() -> None:
    interval = Interval(dt.date(2024, 2, 29), dt.date(2024, 12, 31))
    assert interval.slug == "20240229-20241231"
    assert Interval.from_slug(interval.slug) == interval


def test_an_interval_does_not_end_before_it_begins() -> None:
    with pytest.raises(ConfigurationError, match="FROM=2024-01-02 lies after TO=2024"):
        Interval(dt.date(2024, 1, 2), dt.date(2024, 1, 1))


@pytest.mark.parametrize(
    ("time_zone", "start", "end"),
    [
        ("UTC", "2024-03-31T00:00", "2024-04-01T00:00"),
        # Clocks are put forward: the day has 23 hours.
        ("Europe/Paris", "2024-03-30T23:00", "2024-03-31T22:00"),
        ("Asia/Tokyo", "2024-03-30T15:00", "2024-03-31T15:00"),
    ],
)
def test_a_day_begins_and_ends_at_local_midnight(
    time_zone: str, start: str, end: str
) -> None:
    day = dt.date(2024, 3, 31)
    bounds = Interval(day, day).bounds_utc(time_zone)
    assert bounds == tuple(map(dt.datetime.fromisoformat, (start, end)))


def test_a_day_that_is_not_over_is_refused() -> None:
    company = load_company(SHOP)
    last = last_complete_day(company)
    assert requested_interval(company, last, last).to_day == last
    with pytest.raises(ConfigurationError, match=f"the last complete day .* {last}"):
        requested_interval(company, last, last + dt.timedelta(days=1))


@pytest.mark.usefixtures("kith_home")
def test_a_run_without_days_is_refused() -> None:
    with pytest.raises(
        ConfigurationError, match="needs the params from_day and to_day"
    ):
        plan_run(load_company(SHOP), {"from_day": "2024-01-01"}, None, None, "x")


@pytest.mark.usefixtures("kith_home")
def test_a_chosen_day_replaces_that_of_the_interval() -> None:
    start, end = (dt.datetime(2024, 5, day, tzinfo=dt.UTC) for day in (2, 3))
    run = plan_run(load_company(SHOP), {"from_day": "2024-04-01"}, start, end, "x")
    # The interval ends at midnight in UTC, within a day of the shop: that is not over.
    days = Interval(dt.date(2024, 4, 1), dt.date(2024, 5, 2))
    assert (run.interval, run.run_id) == (days, "x")


def test_a_run_survives_the_way_through_airflow(run: Run) -> None:
    assert Run.from_dict(json.loads(json.dumps(run.to_dict()))) == run


# --- places ---------------------------------------------------------------------------


def test_files_of_a_run_lie_below_its_company(run: Run) -> None:
    tables = (run.raw("shop.orders"), run.admitted("shop.orders"))
    assert [path.relative_to(run.home / "corner_shop") for path in tables] == [
        Path("raw/shop/orders"),
        Path("admitted/shop/orders"),
    ]


def test_a_run_id_of_airflow_is_a_name_of_one_folder(kith_home: Path) -> None:
    run = Run(
        load_company(SHOP),
        Interval(dt.date(2024, 1, 1), dt.date(2024, 1, 1)),
        "manual__2024-01-01T00:00:00+00:00/../x",
        kith_home,
    )
    assert run.run_folder.parent == kith_home / "corner_shop/runs"
    assert run.run_folder.name == "manual__2024-01-01T00_00_00_00_00____x"


def test_before_the_first_release_there_is_none(tmp_path: Path) -> None:
    assert current_release(tmp_path) is None
    (tmp_path / "current").symlink_to("20240101T000000")
    assert current_release(tmp_path) == "20240101T000000"


# --- journal and lock -----------------------------------------------------------------


def test_a_stage_is_written_when_it_starts_and_when_it_ends(run: Run) -> None:
    with run.stage("pull", "shop.orders") as figures:
        (start,) = entries(run)
        figures["rows"] = 7
    assert (start["stage"], start["item"], start["event"]) == (
        *("pull", "shop.orders", "start"),
    )
    _, end = entries(run)
    assert (end["event"], end["figures"], end["reason"]) == ("end", {"rows": 7}, "")
    assert end["seconds"] == round(end["at"] - start["at"], 3)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (DeliveryError("shop.orders: bad"), "shop.orders: bad"),
        (ValueError("of ours"), "ValueError: of ours"),
        (KeyboardInterrupt(), "KeyboardInterrupt: KeyboardInterrupt"),
    ],
)
def test_a_stage_that_fails_says_why_and_what_it_had_done(
    run: Run, error: BaseException, reason: str
) -> None:
    with pytest.raises(type(error)), run.stage("admit") as figures:
        figures["rows"] = 7
        raise error
    _, end = entries(run)
    assert (end["event"], end["reason"], end["figures"]) == (
        *("fail", reason, {"rows": 7}),
    )


def test_a_stage_that_fails_says_why_in_lines_that_a_page_shows_whole(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    reason = "shop.orders: row 7: " + "column amount: wrong_type, " * 9 + "/d" * 60
    with pytest.raises(DeliveryError), run.stage("admit"):
        raise DeliveryError(reason)
    lines = caplog.messages
    assert " ".join(lines) == reason
    assert max(map(len, lines[:-1])) <= 90


def test_a_second_writer_waits_for_the_first_and_its_children(run: Run) -> None:
    taking = f"""
import sys
sys.path.insert(0, {str(REPOSITORY / "plugins")!r})
from kith.runs.run import Run
with Run.from_dict({run.to_dict()!r}).writer_lock():
    print("written", flush=True)
"""
    with run.writer_lock() as held:
        child = subprocess.Popen(["sleep", "60"], pass_fds=held)
    second = subprocess.Popen(
        [sys.executable, "-c", taking], stdout=subprocess.PIPE, text=True
    )
    assert second.stdout
    told = second.stdout.readline()
    try:
        assert told == f"Waiting for who writes to {run.warehouse.parent} …\n"
        with pytest.raises(subprocess.TimeoutExpired):
            second.wait(timeout=1)
    finally:
        child.kill()
        child.wait()
    assert second.communicate(timeout=60)[0] == "written\n"
