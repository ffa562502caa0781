"""The bare SQL beside which a run is timed makes the marts of that run."""

from pathlib import Path

import duckdb
import pytest

from kith.database import literal
from tests.bench.bench import bare
from tests.companies.generate import generate
from tests.conftest import build_candidate, new_run


def test_bare_sql_makes_the_marts_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KITH_HOME", str(tmp_path / "home"))
    folder = generate(tmp_path / "company", 3000)
    run = new_run(folder)
    build_candidate(run)
    scratch = tmp_path / "bare"
    scratch.mkdir()
    bare(folder, run.folder, scratch)
    with duckdb.connect(str(scratch / "copy.duckdb"), read_only=True) as connection:
        connection.execute(f"attach {literal(str(run.warehouse))} as run (read_only)")
        counts = {}
        for schema, name in connection.execute(
            "select schema_name, table_name from duckdb_tables() "
            "where database_name = 'copy'"
        ).fetchall():
            counts[f"{schema}.{name}"] = tuple(
                connection.execute(
                    f"select count(*) from {database}.{schema}.{name}"
                ).fetchone()
                for database in ("copy", "run")
            )
    del counts["operations.model_runs"]  # which Kith writes, after dbt
    assert len(counts) > 60 and counts["customer.orders"] == ((900,), (900,))
    assert {name: both for name, both in counts.items() if len(set(both)) > 1} == {}
