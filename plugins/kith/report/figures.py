"""The figures of one release: aggregates of published marts, never rows of persons."""

from dataclasses import dataclass
from typing import Any

import duckdb

Row = dict[str, Any]

_TOTALS = """
with customer_totals as (
    select count(*) as customer_count from customer.customers
),
value_totals as (
    select
        sum(order_count) as order_count,
        sum(revenue_amount) as revenue_amount,
        sum(revenue_amount) filter (where customer_id = 'unidentified')
            as unidentified_amount,
        count(*) filter (where customer_id <> 'unidentified' and order_count >= 1)
            as buyer_count,
        count(*) filter (where customer_id <> 'unidentified' and order_count >= 2)
            as repeat_buyer_count
    from customer.customer_values
)
select * from customer_totals cross join value_totals
"""

# From the first month with an order on: the months before hold traces of other kinds.
_MONTHS = """
with months as (
    select
        month,
        bool_and(is_complete) as is_complete,
        sum(order_count) as order_count,
        sum(revenue_amount) as revenue_amount,
        count(*) filter (where is_active) as buyer_count,
        count(*) filter (where is_active and lifecycle = 'new') as new_count,
        count(*) filter (where is_active and lifecycle = 'returning')
            as returning_count,
        count(*) filter (where is_active and lifecycle = 'resurrecting')
            as resurrecting_count
    from customer.customer_months
    group by month
)
select *
from months
where month >= (
    select min(month) from months where order_count > 0 or revenue_amount <> 0
)
order by month
"""

_SEGMENTS = """
select
    segment, customer_count, customer_share_pct, revenue_amount, revenue_share_pct,
    average_revenue_amount, revenue_index
from segment.segments
where scheme = ?
order by revenue_amount desc, segment
"""

_COHORTS = """
with newest as (
    select distinct cohort_month
    from segment.cohorts
    order by cohort_month desc
    limit ?
)
select
    cohorts.cohort_month, cohorts.period_number, cohorts.cohort_size,
    cohorts.active_count, cohorts.retention_pct
from segment.cohorts as cohorts
inner join newest on cohorts.cohort_month = newest.cohort_month
where cohorts.period_number < ?
order by cohorts.cohort_month, cohorts.period_number
"""

_CONCENTRATION = """
select top_pct, customer_count, amount, share_pct, gini
from segment.concentrations
where measure = 'revenue' and share_pct is not null
order by top_pct
"""

# By month and by year NPS and CSAT about the whole or, of a company that asks about
# dimensions only, about the one with most answers; by touchpoint all dimensions.
_SCORES = """
with asked as (
    select measure, dimension
    from satisfaction.satisfaction_scores
    where measure in ('nps', 'csat_top_two_pct')
        and breakdown = 'total' and period_grain = 'all' and n > 0
    qualify row_number() over (
        partition by measure order by dimension = 'overall' desc, n desc, dimension
    ) = 1
)
select
    measure, scores.dimension, breakdown, period_grain, touchpoint,
    period_start as month, is_complete, n, score, interval_low, interval_high
from satisfaction.satisfaction_scores as scores inner join asked using (measure)
where (
        breakdown = 'total' and period_grain in ('month', 'year', 'all')
        and scores.dimension = asked.dimension
    )
    or (breakdown = 'touchpoint' and period_grain = 'all')
order by month, n desc, touchpoint, scores.dimension
"""

# Of a company whose cases are no complaints, all cases.
_COMPLAINTS = """
with cases as (
    from satisfaction.complaints
    where is_complaint
        or not exists (select 1 from satisfaction.complaints where is_complaint)
)
select
    date_trunc('month', opened_date)::date as month,
    last_day(any_value(opened_date)) <= any_value(as_of_date) as is_complete,
    any_value(is_complaint) as is_complaint,
    count(*) as case_count,
    count(*) filter (where is_answered_in_time) as in_time_count,
    count(*) filter (where not is_answered_in_time) as late_count,
    count(*) filter (where is_answered_in_time is null) as unknown_count,
    histogram(state) as states
from cases
group by month
order by month
"""

_DELIVERIES = """
select
    source_name || '.' || table_name as table_name,
    sum(row_count) as row_count,
    sum(quarantined_count) as quarantined_count,
    sum(duplicate_count) as duplicate_count,
    count(*) filter (where status = 'missing') as missing_day_count,
    count(*) filter (where status = 'empty') as empty_day_count,
    max(day) filter (where status = 'arrived') as last_day
from operations.source_deliveries
where status <> 'feed_not_provided'
group by source_name, table_name
order by source_name, table_name
"""

_FEEDS_NOT_PROVIDED = """
select distinct table_name
from operations.source_deliveries
where status = 'feed_not_provided'
order by table_name
"""

# The sample names persons: left out.
_CHECKS = """
select
    table_name, expectation, column_name, outcome, observed
from operations.gate_results
where run_id = ?
order by table_name, expectation, column_name
"""


@dataclass(frozen=True)
class Figures:
    """What the page shows, as read from the marts.

    `months` runs from the first order to the as-of month, without a gap; `cohorts`
    holds the newest ones only, of `cohort_count` in all; `complaints` counts them by
    month of opening, months without any left out. Revenue includes that of unidentified
    customers, so that totals agree with the source.
    """

    totals: Row
    months: list[Row]
    states: list[Row]
    rfm_segments: list[Row]
    rfm_window: Row
    cohorts: list[Row]
    cohort_count: int
    concentration: list[Row]
    scores: list[Row]
    complaints: list[Row]
    deliveries: list[Row]
    feeds_not_provided: list[str]
    checks: list[Row]

    @property
    def warnings(self) -> list[Row]:
        """Checks of severity warning that failed."""
        return [check for check in self.checks if check["outcome"] == "failed"]

    @property
    def last_month(self) -> Row | None:
        """The last complete month, if one is."""
        return next((m for m in reversed(self.months) if m["is_complete"]), None)

    def month_before(self, number: int) -> Row | None:
        """The month that lies `number` months before the last complete one."""
        complete = [month for month in self.months if month["is_complete"]]
        return complete[-1 - number] if number < len(complete) else None


def _rows(connection: duckdb.DuckDBPyConnection, query: str, *values: Any) -> list[Row]:
    cursor = connection.execute(query, list(values))
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def read_figures(
    connection: duckdb.DuckDBPyConnection,
    *,
    run_id: str,
    cohorts_shown: int,
) -> Figures:
    """Read all figures of the page from a published database."""
    return Figures(
        totals=_rows(connection, _TOTALS)[0],
        months=_rows(connection, _MONTHS),
        states=_rows(connection, _SEGMENTS, "activity_state"),
        rfm_segments=_rows(connection, _SEGMENTS, "rfm_segment"),
        rfm_window=_rows(
            connection,
            "select max(window_start) as window_start, max(window_end) as window_end "
            "from segment.rfm_scores",
        )[0],
        cohorts=_rows(connection, _COHORTS, cohorts_shown, cohorts_shown),
        cohort_count=_rows(
            connection,
            "select count(distinct cohort_month) as cohort_count from segment.cohorts",
        )[0]["cohort_count"],
        concentration=_rows(connection, _CONCENTRATION),
        scores=_rows(connection, _SCORES),
        complaints=_rows(connection, _COMPLAINTS),
        deliveries=_rows(connection, _DELIVERIES),
        feeds_not_provided=[
            row["table_name"] for row in _rows(connection, _FEEDS_NOT_PROVIDED)
        ],
        checks=_rows(connection, _CHECKS, run_id),
    )
