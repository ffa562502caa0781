"""Load the current release into PostgreSQL, and point readers at it in one step.

A schema of the release's own is made, which nobody may read: tables with the rows of
its Parquet files, keys, indexes, comments, policies. When no snapshot is left that is
older than these rows, one short transaction locks the views that readers see, points
them at the new tables and grants these. Readers see the old release or the new one,
whole, whenever a publication is killed; what it left is dropped by the next one.
"""

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from kith.company.postgres import Postgres, Reader
from kith.errors import ConfigurationError, PublicationError, TransientError
from kith.incidents.readers import note_served
from kith.pull.connections import Connection
from kith.runs.run import Run, current_release
from kith.serve import schemas
from kith.serve.contents import Contents, read_contents
from kith.serve.rights import (
    grants,
    known_readers,
    make_roles,
    policies,
    revocations,
    set_members,
    view_grants,
)
from kith.serve.server import Server
from kith.serve.tables import (
    check_rows,
    comment_view,
    create_tables,
    finish_table,
    load_rows,
)
from kith.serve.views import check_views, replacements, schema_names, view_names
from kith.serve.waiting import alone, held_views, settle

# How long readers may keep the views locked.
SWAP_SECONDS = 60


@dataclass(frozen=True)
class Served:
    """What PostgreSQL serves now; `former` are schemas of releases that stay there.

    `missing_logins` are declared and do not exist, `removed_logins` were members of an
    audience and are not declared for it.
    """

    release_id: str
    schema: str
    rows: int
    missing_logins: list[str]
    removed_logins: list[str]
    former: list[str]


def serve(
    run: Run,
    find_connection: Callable[[str], Connection],
    kept_former: int = schemas.KEPT,
) -> Served:
    """Load the current release into the company's PostgreSQL and show it to readers.

    Called again it loads the same release again. Of former ones that nobody reads any
    more, `kept_former` stay. Whatever fails leaves readers the
    release that they had. Raises, as errors of ours: the server cannot be reached or
    refuses us, its disk is full, another publication or reader is in the way for too
    long, the release is damaged, or it would break what readers have.
    """
    declared = run.company.postgres
    if declared is None:
        raise ConfigurationError(
            f"{run.company.folder / 'company.yml'}: declares no postgres; see "
            "docs/postgres.md"
        )
    with run.stage("serve") as figures:
        server = Server(find_connection(declared.connection))
        with (
            server.in_our_words(),
            server.session() as session,
            alone(session, run.company.name),
        ):
            publication = _Publication(run, declared, server, session)
            served = publication.publish(kept_former)
        note_served(run.folder, served.release_id, publication.contents.as_of_date)
        figures["release_id"] = served.release_id
        figures["rows"] = served.rows
        figures["server"] = server.name
        figures["schemas"] = sorted(schema_names(run.company, declared).values())
        for name, logins in (
            ("logins_missing", served.missing_logins),
            ("logins_removed", served.removed_logins),
        ):
            if logins:
                figures[name] = ", ".join(logins)
        if left_out := publication.contents.left_out:
            figures["marts_left_out"] = ", ".join(sorted(left_out))
        figures |= publication.seconds
        return served


class _Publication:
    """One publication, by whoever holds the company's lock."""

    def __init__(
        self,
        run: Run,
        declared: Postgres,
        server: Server,
        session: psycopg.Connection[Any],
    ) -> None:
        self._run, self._company, self._declared = run, run.company, declared
        self._server, self._session = server, session
        self.seconds: dict[str, float] = {}
        self.contents = current_contents(run)

    def publish(self, kept_former: int) -> Served:
        session, company, marts = self._session, self._company, self.contents.marts
        schemas.sweep(session, company.name)
        check_views(session, company, self._declared, self.contents)
        readers, missing = known_readers(session, self._declared.readers)
        make_roles(session, company.name)
        schema = schemas.free_name(session, self.contents.release_id)
        with self._timed("load_seconds"):
            self._load(schema)
        with self._timed("settle_seconds"):
            settle(session)
        with self._timed("swap_seconds"):
            removed = self._swap(schema, readers)
        self._comment_views()
        return Served(
            release_id=self.contents.release_id,
            schema=schema,
            rows=sum(mart.rows for mart in marts),
            missing_logins=missing,
            removed_logins=removed,
            former=schemas.drop_former(session, company.name, kept_former),
        )

    def _load(self, schema: str) -> None:
        """Make the tables and fill them; while one is loaded the last is finished."""
        marts, name = self.contents.marts, self._company.name
        note = schemas.note_loaded(self.contents.release_id, name)
        create_tables(self._session, schema, note, self.contents)
        with self._session.transaction():
            self._session.execute(policies(schema, name, marts))
        with self._server.loader() as loader, ThreadPoolExecutor(1) as beside:
            loads = [beside.submit(load_rows, loader, schema, mart) for mart in marts]
            try:
                for mart, load in zip(marts, loads, strict=True):
                    check_rows(mart, load.result())
                    finish_table(self._session, schema, mart)
            finally:
                beside.shutdown(cancel_futures=True)

    def _swap(self, schema: str, readers: list[Reader]) -> list[str]:
        """Point readers at the schema; returns the logins that lost an audience."""
        deadline = time.monotonic() + SWAP_SECONDS
        while True:
            try:
                with self._session.transaction():
                    return self._switch(schema, readers)
            except (
                psycopg.errors.LockNotAvailable,
                psycopg.errors.DeadlockDetected,
            ):
                if time.monotonic() > deadline:
                    views = list(schema_names(self._company, self._declared).values())
                    raise held_views(self._session, views, SWAP_SECONDS) from None
            # Not in step with readers that come by at regular intervals.
            time.sleep(random.uniform(0.02, 0.2))  # noqa: S311

    def _switch(self, schema: str, readers: list[Reader]) -> list[str]:
        session, company, marts = self._session, self._company, self.contents.marts
        session.execute(
            f"set local lock_timeout = '{schemas.LOCK_TIMEOUT}'; "
            "set local synchronous_commit = on"
        )
        # What nobody reads yet comes first: readers wait from the lock on.
        for former in schemas.served_schemas(session, company.name):
            session.execute(revocations(former, company.name))
        session.execute(grants(schema, company.name, marts))
        removed = set_members(session, schema, company.name, readers)
        note = schemas.note_served(self.contents.release_id, company.name)
        session.execute(
            sql.SQL("comment on schema {} is {}").format(
                sql.Identifier(schema), sql.Literal(note)
            )
        )
        views = view_names(company, self._declared, marts)
        locked, replaced = replacements(session, company, self._declared, marts, schema)
        granted = view_grants(company.name, marts, views)
        switched = f"{replaced.as_string()}; {granted.as_string()}".encode()
        if locked:
            session.execute(locked)
        session.execute(switched)
        return removed

    def _comment_views(self) -> None:
        names = schema_names(self._company, self._declared)
        with self._session.transaction():
            for mart in self.contents.marts:
                comment_view(self._session, names[mart.schema], mart)

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - started, 2)


def current_contents(run: Run) -> Contents:
    """The release that readers of files have, whichever run published it.

    Raises PublicationError where there is none, or it is damaged.
    """
    for _ in range(2):
        release_id = current_release(run.published)
        if release_id is None:
            raise PublicationError(f"{run.published}: nothing was published yet")
        try:
            return read_contents(run.published / release_id, run.folder / "scratch")
        except PublicationError:
            # Another one may have come, and the oldest have gone, while this looked.
            if current_release(run.published) == release_id:
                raise
    raise TransientError(
        f"{run.published}: releases follow each other faster than one can be read; run "
        "the task serve again"
    )
