"""What tests do that break a model and mend it."""

from collections.abc import Callable
from pathlib import Path

from kith.admit.table import admit_table
from kith.pull.table import pull_table
from kith.runs.run import Run
from tests.conftest import new_run

MODELS = Path("models/marts")
MEND = "-- mended\n"


def edit(path: Path, change: Callable[[str], str]) -> None:
    path.write_text(change(path.read_text()))


def pulled(company: Path) -> Run:
    run = new_run(company)
    for stage in (pull_table, admit_table):
        for table in run.company.sources:
            stage(run, table.full_name)
    return run
