"""`python -m kith <command>`, as the Makefile calls it."""

import sys

from kith.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
