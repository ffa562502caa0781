"""What is said of moods is measured on labelled texts, and claims no more."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from kith.models.sentiments import METHODS, UNKNOWN, judge, language_of
from tests.shared_data import shared_data


@pytest.fixture(scope="module")
def labelled() -> Path:
    return shared_data("sentiment", "KITH_SENTIMENT")


def texts_of(folder: Path, language: str) -> tuple[list[str], list[str]]:
    with (folder / f"{language}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["label"] for row in rows], [row["text"] for row in rows]


def macro_f1(labels: list[str], found: list[str]) -> float:
    scores = []
    for label in sorted(set(labels)):
        pairs = Counter(
            (truth == label, told == label)
            for truth, told in zip(labels, found, strict=True)
        )
        hits = 2 * pairs[True, True]
        scores.append(hits / (hits + pairs[True, False] + pairs[False, True]))
    return sum(scores) / len(scores)


@pytest.mark.parametrize("language", METHODS)
def test_a_method_is_as_often_right_as_it_says_and_clearly_more_than_the_commonest(
    labelled: Path, language: str
) -> None:
    labels, texts = texts_of(labelled, language)
    method = METHODS[language]
    found = method.judge(texts)
    accuracy = sum(map(str.__eq__, labels, found)) / len(labels)
    commonest = max(Counter(labels).values()) / len(labels)
    assert method.n == len(labels)
    assert accuracy == pytest.approx(method.accuracy, abs=5e-5)
    assert macro_f1(labels, found) == pytest.approx(method.macro_f1, abs=5e-5)
    assert commonest == pytest.approx(method.commonest, abs=5e-5)
    # Three standard errors.
    assert accuracy - 3 * (accuracy * (1 - accuracy) / len(labels)) ** 0.5 > commonest


def test_languages_are_told_apart_and_german_texts_are_unknown(labelled: Path) -> None:
    shares = {}
    for language in ("de", "en", "zh"):
        _, texts = texts_of(labelled, language)
        languages = Counter(map(language_of, texts))
        shares[language] = languages[language] / len(texts)
        if language == "de":
            judged = Counter(each.sentiment for each in judge(texts))
            assert judged[UNKNOWN] / len(texts) > 0.995
    assert min(shares.values()) > 0.98


def test_texts_of_several_languages_are_judged_each_by_its_own_method() -> None:
    found = judge(
        [
            "The staff were lovely, I am so happy with it!",
            "Die Beratung war freundlich, die Lieferung leider zu spät.",
            "非常好吃，送得很快，谢谢",
            "味道很差，再也不买了，太失望",
            "This is the worst shop ever, I hate it.",
            "??? 12",
        ]
    )
    assert [(each.language, each.sentiment) for each in found] == [
        ("en", "positive"),
        ("de", "unknown"),
        ("zh", "positive"),
        ("zh", "negative"),
        ("en", "negative"),
        ("unknown", "unknown"),
    ]
    assert found[0].method == (
        "VADER: right of 57.2 % of 2,000 English posts on Twitter, macro-F1 56.0 % "
        "(always the commonest label: 43.5 %)"
    )
    assert found[1].method == "none for the language de"
