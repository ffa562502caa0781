"""Who is in the way of a publication, and how long it waits for them."""

import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from kith.errors import TransientError
from kith.serve.server import LOCK_CLASS

# How long another publication may take, and readers with old snapshots.
ALONE_SECONDS = 600
SETTLE_SECONDS = 60
_CURE = "have them end it, or call pg_terminate_backend, and run the task serve again"
# Transactions that hold a snapshot, without those of Kith, which reads no views. Who
# they are is hidden from a login that is no superuser; that they are is not.
_SNAPSHOTS = f"""
    select locks.virtualxid, activity.backend_xmin::text
    from pg_stat_activity as activity
    inner join pg_locks as locks
        on activity.pid = locks.pid and locks.locktype = 'virtualxid'
    where
        activity.datname = current_database() and activity.usename is not null
        and activity.backend_xmin is not null
        and not exists (
            select 1 from pg_locks as ours
            where
                ours.pid = activity.pid and ours.locktype = 'advisory'
                and ours.classid = {LOCK_CLASS} and ours.objid = 0
        )
"""
_SESSIONS = (
    "select distinct activity.pid, activity.usename from pg_stat_activity as activity "
    "inner join pg_locks as locks on activity.pid = locks.pid "
)


@contextmanager
def alone(session: psycopg.Connection[Any], company: str) -> Iterator[None]:
    """Keep other publications of the company out of this database.

    PostgreSQL frees the lock when the session ends, however it ends. It is asked for
    again and again: who waits within a statement holds a snapshot, for whose end the
    other publication would wait. Raises TransientError after `ALONE_SECONDS`.
    """
    key = zlib.crc32(company.encode()) & 0x7FFFFFFF or 1
    deadline, told = time.monotonic() + ALONE_SECONDS, False
    while not _asked(session, f"select pg_try_advisory_lock({LOCK_CLASS}, {key})"):
        if time.monotonic() > deadline:
            raise TransientError(
                f"another publication of {company} to PostgreSQL has been under way "
                f"for {ALONE_SECONDS} s; see whether its process lives, and run the "
                "task serve again"
            )
        if not told:
            print(f"Waiting for who else serves {company} …", flush=True)
            told = True
        time.sleep(0.2)
    yield


def _asked(session: psycopg.Connection[Any], query: str) -> Any:
    (value,) = session.execute(query).fetchone() or (None,)
    return value


def settle(session: psycopg.Connection[Any]) -> None:
    """Wait until nobody has a snapshot that is older than what was committed by now.

    In such a snapshot the new tables are empty. Raises TransientError where somebody
    keeps one for longer than `SETTLE_SECONDS`.
    """

    def held() -> set[tuple[str, str]]:
        return {(name, xmin) for name, xmin in session.execute(_SNAPSHOTS)}

    deadline = time.monotonic() + SETTLE_SECONDS
    waiting = held()
    while waiting := waiting & held():
        if time.monotonic() > deadline:
            who = _told(
                session,
                _SESSIONS + "where locks.virtualxid = any(%s)",
                [name for name, _ in waiting],
            )
            raise TransientError(
                "readers keep a transaction open since before the new tables were "
                f"loaded, more than {SETTLE_SECONDS} s ago ({who}); {_CURE}"
            )
        time.sleep(0.05)


def held_views(
    session: psycopg.Connection[Any], schemas: list[str], seconds: float
) -> TransientError:
    """The error that says who has kept a lock on a view in these schemas so long."""
    who = _told(
        session,
        _SESSIONS + "inner join pg_class as c on locks.relation = c.oid "
        "inner join pg_namespace as n on c.relnamespace = n.oid "
        "where n.nspname = any(%s) and activity.pid <> pg_backend_pid()",
        schemas,
    )
    return TransientError(
        f"readers hold views in {', '.join(schemas)} since {seconds:g} s, within a "
        f"transaction that stays open ({who}); {_CURE}"
    )


def _told(session: psycopg.Connection[Any], query: str, values: list[str]) -> str:
    found = session.execute(query, [values]).fetchall()
    told = ", ".join(f"process {pid} of {login}" for pid, login in found[:5])
    return told or "they have just ended"
