"""Life stages of company.yml follow one another, and reach dbt with their ends."""

import pytest

from kith.build.dbt import dbt_vars
from kith.company.folder import load_company
from kith.company.life_stages import LifeStage, faults_of, values_of
from kith.settings import REPOSITORY

UNBORN = LifeStage(name="unborn", from_months=-9, category="maternity")
BABY = LifeStage(name="baby", from_months=0, category="nappies")


def test_a_stage_lasts_until_the_next_one_or_as_declared() -> None:
    child = LifeStage(name="child", from_months=36, until_months=144, category="toys")
    stages = [UNBORN, BABY.model_copy(update={"until_months": 24}), child]
    assert [stage["until_months"] for stage in values_of(stages)] == [0, 24, 144]
    assert [stage["until_months"] for stage in values_of([BABY])] == [None]
    assert values_of([]) == list(faults_of([])) == list(faults_of(stages)) == []


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        (
            [BABY, UNBORN],
            "life_stages: unborn begins at -9 months, but stands behind baby, which "
            "begins at 0; expected the youngest first",
        ),
        (
            [BABY.model_copy(update={"until_months": 0})],
            "life_stages: baby is over at 0 months; expected more than 0, where it "
            "begins",
        ),
    ],
)
def test_a_stage_that_comes_too_late_or_never_is_named(
    stages: list[LifeStage], words: str
) -> None:
    assert next(faults_of(stages)) == words


def test_the_models_know_the_stages_of_the_demo() -> None:
    stages = dbt_vars(load_company(REPOSITORY / "companies/demo"))["life_stages"]
    assert [stage["from_months"] for stage in stages] == [-12, 0, 6, 18, 36, 72]
    assert stages[0]["until_months"] == 0
