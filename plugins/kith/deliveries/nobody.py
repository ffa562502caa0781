"""What programs and people write where an identifier is not known, in lower case.

The door makes nothing of them where an identifier is hashed, the feeds elsewhere (dbt's
variable `nobody`), and onboarding takes them for no value among numbers of persons.
What only an address or a card can be, `NOBODYS`, the door alone knows.
"""

import re
from collections.abc import Iterable

NOBODY = (
    *("n/a", "na", "n.a.", "#n/a", "<na>", "nan", "nat", "none", "(none)", "nil"),
    *("null", "(null)", "<null>", "#null!", "#ref!", "#value!", "#name?", "\\n"),
    *("(blank)", "blank", "(empty)", "missing", "undefined", "[object object]"),
    *("true", "false", "-1"),
    *(
        "-",
        "--",
        "---",
        "–",
        "—",
        "?",
        "??",
        "???",
        ".",
        "..",
        "...",
        "#",
        "*",
        "/",
        "_",
    ),
    *("unknown", "(unknown)", "not available", "not applicable", "not provided"),
    *("not set", "(not set)", "anonymous", "nobody", "guest", "tbd", "tba"),
    *("unbekannt", "anonym", "gast", "kein", "keine", "keiner", "keine angabe", "k.a."),
    *(
        "inconnu",
        "anonyme",
        "aucun",
        "desconocido",
        "ninguno",
        "sconosciuto",
        "nessuno",
    ),
    *(
        "\u672a\u77e5",
        "\u65e0",
        "\u7a7a",
        "\u533f\u540d",
    ),  # Chinese: unknown … anonymous
)

# Words of which surnames and initials are left out (Null and Gast are people's), each
# with a blank where another sign may stand or none.
_NO_ADDRESS = (
    *("no mail", "no e mail", "no mail address", "no e mail address", "no address"),
    *("no reply", "do not reply", "not available", "not provided", "not applicable"),
    *("none", "null", "undefined", "unknown", "unknown e mail", "invalid e mail"),
    *("anonymous", "dummy", "placeholder", "fake e mail"),
    *("keine", "kein mail", "kein e mail", "keine mail", "keine e mail"),
    *("keine angabe", "ohne mail", "ohne e mail", "unbekannt", "anonym"),
    *("inconnu", "anonyme", "pas de mail", "sin correo", "desconocido", "sconosciuto"),
)
# They may be somebody's elsewhere: Nora Adams is na@, a shop's own account is test@.
_NO_ADDRESS_OF_EXAMPLES = (
    *("na", "n/a", "nan", "test", "tester", "testing", "user", "example", "sample"),
    *("mail", "e mail", "my mail", "my e mail", "your mail", "your e mail", "name"),
    *("your name", "customer", "kunde", "guest", "gast", "someone", "somebody"),
    *("nobody", "foo", "bar", "abc", "xyz", "asdf", "qwerty", "a", "x", "xx", "xxx"),
    *("admin", "info"),
)
# Domains that are nobody's, or whose mail hardly anybody has.
_OF_EXAMPLES = r"(?:example|test)\.(?:com|org|net)|(?:.*\.)?invalid|localhost"
_NO_CARD = (
    *("card", "no card", "without card", "card number", "lost card", "new card"),
    *("karte", "keine karte", "ohne karte", "kundenkarte", "kartennummer"),
    *("cash", "bar", "barzahlung", "walk in", "laufkunde", "laufkundschaft", "diverse"),
    *("default", "dummy", "test", "customer", "kunde"),
)
_NO_CARD_BEFORE_DIGITS = (
    *("none", "null", "unknown", "undefined", "no card", "test", "dummy"),
    *("kein", "keine", "keine karte", "unbekannt"),
)


def _any_of(words: Iterable[str], sign: str) -> str:
    """Regular expression of some words, whose blanks are any number of a sign."""
    return "|".join(f"{sign}*".join(map(re.escape, word.split(" "))) for word in words)


_ADDRESS, _EXAMPLE = (
    f"(?:{_any_of(words, '[-._ ]')})"
    for words in (_NO_ADDRESS, _NO_ADDRESS_OF_EXAMPLES)
)
_SIGN = r"[-._/ *#()<>?!]"
_CARD, _NUMBERED = (
    _any_of(words, _SIGN) for words in (_NO_CARD, _NO_CARD_BEFORE_DIGITS)
)
# By class of identifier a regular expression of such values, whatever their case.
NOBODYS = {
    "email": (
        rf"(?i)(?:.*<)?(?:mailto:)?(?:{_ADDRESS}(?:@.*)?|{_EXAMPLE}@(?:{_OF_EXAMPLES})>?)"
    ),
    "card": (
        rf"(?i){_SIGN}*(?:{_CARD}|(?:{_NUMBERED}){_SIGN}*\d{{0,3}}|(?:x{_SIGN}*){{3,}})"
        rf"{_SIGN}*"
    ),
}
