"""The command line of dbt, imported ahead, with Python's garbage collector held back.

`python -m kith.build.launch build …` is `dbt build …`, but it begins when a line comes
by its standard input: dbt is imported, for seconds, while the data are laid out for it.
It does nothing where no line comes. The collector would take a third of a small run.

Linear algebra has one thread. With more, sums differ in their last digits by the number
of processors; and a limit that one model sets for itself holds for the one beside it.
"""

import atexit
import gc
import sys

from kith.settings import use_one_thread

if __name__ == "__main__":
    use_one_thread()
    gc.set_threshold(100_000, 50, 100)
    atexit.register(gc.freeze)
    from dbt.cli.main import cli

    if sys.stdin.readline():
        cli()
