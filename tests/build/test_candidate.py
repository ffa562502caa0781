"""A build that failed, was mended, and goes on from there, with a real dbt."""

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

from kith.build import candidate
from kith.build.by_hand import run_dbt
from kith.build.candidate import build
from kith.build.control_tables import LOGS
from kith.build.dbt import name_of, results_of, target
from kith.company.folder import PUBLISHED_SCHEMAS
from kith.errors import BuildError, ResourceError
from kith.gate.audit import audit
from kith.runs.journal import Journal, describe
from kith.runs.run import Run
from tests.build.broken_models import MEND, MODELS, edit, pulled
from tests.conftest import new_run


def executed(run: Run) -> set[str]:
    """Models that the last dbt built."""
    models = (r for r in results_of(run) if r["unique_id"].startswith("model."))
    return {name_of(result) for result in models}


def told(run: Run) -> str:
    journal = Journal(run.run_folder)
    lines = [describe(entry) for entry in journal.new_entries()]
    return "\n".join(line for line in lines if line)


def contents(run: Run) -> dict[str, Any]:
    """Content hash of each mart but the logs, NULL of other tables and of views."""
    with duckdb.connect(str(run.warehouse), read_only=True) as warehouse:
        found = dict.fromkeys(
            warehouse.execute(
                "select schema_name, table_name from duckdb_tables() "
                "union all select schema_name, view_name from duckdb_views() "
                "where not internal"
            ).fetchall()
        )
        for schema, name in found:
            if schema in PUBLISHED_SCHEMAS and name not in LOGS:
                found[schema, name] = warehouse.execute(
                    f"select count(*), sum(hash(mart)) from {schema}.{name} as mart"
                ).fetchone()
    return found


def test_a_mended_mart_is_built_on_what_had_succeeded_and_the_content_is_the_same(
    project: Path, corner_shop_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = project / MODELS / "customer" / "customer_values.sql"
    edit(values, lambda sql: sql.replace("select * from final", "select no_column"))
    assert "no_column" in values.read_text()
    first = pulled(corner_shop_data)
    with pytest.raises(BuildError, match=r"dbt customer_values: .*no_column") as failed:
        build(first)
    assert failed.value.failure_class == "bug"
    assert "ERROR creating sql table model customer.customer_values" in (
        capsys.readouterr().out
    )
    skipped = {"customer_values"} | {
        name_of(result)
        for result in results_of(first)
        if result["status"] == "skipped" and result["unique_id"].startswith("model.")
    }
    assert {"customer_values", "concentrations"} <= skipped

    # Mended at a second go, and something is worked on by hand in between.
    edit(values, lambda sql: sql.replace("no_column", "no_such_column"))
    with pytest.raises(BuildError, match=r"dbt customer_values: .*no_such_column"):
        build(pulled(corner_shop_data))
    edit(
        values, lambda sql: sql.replace("select no_such_column", "select * from final")
    )
    cohorts = project / MODELS / "segment" / "cohorts.sql"
    edit(
        cohorts,
        lambda sql: sql.replace("select * from final", "select * from final limit 1"),
    )
    assert run_dbt(first.company, ["run", "--quiet", "-s", "cohorts"]) == 0
    edit(cohorts, lambda sql: sql.replace(" limit 1", ""))
    mentions = project / MODELS / "satisfaction" / "mentions.sql"
    edit(mentions, lambda sql: MEND + sql)

    run = pulled(corner_shop_data)
    build(run)
    logs = set(LOGS)
    doors = {"quarantined_rows", "source_deliveries", "source_warnings"}
    edited = {"cohorts", "mentions", "share_of_voice"}
    rebuilt = executed(run)
    assert rebuilt == skipped | logs | doors | edited
    assert " models kept" in told(run)
    audit(run)
    gone_on = contents(run)

    whole = new_run(corner_shop_data)
    build(whole)
    assert " models kept" not in told(whole)
    assert executed(whole) > rebuilt
    assert contents(whole) == gone_on
    assert sum(content is not None for content in gone_on.values()) > 10
    with duckdb.connect(str(whole.warehouse), read_only=True) as warehouse:
        assert warehouse.sql(
            "select node_name, list(status order by started_at) "
            "from operations.model_runs "
            "where node_name in ('customer_values', 'feed_orders') "
            "group by all order by all"
        ).fetchall() == [
            ("customer_values", ["error", "error", "success", "success"]),
            ("feed_orders", ["success", "success"]),
        ]


@pytest.fixture(scope="module")
def first_go(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What dbt has left of the whole corner shop, once it was built."""
    return tmp_path_factory.mktemp("first_go") / "state"


@pytest.mark.parametrize("fits_alone", [True, False])
def test_what_memory_does_not_hold_side_by_side_is_built_one_by_one(
    kith_home: Path,
    corner_shop_data: Path,
    first_go: Path,
    monkeypatch: pytest.MonkeyPatch,
    fits_alone: bool,
) -> None:
    calls: list[tuple[str, ...]] = []
    original = candidate.dbt

    def dbt(run: Run, *arguments: str, **options: Any) -> None:
        """As if two models had not fitted beside each other, at the first go."""
        calls.append(arguments)
        if len(calls) == 1 and first_go.exists():
            shutil.copytree(first_go, run.folder, symlinks=True, dirs_exist_ok=True)
        else:
            original(run, *arguments, **options)
        if len(calls) == 1 and not first_go.exists():
            for part in ("dbt", "warehouse"):
                shutil.copytree(run.folder / part, first_go / part, symlinks=True)
        if len(calls) == 1 or not fits_alone:
            path = target(run) / "run_results.json"
            found = json.loads(path.read_text())
            for result in found["results"]:
                if name_of(result) in ("customer_values", "concentrations"):
                    result["status"] = "error"
            path.write_text(json.dumps(found))
            raise ResourceError("DuckDB has reached its limit").showing(thing="memory")

    monkeypatch.setattr(candidate, "dbt", dbt)
    run = pulled(corner_shop_data)
    if fits_alone:
        build(run)
        assert "customer_values" in executed(run)
        assert "feed_orders" not in executed(run), "what was built is kept"
        audit(run)
    else:
        with pytest.raises(ResourceError, match="reached its limit"):
            build(run)
    first, second = calls
    assert "--threads" not in first
    assert second[-2:] == ("--threads", "1")
    assert {"customer_values+", "concentrations+"} <= set(second)
