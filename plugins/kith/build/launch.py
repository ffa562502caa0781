"""The command line of dbt, imported ahead, with Python's garbage collector held back.

`python -m kith.build.launch build …` is `dbt build …`, but it begins when a line comes
by its standard input: dbt is imported, for seconds, while the data are laid out for it;
and Spark is started, where the company's engine is Spark.
It does nothing where no line comes. The collector would take a third of a small run.

Linear algebra has one thread. With more, sums differ in their last digits by the number
of processors; and a limit that one model sets for itself holds for the one beside it.
"""

import atexit
import gc
import sys
from pathlib import Path

from kith.settings import environment_variable, use_one_thread

if __name__ == "__main__":
    use_one_thread()
    gc.set_threshold(100_000, 50, 100)
    atexit.register(gc.freeze)
    from dbt.cli.main import cli

    # Set by kith.build.engines alone. Who only parses needs no Spark.
    tables = environment_variable("KITH_SPARK_TABLES")
    session = None
    if tables and "parse" not in sys.argv:
        from kith.build.spark_models import serve_python_models
        from kith.build.spark_session import open_session, register_sources

        session = open_session(
            environment_variable("KITH_SPARK") or "",
            environment_variable("KITH_SPARK_MEMORY") or "",
            environment_variable("KITH_SPARK_THREADS") or "",
            Path(tables),
        )
        serve_python_models(session, Path(tables))
    if sys.stdin.readline():
        if tables and session:
            register_sources(session, Path(tables))
        cli()
