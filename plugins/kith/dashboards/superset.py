"""$KITH_HOME/superset: a Superset of this machine, in an environment of its own.

It needs older packages than Kith does (SQLAlchemy 1.4, pandas 2.1), so that it has its
own Python environment, made once from `requirements-superset.lock`. Its metadata are an
SQLite file: one process works on it, for people of this machine. It sends nothing, and
its pages may load nothing from elsewhere.
"""

import hashlib
import json
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kith.company.folder import Company
from kith.dashboards.assets import Bundle, bundle, packed, slug
from kith.dashboards.client import Client
from kith.dashboards.contents import read_contents
from kith.dashboards.declared import dashboards
from kith.dashboards.places import Place, file_place, postgres_place
from kith.errors import ConfigurationError, KithError
from kith.ports import check_free
from kith.pull.connections import Connection
from kith.settings import (
    REPOSITORY,
    Settings,
    child_environment,
    sealed_environment,
)
from kith.storage import replace_file, restrict

LOCK = REPOSITORY / "requirements-superset.lock"
SCRIPT = Path(__file__).with_name("prepare_superset.py")
HOST = "127.0.0.1"
START_SECONDS = 180
STOP_SECONDS = 20
_STAMP = "prepared.json"
# All that a page may load comes from this server: no font, map or counter of others.
_POLICY = {
    "base-uri": ["'self'"],
    "default-src": ["'self'"],
    "img-src": ["'self'", "blob:", "data:"],
    "worker-src": ["'self'", "blob:"],
    "connect-src": ["'self'"],
    "object-src": "'none'",
    "style-src": ["'self'", "'unsafe-inline'"],
    "font-src": ["'self'"],
    "script-src": ["'self'", "'strict-dynamic'"],
}


@dataclass(frozen=True)
class SupersetHome:
    """The folder of one Superset, for all companies of a home."""

    settings: Settings

    @property
    def folder(self) -> Path:
        """Readable for its owner only: it holds keys, passwords and answers."""
        folder = self.settings.home / "superset"
        restrict(folder, 0o700)
        return folder

    @property
    def url(self) -> str:
        """Where its pages are, on this machine alone."""
        return f"http://{HOST}:{self.settings.superset_port}"

    @property
    def log(self) -> Path:
        """What installation, preparation and server write."""
        return self.folder / "superset.log"

    @property
    def password_file(self) -> Path:
        """The password of the user admin, made up once."""
        return self.folder / "password"

    @property
    def python(self) -> Path:
        """Superset's own Python."""
        return self.folder / "venv" / "bin" / "python"

    def password(self) -> str:
        """The password of the user admin."""
        return _made_up(self.password_file)

    def environment(self) -> dict[str, str]:
        """What Superset's processes are told: nothing of ours but where they live."""
        return sealed_environment(
            SUPERSET_HOME=str(self.folder),
            SUPERSET_CONFIG_PATH=str(self.folder / "superset_config.py"),
            FLASK_APP="superset.app:create_app()",
            SCARF_ANALYTICS="false",
        )

    def prepare(self) -> None:
        """Install Superset and make its metadata, unless that was done already."""
        restrict(self.folder, 0o700)
        self._write_configuration()
        password = self.password()
        wanted = {
            "lock": _digest(LOCK.read_bytes()),
            "script": _digest(SCRIPT.read_bytes()),
            "python": f"{sys.version_info.major}.{sys.version_info.minor}",
            "password": _digest(password.encode()),
        }
        stamp = self.folder / _STAMP
        done = json.loads(stamp.read_text()) if stamp.is_file() else {}
        if done == wanted and self.python.is_file():
            return
        stamp.unlink(missing_ok=True)
        print("Setting up Superset, once, some minutes …", flush=True)
        uv = str(Path(sys.executable).with_name("uv"))
        venv = str(self.folder / "venv")
        # uv is told of its registry by our environment.
        ours = child_environment()
        make = [uv, "venv", "--allow-existing", "--python", sys.executable, venv]
        self._do(make, ours)
        sync = [uv, "pip", "sync", "--require-hashes", "--compile-bytecode"]
        self._do([*sync, "--python", str(self.python), str(LOCK)], ours)
        # -P: of what lies beside the script nothing is imported.
        prepare = [str(self.python), "-P", str(SCRIPT), str(self.password_file)]
        self._do(prepare, self.environment())
        stamp.write_text(json.dumps(wanted))

    def _write_configuration(self) -> None:
        database = self.folder / "superset.db"
        values = {
            "SECRET_KEY": _made_up(self.folder / "secret_key"),
            "SQLALCHEMY_DATABASE_URI": f"sqlite:///{database}?check_same_thread=false",
            "TALISMAN_CONFIG": {
                "content_security_policy": _POLICY,
                "content_security_policy_nonce_in": ["script-src"],
                "force_https": False,
                "session_cookie_secure": False,
            },
        }
        lines = [f"{name} = {value!r}" for name, value in values.items()]
        text = "# Written by make superset, each time anew.\n" + "\n".join(lines) + "\n"
        replace_file(self.folder / "superset_config.py", text.encode(), 0o600)

    def _do(self, command: list[str], environment: dict[str, str]) -> None:
        with self.log.open("a") as output:
            done = subprocess.run(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                check=False,
            )
        if done.returncode != 0:
            raise ConfigurationError(
                f"{' '.join(Path(part).name for part in command[:3])} ended with "
                f"{done.returncode}; expected 0, to set up Superset; see the end of "
                f"{self.log}, mend it, and call make superset again"
            )

    @contextmanager
    def server(self) -> Iterator["subprocess.Popen[bytes]"]:
        """Run the server while the context lasts; it answers when this is entered.

        Raises ConfigurationError when the port is taken, KithError when it dies.
        """
        port = self.settings.superset_port
        check_free(HOST, port, "KITH_SUPERSET_PORT")
        with self.log.open("a") as output:
            # One process, since charts wait for DuckDB and not for Python.
            process = subprocess.Popen(
                [
                    *(str(self.python), "-m", "gunicorn", "--bind", f"{HOST}:{port}"),
                    *("--workers", "1", "--worker-class", "gthread", "--threads", "8"),
                    *("--timeout", "300", "superset.app:create_app()"),
                ],
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                # A Ctrl-C is for us, who end it in order.
                start_new_session=True,
            )
        try:
            client, deadline = Client(self.url, ""), time.monotonic() + START_SECONDS
            while not client.is_healthy():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise KithError(
                        f"Superset did not start within {START_SECONDS} s; see the end "
                        f"of {self.log}"
                    )
                time.sleep(0.5)
            yield process
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@dataclass(frozen=True)
class Running:
    """A Superset that runs: `pages` are its dashboards, `files` what it imported."""

    home: SupersetHome
    process: "subprocess.Popen[bytes]"
    pages: list[str]
    files: list[Path]


def places(
    company: Company, settings: Settings, find_connection: Callable[[str], Connection]
) -> list[Place]:
    """Where a company's dashboards read: the file, and PostgreSQL where declared."""
    published = settings.home / company.name / "published"
    # Queries of a page run beside one another in one process.
    found = [file_place(published, settings.memory_limit, settings.threads)]
    declared = company.postgres
    if declared and declared.dashboards_connection:
        connection = find_connection(declared.dashboards_connection)
        found.append(postgres_place(company, declared, connection))
    return found


def bundles(
    company: Company, settings: Settings, found: list[Place]
) -> list[tuple[Place, Bundle]]:
    """The dashboards of the current release, for each place.

    Raises ConfigurationError where nothing was published yet.
    """
    state = settings.home / company.name
    current = state / "published" / "current"
    if not current.is_dir():
        raise ConfigurationError(
            f"{current}: nothing was published yet; expected a release, which "
            f"dashboards read; make run COMPANY={company.folder}"
        )
    contents = read_contents(current.resolve(), state / "scratch")
    return [(place, bundle(contents, place, dashboards())) for place in found]


@contextmanager
def running(
    company: Company, settings: Settings, find_connection: Callable[[str], Connection]
) -> Iterator[Running]:
    """Run a Superset with a company's dashboards while the context lasts."""
    home = SupersetHome(settings)
    made = bundles(company, settings, places(company, settings, find_connection))
    home.prepare()
    files, pages = [], []
    with home.server() as process:
        client = Client(home.url, home.password())
        for place, assets in made:
            database = f"databases/{company.name}_{place.key}.yaml"
            passwords = {} if place.password is None else {database: place.password}
            try:
                client.import_assets(packed(assets, "assets"), passwords)
            except KithError as error:
                raise KithError(f"{error}; see the end of {home.log}") from None
            files.append(home.folder / f"{company.name}_{place.key}.zip")
            replace_file(files[-1], packed(assets), 0o600)
            pages += [
                f"{home.url}/superset/dashboard/{slug(company.name, place, name)}/"
                for name in dashboards()
            ]
        yield Running(home, process, pages, files)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _made_up(path: Path) -> str:
    """A secret that is made up once and kept, for its owner alone."""
    if not path.is_file():
        replace_file(path, secrets.token_urlsafe(32).encode(), 0o600)
    return path.read_text(encoding="utf-8").strip()
