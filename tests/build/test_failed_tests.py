"""A failed data test of dbt names rows, files and cure, with a real dbt."""

from pathlib import Path

import pytest
import yaml

from kith.admit.table import admit_table
from kith.build.dbt import dbt, failures_of
from kith.build.warehouse import prepare_warehouse
from kith.errors import BuildError
from kith.pull.table import pull_table
from kith.runs.run import Run
from tests.conftest import new_run

SLIPS = "slip,line,buyer,sold_at,amount\n"


def column(name: str, data_type: str = "varchar", *tests: object) -> dict[str, object]:
    return {
        "name": name,
        "data_type": data_type,
        **({"data_tests": list(tests)} if tests else {}),
    }


def table(name: str, path: str, key: list[str], *columns: object) -> dict[str, object]:
    meta = {"connector": "files", "path": path, "key": key}
    if name == "slips":
        meta["cursor"] = "sold_at"
    return {"name": name, "config": {"meta": meta}, "columns": list(columns)}


@pytest.fixture
def run(tmp_path: Path, kith_home: Path) -> Run:
    """A till whose slips have several lines, which its staging takes for orders."""
    folder = tmp_path / "till"
    (folder / "staging").mkdir(parents=True)
    (folder / "a.csv").write_text(SLIPS + "S1,1,ann,2024-01-05 10:00:00,1.00\n")
    (folder / "b.csv").write_text(
        SLIPS
        + "S2,1,ann,2024-01-05 10:00:00,1.00\n"
        + "S2,2,ann,2024-01-05 10:00:00,2.00\n"
    )
    (folder / "c.csv").write_text(
        SLIPS
        + "S2,3,ann,2024-01-05 10:00:00,1.00\n"
        + "S3,1,,2024-01-06 10:00:00,1.00\n"
        + "S3,2,,2024-01-06 10:00:00,1.00\n"
    )
    (folder / "goods.csv").write_text(
        "code,maker,kind\nG1,ann@example.org,food\nG2,,drink\nG3,ann@example.org,toy\n"
    )
    (folder / "shops.csv").write_text("shop,city\nA,Rome\nB,\n")
    (folder / "company.yml").write_text(
        "{name: till, title: Till, time_zone: UTC, currency: EUR, "
        "first_day: 2024-01-01, feeds: {orders: [stg_till__orders], "
        "products: [stg_till__products]}}"
    )
    tables = [
        table(
            "slips",
            "[abc].csv",
            ["slip", "line"],
            *map(column, ("slip", "line", "buyer")),
            column("sold_at", "timestamp"),
            column("amount", "decimal(18,2)"),
        ),
        table("goods", "goods.csv", ["code"], *map(column, ("code", "maker", "kind"))),
        table(
            "shops",
            "shops.csv",
            ["shop"],
            column("shop"),
            column("city", "varchar", "not_null"),
        ),
    ]
    (folder / "sources.yml").write_text(
        yaml.safe_dump({"sources": [{"name": "till", "tables": tables}]})
    )
    (folder / "staging" / "stg_till__orders.sql").write_text(
        "select 'till' as source, slip as order_id, sold_at as ordered_at, loaded_at "
        "from {{ source('till', 'slips') }}"
    )
    (folder / "staging" / "stg_till__products.sql").write_text(
        "select 'till' as source, code as product_id, maker as brand, "
        "kind as category, loaded_at from {{ source('till', 'goods') }}"
    )
    accepted = {"accepted_values": {"arguments": {"values": ["food", "drink"]}}}
    related = {
        "relationships": {
            "arguments": {"to": "ref('stg_till__orders')", "field": "order_id"}
        }
    }
    columns = [
        column("product_id", "varchar", related),
        column("brand", "varchar", "unique", "not_null"),
        column("category", "varchar", accepted),
    ]
    (folder / "staging" / "stg_till__products.yml").write_text(
        yaml.safe_dump({"models": [{"name": "stg_till__products", "columns": columns}]})
    )
    run = new_run(folder)
    for stage in (pull_table, admit_table):
        for each in run.company.sources:
            stage(run, each.full_name)
    return run


def test_a_failed_test_of_each_kind_says_what_where_which_and_what_to_do(
    run: Run,
) -> None:
    selected = (
        "stg_till__orders",
        "feed_orders",
        "stg_till__products",
        "source:till.shops",
    )
    with pytest.raises(BuildError) as stopped:
        dbt(run, "build", "--select", *selected, prepare=prepare_warehouse)
    message = str(stopped.value)
    assert "\n" not in message and "and 5 more failed" in message
    staging = run.company.folder / "staging"
    failures = failures_of(run)
    assert {failure.failure_class for failure in failures} == {"contract"}
    assert sorted(map(str, failures)) == [
        "dbt test on feeds.orders: 2 keys of (source, order_id) on several rows, "
        "first: source till, order_id S2, row_count 3; source till, order_id S3, "
        "row_count 2; the first stands on 3 rows of stg_till__orders, from till.slips "
        "(column slip) in b.csv, c.csv; let stg_till__orders.sql in "
        f"{staging} give one row per source and order_id: group its rows, lengthen "
        "the key, or name two systems apart by `source`",
        "dbt test on staging.stg_till__products: 1 row without brand, first: "
        f"source till, product_id G2; mend stg_till__products.sql in {staging}",
        "dbt test on staging.stg_till__products: 1 value of brand on several rows, "
        "first: source till, product_id G1; source till, product_id G3; mend "
        f"stg_till__products.sql in {staging}",
        "dbt test on staging.stg_till__products: 1 value of category beside the "
        "accepted food, drink, first: source till, product_id G3; mend "
        f"stg_till__products.sql in {staging}",
        "dbt test on staging.stg_till__products: 3 rows with a product_id that "
        "stg_till__orders.order_id lacks, first: source till, product_id G1; source "
        "till, product_id G2; source till, product_id G3; mend "
        f"stg_till__products.sql in {staging}",
        "dbt test on till.shops: 1 row without city, first: shop B; have the source "
        f"corrected, or mend its tests in {run.company.folder}/sources.yml",
    ]
