"""Erase a person from all that Kith holds of a company, and keep them out.

First all that is to be done is written down (`erasing.json`), then an entry in
`suppressed.json`, then each place is made anew without them, and a proof is written.
Killed at any moment, the next call goes on with what was written down. Nothing in the
proof tells who it was.

What a run builds anew (the candidate, scratch, runs that were reproduced, what the
watch has pulled) goes whole; what it does not (raw, admitted and refused rows,
releases, logs) is written anew. Sources are not Kith's: the entry keeps out what they
still deliver.
"""

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
from pydantic import ValidationError

from kith.build.engines import spark_folder
from kith.database import connect
from kith.deliveries.raw import ERASING, KEYS, SUPPRESSED
from kith.errors import ConfigurationError
from kith.pull.connections import Connection
from kith.pull.pseudonyms import company_key, key_id
from kith.pull.suppression import Entry, digest, read_entries, write_entries
from kith.rights.exclusive import exclusive
from kith.rights.plan import LOG, Plan, Progress, find_all, now
from kith.rights.readable import readable
from kith.rights.releases import Known, Rewritten, erase_from_releases
from kith.rights.request import read_file
from kith.rights.rows import Rows
from kith.rights.traces import Traces, erase_from_file, files_of, holds_traces
from kith.runs.provenance import code_hash, git_commit
from kith.runs.run import Run, current_release
from kith.serve.serve import Served, serve
from kith.storage import replace_file

PROOFS = "erasures"
# What is written anew by its rows, not as text, or is no place of Kith's.
_BY_ROWS = ("raw", "admitted", "quarantine", "published")
_NOT_KITHS = ("source_systems",)
# As `replace_file` and its like name what they write; locks have other names.
_UNFINISHED = re.compile(r"\..+\.(parquet|json|new|[0-9]+)")
Logs = tuple[tuple[Path, str], ...]
FindConnection = Callable[[str], Connection]


def is_pending(run: Run) -> bool:
    """Whether an erasure was begun and has not ended."""
    return (run.folder / ERASING).is_file()


def erase(
    run: Run,
    file: Path | None,
    logs: Logs = (),
    say: Callable[[str], Any] = print,
    others: tuple[Path, ...] = (),
    find_connection: FindConnection | None = None,
) -> Path:
    """Erase the persons whom a file names, or go on with what was begun before.

    `logs` are folders of logs with the pattern of a company's; `others` are folders
    that are only searched. `find_connection` is needed where the company serves its
    releases from PostgreSQL. Returns the path of the proof. Raises TransientError
    while a run or another erasure is in progress.
    """
    with exclusive(run), readable(run):
        if is_pending(run):
            say("Going on with the erasure that was begun before; FILE is not read")
            plan = _pending(run)
        else:
            plan = find_all(run, file).plan
            company_key(f"{run.company.name}: ")
            _note(run, plan)
        return _Erasure(run, plan, logs, others, say, find_connection).run()


def is_left_out(run: Run, file: Path | None) -> bool:
    """Whether persons of a file are not erased, since another erasure has to end."""
    if file is None or not is_pending(run):
        return False
    try:
        asked = read_file(file, run.home)
    except ConfigurationError:
        return True
    return not {each.value for each in asked} <= {*_pending(run).written}


def _pending(run: Run) -> Plan:
    path = run.folder / ERASING
    try:
        return Plan.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError:  # It would quote values of the person.
        raise ConfigurationError(
            f"{path}: cannot be read, or another version of Kith wrote it; expected "
            "the plan of an erasure; remove it, and run make erase APPLY=yes again "
            "with the same FILE"
        ) from None


def _note(run: Run, plan: Plan) -> None:
    replace_file(run.folder / ERASING, plan.model_dump_json().encode(), mode=0o600)


class _Erasure:
    def __init__(
        self,
        run: Run,
        plan: Plan,
        logs: Logs,
        others: tuple[Path, ...],
        say: Callable[[str], Any],
        find_connection: FindConnection | None,
    ) -> None:
        self._run, self._plan, self._say = run, plan, say
        self._logs, self._others = logs, others
        self._find_connection = find_connection
        self._progress = Progress(run.folder)
        self._scratch = run.home / run.company.name / "scratch"
        # What stands for the person alone, wherever it stands …
        ids = {value for _, value in plan.identifiers} | set(plan.person_ids)
        hashes = {each for each in ids if len(each) in (32, 64)}
        names = {w for w in plan.written if "@" in w or w.startswith("+")}
        self._traces = Traces([*hashes, *names])
        # … also in texts, and what is looked for at the end …
        spoken = {w for w in ids | set(plan.written) if not w.isdigit() or len(w) > 7}
        self._looked_for = Traces([*hashes, *spoken])
        # … and keys of their rows, in texts.
        self._words = Traces(
            [*hashes, *ids, *plan.written, *(key for _, key in plan.records)]
        )

    def run(self) -> Path:
        """Do all of it; returns the path of the proof."""
        self._suppress()
        watch = replace(self._run, home=self._run.home / "watch")
        self._delete(*self._unfinished(self._run, watch))
        rows = Rows(self._run, self._plan, self._traces, self._scratch, self._count)
        for table in self._run.company.sources:
            rows.erase(table)
            self._say(f"  {table.full_name}")
        self._delete(
            *self._run.warehouse.parent.glob(f"{self._run.warehouse.name}*"),
            spark_folder(self._run),
            *self._run.folder.glob("scratch/*"),
            self._run.folder / ".trash",
            self._run.home / "reproduced" / self._run.company.name,
            *(
                watch.folder / name
                for name in ("raw", "admitted", "quarantine", "warehouse", "scratch")
            ),
        )
        known = Known(
            identifiers=set(self._plan.identifiers),
            person_ids=set(self._plan.person_ids),
            records=set(self._plan.records),
            refused=set(self._plan.refused),
        )
        for run in (self._run, watch):
            for done in erase_from_releases(
                run, known, self._traces, self._words, self._plan.entries
            ):
                self._say(f"  release {done.release_id} was written anew")
                self._progress.add(_of_release(run, done))
        self._erase_texts(watch)
        served = self._serve_anew()
        return self._prove(watch, served)

    # --- that nobody comes back -------------------------------------------------------

    def _suppress(self) -> None:
        if self._plan.entries:
            return
        key = company_key(f"{self._run.company.name}: ")
        held, name = read_entries(self._run.folder), key_id(key)
        held.staged = self._plan.staged
        numbers = [entry.number for entry in held.entries]
        proofs = (self._run.folder / PROOFS).glob("[0-9]*.json")
        # Who was erased again has further proofs, with the moment in their names.
        proven = (int(path.stem.partition("_")[0]) for path in proofs)
        number = max([*numbers, *proven], default=0)
        rest = set(self._plan.tokens).difference(*self._plan.own)
        entries = []
        for place, own in enumerate(self._plan.own):
            # Which row is whose of several persons, nobody asks any more.
            tokens = {*own, *(rest if place == 0 else ())}
            digests = sorted(digest(key, token) for token in tokens)
            known = next(
                (
                    e
                    for e in held.entries
                    if e.key_id == name and {*digests} <= {*e.digests}
                ),
                None,
            )
            if known is None:
                number += 1
                known = Entry(
                    number=number,
                    suppressed_at=self._plan.begun_at,
                    key_id=name,
                    digests=digests,
                )
                held.entries.append(known)
            entries.append(known.number)
        write_entries(self._run.folder, held)
        self._plan.entries = entries
        _note(self._run, self._plan)

    # --- what is no row ---------------------------------------------------------------

    def _delete(self, *paths: Path) -> None:
        for path in paths:
            if not path.exists():
                continue
            home = self._run.home
            shown = str(path.relative_to(home) if home in path.parents else path)
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
            self._progress.add({"deleted": shown})

    def _unfinished(self, *runs: Run) -> Iterator[Path]:
        """What was being written as a task or an erasure was killed; nothing is now."""
        for run in runs:
            for path in files_of(run.folder):
                if _UNFINISHED.fullmatch(path.name) and not (
                    {"published", "dbt", *_NOT_KITHS}
                    & {*path.relative_to(run.folder).parts}
                ):
                    yield path
        for folder, pattern in self._logs:
            yield from folder.glob(f".{pattern}.new")

    def _texts(self, watch: Run) -> Iterator[Path]:
        """Files that are no rows: journals, artifacts, histories, incidents, logs."""
        for state in (self._run.folder, watch.folder):
            kept = (*_BY_ROWS, *_NOT_KITHS, PROOFS, SUPPRESSED, KEYS)
            left_out = {state / name for name in kept}
            for path in sorted(state.glob("*")):
                own = path.name in (ERASING, LOG, "scratch")
                if path in left_out or own or path.is_symlink():
                    continue
                yield from files_of(path) if path.is_dir() else [path]
        for folder, pattern in self._logs:
            for path in sorted(folder.glob(pattern)):
                yield from files_of(path) if path.is_dir() else [path]

    def _erase_texts(self, watch: Run) -> None:
        with connect(scratch=self._scratch) as connection:
            for path in self._texts(watch):
                if erase_from_file(connection, path, self._traces, self._words):
                    shown = path.relative_to(self._run.home)
                    self._count(f"text {shown}", 1)

    # --- PostgreSQL -------------------------------------------------------------------

    def _serve_anew(self) -> Served | None:
        """Load the rewritten release, and drop the schemas of all others."""
        run = self._run
        if run.company.postgres is None or current_release(run.published) is None:
            return None
        if self._find_connection is None:
            raise ConfigurationError(
                f"{run.company.name}: it serves releases from PostgreSQL; expected its "
                "connection too"
            )
        served = serve(run, self._find_connection, kept_former=0)
        self._say(f"  PostgreSQL serves {served.release_id} anew")
        return served

    # --- proof ------------------------------------------------------------------------

    def _count(self, place: str, count: int) -> None:
        """Note what is about to go: before, so that a kill loses no number."""
        if count:
            self._progress.add({"place": place, "count": count})

    def _prove(self, watch: Run, served: Served | None) -> Path:
        """Search all once more, write the proof, and forget who it was."""
        run, plan = self._run, self._plan
        places = [run.folder, watch.folder, *self._others]
        searched, left = 0, []
        with connect(scratch=self._scratch) as connection:
            for path in files_of(*(place for place in places if place.is_dir())):
                if path.name == ERASING or set(path.parts) & set(_NOT_KITHS):
                    continue
                searched += 1
                try:
                    left += holds_traces(
                        connection, path, self._traces, self._looked_for
                    )
                except (OSError, duckdb.Error) as error:
                    left.append(f"{path}: cannot be read ({type(error).__name__})")
        if served is not None:
            left += [
                f"PostgreSQL: schema {each}, which somebody reads or has built on; "
                "have them let go, and erase the same persons again"
                for each in served.former
            ]
        home = str(run.home)
        removed: dict[str, dict[str, dict[str, int]]] = {}
        for place, count in self._progress.counts.items():
            kind, name, *_ = place.split(" ")
            of = removed.setdefault(kind, {}).setdefault(
                name if kind != "text" else "files", {"files": 0, "rows": 0}
            )
            of["files"] += 1
            of["rows"] += 0 if kind == "text" else count
        proof = {
            "company": run.company.name,
            "entries": plan.entries,
            "begun_at": f"{plan.begun_at.isoformat(timespec='seconds')}Z",
            "ended_at": f"{now().isoformat(timespec='seconds')}Z",
            "kith": {"git_commit": git_commit(), "code": code_hash()},
            "identifiers": dict(Counter(kind for kind, _ in plan.identifiers)),
            "removed": removed,
            "releases": [*self._progress.releases.values()],
            "deleted": sorted(self._progress.deleted),
            "shared_and_kept": plan.shared,
            "searched_files": searched,
            "left": [each.replace(home, "KITH_HOME") for each in left],
            "not_kiths": {
                table.full_name: table.rules.connector for table in run.company.sources
            },
            "served_anew": served and [served.release_id, served.schema],
        }
        path = run.folder / PROOFS / f"{plan.entries[0]:06}.json"
        path.parent.mkdir(mode=0o700, exist_ok=True)
        if path.exists():  # Who was erased before was looked for once more.
            path = path.with_stem(f"{path.stem}_{now():%Y%m%dT%H%M%S%f}")
        replace_file(path, json.dumps(proof, indent=2).encode(), mode=0o600)
        (run.folder / ERASING).unlink()
        self._progress.end()
        return path


def _of_release(run: Run, done: Rewritten) -> dict[str, Any]:
    return {
        "release_id": done.release_id,
        "of_watch": run.home.name == "watch",
        "is_current": done.is_current,
        "has_page": done.has_page,
        "rows": done.rows,
    }
