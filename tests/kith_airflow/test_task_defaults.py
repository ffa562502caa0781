"""What is tried again. That each task has these defaults is in tests/dags."""

import subprocess
import sys

from kith.settings import load_settings
from kith_airflow.home import AirflowHome

DECIDE = """
import errno
from kith import errors
from kith_airflow.task_defaults import TASK_DEFAULTS
policy, retries = TASK_DEFAULTS["retry_policy"], TASK_DEFAULTS["retries"]
# A task that was cleared after its second try may be tried five times in all.
for error in (errors.TransientError("x"), errors.SourceUnavailableError("x"),
              ConnectionResetError("x"), TimeoutError("x"), errors.DeliveryError("x"),
              errors.GateError("x"), errors.CredentialsError("x"), ValueError("x"),
              OSError(errno.ENOSPC, "x"), MemoryError("x"), OSError(errno.EROFS, "x")):
    tries = [(1, retries), (2, retries), (3, 2 + retries)]
    found = [policy.evaluate(error, *each) for each in tries]
    print(type(error).__name__, *(each.action.value for each in found), found[0].reason)
"""


def test_only_what_may_pass_by_itself_is_tried_again(kith_home: object) -> None:
    # In a process of its own: Airflow takes over logging wherever it is imported.
    done = subprocess.run(
        [sys.executable, "-c", DECIDE],
        env=AirflowHome(load_settings()).environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-11:] == [
        "TransientError retry retry retry transient",
        "SourceUnavailableError retry retry retry source_unavailable",
        "ConnectionResetError retry retry retry source_unavailable",
        "TimeoutError retry retry retry source_unavailable",
        "DeliveryError fail fail fail contract",
        "GateError fail fail fail data_gate",
        "CredentialsError fail fail fail credentials",
        "ValueError fail fail fail bug",
        # Another process may give back what it took, so that once more is enough.
        "OSError retry fail retry resource",
        "MemoryError retry fail retry resource",
        "OSError fail fail fail resource",
    ]
