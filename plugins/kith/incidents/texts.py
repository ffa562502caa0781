"""Texts of incidents, which go to mails, chats and pages: no secret, no person."""

import re

from kith.errors import FailureClass, one_line
from kith.settings import secrets_known

_HIDDEN = "…"
_SHOWN_CHARACTERS = 4000
_HASH = re.compile(r"([0-9a-f]{8})[0-9a-f]{24,}")
_ADDRESS = re.compile(r"[^\s'\"<>(),;=]+@[^\s'\"<>(),;=]+")
_PHONE = re.compile(r"(?<![\w.])\+\d[\d ()/.-]{5,}\d")
# Login and password within an address, also where the password holds an @.
_IN_ADDRESS = re.compile(r"(\w://)[^\s/'\"]*@")
_NAMED = re.compile(
    r"(?i)([\w-]*(?:password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key"
    r"|credential|signature|sig)['\"]?\s*[=:]\s*)(?!no such|is |was )"
    r"(?:'[^']*'|\"[^\"]*\"|[^\s,;&'\"]+)"
)
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}")
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_HARMLESS = re.compile(
    r"[+-]?\d{0,6}([.,]\d{0,4})?|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T]+[\d:.,]*)?"
)
# Their messages quote what a source delivered; those of other classes what the company
# or Kith has written, such as the name of a connection or of a check.
QUOTE_ROWS: tuple[FailureClass, ...] = ("contract", "bug")


def safe(text: str, failure_class: FailureClass) -> str:
    """A text as one line that may be shown to anybody who is told of an incident.

    Left out are secrets that Kith was given, what looks like one, e-mail addresses,
    telephone numbers, and all but the first digits of a hash. Where rows are quoted, of
    what stands in quotation marks only its shape is shown.
    """
    text = one_line(text)
    for secret in secrets_known():
        text = text.replace(secret, _HIDDEN)
    text = _IN_ADDRESS.sub(rf"\1{_HIDDEN}@", text)
    text = _BEARER.sub(rf"\1 {_HIDDEN}", text)
    text = _NAMED.sub(rf"\1{_HIDDEN}", text)
    if failure_class in QUOTE_ROWS:
        text = _QUOTED.sub(lambda found: _shape(found[0]), text)
    text = without_contacts(_HASH.sub(rf"\1{_HIDDEN}", text))
    is_long = len(text) > _SHOWN_CHARACTERS
    return f"{text[:_SHOWN_CHARACTERS].rstrip()} {_HIDDEN}" if is_long else text


def without_contacts(text: str) -> str:
    """A text without e-mail addresses and telephone numbers."""
    return _PHONE.sub(_HIDDEN, _ADDRESS.sub(f"{_HIDDEN}@{_HIDDEN}", text))


def _shape(quoted: str) -> str:
    """A quoted value in which letters and digits stand for any others.

    Days and short numbers are shown: they name nobody, and mostly tell what is wrong.
    """
    mark, value = quoted[0], quoted[1:-1]
    if _HARMLESS.fullmatch(value):
        return quoted
    signs = ("9" if s.isnumeric() else "x" if s.isalpha() else s for s in value)
    return f"{mark}{''.join(signs)}{mark}"
