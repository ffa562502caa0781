"""The summary for deciders: what the charts below say, in plain sentences.

A sentence tells of how many it speaks, and where it is an estimate, how sure it is. One
for which there are no data is left out.
"""

import math

from kith.report.customer import MONTHS
from kith.report.entries import Row, Section, Sentence
from kith.report.formats import change_pct, fill, sentences
from kith.report.language import translated
from kith.report.leaving import sign_of
from kith.report.satisfaction import CASES, scores_of


def _changed(now: float, before: float | None, than: str) -> str:
    """`6.6% less than the month before`; nothing where there is nothing before."""
    if not before or before < 0:
        return ""
    pct = change_pct(now, before)
    facts = {"pct": abs(pct), "than": than}
    if pct == 0:
        return fill("as much as {than}", facts)
    if pct > 0:
        return fill("{pct:,.1f}% more than {than}", facts)
    return fill("{pct:,.1f}% less than {than}", facts)


def _sales(rows: list[Row]) -> str:
    row = rows[0]
    now = row["revenue_amount"]
    changes = [
        _changed(now, row["month_amount"], translated("the month before")),
        _changed(now, row["year_amount"], translated("a year before")),
    ]
    told = translated(" and ").join(filter(None, changes))
    return fill(
        "In {month:%B %Y}, {buyer_count:,} of {customer_count:,} known customers "
        "bought, and revenue was {currency} {revenue_amount:amount}{changes}.",
        row | {"changes": fill(": {changes}", {"changes": told}) if told else ""},
    )


_SALES = Sentence(
    f"""
{MONTHS}
select
    *,
    lag(revenue_amount) over whole as month_amount,
    lag(revenue_amount, 12) over whole as year_amount
from months
where is_complete
window whole as (order by month)
order by month desc
limit 1
""",
    _sales,
)


def _year(rows: list[Row]) -> str:
    row = rows[0]
    than = translated("in the twelve before")
    change = _changed(row["year_amount"], row["former_amount"], than)
    told = fill(", {change}", {"change": change}) if change else ""
    return fill(
        "In the twelve months up to {month:%B %Y} revenue was {currency} "
        "{year_amount:amount}{change}; {unidentified_pct:percent} of it came from "
        "nobody known."
        if row["unidentified_pct"]
        else "In the twelve months up to {month:%B %Y} revenue was {currency} "
        "{year_amount:amount}{change}.",
        row | {"change": told},
    )


_YEAR = Sentence(
    f"""
{MONTHS},
numbered as (
    select *, row_number() over (order by month desc) as number
    from months
    where is_complete
),
years as (
    select
        max(month) as month,
        sum(case when number <= 12 then revenue_amount end) as year_amount,
        case when max(number) >= 24
            then sum(case when number between 13 and 24 then revenue_amount end)
        end as former_amount,
        sum(case when number <= 12 then unidentified_amount end) as unidentified_amount,
        max(number) as month_count
    from numbered
)
select
    *, 100.0 * unidentified_amount / nullif(year_amount, 0) as unidentified_pct
from years
where month_count >= 12
""",
    _year,
)
_ACTIVITY = Sentence(
    """
with states as (
    select
        sum(customer_count) as buyer_count,
        sum(case when segment = 'active' then customer_count else 0 end)
            as active_count,
        sum(case when segment = 'asleep' then customer_count else 0 end)
            as asleep_count
    from segment.segments
    where scheme = 'activity' and state_on = as_of_date
        and segment in ('active', 'drowsy', 'half_asleep', 'asleep')
)
select
    *, 100.0 * active_count / buyer_count as active_pct,
    100.0 * asleep_count / buyer_count as asleep_pct
from states
where buyer_count > 0
""",
    "Of {buyer_count:,} {buyer_count:|customer|customers} who have ever bought, "
    "{active_pct:percent} are active and {asleep_count:,} ({asleep_pct:percent}) "
    "{asleep_count:|is|are} asleep.",
)


def _satisfaction(rows: list[Row]) -> str:
    now, *others = rows
    told = fill(
        "Of 100 answers in {year:.0f} so far, {score:.0f} were satisfied"
        if now["is_complete"] is False
        else "Of 100 answers in {year:.0f}, {score:.0f} were satisfied",
        now,
    )
    told += fill(
        " (95% interval {interval_low:.0f} to {interval_high:.0f}, {n:,} answers of "
        "the survey {of_survey})"
        if now["of_survey"]
        else " (95% interval {interval_low:.0f} to {interval_high:.0f}, {n:,} answers)",
        now,
    )
    for before in others:
        told += fill(
            ", {score:.0f} in {year:.0f}"
            if differ(now, before)
            else ", {score:.0f} in {year:.0f}; the difference may be chance",
            before,
        )
    return told + translated(".")


def differ(now: Row, before: Row) -> bool:
    """Whether the 95% interval of the difference of two scores is without 0.

    Newcombe's square-and-add, from the interval of each (Statistics in Medicine 17,
    1998, 873-890, method 10). That both intervals overlap would tell too little.
    """
    upper, lower = (now, before) if now["score"] >= before["score"] else (before, now)
    margin = math.hypot(
        upper["score"] - upper["interval_low"], lower["interval_high"] - lower["score"]
    )
    return bool(upper["score"] - lower["score"] > margin)


_SATISFACTION = Sentence(
    f"""
{scores_of("csat_top_two_pct")}
select
    replace(of_survey, '_', ' ') as of_survey, is_complete, year, n, score,
    interval_low, interval_high
from scores
where is_asked and breakdown = 'total' and period_grain = 'year'
    and survey_number = 1 and interval_low is not null
order by year desc
limit 2
""",
    _satisfaction,
)


def _answered(rows: list[Row]) -> str:
    from kith.models.judgements import share  # with all that fits models, half a second

    (row,) = rows
    found = share(row["in_time_count"], row["due_count"])
    limits = {"low": 100 * (found.lower or 0), "high": 100 * (found.upper or 0)}
    return fill(
        "{in_time_pct:percent} of the {due_count:,} {noun:term} of the last 365 days "
        "that were due were answered in time (95% interval {low:.0f} to {high:.0f}%); "
        "of all {noun:term}, {open_count:,} are not resolved."
        if row["open_count"] is not None
        else "{in_time_pct:percent} of the {due_count:,} {noun:term} of the last 365 "
        "days that were due were answered in time (95% interval {low:.0f} to "
        "{high:.0f}%).",
        row | limits,
    )


_ANSWERED = Sentence(
    f"""
{CASES},
recent as (
    select
        max(noun) as noun,
        count(*) filter (where is_answered_in_time) as in_time_count,
        count(is_answered_in_time) as due_count
    from cases
    where opened_date > as_of_date - interval '365' day
),
-- Where no solutions are told, nobody knows what is open.
tellers as (
    select distinct source from satisfaction.complaints where state = 'resolved'
),
counted as (
    select
        case
            when count(tellers.source) > 0
                then count(
                    case when state <> 'resolved' then tellers.source end
                )
        end as open_count
    from cases left join tellers on cases.source = tellers.source
)
select
    lower(noun) as noun, in_time_count, due_count,
    100.0 * in_time_count / due_count as in_time_pct,
    open_count
from recent cross join counted
where due_count > 0
""",
    _answered,
)


def _leaving(rows: list[Row]) -> str:
    row = rows[0]
    is_judged = row["sign"] is not None
    return sentences(
        row | ({"words": sign_of(row).lower()} if is_judged else {}),
        "{warned_count:,} {warned_count:|customer shows|customers show} a sign that "
        "they may leave.",
        "The sign that was right most often is ‘{words}’: of {judged_count:,} "
        "{judged_count:|warning|warnings} {precision_pct:.0f}% came true (95% interval "
        "{low:.0f} to {high:.0f}%), where {base_pct:.0f}% of all left."
        if is_judged
        else "",
    )


_LEAVING = Sentence(
    """
with open as (
    select count(distinct customer_id) as warned_count
    from satisfaction.churn_warnings
    where is_open
),
records as (
    select
        sign, warned_count as judged_count, 100 * precision_rate as precision_pct,
        100 * (1 - error_rate_high) as low, 100 * (1 - error_rate_low) as high,
        100 * base_rate as base_pct
    from satisfaction.churn_warning_records
    where period = 'all' and sign <> 'any' and precision_rate > base_rate
        and error_rate_low is not null
    order by precision_rate desc, sign
    limit 1
)
select * from open left join records on true
where warned_count > 0
""",
    _leaving,
)


def _campaigns(rows: list[Row]) -> str:
    row = rows[0]
    return fill(
        "{effective_count:,} of {judged_count:,} {judged_count:|campaign|campaigns} "
        "with a group held out brought purchases by themselves; the best, {campaign}, "
        "{uplift:.1f} more per 100 customers (95% interval {low:.1f} to {high:.1f}, "
        "{reached_count:,} reached)."
        if row["effective_count"]
        else "{effective_count:,} of {judged_count:,} "
        "{judged_count:|campaign|campaigns} with a group held out brought purchases by "
        "themselves.",
        row,
    )


_CAMPAIGNS = Sentence(
    """
with judged as (
    select
        *, count(*) over () as judged_count,
        count(case when verdict = 'effective' then 1 end) over () as effective_count
    from customer.campaign_results
    where period_grain = 'all' and campaign_key <> 'unattributed'
        and purchase_uplift is not null
)
select
    coalesce(name, campaign_key) as campaign, reached_count,
    100 * purchase_uplift as uplift, 100 * purchase_uplift_low as low,
    100 * purchase_uplift_high as high, judged_count, effective_count
from judged
order by case verdict when 'effective' then 0 else 1 end, purchase_uplift desc,
    campaign_key
limit 1
""",
    _campaigns,
)
_NEXT = Sentence(
    """
with planned as (
    select count(*) filter (where is_listed) as listed_count
    from customer.contact_plans
),
needs as (
    select count(distinct customer_id) as need_count
    from customer.customer_needs
    where state = 'open' and due_on > as_of_date
        and due_on <= cast(as_of_date + interval '30' day as date)
),
sleepers as (
    select count(*) as worth_count
    from segment.wake_up_candidates
    where is_worth_waking and not is_held_out
)
select * from planned cross join needs cross join sleepers
where listed_count + need_count + worth_count > 0
""",
    "To do: {listed_count:,} {listed_count:|customer is|customers are} to be contacted "
    "on the next day, {need_count:,} {need_count:|needs|need} something within 30 "
    "days, and {worth_count:,} who {worth_count:|sleeps is|sleep are} worth waking.",
)
SECTION = Section(
    sentences=[
        _SALES,
        _YEAR,
        _ACTIVITY,
        _SATISFACTION,
        _ANSWERED,
        _LEAVING,
        _CAMPAIGNS,
        _NEXT,
    ]
)
