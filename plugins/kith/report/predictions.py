"""Entries on what keeps customers, on how good the models are, and whom to wake."""

from functools import partial
from typing import Any

from kith.report import marks
from kith.report.entries import Entry, Row, Section, listed
from kith.report.formats import fill, name, sentences
from kith.report.language import term, translated

_EFFECTS = {
    "keeps": ("Keeps customers", marks.GOOD),
    "drives_away": ("Drives them away", marks.BAD),
}

_MUCH_PCT = 5  # Below it, behaviours explain too little to act on their shares.


def _drivers_note(rows: list[Row]) -> str:
    return sentences(
        rows[0],
        "Among {n:,} customers who had bought shortly before {observed_on:%-d %b %Y}: "
        "what those do or meet with who still bought from {window_start:%-d %b %Y} to "
        "{window_end:%-d %b %Y}, compared with others who had bought alike.",
        "Shares add up to 100% of what all behaviours explain together, which is "
        "{explained_pct:percent} of who stays and who leaves."
        if rows[0]["explained_pct"] >= _MUCH_PCT
        else "Shares add up to 100% of what all behaviours explain together, which is "
        "{explained_pct:percent} of who stays and who leaves: take them as hints.",
        "Lines: 95% intervals.",
        "Left out, since they tell the outcome itself: {leaks}."
        if rows[0]["leaks"]
        else "",
    )


def _behaviour(definition: str) -> str:
    """What a behaviour is; several that go together are told one by one."""
    parts = definition.split("; with it goes ")
    return translated("; with it goes ").join(map(term, parts))


_DRIVERS = Entry(
    "drivers",
    "What keeps customers, and what drives them away",
    """
with told as (
    select * from segment.behaviour_drivers
    where scheme = 'all' and share_pct is not null
),
leaks as (
    select string_agg(distinct replace(behaviour, 'trait_', ''), ', '
        order by replace(behaviour, 'trait_', '')) as leaks
    from segment.behaviour_drivers
    where is_leak and scheme = 'all'
)
select
    *, effect as state, share_pct as score, share_pct_lower_bound as interval_low,
    share_pct_upper_bound as interval_high
from told cross join leaks
order by share_pct desc, behaviour
""",
    columns={
        "Behaviour": lambda row: name(_behaviour(row["definition"])),
        "Share": "{share_pct:percent}",
        "from": "{interval_low:percent}",
        "to": "{interval_high:percent}",
        "Effect": lambda row: translated(_EFFECTS[row["effect"]][0]),
        "Same sign in": "{stability_pct:.0f}% of trials",
    },
    note=_drivers_note,
    absent="Nothing can be told yet of what keeps customers: the models are switched "
    "off, or customers or days are too few.",
    marks=partial(marks.interval_bars, states=_EFFECTS),
    series=_EFFECTS,
    text="{share_pct:percent}",
    drawn=10,
)


def _strongest(row: Row) -> str:
    if not row["strongest"]:
        return fill("None: {missing_reason:term}", row)
    parts = (line.rpartition(" (") for line in row["strongest"].splitlines())
    told = ((_behaviour(words), share.rstrip(")")) for words, _, share in parts)
    return translated("; ").join(
        fill("{behaviour} ({share})", {"behaviour": behaviour, "share": share})
        for behaviour, share in told
    )


_BY_TIER = Entry(
    "drivers-by-tier",
    "The same by tier",
    """
with ranked as (
    select
        *,
        row_number() over (
            partition by scheme, segment
            order by
                share_pct desc nulls last, explained_pct desc nulls last, behaviour
        ) as place
    from segment.behaviour_drivers
    where not is_leak
)
select
    scheme, segment, max(n) as n, max(explained_pct) as explained_pct,
    string_agg(
        definition || case when effect = 'keeps' then ' (+' else ' (−' end
        || cast(round(share_pct) as int) || '%)',
        '\n' order by place
    ) filter (where place <= 3 and share_pct is not null) as strongest,
    sum(share_pct) filter (where place <= 3) as strongest_pct,
    max(missing_reason) filter (where share_pct is null and place = 1) as missing_reason
from ranked
group by scheme, segment
order by scheme <> 'all', max(n) desc, segment
""",
    columns={
        "Customers": lambda row: (
            fill("All", row) if row["scheme"] == "all" else term(row["segment"])
        ),
        "Asked": "{n:,}",
        "The three strongest behaviours": _strongest,
        "Their share": "{strongest_pct:percent}",
    },
    note="The three strongest behaviours and their shares: + keeps customers, − drives "
    "them away.",
    style="words",
)

# Model cards -------------------------------------------------------------------------

_SIDES = {"model": ("The model", marks.ACCENT), "without": ("Without it", marks.GREY)}


def _card_note(rows: list[Row]) -> str:
    facts = rows[0]
    if facts["status"] != "published":
        return fill(
            "Switched off: {reason:term}."
            if facts["status"] == "switched_off"
            else "Not published: {reason:term}.",
            facts,
        ).replace("..", ".")
    return fill(
        "Published. Foretells the next {horizon_days} days. Judged on {judged_count:,} "
        "customers as they were before {window_start:%-d %b %Y}, by what they did "
        "until {window_end:%-d %b %Y}: better than {rule:term}. Today it names "
        "{named_count:,} of {asked_count:,}.",
        facts,
    )


def _model(question: str, title: str, does: str, rule: str) -> Entry:
    """How often a model is right, beside chance and the simple `rule`."""
    statements = [
        ("precision", "model", f"Of 100 it names, so many {does}"),
        ("recall", "model", f"Of 100 who {does}, it names so many"),
        ("base_rate", "without", f"Of any 100, so many {does}"),
        ("auc", "model", "Of 100 pairs, it ranks right"),
        ("baseline_auc", "without", f"By {rule}"),
        ("error_rate", "", "Error rate: named, and wrong"),
        ("miss_rate", "", "Miss rate: not named, and it came"),
    ]
    rows = ", ".join(
        f"({at}, '{metric}', '{side}', '{words}')"
        for at, (metric, side, words) in enumerate(statements)
    )
    return Entry(
        f"model-{question.replace('_', '-')}",
        title,
        f"""
with told as (
    select * from segment.model_evaluations where model = '{question}'
),
facts as (
    select
        max(status) as status, max(reason) as reason,
        max(n) filter (where metric = 'base_rate') as judged_count,
        max(window_start) filter (where metric = 'base_rate') as window_start,
        max(window_end) filter (where metric = 'base_rate') as window_end
    from told
),
named as (
    select
        count(*) filter (where is_foretold) as named_count, count(*) as asked_count,
        max(horizon_days) as horizon_days
    from segment.customer_predictions
    where question = '{question}'
),
listed as (
    select * from (values {rows}) as listed (position, metric, state, statement)
)
select
    statement, state, listed.metric, 100 * told.value as score,
    100 * told.lower_bound as interval_low, 100 * told.upper_bound as interval_high,
    100 * told.limit_value as limit_pct, told.n, told.value is not null as is_listed,
    facts.*, named.*, '{rule}' as rule
from listed
left join told on listed.metric = told.metric
cross join facts cross join named
where facts.status is not null
order by position
""",
        columns={
            "How good it is": "{statement:term}",
            "Of 100": "{score:.0f}",
            "from": "{interval_low:.0f}",
            "to": "{interval_high:.0f}",
            "At most": "{limit_pct:.0f}",
            "Of customers": "{n:,}",
        },
        note=_card_note,
        absent="There is no model.",
        marks=_bars_of_100,
        series=_SIDES,
        text="{score:.0f}",
        drawn=5,
    )


def _bars_of_100(chart: Any, rows: list[Row], series: Any) -> Any:
    """Nothing where the model was never judged."""
    if all(row["score"] is None for row in rows):
        return None
    return marks.interval_bars(chart, rows, series, states=_SIDES)


_POPULATIONS = {"new": ", new customers", "earlier": ", known before"}
_LIFETIMES = Entry(
    "model-lifetimes",
    "How much customers will buy",
    """
with told as (
    select
        model, population, max(status) as status, max(reason) as reason, max(n) as n,
        max(value) filter (where metric like 'held_out_%_expected') as expected,
        max(value) filter (where metric like 'held_out_%_actual') as actual,
        max(value) filter (where metric like 'held_out_%_error_pct') as error_pct,
        max(limit_value) filter (where metric like 'held_out_%_error_pct') as limit_pct,
        max(lower_bound) filter (where metric like 'held_out_%_error_pct') as low_pct,
        max(upper_bound) filter (where metric like 'held_out_%_error_pct') as high_pct
    from segment.model_evaluations
    where model in ('bg_nbd', 'gamma_gamma')
    group by model, population
)
select * from told order by model, population desc
""",
    columns={
        "Foretold": lambda row: (
            translated({"bg_nbd": "Purchases", "gamma_gamma": "Revenue"}[row["model"]])
            + translated(_POPULATIONS.get(row["population"], ""))
        ),
        "Expected": "{expected:,.0f}",
        "Came": "{actual:,.0f}",
        "Off by": "{error_pct:percent}",
        "May be off by": "{limit_pct:percent}",
        "Published": lambda row: fill(
            "Yes" if row["status"] == "published" else "No: {reason:term}", row
        ),
    },
    note="Behind customers’ lifetime values. On days that the models did not see: what "
    "they expected, and what came.",
    absent="There is no model.",
    style="words",
)

# Whom to wake ------------------------------------------------------------------------

_SLEEPERS = {
    "drowsy": ("Drowsy", marks.FAIR),
    "half_asleep": ("Half asleep", marks.DOUBTFUL),
    "asleep": ("Asleep", marks.BAD),
}


def _wake_note(rows: list[Row]) -> str:
    facts = rows[0] | {
        total: sum(row[column] or 0 for row in rows)
        for total, column in (
            ("all", "customer_count"),
            ("worth", "worth_count"),
            ("held", "held_out_count"),
            ("gain", "gain_amount"),
        )
    }
    return fill(
        "Of {all:,} who drowse or sleep, {worth:,} are worth waking: what they are "
        "likely to bring within {horizon_days} days is more than the message costs. "
        "{held:,} of these are left alone by lot, so that you can see later what "
        "waking the others has changed. Expected of the others: "
        "{currency} {gain:amount}, also from who would have come anyway.",
        facts,
    )


_WAKE = Entry(
    "wake",
    "Whom to wake",
    f"""
with states as (
    {listed(_SLEEPERS)}
),
counted as (
    select
        state, max(horizon_days) as horizon_days, count(*) as customer_count,
        count(*) filter (where is_worth_waking) as worth_count,
        count(*) filter (where is_worth_waking and is_held_out) as held_out_count,
        count(*) filter (where channel is null) as unreachable_count,
        count(*) filter (where channel is not null and expected_gain_amount <= 0)
            as dear_count,
        count(*) filter (where channel is not null and expected_gain_amount is null)
            as unknown_count,
        sum(expected_gain_amount) filter (where is_worth_waking and not is_held_out)
            as gain_amount
    from segment.wake_up_candidates
    group by state
)
select counted.* from counted inner join states on counted.state = states.state
order by position
""",
    columns={
        "State": "{state:name}",
        "Customers": "{customer_count:,}",
        "Worth waking": "{worth_count:,}",
        "Of these left alone": "{held_out_count:,}",
        "No channel permitted": "{unreachable_count:,}",
        "Message costs more": "{dear_count:,}",
        "Not known": "{unknown_count:,}",
        "Expected gain, {currency}": "{gain_amount:,.2f}",
    },
    note=_wake_note,
    absent="Nobody is asleep, or the models are switched off.",
    marks=partial(marks.bars, states=_SLEEPERS),
    series={"worth_count": ("Worth waking", marks.ACCENT)},
    text="{worth_count:,} of {customer_count:,}",
)
SECTION = Section(
    charts=[
        [_DRIVERS],
        [_BY_TIER],
        [
            _model(
                "buys_again",
                "Who buys again",
                "buy",
                "the last purchase alone",
            ),
            _model(
                "pays_again",
                "Who buys a second time",
                "buy",
                "the last purchase alone",
            ),
        ],
        [
            _model(
                "becomes_vip",
                "Who becomes a VIP",
                "become one",
                "a year’s purchases alone",
            ),
            _LIFETIMES,
        ],
        [_WAKE],
    ],
    definitions={
        "Error rate, miss rate": "Error rate: of those whom a model names, the share "
        "that turns out wrong. Miss rate: of those of whom it came, the share that it "
        "did not name. Both on customers and days that it did not see. Above the "
        "limits of company.yml, or when no better than the simple rule, a model is not "
        "published.",
        "Ranks right": "Of pairs of a customer of whom it came and one of whom it did "
        "not, the share in which the former has the higher probability; 50 is chance.",
        "Expected gain": "Purchase amount × probability to buy × margin − cost of the "
        "message.",
    },
)
