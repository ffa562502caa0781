"""Quiet hours of company.yml, and the hours beside them."""

import pytest
from pydantic import ValidationError

from kith.company.folder import ContactRules
from kith.company.quiet_hours import bands_beside


@pytest.mark.parametrize(
    ("text", "bands"),
    [
        ("21:00-08:00", list(range(8, 19))),
        # An hour of which a part is quiet is quiet.
        ("20:30-08:15", list(range(9, 18))),
        ("12:00-13:00", [*range(10), *range(13, 22)]),
        (None, list(range(22))),
    ],
)
def test_bands_are_three_hours_of_which_no_minute_is_quiet(
    text: str | None, bands: list[int]
) -> None:
    assert bands_beside(text) == bands
    assert ContactRules(quiet_hours=text).values()["bands"] == bands


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("21-8", "expected a time from and to, such as '21:00-08:00'"),
        ("22:00-24:00", "expected a time from and to, such as '21:00-08:00'"),
        ("09:00-07:00", "expected quiet hours that leave three hours in a row"),
        ("08:00-08:00", "expected quiet hours that leave three hours in a row"),
    ],
)
def test_quiet_hours_that_are_none_or_leave_nothing_are_refused(
    text: str, reason: str
) -> None:
    with pytest.raises(ValidationError, match=reason):
        ContactRules(quiet_hours=text)
