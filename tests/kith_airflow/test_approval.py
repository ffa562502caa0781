"""The task that asks a person: when it asks, and what comes of the answer."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from kith.settings import REPOSITORY, load_settings
from kith_airflow.home import AirflowHome

# What the task does, with stages that are played: Airflow wants a process of its own.
PLAY = """
import datetime as dt, sys
from pathlib import Path
from kith import stages
from kith.company.folder import load_company
from kith.errors import ApprovalError
from kith_airflow import approval
from airflow.sdk.exceptions import TaskAwaitingInput

told, decided = [], []
approval.on_failure = lambda *names: lambda context: told.append(context["exception"])
approval.is_led_by_a_command = lambda: IS_LED
class Question:
    text, error = "Shall `{{ they }}`?", ApprovalError("too much")
def asked(run, waits):
    assert run == {"run_id": "x"}
    if QUESTION and not waits:
        raise ApprovalError("nobody can answer")
    return Question if QUESTION else None
stages.approve = asked
stages.decide = lambda run, by, is_approved: decided.append((by, is_approved))
sent = []
import airflow.providers.standard.operators.hitl as hitl
hitl.upsert_hitl_detail = lambda **values: sent.append(values)
class Instance:
    id = "1"
task = approval.Approval(company=load_company(Path(SHOP)), run={"run_id": "x"})
"""
SHOP = str(REPOSITORY / "tests/companies/corner_shop")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KITH_HOME", str(tmp_path_factory.mktemp("home")))
        yield {**os.environ, **AirflowHome(load_settings()).environment()}


def play(
    environment: dict[str, str], then: str, *, question: bool, is_led: bool = False
) -> None:
    given = f"SHOP, QUESTION, IS_LED = {SHOP!r}, {question}, {is_led}\n"
    done = subprocess.run(
        [sys.executable, "-c", given + PLAY + then],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_it_asks_only_where_somebody_has_to_approve(
    environment: dict[str, str],
) -> None:
    play(
        environment,
        "assert task.execute({'task_instance': Instance}) is None\n"
        "assert (told, sent) == ([], [])",
        question=False,
    )
    play(
        environment,
        "try:\n"
        "    task.execute({'task_instance': Instance})\n"
        "except TaskAwaitingInput as waits:\n"
        "    assert waits.timeout == dt.timedelta(hours=20)\n"
        "else:\n"
        "    raise SystemExit('it did not wait')\n"
        "(question,) = sent\n"
        "assert question['body'] == Question.text\n"
        "assert question['options'] == ['Approve', 'Reject']\n"
        "assert question['defaults'] is None\n"
        "assert told == [Question.error]\n"
        "assert 'body' not in task.template_fields",
        question=True,
    )


def test_where_nobody_could_answer_it_fails(environment: dict[str, str]) -> None:
    play(
        environment,
        "try:\n"
        "    task.execute({'task_instance': Instance})\n"
        "except ApprovalError:\n"
        "    assert (told, sent) == ([], [])\n"
        "else:\n"
        "    raise SystemExit('it did not fail')",
        question=True,
        is_led=True,
    )


def test_the_answer_decides(environment: dict[str, str]) -> None:
    answers: list[dict[str, Any]] = [
        {"chosen_options": ["Approve"]},
        {"chosen_options": ["Reject"]},
        {"error": "too late", "error_type": "timeout"},
    ]
    play(
        environment,
        f"for answer in {answers!r}:\n"
        "    task.execute_complete({}, {\n"
        "        **answer, 'params_input': {}, 'responded_at': dt.datetime.now(),\n"
        "        'responded_by_user': {'id': '1', 'name': 'anna'},\n"
        "    })\n"
        "assert decided == [('anna', True), ('anna', False), (None, False)], decided",
        question=True,
    )
