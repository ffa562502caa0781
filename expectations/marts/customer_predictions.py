"""Predictions for all who are asked about, by published models alone."""

from kith.gate.rows import CRITICAL, no_rows

EXPECTATIONS = [
    no_rows(
        "All buyers who may be scored are asked whether they buy again, nobody else "
        "is; nobody where models are switched off",
        CRITICAL,
        """
        select predictions.customer_id, state
        from segment.activity_states
        full join (
            select * from {batch} where question = 'buys_again'
        ) as predictions
            on activity_states.customer_id = predictions.customer_id
        cross join (
            select max(case when status = 'switched_off' then 1 else 0 end) as is_off
            from segment.model_evaluations
        )
        where (predictions.customer_id is not null)
            <> coalesce(
                is_off = 0
                and first_order_date is not null
                and state <> 'not_permitted',
                false
            )
        """,
    ),
    no_rows(
        "A probability lies from 0 to 1",
        CRITICAL,
        """
        select customer_id, question, probability
        from {batch}
        where probability not between 0 and 1
        """,
    ),
    no_rows(
        "By published models something is foretold of each, by others of nobody and "
        "with the reason",
        CRITICAL,
        """
        select customer_id, question, status, missing_reason
        from {batch} as predictions
        inner join segment.model_evaluations as evaluations
            on predictions.question = evaluations.model
        where metric = 'positives'
            and (
                (status = 'published') <> (probability is not null)
                or (status = 'published') <> (is_foretold is not null)
                or (status = 'published') <> (missing_reason is null)
            )
        """,
    ),
]
