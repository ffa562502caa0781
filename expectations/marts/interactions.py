"""No trace is lost, none is made up."""

import great_expectations.expectations as gxe

from kith.gate.rows import CRITICAL, WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "Each kind of trace is as frequent as in its feed, up to the as-of date",
        CRITICAL,
        """
        with found as (
            select interaction_kind, count(*) as traces
            from {batch}
            group by interaction_kind
        ),

        delivered as (
            select 'order' as interaction_kind, ordered_at as traced_at
            from feeds.orders
            union all select 'event', occurred_at from feeds.events
            union all select 'post', posted_at from feeds.posts
            union all select 'presence', occurred_at from intermediate.int_stays
            union all select 'ticket', opened_at from feeds.tickets
            union all select 'survey_response', answered_at
            from intermediate.int_responses
            union all select 'contact', sent_at from feeds.contacts
            union all select 'lead', created_at from feeds.leads
            union all select 'quote', quoted_at from feeds.quotes
        ),

        counted as (
            select interaction_kind, count(*) as rows_of_feed
            from delivered
            where traced_at < (select as_of_at from kith.run)
            group by interaction_kind
        )

        select interaction_kind as kind, traces, rows_of_feed
        from found full outer join counted using (interaction_kind)
        where traces is distinct from rows_of_feed
        """,
    ),
    no_rows(
        "Stays hold every reading of a sensor, questionnaires every answer",
        CRITICAL,
        """
        select readings, readings_of_stays, answers, answers_of_questionnaires
        from (select count(*) as readings from feeds.presences)
        cross join (
            select coalesce(sum(reading_count), 0) as readings_of_stays
            from intermediate.int_stays
        )
        cross join (select count(*) as answers from feeds.survey_answers)
        cross join (
            select coalesce(sum(answer_count), 0) as answers_of_questionnaires
            from intermediate.int_responses
        )
        where readings <> readings_of_stays or answers <> answers_of_questionnaires
        """,
    ),
    no_rows(
        "Amounts add up to the revenue of customer_values",
        CRITICAL,
        """
        select amount, revenue
        from (select coalesce(sum(amount), 0) as amount from {batch})
        cross join (
            select coalesce(sum(revenue_amount), 0) as revenue
            from customer.customer_values
        )
        where amount <> revenue
        """,
    ),
    gxe.ExpectColumnPairValuesAToBeGreaterThanB(
        description="No trace lies after the as-of date",
        severity=CRITICAL,
        column_A="as_of_date",
        column_B="occurred_date",
        or_equal=True,
        ignore_row_if="either_value_is_missing",
    ),
    gxe.ExpectColumnValuesToNotBeNull(
        description="At least half of the traces belong to somebody known",
        severity=WARNING,
        column="customer_id",
        mostly=0.5,
    ),
    no_rows(
        "The newest trace is at most seven days older than the as-of date",
        WARNING,
        """
        select max(occurred_date) as newest_day, max(as_of_date) as as_of
        from {batch}
        having max(occurred_date) < max(as_of_date) - interval 7 day
        """,
    ),
]
