"""Days in any order, delivered again, late, corrected or removed: what dbt reads equals
an independent computation, and no row is lost or doubled."""

import datetime as dt
import itertools
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

from kith.build.warehouse import prepare_warehouse
from kith.runs.run import Run
from tests.one_table import TABLE, company, report, run_door

# The clocks of Paris go forward on the 31st of March.
FIRST = dt.date(2024, 3, 29)
DAYS = 6
ZONE = ZoneInfo("Europe/Paris")
COUNTS = (
    *("row_count", "duplicate_count", "quarantined_count"),
    *("late_count", "out_of_window_count"),
)


def few(examples: int) -> settings:
    # Each takes a second or two: too long for hundreds of them to find the smallest.
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def business_day(moment: dt.datetime) -> dt.date:
    return moment.replace(tzinfo=dt.UTC).astimezone(ZONE).date()


@dataclass(frozen=True)
class Sale:
    """A row of the source, times in UTC; without a time it cannot be told its day."""

    sale_id: str
    sold_at: dt.datetime | None
    got_at: dt.datetime
    price: int

    @property
    def day(self) -> int | None:
        """Number of its business day, counted from FIRST."""
        return (business_day(self.sold_at) - FIRST).days if self.sold_at else None


@dataclass(frozen=True)
class Pull:
    """A run over days counted from FIRST, of the source as it was then."""

    first: int
    last: int
    source: list[Sale]


@dataclass(frozen=True)
class Layout:
    """How a source delivers: what tells when a row arrived, and times or mere days."""

    look_back: int
    has_key: bool
    arrival: str = "column"
    kind: str = "timestamp"

    def arrival_day(self, sale: Sale) -> int:
        """Number of the day that its file bears in its name, or on which it came.

        Files may be cut at the midnight of Greenwich, two hours after that of Paris.
        """
        is_utc = self.arrival == "utc file"
        day = sale.got_at.date() if is_utc else business_day(sale.got_at)
        return (day - FIRST).days

    def opened(self, pull: Pull) -> range:
        """Days whose files a pull opens."""
        return range(pull.first - self.look_back - 1, pull.last + self.look_back + 1)

    def shown(self, moment: dt.datetime | None) -> Any:
        return business_day(moment) if moment and self.kind == "date" else moment


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    return Layout(
        look_back=draw(st.integers(0, 3)),
        has_key=draw(st.booleans()),
        arrival=draw(st.sampled_from(["column", "file", "utc file"])),
        kind=draw(st.sampled_from(["timestamp", "timestamp", "date"])),
    )


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


def changed(sale: Sale, price: int | None = None, delay: int = 0) -> Sale:
    got_at = sale.got_at + dt.timedelta(hours=delay)
    return replace(sale, price=sale.price if price is None else price, got_at=got_at)


@st.composite
def histories(draw: st.DrawFn) -> tuple[Layout, list[Pull]]:
    """Runs over any days, between which rows come, go and change."""
    layout = draw(layouts())
    source = draw(st.lists(sales(), max_size=12))
    pulls = []
    for _ in range(draw(st.integers(1, 4))):
        first = draw(st.integers(0, DAYS - 1))
        last = draw(st.integers(first, DAYS - 1))
        pulls.append(Pull(first, last, source))
        source = [sale for sale in source if draw(st.integers(0, 5))]
        source = [s if draw(st.integers(0, 5)) else replace(s, price=4) for s in source]
        source = source + draw(st.lists(sales(), max_size=4))
        # The same row once more, as it was or with another price or arrival.
        again = [sale for sale in source if not draw(st.integers(0, 3))]
        changes = st.sampled_from([{}, {"price": 2}, {"price": 3, "delay": 26}])
        source = source + [changed(sale, **draw(changes)) for sale in again]
    return layout, pulls


@pytest.fixture
def new_company(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Layout], Path]:
    """A company and a $KITH_HOME of its own at each call."""

    def make(layout: Layout) -> Path:
        folder = tmp_path / "company"
        shutil.rmtree(folder, ignore_errors=True)
        monkeypatch.setenv("KITH_HOME", str(folder / "home"))
        by_column = layout.arrival == "column"
        return company(
            folder,
            path="data/sales.csv" if by_column else "data/sales_{date:%Y-%m-%d}.csv",
            columns=[
                {
                    "name": "sale_id",
                    "data_type": "varchar",
                    "meta": {"required": True},
                },
                {"name": "sold_at", "data_type": layout.kind},
                {"name": "got_at", "data_type": layout.kind},
                {"name": "price", "data_type": "bigint", "meta": {"minimum": 0}},
            ],
            time_zone=ZONE.key,
            key=["sale_id"] if layout.has_key else [],
            look_back_days=layout.look_back,
            quarantine_limit_pct=100,
            **({"arrived": "got_at"} if by_column else {}),
        )

    return make


def deliver(folder: Path, layout: Layout, source: list[Sale]) -> None:
    """Write the source's file, or one for each day on which something can arrive."""
    files: dict[str, list[Sale]] = {"sales.csv": source}
    if layout.arrival != "column":
        files = {
            f"sales_{FIRST + dt.timedelta(days=day)}.csv": [
                sale for sale in source if layout.arrival_day(sale) == day
            ]
            for day in range(-5, DAYS + 8)
        }
    for name, rows in files.items():
        lines = [
            f"{s.sale_id},{layout.shown(s.sold_at) or ''},{layout.shown(s.got_at)},"
            f"{s.price}"
            for s in rows
        ]
        text = "\n".join(["sale_id,sold_at,got_at,price", *lines]) + "\n"
        (folder / "data" / name).write_text(text)


def run_pull(folder: Path, layout: Layout, pull: Pull) -> Run:
    """Pull and admit; whatever was seen is accounted for."""
    deliver(folder, layout, pull.source)
    first, last = (FIRST + dt.timedelta(days=n) for n in (pull.first, pull.last))
    run = run_door(folder, str(first), str(last))
    counts = report(run)
    assert counts["rows_delivered"] == (
        counts["admitted"] + counts["quarantined"] + counts["duplicates"]
    )
    seen = [
        sale
        for sale in pull.source
        if layout.arrival == "column" or layout.arrival_day(sale) in layout.opened(pull)
    ]
    assert len(seen) == (
        counts["rows_delivered"]
        + counts["rows_outside_interval"]
        + counts["out_of_window"]
    )
    return run


@dataclass(frozen=True)
class Union:
    """What dbt reads: rows of the table, counts by day, and how many were refused."""

    rows: Counter[tuple[Any, ...]]
    counts: dict[str, dict[int, int]]
    refused: int

    def total(self, name: str) -> int:
        return sum(self.counts[name].values())


def union(run: Run) -> Union:
    with run.writer_lock():
        prepare_warehouse(run)
    with duckdb.connect(str(run.warehouse), read_only=True) as warehouse:
        rows = warehouse.execute(
            f"select sale_id, sold_at, got_at, price from {TABLE}"
        ).fetchall()
        days = warehouse.execute(
            "select * replace (coalesce(row_count, 0) as row_count) "
            "from kith.admitted_days"
        ).df()
        refused = warehouse.execute("from kith.quarantined_rows").fetchall()
    days["number"] = (days["day"] - pd.Timestamp(FIRST)).dt.days
    assert days["number"].is_unique
    counts = {
        name: {
            int(row.number): int(getattr(row, name))
            for row in days.itertuples()
            if getattr(row, name) > 0
        }
        for name in COUNTS
    }
    return Union(Counter(rows), counts, len(refused))


def expected(layout: Layout, pulls: list[Pull]) -> Union:
    """The same by hand: each day as the last pull of it has it."""
    look_back = layout.look_back
    owner = {
        day: pull
        for pull in pulls
        for day in range(pull.first - look_back, pull.last + 1)
    }
    sold = pd.DataFrame(
        [
            (day, sale.day, layout.arrival_day(sale) - sale.day, sale)
            for day, pull in owner.items()
            for sale in pull.source
            if sale.day is not None
            if day
            == (layout.arrival_day(sale) if is_too_late(layout, sale) else sale.day)
        ],
        columns=["owned", "day", "lateness", "sale"],
    )
    sold["sold_at"] = [sale.sold_at for sale in sold["sale"]]
    sold["sale_id"] = [sale.sale_id for sale in sold["sale"]]
    is_out = sold["lateness"] > look_back
    is_bad = ~is_out & pd.Series([s.price < 0 for s in sold["sale"]], dtype=bool)
    good = sold[~is_out & ~is_bad]
    if layout.has_key:
        is_bad[contradicting(layout, good)] = True
    good = sold[~is_out & ~is_bad]
    order = [age(layout, sale) for sale in good["sale"]]
    good = good.iloc[sorted(range(len(good)), key=order.__getitem__)]
    is_old = good.duplicated("sale_id", keep="last") & layout.has_key
    counted = {
        "row_count": good[~is_old],
        "duplicate_count": good[is_old],
        "quarantined_count": sold[is_bad],
        "late_count": sold[~is_out & (sold["lateness"] > 0)],
        "out_of_window_count": sold[is_out],
    }
    newest = {
        origin: pull.source
        for pull in pulls
        for origin in ([None] if layout.arrival == "column" else layout.opened(pull))
    }
    as_of = max(pull.last for pull in pulls)
    undated = Counter(
        as_of if origin is None else min(origin, as_of)
        for origin, source in newest.items()
        for sale in source
        if sale.sold_at is None and origin in (None, layout.arrival_day(sale))
    )
    counts = {name: Counter(rows["day"]) for name, rows in counted.items()}
    counts["quarantined_count"] += undated
    return Union(
        Counter(
            (s.sale_id, layout.shown(s.sold_at), layout.shown(s.got_at), s.price)
            for s in counted["row_count"]["sale"]
        ),
        {name: dict(days) for name, days in counts.items()},
        counts["quarantined_count"].total(),
    )


def age(layout: Layout, sale: Sale) -> tuple[Any, ...]:
    """What tells which of two rows is newer."""
    by_column = layout.arrival == "column"
    arrival = layout.shown(sale.got_at) if by_column else layout.arrival_day(sale)
    return layout.shown(sale.sold_at), arrival


def contradicting(layout: Layout, good: pd.DataFrame) -> list[int]:
    """Rows that differ where nothing tells which is newer, on a day without newer."""
    found = []
    for _, of_day in good.groupby(["sale_id", "day"]):
        ages = [(age(layout, sale), number) for number, sale in of_day["sale"].items()]
        newest_first = sorted(ages, reverse=True)
        for _, group in itertools.groupby(newest_first, key=lambda pair: pair[0]):
            numbers = [number for _, number in group]
            contents = {
                (layout.shown(sale.got_at), sale.price)
                for sale in of_day["sale"][numbers]
            }
            if len(contents) == 1:
                break
            found += numbers
    return found


def is_too_late(layout: Layout, sale: Sale) -> bool:
    return (
        sale.day is not None and layout.arrival_day(sale) - sale.day > layout.look_back
    )


@few(20)
@given(histories())
def test_each_day_is_as_its_newest_delivery_has_it(
    new_company: Callable[[Layout], Path], history: tuple[Layout, list[Pull]]
) -> None:
    layout, pulls = history
    folder = new_company(layout)
    for pull in pulls:
        run = run_pull(folder, layout, pull)
    assert union(run) == expected(layout, pulls)


@few(8)
@given(
    histories(), st.sets(st.integers(1, DAYS - 1)), st.randoms(use_true_random=False)
)
def test_delivered_again_in_any_order_equals_all_at_once(
    new_company: Callable[[Layout], Path],
    history: tuple[Layout, list[Pull]],
    cuts: set[int],
    random: Any,
) -> None:
    layout, pulls = history
    source = pulls[-1].source
    folder = new_company(layout)
    for pull in pulls[:-1]:
        run_pull(folder, layout, pull)
    again = [
        Pull(first, end - 1, source)
        for first, end in itertools.pairwise(sorted({0, *cuts, DAYS}))
    ]
    random.shuffle(again)
    for pull in again:
        run = run_pull(folder, layout, pull)
    piecewise = union(run)

    at_once = run_pull(new_company(layout), layout, Pull(0, DAYS - 1, source))
    assert piecewise == union(at_once)

    days = range(-layout.look_back, DAYS)
    elsewhere = sum(
        sale.day is not None
        and (layout.arrival_day(sale) if is_too_late(layout, sale) else sale.day)
        not in days
        for sale in source
    )
    unopened = sum(
        sale.sold_at is None
        and layout.arrival_day(sale) not in layout.opened(Pull(0, DAYS - 1, source))
        for sale in source
    )
    assert len(source) == (
        sum(piecewise.rows.values())
        + piecewise.refused
        + piecewise.total("duplicate_count")
        + piecewise.total("out_of_window_count")
        + elsewhere
        + (0 if layout.arrival == "column" else unopened)
    )
    assert sum(piecewise.rows.values()) == piecewise.total("row_count")
    assert piecewise.refused == piecewise.total("quarantined_count")
