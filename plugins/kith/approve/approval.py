"""Whether the changed numbers of a candidate may be published, and who said so.

An approval counts for exactly one list of changes, by its hash, in whatever run it is
found: a list with one more number, or with another value, has to be approved anew.
"""

import datetime as dt
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError

from kith.approve.changes import Change, Number, digest_of, find_changes
from kith.approve.declarations import comparisons
from kith.approve.reasons import Reasons
from kith.company.restatement_limit import RestatementLimit
from kith.errors import ApprovalError, ConfigurationError, one_line
from kith.gate.audit import fingerprint
from kith.runs.run import Run, current_release

NOTE = "restatements.json"
_SHOWN = 20


class Restatement(Number):
    """A row of the mart, without the release: a number that changes, and why."""

    difference: Decimal
    change_pct: float
    reason: str
    is_beyond_limit: bool

    def line(self) -> str:
        """It in one line, for people."""
        told = json.loads(self.dimensions)
        parts = "".join(f", {name} {value}" for name, value in told.items())
        return (
            f"{self.mart}, {_period(self)}{parts}: {self.measure} "
            f"{_number(self.old_value)} -> {_number(self.new_value)} "
            f"({self.change_pct:,.1f} %, {self.reason})"
        )


class Restatements(BaseModel):
    """What a candidate changes of a release, the biggest change first.

    `release_id` is None before the first release. `digest` is the hash of the list of
    changes.
    """

    run_id: str
    release_id: str | None
    candidate: str
    digest: str
    changes: list[Restatement]

    @property
    def beyond(self) -> list[Restatement]:
        """Those beyond the limit."""
        return [each for each in self.changes if each.is_beyond_limit]


class Approval(BaseModel):
    """Who approved a list of changes, by its hash, and in which run they saw it."""

    digest: str
    by: str
    run_id: str
    at: dt.datetime


def compare(run: Run) -> Restatements:
    """Compare the candidate with the current release, and note what differs."""
    release_id = current_release(run.published)
    changes: list[Restatement] = []
    digest = digest_of([])
    if release_id is not None:
        release = run.published / release_id
        manifest = json.loads((release / "manifest.json").read_text(encoding="utf-8"))
        found = find_changes(
            release / "kith.duckdb",
            run.warehouse,
            dt.date.fromisoformat(manifest["as_of_date"]),
            comparisons(run),
            run.folder / "scratch",
        )
        digest = digest_of(found)
        if found:
            reasons = Reasons(run, release, manifest)
            changes = [
                _restatement(
                    run,
                    each,
                    reasons.of(each.mart, each.period_start, each.period_end),
                )
                for each in found
            ]
    restatements = Restatements(
        run_id=run.run_id,
        release_id=release_id,
        candidate=fingerprint(run),
        digest=digest,
        changes=changes,
    )
    run.run_folder.mkdir(parents=True, exist_ok=True)
    _write(note_path(run.run_folder), restatements)
    return restatements


def restatements_of(run: Run) -> Restatements:
    """What was noted, if candidate and release are still the same; else anew."""
    now = (current_release(run.published), fingerprint(run))
    with suppress(ConfigurationError):
        noted = noted_in(run.run_folder)
        if (noted.release_id, noted.candidate) == now:
            return noted
    return compare(run)


def noted_in(run_folder: Path) -> Restatements:
    """What a run has noted; raises ConfigurationError where it came not so far."""
    path = note_path(run_folder)
    try:
        return Restatements.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        raise ConfigurationError(
            f"{path}: not found, or of another version of Kith; expected a run whose "
            "candidate was compared with the release; run its days again"
        ) from None


def note_path(run_folder: Path) -> Path:
    """The file with all changes of a run."""
    return run_folder / NOTE


def is_beyond(change: Change, limit: RestatementLimit, minimum_answers: int) -> bool:
    """Whether a person has to approve the change of one number.

    A score of fewer than `minimum_answers` (company.yml) may change by anything.
    """
    size = abs(change.difference)
    match kind_of(change.measure):
        case "count":
            return change.change_pct > limit.change_pct and size > limit.minimum_count
        case "amount":
            return change.change_pct > limit.change_pct and float(size) > (
                limit.minimum_amount
            )
        case _:
            is_of_few = change.n is not None and change.n < minimum_answers
            return change.change_pct > limit.score_change_pct and not is_of_few


def kind_of(measure: str) -> Literal["count", "amount", "score"]:
    """What a measure is, as its name says."""
    if "_amount" in measure:
        return "amount"
    if measure == "n" or measure.endswith(("_count", "_size")):
        return "count"
    return "score"


@dataclass(frozen=True)
class Question:
    """What a person has to decide, until when, and the failure that it is till then.

    `text` is Markdown for a page.
    """

    text: str
    until: dt.datetime
    error: ApprovalError


def question(run: Run) -> Question | None:
    """What has to be asked before the candidate may be published, if anything."""
    found = restatements_of(run)
    if not found.beyond or approval_of(run.folder, found.digest):
        return None
    hours = run.company.restatement_limit.wait_hours
    until = dt.datetime.now(dt.UTC) + dt.timedelta(hours=hours)
    error = _error(
        run,
        found,
        f"the run waits until {until:%Y-%m-%d %H:%M} UTC; approve or reject it on "
        f"Airflow's page, Required Actions of the task approve; all changes stand in "
        f"{note_path(run.run_folder)}",
    )
    return Question(text=_asked(run, found), until=until, error=error)


def check_approved(run: Run) -> tuple[Restatements, str | None]:
    """What the candidate changes, and who has approved it, if somebody had to.

    Raises ApprovalError where nobody has.
    """
    found = restatements_of(run)
    approval = approval_of(run.folder, found.digest)
    if found.beyond and approval is None:
        raise unapproved_error(run, found)
    return found, approval.by if approval and found.beyond else None


def approval_of(state: Path, digest: str) -> Approval | None:
    """The approval of a list of changes; `state` is the company's folder."""
    path = _approval_path(state, digest)
    if not path.is_file():
        return None
    return Approval.model_validate_json(path.read_text(encoding="utf-8"))


def approve(state: Path, found: Restatements, by: str) -> Approval:
    """Keep that somebody approved a list of changes."""
    now = dt.datetime.now(dt.UTC)
    approval = Approval(digest=found.digest, by=by, run_id=found.run_id, at=now)
    path = _approval_path(state, found.digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, approval)
    return approval


# --- for people -----------------------------------------------------------------------


def unapproved_error(run: Run, found: Restatements, why: str = "") -> ApprovalError:
    """That a person has to decide, and how."""
    return _error(
        run,
        found,
        f"{why}read {note_path(run.run_folder)}, then make approve "
        f"COMPANY={run.company.folder} RUN={run.run_folder.name} and run the same days "
        "again; or mend what changed them",
    )


def rejected_error(run: Run, found: Restatements, by: str) -> ApprovalError:
    """That somebody does not want these numbers published."""
    return _error(
        run,
        found,
        f"{by} rejected them; readers keep the release before; mend what changed them "
        "and run the same days again",
    )


def late_error(run: Run, found: Restatements) -> ApprovalError:
    """That nobody has decided in time."""
    hours = run.company.restatement_limit.wait_hours
    return unapproved_error(
        run,
        found,
        f"nobody decided within {hours:g} hours (restatement_limit.wait_hours of "
        "company.yml); ",
    )


def _error(run: Run, found: Restatements, what_to_do: str) -> ApprovalError:
    beyond = found.beyond
    return ApprovalError(
        f"{len(beyond)} published numbers of closed periods change by more than "
        f"restatement_limit of company.yml; the biggest: {beyond[0].line()}; "
        f"{what_to_do}"
    ).showing(
        thing="published numbers",
        rows="; ".join(each.line() for each in beyond[:3]),
        file=str(note_path(run.run_folder)),
    )


def _asked(run: Run, found: Restatements) -> str:
    """The question in Markdown: the biggest changes, and how many more."""
    # As a list: Airflow's page runs the lines of a block of code together.
    told = [one_line(each.line()).replace("`", "'") for each in found.beyond[:_SHOWN]]
    others = len(found.changes) - len(told)
    more = f"\n\nand {others:,} more changed numbers." if others else ""
    return (
        f"{len(found.beyond):,} numbers that release {found.release_id} published of "
        "closed periods change by more than `restatement_limit` of company.yml. "
        "The biggest:\n\n"
        + "\n".join(f"- `{each}`" for each in told)
        + f"{more}\n\nAll stand in `{note_path(run.run_folder)}`. **Approve** "
        "publishes them, with a row for each in `operations.restatements`; **Reject** "
        "ends the run, and readers keep the release before."
    )


def _period(each: Restatement) -> str:
    start = each.period_start
    match each.period_grain:
        case "month":
            return f"{start:%Y-%m}"
        case "year":
            return f"{start:%Y}"
        case "quarter":
            return f"{start:%Y}-Q{(start.month + 2) // 3}"
        case "day":
            return f"{start}"
        case _:
            return f"{start} to {each.period_end}"


def _number(value: Decimal | None) -> str:
    if value is None:
        return "nothing"
    whole, _, places = f"{value:,.9f}".partition(".")
    places = places.rstrip("0")
    return f"{whole}.{places:<02}" if places else whole


def _restatement(run: Run, change: Change, reason: str) -> Restatement:
    number = {name: getattr(change, name) for name in Number.model_fields}
    limit, few = run.company.restatement_limit, run.company.minimum_answers
    return Restatement(
        **number,
        difference=change.difference,
        change_pct=change.change_pct,
        reason=reason,
        is_beyond_limit=is_beyond(change, limit, few),
    )


def _approval_path(state: Path, digest: str) -> Path:
    return state / "history" / "approvals" / f"{digest}.json"


def _write(path: Path, content: BaseModel) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(content.model_dump_json(indent=1), encoding="utf-8")
    unfinished.replace(path)
