"""What a search asks for, and what of the range meets it."""

import pyarrow as pa
import pytest

from kith.models.searches import SEARCHED_IN, match_searches, need_of

RANGE = pa.Table.from_pylist(
    [
        dict(zip(SEARCHED_IN, row, strict=True))
        for row in [
            ("shop:P1", "P1", "Kleinholz Puppenwagen 3", "Kleinholz", "toddler toys"),
            ("shop:P2", "P2", "Milchpulver 800 g", "Nordhafen", "baby food"),
            ("shop:P3", "P3", "有机奶粉", None, "婴儿食品"),
            ("shop:P4", "P4", None, None, None),
            ("shop:P5", "030 1234567", "Toy car", "Kleinholz", "toddler toys"),
        ]
    ]
)


def answers(*queries: str) -> tuple[dict[str, str | None], dict[str, list[str]]]:
    """What each query asks for, and the numbers of the products that meet each need."""
    rows = match_searches(pa.table({"query": list(queries)}), RANGE).to_pylist()
    met: dict[str, list[str]] = {}
    for row in rows[len(queries) :]:
        assert row["query"] is None
        met.setdefault(row["need"], []).append(row["product_key"].split(":")[1])
    return {row["query"]: row["need"] for row in rows[: len(queries)]}, met


def test_spellings_of_one_search_are_one_need() -> None:
    assert need_of("  Allergenfreie   NÜSSE! ") == "allergenfreie nüsse"
    assert need_of("Ｌａｓｔｅｎｒａｄ") == need_of("lastenrad") == "lastenrad"
    assert need_of("?!") == ""


@pytest.mark.parametrize(
    ("query", "products"),
    [
        ("Toddler-Toys", ["P1", "P5"]),  # category
        ("puppenwagen kleinholz", ["P1"]),  # name and brand, in any order
        ("kleinholz", ["P1", "P5"]),
        ("toddler toy", ["P1", "P5"]),  # a singular of what is written in the plural
        ("toys cars", ["P5"]),
        ("Puppenwagens", ["P1"]),
        ("p4", ["P4"]),  # its number
        ("奶粉", ["P3"]),  # a part of a word that is written without blanks
        ("puppe", []),  # a word within a word is another word
        ("baby toys", []),  # no product has both words
        ("zwillingswagen", []),
        ("030 1234567", ["P5"]),  # a number that the range holds is no telephone
    ],
)
def test_a_product_meets_a_search_by_all_its_words(
    query: str, products: list[str]
) -> None:
    asked, met = answers(query)
    need = asked[query]
    assert need == need_of(query)
    assert met == ({need: products} if products else {})


@pytest.mark.parametrize(
    "query",
    ["anna.koch@example.com", "0151 234 56789", "DE02-1203-0000", "!", "wort " * 30],
)
def test_a_search_that_may_name_a_person_has_no_need(query: str) -> None:
    assert answers(query) == ({query: None}, {})


def test_spellings_share_the_products_that_meet_them() -> None:
    asked, met = answers("Baby food", "baby  FOOD", "lastenrad")
    assert set(asked.values()) == {"baby food", "lastenrad"}
    assert met == {"baby food": ["P2"]}


def test_without_searches_or_range_nothing_is_said() -> None:
    assert answers() == ({}, {})
    nothing = match_searches(pa.table({"query": ["rad"]}), RANGE.slice(0, 0))
    assert nothing.to_pylist() == [{"query": "rad", "need": "rad", "product_key": None}]
