"""Entries on what customers need: open needs, what falls due, searches in vain."""

from kith.report import marks
from kith.report.entries import Entry, Row, Section
from kith.report.formats import MISSING, fill
from kith.report.language import translated

_KINDS = {
    "replenishment": "Buy again and again",
    "life_stage": "Age of a dependant",
    "searched": "Searched",
    "chosen": "On a list or in a basket",
    "quoted": "Asked for the price",
    "complaint": "Complained",
}
_MONTHS_AHEAD = 12

_NEEDS = Entry(
    "needs",
    "What customers need",
    """
select
    need_kind,
    count(distinct case when state = 'open' then customer_id end) as customer_count,
    sum(case when state = 'open' then 1 else 0 end) as open_count,
    sum(case when state = 'open' and not is_in_range then 1 else 0 end)
        as lacking_count,
    sum(case when state = 'met' then 1 else 0 end) as met_count,
    sum(case when state = 'lapsed' then 1 else 0 end) as lapsed_count
from customer.customer_needs
group by need_kind
order by customer_count desc, need_kind
""",
    columns={
        "Known by": lambda row: translated(_KINDS[row["need_kind"]]),
        "Customers": "{customer_count:,}",
        "Open": "{open_count:,}",
        "Not in the range": "{lacking_count:,}",
        "Met": "{met_count:,}",
        "Lapsed": "{lapsed_count:,}",
    },
    note="Customers with an open need, by what tells it; who has several counts at "
    "each. What they buy again and again has no end that would count as met.",
    absent="Nothing tells what customers need.",
    marks=marks.bars,
    series={"customer_count": ("Customers", marks.ACCENT)},
    text="{customer_count:,} · {open_count:,} needs",
)
_DUE = Entry(
    "needs-due",
    "Needs that fall due",
    f"""
select
    cast(date_trunc('month', due_on) as date) as month,
    sum(case when need_kind = 'life_stage' then 1 else 0 end) as stage_count,
    sum(case when need_kind = 'replenishment' then 1 else 0 end) as again_count,
    count(distinct customer_id) as customer_count,
    true as is_complete
from customer.customer_needs
where state = 'open' and need_kind in ('life_stage', 'replenishment')
    and due_on > as_of_date
    and due_on <= cast(as_of_date + interval '{_MONTHS_AHEAD}' month as date)
group by date_trunc('month', due_on)
order by month
""",
    columns={
        "Month": "{month:%b %Y}",
        "By the age of a dependant": "{stage_count:,}",
        "By their own gaps": "{again_count:,}",
        "Customers": "{customer_count:,}",
    },
    note=f"Open needs by the month in which they fall due, {_MONTHS_AHEAD} months "
    "ahead: a dependant comes into the next stage of life, or the usual gap between "
    "the customer’s own purchases is over.",
    absent=f"No need is known to fall due in the next {_MONTHS_AHEAD} months.",
    marks=marks.month_bars,
    series={
        "stage_count": ("By the age of a dependant", marks.ACCENT),
        "again_count": ("By their own gaps", marks.SOFT),
    },
)


def _most(row: Row) -> str:
    if row["region"] is None:
        return MISSING
    return fill("{region} ({region_count:,})", row)


_UNMET = Entry(
    "unmet-demand",
    "Searched for and not in the range",
    """
with by_region as (
    select need, region, sum(search_count) as region_count
    from customer.unmet_demand
    where need is not null
    group by need, region
),
regions as (
    select
        *,
        row_number() over (
            partition by need order by region_count desc, region
        ) as position
    from by_region
    where region <> 'unknown'
),
demands as (
    select
        need,
        sum(search_count) as search_count,
        count(distinct month) as month_count,
        min(month) as first_month,
        max(month) as last_month
    from customer.unmet_demand
    where need is not null
    group by need
),
whole as (
    select
        sum(search_count) as all_count,
        sum(case when need is null then search_count else 0 end) as other_count
    from customer.unmet_demand
)
select
    demands.*, regions.region, regions.region_count, whole.all_count,
    whole.other_count
from demands
cross join whole
left join regions on demands.need = regions.need and regions.position = 1
order by demands.search_count desc, demands.need
""",
    columns={
        "Searched for": "{need}",
        "Searches": "{search_count:,}",
        "Months": "{month_count:,}",
        "First": "{first_month:%b %Y}",
        "Last": "{last_month:%b %Y}",
        "Most in": _most,
    },
    note="{all_count:,} searches found nothing in the range. Words are shown once five "
    "people have searched for them; {other_count:,} of the searches were for other "
    "words, or before that.",
    absent="No search for what the range does not hold is known of five people.",
    marks=marks.bars,
    series={"search_count": ("Searches", marks.ACCENT)},
    text="{search_count:,}",
    drawn=10,
)
SECTION = Section(
    charts=[[_NEEDS, _UNMET], [_DUE]],
    definitions={
        "Open need": "A need that was not met since it was last shown, and has not "
        "lapsed: {company.need_days} days after that, at the end of a stage of life, "
        "or after a silence of several of their usual gaps.",
    },
)
