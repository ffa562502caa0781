"""Traces of a person outside of rows: in logs, journals, incidents, notes and files.

They are looked for as words: hashes, ids, and values as people wrote them. What is
shorter than five signs is no trace: it would be found within anything.

One pattern finds and removes them, in whatever case and with whatever marks beside
them: what is found is what `Traces.removed` would change.
"""

import gzip
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import count, takewhile
from pathlib import Path
from unicodedata import normalize

import duckdb

from kith.database import literal, parquet_sql, quote, write_parquet
from kith.storage import replace_file

ERASED = "[erased]"
# Columns in words, in which values and keys of rows may be named. Elsewhere the same
# signs may be the number of a product, or the name of a stage.
_TOLD = {
    *("examples", "expected", "observed", "cause", "details", "rows", "query"),
    *("warning", "message", "sample"),
}
# In JSON of runs, incidents and logs; there are marts with such columns of classes.
_TOLD_IN_JSON = {
    *_TOLD,
    *("effect", "error", "exc_value", "_message", "messages", "note", "reason"),
    *("refused", "warnings"),
}
_SHORTEST = 5
# So many signs of a hash are shown to people.
_SHOWN = 8
_HEX = re.compile("[0-9a-f]{32}|[0-9a-f]{64}")
# Texts in words, in which they may be named too; then code, pages and data.
_WORDED = {"", ".log", ".txt", ".md", ".out", ".err", ".tmp"}
_TEXTS = {*_WORDED, ".json", ".jsonl", ".html", ".sql", ".yml", ".yaml", ".csv"}
# Signs that make a word longer; those of scripts without blanks between words do not,
# since an address in a Chinese sentence has no other end.
_NO_BLANKS = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u9fff"
    "\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
)
_JOINED = rf"[^\W{_NO_BLANKS}]"
# Line ends as JSON and logs write them, and signs as URLs do: no part of a word.
_ESCAPES = (r"\\[bfnrt]", "%[0-9a-f][0-9a-f]")
_STRING = r'"(?:[^"\\]|\\.)*"'
_ESCAPED = re.compile(r'"[^"\\\n]*\\(?:[^"\\\n]|\\.)*"')
_TOKENS = re.compile(rf"({_STRING})(\s*:)?|-?[0-9][0-9.eE+-]*")
_numbers = count()


class Traces:
    """Words to look for; of hashes also their beginnings, as people are shown them."""

    def __init__(self, words: Iterable[str]) -> None:
        long = {word for word in words if len(word) >= _SHORTEST}
        self.words = {word for word in long if word.lower() not in ERASED}
        self.strong = {word for word in self.words if _HEX.fullmatch(word)}
        forms = {
            _folded(form)
            for word in self.words | {word[:_SHOWN] for word in self.strong}
            for form in (normalize("NFC", word), normalize("NFD", word))
        }
        by_limits: dict[tuple[str, str], set[str]] = {}
        for word in forms:
            by_limits.setdefault(_limits(word), set()).add(word)
        found = [
            before + _any_of(alike) + after
            for (before, after), alike in sorted(by_limits.items())
        ]
        self._pattern = re.compile("|".join(found) or "(?!)")
        # Beginnings alone: of whole words, DuckDB takes some ten thousand. It knows all
        # letter cases but one.
        narrow = _any_of({form[:_SHORTEST] for form in forms}) if forms else ""
        self._narrow = literal("(?i)" + narrow.replace("i", "[iİ]"))
        self._function = f"without_traces_{next(_numbers)}"

    def removed(self, text: str) -> str:
        """A text without them; JSON stays JSON."""
        if "\\" in text:
            if _is_json(text):
                return _TOKENS.sub(self._of_token, text)
            text = _ESCAPED.sub(lambda match: _of_string(match[0], self), text)
        found = [match.span() for match in self._pattern.finditer(_folded(text))]
        if not found:
            return text
        if _is_json(text):
            return _TOKENS.sub(self._of_token, text)
        ends = [0, *(end for _, end in found)]
        starts = [*(start for start, _ in found), len(text)]
        return ERASED.join(text[e:s] for e, s in zip(ends, starts, strict=True))

    def _of_token(self, match: re.Match[str]) -> str:
        if match[1]:
            return _of_string(match[1], self) + (match[2] or "")
        # A number in the sample of a row; a bare word in its place would be no JSON.
        return match[0] if self.removed(match[0]) == match[0] else json.dumps(ERASED)

    def sql(self, connection: duckdb.DuckDBPyConnection, text: str) -> str:
        """SQL of a text without them.

        Python is slow, and only asked of texts that may hold some.
        """
        with suppress(duckdb.NotImplementedException, duckdb.CatalogException):
            # A connection that has it keeps it: one in use cannot be replaced.
            connection.create_function(
                self._function, self.removed, ["VARCHAR"], "VARCHAR"
            )
        return (
            f"case when regexp_matches({text}, {self._narrow}) "
            f"or contains({text}, '\\') then {self._function}({text}) else {text} end"
        )


def _folded(text: str) -> str:
    """A text in lower case, of the same length."""
    return text.replace("İ", "i").lower().replace("ς", "σ")


def _limits(word: str) -> tuple[str, str]:
    """What has to stand before and after a word, so that it is no part of another."""
    if _HEX.fullmatch(word):
        return "", ""
    # x.anna@a.de and anna@a.de.eu are the addresses of others.
    marks = ("", "[.+-]") if "@" in word else ("",)
    before = "".join(f"(?<!{_JOINED}{mark})" for mark in marks)
    before = "|".join(
        [before, *(f"(?<={each}{mark})" for each in _ESCAPES for mark in marks)]
    )
    before, after = f"(?:{before})", f"(?!{_JOINED})"
    if "@" in word:
        after += f"(?![.-]{_JOINED})"
    if word.isdigit():  # A fraction of a second is no number of an order.
        before, after = rf"{before}(?<![0-9]\.)", rf"{after}(?!\.[0-9])"
    return (
        before if re.match(_JOINED, word) else "",
        after if re.match(_JOINED, word[-1]) else "",
    )


def _any_of(words: set[str]) -> str:
    """A regular expression of any of some words, as DuckDB and Python read it.

    What they begin with stands in it once: one that tries thousands of words at each
    sign of a text would not end.
    """
    first, last = min(words), max(words)
    pairs = zip(first, last, strict=False)
    alike = takewhile(lambda signs: signs[0] == signs[1], pairs)
    shared = first[: len(list(alike))]
    rests: dict[str, set[str]] = {}
    for word in words:
        if rest := word[len(shared) :]:
            rests.setdefault(rest[0], set()).add(rest)
    found = "|".join(_any_of(rests[first]) for first in sorted(rests))
    is_whole = shared in words
    return "".join(map(_sign, shared)) + (
        f"(?:{found}){'?' * is_whole}" if found else ""
    )


def _sign(sign: str) -> str:
    """A regular expression of a sign, also as URLs write it."""
    if not sign.isascii() or sign.isalnum():
        return re.escape(sign)
    return f"(?:{re.escape(sign)}|%{ord(sign):02x})"


def _is_json(text: str) -> bool:
    if text.lstrip()[:1] not in ("{", "["):
        return False
    with suppress(ValueError, RecursionError):
        json.loads(text)
        return True
    return False


def _of_string(token: str, traces: Traces) -> str:
    """A string of JSON, in quotes, without traces."""
    try:
        text = json.loads(token) if "\\" in token else token[1:-1]
    except ValueError:
        return token  # It only looked like one.
    changed = traces.removed(text)
    if changed == text:
        return token
    return json.dumps(changed, ensure_ascii=token.isascii())


def _removed_from(text: str, suffix: str, traces: Traces, words: Traces) -> str:
    """The text of a file without them.

    Of JSON, also a line of a log, keys and numbers stay: they are state of Kith's, by
    which runs and watches go on. Words go where people are told something.
    """
    if _is_json(text):
        # What an event is, a log tells in words, and a journal by its name.
        told = _TOLD_IN_JSON | ({"event"} if suffix in _WORDED else set())
        key = ""

        def of_token(match: re.Match[str]) -> str:
            nonlocal key
            if match[2]:
                key = str(json.loads(match[1]))
            if match[2] or not match[1]:
                return match[0]
            return _of_string(match[1], words if key in told else traces)

        return _TOKENS.sub(of_token, text)
    lines = text.splitlines(keepends=True)
    if len(lines) > 1:
        return "".join(_removed_from(each, suffix, traces, words) for each in lines)
    return (words if suffix in _WORDED else traces).removed(text)


def erase_from_file(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    traces: Traces,
    words: Traces | None = None,
) -> bool:
    """Write a file anew without traces; returns whether there were any.

    `words`, which are more, go from what tells people something. What is neither text
    nor Parquet stays as it is.
    """
    words = words or traces
    if path.suffix == ".parquet":
        return _erase_from_parquet(connection, path, traces, words)
    suffix = _suffix(path)
    if suffix not in _TEXTS:
        return False
    text = _unpacked(path).decode("utf-8", "surrogateescape")
    changed = _removed_from(text, suffix, traces, words)
    if changed == text:
        return False
    content = changed.encode("utf-8", "surrogateescape")
    found, packed = path.stat(), path.suffix == ".gz"
    replace_file(path, gzip.compress(content, mtime=0) if packed else content)
    with suppress(OSError):
        # When it was last written to is by what prune and the watchdog go.
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    return True


def _suffix(path: Path) -> str:
    return path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix


def _unpacked(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix == ".gz":
        with suppress(OSError, EOFError):  # Whatever it is, it is no gzip.
            return gzip.decompress(content)
    return content


def columns_without(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    columns: dict[str, str],
    traces: Traces,
    words: Traces,
    rows: str = "true",
) -> str:
    """SQL of the columns of a relation without traces; empty where it holds none.

    `columns` has their types, and `rows` says which rows are looked at.
    """
    replaced = []
    for name in (name for name, kind in columns.items() if kind == "VARCHAR"):
        of = words if name in _TOLD else traces
        if not of.words:
            continue
        kept = of.sql(connection, quote(name))
        query = f"select 1 from {relation} where {rows} and {kept} <> {quote(name)}"
        if connection.execute(f"{query} limit 1").fetchone():
            replaced.append(f"{kept} as {quote(name)}")
    return f"replace ({', '.join(replaced)})" if replaced else ""


def _erase_from_parquet(
    connection: duckdb.DuckDBPyConnection, path: Path, traces: Traces, words: Traces
) -> bool:
    rows = parquet_sql(path)
    columns = columns_without(
        connection, rows, _columns(connection, rows), traces, words
    )
    if not columns:
        return False
    unfinished = path.with_name(f".{path.name}")
    write_parquet(connection, f"select * {columns} from {rows}", unfinished)
    replace_file(path, unfinished)
    return True


def _columns(connection: duckdb.DuckDBPyConnection, relation: str) -> dict[str, str]:
    """The types of the columns of a relation."""
    described = connection.execute(f"describe from {relation}").fetchall()
    return {row[0]: row[1] for row in described}


def holds_traces(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    traces: Traces,
    words: Traces | None = None,
) -> list[str]:
    """Where in a file traces are found: its tables, or the file, unpacked.

    `words`, which are more, are looked for in all rows, in what is no text, and in
    what tells people something.
    """
    words = words or traces
    if not words.words:
        return []
    if path.suffix == ".parquet":
        return [str(path)] if _in_rows(connection, parquet_sql(path), words) else []
    found_in = []
    if path.suffix == ".duckdb":
        connection.execute(f"attach {literal(str(path))} as searched (read_only)")
        tables = connection.execute(
            "select schema_name, table_name from duckdb_tables() "
            "where database_name = 'searched' order by all"
        ).fetchall()
        found_in = [
            f"{path}: {schema}.{name}"
            for schema, name in tables
            if _in_rows(connection, f"searched.{quote(schema)}.{quote(name)}", words)
        ]
        connection.execute("detach searched")
    content, suffix = _unpacked(path), _suffix(path)
    if suffix in _TEXTS:
        text = content.decode("utf-8", "surrogateescape")
        # Keys of JSON stay, and are told.
        found = traces.removed(text) != text
        found = found or _removed_from(text, suffix, traces, words) != text
    else:
        found = _in_bytes(content, words)
    return [*found_in, str(path)] if found else found_in


def _in_rows(
    connection: duckdb.DuckDBPyConnection, relation: str, traces: Traces
) -> bool:
    for name, kind in _columns(connection, relation).items():
        if not re.search(r"VARCHAR|JSON|BLOB", kind):
            continue
        text = f"cast({quote(name)} as varchar)"
        query = f"{traces.sql(connection, text)} <> {text}"
        if connection.execute(
            f"select 1 from {relation} where {query} limit 1"
        ).fetchone():
            return True
    return False


def _in_bytes(content: bytes, traces: Traces) -> bool:
    """Whether they stand in what is neither text nor rows, where nothing parts words.

    Letter case is ASCII's.
    """
    content = content.lower()
    for word in traces.words:
        sought = word.encode().lower()
        if sought in content and (
            word in traces.strong
            or re.search(rb"(?:^|\W)%s(?:$|\W)" % re.escape(sought), content)
        ):
            return True
    return False


def files_of(*folders: Path) -> Iterator[Path]:
    """All files below folders, links left out."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield path
