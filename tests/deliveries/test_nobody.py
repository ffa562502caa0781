"""Which addresses and cards are typed for want of one, and which are somebody's."""

import duckdb
import pytest

from kith.deliveries.nobody import NOBODYS


@pytest.mark.parametrize(
    ("kind", "of_nobody", "of_people"),
    [
        (
            "email",
            (
                *("noemail@example.org", "no-email@shop.de", "NO_MAIL@gmail.com"),
                *("nomail@x", "None@none.com", "null@web.de", "keine@email.de"),
                *("keine.angabe@t-online.de", "no-reply@ebay.com", "no e-mail"),
                *("donotreply@shop.example", "Do.Not.Reply@x.org", "noemail"),
                *("test@example.com", "na@example.net", "user@test.com", "x@localhost"),
                *("n/a@example.com", "guest@shop.invalid", "mailto:noreply@shop.de"),
            ),
            (
                *("anna@example.com", "na@adams.com", "test@shop.de", "info@shop.de"),
                *("nora.none@web.de", "nomailer@x.de", "noemail1@web.de"),
                *("null.a@web.de", "m.gast@web.de", "gast@web.de", "keiner@web.de"),
                *("test@shop.example", "anna@shop.example"),
            ),
        ),
        (
            "card",
            (
                *("CARD", "No card", "NO-CARD", "none123", "NONE 1", "Keine Karte"),
                *("Unknown7", "XXX", "xxxx-xxxx", "*card*", "walk-in", "Barzahlung"),
                *("TEST", "dummy-001"),
            ),
            (
                *("CARD12345", "NONE12345", "ABCDEFGH", "XX", "GUEST1", "TESTA1"),
                *("CARDIFF", "0000001", "WK0000123"),
            ),
        ),
    ],
)
def test_words_for_want_of_an_identifier(
    kind: str, of_nobody: tuple[str, ...], of_people: tuple[str, ...]
) -> None:
    expected = dict.fromkeys(of_nobody, True) | dict.fromkeys(of_people, False)
    rows = duckdb.sql(
        "select text, regexp_full_match(text, $pattern) "
        "from (select unnest($texts) as text)",
        params={"texts": [*expected], "pattern": NOBODYS[kind]},
    )
    assert dict(rows.fetchall()) == expected
