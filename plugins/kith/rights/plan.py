"""What an erasure is to do: written down before it begins, and shown beforehand."""

import datetime as dt
import json
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from kith.deliveries.persons import Staged
from kith.errors import ConfigurationError
from kith.pull.suppression import read_entries
from kith.rights.findings import Findings, find
from kith.rights.readable import readable
from kith.rights.request import Request, resolve
from kith.rights.staging import staged
from kith.runs.run import Run

# Beside the plan, in the company's state: what is done of it.
LOG = "erasing.log"
_Columns = dict[str, dict[str, list[str]]]


class Plan(BaseModel):
    """All that is to be done; it holds the person, and goes when it is done.

    `own` are tokens of each person, `tokens` those of all their rows; `written` the
    values as people wrote them. What is done stands in a log beside it (`Progress`).
    """

    begun_at: dt.datetime
    own: list[list[str]]
    tokens: list[str]
    identifiers: list[tuple[str, str]]
    person_ids: list[str]
    records: list[tuple[str, str]]
    refused: list[str]
    written: list[str]
    staged: Staged
    entries: list[int] = []
    shared: dict[str, int] = {}


class Progress:
    """What went so far, a line each, so that a kill loses no number; names nobody."""

    def __init__(self, state: Path) -> None:
        self._path = state / LOG
        self.counts: dict[str, int] = {}
        self.releases: dict[str, dict[str, Any]] = {}
        self.deleted: set[str] = set()
        if not self._path.is_file():
            return
        for line in self._path.read_text(encoding="utf-8").splitlines():
            with suppress(ValueError):  # What a full disk took of a line.
                self._take(json.loads(line))

    def add(self, entry: dict[str, Any]) -> None:
        """Note something."""
        self._take(entry)
        with self._path.open("a", encoding="utf-8") as log:
            log.write(json.dumps(entry) + "\n")

    def end(self) -> None:
        """Forget it, once it stands in the proof."""
        self._path.unlink(missing_ok=True)

    def _take(self, entry: dict[str, Any]) -> None:
        if "release_id" in entry:
            self.releases[f"{entry['of_watch']} {entry['release_id']}"] = entry
        elif "deleted" in entry:
            self.deleted.add(entry["deleted"])
        else:
            self.counts[entry["place"]] = entry["count"]


@dataclass(frozen=True)
class Preview:
    """What an erasure would do, for people; `plan` is None where nothing is held."""

    plan: Plan
    request: Request
    findings: Findings
    unread: list[str]

    def lines(self) -> list[str]:
        """The preview as lines, without a value of anybody."""
        kinds = Counter(kind for kind, _ in self.plan.identifiers)
        lines = [
            f"{len(self.request.persons)} "
            f"person{'s' if self.request.persons[1:] else ''}, known by "
            + (
                ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items()))
                or "nothing"
            )
        ]
        lines += [f"  {remark}" for remark in self.request.remarks]
        lines.append(f"  {'table':<32}{'raw':>9}{'admitted':>10}{'mentions':>10}")
        found = self.findings
        for name in sorted(found.raw | found.admitted | found.mentions):
            counts = (found.raw[name], found.admitted[name], found.mentions[name])
            if any(counts):
                lines.append(f"  {name:<32}" + "{:>9,}{:>10,}{:>10,}".format(*counts))
        lines += [
            f"  {len(values)} {kind} beside theirs belong to others, or to nobody, and "
            "stay"
            for kind, values in sorted(found.shared.items())
        ]
        lines += [
            f"  {model}: nobody can tell of which columns it makes identifiers; "
            "declare `identifies` for them in sources.yml"
            for model in self.unread
        ]
        return lines


def preview(run: Run, file: Path | None) -> Preview:
    """Find all that is held of the persons whom a file names.

    Raises ConfigurationError where something stored cannot be read.
    """
    with readable(run):
        return find_all(run, file)


def find_all(run: Run, file: Path | None) -> Preview:
    """What `preview` finds, where a caller looks after what cannot be read."""
    told, unread = staged(run.company, run.folder)
    told = _joined(told, read_entries(run.folder).staged)
    request = resolve(run, file, told)
    if not request.persons:
        raise ConfigurationError(
            f"{file}: no identifier in it names a person: {'; '.join(request.remarks)}"
        )
    own = [person.tokens for person in request.persons]
    found = find(run, set().union(*own), told)
    plan = Plan(
        begun_at=now(),
        own=[sorted(tokens) for tokens in own],
        tokens=sorted(found.tokens),
        identifiers=sorted({i for p in request.persons for i in p.identifiers}),
        person_ids=sorted({i for p in request.persons for i in p.person_ids}),
        records=sorted(found.records),
        refused=sorted(found.refused),
        written=sorted(request.written),
        staged=told,
        shared={kind: len(values) for kind, values in sorted(found.shared.items())},
    )
    return Preview(plan, request, found, unread)


def _joined(one: Staged, other: Staged) -> Staged:
    """What both tell: a model that told it may be gone, its rows are not."""

    def union(former: _Columns, latter: _Columns) -> _Columns:
        found: _Columns = {}
        for table, columns in [*former.items(), *latter.items()]:
            for column, told in columns.items():
                known = found.setdefault(table, {}).setdefault(column, [])
                known += [each for each in told if each not in known]
        return found

    return Staged(
        kinds=union(one.kinds, other.kinds),
        references=union(one.references, other.references),
    )


def now() -> dt.datetime:
    """The moment, in UTC and without a zone."""
    return dt.datetime.now(dt.UTC).replace(tzinfo=None)
