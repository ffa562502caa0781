"""Which days should have come by now."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
import yaml

from kith.company.folder import load_company
from kith.runs.run import Interval, Run
from kith.watchdog import due
from kith.watchdog.due import days_to_catch_up, due_day, in_words, missing_days
from tests.conftest import new_run
from tests.incidents.test_readers import publish
from tests.one_table import TABLE, company


def at(moment: str) -> dt.datetime:
    return dt.datetime.fromisoformat(f"{moment}+00:00")


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def shop(folder: Path, **meta: Any) -> Run:
    return new_run(company(folder, **meta), "2024-01-01", "2024-01-01")


def took(run: Run, *slugs: str) -> None:
    """As if these intervals had been admitted."""
    for slug in slugs:
        folder = run.admitted(TABLE) / slug
        folder.mkdir(parents=True)
        report = f'{{"delivered_at": "2024-03-09T00:00:00", "window": "{slug}"}}'
        (folder / "report.json").write_text(report)


@pytest.fixture
def run(kith_home: Path, tmp_path: Path) -> Run:
    return shop(tmp_path / "shop")


def test_a_day_is_due_when_the_promise_for_the_day_before_has_passed(run: Run) -> None:
    # In Paris it is four o'clock at three: of the 5th is due what ended on the 6th.
    assert due_day(run.company, at("2024-03-07T02:59:59")) == day("2024-03-05")
    assert due_day(run.company, at("2024-03-07T03:00:00")) == day("2024-03-06")
    weekly = run.company.model_copy(update={"schedule": "30 6 * * 1"})
    # The 10th was a Sunday; on the 12th nothing of the new week is due.
    assert due_day(weekly, at("2024-03-12T12:00:00")) == day("2024-03-10")
    assert due_day(weekly, at("2024-03-11T09:00:00")) == day("2024-03-03")


def test_before_the_first_day_and_after_the_last_nothing_is_due(run: Run) -> None:
    first = run.company.first_day
    assert first == day("2024-01-01")
    assert due_day(run.company, at("2024-01-02T02:59:59")) is None
    assert due_day(run.company, at("2024-01-02T03:00:00")) == first
    ended = run.company.model_copy(update={"last_day": day("2024-03-05")})
    assert due_day(ended, at("2024-03-09T00:00:00")) is None


def test_days_that_nobody_took_are_named(run: Run) -> None:
    took(run, "20240301-20240302", "20240304-20240304", "20240306-20240306")
    until = day("2024-03-09")
    found = missing_days(run, until)[TABLE]
    assert in_words(found) == "2024-03-03, 2024-03-05, 2024-03-07 to 2024-03-09"
    took(run, "20240303-20240309")
    assert missing_days(run, until) == {}


def test_a_table_delivered_whole_or_never_needs_the_last_day(
    kith_home: Path, tmp_path: Path
) -> None:
    until = day("2024-03-09")
    whole = shop(tmp_path / "whole", cursor=None)
    assert missing_days(whole, until) == {TABLE: [until]}
    took(whole, "20240301-20240301", "20240308-20240308")
    assert missing_days(whole, until) == {TABLE: [until]}
    took(whole, "20240309-20240309")
    assert missing_days(whole, until) == {}


def test_what_is_caught_up_begins_where_something_is_missing(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due, "last_complete_day", lambda _: day("2024-03-09"))
    every = Interval(day("2024-01-01"), day("2024-03-09"))
    # Nothing was ever taken: all days.
    assert days_to_catch_up(run) == every
    took(run, "20240101-20240306")
    publish(run.folder, '{"as_of_date": "2024-03-06"}')
    assert days_to_catch_up(run) == Interval(day("2024-03-07"), day("2024-03-09"))
    # What was taken, but not published, is run once more.
    took(run, "20240307-20240309")
    assert days_to_catch_up(run) == Interval(day("2024-03-07"), day("2024-03-09"))
    publish(run.folder, '{"as_of_date": "2024-03-09"}')
    assert days_to_catch_up(run) is None


def test_a_day_lost_long_ago_is_caught_up_with_those_after_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due, "last_complete_day", lambda _: day("2024-03-09"))
    took(run, "20240101-20240304", "20240306-20240309")
    publish(run.folder, '{"as_of_date": "2024-03-09"}')
    assert days_to_catch_up(run) == Interval(day("2024-03-05"), day("2024-03-09"))
    declared = yaml.safe_load((run.company.folder / "company.yml").read_text())
    declared["last_day"] = day("2024-03-04")
    (run.company.folder / "company.yml").write_text(yaml.safe_dump(declared))
    ended = Run(load_company(run.company.folder), run.interval, "r", run.home)
    assert days_to_catch_up(ended) is None


def test_a_release_whose_manifest_cannot_be_read_counts_for_nothing(run: Run) -> None:
    took(run, "20240301-20240301")
    before = days_to_catch_up(run)
    release = run.published / "r1"
    release.mkdir(parents=True)
    (run.published / "current").symlink_to("r1")
    for text in ("{", "{}"):
        (release / "manifest.json").write_text(text)
        assert days_to_catch_up(run) == before
