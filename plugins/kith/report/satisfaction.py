"""Entries on the marts of `satisfaction`: scores with their intervals, complaints."""

from functools import partial

from kith.report import marks
from kith.report.entries import Cell, Entry, Row, Section, Series, listed
from kith.report.formats import MISSING, fill, name

_DRAWN = 10
_SERIES: Series = {
    "score": ("Score", marks.ACCENT),
    "interval_low": ("Interval of 95%", marks.SOFT),
}


def _score(row: Row) -> str:
    if row["score"] is None:
        return "too few answers" if row["n"] else "no answers"
    return fill("{score:,.1f}", row)


def _interval(row: Row) -> str:
    if row["interval_low"] is None:
        return MISSING
    return fill("{interval_low:,.1f} to {interval_high:,.1f}", row)


def _place(row: Row) -> str:
    parts = (row["touchpoint"], row["dimension"])
    # A touchpoint and a dimension of one name are said once.
    stated = dict.fromkeys(p for p in parts if p not in ("not_stated", "overall"))
    return ": ".join(map(name, stated)) or "Not stated"


def _place_note(rows: list[Row]) -> str:
    words = "Score and answers since the first one."
    if rows[0]["overall_score"] is not None:
        words += " Dashed line: {overall_score:,.1f} in all."
    if any(row["score"] is None for row in rows[:_DRAWN]):
        words += " Too few: fewer than {company.minimum_answers} answers."
    if len(rows) > _DRAWN:
        words += f" The {_DRAWN} with most answers of {len(rows)}."
    return fill(words, rows[0])


def _place_text(row: Row) -> str:
    is_told = row["score"] is not None
    return fill("{score:,.1f} · {n:,}" if is_told else "too few: {n:,}", row)


def _scores(measure: str, label: str, scale: str) -> list[Entry]:
    """The scores by month, by year, and by touchpoint if any answer names one.

    By year they are shown if fewer than half of the months have answers. By period the
    answers about the whole count or, without any, about the commonest dimension.
    """
    scores = f"""
with asked as (
    select dimension, score as overall_score from satisfaction.satisfaction_scores
    where measure = '{measure}' and breakdown = 'total' and period_grain = 'all'
        and n > 0
    order by case when dimension = 'overall' then 0 else 1 end, n desc, dimension
    limit 1
),
scores as (
    select
        scores.*, overall_score, scores.dimension = asked.dimension as is_asked,
        touchpoint = 'not_stated' and scores.dimension = 'overall' as is_unstated,
        period_start as month, extract(year from period_start) as year,
        extract(month from period_start) as month_number
    from satisfaction.satisfaction_scores as scores cross join asked
    where measure = '{measure}'
),
span as (
    select
        1 + 12 * (max(year) - min(year)) + max_by(month_number, month)
            - min_by(month_number, month) > 2 * count(*) as is_by_year
    from scores
    where is_asked and breakdown = 'total' and period_grain = 'month'
)
"""
    cells: dict[str, Cell] = {"Answers": "{n:,}", label: _score}
    cells["Interval of 95%"] = _interval

    def note(rows: list[Row]) -> str:
        words = f"{scale} {sum(row['n'] for row in rows):,} answers"
        words += (
            "." if rows[0]["dimension"] == "overall" else " about {dimension:name}."
        )
        if any(row["n"] and row["score"] is None for row in rows):
            words += " Grey crosses: fewer than {company.minimum_answers} answers."
        return fill(words, rows[0])

    def by_period(grain: str, period: str) -> Entry:
        return Entry(
            f"{measure}-by-{grain}",
            f"{label} by {grain}",
            f"""
{scores}
select {grain}, is_complete, dimension, n, score, interval_low, interval_high
from scores cross join span
where is_asked and breakdown = 'total' and period_grain = '{grain}'
    and is_by_year = {grain == "year"}
order by {grain}
""",
            columns={grain.capitalize(): period, **cells},
            note=note,
            marks=marks.points_by_period,
            series=_SERIES,
        )

    by_touchpoint = Entry(
        f"{measure}-by-touchpoint",
        f"{label} by touchpoint",
        f"""
{scores},
places as (
    select * from scores where breakdown = 'touchpoint' and period_grain = 'all'
)
select touchpoint, dimension, n, score, interval_low, interval_high, overall_score
from places
where exists (select 1 from places where not is_unstated)
order by is_unstated, n desc, touchpoint, dimension
""",
        columns={"Touchpoint": _place, **cells},
        note=_place_note,
        marks=marks.points_by_label,
        series=_SERIES,
        text=_place_text,
        drawn=_DRAWN,
    )
    by_month, by_year = by_period("month", "{month:%b %Y}"), by_period("year", "{year}")
    return [by_month, by_year, by_touchpoint]


_NO_SCORES = Entry(
    "satisfaction",
    "Satisfaction: NPS and CSAT",
    """
select 1 from satisfaction.satisfaction_scores
where measure in ('nps', 'csat_top_two_pct') and n > 0
limit 1
""",
    absent="No answers to NPS, nor to CSAT on a scale with a top-two share.",
)
# Of a company whose cases are no complaints, all cases.
_CASES = """
with cases as (
    select *, case when is_complaint then 'Complaints' else 'Service cases' end as noun
    from satisfaction.complaints
    where is_complaint
        or not exists (select 1 from satisfaction.complaints where is_complaint)
)
"""


def _complaints_note(rows: list[Row]) -> str:
    in_time = sum(row["in_time_count"] for row in rows)
    due = in_time + sum(row["late_count"] for row in rows)
    words = "{share:percent} of the {due:,} due, by month of opening."
    return fill(words, {"due": due, "share": 100 * in_time / due if due else None})


_COMPLAINTS = Entry(
    "complaints",
    "{noun} answered within {company.complaint_response_hours} hours",
    f"""
{_CASES},
months as (
    select
        cast(date_trunc('month', opened_date) as date) as month,
        max(noun) as noun, max(as_of_date) as as_of_date, count(*) as case_count,
        count(*) filter (where is_answered_in_time) as in_time_count,
        count(*) filter (where not is_answered_in_time) as late_count,
        count(*) filter (where is_answered_in_time is null) as unknown_count
    from cases
    group by cast(date_trunc('month', opened_date) as date)
)
select
    *, last_day(month) <= as_of_date as is_complete,
    100.0 * in_time_count / nullif(in_time_count + late_count, 0) as in_time_pct
from months
order by month
""",
    columns={
        "Month": "{month:%b %Y}",
        "{noun}": "{case_count:,}",
        "In time": "{in_time_count:,}",
        "Late": "{late_count:,}",
        "Not due or not told": "{unknown_count:,}",
        "In time, of those due": "{in_time_pct:percent}",
    },
    note=_complaints_note,
    marks=marks.month_bars,
    series={
        "in_time_count": ("In time", marks.GOOD),
        "late_count": ("Late", marks.BAD),
        "unknown_count": ("Not due or not told", marks.GREY),
    },
)
_STATES = {
    "overdue": ("Overdue", marks.BAD),
    "open": ("Open", marks.DOUBTFUL),
    "reopened": ("Reopened", "#b07cc6"),
    "answered": ("Answered", marks.FAIR),
    "resolved": ("Resolved", marks.GOOD),
}
_COMPLAINT_STATES = Entry(
    "complaint-states",
    "{noun} by state",
    f"""
{_CASES},
states as (
    {listed(_STATES)}
)
select
    noun, states.state,
    count(*) filter (where cases.state = states.state) as case_count,
    100.0 * count(*) filter (where cases.state = states.state) / count(*) as share_pct
from cases cross join states
group by noun, states.state, position
order by position
""",
    columns={
        "State": "{state:name}",
        "{noun}": "{case_count:,}",
        "Share": "{share_pct:percent}",
    },
    note="Overdue: no answer within {company.complaint_response_hours} hours.",
    marks=partial(marks.bars, states=_STATES),
    series={"case_count": ("Cases", marks.ACCENT)},
    text="{case_count:,} · {share_pct:percent}",
)
_NO_COMPLAINTS = Entry(
    "no-complaints",
    "Complaints and claims",
    "select 1 from satisfaction.complaints limit 1",
    absent="There is no service case yet.",
)
SECTION = Section(
    charts=[
        _scores("nps", "NPS", "Promoters minus detractors, −100 to 100."),
        _scores("csat_top_two_pct", "CSAT", "Per cent who answered 4 or 5 of 5."),
        [_NO_SCORES],
        [_COMPLAINTS, _COMPLAINT_STATES],
        [_NO_COMPLAINTS],
    ],
    definitions={
        "NPS, CSAT": "NPS: share of answers 9–10 minus share of 0–6, question on 0–10, "
        "× 100, with a normal interval. CSAT: share of answers 4–5, question on 1–5, "
        "with Wilson’s interval. All answers of a person count. Below "
        "{company.minimum_answers} answers no score is given.",
        "Complaint": "Service case of kind complaint or claim. Answered in time: first "
        "answer, or the solution if that came first, within "
        "{company.complaint_response_hours} hours.",
    },
)
