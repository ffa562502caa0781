"""Entries on who is one customer: `customer_identifiers`, `customer_merges`."""

from functools import partial

from kith.report import marks
from kith.report.entries import Entry, Row, Section, listed
from kith.report.formats import fill
from kith.report.language import term, translated

_STANDINGS = {
    "customer": ("Customers", marks.ACCENT),
    "prospect": ("Prospects", marks.FAIR),
    "visitor": ("Visitors", marks.GREY),
    "deleted": ("Deleted", marks.BAD),
}


def _people_text(row: Row) -> str:
    if not row["person_count"]:
        return "0"
    return fill(
        "{person_count:,} with {identifier_count:,} identifier"
        if row["identifier_count"] == 1
        else "{person_count:,} with {identifier_count:,} identifiers",
        row,
    )


_PEOPLE = Entry(
    "people",
    "Who is known",
    f"""
with states as (
    {listed(_STANDINGS)}
),
counted as (
    select
        standing, count(distinct person_id) as person_count,
        count(*) as identifier_count
    from customer.customer_identifiers
    group by standing
),
seen as (
    select count(*) as seen_count from customer.customer_identifiers
)
select
    state, seen_count,
    coalesce(person_count, 0) as person_count,
    coalesce(identifier_count, 0) as identifier_count
from states left join counted on state = standing cross join seen
where seen_count > 0
order by position
""",
    columns={
        "Standing": lambda row: translated(_STANDINGS[row["state"]][0]),
        "Persons": "{person_count:,}",
        "Identifiers": "{identifier_count:,}",
    },
    note="{seen_count:,} identifiers were seen. Those that belong together are one "
    "person, and only customers count in the other figures of this page.",
    absent="No identifier has been seen yet.",
    marks=partial(marks.bars, states=_STANDINGS),
    series={"person_count": ("Persons", marks.ACCENT)},
    text=_people_text,
)
_PER_CUSTOMER = Entry(
    "identifiers-per-customer",
    "Identifiers per customer",
    """
with known as (
    select customer_id, count(*) as identifier_count
    from customer.customer_identifiers
    where customer_id is not null
    group by customer_id
),
totals as (
    select
        count(*) as all_count, avg(identifier_count) as mean_count,
        max(identifier_count) as highest_count
    from known
),
ranges as (
    select * from (values
        (1, 1, '1'), (2, 2, '2'), (3, 3, '3'), (4, 4, '4'), (5, 5, '5'),
        (6, 10, '6 to 10'), (11, 20, '11 to 20'), (21, null, 'More than 20')
    ) as listed (least_count, most_count, range)
)
select
    range, least_count, all_count, mean_count, highest_count,
    count(customer_id) as customer_count,
    100.0 * count(customer_id) / all_count as share_pct
from ranges cross join totals left join known
    on identifier_count >= least_count
    and identifier_count <= coalesce(most_count, identifier_count)
where least_count <= highest_count and highest_count > 1
group by range, least_count, all_count, mean_count, highest_count
order by least_count
""",
    columns={
        "Identifiers": "{range:term}",
        "Customers": "{customer_count:,}",
        "Share": "{share_pct:percent}",
    },
    note="{mean_count:.1f} for each of the {all_count:,} customers on average, "
    "{highest_count:,} at most.",
    marks=marks.bars,
    series={"customer_count": ("Customers", marks.ACCENT)},
    text="{customer_count:,} · {share_pct:percent}",
)
_RULES = {
    "blocked_value": ("Blocked value", marks.BAD),
    "too_many_partners": ("Too many partners", marks.BAD),
    "shared_by_several": ("Shared by several", marks.BAD),
}


def _refused_text(row: Row) -> str:
    return fill(
        "{link_count:,} links · {identifier_count:,} identifier"
        if row["identifier_count"] == 1
        else "{link_count:,} links · {identifier_count:,} identifiers",
        row,
    )


def _rule(row: Row) -> str:
    words = translated(_RULES[row["state"]][0])
    return words + translated(": ") + term(row["kind"]) if row["kind"] else words


_REFUSED = Entry(
    "refused",
    "Identifiers that a rule refuses",
    f"""
with rules as (
    {listed(_RULES)}
),
counted as (
    select
        refused_by, identifier_type as kind, count(*) as identifier_count,
        cast(sum(refused_link_count) as bigint) as link_count
    from customer.customer_identifiers
    where refused_by is not null
    group by refused_by, identifier_type
),
seen as (
    select sum(link_count) as seen_count from customer.customer_identifiers
)
select
    state, kind, coalesce(identifier_count, 0) as identifier_count,
    coalesce(link_count, 0) as link_count,
    cast(sum(coalesce(identifier_count, 0)) over () as bigint) as all_count
from rules left join counted on state = refused_by cross join seen
where seen_count > 0 or identifier_count > 0
order by position, link_count desc, kind
""",
    columns={
        "Rule and kind": _rule,
        "Identifiers": "{identifier_count:,}",
        "Links that do not count": "{link_count:,}",
    },
    note="By rule and kind, the links that do not count. {all_count:,} identifiers "
    "stand for nobody; what they leave is unidentified.",
    marks=marks.bars,
    series={"link_count": ("Links that do not count", marks.DOUBTFUL)},
    text=_refused_text,
    drawn=10,
)
_MERGES = Entry(
    "merges",
    "Merges by month",
    """
with dated as (
    select
        *,
        cast(
            date_trunc('month', merged_at at time zone 'UTC' at time zone $time_zone)
            as date
        ) as month
    from customer.customer_merges
)
select
    month, last_day(month) <= max(as_of_date) as is_complete,
    count(*) as merge_count, count(distinct person_id) as person_count
from dated
group by month
order by month
""",
    columns={
        "Month": "{month:%b %Y}",
        "Merges": "{merge_count:,}",
        "Persons": "{person_count:,}",
    },
    note="Times at which a link showed that two persons are one, by the month in which "
    "it was first seen.",
    marks=marks.month_bars,
    series={"merge_count": ("Merges", marks.ACCENT)},
)
SECTION = Section(
    charts=[[_PEOPLE, _PER_CUSTOMER], [_REFUSED, _MERGES]],
    definitions={
        "Standing": "Prospect: known only as a lead, from messages sent or from links. "
        "Visitor: known by nothing but a browser or a nickname, say, and only browsed, "
        "passed by or posted. Deleted: every record is deleted at its source. What "
        "they leave is unidentified.",
        "Refused identifier": "Blocked value: typed where a form insists, or blocked "
        "by the company. Too many partners: seen with more identifiers of one kind "
        "than the company allows. Shared by several: used by people who differ. A link "
        "between two refused identifiers counts at both.",
    },
)
