"""What stands for a company's source systems while Kith runs.

A company folder may hold `source_systems.py`: a program that makes and serves what the
company's real systems would. It is called with a folder for its state and the company's
first and last day, prints one line of JSON when it is ready, the environment variables
by which it is found (connections, folders, keys), and ends when its standard input is
closed.

These variables are the company's alone. They lie in a file that the company's own tasks
read (`adopt_source_systems`): several companies share one Airflow, and the identifier
key of one must not hash the identifiers of another.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kith.company.folder import Company
from kith.company.tables import PATH_VARIABLE
from kith.errors import ConfigurationError
from kith.runs.run import last_complete_day, make_state
from kith.settings import (
    child_environment,
    environment_variable,
    set_environment_variables,
)

_STOP_SECONDS = 10
_LOG = "output.log"
_VARIABLES = "variables.json"


def source_systems_script(company: Company) -> Path | None:
    """The company's `source_systems.py`, if it has one."""
    script = company.folder / "source_systems.py"
    return script if script.is_file() else None


@contextmanager
def source_systems(company: Company, home: Path) -> Iterator[dict[str, str]]:
    """Run the company's source systems; yields the environment variables they name.

    Meanwhile the tasks of the company may adopt them. Raises ConfigurationError with
    the last line of their log when they do not come up.
    """
    script = source_systems_script(company)
    if script is None:
        yield {}
        return
    make_state(home / company.name)
    folder = _folder(company, home)
    log = folder / _LOG
    kept = folder / _VARIABLES
    last_day = company.last_day or last_complete_day(company)
    with (
        log.open("w") as output,
        subprocess.Popen(
            [sys.executable, *map(str, (script, folder, company.first_day, last_day))],
            env=child_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
        ) as process,
    ):
        try:
            variables = _announced(process, script, log)
            kept.touch(mode=0o600)
            kept.write_text(json.dumps(variables))
            yield variables
        finally:
            kept.unlink(missing_ok=True)
            _end(process)


def adopt_source_systems(company: Company, home: Path) -> None:
    """Set the variables that the company's source systems announced, in this process.

    Does nothing for a company without them. Raises ConfigurationError when they do not
    run.
    """
    script = source_systems_script(company)
    if script is None:
        return
    folder = _folder(company, home)
    try:
        variables = json.loads((folder / _VARIABLES).read_text())
    except FileNotFoundError:
        raise ConfigurationError(
            f"{script}: does not run, so that the company's sources cannot be reached; "
            "`make run` and `make up` start it; if they did, it says in "
            f"{folder / _LOG} why it ended"
        ) from None
    set_environment_variables(variables)


@contextmanager
def keys_of(company: Company, home: Path) -> Iterator[None]:
    """Set what the company's source systems announce; starts them where none runs."""
    if (_folder(company, home) / _VARIABLES).exists():
        adopt_source_systems(company, home)
        yield
        return
    with source_systems(company, home) as variables:
        set_environment_variables(variables)
        yield


def unset_variables(company: Company) -> list[str]:
    """Environment variables that the company's paths name and that nobody sets."""
    if source_systems_script(company):
        return []
    paths = [table.rules.path or "" for table in company.sources]
    named = {name for path in paths for name in PATH_VARIABLE.findall(path)}
    return sorted(name for name in named if environment_variable(name) is None)


def _folder(company: Company, home: Path) -> Path:
    return home / company.name / "source_systems"


def _announced(
    process: "subprocess.Popen[str]", script: Path, log: Path
) -> dict[str, str]:
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        code = process.wait()
        written = [text for text in log.read_text().splitlines() if text.strip()]
        reason = written[-1].strip() if written else "(no output)"
        raise ConfigurationError(
            f"{script} ended with {code} instead of serving: {reason} — its output: "
            f"{log}"
        )
    try:
        variables = json.loads(line)
        return {str(name): str(value) for name, value in variables.items()}
    except (ValueError, AttributeError):
        # The line may hold passwords: it is not shown.
        raise ConfigurationError(
            f"{script}: its first line is no JSON object; expected one of environment "
            "variables and their values"
        ) from None


def _end(process: "subprocess.Popen[str]") -> None:
    if process.stdin:
        process.stdin.close()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
