"""$KITH_HOME/airflow: Airflow's metadata, logs and keys, and who owns them now.

One owner at a time: a server (`make up`) or one run in a process of its own. A server
keeps its metadata in PostgreSQL. A run without one keeps them in an SQLite file, since
it is the only process that writes them, and needs no further part to start; with two
schedulers on it such a file would lose tasks.
"""

import base64
import fcntl
import importlib.metadata
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Collection
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from kith.errors import ConfigurationError
from kith.settings import REPOSITORY, Settings, child_environment
from kith.storage import restrict
from kith_airflow.companies import pool, watch_pool, write_dag_files
from kith_airflow.postgres import Postgres

USER = "admin"
_STAMP = "prepared.json"
LAUNCH = [sys.executable, "-m", "kith_airflow.launch"]


@dataclass(frozen=True)
class AirflowHome:
    """The folder, and the settings that the processes working on it share.

    `serves` says whether they are those of a server.
    """

    settings: Settings
    serves: bool = False

    @property
    def folder(self) -> Path:
        """Readable for its owner only: it holds keys, logs and the password."""
        folder = self.settings.home / "airflow"
        restrict(folder, 0o700)
        return folder

    @property
    def logs(self) -> Path:
        """Logs of Airflow's processes and tasks."""
        folder = self.folder / "logs"
        folder.mkdir(exist_ok=True)
        return folder

    @property
    def dags(self) -> Path:
        """DAG files: those of the companies, and what a team puts beside them."""
        return self.folder / "dags"

    @property
    def url(self) -> str:
        """Where the web page and the API of the server are, seen from here."""
        host = self.settings.airflow_host
        reachable = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104
        return f"http://{reachable}:{self.settings.airflow_port}"

    @property
    def password_file(self) -> Path:
        """Airflow's file of generated passwords: {user: password}."""
        return self.folder / "simple_auth_manager_passwords.json.generated"

    def password(self) -> str:
        """The password of `USER`, made up once."""
        made = _secret_file(self.password_file, {USER: secrets.token_urlsafe(15)})
        return made[USER]

    @property
    def postgres(self) -> Postgres | None:
        """The server's own PostgreSQL, unless the settings name a database."""
        if not self.serves or self.settings.airflow_database:
            return None
        return Postgres(self.folder / "postgresql", self.logs / "postgresql.log")

    @property
    def database(self) -> str:
        """Where Airflow's metadata are, for SQLAlchemy."""
        if self.postgres:
            return self.postgres.url
        # One process writes to a file at a time; after five seconds, SQLite's default,
        # others give up.
        file = self.folder / "airflow.db"
        return self.settings.airflow_database or f"sqlite:///{file}?timeout=25"

    def environment(self) -> dict[str, str]:
        """All that Airflow's processes must know; airflow.cfg decides nothing."""
        settings = self.settings
        keys = _secret_file(
            self.folder / "keys.json",
            {
                "fernet": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
                "api": secrets.token_urlsafe(32),
                "jwt": secrets.token_urlsafe(32),
            },
        )
        return child_environment(
            PYTHONPATH=f"{REPOSITORY / 'plugins'}:{REPOSITORY / 'dags'}",
            KITH_HOME=str(settings.home),
            AIRFLOW_HOME=str(self.folder),
            AIRFLOW__CORE__DAGS_FOLDER=str(self.dags),
            AIRFLOW__CORE__PLUGINS_FOLDER=str(REPOSITORY / "plugins"),
            AIRFLOW__CORE__LOAD_EXAMPLES="False",
            # A task that is not read within 30 s, Airflow's default, begins again: on a
            # busy machine it would lose an approval that was given.
            AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT="180",
            AIRFLOW__CORE__EXECUTOR="LocalExecutor",
            # Tasks at once: two that may each take DuckDB's whole memory limit, and one
            # of a crisis watch, which goes first and needs little.
            AIRFLOW__CORE__PARALLELISM="3",
            AIRFLOW__CORE__FERNET_KEY=keys["fernet"],
            AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS=f"{USER}:admin",
            AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE=str(self.password_file),
            AIRFLOW__CORE__EXECUTION_API_SERVER_URL=f"{self.url}/execution/",
            AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=self.database,
            AIRFLOW__API__HOST=settings.airflow_host,
            AIRFLOW__API__PORT=str(settings.airflow_port),
            AIRFLOW__API__BASE_URL=self.url,
            AIRFLOW__API__WORKERS="1",
            AIRFLOW__API__SECRET_KEY=keys["api"],
            AIRFLOW__API_AUTH__JWT_SECRET=keys["jwt"],
            AIRFLOW__LOGGING__BASE_LOG_FOLDER=str(self.logs),
        )

    def prepare(self, companies: dict[str, Path]) -> None:
        """Write the companies' DAG files; prepare Airflow's metadata where need be.

        The metadata are migrated once per Airflow version, and on a server each company
        gets its pools: a run in a process of its own does one task at a time. To be
        called by the owner only.
        """
        write_dag_files(self.dags, companies)
        # Who removes PostgreSQL's data removes its stamp.
        stamp = (self.postgres.folder if self.postgres else self.folder) / _STAMP
        now = {
            "airflow": importlib.metadata.version("apache-airflow"),
            "database": self.database,
        }
        before = json.loads(stamp.read_text()) if stamp.is_file() else {}
        pools = before.get("pools", []) if now.items() <= before.items() else None
        names = companies if self.serves else ()
        wanted = [of(name) for name in names for of in (pool, watch_pool)]
        missing = [name for name in wanted if name not in (pools or [])]
        if pools is not None and not missing:
            return
        with self.postgres.running() if self.postgres else nullcontext():
            if pools is None:
                print("Preparing Airflow's metadata, once …", flush=True)
                self._airflow("db", "migrate")
                pools = []
            if missing:
                file = self.folder / "pools.json"
                one_slot = {
                    "slots": 1,
                    "description": "who works on a company's warehouse, or its watch's",
                    "include_deferred": False,
                }
                file.write_text(json.dumps(dict.fromkeys(missing, one_slot)))
                self._airflow("pools", "import", str(file))
        # The connection may hold a password.
        _write_secret(stamp, {**now, "pools": sorted({*pools, *wanted})})

    def _airflow(self, *command: str) -> None:
        log = self.logs / "prepare.log"
        with log.open("a") as output:
            done = subprocess.run(
                [*LAUNCH, *command],
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode != 0:
            raise ConfigurationError(
                f"airflow {' '.join(command[:2])} ended with {done.returncode}: "
                f"{last_line(log)} — full log: {log}"
            )


def _secret_file(path: Path, content: dict[str, str]) -> dict[str, str]:
    """The content of a JSON file, which is made with `content` when it is absent."""
    if not path.is_file():
        _write_secret(path, content)
    return json.loads(path.read_text())


def _write_secret(path: Path, content: dict[str, Any]) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.touch(mode=0o600)
    partial.write_text(json.dumps(content))
    partial.replace(path)


def last_line(log: Path) -> str:
    """The last line of a log that is not empty."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line]
    return lines[-1].strip() if lines else "(no output)"


class Ownership:
    """The lock on an Airflow home, and the note of its owner.

    The kernel frees the lock when the last process that inherited it ends, however
    it ends.
    """

    def __init__(self, home: AirflowHome, descriptor: int | None = None) -> None:
        """`descriptor` is that of a lock which the parent process passed on."""
        self._lock_file = home.folder / "owner.lock"
        self._note_file = home.folder / "owner.json"
        self._lock = os.fdopen(descriptor, "a") if descriptor else None

    def acquire(self) -> bool:
        """Take the lock if nobody holds it."""
        lock = self._lock_file.open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return False
        self._lock = lock
        self._note_file.unlink(missing_ok=True)
        return True

    def is_owned(self) -> bool:
        """Whether a server or a run owns the home now; takes nothing from them."""
        if not self._lock_file.exists():
            return False
        with self._lock_file.open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    @property
    def inheritance(self) -> tuple[int, ...]:
        """For `pass_fds` of the processes that shall hold the lock as well."""
        return (self._lock.fileno(),) if self._lock else ()

    def release(self) -> None:
        """Let go of the lock here; a process that inherited it keeps it."""
        if self._lock:
            self._lock.close()
        self._lock = None

    def write_note(self, kind: str, pid: int, **more: Any) -> None:
        """Say who owns: a "server" or a "run", and the process that leads it."""
        partial = self._note_file.with_suffix(".partial")
        partial.write_text(json.dumps({"kind": kind, "pid": pid, **more}))
        partial.replace(self._note_file)

    def owner(self) -> dict[str, Any]:
        """The note of another owner; {} while it has written none yet."""
        try:
            return json.loads(self._note_file.read_text())
        except FileNotFoundError:
            return {}


def session_members(leader: int) -> list[psutil.Process]:
    """All living processes of the session that `leader` opened, without the caller.

    Airflow gives each task a process group of its own, so that killing groups would
    leave tasks behind; none of them leaves the session. An orphan that has ended may
    wait a second for init to collect it.
    """
    members = []
    for pid in psutil.pids():
        try:
            if pid != os.getpid() and os.getsid(pid) == leader:
                process = psutil.Process(pid)
                if process.status() != psutil.STATUS_ZOMBIE:
                    members.append(process)
        except (ProcessLookupError, PermissionError, psutil.NoSuchProcess):
            continue
    return members


def end_session(
    leader: int, grace_seconds: float, spared: Collection[int] = ()
) -> None:
    """End all processes of a session but those spared: asked first, then killed."""
    for stop in (psutil.Process.terminate, psutil.Process.kill):
        members = [
            process for process in session_members(leader) if process.pid not in spared
        ]
        for process in members:
            try:
                stop(process)
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(members, timeout=grace_seconds)
