"""The gate where Spark has built: a process that has Spark judges the tables there."""

import json
import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

from kith.build.control_tables import LOGS
from kith.build.engines import (
    interpreter,
    is_thrift,
    spark_environment,
    spark_folder,
)
from kith.build.processes import follow, killed
from kith.errors import BrokenCheckError, KithError, ResourceError, TransientError
from kith.failures import lack_in
from kith.gate.tables import Table
from kith.runs.run import Run
from kith.settings import REPOSITORY, sealed_environment

# GX's results by `<schema>.<table>`, in the order of the table's suite; None for an
# expectation that is left to DuckDB.
OnSpark = dict[str, list[Any | None]]


def validate_on_spark(run: Run, tables: Sequence[Table]) -> OnSpark:
    """Check those of the tables that Spark has built.

    Left to DuckDB are the logs, to which Kith writes in the candidate after Spark, and
    all tables where DuckDB has built or Spark is a Thrift server: GX cannot read that.
    Raises TransientError where Spark is not there.
    """
    told = spark_environment(run)
    built = spark_folder(run) / "built"
    judged = [
        (table.kind, table.schema, table.name)
        for table in tables
        if table.name not in LOGS and (built / table.schema / table.name).is_dir()
    ]
    if not told or is_thrift(told) or not judged:
        return {}
    results = run.run_folder / "gate_spark.json"
    output = run.run_folder / "gate_spark.log"
    ordered = {
        "company": str(run.company.folder),
        "results": str(results),
        "tables": judged,
    }
    try:
        with output.open("a", encoding="utf-8", buffering=1) as log:
            process = _start(run, told)
            code = follow(process, log, lambda: _order(process, ordered))
        if code != 0:
            raise _failure(code, output.read_text(encoding="utf-8"), str(output))
        found = json.loads(results.read_text(encoding="utf-8"))
    finally:
        # Rows of queries stand there with all their columns, persons' included.
        results.unlink(missing_ok=True)
    return {
        name: [result and SimpleNamespace(**result) for result in of_table]
        for name, of_table in found.items()
    }


def _start(run: Run, told: dict[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        # -u: what it says last is why it ended.
        [interpreter(run.company), "-u", "-m", "kith.gate.gx_spark"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=sealed_environment(
            PYTHONPATH=str(REPOSITORY / "plugins"),
            # pyspark gives timestamps in the zone of its process.
            TZ="UTC",
            **told,
        ),
        cwd=run.folder,
    )


def _order(process: "subprocess.Popen[str]", ordered: dict[str, Any]) -> None:
    with suppress(BrokenPipeError):  # It ended already, and has said why.
        print(json.dumps(ordered), file=process.stdin, flush=True)


def _failure(code: int, said: str, output: str) -> KithError:
    """Why the process ended with a code that is not 0."""
    where = f" — full log: {output}"
    if error := killed("the gate on Spark", code, where):
        return error.showing(file=output)
    last = ([line for line in said.splitlines() if line.strip()] or ["no output"])[-1]
    if lack := lack_in(last):
        error = ResourceError(f"{lack}{where}", may_pass=lack.may_pass)
        return error.showing(thing=lack.evidence.thing, file=output)
    if code == os.EX_TEMPFAIL:
        return TransientError(
            f"the gate: Spark is not there, or went away: {last}; run it again{where}"
        ).showing(thing="Spark", file=output)
    return BrokenCheckError(f"the gate on Spark broke: {last}{where}").showing(
        thing="Spark", file=output
    )
