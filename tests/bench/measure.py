"""Wall seconds and memory of a command and all that it starts."""

import contextlib
import os
import subprocess
import sys
import threading
import time

import psutil

from kith.settings import REPOSITORY


class MemorySampler(threading.Thread):
    """Resident bytes of a process and its descendants, ten times a second."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.root = psutil.Process(pid)
        self.samples: list[tuple[float, int]] = []

    def run(self) -> None:
        """Sample until the process is gone."""
        with contextlib.suppress(psutil.NoSuchProcess):
            while self.root.status() != psutil.STATUS_ZOMBIE:
                total = self.root.memory_info().rss
                for process in self.root.children(recursive=True):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        total += process.memory_info().rss
                self.samples.append((time.time(), total))
                time.sleep(0.1)

    def peak_gb(self, start: float = 0, end: float = float("inf")) -> float:
        """Highest sample between two points of time, in GB."""
        within = [size for at, size in self.samples if start <= at <= end]
        return max(within, default=0) / 1e9


def measured(command: list[str], **environment: str) -> tuple[float, MemorySampler]:
    """Run a command; its wall seconds and its memory."""
    started = time.time()
    process = subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    sampler = MemorySampler(process.pid)
    sampler.start()
    output, _ = process.communicate()
    seconds = time.time() - started
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{output}")
    return seconds, sampler
