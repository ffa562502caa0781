"""The marts of a past day: from what was pulled by then, and the same each time."""

import datetime as dt
import gzip
import shutil
from pathlib import Path

import duckdb
import pytest

from kith.admit.table import admit_table
from kith.build.warehouse import prepare_warehouse
from kith.company.folder import Company, load_company
from kith.company.retention import Keep, KeepSome, Retention
from kith.errors import ConfigurationError
from kith.publish.pruning import prune
from kith.pull.table import pull_table
from kith.reproduce import rebuild as rebuilding
from kith.reproduce.rebuild import Pull, known_pulls, rebuild
from kith.runs.run import Interval, Run
from tests.kith_airflow.test_server import small_shop

DAY = dt.date(2024, 3, 10)


def pulls(*told: str) -> list[Pull]:
    """Attempts a, b, c … of these days of March, such as `1-5`."""
    return [
        Pull(
            "abcdefgh"[number],
            Interval(*(dt.date(2024, 3, int(day)) for day in days.split("-"))),
        )
        for number, days in enumerate(told)
    ]


def known(*told: str, is_whole: bool = False) -> dict[str, str]:
    """Of what was known on the 10th, the attempts that count, by their last day."""
    each = pulls(*told)
    later = [pull for pull in each if pull.days.to_day > DAY]
    found = known_pulls(each, DAY, min(later, default=None), is_whole=is_whole)
    return {f"{int(slug[6:8])}-{int(slug[-2:])}": at[0] for slug, at in found.items()}


def test_night_by_night_all_counts_that_came_before_the_next_day() -> None:
    assert known("1-8", "9-9", "10-10", "11-11") == {
        "1-8": "a",
        "9-9": "b",
        "10-10": "c",
    }
    # A correction in time, and one that came too late.
    assert known("9-9", "10-10", "9-9", "11-11", "10-10") == {"9-9": "c", "10-10": "b"}


def test_of_days_loaded_at_once_each_counts_as_it_first_came() -> None:
    assert known("1-20") == {"1-20": "a"}
    assert known("1-20", "21-25", "1-20", "1-25") == {"1-20": "a"}
    assert known("11-20", "1-10", "1-10") == {"1-10": "b"}
    backwards = [f"{day}-{day}" for day in (12, 11, 10, 9, 8)]
    assert known(*backwards) == {"10-10": "c", "9-9": "d", "8-8": "e"}


def test_a_table_that_came_late_on_the_day_counts_as_it_came() -> None:
    assert known("9-9", "11-11", "10-10", "10-10") == {"9-9": "a", "10-10": "c"}


def test_of_a_table_delivered_whole_one_counts() -> None:
    assert known("9-9", "10-10", "11-11", is_whole=True)["10-10"] == "b"
    assert known("1-20", "1-25", is_whole=True) == {"1-20": "a"}
    # Nobody knew a newer one.
    assert known("9-9", "11-11", is_whole=True) == {"9-9": "a"}


# --- on a small shop ------------------------------------------------------------------


@pytest.fixture
def shop(corner_shop_data: Path, kith_home: Path, tmp_path: Path) -> Company:
    return load_company(small_shop(corner_shop_data, tmp_path / "corner_shop"))


@pytest.fixture(autouse=True)
def _without_dbt(monkeypatch: pytest.MonkeyPatch) -> None:
    """What dbt makes of its sources is the same where they are the same."""
    monkeypatch.setattr(rebuilding, "build", prepare_warehouse)
    monkeypatch.setattr(rebuilding, "SCHEMAS", ("shop",))


def take(shop: Company, home: Path, first: str, last: str, number: str = "1") -> Run:
    days = Interval(dt.date.fromisoformat(first), dt.date.fromisoformat(last))
    run = Run(shop, days, f"run_{first}_{last}_{number}", home)
    for table in shop.sources:
        pull_table(run, table.full_name)
        admit_table(run, table.full_name)
    return run


def newest(database: Path, table: str, column: str) -> str:
    with duckdb.connect(str(database), read_only=True) as warehouse:
        (found,) = warehouse.sql(f"select max({column}) from {table}").fetchone() or ""
        return str(found)


def without_an_order(shop: Company) -> None:
    """The source corrects itself: the first order of March is gone."""
    path = shop.folder / "data" / "orders.csv.gz"
    header, *rows = gzip.decompress(path.read_bytes()).decode().splitlines()
    first = next(row for row in rows if "2024-03-01" in row)
    kept = [row for row in rows if row != first]
    with gzip.open(path, "wt") as file:
        file.write("\n".join([header, *kept]) + "\n")


def silent(text: str) -> None:
    """Say nothing."""


def test_a_day_is_the_same_each_time_whatever_came_since(
    shop: Company, kith_home: Path
) -> None:
    take(shop, kith_home, "2024-01-01", "2024-02-29")
    take(shop, kith_home, "2024-03-01", "2024-03-10")
    known_then = rebuild(shop, kith_home, DAY, silent)
    assert set(known_then.hashes) == {"shop.orders", "shop.order_lines"}
    assert known_then.database.is_relative_to(kith_home / "reproduced")
    assert rebuild(shop, kith_home, DAY, silent).hashes == known_then.hashes
    # Newer days, and a correction that nobody knew on that day.
    take(shop, kith_home, "2024-03-11", "2024-03-31")
    without_an_order(shop)
    corrected = take(shop, kith_home, "2024-03-01", "2024-03-10", "2")
    again = rebuild(shop, kith_home, DAY, silent)
    assert again.hashes == known_then.hashes
    with duckdb.connect(str(again.database), read_only=True) as warehouse:
        (as_of,) = warehouse.sql("select as_of_date from kith.run").fetchone() or ()
    assert as_of == DAY
    later = rebuild(shop, kith_home, dt.date(2024, 3, 31), silent)
    assert later.hashes["shop.orders"] != known_then.hashes["shop.orders"]
    assert not corrected.published.exists()
    assert not corrected.warehouse.exists()


def test_raw_that_retention_has_removed_is_missed(
    shop: Company, kith_home: Path
) -> None:
    take(shop, kith_home, "2024-03-01", "2024-03-10")
    take(shop, kith_home, "2024-03-11", "2024-03-31")
    for number in "23":
        run = take(shop, kith_home, "2024-03-01", "2024-03-10", number)
    keep = Retention(raw=KeepSome(count=2), runs=Keep(count=1))
    frugal = shop.model_copy(update={"retention": keep})
    shutil.rmtree(run.run_folder.parent)  # Of runs that failed, raw would stay.
    removed = prune(Run(frugal, run.interval, "prune", kith_home), (), apply=True)
    assert {each.kind for each in removed} == {"raw"}
    with pytest.raises(ConfigurationError, match="raw attempts were pruned: shop"):
        rebuild(shop, kith_home, DAY, silent)
    # What it would need of another day is there.
    rebuild(shop, kith_home, dt.date(2024, 3, 31), silent)


@pytest.mark.parametrize("day", ["2023-12-31", "2024-03-11"])
def test_a_day_of_which_nothing_is_known_is_refused(
    shop: Company, kith_home: Path, day: str
) -> None:
    take(shop, kith_home, "2024-03-01", "2024-03-10")
    with pytest.raises(ConfigurationError, match="nothing was pulled of that day"):
        rebuild(shop, kith_home, dt.date.fromisoformat(day), silent)


def test_rows_that_arrived_later_were_not_known(shop: Company, kith_home: Path) -> None:
    table = shop.table("shop.orders")
    rules = table.rules.model_copy(update={"arrived": "bought_at"})
    declared = table.model_copy(update={"rules": rules})
    others = [each for each in shop.sources if each is not table]
    company = shop.model_copy(update={"sources": [declared, *others]})
    take(shop, kith_home, "2024-01-01", "2024-12-31")
    found = rebuild(company, kith_home, DAY, silent)
    # Its days are those of the clocks of Berlin.
    assert newest(found.database, "shop.orders", "bought_at") < "2024-03-10 23:00"
    assert newest(found.database, "shop.order_lines", "bought_at") > "2024-12-30"
