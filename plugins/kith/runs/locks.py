"""The lock of whoever writes to a company's state: on one machine, and on several.

The file lock is the kernel's. Not every storage that machines share carries it from
one to the other: workers on several machines also take a lock of the PostgreSQL that
`KITH_LOCK_DATABASE` names. That of Airflow's metadata will do, but no task is told
where these lie.
"""

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from kith.errors import TransientError
from kith.settings import load_settings


@contextmanager
def writer_lock(place: Path, *, waits: bool = True) -> Iterator[tuple[int, ...]]:
    """Hold the lock `place/writer.lock`, on all machines that know the same database.

    Yields file descriptors: a child process that inherits them holds the locks as well,
    even when its parent was killed. Raises TransientError where somebody else holds it
    and `waits` is false, or where the database let go of it meanwhile.
    """
    file = place / "writer.lock"
    file.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        lock = stack.enter_context(file.open("w"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _wait_or_raise(file, waits)
            fcntl.flock(lock, fcntl.LOCK_EX)
        database = load_settings().lock_database
        if not database:
            yield (lock.fileno(),)
            return
        # Only who has several machines waits for the driver to be loaded.
        from kith.runs.lock_database import LockSession

        session = stack.enter_context(LockSession(database, place))
        if not session.take(waits=False):
            _wait_or_raise(file, waits)
            session.take(waits=True)
        yield lock.fileno(), session.fileno()
        session.check()


def is_busy(place: Path) -> TransientError:
    """The error that says that somebody else works at a place."""
    return TransientError(
        f"{place}: somebody works there, a run or another erasure; "
        "expected nobody; wait until it has ended, and try again"
    )


def _wait_or_raise(file: Path, waits: bool) -> None:
    if not waits:
        raise is_busy(file)
    print(f"Waiting for who writes to {file.parent} …", flush=True)
