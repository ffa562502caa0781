"""What a release says of its marts: columns, labels, metrics, who is in the rows."""

import csv
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kith.catalogue.answers import METADATA
from kith.catalogue.dictionary import DICTIONARY
from kith.catalogue.metrics import SEMANTIC_MANIFEST
from kith.dashboards.metrics import MartMetrics, metrics_by_mart
from kith.database import connect
from kith.errors import ConfigurationError
from kith.publish.audiences import NOBODY
from kith.publish.release import DATABASE, MANIFEST
from kith.runs.marts import is_view

# The table of one row that says which release it is.
STAMP = "_release"


@dataclass(frozen=True)
class Column:
    """A column: `kind` is DuckDB's type, `label` and `description` are for people."""

    kind: str
    label: str
    description: str

    @property
    def is_time(self) -> bool:
        """Whether it is a day or an instant."""
        return self.kind == "DATE" or self.kind.startswith("TIMESTAMP")


@dataclass(frozen=True)
class Mart:
    """A mart: `identifiers` are the columns that stand for persons.

    `rows_about_nobody` is SQL that is true of rows about no recognisable person. One
    that is a view of the release's database is not on PostgreSQL.
    """

    columns: dict[str, Column]
    description: str
    identifiers: frozenset[str]
    rows_about_nobody: str
    is_view: bool = False

    @property
    def group_sizes(self) -> list[str]:
        """Columns that count the persons behind a row of a mart of groups."""
        return re.findall(r'"(\w+)" >= ', self.rows_about_nobody)

    @property
    def is_about_persons(self) -> bool:
        """Whether each of its rows may be about one person."""
        return self.rows_about_nobody == NOBODY


@dataclass(frozen=True)
class Contents:
    """A release, as far as a dashboard needs it; among its marts is `STAMP`.

    `metric_texts` are label and description of each metric.
    """

    company: str
    title: str
    currency: str
    marts: dict[str, Mart]
    metrics: dict[str, MartMetrics]
    metric_texts: dict[str, tuple[str, str]]


def read_contents(release: Path, scratch: Path) -> Contents:
    """Read what a release holds, without the rows.

    Raises ConfigurationError where it was made by a version of Kith that did not tell.
    """
    for name in (DICTIONARY, SEMANTIC_MANIFEST):
        if not (release / METADATA / name).is_file():
            raise ConfigurationError(
                f"{release / METADATA / name}: not found; this release was made by an "
                "earlier Kith, whose marts dashboards do not know; run again: make run"
            )
    manifest = json.loads((release / MANIFEST).read_text(encoding="utf-8"))
    semantic = json.loads(
        (release / METADATA / SEMANTIC_MANIFEST).read_text(encoding="utf-8")
    )
    texts = _texts(release / METADATA / DICTIONARY)
    columns = _columns(release / DATABASE, scratch, texts)
    marts = {
        name: Mart(
            columns[name],
            texts.get(("mart", name, ""), ("", ""))[1],
            frozenset(mart["privacy"]["classes"].get("identifier", [])),
            mart["privacy"]["rows_about_nobody"],
            is_view(mart),
        )
        for name, mart in manifest["marts"].items()
    }
    marts[STAMP] = Mart(columns[STAMP], "", frozenset(), "true")
    return Contents(
        manifest["company"],
        manifest["title"],
        manifest["currency"],
        marts,
        metrics_by_mart(semantic),
        {name: text for (kind, _, name), text in texts.items() if kind == "metric"},
    )


def _texts(dictionary: Path) -> dict[tuple[str, str, str], tuple[str, str]]:
    """Label and description by kind, mart and name, in the company's language."""
    with dictionary.open(encoding="utf-8-sig", newline="") as file:
        return {
            (
                row["kind"],
                f"{row['schema']}.{row['mart']}" if row["mart"] else "",
                row["column"],
            ): (row["label"], row["description"])
            for row in csv.DictReader(file)
        }


def _columns(
    database: Path, scratch: Path, texts: dict[tuple[str, str, str], Any]
) -> dict[str, dict[str, Column]]:
    """Columns by mart, and by `STAMP`, in their order."""
    found: dict[str, dict[str, Column]] = {}
    with connect(database, scratch=scratch, read_only=True) as connection:
        rows = connection.execute(
            "select schema_name, table_name, column_name, data_type "
            "from duckdb_columns() where not internal "
            "order by schema_name, table_name, column_index"
        ).fetchall()
    for schema, table, name, kind in rows:
        mart = table if table == STAMP else f"{schema}.{table}"
        plain = (name.replace("_", " ").capitalize(), "")
        label, description = texts.get(("column", mart, name), plain)
        found.setdefault(mart, {})[name] = Column(kind, label, description)
    return found
