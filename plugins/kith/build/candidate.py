"""Build the candidate: lay the admitted data before dbt, then run dbt once.

The warehouse file is made anew, unless a build of the very same data failed: then the
next one goes on from there (`kith.build.unfinished`). Nothing else of a run that
failed, or that the gate refused, can leak into the next one, and a killed build leaves
nothing to clean up.
"""

import json
from functools import partial

from kith.build.dbt import dbt, results_of, target
from kith.build.model_runs import add_to_mart, record
from kith.build.spark_tables import bring_home, prepare_for_spark
from kith.build.unfinished import inputs_of, leave, remaining
from kith.build.warehouse import prepare_warehouse
from kith.deliveries.taken import note_admitted
from kith.errors import BuildError, ResourceError
from kith.runs.run import Run


def build(run: Run) -> None:
    """Build all models of the candidate and run their data tests.

    Two models at once share DuckDB's memory: where it does not hold both, each gets it
    alone.

    Unit tests of the SQL are left to `make test`: their result cannot change with
    the data.
    """
    with run.stage("build") as figures, run.writer_lock() as held:
        note_admitted(run)
        inputs = inputs_of(run)
        is_on_spark = run.company.engine == "spark"
        # Of what Spark has built nothing is kept: its tables end with its session.
        selection = [] if is_on_spark else remaining(run, inputs)
        one_by_one: list[str] = []
        while True:
            try:
                dbt(
                    run,
                    # An exposure is nothing to build; dbt would list it all the same.
                    *("build", "--exclude-resource-type", "unit_test"),
                    *("--exclude-resource-type", "exposure"),
                    *(("--select", *selection) if selection else ()),
                    *one_by_one,
                    prepare=prepare_for_spark
                    if is_on_spark
                    else partial(prepare_warehouse, keeps_models=bool(selection)),
                    pass_fds=held,
                )
                break
            except (BuildError, ResourceError) as error:
                record(run)
                if is_on_spark:
                    raise
                leave(run, inputs)
                if one_by_one or error.evidence.thing != "memory":
                    raise
                print(f"{error}\nWhat is left is built one model after the other.")
                one_by_one = ["--threads", "1"]
                selection = remaining(run, inputs)
        if is_on_spark:
            bring_home(run)
        record(run)
        add_to_mart(run)
        names = [result["unique_id"] for result in results_of(run)]
        figures["models"] = sum(name.startswith("model.") for name in names)
        figures["tests"] = sum(name.startswith("test.") for name in names)
        if selection:
            nodes = json.loads((target(run) / "manifest.json").read_text())["nodes"]
            all_models = sum(name.startswith("model.") for name in nodes)
            figures["models_kept"] = all_models - figures["models"]
