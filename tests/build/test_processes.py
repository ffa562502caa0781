"""Processes that compute for a run."""

import subprocess
from io import StringIO

import pytest

from kith.build.processes import follow, killed


def start(script: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True)


def test_what_a_process_says_is_kept_without_persons_and_printed_in_part(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = StringIO()
    said = "echo one; echo two of ana@example.org; exit 3"
    assert follow(start(said), log, lambda: None, lambda line: "one" not in line) == 3
    assert log.getvalue().startswith("one\ntwo of ")
    assert "ana@" not in log.getvalue()
    assert capsys.readouterr().out.startswith("two of ")


def test_a_process_does_not_outlive_what_stops_us() -> None:
    process = start("sleep 60")

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        follow(process, StringIO(), interrupt)
    assert process.returncode == -9


def test_only_what_was_killed_is_called_so() -> None:
    assert killed("dbt", 1, "") is None
    assert "dbt was killed by SIGKILL" in str(killed("dbt", -9, ""))
