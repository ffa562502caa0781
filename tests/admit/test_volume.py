import datetime as dt
import re

import pytest

from kith.admit.volume import check_days, check_snapshot
from kith.company.tables import SourceTable, TableRules, VolumeLimits
from kith.errors import DeliveryError

MONDAY = dt.date(2024, 3, 4)


def table(**limits: object) -> SourceTable:
    rules = TableRules(
        connector="files", path="a.csv", volume=VolumeLimits.model_validate(limits)
    )
    return SourceTable(source="shop", name="sales", rules=rules, columns=[])


def day(number: int) -> dt.date:
    return MONDAY + dt.timedelta(days=number)


def test_three_per_cent_of_the_usual_stops_and_says_what_helps() -> None:
    with pytest.raises(DeliveryError) as caught:
        check_days(table(), {day(8): 9}, [(day(number), 300) for number in range(7)])
    assert str(caught.value) == (
        "shop.sales: 2024-03-12 has 9 rows, 3.0 % of the usual 300 (median of 7 "
        "earlier days), beyond volume.minimum_pct 10; have it delivered again, or, if "
        "the figure is right, widen volume.minimum_pct or declare volume: {action: "
        "warn} in sources.yml"
    )


@pytest.mark.parametrize(
    ("rows", "usual", "beyond"),
    [
        (10, 100, False),
        (9, 100, True),
        (1000, 100, False),
        (1001, 100, True),
        (1, 99, False),
        (0, 100, True),
    ],
)
def test_limits_of_a_snapshot(rows: int, usual: int, beyond: bool) -> None:
    warned = check_snapshot(table(action="warn"), rows, [usual, usual])
    assert len(warned) == beyond


def test_the_first_deliveries_are_not_judged() -> None:
    assert check_snapshot(table(), 1, []) == []
    few = [(day(number), 300) for number in range(4)]
    assert check_days(table(), {day(8): 1}, few) == []
    assert check_days(table(), {day(8): 1}, [*few, (day(5), 0)]) == []


def test_weekdays_are_compared_with_their_like() -> None:
    weeks = [
        (day(number), 20 if day(number).weekday() == 6 else 500) for number in range(28)
    ]
    assert check_days(table(), {day(34): 18, day(35): 480}, weeks) == []
    busy = [(when, 200 if rows == 20 else rows) for when, rows in weeks]
    with pytest.raises(DeliveryError, match=r"median of 4 earlier Sundays"):
        check_days(table(), {day(34): 18, day(35): 480}, busy)


def test_a_day_without_a_row_is_no_outlier() -> None:
    weeks = [(day(number), 500) for number in range(28)]
    assert check_days(table(), {day(34): 0}, weeks) == []


def test_of_several_days_the_worst_is_named() -> None:
    usual = [(day(number), 300) for number in range(6)]
    (warning,) = check_days(
        table(action="warn"), {day(7): 20, day(8): 9000, day(9): 300}, usual
    )
    worst = r"2024-03-12 has 9000 rows, 3,000.0 % .*maximum_pct 1000 \(and 1 more\)"
    assert re.search(worst, warning)
