"""The days that names of files tell."""

import datetime as dt

import pytest

from kith.onboard.file_days import day_in


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("2010_survey_20250817.csv", dt.date(2010, 12, 31)),
        ("sales-2024-02.csv", dt.date(2024, 2, 29)),
        ("sales20240215.csv", dt.date(2024, 2, 15)),
        ("sales_2024-13.csv", None),
        ("order_12024.csv", None),
        ("order_20241.csv", None),
    ],
)
def test_a_name_tells_the_last_day_of_its_time(name: str, day: dt.date | None) -> None:
    assert day_in(name) == day
