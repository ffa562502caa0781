"""Where the files of a table lie: `path` of `sources.yml`, on disk or in a store.

`path` is relative to the company's folder, absolute, `package://<import name>/<path>`
for data that an installed Python package carries, or the address of an object store
that fsspec knows (`s3://bucket/…`). It may hold wildcards, `${NAME}` for a variable of
the environment, and `{date:%Y-%m-%d}` (any strptime format that names a day) for the
day of delivery in names of files or folders.
"""

import datetime as dt
import glob
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from kith.company.tables import PATH_VARIABLE, SourceTable
from kith.errors import ConfigurationError, DeliveryError
from kith.pull.connectors.disk import list_disk
from kith.pull.connectors.object_stores import list_store
from kith.pull.connectors.request import FetchRequest
from kith.pull.connectors.strays import is_stray
from kith.settings import environment_variable

_DATE = re.compile(r"\{date(?::([^{}]*))?\}")
_WILDCARD = re.compile(r"(\*\*/|\*\*|\*|\?|\[[^\]]+\])")
# What a listed path holds in their place. As short as can be, so that a wildcard before
# a date leaves it all its digits.
_WILDCARDS = {"**/": "(?:.*/)?", "**": ".*?", "*": "[^/]*?"}
_DIRECTIVES = {
    **dict.fromkeys("YG", r"\d{4}"),
    **dict.fromkeys("ymdHIMSUWV", r"\d{1,2}"),
    **dict.fromkeys("uw", r"\d"),
    **dict.fromkeys("bBaAp", r"[^\W\d_]+"),
    **{"j": r"\d{1,3}", "f": r"\d{1,6}", "z": r"(?:Z|[+-]\d\d:?\d\d)", "%": "%"},
}


@dataclass(frozen=True)
class Location:
    """A delivered file.

    Attributes:
        origin: Its path as the pattern writes it, by which people know it.
        named_at: Day of delivery, or moment, that its path tells, if any.
        bring: Makes sure that it lies on this machine; returns where.
    """

    origin: str
    named_at: dt.datetime | None
    bring: Callable[[], Path]

    @property
    def arrival_day(self) -> dt.date | None:
        """Day of delivery that its path tells."""
        return self.named_at.date() if self.named_at else None


def find_locations(request: FetchRequest) -> list[Location]:
    """The files to be read for the request's window, in the order of their paths.

    Of a dated path these are, for a table with a cursor, the files of the window, of
    the day before, which may have been cut at another midnight than the company's, and
    of the look-back after it, in which rows of its last days can still arrive; for a
    snapshot the newest ones. Empty when files match, but none of these days.

    Raises DeliveryError when nothing matches, or a file's date cannot be read.
    """
    table = request.table
    declared = table.rules.path or ""
    path = _with_variables(table, declared)
    date_format = _date_format(table, path)
    # What stands in a date's place is listed whatever it is, so that a file whose date
    # is misspelt is not passed over. One star beside another would mean folders.
    held = _DATE.sub(lambda found: re.sub("[^/]+", "\0", found[1]), path)
    pattern = re.sub(r"\*?\0\*?", "*", held)
    parts = pattern.split("/")
    if parts in ([""], ["."]) or any("**" in part and part != "**" for part in parts):
        raise ConfigurationError(
            f"sources.yml: {table.full_name}: path: found '{declared}'; expected where "
            "files lie; ** stands for folders at any depth and for no part of a name"
        )
    is_address = "://" in pattern
    in_store = is_address and not pattern.startswith("package://")
    listed = (list_store if in_store else list_disk)(request, pattern)
    strays = {origin for origin in listed if is_stray(origin, pattern)}
    listed = {origin: bring for origin, bring in listed.items() if origin not in strays}
    if not listed:
        where = pattern if is_address else request.company_folder / pattern
        others = f" ({len(strays)} hidden files and the like are there)"
        raise DeliveryError(
            f"{table.full_name}: no file at {where}{others if strays else ''}; the "
            "delivery is missing, or `path` in sources.yml is wrong"
        )
    named_at = _date_reader(table, path, date_format) if date_format else lambda _: None
    locations = [
        Location(origin, named_at(origin), bring)
        for origin, bring in sorted(listed.items())
    ]
    return _of_window(request, locations) if date_format else locations


def _with_variables(table: SourceTable, declared: str) -> str:
    def value(found: re.Match[str]) -> str:
        text = environment_variable(found[1])
        if text is None:
            raise ConfigurationError(
                f"sources.yml: {table.full_name}: path {declared}: the environment "
                f"variable {found[1]} is not set; set it where Kith runs"
            )
        return glob.escape(text)

    path = PATH_VARIABLE.sub(value, declared)
    return path if "://" in path else str(PurePosixPath(path))


def _of_window(request: FetchRequest, locations: list[Location]) -> list[Location]:
    table, window = request.table, request.window
    days = sorted(
        {location.arrival_day for location in locations if location.arrival_day}
    )
    if table.rules.cursor:
        first = window.from_day - dt.timedelta(days=1)
        last = window.to_day + dt.timedelta(days=table.rules.look_back_days)
        chosen = {day for day in days if first <= day <= last}
    else:
        chosen = set([day for day in days if day <= window.to_day][-1:])
        if not chosen:
            raise DeliveryError(
                f"{table.full_name}: no file of {window.to_day} or earlier; the oldest "
                f"is {locations[0].origin}; have one delivered, or choose later days"
            )
    return [location for location in locations if location.arrival_day in chosen]


def _date_format(table: SourceTable, path: str) -> str:
    """The formats of all dates in a path, divided by bars; empty without a date.

    Raises ConfigurationError where they do not name a day.
    """
    dates = list(_DATE.finditer(path))
    date_format = "|".join(found[1] or "" for found in dates)
    if dates and not _names_a_day(date_format):
        raise ConfigurationError(
            f"sources.yml: {table.full_name}: path {table.rules.path}: found "
            f"'{dates[0][0]}'; expected strptime formats that name a day, each "
            "part once, such as {date:%Y-%m-%d}"
        )
    return date_format


def _names_a_day(date_format: str) -> bool:
    probe = dt.datetime(2023, 11, 29, tzinfo=dt.UTC)
    directives = re.findall("%(.)", date_format)
    if not set(directives) <= set(_DIRECTIVES):
        return False
    try:
        read = dt.datetime.strptime(probe.strftime(date_format), date_format)
    except (ValueError, re.error):
        return False
    return read.date() == probe.date()


def _date_reader(
    table: SourceTable, path: str, date_format: str
) -> Callable[[str], dt.datetime | None]:
    """Gives the date in a listed path, or raises DeliveryError where there is none."""
    parts = _DATE.split(path)
    regex = "".join(
        f"({_regex_of_format(part)})" if number % 2 else _regex_of_wildcards(part)
        for number, part in enumerate(parts)
    )

    def named_at(origin: str) -> dt.datetime:
        found = re.fullmatch(regex, origin)
        try:
            text = "|".join(found.groups()) if found else ""
            return dt.datetime.strptime(text, date_format)
        except ValueError:
            raise DeliveryError(
                f"{table.full_name}: {origin}: no date can be read from the name; "
                f"expected {table.rules.path}; have the file renamed, or narrow `path` "
                "in sources.yml"
            ) from None

    return named_at


def _regex_of_format(date_format: str) -> str:
    return "".join(
        _DIRECTIVES[part[1]] if part.startswith("%") else re.escape(part)
        for part in re.split("(%.)", date_format)
    )


def _regex_of_wildcards(text: str) -> str:
    return "".join(
        _WILDCARDS.get(part, "[^/]") if number % 2 else re.escape(part)
        for number, part in enumerate(_WILDCARD.split(text))
    )
