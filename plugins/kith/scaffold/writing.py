"""The text of a company folder, with every doubt as a comment where it matters."""

import re
import textwrap
from pathlib import Path
from typing import Any

import yaml

from kith.scaffold.mapping import Mapping, Staging, feeds_of, sql_name, staging_name
from kith.scaffold.profiles import ColumnGuess, TableGuess

_WIDTH = 88


def _flow(value: Any) -> str:
    """A value as one line of YAML."""
    # Within brackets, since a comma needs quotes there that it does not need alone.
    text = yaml.safe_dump(
        [value],
        default_flow_style=True,
        width=10**9,
        allow_unicode=True,
        sort_keys=False,
    )
    return text.strip()[1:-1]


def _comment(indent: str, text: str, mark: str = "#") -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=f"{indent}{mark} DOUBT: ",
        subsequent_indent=f"{indent}{mark}   ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def company_yml(
    name: str,
    title: str,
    currency: str,
    days: dict[str, str],
    doubts: dict[str, list[str]],
    feeds: dict[str, Any],
) -> str:
    """The text of company.yml; `doubts` maps a key to what is doubtful of it."""
    lines = []
    values = {
        "name": name,
        "title": title,
        "time_zone": "UTC",
        "currency": currency,
        **days,
    }
    for key, value in values.items():
        for doubt in doubts.get(key, []):
            lines += _comment("", doubt)
        written = value if key.endswith("_day") else _flow(value)
        lines.append(f"{key}: {written}")
    lines.append("feeds:" if feeds else "feeds: {}")
    lines += [f"  {feed}: {_flow(models)}" for feed, models in feeds.items()]
    return "\n".join(lines) + "\n"


def sources_yml(
    source: str, origin: Path, tables: list[TableGuess], mapping: Mapping
) -> str:
    """The text of sources.yml."""
    lines = [
        "# Written by `make company`. The files stay where they are: paths are",
        "# absolute, or start with ${VARIABLE} of the environment if they will move.",
        "sources:",
        f"  - name: {source}",
        f"    description: {_flow(f'Files below {origin}.')}",
        "    tables:",
    ]
    for table in tables:
        lines += _table(table, mapping.near.get(table.name, []))
    return "\n".join(lines) + "\n"


def _table(table: TableGuess, near: list[str]) -> list[str]:
    delivery = table.delivery
    lines = [f"      - name: {table.name}"]
    for doubt in [*delivery.doubts, *table.doubts, *near]:
        lines += _comment(" " * 8, doubt)
    meta: dict[str, Any] = {"connector": "files", "path": delivery.path}
    if delivery.options:
        meta["options"] = delivery.options
    if table.key:
        meta["key"] = table.key
    if table.cursor:
        meta["cursor"] = table.cursor
    meta |= table.rules
    if delivery.missing:
        lines += _comment(
            " " * 8,
            f"{len(delivery.missing)} of {len(table.columns)} columns are not in all "
            f"of its {len(delivery.files)} files; a file that lacks one gives NULL and "
            "a warning",
        )
        meta["drift"] = {"missing": "warn"}
    count = len(delivery.files)
    files = delivery.files[0].name if count == 1 else f"{count} files"
    lines += [
        f"        description: {_flow(f'Rows of {files}.')}",
        "        config:",
        "          meta:",
        *(f"            {key}: {_flow(value)}" for key, value in meta.items()),
        "        columns:",
    ]
    for column in table.columns:
        lines += _column(column)
    return lines


def _column(column: ColumnGuess) -> list[str]:
    name, kind = _flow(column.name), _flow(column.data_type)
    rules = {
        key: value
        for key, value in column.rules.items()
        # A rule that says what holds anyway is left out.
        if value not in ([], None)
    }
    meta = f"config: {_flow({'meta': rules})}" if rules else ""
    short = f"          - {{name: {name}, data_type: {kind}"
    short += f", {meta}}}" if meta else "}"
    doubts = [line for doubt in column.doubts for line in _comment(" " * 12, doubt)]
    if len(short) <= _WIDTH:
        return [*_outdented(doubts), short]
    lines = [f"          - name: {name}", f"            data_type: {kind}", *doubts]
    block = yaml.safe_dump(
        {"config": {"meta": rules}},
        default_flow_style=None,
        width=_WIDTH - 14,
        allow_unicode=True,
        sort_keys=False,
    )
    return [*lines, *textwrap.indent(block.rstrip(), " " * 12).splitlines()]


def _outdented(lines: list[str]) -> list[str]:
    return [line[2:] for line in lines]


def staging_sql(source: str, staging: Staging) -> str:
    """The text of a staging model."""
    comments = [line for doubt in staging.doubts for line in _comment("", doubt, "--")]
    if staging.unused:
        comments += textwrap.wrap(
            "Not mapped: " + ", ".join(staging.unused),
            _WIDTH,
            initial_indent="-- ",
            subsequent_indent="-- ",
            break_long_words=False,
        )
    table = f"{{{{ source('{source}', '{staging.table.name}') }}}}"
    if staging.questions:
        body = _unpivoted(source, staging, table, comments)
    else:
        body = [*comments, *_select("", source, staging, table)]
        for number, condition in enumerate(staging.conditions):
            body.append(f"{'where' if number == 0 else '    and'} {condition}")
        if staging.grouped:
            names = [
                sql
                for name, sql in staging.select.items()
                if name != "identifier_type" and not sql.startswith("min(")
            ]
            body.append("group by")
            body += [f"    {name}," for name in names[:-1]] + [f"    {names[-1]}"]
    return "\n".join(body) + "\n"


def _select(indent: str, source: str, staging: Staging, table: str) -> list[str]:
    lines = [f"{indent}select", f"{indent}    '{source}' as source,"]
    for name, sql in staging.select.items():
        text = sql if sql == name else f"{sql} as {name}"
        if len(indent) + len(text) + 5 > _WIDTH:
            text = text.replace(" || '-' || ", f"\n{indent}    || '-' || ")
        lines += f"{indent}    {text},".split("\n")
    loaded = "max(loaded_at) as loaded_at" if staging.grouped else "loaded_at"
    return [*lines, f"{indent}    {loaded}", f"{indent}from {table}"]


def _unpivoted(
    source: str, staging: Staging, table: str, comments: list[str]
) -> list[str]:
    is_survey = staging.feed == "survey_answers"
    if is_survey:
        variables, entries, cte = (
            "question, measure, scale_min, scale_max",
            [str(question) for question in staging.questions],
            "questions",
        )
        last = "where score between scale_min and scale_max"
    else:
        variables, cte = "trait", "traits"
        entries = [repr(name) for name, *_ in staging.questions]
        last = "where value_text is not null"
    # The comments after them: `-%}` would put what follows into a comment before.
    lines = [f"{{%- set {cte} = [", *(f"    {entry}," for entry in entries), "] -%}"]
    if "answered_on" in str(staging.select.get("answered_at")):
        lines += ["{%- set answered_on -%}", *_answered_on(staging), "{%- endset -%}"]
    rows = "answers" if is_survey else "observations"
    return [
        *lines,
        *comments,
        "with",
        "",
        f"{rows} as (",
        f"    {{% for {variables} in {cte} %}}",
        *_select("    ", source, staging, table),
        '    {{ "union all" if not loop.last }}',
        "    {% endfor %}",
        ")",
        "",
        f"select * from {rows}",
        last,
    ]


def _answered_on(staging: Staging) -> list[str]:
    if not staging.answered_on:
        return ["cast('ANSWERED_ON' as date)"]
    lines = ["case"]
    for column, day in staging.answered_on:
        condition = f"when {sql_name(column)} is not null then" if column else "else"
        lines.append(f"    {condition} cast('{day}' as date)")
    return [*lines, "end"]


def staging_yml(source: str, staging: Staging) -> str:
    """The text of a staging model's YAML."""
    text = staging.description
    if staging.unmapped:
        text += f" Not given by the source: {', '.join(staging.unmapped)}."
    wrapped = textwrap.wrap(text, _WIDTH - 6, break_long_words=False)
    return "\n".join(
        [
            "models:",
            f"  - name: {staging_name(source, staging)}",
            "    description: >-",
            *(f"      {line}" for line in wrapped),
            "",
        ]
    )


def write_folder(
    folder: Path,
    source: str,
    origin: Path,
    tables: list[TableGuess],
    mapping: Mapping,
    company: dict[str, Any],
) -> None:
    """Write all files of a company into an empty folder."""
    (folder / "staging").mkdir(parents=True)
    company_text = company_yml(**company, feeds=feeds_of(source, mapping))
    (folder / "company.yml").write_text(company_text, encoding="utf-8")
    (folder / "sources.yml").write_text(
        sources_yml(source, origin, tables, mapping), encoding="utf-8"
    )
    last_day = company["days"].get("last_day", company["days"]["first_day"])
    for staging in mapping.stagings:
        stem = folder / "staging" / staging_name(source, staging)
        sql = staging_sql(source, staging).replace("ANSWERED_ON", last_day)
        stem.with_suffix(".sql").write_text(sql, encoding="utf-8")
        stem.with_suffix(".yml").write_text(
            staging_yml(source, staging), encoding="utf-8"
        )


def doubts_in(folder: Path) -> list[str]:
    """`file:line: doubt` of every doubt in a folder."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.suffix not in (".yml", ".sql"):
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            mark = re.match(r"\s*(#|--) DOUBT: (.*)", line)
            if not mark:
                continue
            text = mark[2]
            for further in lines[number + 1 :]:
                more = re.match(rf"\s*{mark[1]}   (\S.*)", further)
                if not more:
                    break
                text += f" {more[1]}"
            found.append(f"{path.relative_to(folder)}:{number + 1}: {text}")
    return found
