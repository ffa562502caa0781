"""What a line of totals calls itself."""

from kith.database import literal

_WORDS = (
    *("total", "totals", "grand total", "subtotal", "sub-total", "sub total", "sum"),
    *("total general", "total général", "totale", "totaal", "somme", "suma", "итого"),
    *("summe", "gesamt", "gesamtsumme", "gesamtbetrag", "insgesamt", "zwischensumme"),
)
# Written without blanks, they stand next to other words.
_GLUED = ("合计", "总计", "总和", "小计", "合計", "総計", "小計")
_ANY = "|".join(_WORDS + _GLUED)
_LONGEST = max(len(word.encode()) for word in _WORDS) + 10
_ALONE = rf"(?i)[^\pL]*(?:{_ANY})[^\pL]*"
# Such as `Total sales`, `Net total` and `Total (7 rows)`; a value of a row has a line.
_LABEL = (
    rf"(?:(?:{_ANY})(?:[^\pL\n][^\n]*)?|(?:{'|'.join(_GLUED)})[^\n]*"
    rf"|[^\n]*[^\pL\n](?:{_ANY})|[^\n]*(?:{'|'.join(_GLUED)}))"
)
_AMONG_NUMBERS = rf"(?i)[^\pL]*{_LABEL}[^\pL]*(?:\n[^\pL]*{_LABEL}[^\pL]*)*"


def is_total(text: str) -> str:
    """SQL of whether a text is a word for a total, and signs around it at most."""
    is_word = f"regexp_full_match({text}, {literal(_ALONE)})"
    # A case, since all parts of an `and` would be computed for every row.
    return f"case when strlen({text}) <= {_LONGEST} then {is_word} else false end"


def is_total_of_lines(lines: str) -> str:
    """SQL of whether, of values in lines, those with letters call themselves a total.

    They do so if they begin or end with a word for it.
    """
    return f"regexp_full_match({lines}, {literal(_AMONG_NUMBERS)})"
