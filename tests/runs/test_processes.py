"""Whether a process still lives that a journal names."""

import subprocess
import sys

from kith.runs.processes import is_gone, this_process


def test_this_one_lives_and_one_that_ended_is_gone() -> None:
    here = this_process()
    assert is_gone(here) is False
    other = subprocess.run(
        [
            sys.executable,
            "-c",
            "from kith.runs.processes import *; print(this_process())",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert is_gone(eval(other.stdout)) is True  # noqa: S307
    # Another process may have got its number since.
    assert is_gone({**here, "started": here["started"] - 60}) is True


def test_of_another_host_or_of_an_old_journal_nobody_knows() -> None:
    assert is_gone({**this_process(), "host": "elsewhere"}) is None
    assert is_gone(None) is None
