"""The page in another language: all of it is translated, and nothing else is there."""

import ast
import functools
import importlib
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import jinja2.ext

from kith.report import page
from kith.report.entries import Entry, Section
from kith.report.language import language_of

REPORT = Path(page.__file__).parent
ZH = language_of("zh")
# What writes texts, with the place of the first argument that is one.
WRITERS = {"fill": 0, "translated": 0, "sentences": 1}


# --- which texts there are ----------------------------------------------------


def placeholders(text: str) -> set[str]:
    return {
        f"{{{name}:{spec}}}"
        for _, name, spec, _ in string.Formatter().parse(text)
        if name is not None
    }


def has_words(text: str) -> bool:
    """Whether letters stand in a template beside its placeholders."""
    parts = [part for part, *_ in string.Formatter().parse(text)]
    return any(map(str.isalpha, "".join(parts)))


def texts_of_entry(entry: Entry) -> Iterator[str]:
    cells = [*entry.columns, *entry.columns.values(), entry.text]
    told = [entry.title, entry.note, entry.absent, entry.caption, entry.footnote]
    for text in [*told, *cells]:
        if isinstance(text, functools.partial):
            yield from (each for each in text.args if isinstance(each, str))
        elif isinstance(text, str):
            yield text
    yield from (label for label, _ in entry.series.values())


def texts_of_section(section: Section) -> Iterator[str]:
    for entries in (section.tables, *section.charts):
        for entry in entries:
            yield from texts_of_entry(entry)
    for tile in section.tiles:
        told = (tile.label, tile.value, tile.of, tile.unit, tile.note, tile.unknown)
        yield from (text for text in told if isinstance(text, str))
        yield from tile.changes.values()
    for sentence in section.sentences:
        if isinstance(sentence.words, str):
            yield sentence.words
    yield from section.definitions
    yield from section.definitions.values()


def texts_in(node: ast.expr, module: Any) -> Iterator[str]:
    """The texts that an argument may be; an f-string could never be looked up."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp(body=body, orelse=orelse):
            yield from texts_in(body, module)
            yield from texts_in(orelse, module)
        case ast.Subscript(value=value):
            yield from texts_in(value, module)
        case ast.Call(func=ast.Attribute(value=value), args=[_, *defaults]):
            for each in (value, *defaults):
                yield from texts_in(each, module)
        case ast.Dict(values=values):
            for value in values:
                yield from texts_in(value, module)
        case ast.Name(id=name) if isinstance(vars(module).get(name), dict):
            for value in vars(module)[name].values():
                yield value[0] if isinstance(value, tuple) else value
        case ast.JoinedStr() | ast.BinOp():
            raise AssertionError(f"{module.__name__}: joined: {ast.unparse(node)}")


def texts_of_code(path: Path) -> Iterator[str]:
    module = importlib.import_module(f"kith.report.{path.stem}")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in WRITERS:
                for argument in node.args[WRITERS[node.func.id] :]:
                    yield from texts_in(argument, module)
                    if node.func.id != "sentences":
                        break


def texts_of_template() -> Iterator[str]:
    parsed = jinja2.Environment().parse((REPORT / "page.html.j2").read_text())
    for _, _, text in jinja2.ext.extract_from_ast(parsed, ("_",)):
        yield text if isinstance(text, str) else text[0]


@functools.cache
def all_texts() -> set[str]:
    texts = {text for section in page.SECTIONS for text in texts_of_section(section)}
    texts |= set(texts_of_template())
    for path in REPORT.glob("*.py"):
        if path.stem not in ("__init__", "show"):  # that one is for the terminal
            texts |= set(texts_of_code(path))
    dates = {
        spec
        for text in texts
        for _, _, spec, _ in string.Formatter().parse(text)
        if spec and "%" in spec
    }
    return (texts | dates) - {""}
