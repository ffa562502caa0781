"""Schemes: ordered lists of named conditions that put each customer into a segment."""

import functools
from collections.abc import Mapping

from pydantic import Field, field_validator

from kith.company.expressions import Fault, check, columns_of
from kith.company.tables import Strict
from kith.company.yaml_files import read_yaml
from kith.settings import REPOSITORY

# Segments that stand in each scheme without being declared.
NOT_PERMITTED, UNIDENTIFIED, OTHER = "not_permitted", "unidentified", "other"
# Whence those come in segment_transitions who were not there before.
_NOT_YET_KNOWN = "not_yet_known"
_STATES = REPOSITORY.joinpath(
    "dbt_project", "models", "intermediate", "segments", "int_customer_states.yml"
)


class Scheme(Strict):
    """Ordered, named conditions: each customer is in the first that holds for them."""

    segments: dict[str, str] = Field(
        min_length=1,
        description="Each segment's name with its condition, in SQL over the columns "
        "below. The first that holds counts; for whom none holds is `other`.",
    )
    definition: str | None = Field(
        default=None, description="What the scheme tells, in words."
    )
    owner: str | None = Field(
        default=None,
        description="Who answers for it; by default the company's `owner`.",
    )
    version: int = Field(
        default=1, gt=0, description="To be raised when conditions change."
    )
    other_names: dict[str, str] = Field(
        default_factory=dict,
        description="By segment a second name, such as in another language.",
    )

    @field_validator("segments")
    @classmethod
    def _are_named(cls, segments: dict[str, str]) -> dict[str, str]:
        for name in segments:
            if name in (NOT_PERMITTED, UNIDENTIFIED, OTHER, _NOT_YET_KNOWN):
                raise ValueError(
                    f"{name} stands in each scheme without being declared; choose "
                    "another name"
                )
            if name != " ".join(name.split()) or not name.isprintable() or not name:
                raise ValueError(
                    f"{name!r} is no name; expected words without blanks around them"
                )
        return segments


@functools.cache
def own_schemes() -> dict[str, Scheme]:
    """Kith's own schemes, by name."""
    declared = read_yaml(REPOSITORY / "plugins" / "kith" / "company" / "schemes.yml")
    return {name: Scheme.model_validate(each) for name, each in declared.items()}


@functools.cache
def state_columns() -> dict[str, str]:
    """Types of the columns over which conditions are written, by name."""
    return columns_of(_STATES)


def faults_of(schemes: Mapping[str, Scheme]) -> list[str]:
    """What is wrong with a company's schemes, each fault by its place in the file.

    Their conditions are left to `faults_of_conditions`.
    """
    faults = []
    meanings = {
        segment: (f"Kith's own scheme {name}", condition)
        for name, scheme in own_schemes().items()
        for segment, condition in scheme.segments.items()
    }
    for name, scheme in schemes.items():
        place = f"schemes.{name}"
        if name in own_schemes():
            faults.append(
                f"{place}: Kith has a scheme of that name; choose another, such as "
                f"own_{name}"
            )
            continue
        for segment, condition in scheme.segments.items():
            scheme_of, meaning = meanings.setdefault(
                segment, (f"schemes.{name}", condition)
            )
            if meaning != condition:
                faults.append(
                    f"{place}.segments.{segment}: {scheme_of} has a segment of that "
                    f"name, with another condition (`{meaning}`); a name may mean one "
                    "thing only: choose another"
                )
        faults += [
            f"{place}.other_names.{segment}: the scheme has no such segment; it has "
            f"{', '.join(scheme.segments)}"
            for segment in scheme.other_names
            if segment not in scheme.segments
        ]
    return faults


def faults_of_conditions(schemes: Mapping[str, Scheme]) -> list[str]:
    """Conditions that cannot be used, each by its place in the file."""
    return [
        f"schemes.{name}.segments.{segment}: `{condition}`: {fault}"
        for name, scheme in schemes.items()
        for segment, condition in scheme.segments.items()
        if (fault := fault_of(condition))
    ]


def fault_of(condition: str) -> str | None:
    """What is wrong with a condition, and what to do; None where it can be used."""
    try:
        kind, _ = check(condition, "condition", state_columns())
    except Fault as fault:
        return str(fault)
    if kind != "BOOLEAN":
        return "is neither true nor false; expected a comparison, such as `... > 0`"
    return None
