"""The report page, from a synthetic release to the picture in a real browser."""

import calendar
import datetime as dt
import html.parser
import json
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from kith.company.folder import Company
from kith.errors import PublicationError
from kith.report.page import write_report
from kith.runs.run import Interval, Run

NAMES = [
    "Champions",
    "Loyal customers",
    "Potential loyalists",
    "New customers",
    "Promising",
    "Need attention",
    "About to sleep",
    "At risk",
    "Cannot lose them",
    "Hibernating",
]
WIDTHS = {"desktop": 1240, "phone": 390}
HOSTILE = "</script><img src=x onerror=alert(1)>{{ 7 * 7 }}<!--"

Frames = dict[str, pd.DataFrame]


# --- a synthetic release ------------------------------------------------------


def _orders(customers: int, first: str, as_of: str, seed: int = 7) -> pd.DataFrame:
    """Orders of a shop: many small buyers, few large ones, 3% unidentified."""
    random = np.random.default_rng(seed)
    days = pd.date_range(first, as_of)
    rates = random.gamma(0.9, 5.0, customers)
    starts = (random.beta(0.5, 3.0, customers) * len(days)).astype(int)
    orders = []
    for number, (rate, start) in enumerate(zip(rates, starts, strict=True)):
        left = len(days) - start
        size = max(1, random.poisson(rate * left / 30))
        offsets = start + (random.random(size) * left).astype(int)
        orders.append(
            pd.DataFrame(
                {
                    "customer_id": f"person-{number:06d}",
                    "day": days[offsets],
                    "amount": np.round(random.gamma(2.0, 16.0, size), 2),
                }
            )
        )
    table = pd.concat(orders, ignore_index=True)
    unknown = random.random(len(table)) < 0.03
    # Each keeps its first order, so that every customer has bought.
    unknown &= table.duplicated("customer_id").to_numpy()
    table.loc[unknown, "customer_id"] = None
    return table


def _segment_rows(
    scheme: str, groups: pd.Series, values: pd.DataFrame, unidentified: float
) -> pd.DataFrame:
    joined = values.assign(segment=groups).groupby("segment")
    total, base = values.revenue_amount.sum() + unidentified, len(values)
    rows = joined.agg(
        customer_count=("revenue_amount", "size"),
        revenue_amount=("revenue_amount", "sum"),
        average_revenue_amount=("revenue_amount", "mean"),
    ).reset_index()
    rows["revenue_index"] = rows.average_revenue_amount / values.revenue_amount.mean()
    if unidentified:
        rows.loc[len(rows)] = ["unidentified", 0, unidentified, None, None]
    return rows.assign(
        scheme=scheme,
        customer_share_pct=100 * rows.customer_count / base,
        revenue_share_pct=100 * rows.revenue_amount / total if total else None,
    )


def marts(orders: pd.DataFrame, as_of: str, names: list[str] = NAMES) -> Frames:
    """The marts that the page reads, computed from orders."""
    today = pd.Timestamp(as_of)
    known = orders.dropna(subset="customer_id")
    unidentified = orders[orders.customer_id.isna()]
    values = known.groupby("customer_id").agg(
        order_count=("amount", "size"),
        revenue_amount=("amount", "sum"),
        last=("day", "max"),
        first=("day", "min"),
    )
    since = (today - values["last"]).dt.days
    state = pd.cut(
        since,
        [-1, 29, 89, 179, 10**6],
        labels=["active", "drowsy", "half_asleep", "asleep"],
    ).astype(str)
    rank = values.revenue_amount.rank(method="first", pct=True)
    rfm = rank.map(lambda r: names[int((1 - r) * len(names))])
    lost = float(unidentified.amount.sum())
    segments = pd.concat(
        [
            _segment_rows("activity_state", state, values, lost),
            _segment_rows("rfm_segment", rfm, values, lost),
        ]
    )

    month = known.day.dt.to_period("M")
    first = values["first"].dt.to_period("M")
    last_month = today.to_period("M")
    is_over = {
        m: m < last_month or today.day == calendar.monthrange(m.year, m.month)[1]
        for m in pd.period_range(first.min(), last_month, freq="M")
    }
    bought = known.groupby(["customer_id", month]).amount.agg(["size", "sum"])
    bought = {key: (size, total) for key, size, total in bought.itertuples()}
    months = []
    for customer, start in first.items():
        was = None
        for m in pd.period_range(start, last_month, freq="M"):
            count, total = bought.get((customer, m), (0, 0))
            active = count > 0
            kind = (
                ("new" if m == start else "returning" if was else "resurrecting")
                if active
                else "dormant"
            )
            months.append((customer, m, is_over[m], count, total, active, kind))
            was = active
    strangers = unidentified.groupby(unidentified.day.dt.to_period("M")).amount
    for m, group in strangers:
        row = ("unidentified", m, is_over[m], len(group), group.sum(), None, None)
        months.append(row)

    cohorts = []
    start_of = first.to_dict()
    sizes = first.value_counts()
    activity = pd.DataFrame(sorted(bought, key=str), columns=["customer_id", "month"])
    activity["cohort"] = activity.customer_id.map(start_of)
    counts = activity.groupby(["cohort", "month"]).size()
    for cohort, size in sizes.sort_index().items():
        for number, m in enumerate(pd.period_range(cohort, last_month, freq="M")):
            active = int(counts.get((cohort, m), 0)) if is_over[m] else None
            pct = None if active is None else 100 * active / size
            cohorts.append((cohort.to_timestamp(), number, size, active, pct))

    ordered = values.revenue_amount.sort_values(ascending=False).to_numpy()
    n, index = len(ordered), np.arange(1, len(ordered) + 1)
    gini = 2 * (index * ordered[::-1]).sum() / (n * ordered.sum()) - (n + 1) / n
    tops = [(q, -(-q * n // 100)) for q in range(1, 101)]

    people = values.reset_index()[["customer_id", "order_count", "revenue_amount"]]
    if len(unidentified):
        people.loc[len(people)] = ["unidentified", len(unidentified), lost]
    return {
        "orders": orders,  # no mart: what the figures are recomputed from
        "customer.customers": pd.DataFrame({"customer_id": values.index}),
        "customer.customer_values": people,
        "customer.customer_months": pd.DataFrame(
            months,
            columns=[
                "customer_id",
                "month",
                "is_complete",
                "order_count",
                "revenue_amount",
                "is_active",
                "lifecycle",
            ],
        ).assign(month=lambda frame: frame.month.dt.to_timestamp()),
        "segment.segments": segments,
        "segment.rfm_scores": pd.DataFrame(
            {"window_start": [dt.date(2017, 1, 1)], "window_end": [today.date()]}
        ),
        "segment.cohorts": pd.DataFrame(
            cohorts,
            columns=[
                "cohort_month",
                "period_number",
                "cohort_size",
                "active_count",
                "retention_pct",
            ],
        ),
        "segment.concentrations": pd.DataFrame(
            {
                "measure": "revenue",
                "top_pct": [q for q, _ in tops],
                "customer_count": [k for _, k in tops],
                "amount": [ordered[:k].sum() for _, k in tops],
                "share_pct": [100 * ordered[:k].sum() / ordered.sum() for _, k in tops],
                "gini": gini,
                "n": n,
            }
        ),
        "operations.source_deliveries": _deliveries(as_of),
        "operations.gate_results": _checks(0),
    }


def _scores(
    measure: str,
    months: pd.DatetimeIndex,
    answers: list[int],
    touchpoints: list[str],
    dimension: str = "overall",
) -> pd.DataFrame:
    """Scores by month, by touchpoint and in all: as dear as the answers are many."""
    random = np.random.default_rng(len(touchpoints))
    weights = random.dirichlet(np.ones(len(touchpoints)) / 2) * sum(answers)
    cells = [
        ("total", "month", "all", month, n)
        for month, n in zip(months, answers, strict=True)
        if n
    ]
    by_year = pd.Series(answers, months).groupby(months.year).sum()
    cells += [("total", "year", "all", f"{y}-01-01", n) for y, n in by_year.items()]
    cells.append(("total", "all", "all", months[0], sum(answers)))
    cells += [
        ("touchpoint", "all", touchpoint, months[0], int(n) + 1)
        for touchpoint, n in zip(touchpoints, weights, strict=True)
    ]
    names = ["breakdown", "period_grain", "touchpoint", "period_start", "n"]
    rows = pd.DataFrame(cells, columns=names).assign(
        measure=measure, dimension=dimension, is_complete=True
    )
    rows["period_start"] = pd.to_datetime(rows.period_start)
    rows.loc[rows.touchpoint == "hotline", "dimension"] = "waiting"
    rows["score"] = np.where(rows.n < 30, None, random.normal(40, 20, len(rows)))
    margin = 80 / np.sqrt(rows.n)
    # Where all answers are alike the error is not known.
    margin[rows.touchpoint == "alike"] = None
    rows["interval_low"] = rows.score - margin
    rows["interval_high"] = rows.score + margin
    return rows


def _cases(first: str, as_of: str, count: int) -> pd.DataFrame:
    random = np.random.default_rng(count)
    days = pd.date_range(first, as_of)
    in_time = random.choice([True, False, None], count, p=[0.7, 0.25, 0.05])
    return pd.DataFrame(
        {
            "is_complaint": random.random(count) < 0.8,
            "state": np.where(in_time == False, "overdue", "resolved"),  # noqa: E712
            "opened_date": days[random.integers(0, len(days), count)],
            "is_answered_in_time": in_time,
            "as_of_date": pd.Timestamp(as_of),
        }
    )


def _deliveries(as_of: str) -> pd.DataFrame:
    rows = [
        ("shop", "transactions", dt.date.fromisoformat(as_of), "arrived", 4000, 3, 1),
        ("shop", "transactions", dt.date(2017, 5, 1), "missing", 0, 0, 0),
        ("shop", "products", dt.date.fromisoformat(as_of), "arrived", 92331, 0, 0),
        ("kith", "tickets", dt.date.fromisoformat(as_of), "feed_not_provided", 0, 0, 0),
    ]
    names = ["source_name", "table_name", "day", "status"]
    names += ["row_count", "quarantined_count", "duplicate_count"]
    return pd.DataFrame(rows, columns=names)


def _checks(warnings: int) -> pd.DataFrame:
    common = {"run_id": "run-1", "severity": "critical", "sample": "person-000001"}
    rows = [
        common | {"table_name": "segment.cohorts", "expectation": f"rows_{i}"}
        for i in range(40)
    ]
    for row in rows:
        row |= {"column_name": None, "outcome": "passed", "observed": "1"}
    rows.append(rows[0] | {"run_id": "an-older-run", "outcome": "failed"})
    for i in range(warnings):
        rows.append(
            rows[0]
            | {
                "table_name": "customer.customers",
                "column_name": "city",
                "severity": "warning",
                "outcome": "failed",
                "expectation": f"expect_column_values_to_not_be_null_{i}",
                "observed": "1668 of 2469 values",
                "sample": "person-000002",
            }
        )
    return pd.DataFrame(rows)


_TYPES = """
create schema customer; create schema segment; create schema operations;
create schema satisfaction;
create table satisfaction.satisfaction_scores (
    measure varchar, dimension varchar, breakdown varchar, period_grain varchar,
    touchpoint varchar, period_start date, is_complete boolean, n bigint,
    score double, interval_low double, interval_high double);
create table satisfaction.complaints (
    is_complaint boolean, state varchar, opened_date date, is_answered_in_time boolean,
    as_of_date date);
create table customer.customers (customer_id varchar);
create table customer.customer_values (
    customer_id varchar, order_count bigint, revenue_amount decimal(18, 2));
create table customer.customer_months (
    customer_id varchar, month date, is_complete boolean, order_count bigint,
    revenue_amount decimal(18, 2), is_active boolean, lifecycle varchar);
create table segment.segments (
    scheme varchar, segment varchar, customer_count bigint, customer_share_pct double,
    revenue_amount decimal(18, 2), revenue_share_pct double,
    average_revenue_amount decimal(18, 2), revenue_index double);
create table segment.rfm_scores (window_start date, window_end date);
create table segment.cohorts (
    cohort_month date, period_number bigint, cohort_size bigint, active_count bigint,
    retention_pct double);
create table segment.concentrations (
    measure varchar, top_pct bigint, customer_count bigint, amount decimal(18, 2),
    share_pct double, gini double, n bigint);
create table operations.source_deliveries (
    source_name varchar, table_name varchar, day date, status varchar,
    row_count bigint, quarantined_count bigint, duplicate_count bigint);
create table operations.gate_results (
    run_id varchar, table_name varchar, expectation varchar, column_name varchar,
    severity varchar, outcome varchar, observed varchar, sample varchar);
"""


def publish(
    home: Path, name: str, frames: Frames, as_of: str, title: str = "Corner Grocer"
) -> Run:
    """A release as the page finds it, and the run that made it."""
    company = Company(
        name=name,
        title=title,
        time_zone="America/New_York",
        currency="USD",
        first_day=dt.date(2017, 1, 1),
        feeds={},
        folder=home,
        sources=[],
    )
    day = dt.date.fromisoformat(as_of)
    run = Run(company, Interval(day, day), "run-1", home)
    release = run.published / "20180101T050000Z_a1b2c3"
    release.mkdir(parents=True)
    with duckdb.connect(str(release / "kith.duckdb")) as connection:
        connection.execute(_TYPES)
        for table, frame in frames.items():
            if table == "orders":
                continue
            connection.register("frame", frame)
            connection.execute(f"insert into {table} by name select * from frame")
    manifest = {
        "release_id": release.name,
        "run_id": "run-1",
        "title": title,
        "currency": "USD",
        "time_zone": "America/New_York",
        "as_of_date": as_of,
        "published_at": "2018-01-01T05:00:00Z",
    }
    (release / "manifest.json").write_text(json.dumps(manifest))
    (run.published / "current").symlink_to(release.name)
    return run


def page_of(run: Run) -> Path:
    return run.published / "current" / "report" / "index.html"


def _grocer() -> tuple[Frames, str]:
    frames = marts(_orders(2469, "2017-01-01", "2017-12-31"), "2017-12-31")
    months = pd.date_range("2017-01-01", "2017-12-01", freq="MS")
    places = ["till", "web_shop", "delivery", "hotline", "alike", "not_stated"]
    scores = [
        _scores("nps", months, [80, 90, 12, 0, *[70] * 8], places),
        _scores("csat_top_two_pct", months, [300] * 12, ["not_stated"]),
    ]
    return frames | {
        "operations.gate_results": _checks(4),
        "satisfaction.satisfaction_scores": pd.concat(scores),
        "satisfaction.complaints": _cases("2017-01-01", "2017-12-31", 900),
    }, "2017-12-31"


def _unfinished() -> tuple[Frames, str]:
    """And a survey that just began."""
    months = pd.DatetimeIndex(["2017-11-01", "2017-12-01"])
    scores = _scores("nps", months, [20, 11], ["till", "web_shop"])
    scores["is_complete"] = scores.period_start < "2017-12-01"
    frames = marts(_orders(60, "2016-01-10", "2017-12-12"), "2017-12-12")
    return frames | {"satisfaction.satisfaction_scores": scores}, "2017-12-12"


def _ten_years() -> tuple[Frames, str]:
    """And large amounts, as in a currency of small value."""
    orders = _orders(150, "2008-01-01", "2017-12-31")
    orders["amount"] *= 450
    months = pd.date_range("2008-01-01", "2017-12-01", freq="MS")
    places = [f"Counter {number} on the ground floor" for number in range(22)]
    answers = list(np.random.default_rng(3).integers(0, 90, len(months)))
    return marts(orders, "2017-12-31") | {
        "satisfaction.satisfaction_scores": _scores("nps", months, answers, places),
        "satisfaction.complaints": _cases("2008-01-01", "2017-12-31", 4000),
    }, "2017-12-31"


def _one_customer() -> tuple[Frames, str]:
    orders = pd.DataFrame(
        {"customer_id": ["person-1"], "day": pd.to_datetime(["2017-12-03"])}
    ).assign(amount=12.5)
    cases = _cases("2017-12-31", "2017-12-31", 1).assign(is_complaint=False)
    return marts(orders, "2017-12-31") | {
        "satisfaction.satisfaction_scores": _scores(
            "nps", pd.DatetimeIndex(["2017-12-01"]), [1], ["till"]
        ),
        "satisfaction.complaints": cases,
    }, "2017-12-31"


def _long_names() -> tuple[Frames, str]:
    names = [
        "Customers who bought a great deal of everything but have not come back lately",
        "Donaudampfschifffahrtsgesellschaftskapitänsmützenliebhaber",
        "重要价值客户以及需要特别关注和重点维护的老客户群体",
        HOSTILE,
    ]
    orders = _orders(200, "2017-01-01", "2017-12-31")
    months = pd.DatetimeIndex(["2015-11-01", "2016-11-01", "2017-12-01"])
    return marts(orders, "2017-12-31", names) | {
        "satisfaction.satisfaction_scores": _scores(
            "csat_top_two_pct", months, [400, 12, 400], names, dimension=HOSTILE
        ),
    }, "2017-12-31"


def _events_only() -> tuple[Frames, str]:
    """Customers who left traces, but no order."""
    frames = _nothing()[0]
    frames["customer.customers"] = pd.DataFrame({"customer_id": ["person-1"]})
    frames["customer.customer_values"] = pd.DataFrame(
        {"customer_id": ["person-1"], "order_count": [0], "revenue_amount": [0]}
    )
    frames["customer.customer_months"] = pd.DataFrame(
        {"customer_id": ["person-1"], "month": ["2017-12-01"], "is_complete": [True]}
    ).assign(order_count=0, revenue_amount=0, is_active=False)
    frames["segment.segments"] = pd.DataFrame(
        {
            "scheme": ["activity_state", "rfm_segment"],
            "segment": ["never_purchased", "no_purchase_in_window"],
            "customer_count": [1, 1],
            "customer_share_pct": [100.0, 100.0],
            "revenue_amount": [0, 0],
        }
    )
    return frames, "2017-12-31"


def _nothing() -> tuple[Frames, str]:
    return {"operations.gate_results": _checks(0)}, "2017-12-31"


RELEASES = {
    "grocer": _grocer,
    "unfinished": _unfinished,
    "ten_years": _ten_years,
    "one_customer": _one_customer,
    "long_names": _long_names,
    "events_only": _events_only,
    "nothing": _nothing,
}

# Charts on the page: six of customers and revenue, two per score, one of a score that
# names no touchpoint, two of complaints.
DRAWN = {
    "grocer": 11,
    "unfinished": 8,
    "ten_years": 10,
    "one_customer": 10,
    "long_names": 8,
    "events_only": 1,
    "nothing": 0,
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kith_home")


@pytest.fixture(scope="module")
def releases(home: Path) -> dict[str, tuple[Run, Frames]]:
    """Each kind of release, with its page written."""
    made = {}
    for name, make in RELEASES.items():
        frames, as_of = make()
        title = HOSTILE if name == "long_names" else "Corner Grocer"
        made[name] = (publish(home, name, frames, as_of, title), frames)
        write_report(made[name][0])
    return made


# --- reading the page ---------------------------------------------------------


class _Page(html.parser.HTMLParser):
    """Texts of the key figures and cells of the tables, by caption."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.tiles: dict[str, list[str]] = {}
        self.tables: dict[str, list[list[str]]] = {}
        self._text: list[str] = []
        self._label = self._caption = ""
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        if tag in ("dt", "dd", "th", "td", "caption", "title", "p"):
            self._text = []
        if tag == "tr":
            self.tables[self._caption].append([])

    def handle_endtag(self, tag: str) -> None:
        text = " ".join("".join(self._text).split())
        if tag == "dt":
            self._label = text
            self.tiles.setdefault(text, [])  # the definitions come later
        elif tag == "dd":
            self.tiles[self._label].append(text)
        elif tag == "caption":
            self._caption = text
            self.tables[text] = []
        elif tag in ("th", "td"):
            self.tables[self._caption][-1].append(text)
        elif tag == "title":
            self.title = text

    def handle_data(self, data: str) -> None:
        self._text.append(data)


def _by_month(frames: Frames) -> Any:
    return frames["orders"].groupby(frames["orders"].day.dt.to_period("M"))


def _signed(change: float) -> str:
    return f"{change:+,.1f}%".replace("-", "−")


def test_key_figures_equal_the_marts(releases: Any) -> None:
    run, frames = releases["grocer"]
    page = _Page(page_of(run))
    values = frames["customer.customer_values"]
    known = values[values.customer_id != "unidentified"]
    months = _by_month(frames)
    revenue = months.amount.sum()
    active = frames["customer.customer_months"].query("is_active == True")
    buyers = active.groupby("month").customer_id.nunique()
    change = 100 * (revenue["2017-12"] / revenue["2017-11"] - 1)

    assert page.tiles["Customers"][0] == "2,469"
    assert page.tiles["Active buyers, Dec 2017"][0] == f"{buyers['2017-12-01']:,}"
    tile = page.tiles["Revenue, Dec 2017"]
    assert tile[0] == f"{revenue['2017-12']:,.0f} USD"
    assert tile[1][2:] == _signed(change) + " on the month before"
    assert tile[1][0] == ("▲" if change > 0 else "▼")
    assert len(tile) == 2, "there is no year before"
    assert page.tiles["Revenue in all"][0] == f"{values.revenue_amount.sum():,.0f} USD"
    ordered = known.revenue_amount.sort_values(ascending=False)
    top = 100 * ordered.head(494).sum() / ordered.sum()
    assert page.tiles["Revenue from the top 20%"][0] == f"{top:.1f}%"
    gini = frames["segment.concentrations"].gini.iloc[0]
    assert page.tiles["Gini coefficient"][0] == f"{gini:.2f}"
    lost = 100 * (1 - known.revenue_amount.sum() / values.revenue_amount.sum())
    assert page.tiles["Unidentified revenue"][0] == f"{lost:.1f}%"


@pytest.mark.parametrize("name", ["grocer", "unfinished"])
def test_repeat_purchase_rate_leaves_the_unidentified_out(
    releases: Any, name: str
) -> None:
    run, frames = releases[name]
    values = frames["customer.customer_values"]
    known = values[values.customer_id != "unidentified"]
    repeat = 100 * (known.order_count >= 2).mean()
    page = _Page(page_of(run))
    assert page.tiles["Repeat-purchase rate"][0] == f"{repeat:.1f}%"


def test_tables_behind_the_charts_equal_the_marts(releases: Any) -> None:
    run, frames = releases["grocer"]
    page = _Page(page_of(run))
    months = _by_month(frames)
    assert page.tables["Revenue by month"][1:] == [
        [f"{month:%b %Y}", f"{len(group):,}", f"{group.amount.sum():,.2f}"]
        for month, group in months
    ]
    active = frames["customer.customer_months"].query("is_active == True")
    counts = active.groupby(["month", "lifecycle"]).size().unstack(fill_value=0)
    assert page.tables["Active buyers by month"][1:] == [
        [
            f"{month:%b %Y}",
            *(f"{n:,}" for n in (row.sum(), row["new"], row.returning)),
            f"{row.resurrecting:,}",
        ]
        for month, row in counts.iterrows()
    ]
    segments = frames["segment.segments"].query("scheme == 'rfm_segment'")
    shown = page.tables["Share of customers and of revenue by RFM segment"][1:]
    assert shown[-1][0] == "Unidentified"
    assert {row[0]: row[1:] for row in shown} == {
        row.segment.capitalize() if row.segment == "unidentified" else row.segment: [
            f"{row.customer_count:,}",
            f"{row.customer_share_pct:.1f}%",
            f"{round(row.revenue_amount, 2):,.2f}",
            f"{row.revenue_share_pct:.1f}%",
        ]
        for row in segments.itertuples()
    }
    states = frames["segment.segments"].query("scheme == 'activity_state'")
    by_state = states.set_index("segment").customer_count
    assert [row[:2] for row in page.tables["Customers by activity state"][1:]] == [
        ["Active", f"{by_state.active:,}"],
        ["Drowsy", f"{by_state.drowsy:,}"],
        ["Half asleep", f"{by_state.half_asleep:,}"],
        ["Asleep", f"{by_state.asleep:,}"],
        ["Never purchased", "0"],
    ]


def test_retention_grid_is_blank_where_a_month_is_not_over(releases: Any) -> None:
    run, frames = releases["unfinished"]
    cohorts = frames["segment.cohorts"]
    grid = _Page(page_of(run)).tables["Retention by cohort, percent of the cohort"]
    lines = {row[0]: row for row in grid[1:-1]}
    for month, rows in cohorts.groupby("cohort_month"):
        shown = lines[f"{month:%b %Y}"]
        assert shown[1] == f"{rows.cohort_size.iloc[0]:,}"
        expected = [
            "" if pd.isna(pct) else f"{pct:.0f}%"
            for pct in rows.sort_values("period_number").retention_pct
        ]
        assert shown[2 : 2 + len(expected)] == expected
        assert expected[-1] == "", "December 2017 has 19 days to come"
        assert not any(shown[2 + len(expected) :])
    complete = cohorts.dropna(subset="retention_pct").query("period_number == 3")
    overall = 100 * complete.active_count.sum() / complete.cohort_size.sum()
    assert grid[-1][0] == "All cohorts"
    assert grid[-1][5] == f"{overall:.0f}%"


def test_scores_are_shown_with_answers_and_interval(releases: Any) -> None:
    run, frames = releases["grocer"]
    page = _Page(page_of(run))
    scores = frames["satisfaction.satisfaction_scores"]

    def cells(row: Any) -> list[str]:
        if row.score is None:
            return [f"{row.n}", "too few answers", "–"]
        interval = f"{row.interval_low:.1f} to {row.interval_high:.1f}"
        if np.isnan(row.interval_low):
            interval = "–"
        shown = [f"{row.n:,}", f"{row.score:.1f}", interval]
        return [text.replace("-", "−") for text in shown]

    nps = scores[scores.measure == "nps"]
    by_month = nps.query("breakdown == 'total' and period_grain == 'month'")
    expected = [
        [f"{row.period_start:%b %Y}", *cells(row)] for row in by_month.itertuples()
    ]
    expected.insert(3, ["Apr 2017", "0", "no answers", "–"])
    assert expected[2] == ["Mar 2017", "12", "too few answers", "–"]
    assert page.tables["NPS by month"][1:] == expected
    by_place = nps[nps.breakdown == "touchpoint"].sort_values("n", ascending=False)
    shown = page.tables["NPS by touchpoint"][1:]
    assert shown[-1][0] == "Not stated"
    assert "Hotline: Waiting" in [row[0] for row in shown]
    assert sorted(row[1:] for row in shown) == sorted(map(cells, by_place.itertuples()))
    assert "CSAT by month" in page.tables
    assert "Grey crosses: fewer than 30 answers." in page.source


def test_a_yearly_survey_is_shown_by_year(releases: Any) -> None:
    run, _ = releases["long_names"]
    shown = _Page(page_of(run)).tables["CSAT by year"][1:]
    assert [row[:2] for row in shown] == [
        ["2015", "400"],
        ["2016", "12"],
        ["2017", "400"],
    ]
    assert shown[1][2] == "too few answers"


def test_complaints_are_counted_by_month_of_opening(releases: Any) -> None:
    run, frames = releases["grocer"]
    page = _Page(page_of(run))
    cases = frames["satisfaction.complaints"].query("is_complaint")
    shown = page.tables["Complaints answered within 24 hours"][1:]
    for line, (month, group) in zip(
        shown, cases.groupby(cases.opened_date.dt.to_period("M")), strict=True
    ):
        came = int((group.is_answered_in_time == True).sum())  # noqa: E712
        late = int((group.is_answered_in_time == False).sum())  # noqa: E712
        assert line == [
            *(f"{month:%b %Y}", f"{len(group)}", f"{came}", f"{late}"),
            *(f"{len(group) - came - late}", f"{100 * came / (came + late):.1f}%"),
        ]
    states = {row[0]: row[1] for row in page.tables["Complaints by state"][1:]}
    assert states["Overdue"] == str((cases.state == "overdue").sum())
    assert states["Reopened"] == "0"
    others = _Page(page_of(releases["one_customer"][0]))
    assert len(others.tables["Service cases answered within 24 hours"]) == 2


def test_last_complete_month_is_compared_with_the_year_before(releases: Any) -> None:
    run, frames = releases["unfinished"]
    months = _by_month(frames)
    revenue = months.amount.sum()
    change = 100 * (revenue["2017-11"] / revenue["2016-11"] - 1)
    tile = _Page(page_of(run)).tiles["Revenue, Nov 2017"]
    assert tile[2][2:] == _signed(change) + " on a year before"


def test_ten_years_are_cut_to_the_newest_cohorts(releases: Any) -> None:
    run, frames = releases["ten_years"]
    page = _Page(page_of(run))
    grid = page.tables["Retention by cohort, percent of the cohort"]
    cohorts = frames["segment.cohorts"].cohort_month.drop_duplicates().sort_values()
    assert len(cohorts) > 24
    assert [r[0] for r in grid[1:-1]] == [f"{m:%b %Y}" for m in cohorts[-24:]]
    assert len(grid[0]) <= 2 + 24
    assert f"The last 24 of {len(cohorts)} cohorts" in page.source
    assert len(page.tables["Revenue by month"]) == 1 + 36


def test_a_change_of_nothing_shows_no_arrow(tmp_path: Path, home: Path) -> None:
    orders = pd.DataFrame(
        {
            "customer_id": "person-1",
            "day": pd.to_datetime(["2017-11-03", "2017-12-03"]),
            "amount": [12.5, 12.5],
        }
    )
    run = publish(home, "unchanged", marts(orders, "2017-12-31"), "2017-12-31")
    write_report(run)
    page = _Page(page_of(run))
    assert page.tiles["Revenue, Dec 2017"][1:] == ["no change on the month before"]
    assert "▲" not in page.source.split("<script>")[0]


def test_gate_names_its_warnings_and_no_person(releases: Any) -> None:
    page = _Page(page_of(releases["grocer"][0]))
    words = page.source.split("<script>")[0]
    assert "Gate passed with 4 warnings" in words
    assert "customer.customers.city expect_column_values_to_not_be_null_0" in words
    assert [r[3] for r in page.tables["Gate warnings"][1:]] == [
        "1668 of 2469 values"
    ] * 4
    assert "person-" not in page.source
    clean = _Page(page_of(releases["unfinished"][0])).source
    assert "40 checks, no warnings" in clean


def test_deliveries_are_summed_and_missing_feeds_named(releases: Any) -> None:
    page = _Page(page_of(releases["grocer"][0]))
    assert page.tables["Deliveries by source table"][1:] == [
        ["shop.products", "92,331", "0", "0", "0", "0", "31 Dec 2017"],
        ["shop.transactions", "4,000", "3", "1", "1", "0", "31 Dec 2017"],
    ]
    assert "Feeds that no source provides: tickets." in page.source


@pytest.mark.parametrize(("name", "empty"), [("nothing", 10), ("events_only", 9)])
def test_without_orders_each_chart_says_so(
    releases: Any, name: str, empty: int
) -> None:
    source = page_of(releases[name][0]).read_text()
    assert source.count(">No data yet</p>") == empty
    assert "nan" not in source.split("<script>")[0].lower().split()


def test_text_from_data_cannot_become_markup(releases: Any) -> None:
    page = _Page(page_of(releases["long_names"][0]))
    assert page.title == f"{HOSTILE}: customer report, 31 Dec 2017"
    assert "img" not in page.tags
    assert page.source.count("</script>") == 8 + 2, "one per chart, and two at the end"


def test_page_is_small_read_only_and_made_with_one_bundle(
    releases: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = releases["grocer"]
    # The script is dear to make: a second page must take it from the cache.
    monkeypatch.setattr("vl_convert.javascript_bundle", None)
    write_report(run)
    path = page_of(run)
    assert path.stat().st_size < 2_000_000
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert [entry.name for entry in path.parent.iterdir()] == ["index.html"]
    assert len(list((home / "cache").iterdir())) == 1


def test_without_a_release_the_reason_is_given(home: Path) -> None:
    run = publish(home, "unpublished", {}, "2017-12-31")
    (run.published / "current").unlink()
    with pytest.raises(PublicationError, match="no release"):
        write_report(run)


# --- the picture --------------------------------------------------------------

# Every text of every chart: inside its picture, and on no other text.
_FAULTS = """() => {
  const faults = [];
  for (const svg of document.querySelectorAll(".chart svg")) {
    const name = svg.closest(".chart").id, frame = svg.getBoundingClientRect();
    if (frame.width < 100 || frame.height < 20) faults.push(`${name}: no size`);
    const texts = [...svg.querySelectorAll("text")]
      .filter(text => text.textContent.trim() && getComputedStyle(text).opacity > 0)
      .map(text => [text.textContent, text.getBoundingClientRect()]);
    for (const [index, [words, box]] of texts.entries()) {
      if (box.left < frame.left - 1 || box.right > frame.right + 1
          || box.top < frame.top - 2 || box.bottom > frame.bottom + 2)
        faults.push(`${name}: clipped: ${words}`);
      for (const [others, other] of texts.slice(index + 1))
        if (box.left < other.right - 1 && other.left < box.right - 1
            && box.top < other.bottom - 3 && other.top < box.bottom - 3)
          faults.push(`${name}: collide: ${words} / ${others}`);
    }
  }
  for (const words of document.querySelectorAll(".tile dd, .tile dt, h1, h2, p"))
    if (words.scrollWidth > words.clientWidth + 1)
      faults.push(`wide: ${words.textContent}`);
  if (document.documentElement.scrollWidth > innerWidth)
    faults.push("page overflows");
  return faults;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    executable = shutil.which("chromium")
    if not executable:
        pytest.skip("the page was not looked at: there is no chromium on PATH")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=executable,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ],
        )
        yield browser
        browser.close()


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
@pytest.mark.parametrize("name", RELEASES)
def test_page_in_a_browser(
    releases: Any, browser: Any, tmp_path: Path, name: str, width: int
) -> None:
    run, _ = releases[name]
    page = browser.new_page(viewport={"width": width, "height": 900})
    requested: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: said.append("dialog: " + dialog.message))
    try:
        page.goto(page_of(run).resolve().as_uri())
        drawn = page.locator(".chart").count()
        page.wait_for_function(
            f"document.querySelectorAll('.chart svg').length == {drawn}"
        )
        assert drawn == DRAWN[name]
        picture = tmp_path / f"{name}_{width}.png"
        page.screenshot(path=picture, full_page=True)
        assert picture.stat().st_size > 10_000
        assert page.evaluate(_FAULTS) == []
        assert said == []
        assert [
            url for url in requested if not url.startswith(("file:", "data:"))
        ] == []
        assert page.locator("img").count() == 0
        assert page.locator("html").get_attribute("lang") == "en"
        for label in page.locator(".chart").all():
            assert re.search(r"\w+\. \w", label.get_attribute("aria-label") or "")
    finally:
        page.close()
