"""Processes that compute for a run: what they say is kept, and why they ended."""

import signal
import subprocess
from collections.abc import Callable
from typing import TextIO

from kith.build.failed_models import without_values
from kith.errors import KithError, ResourceError, TransientError


def follow(
    process: "subprocess.Popen[str]",
    log: TextIO,
    begin: Callable[[], None],
    is_shown: Callable[[str], bool] = lambda line: True,
) -> int:
    """Let a process begin, write what it says to a log, and print it; gives its code.

    The process is killed where an error, an interrupt or a timeout stops us.
    """
    with process:
        try:
            begin()
            for line in map(without_values, process.stdout or ()):
                log.write(line)
                if is_shown(line):
                    print(line, end="", flush=True)
        except BaseException:
            process.kill()
            raise
    return process.returncode


def killed(name: str, code: int, where: str) -> KithError | None:
    """Why somebody or the system killed a process; None where nobody did."""
    if code == -signal.SIGKILL:
        return ResourceError(
            f"{name} was killed by SIGKILL, perhaps for lack of memory: end what else "
            f"runs on the machine, or set KITH_MEMORY_LIMIT lower{where}",
            may_pass=True,
        ).showing(thing="memory")
    if code < 0:
        by = signal.Signals(-code).name
        return TransientError(f"{name} was killed by {by}; run it again{where}")
    return None
