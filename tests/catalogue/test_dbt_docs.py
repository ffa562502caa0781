"""dbt's documentation as one file: what it shows, and what it keeps to itself."""

import json
from pathlib import Path
from typing import Any

import pytest

from kith.catalogue.dbt_docs import shown, write_docs
from kith.runs.run import Run


@pytest.fixture(scope="module")
def site(
    manifest: dict[str, Any],
    columns: dict[str, list[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> str:
    path = tmp_path_factory.mktemp("docs") / "dbt_docs.html"
    write_docs(manifest, columns, path)
    return path.read_text(encoding="utf-8")


def test_the_page_holds_manifest_and_catalog(site: str) -> None:
    assert "INLINE DATA" not in site
    assert '"One row per customer' in site
    assert '"model.kith.customers"' in site
    assert '"comment": null' in site  # of the catalog


def test_graph_columns_and_descriptions_are_kept(manifest: dict[str, Any]) -> None:
    kept = shown(manifest)
    assert list(kept["nodes"]) == list(manifest["nodes"])
    model = kept["nodes"]["model.kith.customers"]
    assert model["columns"]["city"]["description"]
    assert "int_customer_records" in model["raw_code"]
    assert (
        model["depends_on"]["nodes"]
        == (manifest["nodes"]["model.kith.customers"]["depends_on"]["nodes"])
    )
    assert "model.kith.customer_months" in kept["child_map"]["model.kith.customers"]
    assert "exposure.kith.report" in kept["exposures"]
    assert "metric.kith.revenue" in kept["metrics"]


def test_a_company_keeps_its_sql_and_its_ways_to_sources_to_itself(
    manifest: dict[str, Any],
) -> None:
    kept = shown(manifest)
    staging = kept["nodes"]["model.kith.stg_shop__orders"]
    assert staging["raw_code"] == staging["compiled_code"] == ""
    assert all(not node["compiled_code"] for node in kept["nodes"].values())
    source = kept["sources"]["source.kith.shop.orders"]
    assert source["columns"]["receipt_number"]
    assert source["meta"] == {}
    for column in source["columns"].values():
        assert column["meta"] == {}
    before = json.dumps(manifest["sources"]["source.kith.shop.orders"])
    assert "accepted_values" in before
    assert "accepted_values" not in json.dumps(source)


def test_nothing_of_the_machine_is_in_it(
    manifest: dict[str, Any], site: str, built_shop: Run
) -> None:
    assert str(built_shop.home) in json.dumps(manifest)
    for place in (str(built_shop.home), str(Path.home()), "KITH_", "invocation_id"):
        assert place not in json.dumps(shown(manifest))
    assert str(built_shop.home) not in site


def test_a_text_cannot_end_the_page_s_script(
    manifest: dict[str, Any], columns: dict[str, list[str]], tmp_path: Path
) -> None:
    model = manifest["nodes"]["model.kith.customers"]
    hostile = model | {"description": "</script><script>alert(1)</script>"}
    nodes = manifest["nodes"] | {"model.kith.customers": hostile}
    write_docs(manifest | {"nodes": nodes}, columns, tmp_path / "docs.html")
    assert "<script>alert(1)" in (text := (tmp_path / "docs.html").read_text())
    assert "</script><script>alert(1)" not in text
