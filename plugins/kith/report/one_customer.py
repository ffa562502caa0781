"""Entries on one customer: all that the marts know of somebody.

They show no personal data: of a hashed identifier its first eight signs, of any other
none, and of attributes only what at least FEWEST customers have in common, all of it
together. Who refuses to be profiled is not shown, and nobody where fewer are known.
"""

from kith.report import marks
from kith.report.entries import FEWEST, Entry, Row, Section
from kith.report.formats import enumerated, fill, sentences
from kith.report.language import term

_MOST_IDENTIFIERS = 20
_FOOTPRINTS = ["search", "trade", "social", "service", "survey", "presence"]
_FOOTPRINT_COUNT = " + ".join(
    f"case when has_{footprint} then 1 else 0 end" for footprint in _FOOTPRINTS
)
_CHOSEN = f"""
with counted as (
    select
        *, {_FOOTPRINT_COUNT} as footprint_count
    from customer.customer_profiles
    where customer_id <> 'unidentified' and coalesce(may_be_profiled, true)
),
chosen as (
    select * from counted
    where (
        select count(*) from customer.customers where customer_id <> 'unidentified'
    ) >= {FEWEST}
    order by footprint_count desc, interaction_count desc, customer_id
    limit 1
)
"""

# Who they are ------------------------------------------------------------------------


def _of_record(label: str, column: str, value: str = "") -> tuple[str, str, str, str]:
    return label, value or column, f"{column}_source", f"{column}_age_days"


# Label, value as text, source and age in days.
_ATTRIBUTES = [
    _of_record("Kind", "customer_kind"),
    _of_record("City", "city"),
    _of_record("Region", "region"),
    _of_record("Country", "country"),
    _of_record(
        "Decade of birth",
        "birth_date",
        "cast(10 * floor(extract(year from birth_date) / 10) as integer) || 's'",
    ),
    _of_record("Industry", "industry"),
    _of_record("Level", "level"),
    _of_record("Organisation they act for", "account_id"),
    _of_record("Came by", "registration_source"),
    (
        "Year of registration",
        "cast(extract(year from registered_at) as varchar)",
        "record_sources",
        "null",
    ),
    ("Consents in force", "consents", "null", "null"),
    (
        "In whose care",
        "case when employee_id is not null "
        "then coalesce(department, 'an employee without department') end",
        "null",
        "null",
    ),
]


def attributes_of(chosen: str) -> str:
    """The query of what is known of the customer whom the CTE `chosen` selects."""
    return f"""
{chosen},
record as (
    select customers.*
    from customer.customers as customers inner join chosen
        on customers.customer_id = chosen.customer_id
),
attributes as (
    {" union all ".join(_attribute(at, *one) for at, one in enumerate(_ATTRIBUTES))}
)
"""


def _attribute(position: int, label: str, value: str, source: str, age: str) -> str:
    return f"""
select
    {position} as position, '{label}' as attribute, {value} as value,
    {source} as source, {age} as age_days,
    (
        select count(*) from customer.customers
        where {value} = (select {value} from record)
    ) as shared_count
from record
"""


def _person_note(rows: list[Row]) -> str:
    return fill(
        "Their id begins with {sign}. An example: of all who do not refuse to be "
        "profiled, the one with the most kinds of footprints ({footprint_count}), "
        "then the most interactions. What is shown of attributes, {fewest} customers "
        "or more have in common, all of it together.",
        rows[0] | {"fewest": FEWEST},
    )


def _not_known(rows: list[Row]) -> str:
    missing = [term(row["attribute"]) for row in rows if not row["is_listed"]]
    told = {"attributes": enumerated(attribute.lower() for attribute in missing)}
    return fill("Not known: {attributes}.", told) if missing else ""


_PLACES = range(len(_ATTRIBUTES))
_RANKS = ", ".join(
    f"max(case when position = {at} then rank end) as rank_{at}" for at in _PLACES
)
_FIRST_UNLIKE = ", ".join(
    f"case when {_ATTRIBUTES[at][1]} = (select {_ATTRIBUTES[at][1]} from record) "
    f"then 99 else coalesce(rank_{at}, 99) end"
    for at in _PLACES
)
_PERSON = Entry(
    "one-customer",
    "One customer: who they are",
    # The most common attributes first, as long as enough customers have all of them.
    f"""
{attributes_of(_CHOSEN)},
ranked as (
    select
        *,
        case
            when value is not null
                then row_number() over (
                    partition by value is null order by shared_count desc, position
                )
        end as rank
    from attributes
),
ranks as (
    select {_RANKS} from ranked
),
likenesses as (
    select least({_FIRST_UNLIKE}) as first_unlike, count(*) as customer_count
    from customer.customers cross join ranks
    group by all
)
select
    attribute, source, age_days, footprint_count, value is not null as is_listed,
    case
        when (
            select sum(customer_count) from likenesses where first_unlike > rank
        ) >= {FEWEST} then value
    end as value,
    substr(customer_id, 1, 8) as sign
from ranked cross join chosen
order by position
""",
    columns={
        "Attribute": "{attribute:term}",
        "Value": lambda row: fill("{value:term}" if row["value"] else "not shown", row),
        "Source": "{source}",
        "Age in days": "{age_days:,}",
    },
    note=_person_note,
    footnote=_not_known,
    absent="There is no customer who may be shown.",
    style="words",
)

# By what they are known --------------------------------------------------------------


def _identifiers_note(rows: list[Row]) -> str:
    return sentences(
        rows[0] | {"shown_count": len(rows)},
        "Of a hash the first eight signs; what is no hash is not shown.",
        "The first {shown_count} of {all_count:,}."
        if rows[0]["all_count"] > len(rows)
        else "",
    )


def _links(row: Row) -> str:
    return fill(
        "{link_count:,}, {refused_link_count:,} refused"
        if row["refused_link_count"]
        else "{link_count:,}",
        row,
    )


_DAY = "cast({}_at at time zone 'UTC' at time zone $time_zone as date) as {}_date"
_IDENTIFIERS = Entry(
    "one-customer-identifiers",
    "One customer: identifiers",
    f"""
{_CHOSEN}
select
    identifiers.identifier_type, sources, link_count, refused_link_count,
    case
        when regexp_matches(identifiers.identifier_value, '^!?[0-9a-f]{{64}}$')
            then substr(identifiers.identifier_value, 1, 8)
    end as value,
    {_DAY.format("first_seen", "first_seen")}, {_DAY.format("last_seen", "last_seen")},
    count(*) over () as all_count
from customer.customer_identifiers as identifiers inner join chosen
    on identifiers.customer_id = chosen.customer_id
order by
    first_seen_at nulls last, identifiers.identifier_type, identifiers.identifier_value
limit {_MOST_IDENTIFIERS}
""",
    columns={
        "Kind": "{identifier_type:term}",
        "Value": lambda row: fill("{value}…" if row["value"] else "not shown", row),
        "First seen": "{first_seen_date:%-d\u00a0%b\u00a0%Y}",
        "Last seen": "{last_seen_date:%-d\u00a0%b\u00a0%Y}",
        "Sources": "{sources}",
        "Links": _links,
    },
    note=_identifiers_note,
    style="words",
)


def _footprints_note(rows: list[Row]) -> str:
    known_by = [term(name) for name in _FOOTPRINTS if rows[0][f"has_{name}"]]
    return sentences(
        rows[0] | {"footprints": enumerated(known_by)},
        "Interactions: {interaction_count:,}, messages sent to them included.",
        "Footprints: {footprints}." if known_by else "",
    )


def interactions_of(chosen: str) -> str:
    """The query of the interactions of the customer whom `chosen` selects, by kind."""
    return f"""
{chosen},
traces as (
    select
        interactions.interaction_kind, count(*) as kind_count,
        min(occurred_date) as first_date, max(occurred_date) as last_date
    from customer.interactions as interactions inner join chosen
        on interactions.customer_id = chosen.customer_id
    group by interactions.interaction_kind
)
select
    interaction_kind, kind_count, first_date, last_date, interaction_count,
    {", ".join(f"has_{footprint}" for footprint in _FOOTPRINTS)}
from traces cross join chosen
order by kind_count desc, interaction_kind
"""


_INTERACTIONS = Entry(
    "one-customer-interactions",
    "One customer: interactions",
    interactions_of(_CHOSEN),
    columns={
        "Interaction": "{interaction_kind:name}",
        "Number": "{kind_count:,}",
        "First": "{first_date:%-d %b %Y}",
        "Last": "{last_date:%-d %b %Y}",
    },
    note=_footprints_note,
    marks=marks.bars,
    series={"kind_count": ("Interactions", marks.ACCENT)},
    text="{kind_count:,}",
)

# What they are worth -----------------------------------------------------------------

_TYPES = {"figure": "double", "day": "date", "words": "varchar"}
_AMOUNT, _COUNT = "{figure:,.2f} {currency}", "{figure:,.0f}"
# Label, column and how it is written.
_MEASURES = [
    ("Purchases", "order_count", _COUNT),
    ("First purchase", "first_order_date", "{day:%-d %b %Y}"),
    ("Last purchase", "last_order_date", "{day:%-d %b %Y}"),
    ("Gross", "gross_amount", _AMOUNT),
    ("Orders with a return", "nullif(return_count, 0)", _COUNT),
    ("Returned", "nullif(returned_amount, 0)", _AMOUNT),
    ("Revenue", "revenue_amount", _AMOUNT),
    ("Share of all revenue", "revenue_share_pct", "{figure:,.3f}%"),
    ("Margin", "margin_amount", _AMOUNT),
    ("Average order", "average_order_amount", _AMOUNT),
    ("Cancelled orders", "nullif(cancelled_count, 0)", _COUNT),
    ("Cancelled", "nullif(cancelled_amount, 0)", _AMOUNT),
    ("Activity state", "state", "{words:name}"),
    ("Days since the last purchase", "days_since_last_order", _COUNT),
    ("Usual days between purchases", "median_gap_days", "{figure:,.1f}"),
    ("RFM scores", "rfm_cell", "{words}"),
    ("RFM segment", "segment", "{words:name}"),
    ("Value type", "value_type", "{words:term}"),
    ("Tier", "tier", "{words:term}"),
    ("Satisfaction", "satisfaction", "{words:name}"),
    ("Advocate", "case when is_advocate then 'yes' end", "{words:term}"),
    ("Unresolved cases", "nullif(unresolved_case_count, 0)", _COUNT),
    ("Promises missed", "nullif(promise_missed_count, 0)", _COUNT),
    ("Warnings that they may leave", "nullif(warning_count, 0)", _COUNT),
    ("The gravest of them", "worst_warning", "{words:name}"),
    ("Chance that they stop buying", "100 * churn_probability", "{figure:,.0f}%"),
    ("Chance that they are not lost", "100 * alive_probability", "{figure:,.0f}%"),
    ("Expected value, 12 months", "value_12_months_amount", _AMOUNT),
    ("Next purchase likely from", "next_purchase_from", "{day:%-d %b %Y}"),
    ("Next purchase likely until", "next_purchase_until", "{day:%-d %b %Y}"),
    ("Contact them next on", "next_contact_on", "{day:%-d %b %Y}"),
    ("Contact them for", "next_contact_care", "{words:name}"),
    ("Contact them by", "next_contact_channel", "{words:name}"),
    ("Contact them from the hour", "next_contact_hour", _COUNT),
    ("Contact is forbidden by", "next_contact_blocked_by", "{words:name}"),
    ("What to offer", "next_offer", "{words}"),
]
_OF_PROFILE = (
    "tier, satisfaction, is_advocate, unresolved_case_count, promise_missed_count, "
    "warning_count, worst_warning, churn_probability, alive_probability, "
    "value_12_months_amount, next_purchase_from, next_purchase_until, "
    "next_contact_on, next_contact_care, next_contact_channel, next_contact_hour, "
    "next_contact_blocked_by, next_offer"
)


def _measure(position: int, label: str, column: str, template: str) -> str:
    typed = ", ".join(
        f"cast({column if f'{{{name}' in template else 'null'} as {kind}) as {name}"
        for name, kind in _TYPES.items()
    )
    return f"""
select
    {position} as position, '{label}' as measure, '{template}' as template,
    {column} is not null as is_listed, {typed}
from worth
"""


def measures_of(chosen: str) -> str:
    """The query of what the customer whom `chosen` selects is worth, and will do."""
    return f"""
{chosen},
worth as (
    select
        customer_values.*, activity_states.first_order_date,
        activity_states.last_order_date, activity_states.state,
        activity_states.days_since_last_order, activity_states.median_gap_days,
        rfm_scores.rfm_cell, rfm_scores.segment, rfm_scores.value_type,
        {_OF_PROFILE}
    from chosen
    inner join customer.customer_values as customer_values
        on chosen.customer_id = customer_values.customer_id
    left join segment.activity_states as activity_states
        on chosen.customer_id = activity_states.customer_id
    left join segment.rfm_scores as rfm_scores
        on chosen.customer_id = rfm_scores.customer_id
    where exists (select 1 from customer.orders)
),
measures as (
    {" union all ".join(_measure(at, *one) for at, one in enumerate(_MEASURES))}
)
select * from measures
order by position
"""


_WORTH = Entry(
    "one-customer-value",
    "One customer: value, satisfaction and what comes next",
    measures_of(_CHOSEN),
    columns={
        "Measure": "{measure:term}",
        "Value": lambda row: fill(row["template"], row),
    },
    note="All history up to {as_of:%-d %b %Y}; RFM of its window.",
)
SECTION = Section(
    charts=[[_PERSON, _IDENTIFIERS], [_INTERACTIONS, _WORTH]],
    definitions={
        "Age of an attribute": "Days since the record that it was taken from was last "
        "changed, where its source says so.",
    },
)
