"""Doubts, in the order of what a wrong guess would do to the numbers.

A doubt that begins with neither word below changes no number that is published.
"""

from collections.abc import Iterable

# Who is a customer, and so how many there are and who comes back.
CUSTOMERS = "(customers) "
# Which rows count, their money, their day, their score.
NUMBERS = "(numbers) "
_RANKS = (CUSTOMERS, NUMBERS)
_PRINTED = 20


def harmless(doubt: str) -> str:
    """The doubt about something of which no number is made."""
    for rank in _RANKS:
        doubt = doubt.removeprefix(rank)
    return doubt


def listed(doubts: list[str], folder: str) -> list[str]:
    """Lines for people: the doubts that change numbers, those of customers first.

    `doubts` are `file:line: doubt`. Equal ones are told once, at their first place.
    """
    places: dict[str, list[str]] = {}
    for doubt in doubts:
        file, line, text = doubt.split(":", 2)
        places.setdefault(text.strip(), []).append(f"{file}:{line}")

    def told(rank: str) -> Iterable[str]:
        for text, found in places.items():
            if text.startswith(rank):
                more = f" (and {len(found) - 1} more)" if found[1:] else ""
                yield f"  {found[0]}{more}: {text.removeprefix(rank)}"

    lines = [f"{len(doubts)} doubts, each a comment in its place."]
    left = _PRINTED
    for rank, title in (
        (CUSTOMERS, "Who is a customer:"),
        (NUMBERS, "Which rows count, their money, days and scores:"),
    ):
        found = list(told(rank))
        if found and left:
            lines += [title, *found[:left]]
        left -= min(left, len(found))
    counts = sum(text.startswith(_RANKS) for text in places)
    if rest := len(places) - min(counts, _PRINTED):
        lines.append(f"{rest} more of less weight: grep -rn DOUBT {folder}")
    return lines
