"""A model that dbt could not build, in people's words: why, which rows, where, cure."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb

from kith.admit.faults import masked
from kith.build.failing_rows import SHOWN_ROWS, in_words, shown, without_persons
from kith.build.origins import Origins, columns_of, counted, feed_of
from kith.build.providers import providers_of
from kith.database import connect, fetch_row, literal, quote
from kith.deliveries.columns import is_personal
from kith.errors import FailureClass, KithError, one_line
from kith.runs.run import Run
from kith.settings import REPOSITORY

# What DuckDB says before the line of the SQL, and that line.
_AT_LINE = re.compile(r"\s*^\s*LINE (\d+): (.*)\n[\s^]*", re.MULTILINE)
_WHERE = re.compile(r"^(?:Runtime|Compilation) Error in \w+ \w+ \(\S+\)\s*")
# By which macros dbt came there.
_CALLS = re.compile(r"^\s*> (?:in|called by) .*$", re.MULTILINE)
_MISSING = re.compile(r"NOT NULL constraint failed: \S+\.(\w+)")
_VALUE = re.compile(
    r"(?:Conversion|Invalid Input) Error: .*?"
    r"""(?:"(?P<double>.*?)"|'(?P<single>.*?)'|\bvalue (?P<bare>[^\s"']+))"""
)


def without_values(line: str) -> str:
    """A line of dbt's output without the value that could not be read."""
    value = _value_in(line)
    return without_persons(line.replace(value, "…") if value else line)


def _value_in(message: str) -> str:
    found = _VALUE.search(message)
    return next(filter(None, found.groups()), "") if found else ""


class FailedModel:
    """A model, or a test that could not be executed.

    `result` is what dbt says of it, `target` the folder of what dbt writes.
    """

    def __init__(
        self, run: Run, origins: Origins, result: dict[str, Any], target: Path
    ) -> None:
        self._run, self._origins, self._target = run, origins, target
        executed = origins.nodes[result["unique_id"]]
        self._name = str(executed["name"])
        # A test stands below the file that declares it.
        self._path = Path(executed["original_file_path"])
        if executed["resource_type"] == "test":
            self._path /= executed["path"]
        self._node = origins.nodes[
            executed.get("attached_node") or executed["unique_id"]
        ]
        self._message: str = result["message"] or ""
        self._sql: str | None = result.get("compiled_code")
        self._providers = providers_of(run.company, feed_of(self._node))

    def explain(self) -> str:
        """All that is known of the failure, as one line."""
        missing, value = _MISSING.search(self._message), _value_in(self._message)
        parts: list[str] = []
        if missing or value:
            # A failure on the way to the rows must not hide the one that is told.
            with (
                suppress(duckdb.Error, OSError, ValueError, KithError),
                connect(
                    self._run.warehouse,
                    scratch=self._run.folder / "scratch",
                    read_only=True,
                ) as warehouse,
            ):
                parts = list(
                    self._of_missing(warehouse, missing[1])
                    if missing
                    else self._of_value(warehouse, value)
                )
        parts = parts or [self._error(value), self._line(), self._cure()]
        return f"dbt {self._name}: " + "; ".join(filter(None, parts))

    def failure_class(self) -> FailureClass:
        """Who has to act: whoever delivers, who declares it, or who wrote Kith."""
        # Macros that read what a company declares name the place in its file.
        if "company.yml:" in self._message:
            return "configuration"
        if not (self._providers or self._is_of_company()):
            return "bug"
        is_of_data = _MISSING.search(self._message) or _value_in(self._message)
        return "contract" if is_of_data else "configuration"

    def _error(self, value: str, text: str = "…") -> str:
        """What dbt says, without what stands in our line in other words."""
        message = _CALLS.sub("", _WHERE.sub("", self._message))
        message = _AT_LINE.sub(" ", message)
        if value:
            message = message.replace(value, text)
        return without_persons(one_line(message))

    def _cure(self) -> str:
        if self._providers:
            return (
                f"the feed is provided by {self._providers}, what it needs stands in "
                "docs/feeds.md"
            )
        is_told = not self._is_of_company() or str(self._own_file()) in self._line()
        return "" if is_told else self._mend()

    def _of_missing(
        self, warehouse: duckdb.DuckDBPyConnection, column: str
    ) -> Iterator[str]:
        """Rows without what each row needs, where they come from, and the cure."""
        key = self._origins.key_of(self._node)
        staging = {
            name: str(self._origins.nodes[f"model.kith.{name}"]["relation_name"])
            for name in self._origins.staging_of(self._node)
        }
        lacking = [
            name
            for name, relation in staging.items()
            if column not in columns_of(warehouse, relation)
        ]
        if lacking:
            yield f"{', '.join(lacking)} gives no {column}, which each row needs"
            yield f"let {self._providers} give {column}, see docs/feeds.md"
            return
        missing = f"from ({self._sql}) where {quote(column)} is null"
        (count,) = fetch_row(warehouse, f"select count(*) {missing}")
        found = f"{counted(count, 'row')} without {column}, which each row needs"
        rows = []
        if key:
            rows = warehouse.execute(
                f"select {', '.join(map(quote, key))} {missing} "
                f"order by all limit {SHOWN_ROWS + 1}"
            ).fetchall()
        named = [dict(zip(key, row, strict=True)) for row in rows]
        yield f"{found}, first: {in_words(named)}" if named else found
        if named:
            yield from self._origins.of_row(warehouse, self._node, key, named[0])
        if not self._providers:
            yield from (self._compiled(), self._mend())
            return
        yield (
            "have the source corrected, declare the column `required` in "
            f"{self._run.company.folder / 'sources.yml'} so that such rows are refused "
            f"at the door, or let {self._providers} give {column} on each row"
        )

    def _of_value(
        self, warehouse: duckdb.DuckDBPyConnection, value: str
    ) -> Iterator[str]:
        """A value that cannot be read as what is wanted, where it is, and the cure."""
        is_close = bool(self._providers) or self._is_of_company()
        text = shown(value)
        if any(map(is_personal, self._origins.tables_below(self._node))):
            (text,) = fetch_row(warehouse, f"select {masked(literal(value))}")
        yield self._error(value, text)
        if not is_close:
            # DuckDB's line is of no use: it may be that of a view or of a cast's twin.
            yield from (self._compiled(), self._mend())
            return
        yield from self._origins.of_value(warehouse, self._node, value)
        yield (
            "have the source corrected, declare the column's data_type or null_values "
            f"in {self._run.company.folder / 'sources.yml'} so that such rows are "
            f"refused at the door, or let {self._providers or self._own_file()} read "
            "the value otherwise"
        )

    # --- where ------------------------------------------------------------------------

    def _line(self) -> str:
        """The line of the model's own file, or of the SQL that dbt made of it."""
        found = _AT_LINE.search(self._message)
        executed = self._target / "run" / "kith" / self._path
        if not found or not self._sql or not executed.is_file():
            return self._compiled()
        number, part = int(found[1]), found[2].strip().strip(".").strip()
        text = executed.read_text(encoding="utf-8")
        lines = text.split("\n")
        # DuckDB counts from the statement's begin; dbt puts a line before the first.
        begins = [-1, *(n for n, line in enumerate(lines) if ";" in line)]
        at = [
            begin + number - 1
            for begin in begins
            if begin + number - 1 < len(lines) and part in lines[begin + number - 1]
        ]
        before = text.find(self._sql.strip())
        if not at or before < 0:
            return self._compiled()
        own = self._own_file()
        same = [
            place
            for place, line in enumerate(own.read_text("utf-8").split("\n"), start=1)
            if line.strip() == lines[at[0]].strip()
        ]
        if len(same) == 1:
            return f"line {same[0]} of {own}"
        return f"line {at[0] + 1 - text[:before].count(chr(10))} of {self._compiled()}"

    def _compiled(self) -> str:
        path = self._target / "compiled" / "kith" / self._path
        return f"the SQL that dbt made, {path}" if self._sql else ""

    def _own_file(self) -> Path:
        path = Path(self._node["original_file_path"])
        if self._is_of_company():
            return self._run.company.folder / path.relative_to("company")
        return REPOSITORY / "dbt_project" / path

    def _is_of_company(self) -> bool:
        return str(self._node["original_file_path"]).startswith("company/")

    def _mend(self) -> str:
        if self._is_of_company():
            return f"mend {self._own_file()}"
        return f"mend dbt_project/{self._node['original_file_path']}, or report it"
