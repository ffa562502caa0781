"""Who sees the pages. That Airflow's own check answers is in test_server.py."""

import os
import subprocess
import sys
from pathlib import Path

from kith.settings import REPOSITORY

# Airflow without the module, as another version of it may be.
WITHOUT_CHECK = """
import logging
import sys
sys.modules["airflow.api_fastapi.core_api.security"] = None
from fastapi.testclient import TestClient
from kith_airflow.board import app

logging.disable(logging.INFO)  # The client tells of its requests.
client = TestClient(app)
paths = [route.path for route in app.routes]
for path in paths:
    for name in ("dag_id", "run_id", "task_id", "map_index"):
        path = path.replace("{" + name + "}", "x")
    print(path, client.get(path).status_code)
"""

LIGHT = """
import sys
import kith_plugin
heavy = {"fastapi", "jinja2", "duckdb", "kith.settings", "kith_airflow.board"}
print(sorted(heavy & set(sys.modules) - before))
"""


def answer(script: str, home: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={
            **os.environ,
            "PYTHONPATH": str(REPOSITORY / "plugins"),
            "AIRFLOW_HOME": str(home),
            "KITH_HOME": str(home),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()


def test_nobody_sees_anything_where_airflows_check_is_not_found(
    tmp_path: Path,
) -> None:
    assert answer(WITHOUT_CHECK, tmp_path) == [
        "/companies 403",
        "/task/x/x/x/x 403",
        "/task/x/x/x 403",
    ]


def test_a_process_that_loads_the_plugin_imports_no_page(tmp_path: Path) -> None:
    script = f"import sys, airflow.plugins_manager\nbefore = set(sys.modules)\n{LIGHT}"
    assert answer(script, tmp_path)[-1] == "[]"
