"""A failed data test of dbt in people's words: what, where, which rows, what to do."""

from contextlib import suppress
from typing import Any

import duckdb

from kith.admit.faults import shown_sql
from kith.build.failing_rows import SHOWN_ROWS, in_words
from kith.build.origins import KEY_TEST, Origins, columns_of, counted, feed_of
from kith.build.providers import providers_of
from kith.database import connect, quote
from kith.errors import FailureClass, KithError
from kith.runs.run import Run

_ROUNDING_TEST = "unrounded"
# What dbt's own tests call the value of the column that they judge.
_VALUES = {
    "unique": "unique_field",
    "accepted_values": "value_field",
    "relationships": "from_field",
}


class FailedTest:
    """A data test that failed, beside the model or source table that it judges.

    `result` is what dbt says of the test.
    """

    def __init__(self, run: Run, origins: Origins, result: dict[str, Any]) -> None:
        self._company = run.company
        self._run = run
        self._origins = origins
        self._nodes = origins.nodes
        self._test = self._nodes[result["unique_id"]]
        # dbt attaches the test of a source to nothing.
        judged = self._test["attached_node"] or self._test["depends_on"]["nodes"][0]
        self._judged = self._nodes[judged]
        self._count: int = result["failures"]
        self._sql: str = result["compiled_code"]
        metadata = self._test.get("test_metadata") or {"name": None, "kwargs": {}}
        self._kind, self._arguments = metadata["name"], metadata["kwargs"]
        self._column = self._arguments.get("column_name")
        self._key = origins.key_of(self._judged)

    def explain(self) -> str:
        """All that is known of the failure, as one line."""
        name = self._judged.get("alias") or self._judged["identifier"]
        parts = [f"dbt test on {self._judged['schema']}.{name}: {self._finding()}"]
        # A failure on the way to the rows must not hide the one that is told.
        with (
            suppress(duckdb.Error, OSError, ValueError, KithError),
            connect(
                self._run.warehouse,
                scratch=self._run.folder / "scratch",
                read_only=True,
            ) as warehouse,
        ):
            if rows := self._failing_rows(warehouse):
                parts[0] += f", first: {in_words(rows)}"
                parts += self._origins.of_row(
                    warehouse, self._judged, self._key, rows[0]
                )
        return "; ".join([*parts, self._cure()])

    def failure_class(self) -> FailureClass:
        """Who has to act: whoever delivers or stages the data, or who wrote Kith."""
        is_given = (
            self._judged["resource_type"] == "source"
            or providers_of(self._company, feed_of(self._judged))
            or self._judged["original_file_path"].startswith("company/")
        )
        return "contract" if is_given else "bug"

    def _finding(self) -> str:
        match self._kind:
            case "unique_combination":
                keys = counted(self._count, "key")
                return f"{keys} of ({', '.join(self._key)}) on several rows"
            case "unique":
                values = counted(self._count, "value")
                return f"{values} of {self._column} on several rows"
            case "not_null":
                return f"{counted(self._count, 'row')} without {self._column}"
            case "accepted_values":
                accepted = ", ".join(map(str, self._arguments["values"]))
                values = counted(self._count, "value")
                return f"{values} of {self._column} beside the accepted {accepted}"
            case "relationships":
                read = [self._nodes[name] for name in self._test["depends_on"]["nodes"]]
                others = [node for node in read if node is not self._judged] or read
                rows = counted(self._count, "row")
                return (
                    f"{rows} with a {self._column} that {others[0]['name']}."
                    f"{self._arguments['field']} lacks"
                )
            case "unrounded":
                numbers = counted(self._count, "number")
                return f"{numbers} with more decimals than the feed keeps"
        return f"{self._test['name']} found {counted(self._count, 'row')}"

    def _cure(self) -> str:
        """What to do; nobody edits a feed, since the company's staging provides it."""
        folder = self._company.folder / "staging"
        if self._judged["resource_type"] == "source":
            declared = self._company.folder / "sources.yml"
            return f"have the source corrected, or mend its tests in {declared}"
        if models := providers_of(self._company, feed_of(self._judged)):
            what = {
                KEY_TEST: f"give one row per {' and '.join(self._key)}: group its "
                "rows, lengthen the key, or name two systems apart by `source`",
                _ROUNDING_TEST: "round what it has summed, such as "
                "round(sum(line_amount), 2), or each number if what that loses may go",
            }.get(self._kind, "give what docs/feeds.md says of the feed")
            return f"let {models} {what}"
        if self._judged["original_file_path"].startswith("company/"):
            return f"mend {self._judged['name']}.sql in {folder}"
        return f"mend dbt_project/{self._judged['original_file_path']}, or report it"

    # --- rows -------------------------------------------------------------------------

    def _failing_rows(
        self, warehouse: duckdb.DuckDBPyConnection
    ) -> list[dict[str, Any]]:
        """Keys of the first failing rows, and what the test itself has counted.

        Other columns of the table may hold what is known of a person.
        """
        relation, failing = self._judged["relation_name"], f"({self._sql})"
        shown = self._key
        if self._kind == "not_null":
            query = f"from {relation} where {self._column} is null"
        elif self._kind in _VALUES:
            values = f"select {_VALUES[self._kind]} from {failing}"
            query = f"from {relation} where {self._column} in ({values})"
        else:
            others = {*columns_of(warehouse, relation)} - {*self._key}
            shown = [
                each for each in columns_of(warehouse, failing) if each not in others
            ]
            query = f"from {failing}"
        if not shown:
            return []
        texts = list(map(quote, shown))
        if self._judged["resource_type"] == "source" and shown == self._key:
            table = self._origins.source_table(self._judged)
            texts = [f"{shown_sql(table, name)} as {quote(name)}" for name in shown]
        rows = warehouse.execute(
            f"select {', '.join(texts)} {query} order by all limit {SHOWN_ROWS + 1}"
        ).fetchall()
        found = [dict(zip(shown, row, strict=True)) for row in rows]
        if self._kind == _ROUNDING_TEST:
            for each in found:
                each[each.pop("column_name")] = each.pop("number")
        return found
