"""Entries on whom to contact on the next day: the morning list, in numbers."""

from kith.report import marks
from kith.report.entries import Entry, Row, Section, listed
from kith.report.formats import enumerated, fill
from kith.report.language import term, translated

# What a contact is for, with the words that say so.
CARES = {
    "promise": "a promise to them is not kept yet",
    "contract_end": "their contract ends within a month",
    "birthday": "it is their birthday",
    "need": "something that they need is due",
    "after_sale": "ask how they like what they bought",
    "wake_up": "wake them: they have not bought for long",
}
# What is owed to a customer, not offered.
OWED = ("promise", "contract_end")
_CARES = {care: (words, marks.ACCENT) for care, words in CARES.items()}
_BLOCKS = ["consent", "address", "complaint", "cap", "hold_out"]
_BLOCKED = ", ".join(
    f"count(*) filter (where ', ' || blocked_by || ',' like '%, {block},%') "
    f"as {block}_count"
    for block in _BLOCKS
)
_ON = "cast(as_of_date + interval 1 day as date) as contact_date"


_MORNING = Entry(
    "contacts",
    "The morning list",
    f"""
with cares as (
    {listed(_CARES)}
),
whole as (
    select
        count(*) as customer_count,
        count(*) filter (where may_be_contacted) as may_count,
        count(*) filter (where is_listed) as all_listed_count
    from customer.contact_plans
),
due as (
    select
        care, {_ON}, count(*) as due_count,
        count(*) filter (where is_listed) as listed_count, {_BLOCKED}
    from customer.contact_plans
    where care_due_on <= as_of_date + interval 1 day
    group by care, as_of_date
)
select due.*, whole.*
from due
inner join cares on due.care = cares.state
cross join whole
order by position
""",
    columns={
        "What for": lambda row: translated(CARES[row["care"]]).capitalize(),
        "Due": "{due_count:,}",
        "On the list": "{listed_count:,}",
        "No consent": "{consent_count:,}",
        "No address": "{address_count:,}",
        "Complaint": "{complaint_count:,}",
        "Contacted often enough": "{cap_count:,}",
        "Held out": "{hold_out_count:,}",
    },
    note="Contacts of {contact_date:%-d %b %Y}: {all_listed_count:,} customers, "
    "{may_count:,} of {customer_count:,} may be contacted at all. Who is forbidden by "
    "several rules is counted under each.",
    absent="Nobody has to be contacted on the next day.",
    marks=marks.bars,
    series={"listed_count": ("On the list", marks.ACCENT)},
    text="{listed_count:,} of {due_count:,}",
)

# By whose messages the hour was chosen.
LEVELS = {
    "stated": "their wish",
    "customer": "their own messages",
    "segment": "messages of their tier",
    "all": "messages of all",
}


def _hours_note(rows: list[Row]) -> str:
    told = [
        fill("{by} for {count:,}", {"by": translated(LEVELS[level]), "count": count})
        for level in LEVELS
        if (count := rows[0][f"by_{level}_count"])
    ]
    return fill(
        "{with_channel_count:,} customers permit a channel that reaches them. Their "
        "hours are chosen by {told}.",
        rows[0] | {"told": enumerated(told)},
    )


_HOURS = Entry(
    "contact-hours",
    "At what hour customers are reached best",
    f"""
with planned as (
    select * from customer.contact_plans
    where channel is not null and hour_from is not null
),
whole as (
    select
        count(*) as with_channel_count,
        {
        ", ".join(
            f"count(*) filter (where hour_level = '{level}') as by_{level}_count"
            for level in LEVELS
        )
    }
    from planned
)
select
    hour_from, hour_until, channel, count(*) as customer_count,
    lpad(cast(hour_from as varchar), 2, '0') || ':00–' || hour_until || ':00, '
    || channel as hours,
    whole.*
from planned cross join whole
group by all
order by customer_count desc, hour_from, channel
""",
    columns={
        "Hours": lambda row: enumerated(map(term, row["hours"].split(", ", 1))),
        "Customers": "{customer_count:,}",
    },
    note=_hours_note,
    absent="No channel is permitted, or nothing tells when messages are opened.",
    marks=marks.bars,
    series={"customer_count": ("Customers", marks.ACCENT)},
    text="{customer_count:,}",
    drawn=10,
)
SECTION = Section(
    charts=[[_MORNING, _HOURS]],
    definitions={
        "The morning list": "Customers to whom something is due on the day after the "
        "last one covered, on a channel on which they permit marketing, without an "
        "open or recent complaint, within the cap of messages and not held out for "
        "comparison (customer.contact_plans). Never in the quiet hours of company.yml.",
    },
)
