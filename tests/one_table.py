"""A company of one source table, `shop.sales`, written by a test."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from kith.admit.table import admit_table
from kith.deliveries.admitted import DATA
from kith.deliveries.raw import newest_attempt
from kith.errors import DeliveryError
from kith.pull.table import pull_table
from kith.runs.run import Run
from tests.conftest import new_run

TABLE = "shop.sales"
COLUMNS: list[dict[str, Any]] = [
    {"name": "sale_id", "data_type": "varchar"},
    {"name": "sold_at", "data_type": "timestamp"},
    {
        "name": "quantity",
        "data_type": "bigint",
        "meta": {"required": True, "minimum": 0},
    },
    {"name": "price", "data_type": "decimal(18,2)"},
]
HEADER = "sale_id,sold_at,quantity,price"


def company(
    folder: Path,
    path: str = "data/sales.csv",
    columns: list[dict[str, Any]] | None = None,
    time_zone: str = "Europe/Paris",
    **meta: Any,
) -> Path:
    """Write company.yml and sources.yml; by default key sale_id and cursor sold_at.

    `quarantine_limit_rows` is 0, so that a share stops deliveries of few rows.
    """
    (folder / "data").mkdir(parents=True, exist_ok=True)
    (folder / "company.yml").write_text(
        yaml.safe_dump(
            {
                "name": "shop",
                "title": "Shop",
                "time_zone": time_zone,
                "currency": "EUR",
                "first_day": "2024-01-01",
                "feeds": {},
            }
        )
    )
    rules = {
        "connector": "files",
        "path": path,
        "key": ["sale_id"],
        "cursor": "sold_at",
        "quarantine_limit_rows": 0,
        **meta,
    }
    table = {
        "name": "sales",
        "config": {"meta": rules},
        "columns": [
            {
                "name": column["name"],
                "data_type": column["data_type"],
                "config": {"meta": column.get("meta", {})},
            }
            for column in columns or COLUMNS
        ],
    }
    sources = {"sources": [{"name": "shop", "tables": [table]}]}
    (folder / "sources.yml").write_text(yaml.safe_dump(sources))
    return folder


def sales(count: int) -> list[str]:
    """Clean CSV lines from 2024-03-01, four a day: 08:00, 12:00, 16:00, 20:00 UTC."""
    start = dt.datetime(2024, 3, 1)
    return [
        f"S{n:05},{start + dt.timedelta(days=n // 4, hours=8 + n % 4 * 4)},"
        f"{n % 5},{1 + n % 7}.50"
        for n in range(count)
    ]


def deliver(folder: Path, lines: list[str], name: str = "sales.csv") -> None:
    """Write a CSV delivery with its header."""
    (folder / "data" / name).write_text("\n".join([HEADER, *lines]) + "\n")


def run_door(
    folder: Path, from_day: str = "2024-03-01", to_day: str = "2024-12-31"
) -> Run:
    """Pull and admit the table for an interval."""
    run = new_run(folder, from_day, to_day)
    pull_table(run, TABLE)
    admit_table(run, TABLE)
    return run


def with_rules(column: str, data_type: str | None = None, **rules: Any) -> list[Any]:
    """The standard columns, one of them declared otherwise."""
    return [
        {
            **declared,
            "data_type": data_type or declared["data_type"],
            "meta": {**declared.get("meta", {}), **rules},
        }
        if declared["name"] == column
        else declared
        for declared in COLUMNS
    ]


def refusal(folder: Path) -> str:
    """Message with which the door refuses a delivery."""
    with pytest.raises(DeliveryError) as caught:
        run_door(folder)
    message = str(caught.value)
    assert "\n" not in message
    return message


def stored_rows(run: Run, columns: str = "*") -> list[tuple[Any, ...]]:
    folder, manifest = newest_attempt(run, TABLE)
    paths = [str(folder / file.stored) for file in manifest.files]
    return duckdb.sql(
        f"select {columns} from read_parquet({paths}, union_by_name = true) "
        "order by all"
    ).fetchall()


def admitted(run: Run, columns: str = "* exclude (loaded_at)") -> list[tuple[Any, ...]]:
    """Admitted rows, ordered."""
    rows = admitted_sql(run)
    return duckdb.sql(f"select {columns} from {rows} order by all").fetchall()


def admitted_sql(run: Run, table: str = TABLE) -> str:
    """SQL relation of the admitted rows of the run's interval."""
    folder = run.admitted(table) / run.interval.slug
    return f"'{folder / DATA}'"


def quarantined(run: Run, columns: str) -> list[tuple[Any, ...]]:
    """Quarantined rows in the order of the delivery."""
    path = run.quarantine(TABLE) / run.interval.slug / "rows.parquet"
    return duckdb.sql(
        f"select {columns} from '{path}' order by file, row_number"
    ).fetchall()


def report(run: Run) -> dict[str, Any]:
    """What admission reports of the interval."""
    path = run.admitted(TABLE) / run.interval.slug / "report.json"
    return dict(json.loads(path.read_text()))


def days(run: Run) -> dict[str, tuple[int, int, int]]:
    """Admitted, quarantined and duplicate rows of each day that has any."""
    path = run.admitted(TABLE) / run.interval.slug / "days.parquet"
    rows = duckdb.sql(
        "select cast(day as varchar), row_count, quarantined_count, duplicate_count "
        f"from '{path}'"
    )
    return {row[0]: row[1:] for row in rows.fetchall() if any(row[1:])}
