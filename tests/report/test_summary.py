"""The summary in sentences, held against the marts' rows."""

import re
from html import unescape
from typing import Any

import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint, proportions_ztest

from kith.report.summary import differ
from tests.report.releases import HOSTILE, Frames, page_of


def sentences_of(releases: Any, name: str) -> list[str]:
    source = page_of(releases[name][0]).read_text()
    _, _, summary = source.partition('class="card wide summary"')
    listed = re.findall("<li>(.*?)</li>", summary.partition("</section>")[0])
    return [unescape(sentence) for sentence in listed]


def change(now: float, before: float) -> str:
    pct = round(100 * (now - before) / before, 1)
    return f"{abs(pct):,.1f}% {'more' if pct > 0 else 'less'}"


def months_of(frames: Frames) -> pd.DataFrame:
    """Of each month that is over: customers known, buyers and revenue."""
    rows = frames["customer.customer_months"]
    rows = rows[rows.is_complete].assign(known=rows.customer_id != "unidentified")
    rows["lost"] = rows.revenue_amount.where(~rows.known, 0)
    return rows.groupby("month").agg(
        known=("known", "sum"),
        buyers=("is_active", "sum"),
        revenue=("revenue_amount", "sum"),
        lost=("lost", "sum"),
    )


def test_sales_are_compared_with_the_month_and_the_year_before(releases: Any) -> None:
    months = months_of(releases["unfinished"][1])
    last = months.iloc[-1]
    in_month, in_year = sentences_of(releases, "unfinished")[:2]
    assert in_month == (
        f"In November 2017, {last.buyers:,} of {last.known:,} known customers bought, "
        f"and revenue was USD {last.revenue:,.0f}: "
        f"{change(last.revenue, months.revenue.iloc[-2])} than the month before and "
        f"{change(last.revenue, months.revenue.iloc[-13])} than a year before."
    )
    year = months.iloc[-12:].sum()
    assert in_year == (
        "In the twelve months up to November 2017 revenue was "
        f"USD {year.revenue:,.0f}; "
        f"{100 * year.lost / year.revenue:.1f}% of it came from nobody known."
    )


def test_two_years_are_compared(releases: Any) -> None:
    months = months_of(releases["ten_years"][1])
    now, before = months.revenue.iloc[-12:].sum(), months.revenue.iloc[-24:-12].sum()
    assert f", {change(now, before)} than in the twelve before" in "".join(
        sentences_of(releases, "ten_years")
    )


def test_states_are_shares_of_who_has_bought(releases: Any) -> None:
    rows = releases["grocer"][1]["segment.segments"]
    rows = rows[rows.scheme == "activity"]
    counts = rows.set_index("segment").customer_count
    counts = counts[["active", "drowsy", "half_asleep", "asleep"]]
    share = 100 * counts / counts.sum()
    assert sentences_of(releases, "grocer")[2] == (
        f"Of {counts.sum():,} customers who have ever bought, {share.active:.1f}% are "
        f"active and {counts.asleep:,} ({share.asleep:.1f}%) are asleep."
    )


def test_an_estimate_says_how_sure_it_is(releases: Any) -> None:
    cases = releases["grocer"][1]["satisfaction.complaints"]
    cases = cases[cases.is_complaint]
    judged = cases.is_answered_in_time.dropna().astype(bool)
    in_time = stats.binomtest(int(judged.sum()), len(judged))
    interval = in_time.proportion_ci(method="wilson")
    _, _, _, satisfied, answered, leaving, campaigns, _ = sentences_of(
        releases, "grocer"
    )
    assert answered == (
        f"{100 * judged.mean():.1f}% of the {len(judged)} complaints of the last 365 "
        "days that were due were answered in time (95% interval "
        f"{100 * interval.low:.0f} to {100 * interval.high:.0f}%); "
        f"of all complaints, {(cases.state != 'resolved').sum()} are not resolved."
    )
    assert satisfied == (
        "Of 100 answers in 2017, 52 were satisfied (95% interval 51 to 53, 3,600 "
        "answers of the survey after order)."
    )
    # The sign below the rate of all warns of nothing, nor does one without interval.
    assert leaving == (
        "2 customers show a sign that they may leave. The sign that was right most "
        "often is ‘gap longer than their own’: of 100 warnings 60% came true (95% "
        "interval 50 to 70%), where 30% of all left."
    )
    assert campaigns == (
        "1 of 2 campaigns with a group held out brought purchases by themselves; "
        "the best, Spring, 20.0 more per 100 customers (95% interval 10.0 to 30.0, 300 "
        "reached)."
    )


def test_what_is_open_is_not_told_where_no_solutions_are(releases: Any) -> None:
    (answered,) = (s for s in sentences_of(releases, "ten_years") if "in time" in s)
    assert answered.endswith("%).")


def test_what_is_to_be_done_is_counted(releases: Any) -> None:
    frames = releases["grocer"][1]
    plans, needs = frames["customer.contact_plans"], frames["customer.customer_needs"]
    sleepers = frames["segment.wake_up_candidates"]
    as_of = pd.Timestamp("2017-12-31")
    due = pd.to_datetime(needs.due_on)
    is_due = (due > as_of) & (due <= as_of + pd.Timedelta(days=30))
    needy = needs[is_due & (needs.state == "open")].customer_id.nunique()
    worth = (sleepers.is_worth_waking.eq(True) & ~sleepers.is_held_out.eq(True)).sum()
    assert sentences_of(releases, "grocer")[-1] == (
        f"To do: {plans.is_listed.sum():,} customers are to be contacted on the next "
        f"day, {needy:,} {'needs' if needy == 1 else 'need'} something within 30 "
        f"days, and {worth:,} who sleep are worth waking."
    )


def test_a_difference_between_years_is_told_with_the_year_or_as_chance(
    releases: Any,
) -> None:
    satisfied = sentences_of(releases, "long_names")[3]
    assert satisfied.startswith("Of 100 answers in 2017, 85 were satisfied")
    # Of 2016 too few answered.
    assert satisfied.endswith(", 50 in 2015.")


@pytest.mark.parametrize("satisfied", [116, 190, 205, 215, 226, 280])
def test_two_years_differ_as_the_usual_test_of_two_shares_says(satisfied: int) -> None:
    """Of 328 answers 196 were satisfied, then of 330 so many. Of 226, both overlap."""
    counts, totals = [196, satisfied], [328, 330]
    _, found = proportions_ztest(counts, totals)
    rows = []
    for count, total in zip(counts, totals, strict=True):
        low, high = proportion_confint(count, total, method="wilson")
        score = 100 * count / total
        rows.append(
            {"score": score, "interval_low": 100 * low, "interval_high": 100 * high}
        )
    assert differ(*rows) == differ(*reversed(rows)) == (found < 0.05)


def test_names_of_campaigns_are_text(releases: Any) -> None:
    assert any(
        f"the best, {HOSTILE}, " in s for s in sentences_of(releases, "long_names")
    )


def test_without_data_there_is_no_summary(releases: Any) -> None:
    assert sentences_of(releases, "nothing") == []
    assert "In short" not in page_of(releases["nothing"][0]).read_text()
