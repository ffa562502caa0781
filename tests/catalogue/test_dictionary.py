"""The data dictionary: whole, in both languages, and after the models' YAML."""

import csv
import re
from pathlib import Path

import duckdb
import pytest

from kith.catalogue.dictionary import (
    HEADINGS,
    declared,
    entries_of,
    metric_labels,
    translations,
    write_dictionary,
)
from kith.company.folder import PUBLISHED_SCHEMAS, Company
from kith.runs.run import Run

HAN = ("一", "鿿")


def names() -> set[str]:
    """What needs a label: names of marts and columns, English labels of metrics."""
    return {
        metric_labels()[name] if kind == "metric" else name or mart.split(".")[1]
        for kind, mart, name, _, _ in declared()
    }


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


def is_chinese(text: str) -> bool:
    return any(HAN[0] <= sign <= HAN[1] for sign in text)


def test_the_dictionary_has_each_column_that_is_published(built_shop: Run) -> None:
    with duckdb.connect(str(built_shop.warehouse), read_only=True) as connection:
        published = connection.execute(
            "select schema_name || '.' || table_name, column_name "
            "from duckdb_columns() where list_contains($schemas, schema_name)",
            {"schemas": PUBLISHED_SCHEMAS},
        ).fetchall()
    found = {(mart, name) for kind, mart, name, _, _ in declared() if kind == "column"}
    assert found == set(published)
    assert all(description for *_, description in declared())


def test_each_mart_column_and_metric_has_a_chinese_label() -> None:
    labels, _ = translations("zh")
    assert set(labels) == names()
    assert all(map(is_chinese, labels.values()))


def test_each_description_has_its_chinese_one() -> None:
    """Keyed by the English text: who changes that finds the translation missing."""
    _, texts = translations("zh")
    assert set(texts) == {description for *_, description in declared()}
    for english, chinese in texts.items():
        # A mere formula has the same words in both.
        assert is_chinese(chinese) or words(english) == words(chinese)


def test_a_translation_has_the_same_values_of_the_company() -> None:
    _, texts = translations("zh")
    for english, chinese in texts.items():
        assert english.count("var(") == chinese.count("var("), english


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_release_has_it_in_the_company_s_language_and_english(
    language: str, built_shop: Run, tmp_path: Path
) -> None:
    company = Company(**{**dict(built_shop.company), "language": language})
    write_dictionary(company, tmp_path / "dictionary.csv")
    with (tmp_path / "dictionary.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == HEADINGS
    assert rows == list(entries_of(company))
    lines = {(row["kind"], row["mart"], row["column"]): row for row in rows}
    assert len(lines) == len(rows) == len(declared())
    repeat = lines["metric", "", "repeat_rate"]
    assert repeat["label_en"] == "Repeat-purchase rate"
    assert repeat["label"] == {"en": "Repeat-purchase rate", "zh": "复购率"}[language]
    city = lines["column", "customers", "city"]
    assert (city["label_en"], city["label"]) == (
        "City",
        {"en": "City", "zh": "城市"}[language],
    )
    score = lines["column", "satisfaction_scores", "score"]
    assert "below 30 valid answers" in score["description_en"]
    assert "30" in score["description"]
    assert not any("{{" in text for row in rows for text in row.values())
    if language == "en":
        assert all(row["label"] == row["label_en"] for row in rows)
        assert all(row["description"] == row["description_en"] for row in rows)
