"""What the gate says: a page about the run, and the sentence that stops it."""

import datetime as dt
import json
import re
from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import Any

from kith.build.failing_rows import in_words
from kith.build.providers import providers_of
from kith.company.folder import Company
from kith.errors import BrokenCheckError, GateError, one_line
from kith.gate.checks import Check, failures, stops
from kith.gate.tables import FEED_SCHEMA
from kith.runs.run import Run

_OUTCOMES = ("passed", "failed", "broken", "not_applicable")


def write_summary(run: Run, checks: list[Check], as_of: dt.date) -> Path:
    """Write the page, in Markdown; returns its path."""
    stopping, warnings = stops(checks), failures(checks, "warning")
    verdict = (
        f"stopped by {_count(stopping, 'check')}; `current` is unchanged"
        if stopping
        else "passed" + (f" with {_count(warnings, 'warning')}" if warnings else "")
    )
    lines = [
        f"# Gate: {verdict}",
        "",
        f"Company {run.company.name}, run `{run.run_id}`, data as of {as_of}.",
        "",
    ]
    for title, group in (("Stopped by", stopping), ("Warnings", warnings)):
        if group:
            lines += [f"## {title}", ""]
            lines += [line for check in group for line in _describe(check)]
            lines.append("")
    lines += [
        "## All checks",
        "",
        "| table | rows | passed | failed | broken | not applicable |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, found in groupby(checks, key=lambda check: check.table_name):
        group = list(found)
        counts = Counter(check.outcome for check in group)
        rows = max(check.row_count or 0 for check in group)
        cells = [name, rows, *(counts[outcome] for outcome in _OUTCOMES)]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    path = run.run_folder / "gate_summary.md"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def stop_unless_passed(run: Run, checks: list[Check], summary: Path) -> None:
    """Raise the error that names the first check that forbids publication."""
    stopping = stops(checks)
    if not stopping:
        return
    first = stopping[0]
    kind, verb = (
        (BrokenCheckError, "could not be executed")
        if first.outcome == "broken"
        else (GateError, "failed")
    )
    more = f"; and {_count(stopping[1:], 'more check')}" if stopping[1:] else ""
    raise kind(
        f"{first.table_name}: '{first.expectation}' {verb}{_found(first)}"
        f"{first_keys(first)}{more}{_cure(run.company, first)}; see {summary}; "
        "`current` is unchanged"
    ).showing(
        thing=f"{first.table_name}: {first.expectation}",
        rows=f"{_found(first).removeprefix(': ')}{first_keys(first)}",
        file=str(summary),
        query=first.query or "",
    )


def first_keys(check: Check) -> str:
    """The keys of the first failing rows, where they are known."""
    return f", first: {in_words(json.loads(check.sample))}" if check.sample else ""


def _found(check: Check) -> str:
    count, observed = check.unexpected_count, one_line(check.observed or "")
    if count is None:
        return f": observed {observed}" if observed else ""
    if observed in (f"{count} rows", f"{count} of {check.row_count} values"):
        return f": {count} of {check.row_count} rows"
    if observed.startswith(f"{count} of "):
        return f": {observed}, of {check.row_count} rows"
    return f": observed {observed} ({count} failing rows of {check.row_count})"


def _cure(company: Company, check: Check) -> str:
    """What to do about a feed; of a mart nobody but Kith's code is the author."""
    schema, _, feed = check.table_name.partition(".")
    models = providers_of(company, feed) if schema == FEED_SCHEMA else ""
    if not models or check.outcome == "broken":
        return ""
    cure = check.cure or "give what the check expects"
    return f"; have the source corrected, or let {models} {cure}"


def _describe(check: Check) -> list[str]:
    lines = [
        f"- **{check.table_name}: {check.expectation}** {check.outcome}",
        "  - observed: "
        + (_code(check.observed) if check.observed else "nothing was executed"),
    ]
    if check.column_name:
        lines.append(f"  - column: {check.column_name}")
    if check.unexpected_count is not None:
        lines.append(
            f"  - failing rows: {check.unexpected_count}; "
            f"rows of the table: {check.row_count}"
        )
    if check.sample:
        lines.append(f"  - sample: {_code(check.sample)}")
    return lines


def _code(text: str) -> str:
    """Values as code, in which Markdown and HTML mean nothing."""
    text = one_line(text)
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence} {text} {fence}" if "`" in text else f"`{text}`"


def _count(items: list[Any], noun: str) -> str:
    return f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"
