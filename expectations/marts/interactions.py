"""No trace is lost, none is made up."""

import great_expectations.expectations as gxe
from great_expectations.expectations.metadata_types import FailureSeverity

EXPECTATIONS = [
    gxe.UnexpectedRowsExpectation(
        description=(
            "Each kind of trace is as frequent as in its feed, up to the as-of date"
        ),
        severity=FailureSeverity.CRITICAL,
        unexpected_rows_query="""
            with found as (
                select interaction_kind, count(*) as traces from {batch} group by all
            ),

            delivered as (
                select 'order' as interaction_kind, ordered_at as traced_at
                from feeds.orders
                union all select 'event', occurred_at from feeds.events
                union all select 'post', posted_at from feeds.posts
                union all select 'presence', occurred_at from feeds.presences
                union all select 'ticket', opened_at from feeds.tickets
                union all select 'survey_answer', answered_at from feeds.survey_answers
                union all select 'contact', sent_at from feeds.contacts
                union all select 'lead', created_at from feeds.leads
                union all select 'quote', quoted_at from feeds.quotes
            ),

            counted as (
                select interaction_kind, count(*) as rows_of_feed
                from delivered
                where traced_at < (select as_of_at from kith.run)
                group by all
            )

            select interaction_kind as kind, traces, rows_of_feed
            from found full outer join counted using (interaction_kind)
            where traces is distinct from rows_of_feed
        """,
    ),
    gxe.UnexpectedRowsExpectation(
        description="Amounts add up to the revenue of customer_values",
        severity=FailureSeverity.CRITICAL,
        unexpected_rows_query="""
            select amount, revenue
            from (select coalesce(sum(amount), 0) as amount from {batch})
            cross join (
                select coalesce(sum(revenue_amount), 0) as revenue
                from customer.customer_values
            )
            where amount <> revenue
        """,
    ),
    gxe.UnexpectedRowsExpectation(
        description="No trace lies after the as-of date",
        severity=FailureSeverity.CRITICAL,
        unexpected_rows_query="""
            select interaction_id from {batch} where occurred_date > as_of_date
        """,
    ),
    gxe.UnexpectedRowsExpectation(
        description="At least half of the traces belong to somebody known",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select count(*) as traces, count(customer_id) as identified
            from {batch}
            having 2 * count(customer_id) < count(*)
        """,
    ),
    gxe.UnexpectedRowsExpectation(
        description="The newest trace is at most seven days older than the as-of date",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select max(occurred_date) as newest_day, max(as_of_date) as as_of
            from {batch}
            having max(occurred_date) < max(as_of_date) - 7
        """,
    ),
]
