"""The charts of satisfaction: scores with their intervals, and complaints."""

import datetime as dt
from typing import Any

import altair as alt

from kith.company.folder import Company
from kith.report import formats
from kith.report.drawing import (
    ACCENT,
    BAD,
    DOUBTFUL,
    FAIR,
    GOOD,
    GREY,
    INK,
    MONTHS_HEIGHT,
    SOFT,
    Chart,
    counted,
    drawn,
    height_of,
    inline,
    label_axis,
    last_months,
    month_bars,
    month_name,
    month_x,
    state_bars,
    wrapped,
)
from kith.report.figures import Figures, Row

TOUCHPOINTS_SHOWN = 10

_CASE_STATES = {
    "overdue": BAD,
    "open": DOUBTFUL,
    "reopened": "#b07cc6",
    "answered": FAIR,
    "resolved": GOOD,
}
_ANSWERS = {
    "in_time_count": ("In time", GOOD),
    "late_count": ("Late", BAD),
    "unknown_count": ("Not due or not told", GREY),
}
_MEASURES = {
    "nps": ("NPS", "Promoters less detractors, −100 to 100."),
    "csat_top_two_pct": ("CSAT", "Per cent who answered 4 or 5 of 5."),
}


def rows_of_charts(figures: Figures, company: Company) -> list[list[Chart]]:
    """Rows of charts: each score that was asked for, and complaints."""
    few = f"fewer than {company.minimum_answers} answers"
    scores = [
        [
            _score_by_period(figures, measure, few),
            *_score_by_touchpoint(figures, measure, few),
        ]
        for measure in _MEASURES
        if any(row["measure"] == measure for row in figures.scores)
    ]
    cases = [Chart("complaints", "Complaints and claims")]
    if figures.complaints:
        hours = company.complaint_response_hours
        cases = [_complaints(figures, hours), _complaint_states(figures, hours)]
    return [*(scores or [[Chart("satisfaction", "Satisfaction: NPS and CSAT")]]), cases]


def _every_month(rows: list[Row], empty: Row) -> list[Row]:
    """Rows with their `month`, and an empty one for each month between without any."""
    by_month = {row["month"]: row for row in rows}
    month, filled = rows[0]["month"], []
    while month <= rows[-1]["month"]:
        none = empty | {"month": month, "is_complete": True}
        filled.append(by_month.get(month, none))
        month = (month + dt.timedelta(days=31)).replace(day=1)
    return filled


# Scores ------------------------------------------------------------------------------


def _score_rows(
    figures: Figures, measure: str, breakdown: str, period_grain: str
) -> list[Row]:
    wanted = (measure, breakdown, period_grain)
    return [
        row
        for row in figures.scores
        if (row["measure"], row["breakdown"], row["period_grain"]) == wanted
    ]


def _score_cells(row: Row) -> list[str]:
    """Answers, score and interval in words."""
    answers = formats.count(row["n"])
    if row["score"] is None:
        missing = "too few answers" if row["n"] else "no answers"
        return [answers, missing, formats.MISSING]
    score = formats.score(row["score"])
    if row["interval_low"] is None:
        return [answers, score, formats.MISSING]
    low, high = formats.score(row["interval_low"]), formats.score(row["interval_high"])
    return [answers, score, f"{low} to {high}"]


def _point(row: Row, place: str, full: str) -> Row:
    answers, score, interval = _score_cells(row)
    has_interval = row["interval_low"] is not None
    return {
        "place": place,
        "full": full,
        "value": row["score"],
        "low": row["interval_low"] if has_interval else row["score"],
        "high": row["interval_high"] if has_interval else row["score"],
        "fill": ACCENT if row["is_complete"] else "#fff",
        "text": f"{score} ({interval}), {answers} answers",
    }


def _score_scale(bounds: list[float]) -> alt.Scale:
    low, high = min(bounds, default=0), max(bounds, default=100)
    room = 0.07 * (high - low) or 5
    return alt.Scale(domain=[low - room, high + room], zero=False, nice=False)


def _bounds(points: list[Row]) -> list[float]:
    return [point[end] for point in points for end in ("low", "high")]


def _tooltip() -> list[alt.Tooltip]:
    return [alt.Tooltip("full:N", title=" "), alt.Tooltip("text:N", title="  ")]


def _points(base: Any, channel: Any, scale: alt.Scale, axis: alt.Axis | None) -> Any:
    """Points along `channel` (alt.X or alt.Y) with their intervals."""
    name = channel.__name__.lower()
    low = channel("low:Q", scale=scale, axis=axis)
    value = channel("value:Q", scale=scale, axis=axis)
    interval: dict[str, Any] = {name: low, f"{name}2": "high:Q"}
    return [
        base.mark_rule(strokeWidth=3, color=SOFT).encode(**interval),
        base.mark_point(size=55, strokeWidth=2, opacity=1).encode(
            **{name: value},
            fill=alt.Fill("fill:N", scale=None),
            stroke=alt.value(ACCENT),
            tooltip=_tooltip(),
        ),
    ]


def _chart_of_scores(
    rows: list[Row], by: str, note: str, spec: dict[str, Any], names: list[str]
) -> Chart:
    measure = rows[0]["measure"]
    label = _MEASURES[measure][0]
    return Chart(
        f"{measure}-by-{by}",
        f"{label} by {by}",
        note,
        spec,
        [by.capitalize(), "Answers", label, "Interval of 95%"],
        [[name, *_score_cells(row)] for name, row in zip(names, rows, strict=True)],
        {"Score": ACCENT, "Interval of 95%": SOFT},
    )


def _score_by_period(figures: Figures, measure: str, few: str) -> Chart:
    """By month; by year where fewer than half of the months have answers."""
    rows = _score_rows(figures, measure, "total", "month")
    empty = rows[0] | {"n": 0, "score": None, "interval_low": None}
    filled = _every_month(rows, empty)
    if 2 * len(rows) >= len(filled):
        by = "month"
        periods, note = last_months(filled)
        names = [month_name(row) for row in periods]
        places = [f"{row['month']:%Y-%m}" for row in periods]
        x = month_x(periods, "place:O")
    else:
        by = "year"
        periods = _score_rows(figures, measure, "total", "year")
        places = [f"{row['month']:%Y}" for row in periods]
        is_over = periods[-1]["is_complete"]
        note = "" if is_over else f"{places[-1]} is not over: hollow."
        names = [*places[:-1], places[-1] + ("" if is_over else " (not over)")]
        x = alt.X("place:O", sort=places, axis=alt.Axis(title=None, labelAngle=0))
    points = [
        _point(row, place, name)
        for row, place, name in zip(periods, places, names, strict=True)
    ]
    told = [point for point in points if point["value"] is not None]
    missing = [
        point
        for point, row in zip(points, periods, strict=True)
        if row["n"] and row["score"] is None
    ]
    layers = _points(
        alt.Chart(inline(told)).encode(x=x),
        alt.Y,
        _score_scale(_bounds(told)),
        alt.Axis(title=None, tickCount=5, domain=False, ticks=False) if told else None,
    )
    if missing:
        layers.append(
            alt.Chart(inline(missing))
            .mark_point(shape="cross", size=45, color=GREY, filled=True, opacity=1)
            .encode(x=x, y=alt.value(MONTHS_HEIGHT - 8), tooltip=_tooltip())
        )
    answers = f"{formats.count(sum(row['n'] for row in periods))} answers"
    if rows[0]["dimension"] != "overall":
        answers += f" about {formats.name(rows[0]['dimension'])}"
    notes = [_MEASURES[measure][1], f"{answers}.", note]
    if missing:
        notes.append(f"Grey crosses: {few}.")
    return _chart_of_scores(
        periods,
        by,
        " ".join(filter(None, notes)),
        drawn(alt.layer(*layers), MONTHS_HEIGHT),
        names,
    )


def _place_name(row: Row) -> str:
    parts = (row["touchpoint"], row["dimension"])
    # A touchpoint and a dimension of one name are said once.
    stated = dict.fromkeys(p for p in parts if p not in ("not_stated", "overall"))
    return ": ".join(map(formats.name, stated)) or "Not stated"


def _score_by_touchpoint(figures: Figures, measure: str, few: str) -> list[Chart]:
    """One chart, none where no answer names what it is about."""
    (total,) = _score_rows(figures, measure, "total", "all")
    # By answers, as read; those about nothing in particular come last.
    rows = sorted(
        _score_rows(figures, measure, "touchpoint", "all"),
        key=lambda row: _place_name(row) == "Not stated",
    )
    names = [_place_name(row) for row in rows]
    if set(names) == {"Not stated"}:
        return []
    shown = [
        _point(row, wrapped(name), name)
        for row, name in zip(rows[:TOUCHPOINTS_SHOWN], names, strict=False)
    ]
    told = [point for point in shown if point["value"] is not None]
    overall = total["score"]
    scale = _score_scale(_bounds(told) + ([] if overall is None else [overall]))
    for point, row in zip(shown, rows, strict=False):
        answers, score, _ = _score_cells(row)
        is_told = point["value"] is not None
        point["label"] = point["place"]
        point["words"] = f"{score} · {answers}" if is_told else f"too few: {answers}"
        # A column at the right edge: elsewhere Vega misjudges the room for text.
        point["end"] = scale["domain"][1]
    place = alt.Y("place:N", sort=[p["place"] for p in shown], axis=label_axis())
    layers = _points(alt.Chart(inline(told)).encode(y=place), alt.X, scale, None)
    if overall is not None:
        layers.append(
            alt.Chart(inline([{"value": overall}]))
            .mark_rule(color=INK, strokeDash=[4, 3])
            .encode(x=alt.X("value:Q", scale=scale, axis=None))
        )
    layers.append(
        alt.Chart(inline(shown))
        .mark_text(align="left", dx=8)
        .encode(y=place, x=alt.X("end:Q", scale=scale, axis=None), text="words:N")
    )
    notes = ["Score and answers since the first one."]
    if overall is not None:
        notes.append(f"Dashed: {formats.score(overall)} in all.")
    if len(told) < len(shown):
        notes.append(f"Too few: {few}.")
    if len(shown) < len(rows):
        notes.append(f"The {len(shown)} with most answers of {len(rows)}.")
    chart = _chart_of_scores(
        rows,
        "touchpoint",
        " ".join(notes),
        drawn(alt.layer(*layers), height_of(shown, 32)),
        names,
    )
    return [chart]


# Complaints --------------------------------------------------------------------------


def _noun(figures: Figures) -> str:
    return "Complaints" if figures.complaints[0]["is_complaint"] else "Service cases"


def _in_time(rows: list[Row]) -> tuple[str, int]:
    """Share of the answers due that came in time, and how many were due."""
    came = sum(row["in_time_count"] for row in rows)
    due = came + sum(row["late_count"] for row in rows)
    return formats.percent(100 * came / due if due else None), due


def _complaints(figures: Figures, hours: int) -> Chart:
    noun = _noun(figures)
    empty = {"case_count": 0} | dict.fromkeys(_ANSWERS, 0)
    months, note = last_months(_every_month(figures.complaints, empty))
    legend = dict(_ANSWERS.values())
    share, due = _in_time(months)
    return Chart(
        "complaints",
        f"{noun} answered within {hours} hours",
        f"{share} of the {formats.count(due)} due, by month of opening. {note}".strip(),
        month_bars(months, _ANSWERS, counted, 1),
        ["Month", noun, *legend, "In time, of those due"],
        [
            [
                month_name(row),
                formats.count(row["case_count"]),
                *(formats.count(row[kind]) for kind in _ANSWERS),
                _in_time([row])[0],
            ]
            for row in months
        ],
        legend,
    )


def _complaint_states(figures: Figures, hours: int) -> Chart:
    noun = _noun(figures)
    sizes = dict.fromkeys(_CASE_STATES, 0)
    for row in figures.complaints:
        for state, size in row["states"].items():
            sizes[state] += size
    total = sum(sizes.values())
    return Chart(
        "complaint-states",
        f"{noun} by state",
        f"Overdue: no answer within {hours} hours.",
        state_bars(sizes, _CASE_STATES),
        ["State", noun, "Share"],
        [
            [
                formats.name(state),
                formats.count(size),
                formats.percent(100 * size / total),
            ]
            for state, size in sizes.items()
        ],
    )
