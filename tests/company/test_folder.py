"""Faults in a company folder are named with file, key, value and cure."""

import shutil
from contextlib import suppress
from pathlib import Path
from string import ascii_letters

import duckdb
import pytest

from kith.company.folder import load_company
from kith.company.sources import STRPTIME_CODES
from kith.errors import ConfigurationError
from kith.settings import REPOSITORY

CORNER_SHOP = REPOSITORY / "tests" / "companies" / "corner_shop"


@pytest.mark.parametrize(
    "folder", [CORNER_SHOP, *sorted(REPOSITORY.glob("companies/*/company.yml"))]
)
def test_companies_of_the_repository_are_sound(folder: Path) -> None:
    company = load_company(folder.parent if folder.is_file() else folder)
    assert company.sources
    assert company.feeds


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
            "  events: [",
            "  orders: []\n  events: [",
            "line 14: key `ord",
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
            "sources: Input should be",
        ),
    ],
)
def test_a_fault_is_named(
    tmp_path: Path, file: str, found: str, instead: str, words: str
) -> None:
    folder = Path(shutil.copytree(CORNER_SHOP, tmp_path / "shop"))
    text = (folder / file).read_text()
    assert found in text
    (folder / file).write_text(text.replace(found, instead, 1))
    with pytest.raises(ConfigurationError) as fault:
        load_company(folder)
    assert words in str(fault.value)
    assert str(folder / file) in str(fault.value)
    assert "\n" not in str(fault.value)


CITY = "{name: city, data_type: varchar, description: City of residence."
IN_META = "`pii` belongs under `config: meta:`"


@pytest.mark.parametrize(
    ("found", "instead", "words"),
    [
        (CITY, f"{CITY[:-1]}, config: {{pii: email}}", f"city.config: {IN_META}"),
        (CITY, f"{CITY[:-1]}, pii: email", f"city: {IN_META}"),
        (CITY, f"{CITY[:-1]}, confg: {{meta: {{pii: email}}}}", "unknown key `confg`"),
        (CITY, f"{CITY[:-1]}, config: {{mata: {{pii: email}}}}", "unknown key `mata`"),
        (CITY, f"{CITY[:-1]}, minimum: 1, required: true", "`required` belongs under"),
        (CITY, f"{CITY[:-1]}, 7: true", "unknown key `7`"),
        (
            "      - name: orders\n",
            "      - name: orders\n        key: [receipt_number]\n",
            "orders: `key` belongs under `config: meta:`",
        ),
        (
            "        config:\n          meta:\n",
            "        config:\n          quarantine_limit_pct: 1\n          meta:\n",
            "orders.config: `quarantine_limit_pct` belongs under `config: meta:`",
        ),
        (
            "      - name: orders\n",
            "      - name: orders\n        freshness: {}\n",
            "`freshness` belongs under `config:`",
        ),
        (
            "  - name: shop\n",
            "  - name: shop\n    config: {meta: {connector: files}}\n",
            "`connector` belongs under `config: meta:` of a table",
        ),
        ("sources:\n", "7: x\nsources:\n  - 7\n", "sources.0"),
    ],
)
def test_no_rule_is_overlooked(
    tmp_path: Path, found: str, instead: str, words: str
) -> None:
    test_a_fault_is_named(tmp_path, "sources.yml", found, instead, words)


def test_what_only_dbt_reads_may_stand_there(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(CORNER_SHOP, tmp_path / "shop"))
    path = folder / "sources.yml"
    extra = "tags: [pii], data_tests: [unique], config: {tags: [a], meta: {}}"
    path.write_text(path.read_text().replace(CITY, f"{CITY[:-1]}, {extra}", 1))
    assert load_company(folder) == load_company(CORNER_SHOP).model_copy(
        update={"folder": folder}
    )


@pytest.mark.parametrize(
    ("data_type", "pattern", "fault"),
    [
        ("date", "%d.%m.%Q", "strptime has no %Q"),
        ("varchar", "%d.%m.%Q", "strptime has no %Q"),
        ("date", "%d.%m.%", "strptime has no %;"),
        ("date", "DD.MM.YYYY", "tells no day of a year"),
        ("timestamp", "%H:%M:%S", "tells no day of a year"),
        ("timestamp", "%m/%Y", "tells no day of a year"),
        ("date", "%d.%m.", "tells no day of a year"),
        ("date", "%-d. %B %Y", None),
        ("date", "%j %Y", None),
        ("date", "%G-W%V-%u", None),
        ("timestamp", "%c", None),
        ("varchar", "%m/%Y", None),
    ],
)
def test_a_format_tells_a_day(
    tmp_path: Path, data_type: str, pattern: str, fault: str | None
) -> None:
    folder = Path(shutil.copytree(CORNER_SHOP, tmp_path / "shop"))
    path = folder / "sources.yml"
    meta = f"config: {{meta: {{format: ['%d.%m.%Y', '{pattern}']}}}}"
    declared = f"{{name: city, data_type: {data_type}, {meta}, description: City."
    path.write_text(path.read_text().replace(CITY, declared, 1))
    if not fault:
        load_company(folder)
        return
    words = rf"shop\.tables\.customers\.columns\.city: format '{pattern}':? {fault}"
    with pytest.raises(ConfigurationError, match=words):
        load_company(folder)


def test_the_codes_of_a_format_are_those_of_duckdb() -> None:
    read = set()
    for code in [f"%{sign}{one}" for sign in ("", "-") for one in f"{ascii_letters}%"]:
        with suppress(duckdb.InvalidInputException):
            duckdb.execute(f"select try_strptime('x', '{code}')")
            read.add(code)
    assert read == STRPTIME_CODES


def test_keys_of_an_anchor_may_be_replaced(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(CORNER_SHOP, tmp_path / "shop"))
    path = folder / "company.yml"
    states = "{drowsy: 14, half_asleep: 45, asleep: 90}"
    text = path.read_text()
    assert states in text
    path.write_text(text.replace(states, f"{{<<: &usual {states}, drowsy: 7}}"))
    assert load_company(folder).activity_states.drowsy == 7


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"company\.yml: not found"):
        load_company(tmp_path / "nobody")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="/file: is no folder; a company is"):
        load_company(tmp_path / "file")
    (tmp_path / "company.yml").mkdir()
    with pytest.raises(ConfigurationError, match=r"company\.yml: cannot be read"):
        load_company(tmp_path)
