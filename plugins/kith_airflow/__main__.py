"""`python -m kith_airflow <command>`, as the Makefile calls it."""

import sys

from kith_airflow.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
