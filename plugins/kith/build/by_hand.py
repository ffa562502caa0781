"""dbt on the last candidate, for whoever writes or mends a model."""

import sys

from kith.build.dbt import begin, failures_of, start, target
from kith.build.engines import candidate_state
from kith.build.unfinished import built_by_hand, left
from kith.company.folder import Company
from kith.database import connect
from kith.errors import BuildError
from kith.runs.run import Interval, Run
from kith.settings import load_settings

RUN_ID = "by hand"
# Commands whose results name all that they change.
NODES_ONLY = ("build", "run", "seed", "test")


def run_dbt(company: Company, arguments: list[str]) -> int:
    """Run one dbt command on the last candidate; returns its exit code.

    Its output goes where ours goes. A candidate that it changes belongs to no run any
    more: the gate and the publication refuse it, and the next build replaces it.
    """
    interval = Interval(company.first_day, company.first_day)
    run = Run(company, interval, RUN_ID, load_settings().home)
    with run.writer_lock() as held:
        if not run.warehouse.is_file():
            raise BuildError(
                f"{run.warehouse}: not found; let a run build a candidate first: "
                f"make run COMPANY={company.folder}"
            )
        before, unfinished = candidate_state(run), left(run)
        try:
            colors = "--use-colors" if sys.stdout.isatty() else "--no-use-colors"
            with start(run, colors, *arguments, pass_fds=held) as process:
                try:
                    begin(process)
                    process.wait()
                except BaseException:  # An interrupt.
                    process.kill()
                    process.wait()
                    raise
        finally:
            is_changed = candidate_state(run) != before
            if is_changed:
                _disown(run)
        if is_changed and unfinished and arguments[0] in NODES_ONLY:
            built_by_hand(run, unfinished)
    for failure in failures_of(run):
        print(f"  failed         {failure}")
    print(f"  candidate      {run.warehouse}")
    print(f"  compiled SQL   {target(run) / 'compiled'}")
    return process.returncode


def _disown(run: Run) -> None:
    with connect(run.warehouse, scratch=run.folder / "scratch") as warehouse:
        warehouse.execute("update kith.run set run_id = ?", [RUN_ID])
