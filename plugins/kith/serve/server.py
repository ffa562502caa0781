"""A PostgreSQL server: how it is reached, and what it refuses, in our words."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from adbc_driver_manager import Error as LoaderError
from adbc_driver_manager import OperationalError as LoaderOperationalError
from adbc_driver_postgresql import dbapi

from kith.errors import (
    ConfigurationError,
    CredentialsError,
    KithError,
    ResourceError,
    SourceUnavailableError,
    TransientError,
)
from kith.failures import REFUSED_LOGIN
from kith.pull.connections import Connection

# The first one whose views can check the rights of who reads them.
OLDEST_VERSION = 15
# Advisory locks of Kith: the second number is 0 for each of its sessions, or a company.
LOCK_CLASS = 0x6B697468
# The switch alone waits for the disk, and what came before it is on the disk by then.
_OPTIONS = (
    *("timezone=UTC", "search_path=pg_catalog"),
    *("synchronous_commit=off", "maintenance_work_mem=256MB"),
)
_NO_DATABASE = re.compile(r"database .* does not exist", re.IGNORECASE)
_NO_OPTION = re.compile(r"invalid (connection option|URI)", re.IGNORECASE)


@dataclass(frozen=True)
class Server:
    """The server and database behind a connection of Airflow."""

    known: Connection

    @property
    def name(self) -> str:
        """Where it is, for people: host, port and database."""
        host = self.known.host or "localhost"
        return f"{host}:{self.known.port or 5432}/{self.known.schema or ''}"

    def conninfo(self) -> str:
        """What libpq connects by; holds the password."""
        given = {
            "host": self.known.host,
            "port": self.known.port,
            "user": self.known.login,
            "password": self.known.password,
            "dbname": self.known.schema,
            "connect_timeout": 30,
            "application_name": "kith",
            "client_encoding": "utf8",
            "options": " ".join(f"-c {option}" for option in _OPTIONS),
            **{name: str(value) for name, value in self.known.extra.items()},
        }
        return psycopg.conninfo.make_conninfo(
            "", **{name: value for name, value in given.items() if value is not None}
        )

    @contextmanager
    def session(self) -> Iterator[psycopg.Connection[Any]]:
        """A session in which each statement is a transaction unless one is begun.

        Raises ConfigurationError where the server is too old, and as `in_our_words`.
        """
        if self.known.kind != "postgres":
            raise ConfigurationError(
                f"connection '{self.known.id}': its kind is '{self.known.kind}'; "
                "expected postgres"
            )
        with psycopg.connect(self.conninfo(), autocommit=True) as session:
            version = session.info.server_version // 10000
            if version < OLDEST_VERSION:
                raise ConfigurationError(
                    f"connection '{self.known.id}': {self.name} is PostgreSQL "
                    f"{version}; expected {OLDEST_VERSION} or later, whose views check "
                    "the rights of who reads them (security_invoker)"
                )
            _be_known(session)
            yield session

    @contextmanager
    def loader(self) -> Iterator[Any]:
        """A session of ADBC, which loads Arrow's batches by PostgreSQL's COPY."""
        with dbapi.connect(self.conninfo()) as session:
            with session.cursor() as cursor:
                cursor.execute(f"select pg_advisory_lock_shared({LOCK_CLASS}, 0)")
                cursor.fetchall()
            session.commit()
            yield session

    @contextmanager
    def in_our_words(self) -> Iterator[None]:
        """Raise what server or drivers raise as an error of ours, where we know it."""
        try:
            yield
        except (psycopg.Error, LoaderError) as error:
            known = self._explained(error)
            if known is None:
                raise
            raise known.showing(thing=f"connection {self.known.id}") from error

    def _explained(self, error: Exception) -> KithError | None:
        state = _state(error)
        says = " ".join(str(error).split("\n\nQuery")[0].split())[:300]
        where = f"connection '{self.known.id}': {self.name}"
        if state is None or state[:2] in ("08", "28", "3D"):
            return _of_connecting(error, state, where, says)
        if state == "42501":
            return CredentialsError(
                f"{where}: {self.known.login} lacks a right ({says}); have whoever "
                f"runs the server call GRANT CREATE ON DATABASE "
                f'"{self.known.schema}" TO "{self.known.login}" and ALTER ROLE '
                f'"{self.known.login}" CREATEROLE, and see who owns the schemas'
            )
        if state == "53100":
            return ResourceError(
                f"{where}: no space left on the server's disk ({says}); free space "
                "there, then run the task serve again",
                may_pass=True,
            )
        if state[:2] == "53":
            return SourceUnavailableError(
                f"{where}: the server is at its limit ({says}); try again later, or "
                "have whoever runs it raise the limit"
            )
        if state[:3] == "57P" or state[:2] in ("58", "XX"):
            return SourceUnavailableError(
                f"{where}: the server broke off ({says}); have whoever runs it look "
                "after it, then run the task serve again"
            )
        if state in ("55P03", "57014", "40P01", "40001"):
            return TransientError(
                f"{where}: somebody else was in the way ({says}); run the task serve "
                "again"
            )
        return None


def _be_known(session: psycopg.Connection[Any]) -> None:
    """Let other publications see that this session reads no views."""
    session.execute(f"select pg_advisory_lock_shared({LOCK_CLASS}, 0)")


def _state(error: Exception) -> str | None:
    """PostgreSQL's code of an error, None of one that it did not send."""
    state = getattr(error, "sqlstate", None)
    return str(state) if state else None


def _of_connecting(
    error: Exception, state: str | None, where: str, says: str
) -> KithError | None:
    if state is None and not isinstance(
        error, psycopg.OperationalError | LoaderOperationalError
    ):
        if not _NO_OPTION.search(says):
            return None
        return ConfigurationError(
            f"{where}: libpq does not know an option of the connection ({says}); see "
            "its `extra`"
        )
    if state == "3D000" or _NO_DATABASE.search(says):
        return ConfigurationError(
            f"{where}: has no such database ({says}); name one that exists as the "
            "connection's schema, or have it made"
        )
    if (state or "")[:2] == "28" or REFUSED_LOGIN.search(says):
        return CredentialsError(
            f"{where}: refuses the login ({says}); check login and password of the "
            "connection"
        )
    return SourceUnavailableError(
        f"{where}: cannot be reached or broke off ({says}); see whether the server "
        "runs and can be reached from here, then run the task serve again"
    )
