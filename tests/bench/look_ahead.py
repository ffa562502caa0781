"""Marts of a day on all data, against marts on data that end on that day.

    PYTHONPATH=plugins:. .venv/bin/python -m tests.bench.look_ahead demo 2024-12-31

pulls the company whole, and once more until each day named. Of both, all marts are
built as of that day; each must be the same, row for row. A table that is delivered
whole holds only what is known today, so that both builds read the newest one. What came
late is in the first build and not in the second: name days of which all came by then.
The last line says yes or no. What lies below $KITH_HOME/bench is not pulled again.
"""

import datetime as dt
import shutil
import sys
from pathlib import Path
from unittest.mock import patch

import duckdb

from kith.admit.table import admit_table
from kith.build import control_tables
from kith.build.candidate import build
from kith.company.folder import PUBLISHED_SCHEMAS, Company, load_company
from kith.pull.table import pull_table
from kith.runs.run import Interval, Run
from kith.runs.source_systems import keys_of
from kith.settings import REPOSITORY, load_settings

# What it says of runs and deliveries differs, since these differ.
COMPARED = [schema for schema in PUBLISHED_SCHEMAS if schema != "operations"]


def pulled(company: Company, to_day: dt.date, home: Path) -> Run:
    """A run of all days until this one, of which all tables are admitted."""
    run = Run(company, Interval(company.first_day, to_day), f"until_{to_day}", home)
    if not (home / "is_pulled").exists():
        for table in company.sources:
            pull_table(run, table.full_name)
            admit_table(run, table.full_name)
        (home / "is_pulled").touch()
    return run


def share_whole_tables(whole: Run, cut: Run) -> None:
    """Give `cut` the deliveries of `whole` of tables that are delivered whole."""
    for table in whole.company.sources:
        if table.rules.cursor is None:
            target = cut.admitted(table.full_name)
            shutil.rmtree(target)
            shutil.copytree(whole.admitted(table.full_name), target)


def built_as_of(run: Run, day: dt.date) -> Path:
    """The warehouse of this run as it would have been built on a day."""
    with patch.object(control_tables, "as_of_date", lambda run: day):
        build(run)
    return run.warehouse


def differences(whole: Path, cut: Path) -> dict[str, tuple[int, int]]:
    """Of each mart: rows that only the one has, and only the other."""
    with duckdb.connect() as connection:
        connection.execute(f"attach '{whole}' as whole (read_only)")
        connection.execute(f"attach '{cut}' as cut (read_only)")
        marts = connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables() "
            "where database_name = 'whole' and schema_name in (select unnest(?)) "
            "order by all",
            [COMPARED],
        ).fetchall()

        def only_in(one: str, other: str, mart: str) -> int:
            (count,) = connection.execute(
                f"select count(*) from "
                f"(from {one}.{mart} except all from {other}.{mart})"
            ).fetchone()
            return int(count)

        return {
            mart: (only_in("whole", "cut", mart), only_in("cut", "whole", mart))
            for (mart,) in marts
        }


def main() -> None:
    name, *days = sys.argv[1:]
    company = load_company(REPOSITORY / "companies" / name)
    if company.last_day is None or not days:
        sys.exit("name a company whose data have ended, and days")
    home = load_settings().home / "bench" / f"look_ahead_{name}"
    is_equal = True
    with keys_of(company, home / "whole"):
        whole = pulled(company, company.last_day, home / "whole")
        for day in map(dt.date.fromisoformat, days):
            cut = pulled(company, day, home / f"until_{day}")
            share_whole_tables(whole, cut)
            found = differences(built_as_of(whole, day), built_as_of(cut, day))
            differing = {mart: rows for mart, rows in found.items() if any(rows)}
            print(f"{name}, {day}: {len(found)} marts, differ: {differing or 'none'}")
            is_equal = is_equal and not differing
    print("yes" if is_equal else "no")
    sys.exit(not is_equal)


if __name__ == "__main__":
    main()
