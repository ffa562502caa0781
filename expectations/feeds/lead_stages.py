"""Steps of leads."""

import great_expectations.expectations as gxe
from great_expectations.expectations.metadata_types import FailureSeverity

EXPECTATIONS = [
    gxe.UnexpectedRowsExpectation(
        description="No lead takes a step before it exists",
        severity=FailureSeverity.WARNING,
        unexpected_rows_query="""
            select stages.source, stages.lead_stage_id
            from (select * from {batch}) as stages
            inner join feeds.leads as leads
                on stages.source = leads.source and stages.lead_id = leads.lead_id
            where stages.entered_at < leads.created_at
        """,
    ),
]
