"""How fast and in how much memory many identifiers become persons.

Ten million identifiers and fifteen million links lie in Parquet as admitted data would;
dbt builds `identities` and all that it needs, in one process.
"""

import json
import shutil
import sys
from pathlib import Path

import duckdb
import yaml

from kith.build.dbt import dbt
from kith.build.warehouse import prepare_warehouse
from kith.company.folder import load_company
from kith.database import literal, write_parquet
from kith.runs.run import Interval, Run
from kith.settings import load_settings
from tests.bench.measure import measured

IDENTIFIERS_WANTED = 10_000_000
SECONDS_ALLOWED = 60
GB_ALLOWED = 6.0


def write_town(folder: Path, identifiers: int) -> None:
    """People with four identifiers each and six links among these.

    One device in forty is linked with a stranger as well.
    """
    (folder / "company" / "staging").mkdir(parents=True)
    people = identifiers // 4
    kinds = "['card', 'email', 'phone', 'device']"
    value = "sha256({kind} || ':' || {person})"
    with duckdb.connect() as connection:
        write_parquet(
            connection,
            f"""
            select
                {kinds}[1 + n % 4] as identifier_type,
                {value.format(kind=f"{kinds}[1 + n % 4]", person="n // 4")}
                    as identifier_value,
                timestamp '2024-01-01'
                    + interval (hash(n) % 30_000_000) second as occurred_at,
                n
            from range({people * 4}) as numbers (n)
            """,
            folder / "traces.parquet",
        )
        write_parquet(
            connection,
            f"""
            select
                n, left_type, right_type,
                {value.format(kind="left_type", person="person")} as left_value,
                {value.format(kind="right_type", person="other")} as right_value,
                timestamp '2024-01-01'
                    + interval (hash(n, 1) % 30_000_000) second as seen_at
            from (
                select
                    n,
                    n // 6 as person,
                    ['card', 'card', 'card', 'email', 'email', 'phone'][1 + n % 6]
                        as left_type,
                    ['email', 'phone', 'device', 'phone', 'device', 'device'][1 + n % 6]
                        as right_type,
                    if(n % 6 = 2 and hash(n, 2) % 40 = 0, hash(n, 3) % {people}, n // 6)
                        as other
                from range({people * 6}) as numbers (n)
            )
            """,
            folder / "links.parquet",
        )
    staged = "select 'town' as source, timestamp '2025-01-01' as loaded_at, "
    models = {
        "events": f"{staged} n as event_id, 'view' as event_name, "
        "identifier_type, identifier_value, occurred_at "
        f"from read_parquet({literal(str(folder / 'traces.parquet'))})",
        "identifier_links": f"{staged} n as link_id, left_type, left_value, "
        "right_type, right_value, seen_at "
        f"from read_parquet({literal(str(folder / 'links.parquet'))})",
    }
    for feed, query in models.items():
        path = folder / "company" / "staging" / f"stg_town__{feed}.sql"
        path.write_text(query + "\n")
    company = {
        "name": "town",
        "title": "Town",
        "time_zone": "UTC",
        "currency": "EUR",
        "first_day": "2024-01-01",
        "last_day": "2024-12-31",
        "feeds": {feed: [f"stg_town__{feed}"] for feed in models},
    }
    (folder / "company" / "company.yml").write_text(yaml.safe_dump(company))
    meta = {"connector": "files", "path": "none.csv"}
    table = {
        "name": "rows",
        "config": {"meta": meta},
        "columns": [{"name": "row", "data_type": "bigint"}],
    }
    sources = {"sources": [{"name": "town", "tables": [table]}]}
    (folder / "company" / "sources.yml").write_text(yaml.safe_dump(sources))


def build(folder: Path) -> None:
    """Build the feeds, or what follows from them to `identities`."""
    company = load_company(folder / "company")
    days = Interval(company.first_day, company.last_day or company.first_day)
    run = Run(company, days, "bench", folder / "home")
    run.warehouse.parent.mkdir(parents=True, exist_ok=True)
    prepare_warehouse(run)
    dbt(run, "run", "--select", "+identities")


def _seconds_of_identity(folder: Path) -> float:
    results = json.loads(
        (folder / "home" / "town" / "dbt" / "target" / "run_results.json").read_text()
    )["results"]
    return sum(
        result["execution_time"]
        for result in results
        if not result["unique_id"].startswith(("model.kith.feed_", "model.kith.stg_"))
    )


def bench(identifiers: int, folder: Path) -> None:
    """Measure one size and print its line."""
    shutil.rmtree(folder, ignore_errors=True)
    write_town(folder, identifiers)
    command = [sys.executable, "-m", "tests.bench.identity", "--build", str(folder)]
    seconds, memory = measured(command, KITH_HOME=str(folder / "home"))
    print(
        f"\nidentity, {identifiers:,} identifiers and {identifiers * 3 // 2:,} links: "
        f"{_seconds_of_identity(folder):.1f} s (allowed {SECONDS_ALLOWED}), "
        f"with dbt's start and the feeds {seconds:.1f} s, "
        f"{memory.peak_gb():.2f} GB (allowed {GB_ALLOWED})",
        flush=True,
    )
    shutil.rmtree(folder)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--build"]:
        build(Path(sys.argv[2]))
    else:
        wanted = int(sys.argv[1]) if sys.argv[1:] else IDENTIFIERS_WANTED
        bench(wanted, load_settings().home / "bench" / "identity")
