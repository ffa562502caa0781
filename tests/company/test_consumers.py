"""Who reads the marts, as company.yml declares it and dbt's graph shows it."""

from pathlib import Path

import pytest
import yaml

from kith.build.dbt import consumers_as_text
from kith.company.consumers import mart_names
from kith.company.folder import load_company
from kith.settings import REPOSITORY
from tests.company.faults import CORNER_SHOP, check_fault

DECLARED = """
consumers:
  sales:
    label: "Sales {{ env_var('HOME') }}"
    marts: [customer.customer_months, customer.orders]
    owner: Sales department
    url: https://bi.example.com/sales
feeds:"""


def company(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    for name in ("sources.yml", "staging"):
        (folder / name).symlink_to(CORNER_SHOP / name)
    text = (CORNER_SHOP / "company.yml").read_text().replace("\nfeeds:", DECLARED)
    (folder / "company.yml").write_text(text)
    return folder


def test_a_consumer_is_an_exposure_in_which_only_marts_are_templates(
    tmp_path: Path,
) -> None:
    text = consumers_as_text(load_company(company(tmp_path)))
    (exposure,) = yaml.safe_load(text)["exposures"]
    assert exposure == {
        "name": "sales",
        "label": "Sales {{ \"{\" }}{ env_var('HOME') }}",
        "type": "dashboard",
        "description": "",
        "depends_on": ["ref('customer_months')", "ref('orders')"],
        "owner": {"name": "Sales department"},
        "url": "https://bi.example.com/sales",
    }


@pytest.mark.parametrize(
    ("found", "instead", "words"),
    [
        (
            "feeds:",
            "consumers: {bi: {label: x, owner: y, marts: [customer.shoes]}}\nfeeds:",
            "consumers.bi: there is no mart customer.shoes; there are customer.camp",
        ),
        (
            "feeds:",
            "consumers: {bi: {label: x, owner: y, marts: []}}\nfeeds:",
            "consumers.bi.marts",
        ),
        (
            "feeds:",
            "consumers: {bi: {label: x, marts: [customer.orders]}}\nfeeds:",
            "consumers.bi.owner",
        ),
        (
            "feeds:",
            "consumers: {report: {label: x, owner: y, marts: [customer.orders]}}\n"
            "feeds:",
            "consumers.report: that is Kith's own page",
        ),
        ("feeds:", "language: fr\nfeeds:", "language"),
    ],
)
def test_faults_are_told(tmp_path: Path, found: str, instead: str, words: str) -> None:
    check_fault(tmp_path, "company.yml", found, instead, words)


def test_each_mart_is_named_as_readers_have_it() -> None:
    assert len(mart_names()) == 73
    assert mart_names()["customer.orders"] == "orders"
    models = REPOSITORY / "dbt_project" / "models" / "marts"
    assert all((models / f"{n.replace('.', '/')}.sql").is_file() for n in mart_names())
