"""Models and macros of the dbt project as SQL, rendered without dbt.

`shared` is the text that all engines have in common: what a macro with a form for each
engine gives stands in it as a call, `kith__business_date(…)`. `for_engine` is the text
that one engine gets.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType, SimpleNamespace
from typing import Any

import jinja2
import yaml

from kith.build.dbt import DBT_PROJECT, dbt_vars
from kith.company.folder import feed_names, load_company
from kith.settings import REPOSITORY

MODELS = DBT_PROJECT / "models"
MARK = "kith__"
# What a macro finds that asks the warehouse: traits, and on how many rows a number.
TRAITS = [("Household size", 2), ("diet's kind", 0)]
CORNER_SHOP = REPOSITORY / "tests" / "companies" / "corner_shop"


@dataclass(frozen=True)
class Relation:
    """A table as dbt hands it to a macro."""

    name: str

    def __str__(self) -> str:
        return self.name


@cache
def contract(path: Path) -> Any:
    """A model as dbt shows it to its macros, after its YAML."""
    (model,) = yaml.safe_load(path.with_suffix(".yml").read_text())["models"]

    def config(node: dict[str, Any]) -> SimpleNamespace:
        declared = {"event_time": None, "meta": {}} | node.get("config", {})
        known_at = declared["meta"].get("known_at")
        return SimpleNamespace(
            event_time=declared["event_time"], meta=SimpleNamespace(known_at=known_at)
        )

    return SimpleNamespace(
        name=model["name"],
        config=config(model),
        columns={
            column["name"]: SimpleNamespace(
                name=column["name"],
                data_type=column["data_type"],
                config=config(column),
            )
            for column in model["columns"]
        },
    )


def shared(sql: str, path: Path | None = None) -> str:
    """The text of a model, or of any SQL with Jinja, that all engines share."""

    def dispatch(name: str, _: str) -> Callable[..., str]:
        def call(*arguments: Any) -> str:
            listed = [
                ", ".join(a) if isinstance(a, list) else str(a) for a in arguments
            ]
            return f"{MARK}{name}({', '.join(listed)})"

        return call

    return _render(sql, path, lambda macros: dispatch)


def for_engine(
    sql: str, engine: str, path: Path | None = None, company: Path = CORNER_SHOP
) -> str:
    """The text that an engine gets: its own form of each macro, else the default."""

    def dispatcher(macros: dict[str, Any]) -> Callable[[str, str], Any]:
        def dispatch(name: str, _: str) -> Any:
            return macros.get(f"{engine}__{name}") or macros[f"default__{name}"]

        return dispatch

    return _render(sql, path, dispatcher, company)


def _render(
    sql: str,
    path: Path | None,
    dispatcher: Callable[[dict[str, Any]], Any],
    company: Path = CORNER_SHOP,
) -> str:
    environment = _environment()
    macros: dict[str, Any] = {}
    feeds = {feed: [f"stg_shop__{feed}"] for feed in feed_names()}
    variables = dbt_vars(load_company(company))
    nodes = {
        f"model.kith.feed_{feed}": contract(MODELS / "feeds" / f"feed_{feed}.sql")
        for feed in feed_names()
    }

    def columns_of(relation: Relation) -> list[Any]:
        feed = relation.name.partition("__")[2]
        return list(nodes[f"model.kith.feed_{feed}"].columns.values())

    environment.globals |= {
        "adapter": SimpleNamespace(
            dispatch=lambda name, package: dispatcher(macros)(name, package),
            get_columns_in_relation=columns_of,
        ),
        "config": lambda **_: "",
        "execute": True,
        "graph": SimpleNamespace(nodes=nodes),
        "model": contract(path) if path else None,
        "ref": Relation,
        "return": lambda value: value,
        "run_query": lambda query: SimpleNamespace(rows=TRAITS),
        "source": lambda source, table: Relation(f"{source}.{table}"),
        "var": (variables | {"feeds": feeds}).__getitem__,
    }
    module = jinja2.Template.from_code(
        environment, _all_macros(), environment.globals
    ).module
    macros |= {name: value for name, value in vars(module).items() if name[0] != "_"}
    return environment.from_string(sql).render(macros)


def _environment() -> jinja2.Environment:
    return jinja2.Environment(  # noqa: S701
        extensions=["jinja2.ext.do"], undefined=jinja2.StrictUndefined
    )


@cache
def _all_macros() -> CodeType:
    files = sorted((DBT_PROJECT / "macros").glob("*.sql"))
    text = "\n".join(path.read_text() for path in files)
    # dbt's own tag for a test that takes arguments.
    text = re.sub(
        r"{% end(test) %}|{% test (\w+)",
        lambda tag: "{% endmacro %}" if tag[1] else f"{{% macro test_{tag[2]}",
        text,
    )
    return _environment().compile(text)
