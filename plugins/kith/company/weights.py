"""What service and value weigh to customers, and which answers tell what they get."""

import difflib
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, get_args

from pydantic import Field

from kith.company.schemes import OTHER, Scheme, own_schemes
from kith.company.tables import Name, Strict

# What customers get, and what they give for it (Kotler).
Part = Literal[
    "product_value",
    "service_value",
    "personnel_value",
    "image_value",
    "monetary_cost",
    "time_cost",
    "energy_cost",
    "psychic_cost",
]
_EVERYBODY = "all"


class Weights(Strict):
    """What the dimensions of service and the parts of value weigh, by segment."""

    segments: dict[str, dict[str, Annotated[float, Field(ge=0)]]] = Field(
        default_factory=dict,
        description="By segment, `all` for everybody, the weight of each dimension of "
        "service and of each part of value. What a segment does not name weighs as for "
        "`all`.",
    )
    scheme: Name = Field(
        default="tier", description="Scheme whose segments have weights of their own."
    )
    version: int = Field(
        default=1, gt=0, description="To be raised when weights change."
    )


class ValuePart(Strict):
    """Which answers to surveys tell a part of what customers get or give."""

    dimensions: list[str] = Field(
        min_length=1,
        description="Dimensions that the questions are about, `overall` for the whole.",
    )
    measure: Literal["perception", "csat", "ces"] = Field(
        default="perception", description="What the questions ask."
    )
    is_reversed: bool = Field(
        default=False,
        description="Whether a high answer means little of it, as where CES, of which "
        "7 is easy, tells a cost.",
    )


def faults_of(
    weights: Weights, parts: Mapping[Part, ValuePart], schemes: Mapping[str, Scheme]
) -> Iterator[str]:
    """What is wrong with a company's weights and parts, by the place in the file."""
    all_schemes = own_schemes() | dict(schemes)
    scheme = all_schemes.get(weights.scheme)
    if not scheme:
        yield (
            f"weights.scheme: there is no scheme {weights.scheme}; schemes are "
            + ", ".join(sorted(all_schemes))
        )
        return
    known = [_EVERYBODY, *scheme.segments, OTHER]
    for segment, weighed in weights.segments.items():
        if segment not in known:
            yield (
                f"weights.segments.{segment}: scheme {weights.scheme} has no such "
                f"segment; expected one of {', '.join(known)}"
            )
        # Other names are dimensions, which surveys name as they like.
        for name in weighed:
            near = difflib.get_close_matches(name, get_args(Part), 1, 0.8)
            if near and name not in get_args(Part):
                yield f"weights.segments.{segment}.{name}: did you mean {near[0]}?"
        if not sum(weighed.values()):
            yield f"weights.segments.{segment}: expected a weight above 0"
    told: dict[tuple[str, str], str] = {}
    for part, answers in parts.items():
        for dimension in answers.dimensions:
            other = told.setdefault((answers.measure, dimension), part)
            if other != part:
                yield (
                    f"value_parts.{part}: {answers.measure} of {dimension} tells "
                    f"{other} already; an answer tells one part"
                )
