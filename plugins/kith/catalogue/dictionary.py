"""The data dictionary: each mart, column and metric with label and description.

English is what the models' YAML says. Chinese stands in `dbt_project/dictionary/zh`,
keyed by the English text, so that a translation whose original has changed is found
missing: `labels.yml` by the names of marts and columns, `texts_*.yml` by descriptions.
"""

import csv
import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import yaml

from kith.build.dbt import DBT_PROJECT, dbt_vars
from kith.company.folder import PUBLISHED_SCHEMAS, Company

DICTIONARY = "dictionary.csv"
HEADINGS = (
    *("kind", "schema", "mart", "column", "data_type"),
    *("label", "description", "label_en", "description_en"),
)
_DOC_BLOCK = re.compile(r"(?s)\{% docs (\w+) %\}(.*?)\{% enddocs %\}")


@functools.cache
def declared() -> list[tuple[str, str, str, str, str]]:
    """Kind, mart, name, type and English description of all that is in the marts' YAML.

    Kind is mart, column or metric; a mart's name is `<schema>.<table>`, which is empty
    for a metric. Descriptions are in one line, and name variables as dbt does.
    """
    found = []
    for schema in PUBLISHED_SCHEMAS:
        for path in sorted((DBT_PROJECT / "models" / "marts" / schema).glob("*.yml")):
            for model in _read(path).get("models", []):
                mart = f"{schema}.{model['name']}"
                found.append(("mart", mart, "", "", _line(model["description"])))
                found += [
                    (
                        *("column", mart, column["name"], column["data_type"]),
                        _line(column["description"]),
                    )
                    for column in model["columns"]
                ]
    for path in sorted((DBT_PROJECT / "models" / "metrics").glob("*.yml")):
        for metric in _read(path).get("metrics", []):
            found.append(
                ("metric", "", metric["name"], "double", _line(metric["description"]))
            )
    return found


@functools.cache
def metric_labels() -> dict[str, str]:
    """English label of each metric."""
    return {
        metric["name"]: metric["label"]
        for path in (DBT_PROJECT / "models" / "metrics").glob("*.yml")
        for metric in _read(path).get("metrics", [])
    }


@functools.cache
def translations(language: str) -> tuple[dict[str, str], dict[str, str]]:
    """Labels by name, and descriptions by their English text, of another language."""
    folder = DBT_PROJECT / "dictionary" / language
    texts: dict[str, str] = {}
    for path in sorted(folder.glob("texts_*.yml")):
        texts |= _read(path)
    return _read(folder / "labels.yml"), texts


def entries_of(company: Company) -> Iterator[dict[str, str]]:
    """The dictionary's lines for a company, in its language and in English.

    What is not translated stands in English.
    """
    values = dbt_vars(company)
    labels, texts = (
        ({}, {}) if company.language == "en" else translations(company.language)
    )
    for kind, mart, name, data_type, description in declared():
        schema, _, table = mart.partition(".")
        label = metric_labels()[name] if kind == "metric" else _label(name or table)
        key = label if kind == "metric" else name or table
        yield dict(
            zip(
                HEADINGS,
                (
                    *(kind, schema, table, name, data_type),
                    labels.get(key, label),
                    _filled(texts.get(description, description), values),
                    *(label, _filled(description, values)),
                ),
                strict=True,
            )
        )


def write_dictionary(company: Company, path: Path) -> None:
    """Write the dictionary as CSV, which spreadsheets and BI tools read as UTF-8."""
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.DictWriter(stream, HEADINGS)
        writer.writeheader()
        writer.writerows(entries_of(company))


def _label(name: str) -> str:
    """`order_count` → `Order count`."""
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


@functools.cache
def _doc_blocks() -> dict[str, str]:
    """Descriptions that several models share, as dbt finds them, in one line."""
    return {
        name: _line(text)
        for path in (DBT_PROJECT / "models").rglob("*.md")
        for name, text in _DOC_BLOCK.findall(path.read_text(encoding="utf-8"))
    }


def _filled(text: str, values: dict[str, Any]) -> str:
    """A description with the company's values, as dbt renders it."""
    if "{" not in text:
        return text
    return str(jinja2.Template(text).render(var=values.get, doc=_doc_blocks().get))


def _line(text: str) -> str:
    return " ".join(text.split())


def _read(path: Path) -> Any:
    # libyaml's loader: Python's own takes ten times as long.
    return yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
