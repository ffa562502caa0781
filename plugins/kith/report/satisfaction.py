"""Entries on the marts of `satisfaction`: scores with intervals, gaps, complaints."""

from functools import partial

from kith.report import marks
from kith.report.entries import Cell, Entry, Row, Section, Series, listed
from kith.report.formats import MISSING, fill, name, sentences
from kith.report.language import translated

_DRAWN = 10
_SURVEYS = 3
_SERIES: Series = {
    "score": ("Score", marks.ACCENT),
    "interval_low": ("Interval of 95%", marks.SOFT),
}


def _score(row: Row) -> str:
    if row["score"] is None:
        return fill("too few answers" if row["n"] else "no answers", row)
    return fill("{score:,.1f}", row)


def _interval(row: Row) -> str:
    if row["interval_low"] is None:
        return MISSING
    return fill("{interval_low:,.1f} to {interval_high:,.1f}", row)


def _place(row: Row) -> str:
    parts = (row["of_survey"], row["touchpoint"], row["dimension"])
    # A touchpoint and a dimension of one name are said once.
    stated = dict.fromkeys(p for p in parts if p not in ("", "not_stated", "overall"))
    return translated(": ").join(map(name, stated)) or fill("Not stated", row)


def _place_note(rows: list[Row]) -> str:
    return sentences(
        rows[0] | {"drawn_count": _DRAWN, "all_count": len(rows)},
        "Score and answers since the first one.",
        "Dashed line: {overall_score:,.1f} in all."
        if rows[0]["overall_score"] is not None
        else "",
        "Too few: fewer than {company.minimum_answers} answers."
        if any(row["score"] is None for row in rows[:_DRAWN])
        else "",
        "The {drawn_count} with most answers of {all_count}."
        if len(rows) > _DRAWN
        else "",
    )


def _place_text(row: Row) -> str:
    is_told = row["score"] is not None
    return fill("{score:,.1f} · {n:,}" if is_told else "too few: {n:,}", row)


def scores_of(measure: str) -> str:
    """CTEs with the scores of a measure.

    `is_asked` marks those of each survey about the whole or, without any answers about
    it, about the commonest dimension; `survey_number` 1 has most answers.
    """
    return f"""
with questions as (
    select
        source, survey, question, dimension, factor, scale_min, scale_max, n,
        score as overall_score,
        row_number() over (
            partition by source, survey
            order by case when dimension = 'overall' then 0 else 1 end, n desc,
                question, dimension, factor
        ) as place
    from satisfaction.satisfaction_scores
    where measure = '{measure}' and breakdown = 'total' and period_grain = 'all'
        and answers = 'all' and n > 0
),
asked as (
    select
        *, count(*) over () as survey_count,
        row_number() over (order by n desc, source, survey) as survey_number
    from questions
    where place = 1
),
scores as (
    select
        scores.period_start, scores.is_complete, scores.dimension, scores.n,
        scores.score, scores.interval_low, scores.interval_high, breakdown,
        period_grain, part as touchpoint, overall_score, survey_number,
        scores.question = asked.question and scores.dimension = asked.dimension
            and scores.factor = asked.factor as is_asked,
        case when survey_count > 1 then scores.survey else '' end as of_survey,
        part = 'not_stated' and scores.dimension = 'overall' as is_unstated,
        period_start as month, extract(year from period_start) as year,
        extract(month from period_start) as month_number
    from satisfaction.satisfaction_scores as scores
    inner join asked on scores.source = asked.source and scores.survey = asked.survey
    where measure = '{measure}' and answers = 'all'
)
"""


_SCALES = {
    "nps": "Promoters minus detractors, −100 to 100.",
    "csat_top_two_pct": "Per cent who answered 4 or 5 of 5.",
}


def _scores(measure: str, label: str) -> list[Entry]:
    """The scores by survey, of each by period, and by touchpoint if answers name one.

    The surveys with most answers are shown by month, or by year if fewer than half of
    the months have answers. The answers about the whole count or, without any, about
    the commonest dimension.
    """
    scores = scores_of(measure)
    cells: dict[str, Cell] = {"Answers": "{n:,}", label: _score}
    cells["Interval of 95%"] = _interval

    def note(rows: list[Row]) -> str:
        return sentences(
            rows[0] | {"all_count": sum(row["n"] for row in rows)},
            _SCALES[measure],
            "{all_count:,} answers."
            if rows[0]["dimension"] == "overall"
            else "{all_count:,} answers about {dimension:name}.",
            "Grey crosses: fewer than {company.minimum_answers} answers."
            if any(row["n"] and row["score"] is None for row in rows)
            else "",
        )

    def by_period(number: int, grain: str, period: str) -> Entry:
        return Entry(
            f"{measure}-by-{grain}-{number}",
            f"{label} by {grain}{{of_survey:behind}}",
            f"""
{scores},
of_survey as (
    select * from scores
    where is_asked and breakdown = 'total' and survey_number = {number}
),
span as (
    select
        1 + 12 * (max(year) - min(year)) + max_by(month_number, month)
            - min_by(month_number, month) > 2 * count(*) as is_by_year
    from of_survey
    where period_grain = 'month'
)
select
    {grain}, is_complete, dimension, n, score, interval_low, interval_high,
    case when of_survey <> '' then ': ' || replace(of_survey, '_', ' ') else '' end
        as of_survey
from of_survey cross join span
where period_grain = '{grain}' and is_by_year = {grain == "year"}
order by {grain}
""",
            columns={grain.capitalize(): period, **cells},
            note=note,
            marks=marks.points_by_period,
            series=_SERIES,
        )

    by_survey = Entry(
        f"{measure}-by-survey",
        f"{label} by survey",
        f"""
{scores}
select
    of_survey, dimension, n, score, interval_low, interval_high,
    cast(null as double) as overall_score
from scores
where is_asked and breakdown = 'total' and period_grain = 'all' and of_survey <> ''
order by survey_number
""",
        columns={"Survey": "{of_survey:name}", **cells},
        note=lambda rows: sentences(
            rows[0],
            _SCALES[measure],
            "Surveys ask on other occasions and are never pooled.",
        ),
        marks=marks.points_by_label,
        series=_SERIES,
        text=_place_text,
    )
    by_touchpoint = Entry(
        f"{measure}-by-touchpoint",
        f"{label} by touchpoint",
        f"""
{scores},
places as (
    select * from scores where breakdown = 'touchpoint' and period_grain = 'all'
)
select
    of_survey, touchpoint, dimension, n, score, interval_low, interval_high,
    case when of_survey = '' then overall_score end as overall_score
from places
where exists (select 1 from places where not is_unstated)
order by is_unstated, n desc, survey_number, touchpoint, dimension
""",
        columns={"Touchpoint": _place, **cells},
        note=_place_note,
        marks=marks.points_by_label,
        series=_SERIES,
        text=_place_text,
        drawn=_DRAWN,
    )
    periods = (("month", "{month:%b %Y}"), ("year", "{year}"))
    by_periods = [
        by_period(number, *period)
        for number in range(1, _SURVEYS + 1)
        for period in periods
    ]
    return [by_survey, *by_periods, by_touchpoint]


def _gap_interval(row: Row) -> str:
    if row["interval_low"] is None:
        return MISSING
    return fill("{interval_low:.2f} to {interval_high:.2f}", row)


def _gaps_note(rows: list[Row]) -> str:
    return sentences(
        rows[0],
        "Perceived less expected, in points of the scale {scale_min:g}–{scale_max:g}: "
        "below 0, service stays behind. Items of which one questionnaire tells both.",
        "Dashed line: {overall_score:,.2f} in all."
        if rows[0]["overall_score"] is not None
        else "",
        "Weighted: {weighted_gap:,.2f}." if rows[0]["weighted_gap"] is not None else "",
    )


# Of the survey with most pairs.
_GAPS = Entry(
    "service-gaps",
    "Service gaps: {survey:name}",
    """
with gaps as (
    select
        *, sum(case when dimension <> 'total' then n end)
            over (partition by source, survey, scale_min, scale_max) as pair_count
    from satisfaction.service_gaps
    where period_grain = 'all' and touchpoint = 'all' and segment = 'all'
),
chosen as (
    select
        survey, dimension, scale_min, scale_max, n, perception_mean,
        expectation_mean, gap as score, interval_low, interval_high,
        max(case when dimension = 'total' then gap end) over () as overall_score,
        max(weighted_gap) over () as weighted_gap
    from (
        select
            *, dense_rank() over (
                order by pair_count desc, source, survey, scale_min, scale_max
            ) as place
        from gaps
    ) as ranked
    where place = 1
)
select * from chosen
where dimension <> 'total'
order by score nulls last, dimension
""",
    columns={
        "Dimension": "{dimension:name}",
        "Pairs": "{n:,}",
        "Perceived": "{perception_mean:.2f}",
        "Expected": "{expectation_mean:.2f}",
        "Gap": "{score:.2f}",
        "Interval of 95%": _gap_interval,
    },
    note=_gaps_note,
    marks=marks.points_by_label,
    series={
        "score": ("Gap", marks.ACCENT),
        "interval_low": ("Interval of 95%", marks.SOFT),
    },
    text="{score:.2f} · {n:,}",
)
_NO_GAPS = Entry(
    "no-service-gaps",
    "Service gaps",
    "select 1 from satisfaction.service_gaps limit 1",
    absent="No survey asks what was expected, perceived or important.",
)
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
CASES = """
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
    return fill(
        "{share:percent} of the {due:,} due, by month of opening.",
        {"due": due, "share": 100 * in_time / due if due else None},
    )


_COMPLAINTS = Entry(
    "complaints",
    "{noun:term} answered within {company.complaint_response_hours} hours",
    f"""
{CASES},
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
        "{noun:term}": "{case_count:,}",
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
    "{noun:term} by state",
    f"""
{CASES},
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
        "{noun:term}": "{case_count:,}",
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
        _scores("nps", "NPS"),
        _scores("csat_top_two_pct", "CSAT"),
        [_NO_SCORES],
        [_GAPS, _NO_GAPS],
        [_COMPLAINTS, _COMPLAINT_STATES],
        [_NO_COMPLAINTS],
    ],
    definitions={
        "Service gap": "Perception minus expectation (SERVQUAL) of the items of a "
        "dimension of which one questionnaire tells both. The whole is the mean of the "
        "dimensions.",
        "NPS, CSAT": "NPS: share of answers 9–10 minus share of 0–6, question on 0–10, "
        "× 100, with a normal interval. CSAT: share of answers 4–5, question on 1–5, "
        "with Wilson’s interval. All answers of a person count; intervals know that "
        "they are one person’s. Each survey counts by itself. Below "
        "{company.minimum_answers} answers no score is given, below as many persons no "
        "interval.",
        "Complaint": "Service case of kind complaint or claim. Answered in time: first "
        "answer, or the solution if that came first, within "
        "{company.complaint_response_hours} hours.",
    },
)
