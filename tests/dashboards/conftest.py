"""A release as far as dashboards need one: tables of the built shop, and texts."""

import json
from pathlib import Path

import duckdb
import pytest

from kith.catalogue.dictionary import DICTIONARY, write_dictionary
from kith.catalogue.metrics import SEMANTIC_MANIFEST, write_semantic_manifest
from kith.company.folder import PUBLISHED_SCHEMAS
from kith.dashboards.contents import Contents, read_contents
from kith.publish.audiences import privacy_of_marts
from kith.runs.run import Run

STAMP = """
    select '20250101T010203Z_abcdef' as release_id, timestamp '2025-01-01 01:02:03' as
    published_at, date '2024-12-31' as data_as_of, 80::bigint as checks_passed,
    1::bigint as checks_warned
"""


@pytest.fixture(scope="session")
def release(built_shop: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release")
    (folder / "metadata").mkdir()
    write_semantic_manifest(built_shop, folder / "metadata" / SEMANTIC_MANIFEST)
    write_dictionary(built_shop.company, folder / "metadata" / DICTIONARY)
    privacy = privacy_of_marts(built_shop)
    with duckdb.connect(str(folder / "kith.duckdb")) as database:
        database.execute(f"attach '{built_shop.warehouse}' as shop (read_only)")
        tables = database.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = "
            f"'shop' and schema_name in {tuple(PUBLISHED_SCHEMAS)}"
        ).fetchall()
        for schema, table in tables:
            database.execute(f"create schema if not exists {schema}")
            name = f"{schema}.{table}"
            database.execute(f"create table {name} as from shop.{name}")
        database.execute(f"create table _release as {STAMP}")
    marts = {name: ".".join(name) for name in tables}
    manifest = {
        "company": "shop",
        "title": "Whole shop",
        "currency": "CHF",
        "marts": {name: {"privacy": privacy[name]} for name in marts.values()},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture(scope="session")
def contents(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Contents:
    return read_contents(release, tmp_path_factory.mktemp("scratch"))
