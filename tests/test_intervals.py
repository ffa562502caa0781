"""Days in any order, delivered again, late, corrected or removed: the union of what was
admitted is what an independent computation expects, and no row is lost or doubled."""

import datetime as dt
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from kith.build import prepare_warehouse
from kith.runs import Run
from tests.one_table import TABLE, company, report, run_door

# The clocks of Paris go forward on the 31st of March.
FIRST = dt.date(2024, 3, 29)
DAYS = 6
ZONE = "Europe/Paris"
HEADER = "sale_id,sold_at,got_at,price"
COLUMNS: list[dict[str, Any]] = [
    {"name": "sale_id", "data_type": "varchar", "meta": {"required": True}},
    {"name": "sold_at", "data_type": "timestamp"},
    {"name": "got_at", "data_type": "timestamp"},
    {"name": "price", "data_type": "bigint", "meta": {"minimum": 0}},
]
few = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    # Each try takes a second: too long for hundreds of them to find the smallest.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@dataclass(frozen=True)
class Sale:
    """A row of the source, times in UTC; without a time it cannot be told its day."""

    sale_id: str
    sold_at: dt.datetime | None
    got_at: dt.datetime
    price: int

    @property
    def line(self) -> str:
        return f"{self.sale_id},{self.sold_at or ''},{self.got_at},{self.price}"


@dataclass(frozen=True)
class Pull:
    """A run over days counted from FIRST, of the source as it was then."""

    first: int
    last: int
    source: list[Sale]


def day_number(moment: dt.datetime) -> int:
    local = moment.replace(tzinfo=dt.UTC).astimezone(ZoneInfo(ZONE))
    return (local.date() - FIRST).days


def lateness(sale: Sale) -> int:
    assert sale.sold_at is not None
    return day_number(sale.got_at) - day_number(sale.sold_at)


@st.composite
def sales(draw: st.DrawFn) -> Sale:
    start = dt.datetime.combine(FIRST, dt.time())
    # From the day before the first to the one after the last, by half hours.
    half_hours = draw(st.integers(-48, 48 * (DAYS + 1)))
    sold_at = start + dt.timedelta(minutes=30 * half_hours)
    delay = draw(st.sampled_from([0, 0, 0, 1, 5, 30, 50, 80, 120]))
    is_dated = draw(st.sampled_from([True] * 9 + [False]))
    return Sale(
        sale_id=f"S{draw(st.integers(1, 6))}",
        sold_at=sold_at if is_dated else None,
        got_at=sold_at + dt.timedelta(hours=delay),
        price=draw(st.sampled_from([1, 2, 3, -1])),
    )


def one_of_each(sales: list[Sale]) -> list[Sale]:
    """No two of one key and one time, since which of them counts is not of interest."""
    return list({(sale.sale_id, sale.sold_at): sale for sale in sales}.values())


@st.composite
def histories(draw: st.DrawFn) -> list[Pull]:
    """Runs over any days, between which rows come, go and change."""
    source = one_of_each(draw(st.lists(sales(), max_size=12)))
    pulls = []
    for _ in range(draw(st.integers(1, 4))):
        first = draw(st.integers(0, DAYS - 1))
        last = draw(st.integers(first, DAYS - 1))
        pulls.append(Pull(first, last, source))
        source = [sale for sale in source if draw(st.integers(0, 5))]
        source = [s if draw(st.integers(0, 5)) else replace(s, price=4) for s in source]
        source = one_of_each(source + draw(st.lists(sales(), max_size=4)))
    return pulls


def run_pull(folder: Path, pull: Pull) -> Run:
    text = "\n".join([HEADER, *(sale.line for sale in pull.source)]) + "\n"
    (folder / "data" / "sales.csv").write_text(text)
    first, last = (FIRST + dt.timedelta(days=n) for n in (pull.first, pull.last))
    run = run_door(folder, str(first), str(last))
    counts = report(run)
    assert counts["rows_delivered"] == (
        counts["admitted"] + counts["quarantined"] + counts["duplicates"]
    )
    assert len(pull.source) == (
        counts["rows_delivered"]
        + counts["rows_outside_interval"]
        + counts["out_of_window"]
    )
    return run


@dataclass(frozen=True)
class Union:
    """What dbt reads: rows of the table, counts by day, and how many were refused."""

    rows: Counter[tuple[Any, ...]]
    days: pd.DataFrame
    refused: int

    def by_day(self, column: str) -> dict[int, int]:
        days = self.days[self.days[column] > 0]
        numbers = (days["day"] - pd.Timestamp(FIRST)).dt.days
        return dict(zip(numbers, days[column].astype(int), strict=True))


def union(run: Run) -> Union:
    with run.writer_lock():
        prepare_warehouse(run)
    with duckdb.connect(str(run.warehouse), read_only=True) as warehouse:
        rows = warehouse.execute(
            f"select sale_id, sold_at, got_at, price from {TABLE}"
        ).fetchall()
        days = warehouse.execute("from kith.admitted_days order by day").df()
        refused = warehouse.execute("from kith.quarantined_rows").fetchall()
    return Union(Counter(rows), days, len(refused))


def expected(pulls: list[Pull], look_back: int, has_key: bool) -> Union:
    """The same by hand: each day as the last pull of it has it."""
    owner = {
        day: pull
        for pull in pulls
        for day in range(pull.first - look_back, pull.last + 1)
    }
    sold = pd.DataFrame(
        [
            (day, s.sale_id, s.sold_at, s.got_at, s.price, lateness(s))
            for day, pull in owner.items()
            for s in pull.source
            if s.sold_at is not None
            if day == day_number(s.got_at if lateness(s) > look_back else s.sold_at)
        ],
        columns=["owned", "sale_id", "sold_at", "got_at", "price", "lateness"],
    )
    sold["day"] = [day_number(at) for at in sold["sold_at"]]
    is_out = sold["lateness"] > look_back
    is_bad = ~is_out & (sold["price"] < 0)
    good = sold[~is_out & ~is_bad].sort_values("sold_at")
    if has_key:
        good = good.assign(is_old=good.duplicated("sale_id", keep="last"))
    else:
        good = good.assign(is_old=False)
    undated = sum(sale.sold_at is None for sale in pulls[-1].source)
    counts = {
        "row_count": good[~good["is_old"]],
        "duplicate_count": good[good["is_old"]],
        "quarantined_count": sold[is_bad],
        "late_count": sold[~is_out & (sold["lateness"] > 0)],
        "out_of_window_count": sold[is_out],
    }
    days = pd.DataFrame(
        {name: rows["day"].value_counts() for name, rows in counts.items()}
    )
    days["day"] = [FIRST + dt.timedelta(days=int(day)) for day in days.index]
    days["day"] = pd.to_datetime(days["day"])
    rows = good[~good["is_old"]]
    return Union(
        Counter(
            (
                row.sale_id,
                row.sold_at.to_pydatetime(),
                row.got_at.to_pydatetime(),
                row.price,
            )
            for row in rows.itertuples()
        ),
        days,
        int(is_bad.sum()) + undated,
    )


@pytest.fixture
def new_company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A company and a $KITH_HOME of its own at each call."""

    def make(look_back: int, has_key: bool, **meta: Any) -> Path:
        folder = tmp_path / "company"
        shutil.rmtree(folder, ignore_errors=True)
        monkeypatch.setenv("KITH_HOME", str(folder / "home"))
        return company(
            folder,
            columns=COLUMNS,
            time_zone=ZONE,
            key=["sale_id"] if has_key else [],
            look_back_days=look_back,
            quarantine_limit_pct=100,
            **{"arrived": "got_at", **meta},
        )

    return make


COUNTS = (
    *("row_count", "duplicate_count", "quarantined_count"),
    *("late_count", "out_of_window_count"),
)


@few
@given(histories(), st.integers(0, 3), st.booleans())
def test_each_day_is_as_its_newest_delivery_has_it(
    new_company: Callable[..., Path], pulls: list[Pull], look_back: int, has_key: bool
) -> None:
    folder = new_company(look_back, has_key)
    for pull in pulls:
        run = run_pull(folder, pull)
    found, wanted = union(run), expected(pulls, look_back, has_key)
    assert found.rows == wanted.rows
    for name in COUNTS:
        assert found.by_day(name) == wanted.by_day(name), name
    assert found.refused == wanted.refused
