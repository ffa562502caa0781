"""The page in another language: all of it is translated, and nothing else is there."""

import ast
import dataclasses
import datetime as dt
import functools
import html.parser
import importlib
import json
import re
import string
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import jinja2
import jinja2.ext
import pytest

from kith.approve.reasons import ORDER
from kith.build.dbt import DBT_PROJECT
from kith.catalogue import dictionary
from kith.company.folder import feed_names
from kith.company.schemes import own_schemes
from kith.models.drivers import BEHAVIOURS
from kith.report import contacts, leaving, offers, one_customer, page, satisfaction
from kith.report.entries import Entry, Section
from kith.report.formats import amount, enumerated, fill, name, sentences
from kith.report.language import (
    Language,
    about,
    language_of,
    speaking,
    term,
    translated,
)
from kith.runs.run import Run
from kith.settings import REPOSITORY
from tests.report.releases import Frames, page_of

REPORT = Path(page.__file__).parent
ZH = language_of("zh")


# --- which texts there are ----------------------------------------------------


def placeholders(text: str) -> set[str]:
    return {
        f"{{{name}:{spec}}}"
        for _, name, spec, _ in string.Formatter().parse(text)
        # Words that go with a number are no figures.
        if name is not None and not str(spec).startswith("|")
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


def entries(sections: Iterable[Section] = page.SECTIONS) -> Iterator[Entry]:
    for section in sections:
        for row in (section.tables, *section.charts):
            yield from row


def texts_of_section(section: Section) -> Iterator[str]:
    for entry in entries([section]):
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
        match node:
            case ast.Call(func=ast.Name(id="fill" | "translated"), args=[text, *_]):
                yield from texts_in(text, module)
            case ast.Call(func=ast.Name(id="sentences"), args=[_, *texts]):
                for text in texts:
                    yield from texts_in(text, module)


def texts_of_template() -> Iterator[str]:
    source = (REPORT / "page.html.j2").read_text(encoding="utf-8")
    parsed = jinja2.Environment(autoescape=True).parse(source)
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


def test_each_text_has_its_chinese_one_and_no_other_is_there() -> None:
    """Keyed by the English text: who changes that finds the translation missing."""
    assert {text for text in all_texts() if has_words(text)} - set(ZH.texts) == set()
    assert set(ZH.texts) - all_texts() == set()
    for entry, texts in ZH.entries.items():
        assert set(texts) <= set(ZH.texts), entry


def test_a_translation_has_the_same_placeholders() -> None:
    pairs = [*ZH.texts.items(), *ZH.values.items()]
    pairs += [pair for texts in ZH.entries.values() for pair in texts.items()]
    assert [
        english
        for english, chinese in pairs
        if placeholders(english) != placeholders(chinese)
    ] == []


# --- values of the marts ------------------------------------------------------


def next_steps() -> list[str]:
    source = (DBT_PROJECT / "models/marts/satisfaction/churn_warnings.sql").read_text()
    steps = source.partition("next_steps = {")[2].partition("}")[0]
    return re.findall(r"'\w+': '([^']+)'", steps)


def test_values_that_kith_defines_have_a_chinese_one() -> None:
    known = {
        segment for scheme in own_schemes().values() for segment in scheme.segments
    }
    known |= {words for words, _ in BEHAVIOURS.values()}
    known |= {label for label, *_ in one_customer._MEASURES}
    known |= {label for label, *_ in one_customer._ATTRIBUTES}
    known |= {statement for *_, statement in offers._HITS}
    known |= {*one_customer._FOOTPRINTS, *satisfaction._STATES, *ORDER}
    known |= {*leaving._SIGNS} - {"any"} | {*contacts.CARES, *contacts._BLOCKS}
    assert len(next_steps()) == len(leaving._SIGNS) - 1
    assert known | {*next_steps()} <= set(ZH.values)


def test_each_value_that_is_translated_is_one_of_kith() -> None:
    told = [entry.query for entry in entries()]
    for folder in (REPOSITORY / "plugins" / "kith", DBT_PROJECT):
        for path in folder.rglob("*"):
            if path.suffix in (".sql", ".yml", ".csv") and "zh" not in str(path):
                told.append(path.read_text(encoding="utf-8"))
            elif path.suffix == ".py":
                parsed = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                told += [str(n.value) for n in parsed if isinstance(n, ast.Constant)]
    source = "\n".join(told).lower()
    # Joined where they are made: with a number, a channel, or what is foretold.
    joined = re.compile(r"\{\d\}|marketing by |on the days held out: none")
    servqual = {"responsiveness", "assurance", "tangibles"}
    assert servqual == {
        value
        for value in ZH.values
        if not joined.search(value) and value.lower() not in source
    }


def test_segments_are_called_as_in_their_schemes() -> None:
    names = {
        segment: other
        for scheme in own_schemes().values()
        for segment, other in scheme.other_names.items()
    }
    assert len(names) > 12
    for segment, other in names.items():
        assert other in (ZH.values[segment], f"{ZH.values[segment]}客户"), segment


def test_the_page_and_the_dictionary_say_the_same_word() -> None:
    labels, _ = dictionary.translations("zh")
    words: dict[str, set[str]] = {}
    for label, chinese in labels.items():
        words.setdefault(dictionary._label(label), set()).add(chinese)
    # They mean something else there, or stand within a sentence.
    others = {"Warning", "Incidents", "Interactions", "Satisfaction", "Touchpoint"}
    others |= {"Answers", "Complaints", "Service cases", "Left on", "Data as of"}
    shared = {
        text: chinese
        for text, chinese in (ZH.values | dict(ZH.texts)).items()
        if text in words and text not in others
    }
    assert len(shared) > 40
    assert {
        text: (chinese, words[text])
        for text, chinese in shared.items()
        if chinese not in words[text]
    } == {}


# --- the page -----------------------------------------------------------------


class Texts(html.parser.HTMLParser):
    """What a reader sees or hears of a page, charts included."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self._script = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        given = dict(attrs)
        if tag in ("script", "style"):
            self._script = given.get("type") or tag
        self.found += [given["aria-label"]] if "aria-label" in given else []

    def handle_endtag(self, tag: str) -> None:
        self._script = "" if tag in ("script", "style") else self._script

    def handle_data(self, data: str) -> None:
        if self._script == "application/json":
            self._walk(json.loads(data))
        elif not self._script:
            self.found.append(data)

    def _walk(self, node: Any, key: str = "") -> None:
        if isinstance(node, dict):
            for each, value in node.items():
                self._walk(value, each)
        elif isinstance(node, list):
            for value in node:
                self._walk(value, key)
        # A label is the first cell, in lines.
        elif isinstance(node, str) and re.fullmatch(r"cell_\d+|text|words|title", key):
            self.found.append(node)


# Names that are the same in both languages.
SAME = "NPS|CSAT|RFM|VIP|UTC|App|JavaScript|SERVQUAL|Wilson|LMG|AUC"


def english_in(source: str, run: Run, frames: Frames) -> list[str]:
    """Texts of a page with words that neither the data nor the company have."""
    company = run.company
    data = {company.title, company.time_zone, company.currency, *feed_names()}
    for frame in frames.values():
        for column in frame.select_dtypes(exclude=["number", "bool", "datetime"]):
            data |= {v for v in frame[column].unique() if isinstance(v, str)}
    # Identifiers are many, and not shown.
    data = {text for text in data if " " in text or not re.search(r"\d", text)}
    data |= {text.replace("_", " ") for text in data}
    data |= {name(text) for text in data if text not in ZH.values}
    # The longest first; none within another word.
    ordered = sorted(filter(None, data), key=len, reverse=True)
    known = re.compile(
        rf"(?<!\w)(?:(?:{'|'.join(map(re.escape, ordered))})(?!\w|\.\w)"
        rf"|(?:[a-z]+\.[a-z_]+|{SAME}|\w*\d\w*)(?!\w))",
        re.ASCII,
    )
    texts = dict.fromkeys(Texts(source).found)
    return [text for text in texts if re.search("[A-Za-z]{2}", known.sub("", text))]


def test_a_chinese_page_holds_no_english_but_data(releases: Any) -> None:
    run, frames = releases["in_chinese"]
    told = page_of(run).read_text(encoding="utf-8")
    assert english_in(told, run, frames) == []


@pytest.mark.parametrize("kind", ["known_before", "nothing"])
def test_what_is_said_of_little_is_chinese_too(releases: Any, kind: str) -> None:
    run, frames = releases[kind]
    chinese = dataclasses.replace(
        run, company=run.company.model_copy(update={"language": "zh"})
    )
    told = page.render(chinese, (run.published / "current").resolve())
    assert english_in(told, run, frames) == []


def test_a_text_that_is_not_translated_is_found(
    releases: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, frames = releases["in_chinese"]
    missing = "Revenue by month", "{currency}, unidentified customers included."
    texts = {key: text for key, text in ZH.texts.items() if key not in missing}
    monkeypatch.setattr(
        page, "language_of", lambda _: dataclasses.replace(ZH, texts=texts)
    )
    told = page.render(run, (run.published / "current").resolve())
    assert {text.partition("。")[0] for text in english_in(told, run, frames)} == {
        "Revenue by month",
        "USD, unidentified customers included.",
    }


def test_a_page_in_english_is_the_same_after_one_in_chinese(releases: Any) -> None:
    release = (releases["in_chinese"][0].published / "current").resolve()
    assert '<html lang="zh-CN">' in (release / page.PAGE).read_text(encoding="utf-8")
    run, _ = releases["nothing"]
    again = page.render(run, (run.published / "current").resolve())
    assert again == page_of(run).read_text(encoding="utf-8")


# --- the mechanism ------------------------------------------------------------


def test_texts_are_english_unless_another_language_is_spoken() -> None:
    assert language_of("en") == Language()
    with speaking(ZH):
        assert translated("Revenue by month") == "各月净收入"
        with speaking(language_of("en")):
            assert translated("Revenue by month") == "Revenue by month"
    assert translated("Revenue by month") == "Revenue by month"
    with speaking(ZH):
        assert translated("what nobody has translated") == "what nobody has translated"


def test_a_template_is_looked_up_before_it_is_filled() -> None:
    values = {"pct": 6.6, "than": "x", "month": dt.date(2025, 6, 3), "n": None}
    two = "No data yet", "", "Definitions"
    with speaking(ZH):
        assert fill("{pct:,.1f}% less than {than}", values) == "比x减少 6.6%"
        assert fill("{month:%b %Y}", values) == "2025年6月"
        assert fill("{month:%-d %b %Y}", values) == "2025年6月3日"
        assert fill("{n:,}", values) == "–"
        assert sentences(values, *two) == "暂无数据定义"
        assert enumerated(["a", "b"]) == "a、b"
    assert sentences(values, *two) == "No data yet Definitions"
    assert enumerated(["a", "b"]) == "a, b"


def test_an_entry_may_mean_something_else_by_a_text() -> None:
    with speaking(ZH):
        assert translated("Number") == "次数"
        with about("restatements"):
            assert translated("Number") == "指标"
            assert translated("Mart") == "集市表"
        assert translated("Number") == "次数"


@pytest.mark.parametrize(
    ("value", "chinese"),
    [
        ("half_asleep", "半睡"),
        ("Wiesenkind baby food 2", "Wiesenkind baby food 2"),
        ("195 customers, 220 are required", "只有 195 名客户，至少需要 220 名"),
        ("1,095 customers, 220 are required", "只有 1,095 名客户，至少需要 220 名"),
        ("complaint, hold_out", "投诉、留白"),
        ("web, somewhere", "网站、somewhere"),
        ("Berlin, Mitte", "Berlin, Mitte"),
    ],
)
def test_a_value_is_translated_where_kith_defines_it(value: str, chinese: str) -> None:
    assert term(value) == value
    with speaking(ZH):
        assert term(value) == chinese


def test_a_name_is_written_in_the_language() -> None:
    with speaking(ZH):
        assert name("half_asleep") == "半睡"
        assert name("after_order") == "After order"


@pytest.mark.parametrize(
    ("value", "chinese"),
    [
        (35.2, "35.20"),
        (999_999, "999,999"),
        (1_455_928, "145.59万"),
        (Decimal(99_990_000), "9,999.00万"),
        (1_234_567_890, "12.35亿"),
        (-2_000_000, "-200.00万"),
    ],
)
def test_amounts_have_chinese_units(value: Any, chinese: str) -> None:
    with speaking(ZH):
        assert amount(value) == chinese
