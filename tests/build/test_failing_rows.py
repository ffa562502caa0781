from kith.build.failing_rows import in_words


def test_the_first_keys_are_told_in_one_line() -> None:
    rows = [{"source": "till", "order_id": n} for n in range(5)]
    assert in_words(rows) == (
        "source till, order_id 0; source till, order_id 1; source till, order_id 2; …"
    )
    assert in_words(rows[:1]) == "source till, order_id 0"


def test_what_was_computed_is_told_to_four_decimals() -> None:
    row = {"share_pct": 63.27272727272727, "score": 4.5, "n": 3, "least": 1e-9}
    assert in_words([row]) == "share_pct 63.2727, score 4.5, n 3, least 1e-09"


def test_of_hashes_eight_digits_are_told_and_of_addresses_nothing() -> None:
    row = {
        "customer_id": "0123456789abcdef" * 2,
        "identifier_value": "!" + "89abcdef" * 8,
        "row_key": "0123456789abcdef" * 2 + "-2",
        "order_id": "sold to ann@example.org",
        "n": None,
        "empty": "",
        "odd": "a\n" + "x" * 99,
    }
    assert in_words([row]) == (
        "customer_id 01234567…, identifier_value !89abcdef…, row_key 01234567…-2, "
        f"order_id sold to …@…, n NULL, empty '', odd a {'x' * 58}…"
    )
