"""Reach: rows before the company's first day or after its last, which no run takes."""

from kith.company.folder import Company
from kith.company.tables import SourceTable
from kith.deliveries.raw import Manifest, UnreachedRows

_FILES_NAMED = 3


def unreached_rows(
    company: Company, table: SourceTable, manifest: Manifest
) -> list[str]:
    """What to warn of, file by file."""
    found = [(file.origin, file.unreached) for file in manifest.files if file.unreached]
    found.sort(key=lambda pair: -pair[1].rows)
    days = f"first_day {company.first_day}"
    if company.last_day:
        days += f" to last_day {company.last_day}"
    warnings = []
    for origin, unreached in found[:_FILES_NAMED]:
        cure = "if they count, widen these days"
        if unreached.placeholders:
            cure = f"{_placeholders(unreached)}; {cure}"
        span = " to ".join(map(str, sorted({unreached.from_day, unreached.to_day})))
        warnings.append(
            f"{table.full_name}: {origin}: {unreached.rows} rows of {span} lie outside "
            f"of {days} in company.yml, so that no run takes them; {cure}"
        )
    if more := found[_FILES_NAMED:]:
        rows = sum(unreached.rows for _, unreached in more)
        warnings.append(
            f"{table.full_name}: {rows} such rows in {len(more)} more files"
        )
    return warnings


def _placeholders(unreached: UnreachedRows) -> str:
    rows = sum(unreached.placeholders.values())
    days = ", ".join(map(str, sorted(unreached.placeholders)))
    return (
        f"{rows} of them are of {days}, which looks like a placeholder for a day that "
        "is not known: have the source leave it empty"
    )
