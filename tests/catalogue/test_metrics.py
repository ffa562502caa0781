"""Each metric is what the marts say, computed once more by plain pandas."""

import datetime as dt
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from kith.catalogue.metrics import Metrics
from kith.database import connect
from kith.errors import ConfigurationError
from kith.report import customer, retention, satisfaction
from kith.report.entries import Entry, Tile
from kith.runs.run import Run

Frames = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def frames(release: Path) -> Frames:
    names = (
        *("customer.orders", "customer.customers", "customer.customer_values"),
        *("customer.customer_months", "segment.cohorts", "customer.leads"),
        *("customer.customer_lifetime_values", "satisfaction.satisfaction_scores"),
        *("satisfaction.complaints", "satisfaction.promises"),
        "satisfaction.customer_satisfaction",
    )
    with duckdb.connect(str(release / "kith.duckdb"), read_only=True) as connection:
        return {
            name.split(".")[1]: connection.sql(f"from {name}").df() for name in names
        }


@pytest.fixture(scope="module")
def metrics(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Metrics:
    return Metrics(release, tmp_path_factory.mktemp("scratch"))


def identified(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame.customer_id != "unidentified"]


def true(values: pd.Series) -> pd.Series:
    """Where a value is true, and neither false nor unknown."""
    return values.eq(True).fillna(False).astype(bool)


def share(part: float, whole: float) -> float | None:
    return 100 * part / whole if whole else None


def purchases(f: Frames) -> pd.DataFrame:
    return f["orders"][true(f["orders"].is_purchase)]


def active(f: Frames) -> int:
    return identified(purchases(f)).customer_id.nunique()


def buyers(f: Frames) -> pd.DataFrame:
    values = identified(f["customer_values"])
    return values[values.order_count > 0]


def lost(f: Frames) -> int:
    months = f["customer_months"]
    return int((months.is_complete & (months.lifecycle == "dormant")).sum())


def before(f: Frames) -> int:
    months = f["customer_months"]
    there = months.lifecycle.isin(["dormant", "returning"])
    return int((months.is_complete & there).sum())


def whole(f: Frames, measure: str) -> pd.DataFrame:
    """Rows of months about the whole, not divided, all answers."""
    scores = f["satisfaction_scores"]
    return scores[
        (scores.measure == measure)
        & (scores.period_grain == "month")
        & (scores.breakdown == "total")
        & (scores.answers == "all")
        & (scores.dimension == "overall")
    ]


def by_survey(measure: str, column: str) -> Callable[[Frames], pd.Series]:
    return lambda f: whole(f, measure).groupby(["survey", "question"])[column].sum()


def nps(f: Frames) -> pd.Series:
    sums = (
        whole(f, "nps")
        .groupby(["survey", "question"])[["promoter_count", "detractor_count", "n"]]
        .sum()
    )
    return (
        100 * (sums.promoter_count - sums.detractor_count) / sums.n.where(sums.n >= 30)
    )


def csat(f: Frames) -> pd.Series:
    sums = (
        whole(f, "csat_top_two_pct")
        .groupby(["survey", "question"])[["top_box_count", "n"]]
        .sum()
    )
    return 100 * sums.top_box_count / sums.n.where(sums.n >= 30)


def retained(column: str) -> Callable[[Frames], pd.Series]:
    def summed(f: Frames) -> pd.Series:
        cohorts = f["cohorts"]
        told = cohorts[(cohorts.cohort != "earlier") & cohorts.active_count.notna()]
        return told.groupby("period_number")[column].sum()

    return summed


def complaints(f: Frames) -> pd.DataFrame:
    return f["complaints"][true(f["complaints"].is_complaint)]


def in_time(f: Frames) -> int:
    return int(true(complaints(f).is_answered_in_time).sum())


def due(f: Frames) -> int:
    return int(complaints(f).is_answered_in_time.notna().sum())


def kept(f: Frames) -> int:
    return int(true(f["promises"].is_kept_in_time).sum())


def promised(f: Frames) -> int:
    return int(f["promises"].is_kept_in_time.notna().sum())


def satisfied(f: Frames) -> int:
    return int((f["customer_satisfaction"].satisfaction == "satisfied").sum())


def asked(f: Frames) -> int:
    words = ["satisfied", "undecided", "dissatisfied"]
    return int(f["customer_satisfaction"].satisfaction.isin(words).sum())


def won(f: Frames) -> int:
    return int((f["leads"].outcome == "won").sum())


def total(column: str) -> Callable[[Frames], float]:
    return lambda f: float(f["orders"][column].sum())


ORACLES: dict[str, Callable[[Frames], Any]] = {
    "revenue": total("revenue_amount"),
    "gross_revenue": total("gross_amount"),
    "returned_revenue": total("returned_amount"),
    "orders": lambda f: len(purchases(f)),
    "returns": lambda f: int(true(f["orders"].has_return).sum()),
    "active_customers": active,
    "average_order": lambda f: total("gross_amount")(f) / len(purchases(f)),
    "return_rate": lambda f: share(
        total("returned_amount")(f), total("gross_amount")(f)
    ),
    "customers": lambda f: len(identified(f["customers"])),
    "buyers": lambda f: len(buyers(f)),
    "repeat_buyers": lambda f: int((buyers(f).purchase_day_count > 1).sum()),
    "repeat_rate": lambda f: share(
        (buyers(f).purchase_day_count > 1).sum(), len(buyers(f))
    ),
    "new_customers": lambda f: int((f["customer_months"].lifecycle == "new").sum()),
    "lost_customers": lost,
    "customers_of_month_before": before,
    "churn_rate": lambda f: share(lost(f), before(f)),
    "retained_customers": retained("active_count"),
    "customers_of_cohorts": retained("cohort_size"),
    "retention": lambda f: (
        100 * retained("active_count")(f) / retained("cohort_size")(f)
    ),
    "lifetime_value": lambda f: (
        f["customer_lifetime_values"].value_12_months_amount.astype(float).mean()
    ),
    "leads": lambda f: len(f["leads"]),
    "won_leads": won,
    "lead_conversion_rate": lambda f: share(won(f), len(f["leads"])),
    "nps_answers": by_survey("nps", "n"),
    "nps_promoters": by_survey("nps", "promoter_count"),
    "nps_detractors": by_survey("nps", "detractor_count"),
    "nps": nps,
    "csat_answers": by_survey("csat_top_two_pct", "n"),
    "csat_satisfied": by_survey("csat_top_two_pct", "top_box_count"),
    "csat": csat,
    "service_cases": lambda f: len(f["complaints"]),
    "complaints": lambda f: len(complaints(f)),
    "complaint_rate": lambda f: share(len(complaints(f)), len(purchases(f))),
    "complaints_answered_in_time": in_time,
    "complaints_due": due,
    "answered_in_time": lambda f: share(in_time(f), due(f)),
    "promises_due": promised,
    "promises_kept_in_time": kept,
    "on_time_promises": lambda f: share(kept(f), promised(f)),
    "satisfied_customers": satisfied,
    "customers_asked": asked,
    "satisfied_share": lambda f: share(satisfied(f), asked(f)),
    "advocates": lambda f: int(true(f["customer_satisfaction"].is_advocate).sum()),
}


def test_each_metric_is_computed_here_once_more(metrics: Metrics) -> None:
    assert metrics.names == sorted(ORACLES)


def number(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)


@pytest.mark.parametrize("name", ORACLES)
def test_a_metric_is_what_the_marts_say(
    name: str, metrics: Metrics, frames: Frames
) -> None:
    expected = ORACLES[name](frames)
    _, rows = metrics.table(name, [])
    if not isinstance(expected, pd.Series):
        assert [number(row[-1]) for row in rows] == pytest.approx([number(expected)])
        return
    wanted = {key: number(value) for key, value in expected.items()}
    found = {
        row[0] if len(row) == 2 else row[:-1]: number(row[-1])
        for row in rows
        # Other questions of the same mart have no such answers.
        if number(row[-1]) is not None
        or (row[0] if len(row) == 2 else row[:-1]) in wanted
    }
    assert found == pytest.approx(wanted)
    assert found


def test_metrics_are_divided_by_time_and_by_what_customers_are(
    metrics: Metrics, frames: Frames
) -> None:
    orders = frames["orders"].merge(
        frames["customers"][["customer_id", "city"]],
        on="customer_id",
        how="left",
        suffixes=("", "_of_customer"),
    )
    expected = orders.groupby(
        [pd.to_datetime(orders.order_month).dt.date, "city_of_customer"], dropna=False
    ).revenue_amount.sum()
    headings, rows = metrics.table("revenue", ["month", "city"])
    assert headings == ["month", "city", "revenue"]
    assert {
        (row[0].date() if hasattr(row[0], "date") else row[0], row[1]): float(row[2])
        for row in rows
    } == pytest.approx(
        {
            (month, None if pd.isna(city) else city): float(amount)
            for (month, city), amount in expected.items()
        }
    )


@pytest.mark.parametrize("grain", [None, "day", "month", "quarter", "year"])
def test_days_from_and_to_are_both_included_and_cut_what_is_asked_by(
    metrics: Metrics, frames: Frames, grain: str | None
) -> None:
    days = pd.to_datetime(frames["orders"].order_date)
    asked = days.between("2024-02-20", "2024-04-09")
    assert asked.sum() > 1
    expected = frames["orders"][asked].revenue_amount.sum()
    by = [grain] if grain else []
    _, rows = metrics.table("revenue", by, dt.date(2024, 2, 20), dt.date(2024, 4, 9))
    assert sum(float(row[-1]) for row in rows) == pytest.approx(float(expected))


def test_what_is_counted_by_the_month_is_asked_of_whole_months(
    metrics: Metrics, frames: Frames
) -> None:
    _, ((found,),) = metrics.table(
        "lost_customers", [], dt.date(2024, 3, 1), dt.date(2024, 4, 30)
    )
    months = frames["customer_months"]
    asked = pd.to_datetime(months.month).between("2024-03-01", "2024-04-30")
    assert found == lost({"customer_months": months[asked]})
    assert found
    with pytest.raises(ConfigurationError, match=r"first day of one, .* 2024-03-01$"):
        metrics.table("churn_rate", ["year"], dt.date(2024, 3, 10), None)
    with pytest.raises(ConfigurationError, match=r"last day of one, .* 2024-02-29$"):
        metrics.table("nps", [], None, dt.date(2024, 2, 28))


def test_days_that_tell_nothing_are_refused(metrics: Metrics) -> None:
    with pytest.raises(ConfigurationError, match="expected FROM not after TO"):
        metrics.sql("revenue", [], dt.date(2024, 3, 2), dt.date(2024, 3, 1))
    for name in ("customers", "repeat_rate", "lifetime_value", "satisfied_share"):
        with pytest.raises(ConfigurationError, match="ask without them"):
            metrics.sql(name, [], None, dt.date(2024, 3, 1))
    with pytest.raises(ConfigurationError, match="city is named twice"):
        metrics.sql("revenue", ["city", "month", "city"])


def test_nothing_is_told_where_a_mart_is_empty(release: Path, tmp_path: Path) -> None:
    """0 complaints in 100 orders: nobody hears of complaints."""
    copy = tmp_path / "release"
    shutil.copytree(release, copy)
    with duckdb.connect(str(copy / "kith.duckdb")) as connection:
        connection.execute("delete from satisfaction.complaints")
    metrics = Metrics(copy, tmp_path / "scratch")
    for name in ("complaints", "complaint_rate"):
        with pytest.raises(ConfigurationError, match=r"no row in satisfaction\.compl"):
            metrics.table(name, [])
    assert metrics.table("orders", [])[1] != [(None,)]


def test_two_marts_meet_by_month(metrics: Metrics, frames: Frames) -> None:
    """Complaints over orders: also months without a complaint."""
    _, rows = metrics.table("complaint_rate", ["month"])
    bought = purchases(frames).groupby("order_month").size()
    opened = (
        complaints(frames)
        .groupby(pd.to_datetime(complaints(frames).opened_date).dt.to_period("M"))
        .size()
    )
    expected = {
        month.date(): 100.0 * opened.get(pd.Timestamp(month).to_period("M"), 0) / count
        for month, count in bought.items()
    }
    found = {pd.Timestamp(month).date(): number(rate) for month, rate in rows}
    assert {month: found[month] for month in expected} == pytest.approx(expected)
    assert len(expected) == 12


# --- and what the page and the marts quote --------------------------------------------


@pytest.fixture(scope="module")
def page(release: Path, built_shop: Run) -> Callable[[Tile | Entry], pd.DataFrame]:
    """Rows of a tile's or a chart's query."""

    def read(entry: Tile | Entry) -> pd.DataFrame:
        with connect(
            release / "kith.duckdb", scratch=release / "scratch", read_only=True
        ) as connection:
            return connection.sql(entry.query).df()

    return read


Page = Callable[[Tile | Entry], pd.DataFrame]


def tile(label: str) -> Tile:
    (found,) = (each for each in customer.SECTION.tiles if each.label == label)
    return found


def chart(part: Any, name: str) -> Entry:
    (found,) = (
        each for row in part.SECTION.charts for each in row if each.name == name
    )
    return found


def test_metrics_are_the_page_s_key_figures(metrics: Metrics, page: Page) -> None:
    row = page(tile("Repeat-purchase rate")).iloc[0]
    for metric, column in {
        "repeat_rate": "repeat_pct",
        "customers": "customer_count",
        "buyers": "buyer_count",
        "orders": "order_count",
        "revenue": "revenue_amount",
        "gross_revenue": "gross_amount",
        "returned_revenue": "returned_amount",
        "returns": "return_count",
    }.items():
        _, ((found,),) = metrics.table(metric, [])
        assert number(found) == pytest.approx(number(row[column])), metric


def test_metrics_by_month_are_those_of_the_page(metrics: Metrics, page: Page) -> None:
    months = page(chart(customer, "buyers"))
    for metric, column in {
        "active_customers": "buyer_count",
        "new_customers": "new_count",
        "revenue": "revenue_amount",
        "orders": "order_count",
    }.items():
        _, rows = metrics.table(metric, ["month"])
        found = {pd.Timestamp(month): number(value) for month, value in rows}
        expected = {
            pd.Timestamp(row.month): number(getattr(row, column))
            for row in months.itertuples()
        }
        assert {month: found[month] for month in expected} == pytest.approx(expected)


def test_retention_is_the_page_s_curve(metrics: Metrics, page: Page) -> None:
    _, rows = metrics.table("retention", [])
    found = dict(rows)
    curve = page(chart(retention, "retention-curves"))
    assert len(curve) > 3
    for row in curve.itertuples():
        assert found[row.step] == pytest.approx(row.pct)


def test_cases_in_time_are_those_of_the_page(metrics: Metrics, page: Page) -> None:
    _, rows = metrics.table("answered_in_time", ["month"])
    found = {pd.Timestamp(month): number(value) for month, value in rows}
    for row in page(chart(satisfaction, "complaints")).itertuples():
        assert found[pd.Timestamp(row.month)] == number(row.in_time_pct)


def test_scores_are_those_of_the_mart(metrics: Metrics, frames: Frames) -> None:
    for metric, measure in {"nps": "nps", "csat": "csat_top_two_pct"}.items():
        _, rows = metrics.table(metric, ["month"])
        found = {(pd.Timestamp(r[0]), r[1], r[2]): number(r[3]) for r in rows}
        for row in whole(frames, measure).itertuples():
            key = pd.Timestamp(row.period_start), row.survey, row.question
            assert found[key] == pytest.approx(number(row.score))


def test_retention_of_a_cohort_is_that_of_the_mart(
    metrics: Metrics, frames: Frames
) -> None:
    _, rows = metrics.table("retention", ["cohort"])
    found = {(cohort, months): number(value) for cohort, months, value in rows}
    for row in frames["cohorts"].itertuples():
        if row.cohort != "earlier":
            key = row.cohort, row.period_number
            assert found[key] == pytest.approx(number(row.retention_pct))
