"""What a failure means for readers: which release they have, and how fresh it is."""

import datetime as dt
import json
from dataclasses import dataclass, replace
from pathlib import Path
from zoneinfo import ZoneInfo

from kith.company.folder import Company
from kith.company.promise import fresh_until, is_promised
from kith.runs.run import current_release


@dataclass(frozen=True)
class Standing:
    """What readers have at a moment.

    `is_fresh` is whether they have what they were promised, None where nothing is
    promised. `text` says all of it in a sentence.
    """

    release_id: str | None
    as_of_date: dt.date | None
    is_fresh: bool | None
    text: str


def standing(state: Path, company: Company | None, now: dt.datetime) -> Standing:
    """What readers of a company have; `state` is its folder in $KITH_HOME.

    The promise is unknown, and counts as none, without a company whose files can be
    read.
    """
    return _standing("Readers", *current_day(state / "published"), company, now)


def _standing(
    who: str,
    release: str | None,
    as_of: dt.date | None,
    company: Company | None,
    now: dt.datetime,
) -> Standing:
    promised = company is not None and is_promised(company, now)
    broken = False if promised else None
    if release is None:
        return Standing(None, None, broken, f"{who} have no release yet")
    text = f"{who} still have release {release}"
    if as_of is None:
        text += ", whose manifest.json cannot be read"
        return Standing(release, None, broken, text)
    text += f" of day {as_of}"
    if company is None or not promised:
        return Standing(release, as_of, None, text)
    until = fresh_until(company, as_of)
    if until is None:
        return Standing(release, as_of, True, f"{text}, the last one")
    is_fresh = now < until
    local = until.astimezone(ZoneInfo(company.time_zone))
    text += (
        f", within its promise until {local:%Y-%m-%d %H:%M}"
        if is_fresh
        else f", past its promise since {local:%Y-%m-%d %H:%M}"
    )
    return Standing(release, as_of, is_fresh, f"{text} ({company.time_zone})")


def current_day(published: Path) -> tuple[str | None, dt.date | None]:
    """Id and as-of date of the current release, as far as they can be read."""
    try:
        release = current_release(published)
        if release is None:
            return None, None
        manifest = json.loads((published / release / "manifest.json").read_text())
        return release, dt.date.fromisoformat(manifest["as_of_date"])
    except (OSError, ValueError, KeyError, TypeError):
        return current_release(published), None


# --- on PostgreSQL --------------------------------------------------------------------


def standing_on_postgres(
    state: Path, company: Company | None, now: dt.datetime
) -> Standing:
    """What readers on PostgreSQL have; the text says what those of files have too."""
    found = _standing("Readers on PostgreSQL", *served_day(state), company, now)
    release, as_of = current_day(state / "published")
    files = f"; readers of files have release {release} of day {as_of}"
    return replace(found, text=found.text + files if release else found.text)


def note_served(state: Path, release_id: str, as_of: dt.date) -> None:
    """Remember which release PostgreSQL serves, for when it cannot be asked."""
    path = _served(state)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(
        json.dumps({"release_id": release_id, "as_of_date": as_of.isoformat()})
    )
    unfinished.replace(path)


def served_day(state: Path) -> tuple[str | None, dt.date | None]:
    """Id and as-of date of the release that PostgreSQL was last told to serve."""
    try:
        note = json.loads(_served(state).read_text())
        return note["release_id"], dt.date.fromisoformat(note["as_of_date"])
    except (OSError, ValueError, KeyError, TypeError):
        return None, None


def _served(state: Path) -> Path:
    return state / "history" / "served.json"
