"""Entries on visits to stores, on what campaigns bring, and on goals."""

from functools import partial

from kith.report import marks
from kith.report.entries import Entry, Row, Section
from kith.report.formats import MISSING, enumerated, fill, name
from kith.report.language import term, translated

_NO_VISITS = "No sensor tells who visits a store: the feed presences is empty."
_NO_CAMPAIGNS = "No campaign is known."

# Visits ------------------------------------------------------------------------------

_STEPS = {
    "came": "Came near",
    "entered": "Entered",
    "dwelt": "Stayed somewhere",
    "bagged": "Carried a bag",
    "bought": "Purchase known",
}


def _steps() -> str:
    """SQL: a row per step, of the only row of `counted`."""
    return " union all ".join(
        f"select {at} as position, '{step}' as step, {step} as visit_count from counted"
        for at, step in enumerate(_STEPS)
    )


_COURSE = Entry(
    "store-visits",
    "What becomes of who comes to a store",
    f"""
with counted as (
    select
        count(*) as came,
        sum(case when has_entered then 1 else 0 end) as entered,
        sum(case when dwell_seconds > 0 then 1 else 0 end) as dwelt,
        sum(case when furthest_state = 'bag' then 1 else 0 end) as bagged,
        sum(case when outcome = 'bought' then 1 else 0 end) as bought
    from customer.store_visits
),
described as (
    select
        count(distinct place_key) as place_count,
        count(customer_id) as known_count,
        median(case when has_entered then inside_seconds end) / 60 as inside_minutes,
        sum(impossible_count) as impossible_count,
        sum(reading_count) as reading_count,
        min(visit_date) as first_date,
        max(visit_date) as last_date
    from customer.store_visits
)
select
    steps.step, steps.visit_count, described.*, counted.came,
    100.0 * steps.visit_count / nullif(counted.entered, 0) as entered_pct
from ({_steps()}) as steps
cross join counted
cross join described
where counted.came > 0
order by steps.position
""",
    columns={
        "Step": lambda row: translated(_STEPS[row["step"]]),
        "Visits": "{visit_count:,.0f}",
        "Of 100 who entered": "{entered_pct:.1f}",
    },
    note="{came:,} visits to {place_count:,} places, {first_date:%-d %b %Y} to "
    "{last_date:%-d %b %Y}; {known_count:,} are of known customers. Half of those who "
    "entered stayed for {inside_minutes:.0f} minutes or more. Of {reading_count:,.0f} "
    "readings {impossible_count:,.0f} cannot follow the one before.",
    absent=_NO_VISITS,
    marks=marks.bars,
    series={"visit_count": ("Visits", marks.ACCENT)},
    text="{visit_count:,.0f} · {entered_pct:.0f}%",
)
_ZONES = Entry(
    "visits-by-zone",
    "Where they stay",
    """
select
    floor, zone, sum(inside_seconds) / 3600.0 as hours,
    sum(inside_count) as visit_count,
    sum(inside_seconds) / 60.0 / nullif(sum(inside_count), 0) as minutes,
    100.0 * sum(inside_seconds) / nullif(sum(sum(inside_seconds)) over (), 0)
        as share_pct
from customer.visitor_flows
where breakdown = 'zone'
group by floor, zone
having sum(inside_seconds) > 0
order by hours desc, floor, zone
""",
    columns={
        "Zone": lambda row: (
            enumerated(
                words
                for words, value in (
                    (row["zone"], row["zone"]),
                    (fill("floor {floor}", row), row["floor"]),
                )
                if value is not None
            )
            or fill("not stated", row)
        ),
        "Hours": "{hours:,.0f}",
        "Share": "{share_pct:percent}",
        "Minutes a visit": "{minutes:.1f}",
        "Visits": "{visit_count:,.0f}",
    },
    note="Hours between the reading of a zone and the next one. A visit counts once in "
    "each zone and hour.",
    marks=marks.bars,
    series={"hours": ("Hours", marks.ACCENT)},
    text="{share_pct:percent}",
    drawn=10,
)
_HOURS = Entry(
    "visits-by-hour",
    "When they come, and when they buy",
    """
select
    flow_hour, sum(entered_count) as entered_count, sum(bought_count) as bought_count,
    100.0 * sum(bought_count) / nullif(sum(entered_count), 0) as bought_pct
from customer.visitor_flows
where breakdown = 'place'
group by flow_hour
having sum(entered_count) > 0
order by flow_hour
""",
    columns={
        "Hour": "{flow_hour:02d}:00",
        "Visits begun": "{entered_count:,.0f}",
        "With a purchase": "{bought_count:,.0f}",
        "Of 100 bought": "{bought_pct:.1f}",
    },
    note="By the company's clocks ({time_zone}). Beside each bar: of how many of these "
    "visits a purchase is known.",
    marks=marks.bars,
    series={"entered_count": ("Visits begun", marks.ACCENT)},
    text="{entered_count:,.0f} · {bought_pct:.0f}%",
)

# Campaigns ---------------------------------------------------------------------------

_VERDICTS = {"effective": "effective", "harmful": "harmful", "not_shown": "not shown"}


def _verdict(row: Row) -> str:
    if row["verdict"] in _VERDICTS:
        return translated(_VERDICTS[row["verdict"]])
    return term(row["uplift_missing_reason"] or MISSING)


def _uplift_note(rows: list[Row]) -> str:
    told = [row for row in rows if row["score"] is not None]
    effective = sum(row["verdict"] == "effective" for row in told)
    return fill(
        "How many purchases more 100 customers made during the campaign than 100 of "
        "whom the draw held out, with 95% intervals. Effective: the whole interval "
        "lies above 0, which of forty campaigns without effect one does by chance. "
        "{effective} of {told} are; {all} are known.",
        {"told": len(told), "all": len(rows), "effective": effective},
    )


_UPLIFTS = Entry(
    "campaign-uplift",
    "What campaigns bring by themselves",
    """
select
    coalesce(name, campaign_key) as campaign, channel, reached_count, held_out_count,
    responded_pct, 100 * purchase_uplift as score,
    100 * purchase_uplift_low as interval_low,
    100 * purchase_uplift_high as interval_high, 0.0 as overall_score,
    revenue_uplift, verdict, uplift_missing_reason, cost_amount
from customer.campaign_results
where period_grain = 'all' and campaign_key <> 'unattributed'
order by purchase_uplift desc nulls last, starts_at desc nulls last, campaign_key
""",
    columns={
        "Campaign": "{campaign}",
        "Channel": "{channel:term}",
        "Reached": "{reached_count:,}",
        "Held out": "{held_out_count:,}",
        "Answered": "{responded_pct:percent}",
        "Purchases more per 100": "{score:+.1f}",
        "from": "{interval_low:+.1f}",
        "to": "{interval_high:+.1f}",
        "{currency} more a customer": "{revenue_uplift:+,.2f}",
        "Verdict": _verdict,
    },
    note=_uplift_note,
    absent=_NO_CAMPAIGNS,
    marks=marks.points_by_label,
    series={"score": ("Purchases more per 100", marks.ACCENT)},
    text=lambda row: translated(_VERDICTS.get(row["verdict"], "unknown")),
    drawn=16,
)
_CREDITS = {
    "first_amount": "First touch",
    "last_amount": "Last touch",
    "linear_amount": "Evenly",
    "time_decay_amount": "Later ones more",
}


def _credit(row: Row, column: str) -> str:
    return fill("{amount:,.0f}", {"amount": row[column]})


_CREDITED = Entry(
    "campaign-credits",
    "Who has a share in revenue, {currency}",
    """
select
    coalesce(name, case campaign_key when 'unattributed' then 'No campaign'
        else campaign_key end) as campaign,
    first_amount, last_amount, linear_amount, time_decay_amount, cost_amount,
    touched_purchase_count
from customer.campaign_results
where period_grain = 'all'
    and exists (
        select 1 from customer.campaign_results where campaign_key <> 'unattributed'
    )
order by
    case campaign_key when 'unattributed' then 1 else 0 end, linear_amount desc,
    campaign_key
""",
    columns={
        "Campaign": "{campaign:term}",
        **{
            words: partial(_credit, column=column) for column, words in _CREDITS.items()
        },
        "Cost": "{cost_amount:,.0f}",
    },
    note="Each purchase is divided among the messages and clicks of the 30 days before "
    "it; the columns add up to the revenue of all orders. A return that is an order of "
    "its own names no purchase and stands under No campaign. A share in a purchase is "
    "no proof that it would not have been made.",
    style="words",
)

# Goals -------------------------------------------------------------------------------

_STATES = {"ahead": "ahead so far", "behind": "behind so far"}


def _goal(row: Row) -> str:
    measure = row["measure"]
    words = measure.upper() if measure in ("nps", "csat") else name(measure)
    return enumerated(filter(None, [words, row["scope"]]))


_GOALS = Entry(
    "goals",
    "Goals",
    """
select
    measure, scope, period_start, period_end, target_value, actual_value, attained_pct,
    state, missing_reason
from customer.goals_attained
where state is null or state <> 'not_begun'
order by period_end desc, period_start desc, measure, scope, goal_id
limit 12
""",
    columns={
        "Goal": _goal,
        "Period": "{period_start:%-d %b %Y} – {period_end:%-d %b %Y}",
        "Target": "{target_value:,.0f}",
        "Attained": "{actual_value:,.0f}",
        "Of the target": "{attained_pct:percent}",
        "State": lambda row: term(
            _STATES.get(row["state"], row["state"]) or row["missing_reason"] or MISSING
        ),
    },
    note="The goals whose periods end last.",
    absent="No goals are known.",
    style="words",
)
SECTION = Section(
    charts=[[_COURSE, _ZONES], [_HOURS, _GOALS], [_UPLIFTS, _CREDITED]],
    definitions={
        "Visit": "The readings of one person in a place, until one says that they left "
        "or none follows for {company.stay_pause_minutes} minutes. A purchase belongs "
        "to the nearest visit of its customer in its place.",
        "Uplift": "Purchases during a campaign per customer who was reached, less "
        "those per customer whom the draw held out; by the draw, whatever was sent.",
    },
)
