"""The DAG as Airflow reads it, and policy over every DAG file."""

import datetime as dt
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from kith.company.folder import load_company
from kith.settings import REPOSITORY, load_settings
from kith_airflow.companies import by_name, write_dag_files
from kith_airflow.home import AirflowHome

SHOP = REPOSITORY / "tests" / "companies" / "corner_shop"
DAG_FILES = sorted((REPOSITORY / "dags").glob("*.py"))

# In a process of its own: Airflow takes over logging wherever it is imported.
DESCRIBE = """
import json, sys
before = set(sys.modules)
from airflow.dag_processing.dagbag import DagBag
ours = set(sys.modules)
bag = DagBag(sys.argv[1])
from airflow.exceptions import AirflowTaskTimeout
from airflow.serialization.serialized_objects import DagSerialization
import kith.errors
dags = {}
for dag_id, dag in bag.dags.items():
    errors = [e for e in vars(kith.errors).values() if isinstance(e, type)
              and issubclass(e, Exception)]
    errors += [ConnectionResetError, TimeoutError, FileNotFoundError, OSError,
               ValueError, MemoryError, AirflowTaskTimeout]
    dags[dag_id] = {
        "tasks": {
            task.task_id: {
                "downstream": sorted(task.downstream_task_ids),
                "pool": task.pool,
                "rule": str(getattr(task.trigger_rule, "value", task.trigger_rule)),
                "priority": task.priority_weight,
                "slots": task.pool_slots,
                "weight": task.weight_rule,
                "outlets": [asset.name for asset in task.outlets],
                "is_mapped": task.is_mapped,
                "owner": task.owner,
                "tells": [str(task.on_failure_callback), str(task.on_success_callback)],
                "timeout": task.execution_timeout.total_seconds(),
                "retries": task.retries,
                "delay": task.retry_delay.total_seconds(),
                "backoff": task.retry_exponential_backoff,
                "policy": {
                    error.__name__: task.retry_policy.evaluate(error("x"), 1, 3)
                    .action.value
                    for error in errors
                },
            }
            for task in dag.tasks
        },
        "doc_md": dag.doc_md,
        "tags": sorted(dag.tags),
        "timetable": type(dag.timetable).__name__,
        "cron": getattr(dag.timetable, "expression", None),
        "zone": str(getattr(dag.timetable, "timezone", None)),
        "start": dag.start_date.isoformat(),
        "catchup": dag.catchup,
        "max_active_runs": dag.max_active_runs,
        "deadlines": [
            [each.reference.reference_name, each.interval.total_seconds(),
             each.callback.path, each.callback.kwargs]
            for each in dag.deadline or []
        ],
        "starts_paused": dag.is_paused_upon_creation,
        "params": {name: dag.params[name] for name in dag.params},
        "forms": {
            name: {**param.schema, "description": param.description}
            for name in dag.params
            for param in [dag.params.get_param(name)]
        },
        "serialized": DagSerialization.serialize_dag(dag),
    }
print(json.dumps({
    "dags": dags,
    "import_errors": bag.import_errors,
    "imported": sorted(set(sys.modules) - ours),
}, default=str))
"""


def read_dags(home: Path, *companies: Path) -> dict[str, Any]:
    """What Airflow finds in the folder of these companies' DAG files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KITH_HOME", str(home))
        airflow = AirflowHome(load_settings())
        environment = airflow.environment()
    write_dag_files(airflow.dags, by_name(companies))
    return describe(airflow.dags, environment)


def describe(folder: Path, environment: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", DESCRIBE, str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def company_like_the_shop(folder: Path, old: str, new: str) -> Path:
    """A copy of the corner shop that is declared otherwise."""
    shutil.copytree(SHOP, folder)
    declared = (folder / "company.yml").read_text()
    assert old in declared
    (folder / "company.yml").write_text(declared.replace(old, new))
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def broken(home: Path) -> Path:
    return company_like_the_shop(home / "broken", "Europe/Berlin", "Europe/Berlln")


@pytest.fixture(scope="module")
def found(home: Path, broken: Path) -> dict[str, Any]:
    """The DAGs of four companies, one with keys of its own, one broken, one watched."""
    kiosk = company_like_the_shop(
        home / "kiosk",
        "name: corner_shop",
        "name: kiosk\nowner: night shift\nschedule: 30 6 * * 1\ncrisis_watch: {}\n"
        "fresh_within_hours: 2.5\npostgres: {connection: bi}",
    )
    stall = company_like_the_shop(
        home / "stall", "name: corner_shop", "name: stall\ncrisis_watch: {}"
    )
    declared = (stall / "company.yml").read_text()
    (stall / "company.yml").write_text(re.sub(r"last_day: .*\n", "", declared))
    return read_dags(home, SHOP, broken, kiosk, stall)


@pytest.fixture(scope="module")
def dag(found: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = found["dags"]["customer_marts__corner_shop"]
    return described


def test_exactly_the_known_dags_are_read(found: dict[str, Any]) -> None:
    assert set(found["dags"]) == {
        *("crisis_watch__kiosk", "crisis_watch__stall"),
        *("customer_marts__corner_shop", "customer_marts__kiosk"),
        "customer_marts__stall",
    }


def test_the_watch_for_crises_looks_each_hour_and_waits_for_no_daily_run(
    found: dict[str, Any],
) -> None:
    # Whose data have ended is looked at when somebody asks.
    assert found["dags"]["crisis_watch__kiosk"]["cron"] is None
    watch = found["dags"]["crisis_watch__stall"]
    tasks = watch["tasks"]
    assert {name: task["downstream"] for name, task in tasks.items()} == {
        "plan": ["alert", "fetch", "watch"],
        "fetch": ["watch"],
        "watch": ["alert"],
        "alert": [],
    }
    assert tasks["fetch"]["is_mapped"]
    # Whichever tables came are looked at.
    assert tasks["watch"]["rule"] == "all_done"
    assert {task["pool"] for task in tasks.values()} == {"watch__stall"}
    assert {task["priority"] for task in tasks.values()} == {1000}
    # Nobody waits for minutes to read that an alert was not sent.
    parts = ("retries", "delay", "backoff")
    tries = {name: [task[part] for part in parts] for name, task in tasks.items()}
    assert tries.pop("alert") == [2, 10, 0]
    assert all(each == [3, 30, 2] for each in tries.values())
    assert (watch["cron"], watch["zone"]) == ("5 * * * *", "Europe/Berlin")
    assert (watch["catchup"], watch["max_active_runs"]) == (False, 1)
    assert watch["params"] == {"at": None}
    noted = re.findall(r"^\| (\w+) \| .{20,} \|$", watch["doc_md"], re.MULTILINE)
    assert noted == list(tasks)


def test_a_broken_company_has_its_own_import_error_and_hides_nobody(
    found: dict[str, Any], home: Path, broken: Path
) -> None:
    ((file, error),) = found["import_errors"].items()
    assert file == str(home / "airflow" / "dags" / "customer_marts__broken.py")
    last = error.strip().splitlines()[-1]
    assert f"{broken}/company.yml: time_zone: expected a name of the IANA list" in last
    assert "found 'Europe/Berlln'" in last


def test_each_company_has_its_own_schedule_owner_pool_and_asset(
    found: dict[str, Any],
) -> None:
    kiosk = found["dags"]["customer_marts__kiosk"]
    assert (kiosk["cron"], kiosk["zone"]) == ("30 6 * * 1", "Europe/Berlin")
    assert kiosk["tags"] == ["customer", "kiosk", "marts"]
    assert {task["owner"] for task in kiosk["tasks"].values()} == {"night shift"}
    for name in ("kiosk", "corner_shop"):
        tasks = found["dags"][f"customer_marts__{name}"]["tasks"]
        assert tasks["build"]["pool"] == f"warehouse__{name}"
        assert tasks["publish"]["outlets"] == [f"customer_marts__{name}"]


def test_task_graph(dag: dict[str, Any]) -> None:
    # plan feeds every task with the run, so that it has an edge to each of them.
    later = ["admit", "approve", "audit", "build", "publish", "pull"]
    assert {name: task["downstream"] for name, task in dag["tasks"].items()} == {
        "plan": later,
        "pull": ["admit"],
        "admit": ["build"],
        "build": ["audit"],
        "audit": ["approve"],
        "approve": ["publish"],
        "publish": [],
    }


def test_a_company_with_postgresql_serves_its_release_after_it_is_published(
    found: dict[str, Any],
) -> None:
    tasks = found["dags"]["customer_marts__kiosk"]["tasks"]
    assert tasks["publish"]["downstream"] == ["serve"]
    assert tasks["serve"]["downstream"] == []
    assert tasks["plan"]["downstream"][-1] == "serve"
    # It needs no warehouse, and its failure leaves what was published.
    assert tasks["serve"]["pool"] == "default_pool"
    assert (tasks["serve"]["timeout"], tasks["serve"]["outlets"]) == (4 * 3600, [])
    assert tasks["serve"]["retries"] == 3


def test_pull_and_admit_are_mapped_over_the_tables(dag: dict[str, Any]) -> None:
    mapped = {name for name, task in dag["tasks"].items() if task["is_mapped"]}
    assert mapped == {"pull", "admit"}


def test_every_task_that_opens_the_warehouse_takes_the_one_slot(
    dag: dict[str, Any],
) -> None:
    pooled = {
        name: task["slots"]
        for name, task in dag["tasks"].items()
        if task["pool"] == "warehouse__corner_shop"
    }
    assert pooled == {"build": 1, "audit": 1, "approve": 1, "publish": 1}
    # Of two runs that want the slot, the one whose candidate stands there goes on.
    assert {task["weight"] for task in dag["tasks"].values()} == {"upstream"}


def test_only_what_may_pass_by_itself_is_tried_again(dag: dict[str, Any]) -> None:
    for name, task in dag["tasks"].items():
        outcomes = task["policy"]
        retried = {error for error, action in outcomes.items() if action == "retry"}
        assert retried == {
            *("TransientError", "SourceUnavailableError", "ConnectionResetError"),
            *("TimeoutError", "MemoryError"),
        }, name
        assert set(outcomes.values()) == {"retry", "fail"}
        assert (task["retries"], task["backoff"]) == (3, 2)
        for callback, told in zip(
            ("on_failure", "on_success"), task["tells"], strict=True
        ):
            assert f"{callback}.<locals>.tell" in told, name


def test_every_task_has_an_owner_and_a_time_limit(dag: dict[str, Any]) -> None:
    for task in dag["tasks"].values():
        assert task["owner"] == "kith"
        assert 0 < task["timeout"] <= 4 * 3600
    assert {name: task["timeout"] / 60 for name, task in dag["tasks"].items()} == {
        "plan": 10,
        **dict.fromkeys(("pull", "admit", "build"), 240),
        **dict.fromkeys(("audit", "approve", "publish"), 60),
    }


def test_notes_say_what_to_do_when_a_task_fails(dag: dict[str, Any]) -> None:
    noted = re.findall(r"^\| (\w+) \| .{20,} \|$", dag["doc_md"], re.MULTILINE)
    tasks = ["plan", "pull", "admit", "build", "audit", "approve", "publish", "serve"]
    assert noted == tasks


def test_schedule_is_each_business_day_of_the_company(
    dag: dict[str, Any],
) -> None:
    company = load_company(SHOP)
    assert dag["timetable"] == "CronDataIntervalTimetable"
    assert (dag["cron"], dag["zone"]) == ("0 0 * * *", company.time_zone)
    start = dt.datetime.fromisoformat(dag["start"])
    midnight = dt.time(tzinfo=ZoneInfo(company.time_zone))
    assert start == dt.datetime.combine(company.first_day, midnight)
    assert (dag["catchup"], dag["max_active_runs"]) == (False, 1)
    assert dag["starts_paused"] is False
    assert dag["tags"] == ["corner_shop", "customer", "marts"]


def test_params_are_days_and_replay_and_empty(dag: dict[str, Any]) -> None:
    days = {"from_day": None, "to_day": None}
    assert dag["params"] == {**days, "replay": False}


def test_each_param_says_what_it_is_for_and_how_it_is_written(
    found: dict[str, Any], dag: dict[str, Any]
) -> None:
    watch = found["dags"]["crisis_watch__stall"]
    forms = dag["forms"] | watch["forms"]
    assert set(forms) == {"from_day", "to_day", "replay", "at"}
    assert len({form["description"] for form in forms.values()}) == 4
    for name, form in forms.items():
        assert form["title"] and form["examples"], name
    assert {forms[day]["format"] for day in ("from_day", "to_day")} == {"date"}


def test_a_run_that_has_not_ended_in_time_is_looked_after(
    found: dict[str, Any], home: Path
) -> None:
    look = "kith_airflow.watchdog.look_after"
    queued = "DagRunQueuedAtDeadline"
    for name, folder, hours in (
        ("corner_shop", SHOP, 4),
        ("kiosk", home / "kiosk", 2.5),
    ):
        declared = found["dags"][f"customer_marts__{name}"]["deadlines"]
        assert declared == [[queued, hours * 3600, look, {"folder": str(folder)}]]


def test_a_second_parse_gives_the_same_dag(dag: dict[str, Any], home: Path) -> None:
    again = read_dags(home, SHOP)
    assert (
        again["dags"]["customer_marts__corner_shop"]["serialized"]
        == (dag["serialized"])
    )


def test_parsing_imports_nothing_heavy(found: dict[str, Any]) -> None:
    heavy = {
        "adbc_driver_postgresql",
        "altair",
        "dbt",
        "duckdb",
        "great_expectations",
        "numpy",
        "pandas",
        "pyarrow",
        "scipy",
    }
    assert heavy.isdisjoint(found["imported"])
    assert "kith.runs.run" in found["imported"], "the list holds what a parse imports"


def test_a_dag_folder_with_a_broken_file_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("from airflow.sdk import dag\nno_such_name\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KITH_HOME", str(tmp_path / "home"))
        environment = AirflowHome(load_settings()).environment()
    found = describe(tmp_path, environment)
    assert found["dags"] == {}
    assert "no_such_name" in json.dumps(found["import_errors"])


@pytest.mark.parametrize("path", DAG_FILES, ids=lambda path: path.name)
def test_a_dag_file_is_wiring_only(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 70
    for forbidden in (
        r"\bselect\b.+\bfrom\b",
        r"\bpandas\b",
        r"\bduckdb\b",
        r"\benviron\b",
        r"\bgetenv\b",
        r"\bVariable\b",
        r"\bnow\(",
        r"\btoday\(",
        r"\buuid",
    ):
        assert not re.search(forbidden, text), forbidden


def test_kith_never_imports_airflow() -> None:
    modules = sorted((REPOSITORY / "plugins" / "kith").rglob("*.py"))
    assert len(modules) > 10
    for module in modules:
        assert not re.search(
            r"^\s*(import|from) airflow\b", module.read_text(), re.MULTILINE
        ), module


def test_only_settings_reads_the_environment() -> None:
    for module in (REPOSITORY / "plugins" / "kith").rglob("*.py"):
        if module.name != "settings.py":
            assert not re.search(
                r"environ(\[|\.get|\.copy)|getenv", module.read_text()
            ), module


def test_plugins_folder_hides_kith_from_airflow() -> None:
    # Airflow would register plugins/kith/runs.py as a top-level module `runs`.
    ignored = (REPOSITORY / "plugins" / ".airflowignore").read_text().split()
    assert "kith/" in ignored
    assert "kith_airflow/" in ignored  # It is no plugin of theirs.
