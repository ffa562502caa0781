"""Airflow's command line behind a launcher that holds the garbage collector back."""

import subprocess
import sys

from kith.settings import REPOSITORY, load_settings
from kith_airflow.home import LAUNCH, AirflowHome


def test_airflow_gets_its_arguments_and_the_collector_is_held_back(
    kith_home: object,
) -> None:
    code = (
        "import gc, runpy, sys; sys.argv[1:] = ['version']\n"
        "try:\n    runpy.run_module('kith_airflow.launch', run_name='__main__')\n"
        "finally:\n    print(gc.get_threshold())"
    )
    assert [sys.executable, "-m", "kith_airflow.launch"] == LAUNCH
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=AirflowHome(load_settings()).environment(),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    version, threshold = done.stdout.splitlines()[-2:]
    assert version.startswith("3.")
    assert threshold == "(100000, 50, 100)"
