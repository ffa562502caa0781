"""Entries on the marts of `operations`: what to trust."""

from kith.report.entries import Entry, Row, Section
from kith.report.formats import enumerated, fill, sentences


def _not_provided(rows: list[Row]) -> str:
    feeds = [row["source_table"] for row in rows if not row["is_listed"]]
    told = {"feeds": enumerated(feeds)}
    return fill("Feeds that no source provides: {feeds}.", told) if feeds else ""


_DELIVERIES = Entry(
    "deliveries",
    "Deliveries",
    """
with counted as (
    select
        source_name, table_name,
        sum(row_count) as row_count, sum(quarantined_count) as quarantined_count,
        sum(duplicate_count) as duplicate_count,
        sum(out_of_window_count + outside_count) as left_out_count,
        count(*) filter (where status = 'missing') as missing_day_count,
        count(*) filter (where status = 'empty') as empty_day_count,
        max(case when status = 'arrived' then day end) as last_day,
        bool_and(status <> 'feed_not_provided') as is_listed
    from operations.source_deliveries
    group by source_name, table_name
)
select
    *,
    case when is_listed then source_name || '.' else '' end || table_name
        as source_table
from counted
order by source_name, table_name
""",
    columns={
        "Source table": "{source_table}",
        "Rows": "{row_count:,}",
        "Quarantined": "{quarantined_count:,}",
        "Duplicates": "{duplicate_count:,}",
        "Left out": "{left_out_count:,}",
        "Missing days": "{missing_day_count:,}",
        "Empty days": "{empty_day_count:,}",
        "Last day": "{last_day:%-d %b %Y}",
    },
    note="What the sources delivered up to {as_of:%-d %b %Y}. Left out: rows that came "
    "too late, or lie outside of the company's first and last day.",
    absent="No source has delivered yet.",
    caption="Deliveries by source table",
    footnote=_not_provided,
    alarms=("Quarantined", "Left out", "Missing days"),
)


def passed_count(checks: list[Row]) -> int:
    """How many of the checks passed."""
    return sum(check["outcome"] == "passed" for check in checks)


def _warnings_note(rows: list[Row]) -> str:
    return fill(
        "Checks that failed without stopping the publication."
        if any(row["is_listed"] for row in rows)
        else "None: {passed_count:,} checks passed.",
        {"passed_count": passed_count(rows)},
    )


# The sample names persons: left out. The head of the page shows these rows as well.
CHECKS = Entry(
    "warnings",
    "Gate warnings",
    """
select
    table_name, column_name, expectation, observed, outcome,
    outcome = 'failed' as is_listed
from operations.gate_results
where run_id = $run_id
order by table_name, expectation, column_name
""",
    columns={
        "Table": "{table_name}",
        "Column": "{column_name}",
        "Expected": "{expectation}",
        "Found": "{observed:.160}",
    },
    note=_warnings_note,
    absent="The gate has executed no check.",
    style="words",
)


def _source_warnings_note(rows: list[Row]) -> str:
    facts = rows[0] | {"shown_count": len(rows)}
    if not facts["warning_count"]:
        return fill("None: no delivery gave cause for one.", facts)
    return fill(
        "The newest {shown_count} of {warning_count:,} from deliveries up to "
        "{as_of:%-d %b %Y}."
        if facts["warning_count"] > facts["shown_count"]
        else "{warning_count} from deliveries up to {as_of:%-d %b %Y}.",
        facts,
    )


_SOURCE_WARNINGS = Entry(
    "source-warnings",
    "Warnings on deliveries",
    """
with counted as (
    select count(*) as warning_count from operations.source_warnings
),
newest as (
    select * from operations.source_warnings
    order by to_day desc, source_name, table_name, from_day, warning
    limit 20
)
select
    source_name || '.' || table_name as source_table, from_day, to_day, warning,
    warning_count, warning_count > 0 as is_listed
from counted left join newest on warning_count > 0
order by to_day desc, source_name, table_name, from_day, warning
""",
    columns={
        "Source table": "{source_table}",
        "From": "{from_day:%-d %b %Y}",
        "To": "{to_day:%-d %b %Y}",
        "Warning": "{warning:.600}",
    },
    note=_source_warnings_note,
    caption="Warnings on deliveries, the newest first",
    style="words",
)


def _restatements_note(rows: list[Row]) -> str:
    facts = rows[0] | {"shown_count": len(rows)}
    return sentences(
        facts,
        "The biggest {shown_count} of {restated_count:,} numbers of periods that were "
        "over are not those of the release before."
        if facts["restated_count"] > facts["shown_count"]
        else "{restated_count} numbers of periods that were over are not those of the "
        "release before.",
        "All stand in operations.restatements.",
    )


_RESTATEMENTS = Entry(
    "restatements",
    "Numbers that changed since they were published",
    """
with restated as (
    select
        *,
        count(*) over () as restated_count,
        row_number() over (
            order by
                change_pct desc, mart, period_start, period_grain, dimensions, measure
        ) as place
    from operations.restatements
    where run_id = $run_id
)
select
    *,
    coalesce(cast(round(old_value, 2) as varchar), 'none') as old_text,
    coalesce(cast(round(new_value, 2) as varchar), 'none') as new_text
from restated
where place <= 20
order by place
""",
    columns={
        "Mart": "{mart}",
        "From": "{period_start:%-d %b %Y}",
        "To": "{period_end:%-d %b %Y}",
        "Part": "{dimensions:.160}",
        "Number": "{measure}",
        "Before": "{old_text:term}",
        "Now": "{new_text:term}",
        "Reason": "{reason:term}",
    },
    note=_restatements_note,
    caption="Numbers that changed since they were published, the biggest first",
    style="words",
)
SECTION = Section(tables=[_DELIVERIES, _SOURCE_WARNINGS, _RESTATEMENTS, CHECKS])
