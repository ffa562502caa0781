"""What is tried again. That each task has these defaults is in tests/dags."""

import subprocess
import sys

from kith.settings import load_settings
from kith_airflow.home import AirflowHome

DECIDE = """
from kith import errors
from kith_airflow.task_defaults import TASK_DEFAULTS
policy = TASK_DEFAULTS["retry_policy"]
for error in (errors.TransientError, ConnectionResetError, TimeoutError,
              errors.DeliveryError, errors.GateError, MemoryError, OSError):
    print(error.__name__, policy.evaluate(error("x"), 1, 3).action.value)
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
    assert done.stdout.splitlines()[-7:] == [
        "TransientError retry",
        "ConnectionResetError retry",
        "TimeoutError retry",
        "DeliveryError fail",
        "GateError fail",
        "MemoryError fail",
        "OSError fail",
    ]
