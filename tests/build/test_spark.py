"""The same dbt project on Spark: marts have the rows that DuckDB computed.

The shop has a row in every feed and mart. Spark runs as a session of this machine, and
builds what it can in three minutes: the marts here and all that they are made of, with
each difference between the engines and models in Python among it. All marts of a
company, on a cluster, are built by `tests.bench.spark`.

The gate judges a few tables there, spoiled in every way that a check must notice, and
one table of odd values by all that Great Expectations means alike on both engines.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from kith.build.control_tables import LOGS
from kith.build.dbt import dbt
from kith.build.engines import interpreter, spark_folder
from kith.build.spark_tables import bring_home, prepare_for_spark
from kith.company.folder import PUBLISHED_SCHEMAS
from kith.database import fetch_row
from kith.errors import ConfigurationError
from kith.gate.checks import check_tables
from kith.gate.gx_spark import SAME
from kith.gate.on_spark import OnSpark, validate_on_spark
from kith.gate.suites import load_suites
from kith.gate.tables import Table, list_tables
from kith.runs.run import Run
from tests.expectations.test_expectations import MUTATIONS
from tests.gate.conftest import add_suite, spoil

DOUBLES_DIFFER_BY = 1e-9
MARTS = (
    *("customer_lifetime_values", "recommendations", "lead_conversions"),
    *("campaign_results", "segment_transitions", "cohorts", "complaint_backlog"),
    *("share_of_voice", "product_incidents", "source_deliveries"),
)


def _lack_of_spark(run: Run) -> str:
    try:
        interpreter(run.company)
    except ConfigurationError:
        return "no Spark at hand"
    return "" if shutil.which("java") else "no Java at hand"


@pytest.fixture(scope="module")
def on_spark(
    built_shop: Run, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Run]:
    """The built shop, built once more from the same admitted rows on Spark."""
    home = tmp_path_factory.mktemp("on_spark")
    company = built_shop.company.model_copy(update={"engine": "spark"})
    run = Run(company, built_shop.interval, built_shop.run_id, home)
    if lack := _lack_of_spark(run):
        pytest.skip(lack)
    for part in ("raw", "admitted", "quarantine", "history"):
        if (built_shop.folder / part).exists():
            shutil.copytree(built_shop.folder / part, run.folder / part)
    run.warehouse.parent.mkdir()
    # For few rows it takes longer to compile queries to Java than to compute them.
    defaults = home / "conf" / "spark-defaults.conf"
    defaults.parent.mkdir()
    defaults.write_text(
        "spark.sql.codegen.wholeStage false\nspark.sql.codegen.factoryMode NO_CODEGEN\n"
        "spark.sql.adaptive.enabled false\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KITH_HOME", str(home))
        patch.setenv("SPARK_CONF_DIR", str(defaults.parent))
        # A server at hand, such as sc://127.0.0.1:15002, is tried where it is named.
        patch.setenv("KITH_SPARK", os.environ.get("KITH_SPARK") or "local[2]")
        patch.setenv("KITH_MEMORY_LIMIT", "4GB")
        # The rows are compared as they are: data tests would take as long again.
        dbt(
            run,
            *("build", "--resource-type", "model", "--resource-type", "seed"),
            *("--select", *(f"+{mart}" for mart in MARTS)),
            prepare=prepare_for_spark,
        )
        bring_home(run)
    yield run
    shutil.rmtree(home)


def test_marts_have_the_same_rows_on_spark(built_shop: Run, on_spark: Run) -> None:
    found = differences(built_shop.warehouse, on_spark.warehouse, marts_of="there")
    assert set(MARTS) <= {mart.partition(".")[2] for mart in found}
    assert {mart: difference for mart, difference in found.items() if difference} == {}


def differences(here: Path, there: Path, marts_of: str) -> dict[str, str]:
    """Of each mart of one of two warehouses: in what it differs from the other's.

    Logs are left out; the text is empty where nothing differs.
    """
    with duckdb.connect() as connection:
        for name, path in (("here", here), ("there", there)):
            connection.execute(f"attach '{path}' as {name} (read_only)")
        marts = connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables() "
            "where database_name = $side and list_contains($schemas, schema_name) "
            "and not list_contains($logs, table_name) order by all",
            {"side": marts_of, "schemas": list(PUBLISHED_SCHEMAS), "logs": list(LOGS)},
        ).fetchall()
        return {mart: difference_of(connection, mart) for (mart,) in marts}


def difference_of(connection: duckdb.DuckDBPyConnection, table: str) -> str:
    """In what a table of `there` differs from that of `here`; empty where in nothing.

    Rows are paired in the order of all their columns, doubles last and rounded.
    """
    described = connection.execute(f"describe here.{table}").fetchall()
    doubles = {column for column, kind, *_ in described if kind == "DOUBLE"}
    columns = sorted((column for column, *_ in described), key=doubles.__contains__)
    order = ", ".join(
        f"round({column}, 6)" if column in doubles else column for column in columns
    )
    here, there = (
        f"(select *, row_number() over (order by {order}) as paired_by "
        f"from {side}.{table})"
        for side in ("here", "there")
    )
    wanted, found = (
        fetch_row(connection, f"select count(*) from {side}.{table}")[0]
        for side in ("here", "there")
    )
    if wanted != found:
        return f"{found} rows instead of {wanted}"
    counts = ", ".join(
        f"count(*) filter (where here.{column} is distinct from there.{column}"
        + (
            f" and coalesce(abs(here.{column} - there.{column}) > {DOUBLES_DIFFER_BY} "
            f"* greatest(1, abs(here.{column})), true))"
            if column in doubles
            else ")"
        )
        for column in columns
    )
    differing = fetch_row(
        connection,
        f"select {counts} from {here} as here join {there} as there using (paired_by)",
    )
    return ", ".join(
        f"{column}: {count} of {wanted}"
        for column, count in zip(columns, differing, strict=True)
        if count
    )


def test_the_comparison_sees_a_lacking_row_and_another_number(tmp_path: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute(
            """
            attach ':memory:' as here; attach ':memory:' as there;
            create table here.marts as select 'a' as name, 0.1e0 as share, 1 as n
            union all select 'b', null, 2;
            create table there.marts as from here.marts;
            """
        )
        assert not difference_of(connection, "marts")
        connection.execute("update there.marts set share = 0.1 + 1e-12 where n = 1")
        assert not difference_of(connection, "marts")
        connection.execute("update there.marts set share = 0.1 + 1e-6 where n = 1")
        assert "share" in difference_of(connection, "marts")
        connection.execute("update there.marts set share = 0.1, n = 3 where n = 1")
        assert "n: 1 of 2" in difference_of(connection, "marts")
        connection.execute("delete from there.marts where name = 'b'")
        assert difference_of(connection, "marts") == "1 rows instead of 2"


SPOILED = {
    *("feeds.customers", "feeds.quotes", "feeds.tickets", "segment.cohorts"),
    *("feeds.places", "customer.lead_conversions"),
}
SOUND = "operations.source_deliveries"
# One for each check of what is spoiled; some read a table that the fixture lacks.
BAD_ROWS = {
    check: sql
    for check, sql in MUTATIONS.items()
    if check[0] in SPOILED and "int_rows_cut" not in sql
}
# It has name and key of a mart that the fixture does not build.
ODD = "segment.concentrations"
ODD_ROWS = """
    create or replace table segment.concentrations as select * from (values
        ('k1', 1, 1::bigint, 1::bigint, 0.1::decimal(18, 2), 0.5::double, 1.5::double,
            date '2024-01-01', timestamp '2024-01-01', true, 'Ab'),
        ('k2', 1, 2, 1, 19.99, 'nan', 2.5, date '2024-01-02',
            timestamp '2024-01-02 12:00:00', false, 'ab'),
        ('k3', 1, 3, null, null, null, 4, null, null, null, null),
        ('k4', 1, null, null, -5, 'inf', 3, date '2024-01-03',
            timestamp '2024-01-02 12:00:00.000001', true, 'ä'),
        ('k5', 1, null, 2, 100, -0.0, 1, date '2024-01-03',
            timestamp '2024-01-04', true, ''),
        ('k6', 1, 2, 2, 0.1, 0.5, 7.75, date '2024-01-02',
            timestamp '2024-01-02', false, '👍🏽 ')
    ) as t (measure, top_pct, n, m, amount, share, price, day, seen_at, is_new, word)
"""
# Expectations of GX's own that judge them: all fail.
ODD_CHECKS = (
    *("ExpectColumnValuesToNotBeNull(column='share')",),
    *("ExpectColumnValuesToNotBeNull(column='word')",),
    *("ExpectColumnValuesToBeNull(column='word')",),
    *("ExpectColumnValuesToBeBetween(column='share', min_value=0, max_value=1)",),
    *("ExpectColumnValuesToBeBetween(column='amount', min_value=0.1)",),
    *("ExpectColumnValuesToBeBetween(column='amount', max_value=19.98)",),
    "ExpectColumnValuesToBeBetween(column='amount', min_value=0.1, strict_min=True)",
    *("ExpectColumnValuesToBeBetween(column='n', min_value=1.5, mostly=0.9)",),
    *("ExpectColumnValuesToBeBetween(column='day', min_value='2024-01-02')",),
    "ExpectColumnValuesToBeBetween(column='day', min_value=dt.date(2024, 1, 3))",
    "ExpectColumnValuesToBeBetween(column='day', min_value='2024-01-02T12:00:00')",
    *("ExpectColumnValuesToBeBetween(column='seen_at', min_value='2024-01-02')",),
    "ExpectColumnValuesToBeBetween(column='seen_at', "
    "max_value=dt.datetime(2024, 1, 2, 12))",
    *("ExpectColumnValuesToBeInSet(column='word', value_set=['Ab', 'ä'])",),
    *("ExpectColumnValuesToBeInSet(column='n', value_set=[1, 3])",),
    *("ExpectColumnValuesToBeInSet(column='amount', value_set=[100, -5])",),
    *("ExpectColumnValuesToNotBeInSet(column='is_new', value_set=[True])",),
    "ExpectColumnValuesToBeInSet(column='share', value_set=[0.5, float('nan')])",
    *("ExpectColumnValuesToNotBeInSet(column='word', value_set=['ab', 'AB'])",),
    *("ExpectColumnValueLengthsToBeBetween(column='word', max_value=1)",),
    *("ExpectColumnPairValuesAToBeGreaterThanB(column_A='n', column_B='m')",),
    "ExpectColumnPairValuesAToBeGreaterThanB(column_A='share', column_B='m', "
    "or_equal=True)",
    *("ExpectColumnValuesToBeUnique(column='share')",),
    *("ExpectCompoundColumnsToBeUnique(column_list=['day', 'is_new'])",),
    *("ExpectColumnSumToBeBetween(column='n', min_value=100)",),
    *("ExpectColumnSumToBeBetween(column='amount', min_value=200)",),
    *("ExpectColumnMeanToBeBetween(column='n', min_value=100)",),
    *("ExpectColumnMeanToBeBetween(column='amount', min_value=100)",),
    *("ExpectColumnMeanToBeBetween(column='price', min_value=100)",),
    *("ExpectColumnMaxToBeBetween(column='share', max_value=100)",),
    *("ExpectColumnMaxToBeBetween(column='day', max_value=dt.date(2024, 1, 1))",),
    *("ExpectColumnMinToBeBetween(column='amount', min_value=100)",),
    *("ExpectColumnUniqueValueCountToBeBetween(column='word', max_value=1)",),
    *("ExpectTableRowCountToEqual(value=3)",),
    *("ExpectTableRowCountToBeBetween(max_value=3)",),
)
# On Spark GX would let these pass, find another number of rows, or break.
LEFT_TO_DUCKDB = (
    *("ExpectColumnValuesToBeInSet(column='n', value_set=['1', '3'])",),
    *("ExpectColumnValuesToBeInSet(column='amount', value_set=[0.1, 19.99])",),
    *("ExpectColumnValuesToNotBeInSet(column='amount', value_set=['0.1'])",),
    *("ExpectColumnValuesToBeInSet(column='is_new', value_set=['true'])",),
    "ExpectColumnValuesToNotBeInSet(column='day', value_set=['2024-01-02 12:00:00'])",
    *("ExpectColumnValuesToBeInSet(column='day', value_set=['2024-01-01'])",),
    *("ExpectColumnValuesToBeInSet(column='word', value_set=['Ab', None])",),
    *("ExpectColumnValuesToBeInSet(column='seen_at', value_set=['2024-01-02'])",),
    *("ExpectMulticolumnSumToEqual(column_list=['n', 'm'], sum_total=2)",),
    "ExpectColumnQuantileValuesToBeBetween(column='n', quantile_ranges="
    "{'quantiles': [0.5], 'value_ranges': [[9, 9]]})",
)


@pytest.fixture
def spoiled(on_spark: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The run with bad rows, in the candidate and in Spark's Parquet alike."""
    folder = shutil.copytree(on_spark.company.folder, tmp_path / "company")
    company = on_spark.company.model_copy(update={"folder": folder})
    run = replace(on_spark, company=company, home=tmp_path)
    for part in ("warehouse", "dbt/target/manifest.json"):
        copy = shutil.copytree if "." not in part else shutil.copy
        (run.folder / part).parent.mkdir(parents=True, exist_ok=True)
        copy(on_spark.folder / part, run.folder / part)
    (run.folder / "scratch").mkdir()
    run.run_folder.mkdir(parents=True)
    for bad_row in BAD_ROWS.values():
        spoil(run, bad_row)
    spoil(run, ODD_ROWS)
    add_suite(
        run,
        "marts/concentrations",
        *(
            f"gxe.{check[:-1]}, description={str(place)!r})"
            for place, check in enumerate(ODD_CHECKS + LEFT_TO_DUCKDB)
        ),
        "no_rows('a query', WARNING, 'select measure, amount * 2 as twice, "
        "n + 1 as next, sum(n) over () as total, seen_at > day as is_later "
        "from {batch}')",
        "no_rows('a query of quoted columns', WARNING, "
        "'select measure, top_pct from {batch} where \"n\" = 2')",
        "no_rows('a query that breaks', WARNING, 'select none from {batch}')",
    )
    write_parquet(run)
    monkeypatch.setenv("KITH_HOME", str(tmp_path))
    monkeypatch.setenv("SPARK_CONF_DIR", str(on_spark.home / "conf"))
    monkeypatch.setenv("KITH_SPARK", os.environ.get("KITH_SPARK") or "local[2]")
    return run


def write_parquet(run: Run) -> None:
    """Write the candidate's tables where Spark has built them."""
    built = spark_folder(run) / "built"
    (built / ODD.replace(".", "/")).mkdir()
    with duckdb.connect(str(run.warehouse)) as warehouse:
        for folder in built.glob("*/*"):
            shutil.rmtree(folder)
            folder.mkdir()
            warehouse.execute(
                f"copy {folder.parent.name}.{folder.name} to '{folder}/rows.parquet'"
            )


def test_the_gate_finds_on_spark_what_it_finds_on_duckdb(
    spoiled: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: OnSpark = {}

    def validate(run: Run, tables: list[Table]) -> OnSpark:
        judged.update(validate_on_spark(run, tables))
        return judged

    monkeypatch.setattr("kith.gate.checks.validate_on_spark", validate)
    suites = load_suites(spoiled.company.folder)
    tables = [t for t in list_tables(spoiled) if t.full_name in {*SPOILED, SOUND, ODD}]
    suites = {(t.kind, t.name): suites[t.kind, t.name] for t in tables}
    embedded = spoiled.company.model_copy(update={"engine": "duckdb"})

    def found(run: Run) -> list[dict[str, Any]]:
        checks = [asdict(check) for check in check_tables(run, tables, suites)]
        for check in checks:
            del check["checked_at"]
            if check["outcome"] == "broken":
                del check["observed"]  # Each engine says it in words of its own.
        return checks

    wanted = found(replace(spoiled, company=embedded))
    assert not judged
    assert found(spoiled) == wanted
    failed = {
        (check["table_name"], check["expectation"])
        for check in wanted
        if check["outcome"] == "failed"
    }
    assert set(BAD_ROWS) <= failed
    odd = [str(place) for place in range(len(ODD_CHECKS + LEFT_TO_DUCKDB))]
    assert {name for table, name in failed if table == ODD} == {
        *odd,
        "a query",
        "a query of quoted columns",
    }
    assert SOUND not in {table for table, _ in failed}
    # What Spark has judged, and all that it is trusted with.
    assert set(judged) == {*SPOILED, SOUND, ODD}
    assert sum(result is None for result in judged[ODD]) == len(LEFT_TO_DUCKDB)
    assert {each.expectation_type for each in suites["marts", "concentrations"]} >= SAME
