"""Which raw attempts a run took."""

from pathlib import Path

import pytest

from kith.deliveries.raw import newest_attempt
from kith.deliveries.taken import Taken, note_admitted, taken
from kith.runs.run import Run
from tests.conftest import new_run
from tests.one_table import TABLE, company, deliver, run_door, sales

pytestmark = pytest.mark.usefixtures("kith_home")


def attempt(run: Run) -> str:
    return newest_attempt(run, TABLE)[1].attempt


def test_what_a_run_judged_stands_beside_what_counted_before(tmp_path: Path) -> None:
    deliver(company(tmp_path), sales(40))
    first = run_door(tmp_path, "2024-03-01", "2024-03-04")
    second = run_door(tmp_path, "2024-03-05", "2024-03-31")
    old, new = attempt(first), attempt(second)
    slug, next_slug = first.interval.slug, second.interval.slug
    assert taken(first.run_folder) == {TABLE: Taken(judged={slug: old})}
    assert taken(second.run_folder) == {
        TABLE: Taken(judged={next_slug: new}, admitted={slug: old})
    }
    note_admitted(second)
    assert taken(second.run_folder)[TABLE] == Taken(
        judged={next_slug: new}, admitted={slug: old, next_slug: new}
    )
    assert taken(second.run_folder)[TABLE].attempts == {(slug, old), (next_slug, new)}


def test_of_a_table_delivered_whole_only_what_counted_is_noted(tmp_path: Path) -> None:
    deliver(company(tmp_path, cursor=None), sales(40))
    for day in ("2024-03-01", "2024-03-02"):
        run_door(tmp_path, day, day)
    run = new_run(tmp_path, "2024-03-03", "2024-03-03")
    note_admitted(run)
    assert list(taken(run.run_folder)[TABLE].admitted) == ["20240302-20240302"]


def test_years_of_days_are_some_kilobytes(tmp_path: Path) -> None:
    from kith.deliveries import taken as module

    path = tmp_path / "attempts" / "shop.sales.json.gz"
    attempts = {
        f"{20_200_000 + n}-{20_200_000 + n}": f"20240101T{n * 7919:012}"
        for n in range(1000)
    }
    module._write(path, Taken(admitted=attempts))
    assert taken(tmp_path)[TABLE].admitted == attempts
    assert path.stat().st_size < 20_000
