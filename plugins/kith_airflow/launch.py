"""The command lines of Airflow and dbt, with Python's garbage collector held back.

`python -m kith_airflow.launch airflow dags test …` is `airflow dags test …`. Both
consist of hundreds of thousands of long-lived objects, which the collector walks
through again and again while they start, and twice more when they end: a third of the
time of a run of Airflow that has nothing to do (13.3 s against 8.7 s for 17 tasks).

`python -m kith_airflow.launch dbt …` begins when a line comes by its standard input, so
that it can be imported, for seconds, while the data are being laid out for it. It does
nothing where none comes.
"""

import atexit
import gc
import runpy
import sys

if __name__ == "__main__":
    gc.set_threshold(100_000, 50, 100)
    atexit.register(gc.freeze)
    del sys.argv[0]
    if sys.argv[0] == "airflow":
        runpy.run_module("airflow", run_name="__main__")
    else:
        from dbt.cli.main import cli

        if sys.stdin.readline():
            cli()
