"""What readers of a company have now."""

import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kith.company.folder import Company
from kith.incidents.readers import standing
from kith.runs.run import current_release

_SHOWN = 5


@dataclass(frozen=True)
class Release:
    """A release as its manifest tells of it; `report` is the path of its page."""

    release_id: str
    as_of_date: str
    published_at: str
    gate: str
    report: str
    is_current: bool


def releases_of(state: Path) -> list[Release]:
    """The releases that are kept, the current one first, then the newest."""
    published = state / "published"
    current = current_release(published)
    found = [
        _release(path.parent, current)
        for path in published.glob("[0-9]*/manifest.json")
    ]
    known = [release for release in found if release]
    known.sort(key=lambda each: (each.is_current, each.published_at), reverse=True)
    return known[:_SHOWN]


def _release(folder: Path, current: str | None) -> Release | None:
    try:
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
        gate = manifest["gate"]
        page = folder / str(manifest.get("report") or "report/index.html")
        return Release(
            release_id=folder.name,
            as_of_date=str(manifest["as_of_date"]),
            published_at=str(manifest["published_at"])[:16].replace("T", " "),
            gate=f"{gate['passed']} passed, {gate['warnings']} warnings",
            report=str(page) if page.is_file() else "",
            is_current=folder.name == current,
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def readers_have(state: Path, company: Company | None) -> tuple[bool | None, str]:
    """Whether readers have what they were promised, None where that is unknown; why."""
    found = standing(state, company, dt.datetime.now(dt.UTC))
    return found.is_fresh, found.text
