"""A failure as an incident tells of it: what is broken, why, and what to do."""

import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kith.company.folder import Company
from kith.errors import Evidence, FailureClass, KithError
from kith.failures import explained, failure_class
from kith.incidents.texts import safe
from kith.runs.run import Interval
from kith.settings import REPOSITORY

# Who acts, and how. docs/failures.md has the same words.
CURES: dict[FailureClass, str] = {
    "transient": "Nobody, unless it lasts: run the task again.",
    "source_unavailable": "Who runs that system. Then clear the task.",
    "credentials": "Who keeps the connection (AIRFLOW_CONN_<ID> or Airflow's page), "
    "the key or the rights.",
    "contract": "Who delivers; or mend sources.yml and make replay COMPANY=<its "
    "folder>. Bad rows lie in quarantine.",
    "configuration": "Who wrote the company folder: mend the file that the error "
    "names.",
    "data_gate": "Read gate_summary.md of the run; mend source or staging, run again. "
    "Readers have the release before.",
    "approval": "Who answers for the numbers: read the list of changes that the error "
    "names, then approve or reject it on Airflow's page of the task, or make approve.",
    "broken_check": "Who wrote the expectation that the error names.",
    "resource": "Who runs the machine: the error names place, free bytes and setting. "
    "Never the supplier.",
    "overdue": "Who runs Airflow: see whether it runs, and what else is open; then "
    "make catch-up COMPANY=<its folder>.",
    "bug": "Report it, with the task's log.",
}
_FILE_OF_COMPANY = re.compile(r"\S+\.(?:yml|yaml|sql|py|csv)\b")


@dataclass(frozen=True)
class Failure:
    """A failure that no retry mended, without secrets and personal data.

    `stage` is the task, `item` the source table, if it is one's. `cause` is one
    sentence; `details` is what the message says beside it: what was found, what was
    expected, and mostly what to do.
    """

    stage: str
    item: str
    interval: Interval | None
    run_id: str
    failure_class: FailureClass
    cause: str
    details: str
    evidence: Evidence

    @property
    def key(self) -> str:
        """What makes failures one incident: the class and the thing that is broken."""
        return f"{self.failure_class}: {self.evidence.thing}"


def describe(
    error: BaseException,
    stage: str,
    item: str = "",
    interval: Interval | None = None,
    run_id: str = "",
    company: Company | None = None,
    hide: Callable[[str], str] = str,
) -> Failure:
    """Any error as a failure; `hide` leaves out further secrets of a text.

    Of an error that is not ours and that nobody knows only its kind and its place in
    the code are told, since its message may hold anything; the task's log has it.
    """
    kind, known = failure_class(error), explained(error)
    if known:
        cause, _, details = str(known).partition("; ")
        details = "; ".join([details, *getattr(error, "__notes__", ())]).strip("; ")
        evidence = known.evidence
    else:
        cause = f"{type(error).__name__} in {_place(error)}"
        details = "its message stands in the task's log"
        evidence = Evidence()
    thing = evidence.thing or _thing(known, kind, stage, item, company) or cause

    def clean(text: str, of: FailureClass = kind) -> str:
        return safe(hide(text), of)

    return Failure(
        stage=stage,
        item=item,
        interval=interval,
        run_id=run_id,
        failure_class=kind,
        cause=clean(cause),
        details=clean(details),
        evidence=Evidence(
            thing=clean(thing),
            rows=clean(evidence.rows),
            file=clean(evidence.file),
            # Its quotation marks hold names of files and columns.
            query=clean(evidence.query, "data_gate"),
        ),
    )


def _thing(
    known: KithError | None,
    kind: FailureClass,
    stage: str,
    item: str,
    company: Company | None,
) -> str:
    """What is broken, where the error itself does not say it.

    A source system that cannot be reached, or does not let us in, is one thing for all
    its tables; a file of the company for all tasks that read it; anything else is the
    table or the task. "" for a bug, which is where it is in the code.
    """
    if kind == "bug" and known is None:
        return ""
    if kind in ("source_unavailable", "credentials") and item:
        return _source(company, item)
    if kind == "configuration":
        found = _FILE_OF_COMPANY.match(str(known).partition("; ")[0])
        return found[0].rstrip(":") if found else item or stage
    return item or stage


def _source(company: Company | None, table: str) -> str:
    """The connection that a table is pulled by, or its source where it has none."""
    rules = (
        next((each.rules for each in company.sources if each.full_name == table), None)
        if company
        else None
    )
    if rules and rules.connection:
        return f"connection {rules.connection}"
    return f"source {table.partition('.')[0]}"


def _place(error: BaseException) -> str:
    """Where in our code an error was raised, without the line, which editing moves."""
    ours = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(REPOSITORY / "plugins")
    ]
    if not ours:
        return "code that is not Kith's"
    file = Path(ours[-1].filename).relative_to(REPOSITORY)
    return f"{file} ({ours[-1].name})"
