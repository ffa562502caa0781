"""Faults in a company folder are named with file, key, value and cure."""

import shutil
from pathlib import Path

import pytest

from kith.build.dbt import dbt_vars
from kith.company.folder import load_company
from kith.errors import ConfigurationError
from kith.settings import REPOSITORY
from tests.company.faults import CORNER_SHOP, check_fault


@pytest.mark.parametrize(
    "folder", [CORNER_SHOP, *sorted(REPOSITORY.glob("companies/*/company.yml"))]
)
def test_companies_of_the_repository_are_sound(folder: Path) -> None:
    company = load_company(folder.parent if folder.is_file() else folder)
    assert company.sources
    assert company.feeds


def test_models_have_their_usual_limits_unless_some_are_declared_or_all_are_off(
    tmp_path: Path,
) -> None:
    folder = Path(shutil.copytree(CORNER_SHOP, tmp_path / "shop"))
    text = (folder / "company.yml").read_text()
    found = []
    for models in ("true", "{max_error_rate_pct: 20}", "false"):
        (folder / "company.yml").write_text(f"{text}\nmodels: {models}\n")
        found.append(dbt_vars(load_company(folder)))
    shown = ("models", "horizon_days", "max_error_rate_pct", "max_miss_rate_pct")
    assert [tuple(each[name] for name in shown) for each in found] == [
        (True, 90, 50, 50),
        (True, 90, 20, 50),
        (False, 90, 50, 50),
    ]


def test_a_folder_that_was_changed_is_read_again(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(CORNER_SHOP, tmp_path / "shop"))
    assert load_company(folder) is load_company(folder)
    path = folder / "company.yml"
    path.write_text(path.read_text().replace("currency: EUR", "currency: USD"))
    assert load_company(folder).currency == "USD"
    (folder / "staging" / "stg_shop__orders.sql").unlink()
    with pytest.raises(ConfigurationError, match=r"stg_shop__orders\.sql does not"):
        load_company(folder)


@pytest.mark.parametrize(
    ("file", "found", "instead", "words"),
    [
        ("company.yml", "time_zone: Europe/Berlin", "time_zone: CEST+1", "time_zone"),
        ("company.yml", "currency: EUR", "currency: euro", "currency"),
        ("company.yml", "drowsy: 14", "drowsy: 400", "drowsy < half_asleep"),
        ("company.yml", "title: Corner", "titel: Corner", "titel"),
        ("company.yml", "name: corner_shop", "name: airflow", "choose another"),
        *(
            ("company.yml", "title: Cor", f"schedule: '{cron}'\ntitle: Cor", "five fie")
            for cron in ("@daily", "0 * * * *", "0 24 * * *", "60 1 * * *", "0 1 * *")
        ),
        ("company.yml", "title: Cor", "owner: ''\ntitle: Cor", "owner"),
        ("company.yml", "  events: [", "  event: [", "feeds.event is no feed"),
        ("company.yml", "stg_shop__orders]", "stg_shop__order]", "stg_shop__order.sql"),
        ("company.yml", "name: corner_shop", "name: [", "not valid YAML"),
        ("sources.yml", "name: shop", "name: customer", "own schemas"),
        *(
            ("sources.yml", "name: shop", f"name: {name}", "own schemas")
            for name in ("temp", "system", "pg_catalog", "kith_build", "release")
        ),
        (
            "sources.yml",
            "name: web",
            "name: shop",
            "sources: source shop is declared t",
        ),
        (
            "sources.yml",
            "name: products\n",
            "name: orders\n",
            "table orders is declared",
        ),
        (
            "sources.yml",
            "{minimum: 0}",
            "{references: {table: shop.vat, column: rate}}",
            "shop.products: column unit_cost: references shop.vat.rate: no such table",
        ),
        (
            "sources.yml",
            "{minimum: 0}",
            "{references: {table: shop.orders, column: rate}}",
            "no such column; shop.orders has receipt_number, card_number,",
        ),
        (
            "sources.yml",
            "{minimum: 0}",
            "{minimum: .inf}",
            "minimum.float: Input should",
        ),
        (
            "sources.yml",
            "{minimum: 0}",
            "{maximum: .nan}",
            "maximum.float: Input should",
        ),
        ("sources.yml", "connector: files", "connector: ftp", "shop.tables.customers"),
        ("sources.yml", "cursor: bought_at", "cursor: sold_at", "'sold_at'"),
        ("sources.yml", "cursor: bought_at", "cursor: card_number", "'card_number'"),
        ("sources.yml", "{minimum: 0}", "{minium: 0}", "unit_cost.config.meta.minium"),
        ("sources.yml", "config: {meta: {min", "meta: {x: {min", "under `config:`"),
        (
            "company.yml",
            "first_day: 2024-01-01",
            "first_day: 2024-13-01",
            "line 5: 202",
        ),
        (
            "company.yml",
            "first_day: 2024-01-01",
            "first_day: soon",
            "first_day: expected a day such as 2024-01-31 (found 'soon')",
        ),
        (
            "company.yml",
            "first_day: 2024-01-01",
            "first_day: 2024-01-01\nspark_connection: lake",
            "spark_connection: expected `engine: spark` beside it",
        ),
        (
            "company.yml",
            "first_day: 2024-01-01",
            "first_day: 2024-01-01\ncrisis_watch: true",
            "crisis_watch: expected keys with values, or {} for none (found True)",
        ),
        (
            "company.yml",
            "first_day: 2024-01-01",
            "first_day: 2024-01-01\ntrusted_sources: crm",
            "trusted_sources: expected a list, such as [a, b] (found 'crm')",
        ),
        (
            "company.yml",
            "  events: [",
            "  orders: []\n  events: [",
            "line 17: key `ord",
        ),
        ("sources.yml", "{minimum: 0}", "{minimum: 0, minimum: 9}", "key `minimum`"),
        (
            "sources.yml",
            "name: city,",
            "name: CARD_number,",
            "card_number and CARD_num",
        ),
        ("sources.yml", "{minimum: 0}", "{aliases: [Category]}", "category and unit_c"),
        ("sources.yml", "[cash, card]", "[]", "accepted_values: List should have at"),
        (
            "sources.yml",
            "config: {meta: {accepted_values: [cash, card]}}",
            "config: {meta: {aliases: [PAID]}}\n"
            "          - {name: paid, data_type: varchar}",
            "columns payment_method and paid: 'paid' is a name of both",
        ),
        (
            "sources.yml",
            "sources:",
            "sources: none\nother:",
            "sources: expected a list",
        ),
        (
            "company.yml",
            "feeds:",
            "identity: {shareable: [phone, fone], blocked: {emial: [x]}}\nfeeds:",
            "company.yml: identity.blocked: nothing of the company is called emial; "
            "expected one of card, device, email, handle, phone, or an identifier_type "
            "that a staging model writes; identity.shareable: nothing of the company "
            "is called fone; expected one of card",
        ),
        (
            "company.yml",
            "feeds:",
            "survivorship: {city: most_trusted}\nfeeds:",
            "survivorship: most_trusted needs trusted_sources; add them, the most "
            "trusted first, of shop, web",
        ),
        (
            "company.yml",
            "feeds:",
            "trusted_sources: [shop, crn]\nfeeds:",
            "trusted_sources: there is no source crn; expected one of shop, web, or a "
            "source that a staging model writes",
        ),
        (
            "company.yml",
            "feeds:",
            "models: {horizon_days: 0}\nfeeds:",
            "models.horizon_days: Input should be greater than 0",
        ),
        (
            "company.yml",
            "feeds:",
            "models:\nfeeds:",
            "models: expected true, false, or keys below it",
        ),
    ],
)
def test_a_fault_is_named(
    tmp_path: Path, file: str, found: str, instead: str, words: str
) -> None:
    check_fault(tmp_path, file, found, instead, words)
