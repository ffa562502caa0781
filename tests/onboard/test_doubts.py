"""What people are told first of all that is doubtful."""

from kith.onboard.doubts import CUSTOMERS, NUMBERS, harmless, listed


def test_what_changes_customers_and_numbers_is_told_first_and_equal_doubts_once() -> (
    None
):
    found = [
        "company.yml:3: the zone",
        f"sources.yml:4: {NUMBERS}which decimal sign: a point?",
        f"sources.yml:9: {NUMBERS}which decimal sign: a point?",
        f"staging/a.sql:2: {CUSTOMERS}who is it",
        "sources.yml:12: the zone",
        "sources.yml:13: a list",
    ]
    assert listed(found, "companies/x") == [
        "6 doubts, each a comment in its place.",
        "Who is a customer:",
        "  staging/a.sql:2: who is it",
        "Which rows count, their money, days and scores:",
        "  sources.yml:4 (and 1 more): which decimal sign: a point?",
        "2 more of less weight: grep -rn DOUBT companies/x",
    ]


def test_of_many_doubts_the_first_are_told_and_the_others_counted() -> None:
    found = [f"a.yml:{n}: {NUMBERS}number {n}" for n in range(30)]
    lines = listed(found, "x")
    assert len(lines) == 23
    assert lines[-1] == "10 more of less weight: grep -rn DOUBT x"


def test_a_doubt_about_what_nobody_uses_is_harmless() -> None:
    assert harmless(f"{CUSTOMERS}who is it") == "who is it"
    assert harmless("a list") == "a list"
