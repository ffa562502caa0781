"""dbt's command line is imported ahead and begins when it is told to."""

import os
import subprocess
import sys

import pytest

from kith.settings import REPOSITORY


@pytest.mark.parametrize(("told", "answers"), [("begin\n", True), ("", False)])
def test_dbt_begins_with_a_line_and_not_without(told: str, answers: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kith.build.launch", "--version"],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "plugins")},
        input=told,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert ("Core:" in done.stdout + done.stderr) == answers


def test_linear_algebra_has_one_thread_whatever_the_environment_says() -> None:
    script = (
        "import runpy, sys; sys.argv = ['launch', '--version']; "
        "runpy.run_module('kith.build.launch', run_name='__main__'); "
        "import numpy; from threadpoolctl import threadpool_info; "
        "print({each['num_threads'] for each in threadpool_info()})"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={
            **os.environ,
            "PYTHONPATH": str(REPOSITORY / "plugins"),
            "OPENBLAS_NUM_THREADS": "2",
        },
        input="",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1:] == ["{1}"], done.stderr
