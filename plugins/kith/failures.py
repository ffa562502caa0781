"""What others raise (the system, DuckDB, libraries) in the classes of `kith.errors`.

A failure is what its cause is, whatever it was wrapped in on its way and in whatever
stage: a file that cannot be unpacked since the disk is full is not damaged. Libraries
are known by their names here, since to import them would take seconds.
"""

import errno
import getpass
import os
import re
import secrets
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from kith.errors import (
    CredentialsError,
    FailureClass,
    KithError,
    ResourceError,
    SourceUnavailableError,
    TransientError,
    one_line,
)
from kith.settings import load_settings

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_DENIED = (errno.EACCES, errno.EPERM)
_TOO_MANY_FILES = (errno.EMFILE, errno.ENFILE)
# What the system lacks, however the error was wrapped.
_LACKING = {*_NO_ROOM, *_TOO_MANY_FILES, errno.EROFS, errno.ENOMEM, errno.EIO}
_TEXTS = {os.strerror(code): code for code in (*_LACKING, errno.EACCES)}
_SAYS = "|".join(map(re.escape, _TEXTS))
# DuckDB's own words, and Python's where it is quoted.
_IO = re.compile(
    rf'(?:IO Error|Failed to commit): [^"\n]*(?:"([^"\n]*)")?[^"\n]*?({_SAYS})'
)
_ERRNO = re.compile(rf"\[Errno \d+\] [^'\n]*?({_SAYS})(?:: '([^'\n]*)')?")
_NO_MEMORY = re.compile(r"Out of Memory Error: *([^\n]*)")
_MEMORY_ERROR = re.compile(r"\b(?:\w*MemoryError)\b: *([^\n]*)|\bMemoryError\b")
_NO_SCRATCH = "max_temp_directory_size"
# SQLite's words, such as in Airflow's own database.
_SQLITE_FULL = "database or disk is full"
# Less than this and a task can hardly tell what it met.
_ROOM_NEEDED = 1 << 20

# By top package and name of the exception's types.
_UNREACHABLE = {
    *("builtins.ConnectionError", "builtins.TimeoutError", "socket.gaierror"),
    *("requests.ConnectionError", "requests.Timeout", "requests.ChunkedEncodingError"),
    *("httpx.TransportError", "urllib3.HTTPError", "urllib.URLError"),
    *("aiohttp.ClientConnectionError", "botocore.HTTPClientError"),
    *("smtplib.SMTPServerDisconnected", "smtplib.SMTPConnectError"),
}
_DATABASES = {
    *("sqlalchemy.OperationalError", "sqlalchemy.InterfaceError"),
    *("psycopg.OperationalError", "pymysql.OperationalError"),
}
_NO_LOGIN = {"botocore.NoCredentialsError", "smtplib.SMTPAuthenticationError"}
_NO_ROUTE = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN}
_TOO_LONG = "AirflowTaskTimeout"
# What a database says where it does not let us in.
REFUSED_LOGIN = re.compile(
    r"password|authentication|pg_hba|access denied|login failed|permission denied"
    r"|role .* does not exist",
    re.IGNORECASE,
)
_REFUSED, _BUSY = {401, 403}, {408, 425, 429, 500, 502, 503, 504}


def failure_class(error: BaseException) -> FailureClass:
    """The class of any failure; what nobody knows is a bug."""
    if known := explained(error):
        return known.failure_class
    # Somebody stopped it: it is to be run again.
    return "bug" if isinstance(error, Exception) else "transient"


def explained(error: BaseException) -> KithError | None:
    """A failure in our words: itself if it is ours, None where nobody knows the cause.

    Of an error of ours that came of what the machine lacks, that is the cause.
    """
    if lack := lack_of(error):
        return lack
    if isinstance(error, KithError):
        return error
    names = {
        f"{kind.__module__.partition('.')[0]}.{kind.__name__}"
        for kind in type(error).__mro__
    }
    if type(error).__name__ == _TOO_LONG:
        return ResourceError(
            "the task took longer than its time limit (execution_timeout in dags/); "
            "see in the log where it stood, and whether the machine is overloaded"
        ).showing(thing="time")
    if isinstance(error, OSError) and (found := _of_a_place(error)):
        return found
    if isinstance(error, BlockingIOError | InterruptedError):
        return TransientError(f"{_quoted(error)}; run it again")
    return _of_another_system(error, names)


def lack_of(error: BaseException) -> ResourceError | None:
    """What the machine lacks, if that is the cause of a failure."""
    for cause in _causes(error):
        if isinstance(cause, ResourceError):
            return cause
        if isinstance(cause, MemoryError):
            return _memory(_quoted(cause))
        if isinstance(cause, OSError) and cause.errno in _LACKING:
            return _disk(cause.errno, cause.filename2 or cause.filename)
        if type(cause).__module__.partition(".")[0].endswith("duckdb"):
            found = lack_in(str(cause))
            if found and not _is_denied_elsewhere(str(cause)):
                return found
            if type(cause).__name__ == "OutOfMemoryException":
                return _memory_limit(one_line(str(cause)))
        if isinstance(cause, sqlite3.OperationalError) and _SQLITE_FULL in str(cause):
            return _disk(errno.ENOSPC, None)
    return None


def lack_in(text: str) -> ResourceError | None:
    """What the machine lacks as DuckDB, SQLite or Python says, such as in a log."""
    if found := _NO_MEMORY.search(text):
        return (
            _disk(errno.ENOSPC, str(load_settings().home), found[1])
            if _NO_SCRATCH in text
            else _memory_limit(found[1])
        )
    if found := _IO.search(text):
        return _disk(_TEXTS[found[2]], found[1])
    if found := _ERRNO.search(text):
        return _disk(_TEXTS[found[1]], found[2])
    if _SQLITE_FULL in text:
        return _disk(errno.ENOSPC, None)
    if found := _MEMORY_ERROR.search(text):
        return _memory(found[1] or "MemoryError")
    return None


def lack_of_room(folder: Path) -> ResourceError | None:
    """What a folder's disk lacks now, by trying to write a little there."""
    try:
        with tempfile.TemporaryFile(dir=_existing(folder)) as probe:
            probe.write(secrets.token_bytes(_ROOM_NEEDED))
    except OSError as error:
        return _disk(error.errno or errno.EIO, str(folder))
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The failure, and those that it came of: also what `from None` hides."""
    seen: list[BaseException] = []
    waiting = [error]
    while waiting:
        each = waiting.pop(0)
        if each is None or each in seen:
            continue
        seen.append(each)
        yield each
        # SQLAlchemy keeps what the driver said.
        inner = getattr(each, "orig", None)
        waiting += [inner if isinstance(inner, BaseException) else None]
        waiting += [each.__cause__, each.__context__]


# --- the machine ----------------------------------------------------------------------


def _disk(code: int, path: str | bytes | int | None, more: str = "") -> ResourceError:
    """What a disk, or the file that was written to it, lacks."""
    if code == errno.ENOMEM:
        return _memory(os.strerror(code))
    if code in _TOO_MANY_FILES:
        return ResourceError(
            "too many files are open at once on this machine, or by this process; "
            "raise the limit (ulimit -n), or set KITH_THREADS lower",
            may_pass=True,
        ).showing(thing="open files")
    place = Path(os.fsdecode(path)) if isinstance(path, str | bytes) else _fullest()
    free = _room(place)
    elsewhere = f"set {_setting(place)} to a folder on another disk"
    more = f" ({more})" if more else ""
    match code:
        case errno.EROFS:
            text = (
                f"{place}: the file system is read-only; have it mounted for writing, "
                f"or {elsewhere}"
            )
        case errno.EIO:
            text = (
                f"{place}: the disk fails ({os.strerror(code)}); have the disk looked "
                f"after, or {elsewhere}"
            )
        case errno.EACCES | errno.EPERM:
            text = (
                f"{place}: permission denied to {_user()}, who runs Kith; give them "
                f"the right to write there, or {elsewhere}"
            )
        case errno.EDQUOT:
            text = (
                f"{place}: {_user()}, who runs Kith, has used up their disk quota "
                f"there; {free}; free space, have the quota raised, or {elsewhere}"
            )
        case errno.EFBIG:
            text = (
                f"{place}: the file is as large as the process (ulimit -f) or the file "
                f"system allows; {free}; raise that limit, or {elsewhere}"
            )
        case _:
            text = (
                f"{place}: no space left on the disk{more}; {free} there now; free "
                f"space, or {elsewhere}"
            )
    lack = ResourceError(text, may_pass=code == errno.ENOSPC)
    # Several tasks that meet the same full disk each name a file of their own.
    return lack.showing(thing=f"disk at {_mount(place)}")


def _memory(says: str) -> ResourceError:
    return ResourceError(
        f"the machine has no memory left ({says[:200]}); end what else runs on it, or "
        f"set KITH_MEMORY_LIMIT (now {load_settings().memory_limit}) or KITH_THREADS "
        f"(now {load_settings().threads}) lower",
        may_pass=True,
    ).showing(thing="memory")


def _memory_limit(says: str) -> ResourceError:
    return ResourceError(
        f"DuckDB has reached its memory limit ({says[:200]}); set KITH_MEMORY_LIMIT "
        f"(now {load_settings().memory_limit}) higher, or KITH_THREADS (now "
        f"{load_settings().threads}) lower"
    ).showing(thing="memory")


def _of_a_place(error: OSError) -> ResourceError | None:
    """A place that we cannot write to, or where there can be no folder of ours."""
    if error.errno in _DENIED:
        return _disk(errno.EACCES, error.filename)
    if not isinstance(error.filename, str):
        return None
    home, path = load_settings().home, Path(error.filename)
    is_below_a_file = error.errno in (errno.ENOTDIR, errno.EEXIST)
    is_in_no_folder = is_below_a_file and path.is_relative_to(home)
    if home.is_dir() or not (is_in_no_folder or home.is_relative_to(path)):
        return None
    return ResourceError(
        f"{home}: no folder can be made there ({path}: {error.strerror}); set "
        "KITH_HOME to a folder that can be written to"
    ).showing(thing=f"disk at {_mount(home)}")


def _is_denied_elsewhere(text: str) -> bool:
    """Whether DuckDB may not open a file that is none of ours, such as a source's."""
    found = _IO.search(text)
    if not found or _TEXTS[found[2]] not in _DENIED:
        return False
    return not Path(found[1] or "").is_relative_to(load_settings().home)


def _fullest() -> Path:
    """Of the folders that Kith writes to the one whose disk has the least room."""
    places = (load_settings().home, Path(tempfile.gettempdir()))
    return min(places, key=lambda place: shutil.disk_usage(_existing(place)).free)


def _existing(place: Path) -> Path:
    """The place, or the nearest folder above it that is there."""
    return next(
        (path for path in (place, *place.parents) if path.is_dir()), Path(os.sep)
    )


def _mount(place: Path) -> Path:
    """Where the file system of a place is mounted."""
    found = _existing(place).resolve()
    return next(path for path in (found, *found.parents) if path.is_mount())


def _room(place: Path) -> str:
    found = os.statvfs(_existing(place))
    free, total = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
    # Some file systems have a number of files that they hold, others name none.
    no_names = found.f_files and not found.f_favail
    names = ", but no file more (inodes)" if no_names else ""
    return f"{free:,} of {total:,} bytes are free{names}"


def _setting(place: Path) -> str:
    """The variable that says where such a place lies."""
    home, scratch = load_settings().home, Path(tempfile.gettempdir())
    is_scratch = place.is_relative_to(scratch) and not place.is_relative_to(home)
    return "TMPDIR" if is_scratch else "KITH_HOME"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # An id that has no name.
        return f"user {os.getuid()}"


# --- other systems --------------------------------------------------------------------


def _of_another_system(error: BaseException, names: set[str]) -> KithError | None:
    answer = getattr(error, "response", None)
    status = getattr(answer, "status_code", None) or getattr(error, "code", None)
    if "urllib.HTTPError" in names or "requests.HTTPError" in names or answer:
        if status in _REFUSED:
            return CredentialsError(
                f"a web service refuses us with {status}; check login, password or "
                "token of its connection, and what they may do"
            )
        if status in _BUSY:
            return SourceUnavailableError(
                f"a web service answered {status}; try again later, or look after it"
            )
        return None
    is_database = bool(names & _DATABASES)
    if names & _NO_LOGIN or (is_database and REFUSED_LOGIN.search(str(error))):
        return CredentialsError(
            f"a system refuses the login of its connection ({_quoted(error)}); check "
            "login, password and rights"
        )
    is_cut_off = isinstance(error, OSError) and error.errno in _NO_ROUTE
    if is_database or is_cut_off or names & _UNREACHABLE:
        return SourceUnavailableError(
            f"a system cannot be reached or broke off ({_quoted(error)}); try again "
            "later, or look after it"
        )
    return None


def _quoted(error: BaseException) -> str:
    """Kind and first line of an error; more of it may quote statements and values."""
    first = (str(getattr(error, "orig", None) or error).strip().splitlines() or [""])[0]
    return ": ".join(filter(None, (type(error).__name__, one_line(first)[:200])))
