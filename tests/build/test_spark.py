"""The same dbt project on Spark: marts have the rows that DuckDB computed.

The shop has a row in every feed and mart. Spark runs as a session of this machine, and
builds what it can in three minutes: the marts here and all that they are made of, with
each difference between the engines and models in Python among it. All marts of a
company, on a cluster, are built by `tests.bench.spark`.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from kith.build.control_tables import LOGS
from kith.build.dbt import dbt
from kith.build.engines import interpreter
from kith.build.spark_tables import bring_home, prepare_for_spark
from kith.company.folder import PUBLISHED_SCHEMAS
from kith.database import fetch_row
from kith.errors import ConfigurationError
from kith.runs.run import Run

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
