"""Steps of leads."""

from kith.gate.rows import WARNING, no_rows

EXPECTATIONS = [
    no_rows(
        "No lead takes a step before it exists",
        WARNING,
        """
        select stages.source, stages.lead_stage_id
        from {batch} as stages
        inner join feeds.leads as leads
            on stages.source = leads.source and stages.lead_id = leads.lead_id
        where stages.entered_at < leads.created_at
        """,
    ),
]
