"""Weights of company.yml that mean nothing are refused, and the others reach dbt."""

import shutil
from pathlib import Path

import pytest

from kith.build.dbt import dbt_vars
from kith.company.folder import load_company
from kith.company.weights import ValuePart, Weights, faults_of
from tests.company.faults import CORNER_SHOP


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (
            Weights(scheme="size"),
            "weights.scheme: there is no scheme size; schemes are activity, lifecycle",
        ),
        (
            Weights(segments={"Vip": {"empathy": 1}}),
            "weights.segments.Vip: scheme tier has no such segment; expected one of "
            "all, VIP, High",
        ),
        (
            Weights(segments={"all": {"empathy": 0, "reliability": 0}}),
            "weights.segments.all: expected a weight above 0",
        ),
    ],
)
def test_a_weight_that_nobody_could_have_is_named(weights: Weights, words: str) -> None:
    (fault,) = faults_of(weights, {}, {})
    assert fault.startswith(words)


def test_a_part_that_is_misspelt_is_no_dimension_of_service() -> None:
    weights = Weights(segments={"all": {"servce_value": 3, "reliability": 1}})
    assert list(faults_of(weights, {}, {})) == [
        "weights.segments.all.servce_value: did you mean service_value?"
    ]


def test_an_answer_tells_one_part() -> None:
    parts = {
        "time_cost": ValuePart(dimensions=["waiting"]),
        "psychic_cost": ValuePart(dimensions=["safety", "waiting"]),
    }
    assert list(faults_of(Weights(), parts, {})) == [
        "value_parts.psychic_cost: perception of waiting tells time_cost already; an "
        "answer tells one part"
    ]


def test_weights_and_parts_reach_dbt_as_rows(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(CORNER_SHOP, tmp_path / "shop"))
    with (folder / "company.yml").open("a") as file:
        file.write(
            "\nweights: {version: 2, segments: {VIP: {empathy: 3}}}\n"
            "value_parts: {time_cost: "
            "{dimensions: [Waiting Time], measure: ces, is_reversed: true}}\n"
        )
    found = dbt_vars(load_company(folder))
    assert found["weights"] == [{"segment": "VIP", "name": "empathy", "weight": 3}]
    assert (found["weights_version"], found["weighted_scheme"]) == (2, "tier")
    parts = {(row["part"], row["measure"]): row for row in found["value_parts"]}
    assert len(parts) == 7 * 2 + 1
    assert parts["time_cost", "ces"] == {
        "part": "time_cost",
        "measure": "ces",
        "dimension": "waiting_time",
        "is_reversed": True,
    }
    assert not parts["image_value", "csat"]["is_reversed"]
