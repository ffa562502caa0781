"""Audiences: which rows of a mart are about nobody, and files that hold only these.

What a mart's rows are about stands in its YAML under `config: meta:`. `rows_about` is
`persons` (each row is about one, or names some), `groups` or `things`. A group of fewer
than five may be recognised: the counts of persons in a row stand in `group_sizes`.
`persons_where` tells the rows of a mart of groups or things that are about one person
after all. `classes` gives each column one class: `identifier` (it stands for a person,
or for a record of theirs), `personal` (it tells about one) or `none`.
"""

import json
from pathlib import Path
from typing import Any

import duckdb

from kith.database import comments_sql, literal, quote
from kith.runs.run import Run

FEWEST_PERSONS = 5
CLASSES = ("identifier", "personal", "none")
NOBODY = "false"


def privacy_of_marts(run: Run) -> dict[str, dict[str, Any]]:
    """By `<schema>.<table>` the classes of columns and which rows are about nobody.

    As the models' YAML says, read from what dbt knows of the candidate.
    """
    manifest = run.folder / "dbt" / "target" / "manifest.json"
    nodes = json.loads(manifest.read_text(encoding="utf-8"))["nodes"].values()
    return {
        f"{node['schema']}.{node['alias']}": privacy(node["config"].get("meta") or {})
        for node in nodes
        if node["resource_type"] == "model"
    }


def privacy(meta: dict[str, Any]) -> dict[str, Any]:
    """What the manifest of a release says of a mart, from the `meta` of its model."""
    return {
        "rows_about_nobody": rows_about_nobody(meta),
        "classes": meta.get("classes", {}),
    }


def rows_about_nobody(meta: dict[str, Any]) -> str:
    """SQL that is true of a mart's rows that are about no recognisable person.

    What is not declared counts as being about persons.
    """
    if meta.get("rows_about") not in ("groups", "things"):
        return NOBODY
    conditions = [
        f"({size} is null or {size} = 0 or {size} >= {FEWEST_PERSONS})"
        for size in map(quote, meta.get("group_sizes", []))
    ]
    if where := meta.get("persons_where"):
        conditions.append(f"not ({where})")
    return " and ".join(conditions) or "true"


def add_audiences(
    connection: duckdb.DuckDBPyConnection,
    run: Run,
    folder: Path,
    marts: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    """Write the file of each audience that company.yml names into a release's folder.

    `connection` has the release attached as `release`. Adds to each of the `marts`,
    which are entries of its manifest, what is known of its privacy. Returns by audience
    the file and its rows by mart.
    """
    known = privacy_of_marts(run)
    for name, mart in marts.items():
        mart["privacy"] = known.get(name, privacy({}))
    written: dict[str, Any] = {}
    for audience in sorted(set(run.company.audiences)):
        path = folder / f"kith_{audience}.duckdb"
        rows = {
            name: mart["privacy"]["rows_about_nobody"]
            for name, mart in marts.items()
            if mart["privacy"]["rows_about_nobody"] != NOBODY
        }
        counts = _write(connection, path, rows)
        written[audience] = {"file": path.name, "rows": counts}
    return written


def _write(
    connection: duckdb.DuckDBPyConnection, path: Path, rows: dict[str, str]
) -> dict[str, int]:
    """Copy the rows of marts that meet a condition into a file; returns their counts.

    A column stays where it is though it is empty in these rows, so that what reads the
    whole file reads this one too.
    """
    # As the whole file: for older clients, without indexes and constraints.
    connection.execute(
        f"attach {literal(str(path))} as audience (storage_version 'v1.0.0')"
    )
    connection.execute("begin")
    counts = {}
    for name, condition in rows.items():
        schema, table = name.split(".")
        place = f"{quote(schema)}.{quote(table)}"
        connection.execute(f"create schema if not exists audience.{quote(schema)}")
        (count,) = connection.execute(
            f"create table audience.{place} as from release.{place} where {condition}"
        ).fetchone() or (0,)
        counts[name] = count
    connection.execute("create table audience._release as from release._release")
    connection.execute(comments_sql(connection, "release", "audience"))
    connection.execute("commit")
    connection.execute("checkpoint audience")
    connection.execute("detach audience")
    return counts
