"""Answers to surveys."""

import great_expectations.expectations as gxe

from kith.gate.rows import CRITICAL, WARNING, cure, no_rows

EXPECTATIONS = [
    no_rows(
        "Every score lies on its scale, a whole number on those of NPS, CSAT, CES",
        CRITICAL,
        """
        -- What a source declares to be no score came as NULL.
        select source, answer_id, measure, score, scale_min, scale_max
        from {batch}
        where measure is not null
            and score is not null
            and (
                not coalesce(
                    score between scale_min and scale_max and scale_min < scale_max,
                    false
                )
                or (
                    (measure = 'nps' and scale_min = 0 and scale_max = 10)
                    or (measure = 'csat' and scale_min = 1 and scale_max = 5)
                    or (measure = 'ces' and scale_min = 1 and scale_max = 7)
                )
                and score <> floor(score)
            )
        """,
        meta=cure(
            "give the ends of the scale that was asked on, and NULL for a code that is "
            "no score"
        ),
    ),
    no_rows(
        "No answer lies after the as-of date",
        WARNING,
        """
        select source, record_id, event_at
        from intermediate.int_rows_cut
        where feed = 'survey_answers' and exists (select 1 from {batch})
        """,
    ),
    gxe.ExpectColumnValuesToBeInSet(
        description="Each answer is to a measure that the feed knows",
        severity=CRITICAL,
        column="measure",
        value_set=["nps", "csat", "ces", "perception", "expectation", "importance"],
        meta=cure("translate the source's measures into these, or leave others NULL"),
    ),
    gxe.ExpectColumnValuesToBeInSet(
        description="Factors are product, price, channel or competitor",
        severity=WARNING,
        column="factor",
        value_set=["product", "price", "channel", "competitor"],
    ),
]
