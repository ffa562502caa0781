"""The text of a company folder, with every doubt as a comment where it matters."""

import re
import textwrap
from pathlib import Path
from typing import Any

import yaml

from kith.scaffold.columns import ColumnGuess
from kith.scaffold.feeds import Staging
from kith.scaffold.tables import TableGuess

_WIDTH = 88


def _flow(value: Any) -> str:
    """A value as one line of YAML."""
    # Within brackets, since a comma needs quotes there that it does not need alone.
    return _yaml([value], default_flow_style=True, width=10**9).strip()[1:-1]


def _yaml(value: Any, **style: Any) -> str:
    return str(yaml.safe_dump(value, allow_unicode=True, sort_keys=False, **style))


def _comments(doubts: list[str], indent: int = 0, mark: str = "#") -> list[str]:
    space = " " * indent
    return [
        line
        for doubt in doubts
        for line in textwrap.wrap(
            f"DOUBT: {doubt}",
            _WIDTH,
            initial_indent=f"{space}{mark} ",
            subsequent_indent=f"{space}{mark}   ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    ]


def _company_yml(
    values: dict[str, str], doubts: dict[str, str], feeds: dict[str, list[str]]
) -> list[str]:
    lines = []
    for key, value in values.items():
        lines += _comments([doubts[key]] if key in doubts else [])
        lines.append(f"{key}: {value if key.endswith('_day') else _flow(value)}")
    listed = [f"  {feed}: {_flow(models)}" for feed, models in feeds.items()]
    return [*lines, f"feeds:{'' if listed else ' {}'}", *listed]


def _sources_yml(source: str, origin: Path, tables: list[TableGuess]) -> list[str]:
    return [
        "# Written by `make company`. The files stay where they are: paths are",
        "# absolute, or start with ${VARIABLE} of the environment if they will move.",
        "sources:",
        f"  - name: {source}",
        f"    description: {_flow(f'Files below {origin}.')}",
        "    tables:",
        *(line for table in tables for line in _table(table)),
    ]


def _table(table: TableGuess) -> list[str]:
    delivery = table.delivery
    count = len(delivery.files)
    files = delivery.files[0].name if count == 1 else f"{count} files"
    meta = {
        "connector": "files",
        "path": delivery.path,
        "options": delivery.options,
        "key": table.key,
        "cursor": table.cursor,
        **table.rules,
        "drift": {"missing": "warn"} if delivery.missing else None,
    }
    return [
        f"      - name: {table.name}",
        *_comments([*delivery.doubts, *table.doubts], 8),
        f"        description: {_flow(f'Rows of {files}.')}",
        "        config:",
        "          meta:",
        *(f"            {key}: {_flow(value)}" for key, value in meta.items() if value),
        "        columns:",
        *(line for column in table.columns for line in _column(column)),
    ]


def _column(column: ColumnGuess) -> list[str]:
    node: dict[str, Any] = {"name": column.name, "data_type": column.data_type}
    if column.rules:
        node["config"] = {"meta": column.rules}
    lines = [f"- {_flow(node)}"]
    if len(lines[0]) > _WIDTH - 10:
        block = _yaml([node], default_flow_style=None, width=_WIDTH - 10)
        lines = block.splitlines()
    return [*_comments(column.doubts, 10), *(f"          {line}" for line in lines)]


def _staging_sql(source: str, staging: Staging, unused: list[str]) -> list[str]:
    comments = _comments(staging.doubts, mark="--")
    if unused:
        comments += textwrap.wrap(
            f"Not mapped: {', '.join(unused)}",
            _WIDTH,
            initial_indent="-- ",
            subsequent_indent="-- ",
            break_long_words=False,
        )
    loaded_at = "max(loaded_at) as loaded_at" if staging.group_by else "loaded_at"
    columns = [
        f"'{source}' as source",
        *(sql if sql == name else f"{sql} as {name}" for name, sql in _broken(staging)),
        loaded_at,
    ]
    select = ["select", *_listed(columns)]
    select.append(f"from {{{{ source('{source}', '{staging.table.name}') }}}}")
    conditions = [
        f"{'    and' if number else 'where'} {condition}"
        for number, condition in enumerate(staging.conditions)
    ]
    if not staging.entries:
        grouping = ["group by", *_listed(staging.group_by)] if staging.group_by else []
        return [*comments, *select, *conditions, *grouping]
    return [
        # The comments after them: `-%}` would put what follows into a comment before.
        "{%- set entries = [",
        *(f"    {entry}," for entry in staging.entries),
        "] -%}",
        *staging.setting,
        *comments,
        "with",
        "",
        f"{staging.feed} as (",
        f"    {{% for {staging.variables} in entries %}}",
        *(f"    {line}" for line in select),
        '    {{ "union all" if not loop.last }}',
        "    {% endfor %}",
        ")",
        "",
        f"select * from {staging.feed}",
        *conditions,
    ]


def _broken(staging: Staging) -> list[tuple[str, str]]:
    """Names and SQL of a select, long keys over several lines."""
    return [
        (name, sql.replace(" || '-' || ", "\n    || '-' || ") if len(sql) > 60 else sql)
        for name, sql in staging.select.items()
    ]


def _listed(items: list[str]) -> list[str]:
    lines = "\x00\n".join(f"    {item}".replace("\n", "\n    ") for item in items)
    return lines.replace("\x00", ",").splitlines()


def _staging_yml(model: str, staging: Staging) -> list[str]:
    text = staging.description
    if staging.unmapped:
        text += f" Not given by the source: {', '.join(staging.unmapped)}."
    return [
        "models:",
        f"  - name: {model}",
        "    description: >-",
        *(
            f"      {line}"
            for line in textwrap.wrap(text, _WIDTH - 6, break_long_words=False)
        ),
    ]


def write_folder(
    folder: Path,
    source: str,
    origin: Path,
    tables: list[TableGuess],
    stagings: list[Staging],
    company: dict[str, str],
    doubts: dict[str, str],
) -> None:
    """Write all files of a company into an empty folder.

    `company` holds the keys of company.yml but for feeds, `doubts` what is doubtful of
    them.
    """
    (folder / "staging").mkdir(parents=True)
    models = {staging.feed: [f"stg_{source}__{staging.feed}"] for staging in stagings}
    texts = {
        "company.yml": _company_yml(company, doubts, models),
        "sources.yml": _sources_yml(source, origin, tables),
    }
    for staging in stagings:
        (model,) = models[staging.feed]
        siblings = [each for each in stagings if each.table is staging.table]
        unused = [
            column.name
            for column in staging.table.columns
            if not any(each.uses(column) for each in siblings)
        ]
        texts[f"staging/{model}.sql"] = _staging_sql(source, staging, unused)
        texts[f"staging/{model}.yml"] = _staging_yml(model, staging)
    for name, lines in texts.items():
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def doubts_in(folder: Path) -> list[str]:
    """`file:line: doubt` of every doubt in a folder."""
    found = []
    for path in sorted(folder.rglob("*.*")):
        text = path.read_text(encoding="utf-8")
        for doubt in re.finditer(
            r"^ *(#|--) DOUBT: (.*(?:\n *\1   \S.*)*)", text, re.MULTILINE
        ):
            line = text.count("\n", 0, doubt.start()) + 1
            words = re.sub(rf"\n *{doubt[1]}  ", "", doubt[2])
            found.append(f"{path.relative_to(folder)}:{line}: {words}")
    return found
