"""Words for states and stages: known ones, and a company's own."""

import shutil
from pathlib import Path

import pytest

from kith.company.folder import load_company
from kith.company.lead_stages import LeadStages
from kith.company.order_statuses import OrderStatuses
from kith.company.words import Words, folded, listed
from kith.errors import ConfigurationError
from tests.company.faults import CORNER_SHOP


@pytest.mark.parametrize("kind", [OrderStatuses, LeadStages])
def test_no_known_word_has_two_meanings(kind: type[Words]) -> None:
    words = [folded(word) for text in kind.known.values() for word in listed(text)]
    assert sorted(words) == sorted(set(words))
    assert len(words) > 30


def test_a_company_s_word_counts_before_the_known_one() -> None:
    words = OrderStatuses(completed=["Fail-ed"], returned=["zorg"]).words()
    assert "failed" in words["completed"]
    assert "failed" not in words["cancelled"]
    assert {"zorg", "retoure"} <= {*words["returned"]}


@pytest.mark.parametrize(
    ("declared", "found"),
    [
        (
            "order_statuses: {placed: [On hold], cancelled: [on-hold]}",
            "'on-hold' stands under placed and under cancelled; expected one of them",
        ),
        (
            "lead_stages: {won: [Kommt], lost: [kommt]}",
            "'kommt' stands under won and under lost; expected one of them",
        ),
    ],
)
def test_a_word_with_two_meanings_is_refused(
    tmp_path: Path, declared: str, found: str
) -> None:
    company = Path(shutil.copytree(CORNER_SHOP, tmp_path / "shop"))
    with (company / "company.yml").open("a") as file:
        file.write(f"{declared}\n")
    with pytest.raises(ConfigurationError, match=found):
        load_company(company)
