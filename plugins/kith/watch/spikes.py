"""Find spikes in what is fresh, by the model of the daily marts, and publish them."""

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb

from kith.build.control_tables import create_table, declared, insert_rows
from kith.build.dbt import dbt, target
from kith.build.warehouse import write_sources
from kith.company.retention import Keep
from kith.company.tables import SourceTable
from kith.database import connect, fetch_row, literal, parquet_sql, quote
from kith.deliveries.admitted import Delivery, admitted_deliveries
from kith.errors import DeliveryError, TransientError
from kith.publish.release import (
    DATABASE,
    MANIFEST,
    new_release,
    remove_superseded,
    seal,
)
from kith.runs.marts import parquet_files
from kith.runs.run import Run
from kith.storage import sha256
from kith.watch.fresh import FEEDS, Watch, forget, tables_needed

MART = "satisfaction.complaint_spikes"
SPIKES = Path("parquet", "satisfaction", "complaint_spikes.parquet")
# What the model reads of the daily marts.
_MARTS = ("customer.customers", "customer.customer_identifiers", "customer.products")
_PARSE = "partial_parse.msgpack"
# One comes each hour.
_RELEASES = Keep(count=5)


def watch(look: Watch) -> dict[str, Any]:
    """Build the spikes as of the moment, and publish them; returns the manifest.

    Killed at any moment it leaves the former release. Raises DeliveryError where no
    table has come in this look: no news would look like good news.
    """
    run = look.run
    with run.stage("watch") as figures, run.writer_lock() as held:
        tables = [run.company.table(name) for name in tables_needed(look)]
        fresh = {t.full_name: _fresh(run, t) for t in tables}
        if not any(fresh.values()):
            raise DeliveryError(
                f"{', '.join(fresh)}: nothing could be pulled and admitted; see the "
                "tasks before this one; the former release of the watch stays"
            )
        kept, parse = target(look.daily) / _PARSE, target(run) / _PARSE
        if kept.is_file() and not parse.exists():
            parse.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(kept, parse)
        dbt(
            run,
            *("build", "--exclude-resource-type", "unit_test", "--select"),
            *(f"+feed_{feed}" for feed in FEEDS),
            "complaint_spikes",
            prepare=lambda _: _prepare(look, tables),
            pass_fds=held,
        )
        manifest = _publish(look, fresh)
        figures["release_id"] = manifest["release_id"]
        figures["rows"] = manifest["rows"]
        remove_superseded(run.published, _RELEASES)
        figures["without"] = [name for name, came in fresh.items() if not came]
        forget(look)
        return manifest


def _fresh(run: Run, table: SourceTable) -> Delivery | None:
    """What this look has admitted of a table."""
    found = admitted_deliveries(run, table)
    return found[-1] if found and found[-1].interval == run.interval else None


def _prepare(look: Watch, tables: list[SourceTable]) -> None:
    """Lay before dbt what was admitted, daily and now, and marts of the release."""
    run, release = look.run, look.release
    for stale in run.warehouse.parent.glob(f"{run.warehouse.name}*"):
        stale.unlink()
    with connect(run.warehouse, scratch=run.folder / "scratch") as warehouse:
        try:
            write_sources(
                warehouse,
                run,
                [(table, _deliveries(look, table)) for table in tables],
            )
            for table in tables:
                _copy(warehouse, f"{quote(table.source)}.{quote(table.name)}")
        except (duckdb.IOException, FileNotFoundError) as error:
            raise TransientError(
                "a delivery was replaced by the daily run while it was read; try again "
                f"({' '.join(str(error).split())})"
            ) from None
        for name in declared():
            create_table(warehouse, name)
        insert_rows(
            warehouse,
            "run",
            [
                {
                    "company": run.company.name,
                    "run_id": run.run_id,
                    "as_of_date": run.interval.to_day,
                    "as_of_at": look.at,
                    "first_day": run.company.first_day,
                }
            ],
        )
        warehouse.execute("create schema customer")
        for mart in _MARTS:
            rows = parquet_sql(*parquet_files(release, mart))
            warehouse.execute(f"create view {mart} as from {rows}")


def _deliveries(look: Watch, table: SourceTable) -> list[Delivery]:
    """What the daily run has admitted, and what came now: it counts for its days."""
    fresh = _fresh(look.run, table)
    if fresh and not table.rules.cursor:
        return [fresh]
    return [*admitted_deliveries(look.daily, table), *([fresh] if fresh else [])]


def _copy(warehouse: duckdb.DuckDBPyConnection, view: str) -> None:
    """Put the rows of a view in its place: its files may go while dbt reads."""
    warehouse.execute(f"create temp table copied as from {view}")
    warehouse.execute(f"drop view {view}")
    warehouse.execute(f"create table {view} as from copied")
    warehouse.execute("drop table copied")


def _publish(look: Watch, fresh: dict[str, Delivery | None]) -> dict[str, Any]:
    run = look.run
    with new_release(run.published, lambda: None) as (release_id, now, folder):
        (folder / SPIKES).parent.mkdir(parents=True)
        with connect(scratch=run.folder / "scratch") as connection:
            connection.execute(
                f"attach {literal(str(run.warehouse))} as candidate (read_only)"
            )
            connection.execute(
                f"attach {literal(str(folder / DATABASE))} as release "
                "(storage_version 'v1.0.0')"
            )
            connection.execute("create schema release.satisfaction")
            connection.execute(
                f"create table release.{MART} as from candidate.{MART} order by all"
            )
            connection.execute(
                f"copy release.{MART} to {literal(str(folder / SPIKES))} "
                "(format parquet)"
            )
            (rows,) = fetch_row(connection, f"select count(*) from release.{MART}")
        manifest = {
            "release_id": release_id,
            "run_id": run.run_id,
            "company": run.company.name,
            "as_of_at": look.at.isoformat() + "Z",
            "published_at": now.isoformat(timespec="microseconds") + "Z",
            "compared_with": look.release.name,
            # NULL: it could not be pulled, so that its newest rows are not in here.
            "delivered_at": {
                name: came and came.delivered_at.isoformat() + "Z"
                for name, came in fresh.items()
            },
            "rows": rows,
            "files": {
                str(path): sha256(folder / path) for path in (Path(DATABASE), SPIKES)
            },
        }
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=2))
        seal(folder)
    return manifest
