"""The commands behind `make run`, `make company`, `make up` and their like."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kith.failures import explained
from kith_airflow.commands import questions, releases, rights, runs, server
from kith_airflow.watchdog import watchdog

_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


COMMANDS: dict[str, Callable[[], int]] = {
    "run": runs.run,
    "up": server.up,
    "down": server.down,
    "rollback": releases.rollback,
    "company": questions.company,
    "replay": runs.replay,
    "airflow": server.airflow,
    "prepare": server.prepare,
    "dbt": questions.dbt,
    "shell": questions.shell,
    "identity-explain": questions.identity_explain,
    "watch": runs.watch,
    "show": questions.show,
    "releases": releases.releases,
    "metric": questions.metric,
    "superset": questions.superset,
    "lineage": questions.lineage,
    "prune": releases.prune,
    "serve": releases.serve,
    "reproduce": releases.reproduce,
    "approve": releases.approve,
    "rebuild": releases.rebuild,
    "watchdog": watchdog,
    "alerts": server.alerts,
    "catch-up": runs.catch_up,
    "erase": rights.erase,
    "export-person": rights.export_person,
}


def main(arguments: list[str]) -> int:
    """Run one command; returns the exit code. An error is one line on stderr."""
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        print(f"usage: python -m kith_airflow {'|'.join(COMMANDS)}", file=sys.stderr)
        return 2
    try:
        with _interruptible():
            return COMMANDS[arguments[0]]()
    except Exception as error:
        known = explained(error)
        if known is None:
            raise
        print(f"Failed: {known}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted", file=sys.stderr)
        return 130


@contextmanager
def _interruptible() -> Iterator[None]:
    """Make the first signal to stop a KeyboardInterrupt, and ignore those after it.

    They come in numbers, as when make hands on what its group has received, and must
    not stop the cleaning up. What is ignored already stays so, as under nohup.
    """

    def interrupt(*_: Any) -> None:
        for number in before:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    handlers = {number: signal.getsignal(number) for number in _STOPS}
    before = {n: old for n, old in handlers.items() if old != signal.SIG_IGN}
    for number in before:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
