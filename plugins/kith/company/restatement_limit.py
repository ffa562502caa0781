"""How far a published number may change before a person has to approve it."""

from pydantic import Field

from kith.company.tables import Strict


class RestatementLimit(Strict):
    """Beyond what change of a closed period's numbers a person has to approve it."""

    change_pct: float = Field(
        default=1,
        ge=0,
        description="Change of a count or an amount, in per cent of the largest number "
        "of that measure in its period: of a breakdown that of its largest part, so "
        "that a small part does not stop a publication.",
    )
    minimum_count: int = Field(
        default=10,
        ge=0,
        description="Change of a count up to which nobody is asked, whatever its per "
        "cent: one order of 50 is 2 %.",
    )
    minimum_amount: float = Field(
        default=100,
        ge=0,
        description="The same of an amount, in the company's currency.",
    )
    score_change_pct: float = Field(
        default=10,
        ge=0,
        description="Change of a score, a mean or a rate, in per cent of the largest "
        "of its measure in its period: a late answer moves a score of thirty by "
        "several per cent. Of a score of fewer than `minimum_answers` nobody is asked.",
    )
    wait_hours: float = Field(
        default=20,
        gt=0,
        le=168,
        description="Hours that a run waits for the approval on Airflow's page; then "
        "it fails, and readers keep the release before. Further runs of the company "
        "wait behind it.",
    )
