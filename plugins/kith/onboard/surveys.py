"""Answers to surveys: scores on the scale that their values show."""

import re

from kith.database import quote
from kith.onboard.columns import ColumnGuess, aggregates
from kith.onboard.doubts import NUMBERS
from kith.onboard.file_days import days_by_file
from kith.onboard.matches import match_columns
from kith.onboard.staging import Staging, cast_sql, identified, key_sql, sql_name
from kith.onboard.tables import TableGuess, possible_cursors
from kith.onboard.vocabulary import FEEDS, phrases, title_words

_RATING = re.compile(
    r"(^|_|\d)(nps|netpro|recommend\w*|all|overall|whole|rate\w*|rating|score|sat|csat"
    r"|satisfaction)$"
)
_OVERALL = re.compile(r"(^|_|\d)(all|overall|whole|csat|satisfaction)$")
_NPS = re.compile(r"(nps|netpro|net_promoter|recommend)")
_QUESTION = re.compile(r"q\d+")
# So many questions make a table a survey that is called one, or that is not.
_FEW_QUESTIONS, _MANY_QUESTIONS = 2, 10


def rating(table: TableGuess, score: ColumnGuess) -> dict[str, str]:
    """What the feed wants to know of a table's only question."""
    low, high = _scale(score) or (score.low, score.high)
    is_nps = _NPS.search("_".join([table.name, score.name])) and high == 10
    measure = f"'{'nps' if is_nps else 'csat'}'"
    if table.has_gaps(score):
        measure = f"case when {sql_name(score.name)} is not null then {measure} end"
    return {
        "survey": f"'{table.name}'",
        "question": f"'{score.name}'",
        "measure": measure,
        "scale_min": str(0 if is_nps else low),
        "scale_max": str(high),
    }


def rated(table: TableGuess) -> bool:
    """Whether its rows carry a score on a scale."""
    return any(
        _scale(column) and column.high >= 3 and column.distinct <= 21
        for _, column in match_columns(table, "score", "double")
    )


def _scale(score: ColumnGuess) -> tuple[float, float] | None:
    """The smallest usual scale on which all values of a column lie."""
    low, high = score.low, score.high
    if low is None or low < 0 or not 2 <= high <= 10:
        return None
    least = next(end for end in (1, 0.5, 0) if low >= end)
    return least, next(end for end in (5, 7, 10) if high <= end)


def wide_survey(table: TableGuess) -> Staging | None:
    """A survey with a column per question: each rating becomes an answer."""
    questions = [
        column
        for column in table.columns
        if _QUESTION.match(column.name) or _NPS.search(column.name)
    ]
    titled = title_words(table.name) & set(phrases(FEEDS["survey_answers"]["titles"]))
    if len(questions) < (_FEW_QUESTIONS if titled else _MANY_QUESTIONS):
        return None
    ratings, others = _ratings(table, questions)
    if not ratings:
        return None
    person, lookups = identified(table)
    answered_at, setting, doubts = _answered_at(table)
    if others:
        doubts.insert(
            0,
            f"{NUMBERS}add those of these that are ratings too: "
            f"{', '.join(sorted(others))}",
        )
    return Staging(
        feed="survey_answers",
        table=table,
        select={
            "answer_id": f"{key_sql(table)} || '-{{{{ question }}}}'",
            **person,
            "response_id": key_sql(table),
            "answered_at": answered_at,
            "survey": f"'{table.name}'",
            "question": "'{{ question }}'",
            "measure": "'{{ measure }}'",
            "dimension": "{{ \"'\" ~ question ~ \"'\" if measure == 'perception' "
            "else 'null' }}",
            "score": "{{ question }}",
            "scale_min": "{{ scale_min }}",
            "scale_max": "{{ scale_max }}",
        },
        lookups=lookups,
        variables="question, measure, scale_min, scale_max",
        entries=[str(rating) for rating in ratings],
        conditions=["score between scale_min and scale_max"],
        setting=setting,
        doubts=[
            f"{NUMBERS}scale of each question: answers outside of it (codes for "
            "'blank' or 'does not apply') are left out; compare with the code book",
            *doubts,
        ],
        description=f"One row per rating on a row of {table.name}.",
    )


def _ratings(
    table: TableGuess, questions: list[ColumnGuess]
) -> tuple[list[tuple[str, str, int, int]], list[str]]:
    """The ratings among questions: name, measure, scale; and what may be others."""
    ratings: list[tuple[str, str, int, int]] = []
    overall: list[str] = []
    others: list[str] = []
    for column in questions:
        name, low, high = column.name, column.low or 0, column.high or 0
        if column.data_type != "bigint" or low < 0 or high > 12 or high - low < 2:
            continue
        # 6 beside 1 to 5 is mostly a code; a scale of six is rare.
        most = 5 if high <= 6 else 7 if high == 7 else 10
        if _NPS.search(name):
            ratings.append((name, "nps", 0, 10))
        elif _OVERALL.search(name) and not _asked_with(table, name, overall):
            overall.append(name)
            ratings.append((name, "csat", 1, most))
        elif _RATING.search(name):
            ratings.append((name, "perception", 1, most))
        else:
            others.append(name)
    return ratings, others


def _answered_at(table: TableGuess) -> tuple[str, list[str], list[str]]:
    """SQL of when it was answered, the lines of Jinja that it needs, and its doubts."""
    if moments := sorted(possible_cursors(table), key=lambda one: one.is_change):
        return cast_sql(moments[0], "timestamp"), [], []
    days = days_by_file(table)
    known = (
        "the end of the time that a file's name tells, known by the columns that this "
        "file alone fills"
        if days[1:]
        else "one day for all"
    )
    return (
        "{{ business_midnight(answered_on) }}",
        ["{%- set answered_on -%}", *days, "{%- endset -%}"],
        [f"{NUMBERS}no column tells when it was answered; answered_on is {known}"],
    )


def _asked_with(table: TableGuess, name: str, others: list[str]) -> bool:
    """Whether somebody answered this question and one of the others."""
    answered = [f"count({quote(name)} + {quote(other)})" for other in others]
    return any(aggregates(table.typed, answered))
