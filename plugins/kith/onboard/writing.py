"""The text of a company folder, with every doubt as a comment where it matters."""

import itertools
import re
import textwrap
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from kith.company.yaml_files import unrendered
from kith.errors import one_line
from kith.onboard.columns import ColumnGuess
from kith.onboard.staging import Staging, sql_name
from kith.onboard.tables import TableGuess

_WIDTH = 88


def _yaml(value: Any, **style: Any) -> str:
    return str(yaml.safe_dump(value, allow_unicode=True, sort_keys=False, **style))


def _flow(value: Any) -> str:
    """A value as one line of YAML."""
    # Within brackets, since a comma needs quotes there that it does not need alone.
    return _yaml([value], default_flow_style=True, width=10**9).strip()[1:-1]


def _wrapped(text: str, start: str, further: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=start,
        subsequent_indent=further,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _comments(doubts: list[str], indent: int = 0, mark: str = "#") -> list[str]:
    start = f"{' ' * indent}{mark} "
    lines = (
        _wrapped(f"DOUBT: {_inert(doubt)}", start, f"{start}  ") for doubt in doubts
    )
    return list(itertools.chain(*lines))


def _inert(doubt: str) -> str:
    """A doubt in which nothing ends the comment, and nothing is a template for dbt.

    dbt renders comments as well, and YAML knows more line breaks than one.
    """
    return re.sub(r"\{(?=[{%#])", "{ ", one_line(doubt))


def _listing(names: list[str]) -> list[str]:
    return _wrapped(f"Not mapped: {', '.join(names)}", "-- ", "-- ") if names else []


def _declaration(column: ColumnGuess) -> str:
    """A column in one line, if it fits in one."""
    node: dict[str, Any] = {"name": column.name, "data_type": column.data_type}
    if column.rules:
        node["config"] = {"meta": column.rules}
    line = f"- {_flow(node)}"
    if len(line) <= _WIDTH - 10:
        return line
    return _yaml([node], default_flow_style=None, width=_WIDTH - 10).rstrip()


def write_folder(
    folder: Path,
    source: str,
    tables: list[TableGuess],
    stagings: list[Staging],
    company: dict[str, str],
    doubts: dict[str, list[str]],
) -> None:
    """Write all files of a company into an empty folder.

    `company` holds the keys of company.yml but for feeds, `doubts` what is doubtful of
    them.
    """

    def model(staging: Staging) -> str:
        return f"stg_{source}__{staging.feed}"

    templates = Environment(  # noqa: S701  (SQL and YAML, not HTML)
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        # Not Jinja's own signs, which dbt reads in what is written.
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<<",
        variable_end_string=">>",
    )
    templates.filters |= {
        "flow": _flow,
        "comments": _comments,
        "listing": _listing,
        "declaration": _declaration,
        "model": model,
        "unrendered": unrendered,
        "sql": lambda column: sql_name(column.name),
    }

    def write(name: str, template: str, **values: Any) -> None:
        text = templates.get_template(f"{template}.jinja").render(
            source=source, **values
        )
        (folder / name).write_text(text, encoding="utf-8")

    (folder / "staging").mkdir(parents=True)
    write(
        "company.yml", "company.yml", company=company, doubts=doubts, stagings=stagings
    )
    write("sources.yml", "sources.yml", tables=tables)
    for staging in stagings:
        siblings = [each for each in stagings if each.table is staging.table]
        unused = [
            column.name
            for column in staging.table.columns
            if not any(each.uses(column) for each in siblings)
            # What holds others was taken apart.
            and column.data_type != "json"
        ]
        stem = f"staging/{model(staging)}"
        write(f"{stem}.sql", "staging.sql", staging=staging, unused=unused)
        write(f"{stem}.yml", "staging.yml", staging=staging)


def doubts_in(folder: Path) -> list[str]:
    """`file:line: doubt` of every doubt in a folder."""
    pattern = re.compile(r"^ *(#|--) DOUBT: (.*(?:\n *\1   \S.*)*)", re.MULTILINE)
    found = []
    for path in sorted(folder.rglob("*.*")):
        text = path.read_text(encoding="utf-8")
        for doubt in pattern.finditer(text):
            line = text.count("\n", 0, doubt.start()) + 1
            words = re.sub(rf"\n *{doubt[1]}  ", "", doubt[2])
            found.append(f"{path.relative_to(folder)}:{line}: {words}")
    return found
