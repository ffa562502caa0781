"""Two files are compared number by number, over the periods that are closed."""

import datetime as dt
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from kith.approve.changes import Change, digest_of, find_changes, is_same, keep_numbers
from kith.approve.declarations import Comparison

SALES = {
    "shop.sales": [
        Comparison(period="day", grain="month", measures={"amount": "sum(amount)"})
    ]
}
BY_CITY = {
    "shop.sales": [
        Comparison(
            period="day", grain="month", by=["city"], measures={"amount": "sum(amount)"}
        )
    ]
}
BEFORE = """
    (date '2024-01-31', 'Ulm', 10.00), (date '2024-02-01', 'Ulm', 20.00),
    (date '2024-02-29', 'Bonn', 5.00), (date '2024-03-31', 'Ulm', 1.00)
"""


def file(folder: Path, name: str, rows: str) -> Path:
    path = folder / f"{name}.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema shop")
        connection.execute(
            "create table shop.sales as select day, city, "
            f"cast(amount as decimal(18, 2)) as amount from (values {rows}) "
            "as rows (day, city, amount)"
        )
    return path


def changes(
    folder: Path,
    after: str,
    as_of: str = "2024-03-31",
    declared: dict[str, list[Comparison]] = SALES,
) -> list[Change]:
    for stale in folder.glob("*.duckdb"):
        stale.unlink()
    return find_changes(
        file(folder, "before", BEFORE),
        file(folder, "after", after),
        dt.date.fromisoformat(as_of),
        declared,
        folder / "scratch",
    )


def test_the_same_numbers_have_not_changed(tmp_path: Path) -> None:
    assert changes(tmp_path, BEFORE) == []
    assert changes(tmp_path, BEFORE, declared=BY_CITY) == []


def test_a_month_is_closed_when_the_release_covers_its_last_day(tmp_path: Path) -> None:
    more = f"{BEFORE}, (date '2024-03-02', 'Ulm', 1.00)"
    assert changes(tmp_path, more, "2024-03-30") == []
    (change,) = changes(tmp_path, more, "2024-03-31")
    assert (change.period_start, change.period_end) == (
        dt.date(2024, 3, 1),
        dt.date(2024, 3, 31),
    )
    assert (change.old_value, change.new_value) == (Decimal(1), Decimal(2))
    assert (change.difference, change.base, change.change_pct) == (1, 2, 50.0)


def test_what_is_new_is_no_restatement(tmp_path: Path) -> None:
    more = (
        f"{BEFORE}, (date '2024-04-02', 'Ulm', 1.00), (date '2023-12-02', 'Ulm', 1.00)"
    )
    assert changes(tmp_path, more, "2024-05-31")[0].period_start == dt.date(2024, 4, 1)
    assert changes(tmp_path, more) == []


def test_a_part_is_measured_by_the_largest_of_its_period(tmp_path: Path) -> None:
    more = f"{BEFORE}, (date '2024-02-03', 'Bonn', 1.00)"
    (change,) = changes(tmp_path, more, declared=BY_CITY)
    assert change.dimensions == '{"city": "Bonn"}'
    assert (change.difference, change.base, change.change_pct) == (1, 20, 5.0)
    gone = BEFORE.replace("(date '2024-02-29', 'Bonn', 5.00),", "")
    (change,) = changes(tmp_path, gone, declared=BY_CITY)
    assert (change.old_value, change.new_value, change.difference) == (5, None, -5)


def test_the_biggest_comes_first(tmp_path: Path) -> None:
    after = BEFORE.replace("20.00", "21.00").replace("10.00", "90.00")
    assert [each.period_start.month for each in changes(tmp_path, after)] == [1, 2]


def test_a_list_is_known_by_its_numbers_in_any_order(tmp_path: Path) -> None:
    after = BEFORE.replace("20.00", "21.00").replace("10.00", "90.00")
    found = changes(tmp_path, after)
    assert digest_of(found) == digest_of(reversed(found))
    assert digest_of(found) != digest_of(found[:1])
    other = changes(tmp_path, BEFORE.replace("20.00", "21.01").replace("10.0", "90.0"))
    assert digest_of(found) != digest_of(other)


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        (None, None, True),
        (None, 0, False),
        (0, 0, True),
        (Decimal("1.01"), Decimal("1.02"), False),
        (Decimal("1.010"), Decimal("1.01"), True),
        (10**17, 10**17 + 1, False),
        (0.1 + 0.2, 0.3, True),
        (1.0, 1.0 + 1e-8, False),
        (1e12, 1e12 + 1, True),
        (1e-12, 2e-12, True),
        (0.0, 1e-3, False),
    ],
)
def test_numbers_are_compared_exactly_but_for_the_noise_of_doubles(
    old: object, new: object, same: bool
) -> None:
    assert is_same(old, new) is same


@pytest.mark.parametrize("declared", [SALES, BY_CITY])
def test_rows_that_were_erased_from_a_release_leave_its_numbers_published(
    tmp_path: Path, declared: dict[str, list[Comparison]]
) -> None:
    release = file(tmp_path, "before", BEFORE)
    left = BEFORE.replace("(date '2024-02-29', 'Bonn', 5.00),", "")
    candidate = file(tmp_path, "after", left)
    keep_numbers(release, tmp_path, declared, tmp_path / "scratch")
    with duckdb.connect(str(release)) as opened:
        opened.execute("delete from shop.sales where city = 'Bonn'")

    def found() -> list[tuple[str, Decimal | None, Decimal | None]]:
        as_of = dt.date(2024, 3, 31)
        return [
            (f"{each.period_start:%m}", each.old_value, each.new_value)
            for each in find_changes(
                release, candidate, as_of, declared, tmp_path / "scratch"
            )
        ]

    expected = (5, None) if declared is BY_CITY else (25, 20)
    assert found() == [("02", *expected)]
    (tmp_path / "numbers.json").unlink()
    assert found() == []
