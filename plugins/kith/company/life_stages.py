"""What the dependants of customers need at which age."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import Field

from kith.company.tables import Strict


class LifeStage(Strict):
    """A time in the life of a dependant, and what it needs then."""

    name: str = Field(min_length=1, description="Its name, such as newborn.")
    from_months: int = Field(
        ge=-24,
        description="Age in months from which it lasts; below 0 before the birth.",
    )
    until_months: int | None = Field(
        default=None,
        description="Age in months at which it is over. Default: where the next one "
        "begins; the last one has no end.",
    )
    category: str = Field(
        min_length=1,
        description="Category of the feed products that holds what it needs.",
    )


def faults_of(stages: Sequence[LifeStage]) -> Iterator[str]:
    """What is wrong with a company's life stages, by the place in the file."""
    for stage, following in itertools.pairwise(stages):
        if following.from_months <= stage.from_months:
            yield (
                f"life_stages: {following.name} begins at {following.from_months} "
                f"months, but stands behind {stage.name}, which begins at "
                f"{stage.from_months}; expected the youngest first"
            )
    for stage, until in zip(stages, _ends(stages), strict=True):
        if until is not None and until <= stage.from_months:
            yield (
                f"life_stages: {stage.name} is over at {until} months; expected more "
                f"than {stage.from_months}, where it begins"
            )


def values_of(stages: Sequence[LifeStage]) -> list[dict[str, Any]]:
    """The stages as the models want them, each with its end."""
    return [
        stage.model_dump() | {"until_months": until}
        for stage, until in zip(stages, _ends(stages), strict=True)
    ]


def _ends(stages: Sequence[LifeStage]) -> list[int | None]:
    return [
        following.from_months
        if following and stage.until_months is None
        else stage.until_months
        for stage, following in itertools.pairwise([*stages, None])
        if stage
    ]
