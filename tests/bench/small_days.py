"""Whether a handful of bad rows or orphans stops a run of a single day of the demo.

    PYTHONPATH=plugins:. .venv/bin/python -m tests.bench.small_days

takes 60 of the 731 days, at equal distances, each as the first run of a company would:
pull, admission and references of that day alone, in a state of its own below
$KITH_HOME/bench, which is removed. The source systems hold all days and run once. It
counts as well the days with a table of which more rows are refused than
`quarantine_limit_pct`: they went on because these are few, or still wait.
"""

import datetime as dt
import multiprocessing
import os
import shutil
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from kith.admit.table import admit_table
from kith.build.warehouse import prepare_warehouse
from kith.company.folder import Company, load_company
from kith.errors import KithError, one_line
from kith.pull.connections import environment_connection
from kith.pull.table import pull_table
from kith.runs.journal import Journal
from kith.runs.run import Interval, Run
from kith.runs.source_systems import source_systems
from kith.settings import REPOSITORY, load_settings, set_environment_variables

DAYS_TAKEN = 60


def sample(company: Company) -> list[dt.date]:
    """So many of the company's days, at equal distances, the first of them taken."""
    assert company.last_day
    length = (company.last_day - company.first_day).days + 1
    return [
        company.first_day + dt.timedelta(number * length // DAYS_TAKEN)
        for number in range(DAYS_TAKEN)
    ]


def judge_day(
    company: Company, home: Path, day: dt.date
) -> tuple[dt.date, list[str], list[str]]:
    """What stops a run of one day before its build, and its lines on refused rows.

    All tables are tried, though one that is stopped would end a real run; references
    are judged where none is. The state of the run is removed.
    """
    state = home / f"day_{day:%Y%m%d}"
    shutil.rmtree(state, ignore_errors=True)
    run = Run(company, Interval(day, day), "small_days", state)
    stops = []
    for table in company.sources:
        try:
            pull_table(run, table.full_name, environment_connection)
            admit_table(run, table.full_name)
        except KithError as error:
            stops.append(one_line(str(error)))
    if not stops:
        try:
            with run.writer_lock():
                prepare_warehouse(run)
        except KithError as error:
            stops.append(one_line(str(error)))
    journal = Journal(run.run_folder)
    list(journal.new_entries())
    shutil.rmtree(state)
    return day, stops, journal.refused()


def bench(home: Path, days: list[dt.date] | None = None, workers: int = 0) -> int:
    """Judge the days and print them; returns how many were stopped."""
    company = load_company(REPOSITORY / "companies" / "demo")
    days = days or sample(company)
    stopped, above = 0, 0
    largest = Counter[str]()
    with source_systems(company, home) as variables:
        set_environment_variables(variables)
        with ProcessPoolExecutor(
            workers or os.cpu_count(), multiprocessing.get_context("spawn")
        ) as pool:
            judge = partial(judge_day, company, home)
            for day, stops, refused in pool.map(judge, days):
                over = [line for line in refused if "over quarantine_limit" in line]
                stopped += bool(stops)
                above += bool(over)
                for line in over:
                    name, _, told = line.partition(": ")
                    count = int(told.split()[0].replace(",", ""))
                    largest[name] = max(largest[name], count)
                print(f"{day}  {'; '.join([*stops, *over]) or 'nothing'}", flush=True)
    print(
        f"\nof {len(days)} single days of the demo {stopped} are stopped; {above} have "
        "a table with more refused rows than its share, the most on one day: "
        + ", ".join(f"{name} {count}" for name, count in largest.most_common()),
        flush=True,
    )
    return stopped


if __name__ == "__main__":
    sys.exit(bool(bench(load_settings().home / "bench" / "small_days")))
