"""The command line of dbt, imported ahead, with Python's garbage collector held back.

`python -m kith.build.launch build …` is `dbt build …`, but it begins when a line comes
by its standard input: dbt is imported, for seconds, while the data are laid out for it.
It does nothing where no line comes. The collector would take a third of a small run.
"""

import atexit
import gc
import sys

if __name__ == "__main__":
    gc.set_threshold(100_000, 50, 100)
    atexit.register(gc.freeze)
    from dbt.cli.main import cli

    if sys.stdin.readline():
        cli()
