"""Where rows and values that dbt read come from, without a dbt."""

from pathlib import Path

import pytest

from kith.build.origins import Origins, columns_of, counted, feed_of
from kith.build.warehouse import prepare_warehouse
from kith.database import connect
from tests.one_table import company, deliver, run_door

SOURCE = {
    "resource_type": "source",
    "source_name": "shop",
    "name": "sales",
    "unique_id": "source.kith.shop.sales",
}
STAGING = {
    "resource_type": "model",
    "name": "stg_shop__orders",
    "unique_id": "model.kith.stg_shop__orders",
    "depends_on": {"nodes": ["source.kith.shop.sales", "source.kith.kith.run"]},
}
FEED = {
    "resource_type": "model",
    "name": "feed_orders",
    "unique_id": "model.kith.feed_orders",
    "depends_on": {"nodes": ["model.kith.stg_shop__orders"]},
}
RUN = {**SOURCE, "source_name": "kith", "name": "run"}


@pytest.mark.usefixtures("kith_home")
def test_a_value_is_found_below_a_feed_with_table_column_rows_and_file(
    tmp_path: Path,
) -> None:
    company(tmp_path)
    deliver(
        tmp_path,
        [f"S{n},2024-03-01 10:00:00,{n % 2},4.50" for n in range(1, 6)],
    )
    run = run_door(tmp_path)
    prepare_warehouse(run)
    sources = {"source.kith.shop.sales": SOURCE, "source.kith.kith.run": RUN}
    models = {node["unique_id"]: node for node in (STAGING, FEED)}
    origins = Origins(run, {"nodes": models, "sources": sources})
    assert [each.name for each in origins.tables_below(FEED)] == ["sales"]
    assert origins.key_of(SOURCE) == ["sale_id"]
    with connect(run.warehouse, scratch=tmp_path / "scratch") as warehouse:
        assert list(origins.of_value(warehouse, FEED, "1")) == [
            "the value stands on 3 rows of shop.sales (column quantity) in "
            "data/sales.csv, first: sale_id S1; sale_id S3; sale_id S5"
        ]
        assert list(origins.of_value(warehouse, FEED, "S9")) == []
        assert columns_of(warehouse, "shop.sales")[0] == "sale_id"


def test_words_for_feeds_and_counts() -> None:
    assert (feed_of(FEED), feed_of(STAGING)) == ("orders", "")
    assert (counted(1, "row"), counted(2000, "row")) == ("1 row", "2,000 rows")
