"""Processes as a journal names them, so that others can see whether they still live."""

import os
import socket
from typing import Any

import psutil


def this_process() -> dict[str, Any]:
    """Host, number and start of this process: a number alone is given out again."""
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": round(psutil.Process().create_time(), 2),
    }


def is_gone(process: dict[str, Any] | None) -> bool | None:
    """Whether a process has ended; None where that cannot be seen from this host."""
    if not process or process["host"] != socket.gethostname():
        return None
    try:
        found = psutil.Process(process["pid"])
        is_same = abs(found.create_time() - process["started"]) < 1
        return not is_same or found.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
