"""docker-compose.yml started for real: two Celery workers, one killed during a pull.

    PYTHONPATH=plugins:. .venv/bin/python -m tests.bench.compose [folder]

It needs root, and on the PATH Debian's podman, runc and debootstrap with a compose
client that knows profiles (podman-compose from PyPI), but no registry of images: those
that docker-compose.yml names are made from Debian's packages, once in a `folder`.
Kith's image is built by the file's own recipe. The grocer's year is published, while
the worker that pulls first is killed; then `make run` takes the same days on this
machine, and both releases hold the same rows. It ends with 1 where they do not.
"""

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import yaml

from kith.settings import REPOSITORY
from kith_airflow.home import USER
from kith_airflow.server import Api

COMPANY, DAG = "complete_journey", "customer_marts__complete_journey"
DAYS = {"from_day": "2017-01-01", "to_day": "2017-12-31"}
PACKAGES = (
    *("ca-certificates", "procps", "tzdata", "libgomp1", "python3.11-venv"),
    # It provides what python3.11-venv asks for; debootstrap does not find that out.
    *("python3-distutils", "postgresql-15", "redis-server"),
)
_ENGINE = """
[engine]
cgroup_manager = "cgroupfs"
runtime = "runc"
events_logger = "file"
[containers]
# Some machines forbid containers more.
default_ulimits = ["nofile=8192:8192", "nproc=4096:4096"]
"""
_IMAGES = {
    "docker.io/library/python:3.11-slim": r"""
FROM kith-debian
RUN rm /usr/lib/python3.11/EXTERNALLY-MANAGED \
    && ln -s /usr/bin/python3.11 /usr/local/bin/python && python -m venv /opt/pip
ENV PATH=/usr/local/bin:/usr/bin:/bin:/opt/pip/bin
""",
    "docker.io/library/postgres:17": r"""
FROM kith-debian
ENV PATH=/usr/lib/postgresql/15/bin:/usr/bin:/bin PGDATA=/var/lib/postgresql/data
RUN printf '%s\n' '#!/bin/sh' 'set -e' \
    'mkdir -p $PGDATA && chown postgres $PGDATA && chmod 700 $PGDATA' \
    'as="setpriv --reuid=postgres --regid=postgres --init-groups"' \
    'if [ ! -s $PGDATA/PG_VERSION ]; then' \
    '  printf %s "$POSTGRES_PASSWORD" > /tmp/word && chown postgres /tmp/word' \
    '  $as initdb --username=$POSTGRES_USER --pwfile=/tmp/word \
         --auth-host=scram-sha-256 --auth-local=trust --locale=C.UTF-8' \
    '  rm /tmp/word' \
    '  echo "host all all all scram-sha-256" >> $PGDATA/pg_hba.conf' \
    '  echo "create database $POSTGRES_DB" | \
         $as postgres --single -D $PGDATA postgres' \
    'fi' \
    'exec $as postgres -c listen_addresses=*' \
    > /usr/local/bin/begin && chmod +x /usr/local/bin/begin \
    && mkdir -p /run/postgresql && chown postgres /run/postgresql
CMD ["/usr/local/bin/begin"]
""",
    "docker.io/library/redis:7": """
FROM kith-debian
ENV PATH=/usr/bin:/bin
""",
}


class Stack:
    """The services of docker-compose.yml, with what stands for the user's .env."""

    def __init__(self, folder: Path) -> None:
        """`folder` is where images and state may lie."""
        self.folder, self.home = folder, folder / "home"
        self.port = 8089
        engine = folder / "containers.conf"
        engine.write_text(_ENGINE)
        key = urlsafe_b64encode(secrets.token_bytes(32)).decode()
        words = ("POSTGRES_PASSWORD", "REDIS_PASSWORD", "KITH_API_SECRET")
        values = {name: secrets.token_hex(24) for name in (*words, "KITH_JWT_SECRET")}
        values |= {
            "KITH_FERNET_KEY": key,
            "KITH_EXECUTOR": "CeleryExecutor",
            "KITH_HOME": str(self.home),
            "KITH_COMPANIES": f"companies/{COMPANY}",
            "KITH_IDENTIFIER_KEY": secrets.token_hex(32),
            "KITH_PORT": str(self.port),
            "KITH_UID": "1000",
            "KITH_GID": "1000",
        }
        self.repository = folder / "kith"
        self.env_file = self.repository / ".env"
        self.environment = os.environ | {"CONTAINERS_CONF": str(engine)}
        self.values = values

    def prepare(self) -> None:
        """Lay a clone of the repository with its .env, and an empty home."""
        for path in (self.repository, self.home):
            shutil.rmtree(path, ignore_errors=True)
        run("git", "clone", "--quiet", REPOSITORY, self.repository)
        self.env_file.write_text("\n".join(f"{k}={v}" for k, v in self.values.items()))
        self.home.mkdir(parents=True)

    def podman(self, *arguments: str, **options: Any) -> str:
        """Call podman."""
        return run("podman", *arguments, env=self.environment, **options)

    def tried(self, *arguments: str) -> bool:
        """Whether podman did it."""
        command = ["podman", *arguments]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, check=False
        )
        return done.returncode == 0

    def compose(self, *arguments: str) -> str:
        """Call the compose client on the repository's file."""
        return run(
            *("podman-compose", "--in-pod=0"),
            *("--project-name", "kith", "--profile", "celery"),
            *arguments,
            cwd=self.repository,
            env=self.environment,
        )

    def make_images(self) -> None:
        """The images that the file names, and Kith's by its own recipe."""
        if "kith-debian" not in self.podman("images", "--format", "{{.Repository}}"):
            root = self.folder / "root"
            if not root.is_dir():
                included = f"--include={','.join(PACKAGES)}"
                run("debootstrap", "--variant=minbase", included, "bookworm", root)
            archive = self.folder / "root.tar"
            run("tar", "--create", "--file", archive, "--directory", root, ".")
            self.podman("import", "--quiet", str(archive), "kith-debian")
            archive.unlink()
        for name, recipe in _IMAGES.items():
            self._build(name, recipe)
        compose = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
        self._build("kith", compose["services"]["init"]["build"]["dockerfile_inline"])

    def _build(self, name: str, recipe: str) -> None:
        file = self.folder / "Dockerfile"
        file.write_text(recipe)
        # What a machine behind a mirror tells its own pip, the image's must know too.
        mirror = [
            part
            for path in ("/etc/pip.conf", "/etc/ssl/certs")
            if Path(path).exists()
            for part in ("--volume", f"{path}:{path}:ro")
        ]
        told = [
            part
            for variable, value in os.environ.items()
            if re.match(r"PIP_|UV_|SSL_|https?_proxy$", variable)
            for part in ("--env", f"{variable}={value}")
        ]
        self.podman(
            *("build", "--quiet", "--network=host", *mirror, *told),
            *("--tag", name, "--file", str(file), str(self.repository)),
        )

    def take_down(self) -> None:
        """Remove all containers, the scaled ones too, and what they have stored."""
        project = "label=com.docker.compose.project=kith"
        if names := self.podman("ps", "--all", "--quiet", "--filter", project).split():
            self.podman("rm", "--force", "--time", "5", *names)
        self.compose("down", "--volumes")

    def api(self) -> Api:
        """Airflow's, with the password that `init` has made."""
        made = "airflow/simple_auth_manager_passwords.json.generated"
        password = json.loads((self.home / made).read_text())[USER]
        return Api(f"http://127.0.0.1:{self.port}", password)

    def containers(self, service: str) -> list[str]:
        """Names of a service's containers that run."""
        label = f"label=com.docker.compose.service={service}"
        return self.podman(
            "ps", "--filter", label, "--format", "{{.Names}}"
        ).splitlines()


def run(*command: Any, **options: Any) -> str:
    """What a command prints; says what it printed where it fails."""
    done = subprocess.run(
        [*map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        **options,
    )
    if done.returncode:
        print(done.stdout[-4000:])
        raise SystemExit(f"{' '.join(map(str, command))[:200]}: {done.returncode}")
    return done.stdout


def wait(what: str, seconds: int, found: Any) -> Any:
    """What `found` returns once that is true; ends where it does not become so."""
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        if value := found():
            print(f"{time.monotonic() - begun:7.1f} s  {what}", flush=True)
            return value
        time.sleep(0.3)
    raise SystemExit(f"{what}: not within {seconds} s")


def has_page(stack: Stack) -> bool:
    """Whether the page of Airflow opens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{stack.port}/") as page:
            return page.status == 200 and b"<title>Airflow" in page.read()
    except OSError:
        return False


def pulling_workers(stack: Stack) -> list[str]:
    """The workers that are pulling, by the journal of the run."""
    found: list[str] = []
    for journal in stack.home.glob(f"{COMPANY}/runs/*/journal.jsonl"):
        lines = map(json.loads, journal.read_text().splitlines())
        open_ = {}
        for line in lines:
            if line["stage"] != "pull":
                continue
            if line["event"] == "start":
                open_[line["item"]] = line["process"]["host"]
            else:
                open_.pop(line["item"], None)
        found += open_.values()
    return found


def marts_of(home: Path) -> dict[str, Any]:
    """Rows and hashes of a release."""
    release = home / COMPANY / "published" / "current"
    manifest = json.loads((release / "manifest.json").read_text())
    return {
        name: {"rows": mart["rows"], "hash": mart["content_hash"]}
        for name, mart in manifest["marts"].items()
        if not name.startswith("operations.")
    }


def main(folder: Path) -> int:
    """Start all, kill, wait, compare, and take all down."""
    folder.mkdir(parents=True, exist_ok=True)
    stack = Stack(folder)
    stack.prepare()
    stack.make_images()
    print(stack.podman("images", "--format", "{{.Repository}}:{{.Tag}} {{.Size}}"))
    try:
        # One after the other: not each engine can wait for what the file says.
        stack.take_down()
        up = ("up", "--detach", "--no-build", "--no-deps")
        stack.compose(*up, "db", "redis")
        ready = ("exec", *stack.containers("db"), "pg_isready", "--username=kith")
        wait("PostgreSQL is ready", 120, lambda: stack.tried(*ready))
        stack.compose(*up, "init")
        wait("init has ended", 600, lambda: not stack.containers("init"))
        stays = ("api-server", "scheduler", "dag-processor", "triggerer", "worker")
        stack.compose(*up, "--scale", "worker=2", *stays)
        wait("the page opens", 600, lambda: has_page(stack))
        wait("two workers", 300, lambda: len(stack.containers("worker")) == 2)
        api = stack.api()
        wait("all is healthy, and the DAG read", 300, lambda: api.is_ready([DAG]))
        api.trigger(DAG, "bench", DAYS)
        ended = ("success", "failed")

        def state() -> str:
            found = api.state(DAG, "bench")
            return found if found in ended else ""

        begun = wait("a pull began", 300, lambda: pulling_workers(stack) or state())
        if isinstance(begun, str):
            raise SystemExit(f"the run ended before a pull: {begun}")
        host = begun[0]
        (killed,) = (
            name
            for name in stack.containers("worker")
            if stack.podman("exec", name, "hostname").strip() == host
        )
        stack.podman("kill", killed)
        print(f"{killed} was killed while it pulled")

        end = wait("the run ended", 3600, state)
        if end != "success":
            print(stack.compose("logs", "--tail", "200"))
            return 1
        published = marts_of(stack.home)
    finally:
        stack.take_down()
    alone = folder / "alone"
    shutil.rmtree(alone, ignore_errors=True)
    key = stack.values["KITH_IDENTIFIER_KEY"]
    run(
        *("make", "run", f"COMPANY=companies/{COMPANY}"),
        *(f"FROM={DAYS['from_day']}", f"TO={DAYS['to_day']}"),
        cwd=REPOSITORY,
        env=os.environ | {"KITH_HOME": str(alone), "KITH_IDENTIFIER_KEY": key},
    )
    expected = marts_of(alone)
    differing = {n for n in expected if published.get(n) != expected[n]}
    print(f"{len(expected)} marts, {len(differing)} differ {sorted(differing)}")
    return int(bool(differing) or published.keys() != expected.keys())


if __name__ == "__main__":
    given = sys.argv[1:]
    if given:
        sys.exit(main(Path(given[0]).resolve()))
    with tempfile.TemporaryDirectory(prefix="kith_compose_") as name:
        sys.exit(main(Path(name)))
