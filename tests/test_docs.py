"""The tables in docs/ say what the code says.

`.venv/bin/python -m tests.test_docs` (with PYTHONPATH=plugins) writes them anew.
"""

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import duckdb
import pytest
import yaml
from pydantic import BaseModel

from kith.company.folder import feed_names
from kith.company.tables import (
    ColumnRules,
    DriftPolicy,
    Endpoint,
    Paging,
    Reference,
    TableRules,
    VolumeLimits,
)
from kith.deliveries.casts import DATA_TYPES
from kith.settings import REPOSITORY
from tests.one_table import admitted_sql, company, run_door

DOCS = REPOSITORY / "docs"
FEEDS = REPOSITORY / "dbt_project" / "models" / "feeds"
# Each model with the words by which `meta` says where it stands.
MODELS: dict[str, type[BaseModel]] = {
    "table": TableRules,
    "column": ColumnRules,
    "drift": DriftPolicy,
    "volume": VolumeLimits,
    "references": Reference,
    "endpoint": Endpoint,
    "paging": Paging,
}


def values_allowed(schema: dict[str, Any]) -> str:
    """The values that a property takes, in words."""
    if "$ref" in schema:
        return "see below"
    if "anyOf" in schema:
        return " or ".join(
            values_allowed(one) for one in schema["anyOf"] if one.get("type") != "null"
        )
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("format") == "date":
        return "day"
    kind = schema.get("type", "text")
    if kind == "array":
        return f"list of {values_allowed(schema['items'])}"
    if kind == "object":
        return "keys and values"
    bounds = [
        f"{sign} {schema[name]:g}"
        for name, sign in (
            ("minimum", "≥"),
            ("exclusiveMinimum", ">"),
            ("maximum", "≤"),
        )
        if name in schema
    ]
    words = {
        "boolean": "`true`, `false`",
        "integer": "whole number",
        "number": "number",
        "string": "text",
    }
    return " ".join([words[kind], *bounds])


def default_of(model: type[BaseModel], name: str) -> str:
    field = model.model_fields[name]
    if field.is_required():
        return "needed"
    default = field.get_default(call_default_factory=True)
    if isinstance(default, BaseModel):
        return "see below"
    if default in (None, [], {}):
        return "none"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def explained(model: type[BaseModel], name: str) -> str | None:
    """The first line of the model that a key holds."""
    for kind in (
        annotation := model.model_fields[name].annotation,
        *get_args(annotation),
    ):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return (kind.__doc__ or "").partition("\n")[0]
    return None


def meta_table(model: type[BaseModel]) -> str:
    lines = ["| key | values | default | meaning |", "|---|---|---|---|"]
    for name, schema in model.model_json_schema()["properties"].items():
        described = model.model_fields[name].description or explained(model, name)
        assert described, f"{model.__name__}.{name} has no description"
        cells = [
            f"`{name}`",
            values_allowed(schema),
            default_of(model, name),
            described,
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def feeds_table(feed: str) -> str:
    (model,) = yaml.safe_load((FEEDS / f"feed_{feed}.yml").read_text())["models"]
    shared = dict(
        re.findall(
            r"{% docs (\w+) %}\n(.*?)\n{% enddocs %}",
            (FEEDS / "common_columns.md").read_text(),
            re.DOTALL,
        )
    )

    def text(description: str) -> str:
        found = re.fullmatch(r"{{ doc\('(\w+)'\) }}", description)
        return " ".join((shared[found[1]] if found else description).split())

    event_time = model.get("config", {}).get("event_time")
    lines = [
        text(model["description"])
        + (f" Rows are cut at the as-of date by `{event_time}`." if event_time else ""),
        "",
        "| column | type | | meaning |",
        "|---|---|---|---|",
    ]
    for column in model["columns"]:
        is_needed = {"type": "not_null"} in column.get("constraints", [])
        meaning = text(column["description"])
        if known_at := column.get("config", {}).get("meta", {}).get("known_at"):
            times = " or ".join(f"`{name}`" for name in known_at)
            meaning += f" NULL where {times} lies after the as-of date."
        lines.append(
            f"| `{column['name']}` | {column['data_type']} | "
            f"{'needed' if is_needed else ''} | {meaning} |"
        )
    return "\n".join(lines)


def feeds_page() -> str:
    return "\n\n".join(f"## {feed}\n\n{feeds_table(feed)}" for feed in feed_names())


def generated() -> dict[str, dict[str, str]]:
    """For each page, the text between the marks of each name."""
    return {
        "sources.md": {name: meta_table(model) for name, model in MODELS.items()},
        "feeds.md": {"feeds": feeds_page()},
    }


def renewed(page: str) -> str:
    """The page with what is generated written anew."""
    text = (DOCS / page).read_text()
    for name, table in generated()[page].items():
        begin, end = f"<!-- generated: {name} -->", "<!-- end -->"
        assert text.count(begin) == 1, f"{page}: {begin} not found"
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}\n\n{table}\n\n{end}{after}"
    return text


@pytest.mark.parametrize("page", ["sources.md", "feeds.md"])
def test_a_page_says_what_the_code_says(page: str) -> None:
    assert (DOCS / page).read_text() == renewed(page), (
        f"docs/{page} is out of date: PYTHONPATH=plugins .venv/bin/python -m "
        "tests.test_docs"
    )


def test_commands_and_files_that_the_pages_name_exist() -> None:
    targets = set(
        re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(), re.M)
    )
    for page in DOCS.glob("*.md"):
        text = page.read_text()
        for command in re.findall(r"(?:`|^)make ([a-z]+)", text, re.M):
            assert command in targets, f"{page.name}: make {command}"
        for name in re.findall(
            r"`((?:plugins|dbt_project|companies|tests|docs|dags)/[\w./]+)`", text
        ):
            assert (REPOSITORY / name).exists(), f"{page.name}: {name}"


def test_every_data_type_is_on_the_page() -> None:
    page = (DOCS / "sources.md").read_text()
    for kind in DATA_TYPES:
        signed = kind.lower().removeprefix("u") if "INT" in kind else kind.lower()
        assert f"`{signed}`" in page
    assert "with `u` before them" in page


@pytest.mark.usefixtures("kith_home")
@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_the_example_of_nested_values_gives_their_rows(
    kind: str, tmp_path: Path
) -> None:
    (example,) = re.findall(
        r"### Nested values.*?```sql\n(.*?)```",
        (DOCS / "sources.md").read_text(),
        re.DOTALL,
    )
    columns = [
        {"name": "sale_id", "data_type": "varchar"},
        {"name": "items", "data_type": "json"},
    ]
    company(tmp_path, f"data/s.{kind}", columns, cursor=None)
    items = [{"sku": "a", "quantity": 2, "price": 1.25}, {"sku": "b", "quantity": 0.5}]
    lines = [{"sale_id": "A", "items": items}, {"sale_id": "B", "items": []}]
    text = "".join(f"{json.dumps(line)}\n" for line in lines)
    (tmp_path / "data/s.jsonl").write_text(text)
    if kind == "parquet":
        path = str(tmp_path / "data/s")
        duckdb.sql(f"copy (from '{path}.jsonl') to '{path}.parquet' (format parquet)")
    run = run_door(tmp_path)
    source = "{{ source('shop', 'sales') }}"
    assert source in example
    query = f"{example.replace(source, admitted_sql(run))} order by all"
    assert duckdb.sql(query).fetchall() == [
        ("A", 1, "a", Decimal("2.000"), Decimal("1.25")),
        ("A", 2, "b", Decimal("0.500"), None),
    ]


def test_every_rule_of_the_declaration_is_on_the_page() -> None:
    page = (DOCS / "sources.md").read_text()
    for model in MODELS.values():
        for name in model.model_fields:
            assert f"| `{name}` |" in page


if __name__ == "__main__":
    for name in generated():
        Path(DOCS / name).write_text(renewed(name))
