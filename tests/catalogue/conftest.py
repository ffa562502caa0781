"""A release as far as metrics and lineage need one: the built shop's own file."""

import json
from pathlib import Path
from typing import Any

import pytest

from kith.build.dbt import target
from kith.catalogue.lineage import TableLineage, columns_of, lineage_of
from kith.catalogue.metrics import SEMANTIC_MANIFEST, write_semantic_manifest
from kith.runs.run import Run


@pytest.fixture(scope="session")
def manifest(built_shop: Run) -> dict[str, Any]:
    text = (target(built_shop) / "manifest.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


@pytest.fixture(scope="session")
def columns(built_shop: Run) -> dict[str, list[str]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KITH_HOME", str(built_shop.home))
        return columns_of(built_shop)


@pytest.fixture(scope="session")
def lineage(
    built_shop: Run, manifest: dict[str, Any], columns: dict[str, list[str]]
) -> dict[str, TableLineage]:
    return lineage_of(built_shop, manifest, columns)


@pytest.fixture(scope="session")
def release(built_shop: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with marts and the definitions of metrics."""
    folder = tmp_path_factory.mktemp("release")
    (folder / "kith.duckdb").symlink_to(built_shop.warehouse)
    (folder / "metadata").mkdir()
    write_semantic_manifest(built_shop, folder / "metadata" / SEMANTIC_MANIFEST)
    return folder
