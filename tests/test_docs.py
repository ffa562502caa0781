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

from kith.company.alert_routes import AlertRoute
from kith.company.consumers import Consumer
from kith.company.folder import (
    PUBLISHED_SCHEMAS,
    ActivityStates,
    CompanyFile,
    ContactRules,
    CrisisWatch,
    Identity,
    Models,
    feed_names,
)
from kith.company.lead_stages import KNOWN_STAGES, LeadStages
from kith.company.life_stages import LifeStage
from kith.company.order_statuses import KNOWN_STATUSES, OrderStatuses, known_words
from kith.company.postgres import Postgres, Reader
from kith.company.restatement_limit import RestatementLimit
from kith.company.retention import Keep, Retention
from kith.company.schemes import Scheme, own_schemes
from kith.company.tables import (
    ColumnRules,
    DriftPolicy,
    Endpoint,
    Paging,
    Reference,
    TableRules,
    VolumeLimits,
)
from kith.company.weights import ValuePart, Weights
from kith.company.words import listed
from kith.deliveries.casts import DATA_TYPES
from kith.settings import REPOSITORY
from tests.one_table import admitted_sql, company, run_door

DOCS = REPOSITORY / "docs"
FEEDS = REPOSITORY / "dbt_project" / "models" / "feeds"
MARTS = REPOSITORY / "dbt_project" / "models" / "marts"
SCHEMAS = "|".join(PUBLISHED_SCHEMAS)
ROOTS = "(?:plugins|dbt_project|companies|tests|docs|dags|expectations)"
# For each page the models whose keys it holds, by the word that says where they stand.
MODELS: dict[str, dict[str, type[BaseModel]]] = {
    "company.md": {
        "company": CompanyFile,
        "activity_states": ActivityStates,
        "alerts": AlertRoute,
        "consumers": Consumer,
        "contact_rules": ContactRules,
        "crisis_watch": CrisisWatch,
        "identity": Identity,
        "life_stages": LifeStage,
        "models": Models,
        "lead_stages": LeadStages,
        "order_statuses": OrderStatuses,
        "postgres": Postgres,
        "readers": Reader,
        "restatement_limit": RestatementLimit,
        "retention": Retention,
        "schemes": Scheme,
        "weights": Weights,
        "value_parts": ValuePart,
    },
    "sources.md": {
        "table": TableRules,
        "column": ColumnRules,
        "drift": DriftPolicy,
        "volume": VolumeLimits,
        "references": Reference,
        "endpoint": Endpoint,
        "paging": Paging,
    },
}


def values_allowed(schema: dict[str, Any]) -> str:
    """The values that a property takes, in words."""
    if schema.get("$ref", "").startswith("#/$defs/Keep"):
        return "count and days"
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
    if isinstance(default, Keep):
        return f"`{{count: {default.count}, days: {default.days}}}`"
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


def keys_table(model: type[BaseModel]) -> str:
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


def order_statuses_table() -> str:
    lines = ["| state | words |", "|---|---|"]
    lines += [f"| {name} | {', '.join(known_words(name))} |" for name in KNOWN_STATUSES]
    return "\n".join(lines)


def lead_stages_table() -> str:
    lines = ["| end | words |", "|---|---|"]
    lines += [f"| {end} | {', '.join(listed(w))} |" for end, w in KNOWN_STAGES.items()]
    return "\n".join(lines)


def columns_table(table: str) -> str:
    """The columns over which a company writes lines of SQL."""
    path = MARTS.parent / "intermediate" / f"{table}.yml"
    (model,) = yaml.safe_load(path.read_text())["models"]
    lines = ["| column | type | meaning |", "|---|---|---|"]
    for column in model["columns"]:
        meaning = re.sub(
            r"{{ var\('(\w+)'\) }}", r"`\1`", " ".join(column["description"].split())
        )
        lines.append(f"| `{column['name']}` | {column['data_type']} | {meaning} |")
    return "\n".join(lines)


def own_schemes_table() -> str:
    lines = ["| scheme | segments, in their order | meaning |", "|---|---|---|"]
    for name, scheme in own_schemes().items():
        segments = [
            f"{segment} ({other})"
            if (other := scheme.other_names.get(segment))
            else segment
            for segment in scheme.segments
        ]
        lines.append(f"| `{name}` | {', '.join(segments)} | {scheme.definition}. |")
    return "\n".join(lines)


def generated() -> dict[str, dict[str, str]]:
    """For each page, the text between the marks of each name."""
    pages = {
        page: {name: keys_table(model) for name, model in models.items()}
        for page, models in MODELS.items()
    }
    pages["company.md"] |= {
        "words of stages": lead_stages_table(),
        "words of statuses": order_statuses_table(),
        "own schemes": own_schemes_table(),
        "columns of states": columns_table("segments/int_customer_states"),
        "actions": columns_table("indicators/int_customer_actions"),
    }
    return pages | {"feeds.md": {"feeds": feeds_page()}}


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


@pytest.mark.parametrize("page", [*MODELS, "feeds.md"])
def test_a_page_says_what_the_code_says(page: str) -> None:
    assert (DOCS / page).read_text() == renewed(page), (
        f"docs/{page} is out of date: PYTHONPATH=plugins .venv/bin/python -m "
        "tests.test_docs"
    )


def test_every_page_is_named_in_the_readme() -> None:
    readme = (REPOSITORY / "README.md").read_text()
    for page in DOCS.glob("*.md"):
        assert f"{page.name}:" in readme, page.name


PAGES = ["README.md", "DECISIONS.md", *(f"docs/{p.name}" for p in DOCS.glob("*.md"))]


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_names_exists(page: str) -> None:
    """Commands, files, links, settings, and marts by their schemas."""
    text = (REPOSITORY / page).read_text()

    def named(pattern: str) -> set[str]:
        return set(re.findall(pattern, text, re.MULTILINE))

    makefile = (REPOSITORY / "Makefile").read_text()
    targets = re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)
    assert named(r"(?:`|^)make ([a-z-]+)") <= set(targets)
    files = named(rf"`({ROOTS}/[\w./]+)`") - {"companies/x"}  # any company
    assert {name for name in files if not (REPOSITORY / name).exists()} == set()
    links = named(r"\]\(([^)#:]+)\)")
    assert {
        name for name in links if not ((REPOSITORY / page).parent / name).exists()
    } == set()
    settings = (REPOSITORY / ".env.example").read_text()
    known = re.findall(r"^#? ?(\w+)=", settings, re.MULTILINE)
    assert named(r"\bKITH_[A-Z_]*[A-Z]\b") <= set(known)
    marts = {f"{sql.parent.name}.{sql.stem}" for sql in MARTS.glob("*/*.sql")}
    assert named(rf"`((?:{SCHEMAS})\.[a-z_]+)`") <= marts


def test_the_house_of_the_readme_stands() -> None:
    """Each file and folder of its tree is there, below the one it is written under."""
    readme = (REPOSITORY / "README.md").read_text()
    (tree,) = re.findall(r"## The house\n\n```\n(.*?)```", readme, re.DOTALL)
    above = REPOSITORY
    for line in tree.splitlines():
        names = re.match(r"((?:  )?)((?:[\w.-]+[/.][\w./-]* )+)", f"{line} ")
        if not names:  # The text beside the name above goes on.
            continue
        for name in names[2].split():
            assert ((above if names[1] else REPOSITORY) / name).exists(), line
        if not names[1]:
            above = REPOSITORY / names[2].split()[0]
    assert above.name == "docker-compose.yml"


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


def test_every_key_of_a_declaration_is_on_its_page() -> None:
    for page, models in MODELS.items():
        text = (DOCS / page).read_text()
        for model in models.values():
            for name in model.model_fields:
                assert f"| `{name}` |" in text, f"{page}: {name}"


if __name__ == "__main__":
    for name in generated():
        Path(DOCS / name).write_text(renewed(name))
