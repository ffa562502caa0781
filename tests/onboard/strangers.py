"""A stranger's files, and what was made of them."""

import datetime as dt
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import yaml

from kith.admit.table import admit_table
from kith.company.folder import load_company
from kith.onboard.scaffold import Scaffolded
from kith.pull.table import pull_table
from kith.runs.run import Run
from tests.conftest import new_run
from tests.one_table import admitted_sql

Make = Callable[..., Scaffolded]


def table(done: Scaffolded, name: str) -> dict[str, Any]:
    """A table as sources.yml declares it, its columns by name."""
    content = yaml.safe_load((done.folder / "sources.yml").read_text())
    (source,) = content["sources"]
    found = {each["name"]: each for each in source["tables"]}[name]
    columns = {each["name"]: each for each in found["columns"]}
    return {"meta": found["config"]["meta"], "columns": columns}


def kinds(done: Scaffolded, name: str) -> dict[str, str]:
    return {
        column: declared["data_type"]
        for column, declared in table(done, name)["columns"].items()
    }


def rules(done: Scaffolded, name: str, column: str) -> dict[str, Any]:
    declared = table(done, name)["columns"][column]
    return dict(declared.get("config", {}).get("meta", {}))


def doubts(done: Scaffolded, words: str) -> list[str]:
    return [doubt for doubt in done.doubts if words in doubt]


def admitted(done: Scaffolded) -> dict[str, tuple[int, int]]:
    """Rows admitted and quarantined of each table, through the real door."""
    company = load_company(done.folder)
    last = company.last_day or dt.date.today() - dt.timedelta(1)
    run = new_run(done.folder, company.first_day.isoformat(), last.isoformat())
    counts = {}
    for each in company.sources:
        pull_table(run, each.full_name)
        admit_table(run, each.full_name)
        counts[each.name] = (rows(run, each.full_name), refused(run, each.full_name))
    return counts


def rows(run: Run, name: str) -> int:
    return duckdb.sql(f"from {admitted_sql(run, name)}").count("*").fetchall()[0][0]


def refused(run: Run, name: str) -> int:
    path = run.quarantine(name) / run.interval.slug / "rows.parquet"
    return duckdb.sql(f"from '{path}'").count("*").fetchall()[0][0]


def write(path: Path, header: str, lines: Iterator[str] | list[str]) -> None:
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")


def shop(files: Path, orders: int = 300) -> None:
    """Customers, articles, and lines of orders without a table of orders."""
    draw = random.Random(3)
    write(
        files / "customers.csv",
        "customer_no,city,hobby,signup_date",
        [
            f"{n:04},{draw.choice(['Bonn', 'Köln'])},{draw.choice('AB')},"
            f"2023-0{n % 9 + 1}-01"
            for n in range(200)
        ],
    )
    write(
        files / "articles.csv",
        "article_no,description,unit_cost",
        [f"P{n},thing {n},{n}.10" for n in range(50)],
    )
    lines = []
    for n in range(orders):
        day = dt.date(2024, 1, 12) + dt.timedelta(n // 3)
        customer = f"{draw.randrange(200):04}"
        for article in draw.sample(range(50), 3):
            lines.append(
                f"R{n},{customer},{day} 12:0{n % 6}:00,P{article},{1 + n % 3},"
                f"{article + 1}.20"
            )
    write(
        files / "sales_lines.csv",
        "receipt_no,customer_no,sold_at,article_no,qty,unit_price",
        lines,
    )
