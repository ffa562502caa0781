"""What stands for a company's source systems while Kith runs.

A company folder may hold `source_systems.py`: a program that makes and serves what the
company's real systems would. It is called with a folder for its state and the company's
first and last day, prints one line of JSON when it is ready, the environment variables
by which it is found (connections, folders, keys), and ends when its standard input is
closed.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kith.company.folder import Company
from kith.errors import ConfigurationError
from kith.runs.run import last_complete_day
from kith.settings import child_environment

_STOP_SECONDS = 10


def source_systems_script(company: Company) -> Path | None:
    """The company's `source_systems.py`, if it has one."""
    script = company.folder / "source_systems.py"
    return script if script.is_file() else None


@contextmanager
def source_systems(company: Company, home: Path) -> Iterator[dict[str, str]]:
    """Run the company's source systems; yields the environment variables they name.

    Raises ConfigurationError with the last line of their log when they do not come up.
    """
    script = source_systems_script(company)
    if script is None:
        yield {}
        return
    folder = home / company.name / "source_systems"
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "output.log"
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
            yield _announced(process, script, log)
        finally:
            _end(process)


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
