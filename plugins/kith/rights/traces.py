"""Traces of a person outside of rows: in logs, journals, incidents, notes and files.

They are looked for as words: hashes, ids, and values as people wrote them. What is
shorter than five signs is no trace: it would be found within anything.
"""

import gzip
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import duckdb

from kith.database import literal, parquet_sql, quote, write_parquet
from kith.storage import replace_file

ERASED = "[erased]"
_SHORTEST = 5
# So many signs of a hash are shown to people.
_SHOWN = 8
_HEX = re.compile("[0-9a-f]{32}|[0-9a-f]{64}")
_TEXTS = {
    *("", ".json", ".jsonl", ".log", ".txt", ".md", ".html", ".sql", ".yml", ".yaml"),
    *(".csv", ".out", ".err", ".tmp"),
}
_WIDE = re.compile(r"""[^\s"'(),;:<>\[\]{}|=]+""")
_WORD = re.compile(r"\w+")


class Traces:
    """Words to look for. `shown` are beginnings of hashes, as people are shown them."""

    def __init__(self, words: Iterable[str]) -> None:
        known = {word for word in words if len(word) >= _SHORTEST}
        self.words = known
        self._with_gaps = sorted(w for w in known if not _WIDE.fullmatch(w))
        self.strong = {word for word in known if _HEX.fullmatch(word)}
        self.shown = {word[:_SHOWN] for word in self.strong}

    def removed(self, text: str) -> str:
        """A text without them."""
        for word in self._with_gaps:
            text = text.replace(word, ERASED)
        return _WIDE.sub(self._of_wide, text)

    def _of_wide(self, match: re.Match[str]) -> str:
        wide = match[0]
        bare = wide.rstrip(".…?!")
        if bare in self.words or bare in self.shown:
            return ERASED + wide[len(bare) :]
        return _WORD.sub(self._of_word, wide)

    def _of_word(self, match: re.Match[str]) -> str:
        is_one = match[0] in self.words or match[0] in self.shown
        return ERASED if is_one else match[0]

    def pattern(self) -> str:
        """A regular expression that finds them, as DuckDB and Python read it."""
        words = "|".join(re.escape(word) for word in sorted(self.words))
        return rf"(?:^|[^0-9A-Za-z_])(?:{words})(?:$|[^0-9A-Za-z_])"


def erase_from_file(
    connection: duckdb.DuckDBPyConnection, path: Path, traces: Traces
) -> bool:
    """Write a file anew without traces; returns whether there were any.

    What is neither text nor Parquet stays as it is.
    """
    if path.suffix == ".parquet":
        return _erase_from_parquet(connection, path, traces)
    packed = path.suffix == ".gz"
    if (path.with_suffix("").suffix if packed else path.suffix) not in _TEXTS:
        return False
    before = path.read_bytes()
    content = gzip.decompress(before) if packed else before
    text = content.decode("utf-8", "surrogateescape")
    changed = traces.removed(text)
    if changed == text:
        return False
    content = changed.encode("utf-8", "surrogateescape")
    found = path.stat()
    replace_file(path, gzip.compress(content, mtime=0) if packed else content)
    with suppress(OSError):
        # When it was last written to is by what prune and the watchdog go.
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    return True


def _erase_from_parquet(
    connection: duckdb.DuckDBPyConnection, path: Path, traces: Traces
) -> bool:
    rows = parquet_sql(path)
    texts = _texts(connection, rows, varchar_only=True)
    if not texts or not traces.words:
        return False
    pattern = literal(traces.pattern())
    holds = " or ".join(
        f"coalesce(regexp_matches({quote(name)}, {pattern}), false)" for name in texts
    )
    query = f"select 1 from {rows} where {holds} limit 1"
    if not connection.execute(query).fetchone():
        return False
    changed = ", ".join(
        f"without_traces({quote(name)}) as {quote(name)}" for name in texts
    )
    unfinished = path.with_name(f".{path.name}")
    add_function(connection, "without_traces", traces)
    write_parquet(connection, f"select * replace ({changed}) from {rows}", unfinished)
    replace_file(path, unfinished)
    return True


def add_function(
    connection: duckdb.DuckDBPyConnection, name: str, traces: Traces
) -> None:
    """Let SQL on a connection remove traces from a text."""
    with suppress(duckdb.InvalidInputException):  # It has none of that name yet.
        connection.remove_function(name)
    connection.create_function(name, traces.removed, ["VARCHAR"], "VARCHAR")


def _texts(
    connection: duckdb.DuckDBPyConnection, relation: str, *, varchar_only: bool = False
) -> list[str]:
    """Columns of a relation that hold texts, or values that hold some."""
    return [
        row[0]
        for row in connection.execute(f"describe from {relation}").fetchall()
        if row[1] == "VARCHAR"
        or (not varchar_only and re.search(r"VARCHAR|JSON|BLOB", row[1]))
    ]


def holds_traces(
    connection: duckdb.DuckDBPyConnection, path: Path, traces: Traces
) -> list[str]:
    """Where in a file traces are found: its tables, or the file, unpacked."""
    if not traces.words:
        return []
    pattern = traces.pattern()
    if path.suffix == ".parquet":
        found = _in_rows(connection, parquet_sql(path), pattern)
        return [str(path)] if found else []
    content = path.read_bytes()
    if path.suffix == ".duckdb":
        connection.execute(f"attach {literal(str(path))} as searched (read_only)")
        tables = connection.execute(
            "select schema_name, table_name from duckdb_tables() "
            "where database_name = 'searched' order by all"
        ).fetchall()
        found_in = [
            f"{path}: {schema}.{name}"
            for schema, name in tables
            if _in_rows(connection, f"searched.{quote(schema)}.{quote(name)}", pattern)
        ]
        connection.execute("detach searched")
        return found_in + _in_bytes(path, content, traces)
    with suppress(OSError, EOFError):
        content = gzip.decompress(content) if path.suffix == ".gz" else content
    return _in_bytes(path, content, traces)


def _in_rows(
    connection: duckdb.DuckDBPyConnection, relation: str, pattern: str
) -> bool:
    texts = _texts(connection, relation)
    row = ", ".join(f"cast({quote(name)} as varchar)" for name in texts)
    return bool(texts) and bool(
        connection.execute(
            f"select 1 from {relation} "
            f"where regexp_matches(concat_ws(' ', {row}), {literal(pattern)}) limit 1"
        ).fetchone()
    )


def _in_bytes(path: Path, content: bytes, traces: Traces) -> list[str]:
    for word in traces.words:
        if word.encode() not in content:
            continue
        if word in traces.strong or re.search(
            rf"(?:^|\W){re.escape(word)}(?:$|\W)".encode(), content
        ):
            return [str(path)]
    return []


def files_of(*folders: Path) -> Iterator[Path]:
    """All files below folders, links left out."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield path
