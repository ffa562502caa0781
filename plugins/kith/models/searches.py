"""What searches ask for, and what of the range meets it: table to table.

A product meets a search where each word of the search is a word of the product's name,
brand or category, or its number. Words may differ by the ending of a plural. Chinese
and Japanese are written without blanks: such words may stand anywhere in the product's
words.
"""

import functools
import re
import unicodedata
from collections import defaultdict

import numpy as np
import numpy.typing as npt
import pyarrow as pa

SEARCHED_IN = ("product_key", "product_id", "name", "brand", "category")
_ENDINGS = ("s", "es", "e", "en", "n", "er")
_LONGEST = 100  # signs; what is longer is a text that somebody has pasted
_WORD = re.compile(r"\w+")
_WITHOUT_BLANKS = re.compile("[\u2e80-\uffff]")
# An address, or as many digits as a number of a telephone, a card or an account has.
_PERSONAL = re.compile(r"@|\d(?:[\s./-]*\d){5}")
_SEARCHES = pa.schema(
    {"query": pa.string(), "need": pa.string(), "product_key": pa.string()}
)
_Places = npt.NDArray[np.int64]


def need_of(query: str) -> str:
    """The words of a search in one spelling: small letters, single blanks, no signs."""
    return " ".join(_WORD.findall(unicodedata.normalize("NFKC", query).casefold()))


def match_searches(queries: pa.Table, products: pa.Table) -> pa.Table:
    """One row per query with what it asks for, and one per need and product to meet it.

    `queries` has the column `query`, `products` those of SEARCHED_IN. A query that may
    name a person (an address, a number), or is no search, and that no product meets,
    has no need.
    """
    texts = queries["query"].to_pylist()
    shelf = _Shelf(products)
    found: dict[str, _Places] = {}
    needs: list[str | None] = []
    for text in texts:
        need = need_of(text)
        if need not in found:
            found[need] = shelf.meeting(need.split())
        is_told = len(found[need]) or (
            need and len(text) <= _LONGEST and not _PERSONAL.search(text)
        )
        needs.append(need if is_told else None)
    met = sorted(need for need, places in found.items() if len(places))
    asked = pa.table(
        [pa.array(texts), pa.array(needs), pa.nulls(len(texts))],
        names=_SEARCHES.names,
    ).cast(_SEARCHES)
    counts = [len(found[need]) for need in met]
    places = np.concatenate([np.zeros(0, np.int64), *(found[need] for need in met)])
    keys = products["product_key"].combine_chunks().take(pa.array(places))
    answers = pa.table(
        [
            pa.nulls(len(places)),
            pa.array(met, pa.string()).take(
                pa.array(np.repeat(np.arange(len(met)), counts))
            ),
            keys,
        ],
        names=_SEARCHES.names,
    ).cast(_SEARCHES)
    return pa.concat_tables([asked, answers])


class _Shelf:
    """The range, by the words of its products."""

    def __init__(self, products: pa.Table) -> None:
        columns = [products[name].to_pylist() for name in SEARCHED_IN[1:]]
        self._texts = [
            need_of(" ".join(filter(None, row))) for row in zip(*columns, strict=True)
        ]
        holders: dict[str, list[int]] = defaultdict(list)
        for place, text in enumerate(self._texts):
            for word in set(text.split()):
                holders[word].append(place)
        self._holders = {word: np.array(places) for word, places in holders.items()}
        stems: dict[str, list[str]] = defaultdict(list)
        for word in self._holders:
            for stem in _stems(word):
                stems[stem].append(word)
        self._stems = stems
        self._holding = functools.cache(self._find)

    def meeting(self, words: list[str]) -> _Places:
        """Places of the products that have all words, ascending."""
        found = np.zeros(0, dtype=np.int64)
        for number, word in enumerate(dict.fromkeys(words)):
            holding = self._holding(word)
            found = np.intersect1d(found, holding, True) if number else holding
            if not len(found):
                break
        return found

    def _find(self, word: str) -> _Places:
        if _WITHOUT_BLANKS.search(word):
            places = [p for p, text in enumerate(self._texts) if word in text]
            return np.array(places, dtype=np.int64)
        likes = {word, *self._stems[word]} if word in self._stems else {word}
        likes.update(stem for stem in _stems(word) if stem in self._holders)
        holders = [self._holders[like] for like in likes if like in self._holders]
        return np.unique(np.concatenate([np.zeros(0, np.int64), *holders]))


def _stems(word: str) -> set[str]:
    """What the word may be the plural of; `s` is taken off short words too."""
    return {
        stem
        for ending in _ENDINGS
        if word.endswith(ending)
        and (stem := word.removesuffix(ending))
        and len(stem) >= (3 if ending == "s" else 4)
    }
