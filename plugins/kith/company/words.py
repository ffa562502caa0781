"""Words of sources, each of which means one of a few things."""

from typing import ClassVar

from pydantic import model_validator

from kith.company.tables import Strict


def folded(word: str) -> str:
    """The word without case, blanks, hyphens and underscores, as the marts read it.

    The macro `folded` of the dbt project does the same.
    """
    return word.lower().replace(" ", "").replace("-", "").replace("_", "")


def listed(words: str) -> list[str]:
    """The words of a text that parts them by commas."""
    return [" ".join(word.split()) for word in words.split(",")]


class Words(Strict):
    """The company's own words by meaning, which count before the known ones."""

    known: ClassVar[dict[str, str]]

    @model_validator(mode="after")
    def _mean_one_thing(self) -> "Words":
        seen: dict[str, str] = {}
        for meaning in self.known:
            for word in getattr(self, meaning):
                other = seen.setdefault(folded(word), meaning)
                if other != meaning:
                    raise ValueError(
                        f"{word!r} stands under {other} and under {meaning}; "
                        "expected one of them"
                    )
        return self

    def words(self) -> dict[str, list[str]]:
        """The folded words of each meaning, the known ones included."""
        own = {
            meaning: list(map(folded, getattr(self, meaning))) for meaning in self.known
        }
        taken = {word for words in own.values() for word in words}
        return {
            meaning: sorted(
                {*own[meaning]} | ({*map(folded, listed(self.known[meaning]))} - taken)
            )
            for meaning in self.known
        }
