"""Entries on the signs that customers may leave, and on how often they were right."""

from functools import partial

from kith.report import marks
from kith.report.entries import Entry, Row, Section
from kith.report.formats import MISSING, fill
from kith.report.language import translated

_SIGNS = {
    "any": "Any sign",
    "long_gap": "Gap longer than their own",
    "unresolved_complaint": "Complaint not resolved",
    "falling_satisfaction": "Less satisfied than before",
    "falling_frequency": "Buys less often",
    "owner_left": "Their employee left",
    "broken_promise": "Promise broken",
    "low_satisfaction_for_years": "Dissatisfied for years",
}


def sign_of(row: Row) -> str:
    """The words of a sign."""
    return translated(_SIGNS[row["sign"]])


def _interval(row: Row, rate: str) -> str:
    if row[f"{rate}_pct"] is None:
        return MISSING
    limits = {"low": row[f"{rate}_low"], "high": row[f"{rate}_high"]}
    return fill("{low:.0f} to {high:.0f}%", limits)


_OPEN = Entry(
    "churn-warnings",
    "Signs that customers may leave",
    """
with counted as (
    select
        coalesce(sign, 'any') as sign,
        count(distinct customer_id) as customer_count,
        count(distinct case when severity = 'high' then customer_id end)
            as high_count,
        count(distinct case when opened_on > as_of_date - interval '30' day
            then customer_id end) as new_count,
        case when sign is not null then max(next_step) end as next_step
    from satisfaction.churn_warnings
    where is_open
    group by grouping sets ((sign), ())
)
select *, max(customer_count) over () as warned_count
from counted
where customer_count > 0
order by sign = 'any', customer_count desc, sign
""",
    columns={
        "Sign": sign_of,
        "Customers": "{customer_count:,}",
        "High severity": "{high_count:,}",
        "New in 30 days": "{new_count:,}",
        "Next step": "{next_step:term}",
    },
    note="{warned_count:,} customers have an open warning; who has several signs "
    "counts at each. Beside each bar: how many are of high severity.",
    absent="No sign that a customer may leave is open.",
    marks=marks.bars,
    series={"customer_count": ("Customers", marks.ACCENT)},
    text="{customer_count:,} · {high_count:,} high",
)


def _right(row: Row) -> str:
    return fill("{score:.0f}" if row["score"] is not None else "too few", row)


def _record_note(rows: list[Row]) -> str:
    return fill(
        "Of 100 customers whom a sign warned of, so many left: they bought nothing in "
        "the {horizon_days} days after it. Judged on {day_count} days of the past, as "
        "the warnings stood then. Dashed line: of any 100 customers "
        "{overall_score:.0f} left. A sign to the left of it warns of nothing. Lines: "
        "95% intervals.",
        rows[0],
    )


_RECORD = Entry(
    "warnings-record",
    "How often the signs were right",
    """
with days as (
    select count(distinct judged_on) as day_count
    from satisfaction.churn_warning_records
)
select
    *,
    100 * precision_rate as score,
    100 * (1 - error_rate_high) as interval_low,
    100 * (1 - error_rate_low) as interval_high,
    100 * base_rate as overall_score,
    100 * error_rate as error_pct,
    100 * error_rate_low as error_low,
    100 * error_rate_high as error_high,
    100 * miss_rate as miss_pct,
    100 * miss_rate_low as miss_low,
    100 * miss_rate_high as miss_high
from satisfaction.churn_warning_records cross join days
where period = 'all' and warned_count > 0
order by sign = 'any', precision_rate desc nulls last, sign
""",
    columns={
        "Sign": sign_of,
        "Of 100 warned left": _right,
        "Warned": "{warned_count:,}",
        "Of them left": "{hit_count:,}",
        "Error rate": "{error_pct:percent}",
        "Its interval": partial(_interval, rate="error"),
        "Miss rate": "{miss_pct:percent}",
        "Interval of it": partial(_interval, rate="miss"),
    },
    note=_record_note,
    absent="No warning can be judged yet: the days after it are not over.",
    marks=marks.points_by_label,
    series={"score": ("Of 100 warned left", marks.ACCENT)},
    text=lambda row: fill(
        "{score:.0f} of 100" if row["score"] is not None else "too few", row
    ),
)
SECTION = Section(
    charts=[[_OPEN, _RECORD]],
    definitions={
        "Warning": "A sign that a customer may leave, from the day on which it is "
        "there until it is over. A gap is too long from "
        "{company.activity_states.rhythm_gaps[1]:g} times their usual one on; they buy "
        "less often where chance alone would make them do so in fewer than one case of "
        "twenty.",
        "Error rate, miss rate of warnings": "Of the warned customers those who "
        "stayed; of those who left the ones whom the sign did not warn of. Customers "
        "are who bought in the 365 days before.",
    },
)
