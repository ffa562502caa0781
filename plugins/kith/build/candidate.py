"""Build the candidate: lay the admitted data before dbt, then run dbt once.

The warehouse file is made anew in each run. Nothing of a run that failed, or that
the gate refused, can leak into the next one, and a killed build leaves nothing to
clean up.
"""

from kith.build.dbt import dbt, results_of
from kith.build.warehouse import prepare_warehouse
from kith.runs.run import Run


def build(run: Run) -> None:
    """Build all feeds, facts and marts of the candidate and run their tests.

    Unit tests of the SQL are left to `make test`: their result cannot change with
    the data.
    """
    with run.stage("build") as figures, run.writer_lock() as lock:
        dbt(
            run,
            *("build", "--exclude-resource-type", "unit_test"),
            prepare=prepare_warehouse,
            pass_fds=(lock,),
        )
        results = results_of(run)
        figures["models"] = sum(r["unique_id"].startswith("model.") for r in results)
        figures["tests"] = sum(r["unique_id"].startswith("test.") for r in results)
