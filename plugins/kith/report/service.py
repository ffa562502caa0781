"""Entries on what satisfaction hangs on, shortfalls of service, and what follows."""

from functools import partial
from typing import Any

import altair as alt

from kith.report import marks
from kith.report.entries import Entry, Row, Section
from kith.report.formats import MISSING, enumerated, fill, name
from kith.report.language import term, translated

_ABSENT = (
    "Nothing can be told yet: no survey asks about the whole and about parts of the "
    "service, too few have answered, or models are switched off."
)
_ASKED = {"csat": "CSAT", "nps": "NPS", "perception": "the service as a whole"}
# Of all surveys the one last begun, of its outcomes CSAT first.
_CHOSEN = """
with told as (
    select * from satisfaction.satisfaction_drivers where share_pct is not null
),
chosen as (
    select source, survey, outcome, outcome_scale_max, driver_kind
    from told
    where period_grain = 'all' and segment = 'all'
    order by
        case driver_kind when 'dimension' then 0 else 1 end, period_start desc,
        case outcome when 'csat' then 0 when 'nps' then 1 else 2 end, n desc, source,
        survey, outcome_scale_max
    limit 1
)
"""
_OF_CHOSEN = """
inner join chosen
    on {0}.source = chosen.source and {0}.survey = chosen.survey
    and {0}.outcome = chosen.outcome and {0}.driver_kind = chosen.driver_kind
    and {0}.outcome_scale_max = chosen.outcome_scale_max
"""
_EFFECTS = {
    "raises": ("Raises it", marks.GOOD),
    "lowers": ("Lowers it", marks.BAD),
}


def _drivers_note(rows: list[Row]) -> str:
    return fill(
        "Survey {survey:name}: what {asked} hangs on, by {n:,} answers of "
        "{person_count:,} persons. Shares add up to 100% of what all parts explain "
        "together, which is {explained_pct:percent}; {unlisted_pct:percent} is "
        "unlisted. The first three have {top_pct:percent}. Lines: 95% intervals. An "
        "association, no proof of a cause.",
        rows[0] | {"asked": translated(_ASKED[rows[0]["outcome"]])},
    )


_DRIVERS = Entry(
    "satisfaction-drivers",
    "What satisfaction hangs on",
    f"""
{_CHOSEN}
select
    told.survey, told.outcome, told.driver, told.share_pct, told.effect as state,
    told.share_pct as score, told.share_pct_low as interval_low,
    told.share_pct_high as interval_high, told.points_per_point,
    told.points_per_point_low, told.points_per_point_high, told.n, told.person_count,
    sum(told.variance_pct) over () as explained_pct,
    100 - sum(told.variance_pct) over () as unlisted_pct,
    max(case when driver_rank <= 3 then cumulative_share_pct end) over () as top_pct
from told
{_OF_CHOSEN.format("told")}
where told.period_grain = 'all' and told.segment = 'all'
order by told.driver_rank
""",
    columns={
        "Part of the service": "{driver:name}",
        "Share": "{share_pct:percent}",
        "from": "{interval_low:percent}",
        "to": "{interval_high:percent}",
        "A point more goes with": "{points_per_point:+.2f}",
        "at least": "{points_per_point_low:+.2f}",
        "at most": "{points_per_point_high:+.2f}",
    },
    note=_drivers_note,
    absent=_ABSENT,
    marks=partial(marks.interval_bars, states=_EFFECTS),
    series=_EFFECTS,
    text="{share_pct:percent}",
    drawn=10,
)


def _shares(row: Row, column: str) -> str:
    parts = (line.rpartition(": ") for line in (row[column] or "").splitlines())
    told = (term(part) + translated(mark) + share for part, mark, share in parts)
    return enumerated(told) or MISSING


_CHANGES = Entry(
    "satisfaction-drivers-by-part",
    "The same by year and tier",
    f"""
{_CHOSEN},
of_survey as (
    select told.driver, told.share_pct, told.period_grain, told.segment
    from told
    {_OF_CHOSEN.format("told")}
),
-- Of another survey where each year has one of its own; the larger one of a year.
of_year as (
    select
        told.driver, told.share_pct, extract(year from told.period_start) as year,
        rank() over (
            partition by extract(year from told.period_start)
            order by case when told.survey = chosen.survey then 0 else 1 end,
                told.n desc, told.survey
        ) as place
    from told
    inner join chosen
        on told.source = chosen.source and told.outcome = chosen.outcome
        and told.driver_kind = chosen.driver_kind
        and told.outcome_scale_max = chosen.outcome_scale_max
    where told.period_grain = 'year'
),
cut as (
    select driver, share_pct, segment, period_grain, null as year from of_survey
    where period_grain = 'all'
    union all
    select driver, share_pct, 'all' as segment, 'year' as period_grain, year
    from of_year
    where place = 1
)
select
    driver,
    max(case when period_grain = 'all' and segment = 'all' then share_pct end)
        as share_pct,
    string_agg(
        cast(year as int) || ': ' || cast(round(share_pct) as int) || '%', '\n'
        order by year
    ) filter (where period_grain = 'year') as by_year,
    string_agg(
        segment || ': ' || cast(round(share_pct) as int) || '%', '\n' order by segment
    ) filter (where segment <> 'all') as by_tier
from cut
group by driver
order by share_pct desc nulls last, driver
""",
    columns={
        "Part of the service": "{driver:name}",
        "By year": partial(_shares, column="by_year"),
        "By tier": partial(_shares, column="by_tier"),
    },
    note="Shares, where enough have answered.",
    style="words",
)

# Importance against performance ------------------------------------------------------

_QUADRANTS = {
    "improve_first": ("Improve first", marks.BAD),
    "keep_up": ("Keep up", marks.GOOD),
    "improve_later": ("Improve later", marks.DOUBTFUL),
    "leave_as_is": ("Leave as is", marks.GREY),
}


def _quadrant(chart: Any, rows: list[Row], series: Any) -> Any:
    """A point per driver: to the right the better service, upwards the more weight."""
    x = alt.X(
        "shortfall:Q",
        scale=alt.Scale(reverse=True, zero=False, nice=True, padding=15),
        axis=alt.Axis(title=translated("behind by, points"), tickCount=5),
    )
    title = translated("share in satisfaction, %")
    y = alt.Y(
        "importance_pct:Q",
        scale=alt.Scale(zero=True, nice=True, padding=8),
        axis=alt.Axis(title=title, tickCount=5, domain=False),
    )
    color = alt.Color(**marks.color_of(_QUADRANTS, "quadrant"))
    points = chart.encode(x=x, y=y)
    middle = rows[0]
    rules = alt.Chart(alt.Data(values=[{}])).mark_rule(
        color=marks.RULE, strokeDash=[4, 3]
    )
    return alt.layer(
        rules.encode(x=alt.XDatum(middle["mean_shortfall"])),
        rules.encode(y=alt.YDatum(middle["mean_importance_pct"])),
        points.mark_point(filled=True, size=90, opacity=1).encode(color=color),
        points.mark_text(dy=-13).encode(text="text:N"),
    ).properties(height=300)


def _quadrant_note(rows: list[Row]) -> str:
    aim = translated(
        "three quarters up the scale, as 4 of 5"
        if rows[0]["target_kind"] == "mark"
        else "what was expected"
    )
    named = enumerated(fill("{priority_rank} {driver:name}", row) for row in rows)
    return fill(
        "Survey {survey:name}. Behind: by so many points the service stays below "
        "{aim}. Dashed: the means. {named}.",
        rows[0] | {"aim": aim, "named": named},
    )


_QUADRANT = Entry(
    "importance-and-performance",
    "Importance against performance",
    f"""
{_CHOSEN}
select
    shortfalls.survey, shortfalls.driver, shortfalls.importance_pct,
    shortfalls.performance_mean, shortfalls.target_mean, shortfalls.target_kind,
    shortfalls.shortfall, shortfalls.interval_low, shortfalls.interval_high,
    shortfalls.quadrant, shortfalls.priority_rank,
    avg(shortfalls.shortfall) over () as mean_shortfall,
    avg(shortfalls.importance_pct) over () as mean_importance_pct
from satisfaction.service_shortfalls as shortfalls
{_OF_CHOSEN.format("shortfalls")}
where shortfalls.view = 'all' and shortfalls.priority is not null
order by shortfalls.priority_rank
""",
    columns={
        "Part of the service": "{driver:name}",
        "Share": "{importance_pct:percent}",
        "Perceived": "{performance_mean:.2f}",
        "Aim": "{target_mean:.2f}",
        "Behind by": "{shortfall:+.2f}",
        "from": "{interval_low:+.2f}",
        "to": "{interval_high:+.2f}",
        "What to do": lambda row: translated(_QUADRANTS[row["quadrant"]][0]),
    },
    note=_quadrant_note,
    absent=_ABSENT,
    marks=_quadrant,
    series=_QUADRANTS,
    # Names would lie over each other, and be clipped.
    text="{priority_rank}",
)
_SHORTFALLS = Entry(
    "service-shortfalls",
    "Where making it good would bring most",
    f"""
{_CHOSEN}
select
    shortfalls.survey, shortfalls.outcome, shortfalls.view, shortfalls.place,
    shortfalls.driver, shortfalls.shortfall, shortfalls.importance_pct,
    shortfalls.would_bring_points, shortfalls.n
from satisfaction.service_shortfalls as shortfalls
{_OF_CHOSEN.format("shortfalls")}
where shortfalls.view in ('touchpoint', 'department')
    and shortfalls.place not in ('not_stated', 'in_nobodys_care', 'unidentified')
    and shortfalls.would_bring_points > 0
order by
    shortfalls.would_bring_points desc, shortfalls.view, shortfalls.place,
    shortfalls.driver
limit 10
""",
    columns={
        "Touchpoint or department": lambda row: (
            name(row["place"]) + translated(": ") + name(row["driver"])
        ),
        "Behind by": "{shortfall:+.2f}",
        "Share": "{importance_pct:percent}",
        "Would bring, points": "{would_bring_points:+.2f}",
        "Answers": "{n:,}",
    },
    note=lambda rows: fill(
        "Points by which the mean of {asked} would be higher, were there no shortfall "
        "there: its size × what a point goes with × the share of answers given there.",
        {"asked": translated(_ASKED[rows[0]["outcome"]])},
    ),
    marks=marks.bars,
    series={"would_bring_points": ("Points", marks.ACCENT)},
    text="{would_bring_points:+.2f}",
)

# What follows ------------------------------------------------------------------------

_LAGS = {
    3: "3 months later",
    6: "6 months",
    12: "1 year",
    24: "2 years",
    36: "3 years",
    48: "4 years",
}
_LINKS = {
    ("service_quality", "satisfaction"): "Service 10 points of 100 better: "
    "satisfaction, points of 100",
    ("satisfaction", "loyalty"): "Satisfaction 10 points of 100 higher: days with a "
    "purchase in a quarter",
    ("loyalty", "revenue"): "A day with a purchase more in a quarter: revenue of a "
    "quarter, {currency}",
    ("satisfaction", "revenue"): "Satisfaction 10 points of 100 higher: revenue of a "
    "quarter, {currency}",
}


def _effect(row: Row, lag: int) -> str:
    if row[f"change_{lag}"] is None:
        return MISSING
    facts = {name: row[f"{name}_{lag}"] for name in ("change", "low", "high")}
    return fill("{change:+,.2f} ({low:,.2f} to {high:,.2f})", facts)


_CHAIN = Entry(
    "satisfaction-effects",
    "What goes with better service, and when",
    "select cause, effect, "
    + ", ".join(
        f"max(case when lag_months = {lag} then {column} end) as {short}_{lag}"
        for lag in _LAGS
        for column, short in (
            ("effect_change", "change"),
            ("interval_low", "low"),
            ("interval_high", "high"),
        )
    )
    + """
from satisfaction.satisfaction_effects
group by cause, effect
having count(effect_change) > 0
order by
    case cause when 'service_quality' then 0 when 'satisfaction' then 1 else 2 end,
    effect
""",
    columns={
        "Beside others in the same quarter": lambda row: fill(
            _LINKS[row["cause"], row["effect"]], row
        ),
        **{words: partial(_effect, lag=lag) for lag, words in _LAGS.items()},
    },
    note="By how much customers differ later, with 95% intervals. Associations, no "
    "proof of causes. A dash: the history is too short, or customers are too few.",
    absent="Of too few customers both answers and later purchases are known.",
    style="words",
)
SECTION = Section(
    charts=[[_DRIVERS, _QUADRANT], [_CHANGES, _SHORTFALLS], [_CHAIN]],
    definitions={
        "Share in satisfaction": "Mean gain in R² of a part of the service over all "
        "orders in which parts can be entered (LMG), of the sum of all; beyond 12 "
        "parts relative weights. Drawn anew from the persons for the interval.",
        "Shortfall": "What was expected minus what was perceived, on one "
        "questionnaire; where nobody is asked what they expect, three quarters up the "
        "scale minus what was perceived.",
    },
)
