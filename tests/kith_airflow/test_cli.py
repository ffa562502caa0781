"""The command line: one command, one line of error, any signal."""

import signal
from pathlib import Path

import pytest

from kith_airflow import cli
from kith_airflow.cli import main


def test_an_error_is_one_line_and_starts_nothing(
    kith_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COMPANY", "companies/of_nobody")
    assert main(["run"]) == 1
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith("Failed: ") and errors.count("\n") == 1
    assert "companies/of_nobody/company.yml: not found" in errors
    assert not kith_home.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_any_signal_to_stop_lets_a_command_clean_up(
    number: signal.Signals,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cleaned = []

    def command() -> int:
        try:
            signal.raise_signal(number)
        finally:
            # Such as from make, which hands SIGTERM on to a group that has it already.
            for again in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.raise_signal(again)
            cleaned.append(number)
        return 0

    before = signal.signal(number, lambda *_: None)
    try:
        monkeypatch.setitem(cli.COMMANDS, "down", command)
        assert main(["down"]) == 130
        signal.raise_signal(number)
    finally:
        signal.signal(number, before)
    assert cleaned == [number]
    assert capsys.readouterr().err == "Interrupted\n"


def test_a_run_under_nohup_goes_on_when_its_terminal_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def command() -> int:
        signal.raise_signal(signal.SIGHUP)
        return 0

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        monkeypatch.setitem(cli.COMMANDS, "down", command)
        assert main(["down"]) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_an_unknown_command_lists_the_known_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["dance"]) == 2
    assert "run|up|down|rollback" in capsys.readouterr().err
