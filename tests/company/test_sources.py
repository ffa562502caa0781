"""`sources.yml`: no rule is overlooked, and formats tell a day."""

import shutil
from contextlib import suppress
from pathlib import Path
from string import ascii_letters

import duckdb
import pytest

from kith.company.folder import load_company
from kith.company.sources import STRPTIME_CODES
from kith.errors import ConfigurationError
from tests.company.faults import CORNER_SHOP, check_fault

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
    check_fault(tmp_path, "sources.yml", found, instead, words)


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
        ("timestamp", "epoch_s", None),
        ("date", "epoch_ms", None),
        ("varchar", "epoch_us", None),
        ("timestamp", "epoch_h", "tells no day of a year"),
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


@pytest.mark.parametrize(
    ("pattern", "time_zone", "words"),
    [
        (
            "%Y-%m-%dT%H:%M:%SZ",
            "Europe/Paris",
            "ends in Z, but time_zone says Europe/P",
        ),
        ("%d.%m.%Y %H:%M UTC", "Asia/Tokyo", "ends in UTC, but time_zone says Asia/To"),
        ("%d.%m.%Y %H:%M+00:00", "Asia/Tokyo", "ends in +00:00, but time_zone says As"),
        ("%Y-%m-%dT%H:%M:%SZ", "UTC", ""),
        ("%Y-%m-%dT%H:%M:%S%z", "Asia/Tokyo", ""),
    ],
)
def test_a_format_and_a_time_zone_do_not_contradict_each_other(
    pattern: str, time_zone: str, words: str, tmp_path: Path
) -> None:
    meta = f"config: {{meta: {{format: '{pattern}', time_zone: {time_zone}}}}}"
    declared = f"{{name: city, data_type: timestamp, {meta}, description: City."
    if words:
        check_fault(tmp_path, "sources.yml", CITY, declared, words)
        return
    folder = Path(shutil.copytree(CORNER_SHOP, tmp_path / "shop"))
    path = folder / "sources.yml"
    path.write_text(path.read_text().replace(CITY, declared, 1))
    load_company(folder)


def test_an_identifier_of_its_source_alone_is_a_hash(tmp_path: Path) -> None:
    declared = f"{CITY[:-1]}, config: {{meta: {{scope: source}}}}"
    words = "scope: source is for columns with `pii`; elsewhere have the staging model"
    check_fault(tmp_path, "sources.yml", CITY, declared, words)


def test_options_may_be_numbers(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(CORNER_SHOP, tmp_path / "shop"))
    path = folder / "sources.yml"
    text = path.read_text()
    found = 'path: "data/customers.*"'
    assert found in text
    path.write_text(text.replace(found, f"{found}, options: {{skip_lines: 3}}", 1))
    table = load_company(folder).sources[0]
    assert table.rules.options == {"skip_lines": "3"}


def test_the_codes_of_a_format_are_those_of_duckdb() -> None:
    read = set()
    for code in [f"%{sign}{one}" for sign in ("", "-") for one in f"{ascii_letters}%"]:
        with suppress(duckdb.InvalidInputException):
            duckdb.execute(f"select try_strptime('x', '{code}')")
            read.add(code)
    assert read == STRPTIME_CODES
