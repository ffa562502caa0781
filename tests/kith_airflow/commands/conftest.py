"""Airflow is the real one, in a process of its own; the stages are stand-ins, which
fail as a test orders."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kith.settings import REPOSITORY

SHOP = REPOSITORY / "tests/companies/corner_shop"


STAND_INS = {
    "stand_ins.py": """
import os
import subprocess
import time
from kith import errors

def act(run, stage, item=""):
    with run.stage(stage, item) as figures:
        figures["rows"] = 3
        order = run.home / "orders" / f"{stage} {item}".strip()
        if not order.is_file():
            return
        what = order.read_text()
        if what == "hang":
            subprocess.Popen(["sleep", "120"], process_group=0)  # such as dbt
            (run.home / "hanging").touch()
            time.sleep(120)
        if what == "disk":  # As it takes Airflow, whose database lies there.
            os.write(2, b"(sqlite3.OperationalError) database or disk is full\\n")
            os._exit(1)
        if what == "TransientError":
            order.unlink()
        raise getattr(errors, what)(f"{item} was ordered to fail")
""",
    "publish/release.py": """
import json
from kith.stand_ins import act

def publish(run):
    act(run, "publish")
    release = run.published / f"release_{len(list(run.published.glob('release_*')))}"
    release.mkdir(parents=True)
    gate = {"passed": 7, "warnings": 1, "failed_warnings": ["few rows"]}
    marts = {"customer.customers": {"rows": 1234}}
    manifest = {"title": run.company.title, "gate": gate, "marts": marts}
    (release / "manifest.json").write_text(json.dumps(manifest))
    link = run.published / "new"
    link.symlink_to(release.name)
    link.replace(run.published / "current")
    return {**manifest, "release_id": release.name, "as_of_date": "2024-12-31"}

def rollback(folder, release):
    return f"{folder.name}/{release}"

def lacks_page(release):
    return release.name == "without_page"
""",
    "approve/approval.py": """
from types import SimpleNamespace

def question(run):
    raise AssertionError("nobody can answer without a server")

def check_approved(run):
    return SimpleNamespace(changes=[1, 2]), None
""",
    "publish/pruning.py": """
from types import SimpleNamespace

def prune(run, logs, apply):
    assert apply and all(folder.is_absolute() for folder, pattern in logs)
    return [SimpleNamespace(bytes=1_500_000)]

def told(removed):
    return "2 raw, 1.5 MB"
""",
    "serve/serve.py": """
from types import SimpleNamespace
from kith.errors import CredentialsError

def serve(run, find_connection):
    if (run.home / "refused").exists():
        raise CredentialsError("connection 'bi': refuses the login; check it")
    assert find_connection("bi").host == "db.example"
    assert run.company.postgres.connection == "bi"
    days = f"{run.interval.from_day} {run.interval.to_day}"
    return SimpleNamespace(release_id=f"R1 of {days}", schema="kith_r1",
                           missing_logins=["anna"])
""",
    **{
        f"{module}.py": f"""
from kith.stand_ins import act

def {function}(run, item="", find_connection=None):
    act(run, "{stage}", item)
"""
        for module, function, stage in (
            ("pull/table", "pull_table", "pull"),
            ("admit/table", "admit_table", "admit"),
            ("build/candidate", "build", "build"),
            ("gate/audit", "audit", "audit"),
        )
    },
}


class Kith:
    """A copy of the repository's Airflow side, with stand-ins for the stages."""

    def __init__(self, folder: Path) -> None:
        self.repository, self.home = folder / "repository", folder / "home"
        kith = self.repository / "plugins" / "kith"
        shutil.copytree(REPOSITORY / "plugins", self.repository / "plugins")
        (self.repository / "dbt_project").symlink_to(REPOSITORY / "dbt_project")
        for name, text in STAND_INS.items():
            (kith / name).write_text(text)
        (self.repository / "dags").symlink_to(REPOSITORY / "dags")
        defaults = self.repository / "plugins" / "kith_airflow" / "task_defaults.py"
        text = defaults.read_text()
        assert "timedelta(seconds=30)" in text
        defaults.write_text(text.replace("seconds=30", "seconds=1"))
        (self.home / "orders").mkdir(parents=True)

    @property
    def current(self) -> str | None:
        link = self.home / "corner_shop" / "published" / "current"
        return link.readlink().name if link.is_symlink() else None

    def order(self, stage: str, what: str) -> None:
        (self.home / "orders" / stage).write_text(what)

    def cancel(self, stage: str) -> None:
        (self.home / "orders" / stage).unlink()

    def start(
        self, command: str, of_make: bool = False, **environment: str
    ) -> "subprocess.Popen[str]":
        called = [sys.executable, "-m", "kith_airflow", command]
        if of_make:
            called = ["make", "--eval", f"{command}: ; @{' '.join(called)}", command]
        return subprocess.Popen(
            called,
            env={
                **os.environ,
                "PYTHONPATH": str(self.repository / "plugins"),
                "KITH_HOME": str(self.home),
                "KITH_COMPANY": str(SHOP),
                "COMPANY": "",
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=of_make,
            cwd=self.home,
        )

    def call(self, command: str, **environment: str) -> tuple[int, str, str]:
        """Exit code, output and errors of a command, each blank run made one."""
        process = self.start(command, **environment)
        output, errors = process.communicate(timeout=180)
        lines = (" ".join(line.split()) for line in output.splitlines())
        return process.returncode, "\n".join(lines), errors


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Kith:
    return Kith(tmp_path_factory.mktemp("kith"))


@pytest.fixture
def kith(installed: Kith) -> Iterator[Kith]:
    yield installed
    shutil.rmtree(installed.home / "orders")
    (installed.home / "orders").mkdir()
    (installed.home / "hanging").unlink(missing_ok=True)
