"""SQL on the candidate or on a release, read-only."""

import sys
from contextlib import suppress
from pathlib import Path

import duckdb

from kith.database import connect
from kith.errors import ConfigurationError
from kith.runs.marts import connect_release


def open_shell(database: Path, scratch: Path, *, is_release: bool = False) -> int:
    """Answer the SQL that comes by the standard input; returns the exit code.

    A statement ends with a semicolon at the end of a line, or with the input. Where
    nobody types, the first error ends it.
    """
    if not database.is_file():
        raise ConfigurationError(f"{database}: not found; make it first: make run")
    is_typed = sys.stdin.isatty()
    if is_typed:
        with suppress(ImportError):
            import readline  # noqa: F401  # Gives input() arrow keys and a memory.
        print(
            f"{database.resolve()}, read-only; `show all tables;` lists it, Ctrl-D ends"
        )
    statement = ""
    with (
        connect_release(database, scratch=scratch)
        if is_release
        else connect(database, scratch=scratch, read_only=True) as connection
    ):
        while True:
            try:
                statement += input(("  … " if statement else "sql> ") * is_typed) + "\n"
                if not statement.rstrip().endswith(";"):
                    continue
            except EOFError:
                if not statement.strip():
                    return 0
            except KeyboardInterrupt:
                statement = ""
                print()
                continue
            try:
                for each in connection.extract_statements(statement):
                    if answer := connection.sql(each):
                        answer.show(max_width=None if is_typed else 1_000)
            except duckdb.Error as error:
                print(error, file=sys.stderr)
                if not is_typed:
                    return 1
            statement = ""
