"""What Airflow hands to the callback of a failed task becomes an incident."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from kith.settings import load_settings
from kith_airflow.home import AirflowHome
from tests.one_table import company

# In a process of its own: Airflow takes over logging wherever it is imported.
TELL = """
import json, sys
from types import SimpleNamespace as Of
from kith.errors import DeliveryError, TransientError
from kith.incidents.history import incidents
from kith.settings import load_settings
from kith_airflow.incidents import on_failure
folder = sys.argv[1]
days = {"company": folder, "from_day": "2024-03-05", "to_day": "2024-03-06"}
anna = DeliveryError("bad: found 'Anna'")
cases = [
    # A table's task, as it is mapped.
    ("admit", {"run": days, "table": "shop.sales", "delivery": None}, (), anna, {}),
    # A replay judges another interval.
    ("admit", {"run": days, "table": "shop.b", "delivery": "20240101-20240102"}, (),
     anna, {}),
    # A task that takes the run by its place.
    ("build", {}, (days,), ValueError("Anna"), {}),
    # Before the days were decided: they were asked for, or not.
    ("plan", {}, (), anna, {"from_day": "2024-03-01", "to_day": "2024-03-02"}),
    ("plan", {}, (), anna, {"from_day": None, "to_day": "never"}),
    # Before Airflow had worked out the arguments.
    ("publish", None, None, anna, {}),
    ("prune", {"run": Of(), "table": Of(), "delivery": Of()}, (Of(),), anna, {}),
    # Airflow tells of a process that is gone by a text, or not at all.
    ("pull", {"run": days, "table": "shop.sales"}, (), "killed", {}),
    ("audit", {}, (days,), None, {}),
]
for task, named, placed, error, params in cases:
    arguments = Of(op_kwargs=named, op_args=placed)
    context = {"ti": Of(task_id=task, run_id="r", task=arguments), "exception": error,
               "params": params}
    on_failure("shop", folder, plan="first")(context)
print(json.dumps([
    [i.stage, i.item, i.days, i.failure_class, i.cause, i.failure_count]
    for i in reversed(incidents(load_settings().home / "shop"))
]))
"""


def test_task_table_days_and_error_are_those_of_the_task(
    kith_home: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TELL, str(company(tmp_path / "shop"))],
        env=AirflowHome(load_settings()).environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout.splitlines()[-1])
    days, lost = "2024-03-05 to 2024-03-06", "its process was killed or lost"
    assert found == [
        ["admit", "shop.sales", days, "contract", "bad: found 'xxxx'", 1],
        *[["admit", "shop.b", "2024-01-01 to 2024-01-02", *found[0][3:]]],
        *[["build", "", days, "bug", "ValueError in code that is not Kith's", 1]],
        # Both are one, since they broke on the same task.
        ["first", "", "", "contract", "bad: found 'xxxx'", 2],
        ["publish", "", "", "contract", "bad: found 'xxxx'", 1],
        ["prune", "", "", "contract", "bad: found 'xxxx'", 1],
        ["pull", "shop.sales", days, "transient", f"pull: {lost} (killed)", 1],
        ["audit", "", days, "transient", f"audit: {lost}", 1],
    ]
    # What is logged is the incident, not the error.
    assert "Anna" not in done.stdout + done.stderr


FAIL = """
import sys
from types import SimpleNamespace as Of
from kith.errors import DeliveryError
from kith_airflow.incidents import on_failure
for dag, task in (("customer_marts__shop", "admit"), ("crisis_watch__shop", "fetch")):
    named = {"run": {}, "table": "shop.sales"}
    ti = Of(task_id=task, run_id="r", dag_id=dag, task=Of(op_kwargs=named, op_args=()))
    context = {"ti": ti, "exception": DeliveryError("bad: key 07de7a90"), "params": {}}
    on_failure("shop", sys.argv[1])(context)
"""


def test_who_listens_to_openlineage_hears_that_the_run_failed(
    kith_home: Path, tmp_path: Path
) -> None:
    """Without what failed: the cause may quote rows."""
    log = tmp_path / "lineage.log"
    told = {"type": "file", "log_file_path": str(log), "append": True}
    for transport in (told, {"type": "http", "url": "nowhere"}):
        done = subprocess.run(
            [sys.executable, "-c", FAIL, str(company(tmp_path / "shop"))],
            env=AirflowHome(load_settings()).environment()
            | {"OPENLINEAGE__TRANSPORT": json.dumps(transport)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert ("  lineage   ValueError" in done.stdout + done.stderr) == (
            transport["type"] == "http"
        )
    sent = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(each["job"]["name"], each["eventType"]) for each in sent] == [
        ("customer_marts__shop.admit.shop.sales", "FAIL"),
        ("customer_marts__shop", "FAIL"),
    ]
    assert "contract, incident 2" in json.dumps(sent)
    assert "07de7a90" not in json.dumps(sent)
