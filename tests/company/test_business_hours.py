"""When a company is open."""

import pytest

from kith.company.business_hours import BusinessHours, shifts_of


def test_a_break_makes_two_shifts_of_a_day() -> None:
    assert shifts_of("09:00-12:30, 13:00-24:00") == [(540, 750), (780, 1440)]
    hours = BusinessHours(monday="09:00-12:30,13:00-18:00", sunday="10:00-11:00")
    assert hours.values() == {
        "shifts": [[0, 540, 750], [0, 780, 1080], [6, 600, 660]],
        "holidays": [],
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("9-17", "on 24 hours"),
        ("09:00-17:60", "on 24 hours"),
        ("17:00-09:00", "after its from"),
        ("09:00-25:00", "after its from"),
        ("09:00-12:00, 11:00-17:00", "overlaps"),
        ("13:00-17:00, 09:00-12:00", "order"),
    ],
)
def test_other_times_are_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        shifts_of(text)


@pytest.mark.parametrize("hours", [{}, {"holidays": ["2025-05-01"]}])
def test_a_company_that_is_never_open_has_no_business_hours(
    hours: dict[str, list[str]],
) -> None:
    with pytest.raises(ValueError, match="the times of one weekday at least"):
        BusinessHours.model_validate(hours)
