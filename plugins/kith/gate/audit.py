"""The gate: Great Expectations decides whether the candidate may be published.

Suites are Python modules `expectations/{marts,feeds}/<table>.py` that hold
`EXPECTATIONS`, a list of expectations with `description` and `severity`; a company
adds its own under `<company>/expectations/`. A failed critical check, a check that
broke, and a mart or feed that nothing checked stop the publication; failed warnings go
out with the data.
"""

import json
import shutil
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from kith.build.engines import candidate_state
from kith.database import connect, fetch_row, literal
from kith.gate.checks import Check, check_tables, failures, stops
from kith.gate.suites import load_suites
from kith.gate.summary import first_keys, stop_unless_passed, write_summary
from kith.gate.tables import list_tables
from kith.runs.run import Run
from kith.storage import sha256_of


def audit(run: Run) -> None:
    """Check feeds and marts of the candidate; on success write the permit to publish.

    Raises GateError when critical checks failed, BrokenCheckError when a check could
    not be executed. The results are kept either way.
    """
    with run.stage("audit") as figures, run.writer_lock():
        permit_path(run).unlink(missing_ok=True)
        suites = load_suites(run.company.folder)
        checks = check_tables(run, list_tables(run), suites)
        warnings = failures(checks, "warning")
        summary = _record(run, checks)
        figures.update(Counter(check.outcome for check in checks))
        figures["warnings"] = len(warnings)
        failed_checks_path(run).write_text(
            json.dumps([asdict(check) for check in stops(checks)], default=str),
            encoding="utf-8",
        )
        stop_unless_passed(run, checks, summary)
        permit = {
            "run_id": run.run_id,
            "candidate": fingerprint(run),
            "passed": sum(check.outcome == "passed" for check in checks),
            "failed_warnings": [
                f"{c.table_name}: expected '{c.expectation}', found {c.observed}"
                + first_keys(c)
                for c in warnings
            ],
        }
        permit_path(run).write_text(json.dumps(permit, indent=2), encoding="utf-8")


def permit_path(run: Run) -> Path:
    """Written when the gate passed; publish() demands it."""
    return run.run_folder / "gate_passed.json"


def failed_checks_path(run: Run) -> Path:
    """Checks that stopped a run, each with the SQL of its failing rows, as JSON."""
    return run.run_folder / "failed_checks.json"


def fingerprint(run: Run) -> str:
    """Changes with the state of the candidate's files."""
    return sha256_of(str(candidate_state(run)))


def _record(run: Run, checks: list[Check]) -> Path:
    """Keep the results: in the candidate, in the history, and to be read."""
    rows = [{"run_id": run.run_id, **asdict(check)} for check in checks]
    for row in rows:
        del row["cure"], row["query"]
    history = run.folder / "history" / "gate_results" / f"{run.run_folder.name}.parquet"
    results = run.run_folder / "gate_results.parquet"
    history.parent.mkdir(parents=True, exist_ok=True)
    with connect(run.warehouse, scratch=run.folder / "scratch") as warehouse:
        # The table of earlier results has the right columns and types.
        warehouse.execute("create temp table results as from kith.gate_results limit 0")
        warehouse.executemany(
            f"insert into results ({', '.join(rows[0])}) "
            f"values ({', '.join('?' * len(rows[0]))})",
            [list(row.values()) for row in rows],
        )
        warehouse.execute(f"copy results to {literal(str(results))} (format parquet)")
        (as_of,) = fetch_row(warehouse, "select as_of_date from kith.run")
        # A task that is tried again replaces what it wrote.
        warehouse.execute(
            "delete from operations.gate_results where run_id = ?", [run.run_id]
        )
        warehouse.execute(
            "insert into operations.gate_results by name "
            "select *, cast(? as date) as as_of_date from results",
            [as_of],
        )
    shutil.copy(results, history.with_suffix(".tmp"))
    history.with_suffix(".tmp").replace(history)
    return write_summary(run, checks, as_of)
