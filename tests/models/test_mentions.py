"""Of whom posts speak: names as words; moods as delivered, or by the text."""

import pyarrow as pa
import pytest

from kith.models.mentions import MENTIONED_FROM, find_mentions

NAMES = [
    ("competitor", "Kinderland"),
    ("competitor", "Hartmann"),
    ("competitor", "Hartmann & Sohn"),
    ("competitor", "好孩子"),
    ("competitor", "Same"),
    ("brand", "same"),
    ("brand", "C++"),
    ("brand", " "),
]


def mentions(*posts: tuple[str | None, float | None, bool | None]) -> list[list[str]]:
    rows = [
        dict(zip(MENTIONED_FROM, ("s", str(number), *post), strict=True))
        for number, post in enumerate(posts)
    ]
    names = pa.Table.from_pylist(
        [{"subject_kind": kind, "name": name} for kind, name in NAMES]
    )
    # Each in a part of its own.
    parts = [pa.Table.from_pylist([row]) for row in rows]
    found = find_mentions(parts, names).to_pylist()
    return [
        [
            f"{row['subject_kind']}:{row['subject']}"
            for row in found
            if row["post_id"] == str(number)
        ]
        for number in range(len(posts))
    ]


@pytest.mark.parametrize(
    ("text", "subjects"),
    [
        ("Bei KINDERLAND gibt es das billiger", ["competitor:Kinderland"]),
        ("#kinderland, @Kinderland!", ["competitor:Kinderland"]),
        ("im Kinderlandhotel", ["nobody:nobody"]),
        ("Hartmann & Sohn ist teuer", ["competitor:Hartmann & Sohn"]),
        (
            "Hartmann, und Hartmann & Sohn",
            ["competitor:Hartmann", "competitor:Hartmann & Sohn"],
        ),
        ("我更喜欢好孩子的推车", ["competitor:好孩子"]),
        ("the SAME one", ["competitor:Same"]),
        ("I learn c++.", ["brand:C++"]),
        ("", ["nobody:nobody"]),
        (None, ["nobody:nobody"]),
    ],
)
def test_a_name_is_found_where_it_is_a_word_of_its_own(
    text: str | None, subjects: list[str]
) -> None:
    about_us = ["us:us", *(each for each in subjects if each != "nobody:nobody")]
    found = mentions((text, 0.5, None), (text, 0.5, False), (text, 0.5, True))
    assert found == [subjects, subjects, about_us]


def test_a_mood_is_that_of_the_source_before_that_of_the_text() -> None:
    posts = pa.Table.from_pylist(
        [
            dict(zip(MENTIONED_FROM, ("s", key, text, mood, True), strict=True))
            for key, text, mood in [
                ("angry", "I love it", -0.2),
                ("so so", "I love it", 0.0),
                ("glad", "I hate it", 0.1),
                ("told", "I really love it, thank you all", None),
                ("german", "Leider war die Beratung sehr schlecht", None),
                ("silent", "  ", None),
            ]
        ]
    )
    names = pa.table({"subject_kind": pa.array([], "string"), "name": []})
    found = find_mentions([posts], names).to_pylist()
    assert [(row["sentiment"], row["language"]) for row in found] == [
        ("negative", None),
        ("neutral", None),
        ("positive", None),
        ("positive", "en"),
        ("unknown", "de"),
        ("unknown", None),
    ]
    assert [row["method"].split(":")[0] for row in found] == [
        *["delivered"] * 3,
        *("VADER", "none for the language de", "none"),
    ]


def test_without_posts_there_are_no_mentions() -> None:
    names = pa.table({"subject_kind": ["brand"], "name": ["same"]})
    assert find_mentions([], names).num_rows == 0
