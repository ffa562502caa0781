"""The entries on of whom posts speak, and how."""

from typing import Any

from tests.report.releases import HOSTILE, Page, page_of
from tests.report.test_predictions import card_of


def test_we_and_the_competitors_divide_the_voice(releases: Any) -> None:
    page = Page(page_of(releases["grocer"][0]))
    assert page.tables["Of whom posts speak"] == [
        [
            *("Of whom", "Posts", "By people", "Share of voice", "Interval of 95%"),
            *("Negative", "Referrals"),
        ],
        ["Us", "60", "59", "75.0%", "70 to 80%", "25.0%", "2"],
        [HOSTILE, "20", "19", "25.0%", "20 to 30%", "–", "2"],
    ]
    assert "No share" not in card_of(page, "share-of-voice")


def test_where_nobody_names_a_competitor_there_is_a_reason_and_no_share(
    releases: Any,
) -> None:
    page = Page(page_of(releases["long_names"][0]))
    assert page.tables["Of whom posts speak"][1:] == [
        ["Us", "60", "59", "–", "–", "25.0%", "2"]
    ]
    assert "No share: no post names a competitor." in card_of(page, "share-of-voice")


def test_moods_are_told_by_platform_with_how_they_were_found(releases: Any) -> None:
    page = Page(page_of(releases["grocer"][0]))
    assert page.tables["Negative posts about us"][1:] == [
        ["Web forum", "40", "20.0%", "15 to 25%", "3"],
        ["Club", "20", "–", "–", "3"],
    ]
    assert "25.0% of all. Lines: 95% intervals. Mood: delivered." in card_of(
        page, "mood-by-platform"
    )
    assert "No post speaks of us or of a competitor." in (
        page_of(releases["nothing"][0]).read_text()
    )
