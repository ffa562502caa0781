"""Until when a release is fresh, by the company's clocks."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from kith.company.folder import Company, load_company
from kith.company.promise import fresh_until, is_promised
from tests.one_table import company


def shop(folder: Path, **values: Any) -> Company:
    """In Paris, an hour before UTC in winter and two in summer."""
    return load_company(company(folder)).model_copy(update=values)


@pytest.mark.parametrize(
    ("schedule", "as_of", "until"),
    [
        # The night takes the day after; at four it should be there.
        ("0 0 * * *", "2026-11-25", "2026-11-27T03:00"),
        ("30 6 * * *", "2026-11-25", "2026-11-27T09:30"),
        # Summer time ends on the 25th: seven o'clock stays seven o'clock.
        ("30 6 * * *", "2026-10-23", "2026-10-25T09:30"),
        ("30 6 * * *", "2026-10-22", "2026-10-24T08:30"),
        # Mondays only: what was taken on one stays fresh until the next …
        ("30 6 * * 1", "2026-11-22", "2026-11-30T09:30"),
        # … and of what a run by hand took in between no less is expected.
        ("30 6 * * 1", "2026-11-25", "2026-11-30T09:30"),
        # No run on weekends: Thursday is what readers have until Monday.
        ("0 5 * * 1-5", "2026-11-26", "2026-11-30T08:00"),
        ("0 5 * * 1-5", "2026-11-25", "2026-11-27T08:00"),
    ],
)
def test_by_default_the_next_run_of_the_schedule_has_four_hours(
    schedule: str, as_of: str, until: str, tmp_path: Path
) -> None:
    found = fresh_until(shop(tmp_path, schedule=schedule), dt.date.fromisoformat(as_of))
    assert found == dt.datetime.fromisoformat(f"{until}+00:00")


def test_declared_hours_are_counted_from_the_end_of_the_day(tmp_path: Path) -> None:
    declared = shop(tmp_path, fresh_within_hours=30)
    found = fresh_until(declared, dt.date(2026, 11, 25))
    assert found == dt.datetime(2026, 11, 27, 5, tzinfo=dt.UTC)


def test_nothing_is_promised_once_the_last_day_has_passed(tmp_path: Path) -> None:
    last = dt.date(2026, 11, 25)
    ended = shop(tmp_path, last_day=last)
    assert fresh_until(ended, last) is None
    assert fresh_until(ended, dt.date(2026, 11, 24)) is not None
    # In Paris the 26th begins at eleven in the evening.
    assert is_promised(ended, dt.datetime(2026, 11, 25, 22, 59, tzinfo=dt.UTC))
    assert not is_promised(ended, dt.datetime(2026, 11, 25, 23, tzinfo=dt.UTC))
    assert is_promised(shop(tmp_path), dt.datetime(2036, 1, 1, tzinfo=dt.UTC))
