"""Entries on what is offered to whom and why, and on how good the offers are."""

from functools import partial

from kith.report import marks
from kith.report.entries import Entry, Row, Section, listed
from kith.report.formats import fill, sentences
from kith.report.language import translated

_GROUNDS = {
    "due_again": ("They buy it again and again: it is due", marks.ACCENT),
    "bought_before": ("They bought it before", marks.ACCENT),
    "bought_with": ("It is bought with what they bought", marks.ACCENT),
    "child": ("It is bought for children of that age", marks.ACCENT),
    "popular": ("It is bought by many", marks.GREY),
}


def _offers_note(rows: list[Row]) -> str:
    facts = rows[0] | {"offers": sum(row["offer_count"] for row in rows)}
    return sentences(
        facts,
        "{offers:,} offers to {customer_count:,} customers, {coupon_count:,} of them "
        "coupons, for who buys at a discount more often than others do.",
        "Beside each bar: how many are the first of a customer’s offers."
        if facts["is_better"]
        else "Everybody is offered what most customers buy: {fallback_reason:term}.",
        "An example: {example} ({example_reason})." if facts["example"] else "",
    )


_OFFERED = Entry(
    "offers",
    "What to offer, and why",
    f"""
with listed as (
    {listed(_GROUNDS)}
),
counted as (
    select
        ground, count(*) as offer_count, count(distinct customer_id) as asked_count,
        count(*) filter (where rank = 1) as first_count,
        count(*) filter (where offer_type = 'coupon') as ground_coupon_count
    from customer.recommendations
    group by ground
),
whole as (
    select
        count(distinct customer_id) as customer_count,
        count(*) filter (where offer_type = 'coupon') as coupon_count,
        bool_and(is_better_than_popularity) as is_better,
        max(fallback_reason) as fallback_reason
    from customer.recommendations
),
example as (
    select product_name as example, reason as example_reason
    from customer.recommendations
    where ground = 'bought_with'
    order by rank, expected_share desc, product_key, reason
    limit 1
)
select counted.*, whole.*, example.*
from counted
inner join listed on counted.ground = listed.state
cross join whole left join example on true
order by position
""",
    columns={
        "Why": lambda row: translated(_GROUNDS[row["ground"]][0]),
        "Customers": "{asked_count:,}",
        "Offers": "{offer_count:,}",
        "The first of their offers": "{first_count:,}",
        "Coupons": "{ground_coupon_count:,}",
    },
    note=_offers_note,
    absent="Nothing is offered to anybody: the models are switched off, nobody has "
    "bought a product, or all have refused.",
    marks=marks.bars,
    series={"offer_count": ("Offers", marks.ACCENT)},
    text="{offer_count:,} · {first_count:,} first",
)

_SIDES = {
    "offers": ("These offers", marks.ACCENT),
    "popular": ("What most buy", marks.GREY),
}
_HITS = [
    ("hit_rate_at_5", "offers", "Buy one of the first 5 offers"),
    ("popularity_hit_rate_at_5", "popular", "Buy one of the 5 that most buy"),
    ("hit_rate_at_10", "offers", "Buy one of the 10 offers"),
    ("popularity_hit_rate_at_10", "popular", "Buy one of the 10 that most buy"),
    ("hit_rate_gained_at_10", "", "With 10: more than with what most buy"),
    ("coverage", "", "Products offered to anybody"),
]


def _worth_note(rows: list[Row]) -> str:
    facts = rows[0]
    if facts["status"] == "switched_off":
        return fill("Switched off: {reason:term}.", facts)
    return sentences(
        facts,
        "Of 100 customers who had bought before {window_start:%-d %b %Y}, and who "
        "bought from then until {window_end:%-d %b %Y}, so many bought something of "
        "what would have been offered to them before. Judged on {customer_count:,} "
        "customers. Lines: 95% intervals."
        if facts["customer_count"]
        else "",
        "Better than what most customers buy: published."
        if facts["status"] == "published"
        else "Not published: {reason:term}.",
    ).replace("..", ".")


_WORTH = Entry(
    "offers-worth",
    "How good the offers are",
    f"""
with told as (
    select * from segment.model_evaluations where model = 'recommendations'
),
facts as (
    select
        max(status) as status, max(reason) as reason,
        max(n) as customer_count, max(window_start) as window_start,
        max(window_end) as window_end
    from told
),
listed as (
    select *
    from (values {
        ", ".join(f"({at}, '{m}', '{s}', '{w}')" for at, (m, s, w) in enumerate(_HITS))
    }) as listed (position, metric, state, statement)
)
select
    statement, state, 100 * told.value as score, 100 * told.lower_bound as interval_low,
    100 * told.upper_bound as interval_high, told.value is not null as is_listed,
    facts.*
from listed
left join told on listed.metric = told.metric
cross join facts
where facts.status is not null
order by position
""",
    columns={
        "Customers": "{statement:term}",
        "Of 100": "{score:.0f}",
        "from": "{interval_low:.0f}",
        "to": "{interval_high:.0f}",
    },
    note=_worth_note,
    absent="Offers were never judged.",
    marks=lambda chart, rows, series: (
        partial(marks.interval_bars, states=_SIDES)(chart, rows, series)
        if any(row["score"] is not None for row in rows)
        else None
    ),
    series=_SIDES,
    text="{score:.0f}",
    drawn=4,
)
SECTION = Section(
    charts=[[_OFFERED, _WORTH]],
    definitions={
        "Offers": "Up to ten products for each customer who has not refused them, of "
        "what is sold and in stock, after what they and others like them bought, and "
        "the ages of their children. What most buy: the products with the most buyers "
        "within 90 days, the same for everybody.",
    },
)
