"""The schemas of releases: how each is called, what state it is in, when it goes.

What a schema is stands in its comment, which changes in the same transaction as what
readers see.
"""

import datetime as dt
import re
from typing import Any

import psycopg
from psycopg import sql

# Former releases that stay, for who still looks at one.
KEPT = 1
# Readers wait for us no longer than this at a time.
LOCK_TIMEOUT = "200ms"
# What a killed publication still does on the server may take a while to end.
_SWEEP_TIMEOUT = "30s"
_LOADED = "being loaded"
_NOTE = re.compile(
    rf"Kith release (\S+) of company (\w+), ({_LOADED}|served since \S+)"
)


def note_loaded(release_id: str, company: str) -> str:
    """The comment of a schema whose tables are not whole yet."""
    return f"Kith release {release_id} of company {company}, {_LOADED}"


def note_served(release_id: str, company: str) -> str:
    """The comment of a schema that readers are pointed at from now on."""
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    return (
        f"Kith release {release_id} of company {company}, served since "
        f"{now.isoformat(timespec='microseconds')}Z"
    )


def free_name(session: psycopg.Connection[Any], release_id: str) -> str:
    """A name for the schema: of the release, and a number where it is taken."""
    name = f"kith_{release_id.lower()}"
    taken = {each for (each,) in session.execute("select nspname from pg_namespace")}
    free, number = name, 2
    while free in taken:
        free, number = f"{name}_{number}", number + 1
    return free


def served_schemas(session: psycopg.Connection[Any], company: str) -> list[str]:
    """The company's schemas that are or were served, the first one first."""
    states = _states(session, company)
    served = [each for each in states if states[each] != _LOADED]
    return sorted(served, key=lambda schema: states[schema])


def sweep(session: psycopg.Connection[Any], company: str) -> None:
    """Drop what publications of the company that were killed have left."""
    for schema, state in _states(session, company).items():
        if state == _LOADED:
            with session.transaction():
                session.execute(f"set local lock_timeout = '{_SWEEP_TIMEOUT}'")
                session.execute(
                    sql.SQL("drop schema {} cascade").format(sql.Identifier(schema))
                )


def drop_former(
    session: psycopg.Connection[Any], company: str, kept: int = KEPT
) -> list[str]:
    """Drop former releases but the latest `kept`; returns those that stay.

    One that somebody reads just now, or on whose tables they have built a view of
    their own, stays until a later publication finds it free.
    """
    former = served_schemas(session, company)[:-1]
    staying = former[len(former) - kept :] if kept else []
    for schema in [each for each in former if each not in staying]:
        try:
            drop_schema(session, schema)
        except (
            psycopg.errors.LockNotAvailable,
            psycopg.errors.DeadlockDetected,
            psycopg.errors.DependentObjectsStillExist,
        ):
            staying.append(schema)
    return staying


def drop_schema(session: psycopg.Connection[Any], schema: str) -> None:
    """Drop a schema of a release with its tables, and nothing that others have made."""
    with session.transaction():
        session.execute(f"set local lock_timeout = '{LOCK_TIMEOUT}'")
        tables = [
            sql.Identifier(schema, name)
            for (name,) in session.execute(
                "select tablename from pg_tables where schemaname = %s", [schema]
            )
        ]
        if tables:
            session.execute(
                sql.SQL("drop table {} restrict").format(sql.SQL(", ").join(tables))
            )
        session.execute(
            sql.SQL("drop schema {} restrict").format(sql.Identifier(schema))
        )


def _states(session: psycopg.Connection[Any], company: str) -> dict[str, str]:
    """The state of each of the company's schemas of releases."""
    found = {}
    for schema, note in session.execute(
        "select nspname, obj_description(oid, 'pg_namespace') from pg_namespace "
        r"where nspname like 'kith\_%'"
    ):
        known = _NOTE.fullmatch(note or "")
        if known and known[2] == company:
            found[schema] = known[3]
    return found
