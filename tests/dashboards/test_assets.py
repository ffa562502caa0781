import io
import json
import uuid
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from kith.dashboards.assets import Bundle, bundle, packed, slug
from kith.dashboards.contents import Contents
from kith.dashboards.declared import Dashboard, dashboards
from kith.dashboards.places import MASK, Place, file_place
from kith.errors import ConfigurationError

FILE = file_place(Path("/data/published"), "1GB", 2)
SERVER = replace(
    FILE,
    key="postgresql",
    uri=f"postgresql+psycopg2://chief:{MASK}@db/bi",
    schemas={schema: f"shop_{schema}" for schema in FILE.schemas},
    stamp_schema="shop_operations",
    password="hush-77d1",  # noqa: S106
)


@pytest.fixture(scope="module")
def files(contents: Contents) -> Bundle:
    return bundle(contents, FILE, dashboards())


def of(files: Bundle, kind: str) -> list[dict[str, Any]]:
    return [each for path, each in files.items() if path.startswith(f"{kind}/")]


def test_everything_that_is_named_is_in_the_bundle(files: Bundle) -> None:
    (database,) = of(files, "databases")
    datasets = {each["uuid"]: each for each in of(files, "datasets")}
    charts = {each["uuid"]: each for each in of(files, "charts")}
    pages = of(files, "dashboards")
    assert {each["database_uuid"] for each in datasets.values()} == {database["uuid"]}
    assert {each["dataset_uuid"] for each in charts.values()} == {*datasets}
    shown = [
        cell["meta"]["uuid"]
        for page in pages
        for cell in page["position"].values()
        if isinstance(cell, dict) and cell["type"] == "CHART"
    ]
    assert sorted(shown) == sorted(charts)
    assert len(pages) == 4
    targets = {
        target["datasetUuid"]
        for page in pages
        for each in page["metadata"]["native_filter_configuration"]
        for target in each["targets"]
        if target
    }
    assert targets
    assert targets <= {*datasets}


def test_each_dashboard_shows_which_release_it_is(files: Bundle) -> None:
    stamps = {
        each["uuid"]
        for each in of(files, "charts")
        if each["params"].get("all_columns", [])[:2] == ["data_as_of", "published_at"]
    }
    for page in of(files, "dashboards"):
        _, stamp = page["position"]["ROW-0"]["children"]
        assert page["position"][stamp]["meta"]["uuid"] in stamps


def test_names_of_files_are_none_that_superset_passes_over(files: Bundle) -> None:
    assert not [path for path in files if Path(path).name.startswith(("_", "."))]


def test_ids_stay_and_are_of_company_place_and_name(contents: Contents) -> None:
    def ids(contents: Contents, place: Place) -> list[str]:
        return [each["uuid"] for each in bundle(contents, place, dashboards()).values()]

    first = ids(contents, FILE)
    assert ids(replace(contents, title="Another", currency="EUR"), FILE) == first
    others = [ids(contents, SERVER), ids(replace(contents, company="other"), FILE)]
    assert len({*first, *others[0], *others[1]}) == 3 * len(first)
    # By these an import elsewhere finds what it brought last year.
    charts = bundle(contents, FILE, dashboards())
    revenue = charts["charts/shop_file_customers_revenue.yaml"]["uuid"]
    assert uuid.UUID(revenue).version == 5
    assert revenue == "7113a03d-ff88-5395-9b2d-8c0423ca0b1e"


def test_a_bundle_is_the_same_bytes_and_yaml(files: Bundle) -> None:
    content = packed(files)
    assert packed(files) == content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = {name.removeprefix("kith/") for name in archive.namelist()}
        assert names == {"metadata.yaml", *files}
        metadata = yaml.safe_load(archive.read("kith/metadata.yaml"))
        assert metadata["type"] == "Dashboard"
        for name, each in files.items():
            text = archive.read(f"kith/{name}")
            assert yaml.load(text, Loader=yaml.CSafeLoader) == each


def test_a_password_stays_out(contents: Contents) -> None:
    made = bundle(contents, SERVER, dashboards())
    assert "hush" not in str(made)
    (database,) = of(made, "databases")
    assert MASK in database["sqlalchemy_uri"]
    assert not database["allow_dml"]
    schemas = {each["schema"] for each in of(made, "datasets")}
    assert schemas == {
        "shop_customer",
        "shop_operations",
        "shop_satisfaction",
        "shop_segment",
    }


def test_what_postgresql_does_not_have_is_not_shown_there(contents: Contents) -> None:
    orders = replace(contents.marts["customer.orders"], is_view=True)
    marts = {**contents.marts, "customer.orders": orders}
    large = replace(contents, marts=marts)
    assert bundle(large, FILE, dashboards()) == bundle(contents, FILE, dashboards())
    made, before = (bundle(each, SERVER, dashboards()) for each in (large, contents))
    dataset = before["datasets/shop_postgresql/customer_orders.yaml"]["uuid"]
    charts = {
        path
        for path, each in before.items()
        if each.get("dataset_uuid") == dataset or each.get("uuid") == dataset
    }
    assert len(charts) > 3
    assert {*before} - {*made} == charts
    # Nothing is left that asks for it.
    assert dataset not in str(made)


def test_datasets_have_the_metrics_of_the_semantic_layer(
    files: Bundle, contents: Contents
) -> None:
    orders = files["datasets/shop_file/customer_orders.yaml"]
    assert [each["column_name"] for each in orders["columns"]] == [
        *contents.marts["customer.orders"].columns
    ]
    metrics = {each["metric_name"]: each for each in orders["metrics"]}
    assert metrics["revenue"]["expression"] == "sum(revenue_amount)"
    assert metrics["revenue"]["verbose_name"] == "Revenue"
    assert orders["main_dttm_col"] == "order_date"


def test_small_groups_are_left_out(files: Bundle) -> None:
    def sql(name: str) -> list[str]:
        params = files[f"charts/shop_file_{name}.yaml"]["params"]
        return [
            each["sqlExpression"]
            for each in params["adhoc_filters"]
            if each.get("clause") == "HAVING"
        ]

    assert sql("customers_revenue_by_month") == ["count(distinct customer_id) >= 5"]
    assert sql("operations_refused_by_reason") == ["count(*) >= 5"]
    sizes = [
        f"(coalesce(max({size}), 0) = 0 or coalesce(max({size}), 0) >= 5)"
        for size in ("customer_count", "buyer_count")
    ]
    assert sql("segments_tiers_now") == sizes
    assert sql("customers_revenue") == []  # One number, of all.
    assert sql("satisfaction_backlog") == []  # Days and cases, nobody's.


def test_a_period_narrows_what_has_a_time(files: Bundle) -> None:
    page = files["dashboards/shop_file_customers.yaml"]
    period, channel = page["metadata"]["native_filter_configuration"]
    names = {
        cell["meta"]["chartId"]: cell["meta"]["uuid"]
        for cell in page["position"].values()
        if isinstance(cell, dict) and cell["type"] == "CHART"
    }
    assert len(names) == len({*names.values()})

    def excluded(each: dict[str, Any]) -> set[str]:
        of_ids = {names[number] for number in each["scope"]["excluded"]}
        return {
            path.removeprefix("charts/shop_file_customers_").removesuffix(".yaml")
            for path, chart in files.items()
            if chart["uuid"] in of_ids
        }

    stamp = "release"
    assert excluded(period) == {
        "customers_known",
        "repeat_rate",
        "lifetime_value",
        stamp,
    }
    assert "revenue_by_region" in excluded(channel)
    assert "revenue_by_month" not in excluded(channel)
    narrowed = files["charts/shop_file_customers_revenue_by_region.yaml"]["params"]
    (time,) = (
        each for each in narrowed["adhoc_filters"] if each["expressionType"] == "SIMPLE"
    )
    assert (time["subject"], time["operator"]) == ("period_start", "TEMPORAL_RANGE")


def test_amounts_name_their_currency(files: Bundle) -> None:
    assert files["charts/shop_file_customers_revenue.yaml"]["slice_name"] == (
        "Revenue, CHF"
    )
    assert "{" not in "".join(each["slice_name"] for each in of(files, "charts"))


def statement(chart: dict[str, Any], dataset: dict[str, Any]) -> str:
    """SQL of a chart's query, as Superset makes it."""
    (query,) = json.loads(chart["query_context"])["queries"]
    saved = {each["metric_name"]: each["expression"] for each in dataset["metrics"]}
    groups = [
        each if isinstance(each, str) else each["sqlExpression"]
        for each in query["columns"]
    ]
    metrics = [
        saved[each] if isinstance(each, str) else each["sqlExpression"]
        for each in query["metrics"] or []
    ]
    extras = query.get("extras", {})
    parts = [
        f"select {', '.join([*groups, *metrics])}",
        f"from {dataset['schema']}.{dataset['table_name']}",
        f"where {extras['where']}" if "where" in extras else "",
        f"group by {', '.join(groups)}" if groups and metrics else "",
        f"having {extras['having']}" if "having" in extras else "",
    ]
    return " ".join(parts)


def test_every_query_is_answered_by_a_release(files: Bundle, release: Path) -> None:
    datasets = {each["uuid"]: each for each in of(files, "datasets")}
    with duckdb.connect(str(release / "kith.duckdb"), read_only=True) as database:
        for chart in of(files, "charts"):
            sql = statement(chart, datasets[chart["dataset_uuid"]])
            rows = database.execute(sql).fetchall()
            if chart["viz_type"] == "big_number_total":
                assert len(rows) == 1, sql


def test_a_table_is_sorted_by_what_it_says(files: Bundle) -> None:
    chart = files["charts/shop_file_operations_publications.yaml"]
    order = chart["params"]["timeseries_limit_metric"]["sqlExpression"]
    assert order == "max(published_at)"
    formats = chart["params"]["column_config"]
    assert formats["published_at"] == {"d3TimeFormat": "%Y-%m-%d %H:%M"}
    assert formats["data_as_of"] == {"d3TimeFormat": "%Y-%m-%d"}
    assert formats["Rows"] == {"d3NumberFormat": ",d"}


def test_a_chart_that_the_release_cannot_answer_stops_it(contents: Contents) -> None:
    page = dashboards()["customers"]
    wrong = page.charts["revenue"].model_copy(update={"mart": "customer.nothing"})
    changed = Dashboard(**{**dict(page), "charts": {**page.charts, "revenue": wrong}})
    with pytest.raises(
        ConfigurationError, match="dashboard mine: revenue: there is no mart"
    ):
        bundle(contents, FILE, {"mine": changed})


def test_addresses() -> None:
    assert slug("shop", FILE, "segments") == "shop-segments"
    assert slug("shop", SERVER, "segments") == "shop-segments-postgresql"
