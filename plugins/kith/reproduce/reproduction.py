"""Make a run again, from what it took to where it failed, and show the failing rows."""

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kith.admit.table import admit_table
from kith.build.candidate import build
from kith.company.folder import Company
from kith.errors import ConfigurationError, one_line
from kith.gate.audit import audit
from kith.publish.release import publish
from kith.reproduce.failing_rows import (
    of_admission,
    of_build,
    of_gate,
)
from kith.reproduce.scratch import Scratch, lay_scratch
from kith.runs.journal import Journal
from kith.runs.provenance import Provenance, code_hash, git_commit, provenance_of
from kith.runs.run import Interval, Run, folder_name
from kith.runs.source_systems import keys_of

_STAGES = ("admit", "build", "audit", "publish")
_LISTED = 5


@dataclass(frozen=True)
class Reproduction:
    """What came of it.

    `lines` are to be shown; `database` is a DuckDB file to look further in, if there is
    one. `is_reached` says that the run failed again where it had failed.
    """

    lines: list[str]
    database: Path | None
    is_reached: bool


def reproduce(
    company: Company, home: Path, run_id: str | None, say: Callable[[str], Any] = print
) -> Reproduction:
    """Make a failed run of a company again in a scratch home below `home`.

    `run_id` is Airflow's or the name of the run's folder; `say` is told of each step.
    Raises ConfigurationError where there is no such run, where it did not fail, where
    it failed before anything was pulled, or where raw attempts of it are gone.
    """
    then = _find(company, home, run_id)
    note = provenance_of(then.run_folder)
    stage, item, reason = _failure(then)
    for line in _told_of(note, stage, item, reason):
        say(line)
    scratch = lay_scratch(then, item if stage == "admit" else None)
    say(f"  in        {scratch.folder}")
    stopped = _run_stages(scratch, stage, note, say)
    if stopped is None:
        return Reproduction(
            [f"Not reproduced: {stage} {item}".rstrip() + " passes now"],
            scratch.run.warehouse if scratch.run.warehouse.is_file() else None,
            is_reached=False,
        )
    at, name, error = stopped
    lines = [f"Stopped: {f'{at} {name}'.strip()}: {one_line(str(error))}"]
    database = None
    if at == "admit":
        shown, database = of_admission(scratch, name)
        lines += shown
    elif at == "build":
        shown, database = of_build(scratch.run)
        lines += shown
    elif at == "audit":
        shown, database = of_gate(scratch.run)
        lines += shown
    return Reproduction(lines, database, is_reached=(at, name) == (stage, item))


def _find(company: Company, home: Path, run_id: str | None) -> Run:
    runs = home / company.name / "runs"
    interval = Interval(company.first_day, company.first_day)
    if run_id and (runs / folder_name(run_id)).is_dir():
        return Run(company, interval, run_id, home)
    failed = sorted(
        (path for path in runs.glob("[!.]*") if _has_failed(path)),
        key=lambda path: path.stat().st_mtime,
        reverse=True,
    )
    named = ", ".join(path.name for path in failed[:_LISTED]) or "none"
    asked = f"no run {run_id}" if run_id else "which run? Give RUN="
    raise ConfigurationError(f"{runs}: {asked}; the last that failed: {named}")


def _has_failed(run_folder: Path) -> bool:
    journal = Journal(run_folder)
    list(journal.new_entries())
    return bool(journal.failed() or journal.under_way())


def _failure(run: Run) -> tuple[str, str, str]:
    """Stage, item and reason of where a run failed, or of where it was killed."""
    journal = Journal(run.run_folder)
    entries = list(journal.new_entries())
    failed = journal.failed()
    if not failed:
        open_stages = journal.under_way()
        if not open_stages:
            raise ConfigurationError(
                f"{run.run_folder.name}: the run did not fail; there is nothing to "
                "reproduce"
            )
        stage, _, item = open_stages[0].partition(" ")
        failed = [{"stage": stage, "item": item, "reason": "the run was killed"}]
    first = failed[0]
    if first["stage"] == "serve":
        raise ConfigurationError(
            f"{run.run_folder.name}: it failed in serve, after its release was "
            f"published: {one_line(first['reason'])}; mend that, then make serve"
        )
    if first["stage"] == "approve":
        raise ConfigurationError(
            f"{run.run_folder.name}: it waits for a person: {one_line(first['reason'])}"
        )
    if first["stage"] not in _STAGES:
        known = any(entry["stage"] == "plan" for entry in entries)
        raise ConfigurationError(
            f"{run.run_folder.name}: it failed in {first['stage']} {first['item']}, "
            f"before anything was stored{'' if known else ' or planned'}: "
            f"{one_line(first['reason'])}; mend that and run these days again"
        )
    return first["stage"], first["item"], one_line(first["reason"])


def _told_of(note: Provenance, stage: str, item: str, reason: str) -> Iterator[str]:
    yield f"Run {note.run_id} of {note.company}, {note.from_day} to {note.to_day}"
    yield f"  failed    {f'{stage} {item}'.strip()}: {reason}"
    if note.code != code_hash():
        then = f"commit {note.git_commit}" if note.git_commit else f"code {note.code}"
        now = git_commit() or code_hash()
        yield (
            f"  code      differs: then {then}, with or without uncommitted changes, "
            f"now {now}; what failed then may pass now"
        )
        if note.git_commit:
            yield f"            git worktree add ../then {note.git_commit} lays it out"


def _run_stages(
    scratch: Scratch, stage: str, note: Provenance, say: Callable[[str], Any]
) -> tuple[str, str, Exception] | None:
    """Run the stages up to one; returns where it stopped, if it did."""
    run = scratch.run
    for table, slug, attempt in scratch.to_admit:
        say(f"  admit     {table} of {slug}, pulled {attempt}")
        scratch.link(table, slug, attempt)
        of_interval = dataclasses.replace(run, interval=Interval.from_slug(slug))
        try:
            admit_table(of_interval, table)
        except Exception as error:
            return "admit", table, error
    # Where the company's own source systems announce the key, they still do.
    company = run.company.model_copy(update={"folder": note.company_folder})
    for name, call in (
        ("build", build),
        ("audit", audit),
        ("publish", publish),
    ):
        if _STAGES.index(name) > _STAGES.index(stage):
            return None
        say(f"  {name}")
        try:
            with keys_of(company, scratch.then.home):
                call(run)
        except Exception as error:
            return name, "", error
    return None
