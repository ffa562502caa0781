"""Answers to surveys."""

import great_expectations.expectations as gxe
from great_expectations.expectations.metadata_types import FailureSeverity

EXPECTATIONS = [
    gxe.UnexpectedRowsExpectation(
        # What a source declares to be no score came as NULL.
        description=(
            "Every score lies on its scale, a whole number on those of NPS, CSAT, CES"
        ),
        severity=FailureSeverity.CRITICAL,
        unexpected_rows_query="""
            select source, answer_id, measure, score, scale_min, scale_max
            from {batch}
            where measure is not null
                and score is not null
                and (
                    not coalesce(
                        score between scale_min and scale_max
                        and scale_min < scale_max,
                        false
                    )
                    or (measure, scale_min, scale_max) in (
                        ('nps', 0, 10), ('csat', 1, 5), ('ces', 1, 7)
                    )
                    and score <> floor(score)
                )
        """,
    ),
    gxe.UnexpectedRowsExpectation(
        description="No answer lies after the as-of date",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select source, answer_id
            from {batch}
            where answered_at >= (select as_of_at from kith.run)
        """,
    ),
    gxe.UnexpectedRowsExpectation(
        description="Each answer is to a measure that the feed knows",
        severity=FailureSeverity.CRITICAL,
        unexpected_rows_query="""
            select source, answer_id, measure
            from {batch}
            where measure not in (
                'nps', 'csat', 'ces', 'perception', 'expectation', 'importance'
            )
        """,
    ),
    gxe.UnexpectedRowsExpectation(
        description="Factors are product, price, channel or competitor",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select source, answer_id, factor
            from {batch}
            where factor not in ('product', 'price', 'channel', 'competitor')
        """,
    ),
]
