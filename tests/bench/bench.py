"""End-to-end seconds and peak memory by stage, and the orchestration tax.

    make bench ROWS="1500000 5000000 20000000"

For each size a corner shop with that many interactions is generated and run through
`make run`'s own command. Then the same work is typed into one bare DuckDB process:
each file copied to Parquet and cast to the declared types, dbt's compiled models and
tests one after the other, each mart copied into a second file and to Parquet. The
gate's queries are not in it. The tax is the whole run over the bare one, measured one
after the other on the same machine; the machine's noise strikes both. At the end the
door, identity, lifetimes, indicators, offers and the crisis watch alone, see the
modules of these names in `tests.bench`.
"""

import argparse
import json
import shutil
import sys
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from kith.company.folder import PUBLISHED_SCHEMAS, load_company
from kith.database import connect, literal, quote
from kith.settings import REPOSITORY, load_settings
from tests.bench import (
    door,
    identity,
    indicators,
    lifetimes,
    recommendations,
    town,
    watch,
)
from tests.bench.measure import MemorySampler, measured
from tests.companies.generate import generate


def stages(journal: Path) -> dict[str, tuple[float, float]]:
    """First start and last end of each stage of a run."""
    spans: dict[str, tuple[float, float]] = {}
    for line in journal.read_text().splitlines():
        entry = json.loads(line)
        start, end = spans.get(entry["stage"], (entry["at"], entry["at"]))
        spans[entry["stage"]] = (min(start, entry["at"]), max(end, entry["at"]))
    return spans


def bare(folder: Path, state: Path, scratch: Path) -> None:
    """The work of a run as plain SQL in this one process."""
    company = load_company(folder)
    target = state / "dbt" / "target"
    nodes = json.loads((target / "manifest.json").read_text())["nodes"]
    graph = {name: node["depends_on"].get("nodes", ()) for name, node in nodes.items()}
    order = [name for name in TopologicalSorter(graph).static_order() if name in nodes]
    with connect(scratch / "bare.duckdb", scratch=scratch / "tmp") as connection:
        # As in dbt_project/profiles.yml.
        connection.execute("set preserve_insertion_order = false")
        for table in company.sources:
            (origin,) = folder.glob(table.rules.path)
            raw = scratch / f"{table.name}.raw.parquet"
            admitted = scratch / f"{table.name}.parquet"
            connection.execute(
                f"copy (from {literal(str(origin))}) to {literal(str(raw))}"
            )
            columns = ", ".join(
                f"try_cast({quote(column.name)} as {column.data_type}) "
                f"as {quote(column.name)}"
                for column in table.columns
            )
            connection.execute(
                f"copy (select {columns}, timestamp '2025-01-01' as loaded_at "
                f"from {literal(str(raw))}) to {literal(str(admitted))}"
            )
            connection.execute(f"create schema if not exists {quote(table.source)}")
            connection.execute(
                f"create view {quote(table.source)}.{quote(table.name)} as "
                f"from {literal(str(admitted))}"
            )
        warehouse = literal(str(state / "warehouse" / "kith_build.duckdb"))
        connection.execute(f"attach {warehouse} as built (read_only)")
        connection.execute("create schema kith")
        for (name,) in connection.execute(
            "select table_name from duckdb_tables() "
            "where database_name = 'built' and schema_name = 'kith'"
        ).fetchall():
            connection.execute(f"create table kith.{name} as from built.kith.{name}")
        connection.execute("detach built")
        for name in order:
            node = nodes[name]
            kind = node["resource_type"]
            if kind == "seed":
                seed = REPOSITORY / "dbt_project" / node["original_file_path"]
                query = f"from read_csv({literal(str(seed))})"
            elif node.get("language") != "python":
                query = _compiled(target, node).replace('"kith_build".', "")
            if kind == "test":
                connection.execute(query).fetchall()
                continue
            connection.execute(f"create schema if not exists {node['schema']}")
            if node.get("language") == "python":
                town.compute(
                    connection,
                    node["raw_code"],
                    _place(node),
                    lambda name: _place(nodes[f"model.kith.{name}"]),
                    node["config"]["meta"].get,
                )
                continue
            shape = "view" if node["config"]["materialized"] == "view" else "table"
            connection.execute(f"create {shape} {_place(node)} as {query}")
        connection.execute(f"attach {literal(str(scratch / 'copy.duckdb'))} as copy")
        for schema, name in connection.execute(
            "select schema_name, table_name from duckdb_tables() "
            f"where database_name = 'bare' and schema_name in {PUBLISHED_SCHEMAS}"
        ).fetchall():
            connection.execute(f"create schema if not exists copy.{schema}")
            connection.execute(
                f"create table copy.{schema}.{name} as from bare.{schema}.{name}"
            )
            connection.execute(
                f"copy bare.{schema}.{name} to "
                f"{literal(str(scratch / f'{schema}.{name}.parquet'))} "
                "(compression zstd)"
            )


def _compiled(target: Path, node: dict[str, Any]) -> str:
    """The SQL that dbt made of a model or test in the last build that got so far."""
    path = target / "compiled" / "kith" / node["original_file_path"]
    if path.suffix == ".yml":  # Tests that are declared lie in a folder of its name.
        path /= node["path"]
    return path.read_text(encoding="utf-8")


def _place(node: dict[str, Any]) -> str:
    return f"{node['schema']}.{node['alias']}"


def run_of(folder: Path) -> tuple[float, MemorySampler, Path]:
    """Run `folder`/company into `folder`/home: seconds, memory, the company's state.

    Airflow's metadata store is made once per machine, not once per run: a run of a
    small shop makes it before.
    """
    company, home = folder / "company", folder / "home"
    small = generate(folder / "small", 1000)
    command = [sys.executable, "-m", "kith_airflow", "run"]
    measured(command, KITH_HOME=str(home), COMPANY=str(small))
    state = home / "corner_shop"
    shutil.rmtree(state)
    seconds, memory = measured(command, KITH_HOME=str(home), COMPANY=str(company))
    return seconds, memory, state


def bench(rows: int, folder: Path) -> None:
    """Measure one size and print its table."""
    shutil.rmtree(folder, ignore_errors=True)
    company = generate(folder / "company", rows)
    whole, memory, state = run_of(folder)
    scratch = folder / "bare"
    scratch.mkdir()
    alone, bare_memory = measured(
        [
            *(sys.executable, "-m", "tests.bench.bench", "--bare"),
            *(str(company), str(state), str(scratch)),
        ],
    )
    print(f"\n{rows:,} interactions")
    print(f"{'stage':<12}{'seconds':>10}{'peak GB':>10}")
    (journal,) = state.glob("runs/*/journal.jsonl")
    for stage, (start, end) in stages(journal).items():
        peak = memory.peak_gb(start, end)
        print(f"{stage:<12}{end - start:>10.1f}{peak:>10.2f}")
    print(f"{'whole run':<12}{whole:>10.1f}{memory.peak_gb():>10.2f}")
    print(f"{'bare SQL':<12}{alone:>10.1f}{bare_memory.peak_gb():>10.2f}")
    print(f"orchestration tax {whole / alone:.2f}", flush=True)
    shutil.rmtree(folder)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--bare"]:
        bare(*map(Path, sys.argv[2:5]))
    else:
        parser = argparse.ArgumentParser(description=__doc__)
        parser.add_argument("rows", nargs="*", type=int, default=[1_500_000])
        arguments = parser.parse_args()
        for size in arguments.rows:
            bench(size, load_settings().home / "bench" / str(size))
        door.bench(door.ROWS_WANTED, 3, load_settings().home / "bench" / "door")
        identity.bench(
            identity.IDENTIFIERS_WANTED, load_settings().home / "bench" / "identity"
        )
        lifetimes.bench(
            lifetimes.CUSTOMERS_WANTED, load_settings().home / "bench" / "lifetimes"
        )
        indicators.bench(
            indicators.CUSTOMERS_WANTED, load_settings().home / "bench" / "indicators"
        )
        recommendations.bench(
            recommendations.CUSTOMERS_WANTED,
            load_settings().home / "bench" / "recommendations",
        )
        watch.bench(load_settings().home / "bench" / "watch")
