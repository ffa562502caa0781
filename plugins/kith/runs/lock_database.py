"""The lock on a company that machines share: an advisory lock of PostgreSQL."""

import zlib
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg

from kith.errors import ConfigurationError, CredentialsError, SourceUnavailableError
from kith.failures import REFUSED_LOGIN

# The first of the two numbers of an advisory lock; that of publications is another.
_CLASS = 0x6B697477
# A machine that lost its power says no farewell: its lock is free after a minute. Who
# waits for long has no deadline.
_OPTIONS = (
    *("tcp_keepalives_idle=30", "tcp_keepalives_interval=10"),
    *("tcp_keepalives_count=3", "statement_timeout=0", "lock_timeout=0"),
    *("idle_session_timeout=0", "idle_in_transaction_session_timeout=0"),
)


class LockSession:
    """A session with the database, which holds the lock on a place until it ends.

    Raises ConfigurationError where the address is none, CredentialsError where the
    login is refused, SourceUnavailableError where the server is away or goes away.
    """

    def __init__(self, database: str, place: Path) -> None:
        # Machines see the storage at the same path, as Airflow's tasks do.
        self._key = zlib.crc32(str(place.resolve()).encode()) - 2**31
        self._session = _connect(database)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._session.close()

    def take(self, *, waits: bool) -> bool:
        """Take the lock; says whether it did, which it always does where it waits."""
        if waits:
            self._ask("select pg_advisory_lock(%s, %s)", (_CLASS, self._key))
            return True
        taken = self._ask("select pg_try_advisory_lock(%s, %s)", (_CLASS, self._key))
        return bool(taken)

    def fileno(self) -> int:
        """Descriptor of its socket: the session lives until all who have it ended."""
        return self._session.fileno()

    def check(self) -> None:
        """Raise where the lock is lost: a server started anew has forgotten it."""
        self._ask("select true", ())

    def _ask(self, query: str, values: tuple[int, ...]) -> Any:
        try:
            row = self._session.execute(query, values).fetchone()
        except psycopg.OperationalError as error:
            says = " ".join(str(error).split())[:300]
            raise SourceUnavailableError(
                f"KITH_LOCK_DATABASE: the server broke off ({says}), and with it went "
                "the lock: somebody else may have written meanwhile; see whether the "
                "server runs, then run the task again"
            ) from error
        return row[0] if row else None


def _connect(database: str) -> psycopg.Connection[Any]:
    options = " ".join(f"-c {option}" for option in _OPTIONS)
    try:
        return psycopg.connect(
            database, autocommit=True, connect_timeout=30, options=options
        )
    except psycopg.ProgrammingError:
        # What libpq says of it quotes the address, password included.
        raise ConfigurationError(
            "KITH_LOCK_DATABASE: not an address that libpq can read; expected "
            "postgresql://user:password@host:5432/database"
        ) from None
    except psycopg.OperationalError as error:
        says = " ".join(str(error).split())[:300]
        if REFUSED_LOGIN.search(says):
            raise CredentialsError(
                f"KITH_LOCK_DATABASE: the server refuses the login ({says}); check "
                "user and password there"
            ) from error
        raise SourceUnavailableError(
            f"KITH_LOCK_DATABASE: cannot be reached ({says}); see whether the server "
            "runs and can be reached from here, then try again"
        ) from error
