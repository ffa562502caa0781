"""The entries on drivers, models and whom to wake."""

from typing import Any

from tests.report.releases import Page, page_of


def card_of(page: Page, name: str) -> str:
    """The source of one card."""
    return page.source.partition(f'aria-labelledby="{name}-title"')[2].partition(
        "</section>"
    )[0]


def test_drivers_are_listed_by_their_share_with_interval_sign_and_leaks(
    releases: Any,
) -> None:
    page = Page(page_of(releases["grocer"][0]))
    table = page.tables["What keeps customers, and what drives them away"]
    assert table[0] == ["Behaviour", "Share", "from", "to", "Effect", "Same sign in"]
    assert table[1] == [
        *("Discounts", "50.6%", "25.3%", "70.8%", "Drives them away", "99% of trials")
    ]
    assert [row[0] for row in table[1:]] == [
        "Discounts",
        "The app",
        "Returns",
        "A club",
    ]
    card = card_of(page, "drivers")
    assert "Among 977 customers who had bought shortly before 5 Jul 2017" in card
    assert "which is 4.5% of who stays and who leaves: take them as hints." in card
    assert "Left out, since they tell the outcome itself: club_balance." in card
    assert page.tables["The same by tier"][1:] == [
        [
            *("All", "977", "discounts (−51%); the app (+31%); returns (−12%)"),
            "93.1%",
        ],
        ["VIP", "61", "None: 61 customers, 210 are required", "–"],
    ]


def test_a_model_card_says_of_100_how_often_it_is_right(releases: Any) -> None:
    page = Page(page_of(releases["grocer"][0]))
    table = page.tables["Who buys again"]
    assert table[1:] == [
        ["Of 100 it names, so many buy", "76", "73", "79", "–", "1,732"],
        ["Of 100 who buy, it names so many", "96", "94", "97", "–", "1,732"],
        ["Of any 100, so many buy", "52", "50", "55", "–", "1,732"],
        ["Of 100 pairs, it ranks right", "89", "87", "90", "–", "1,732"],
        ["By the last purchase alone", "87", "85", "89", "–", "1,732"],
        ["Error rate: named, and wrong", "24", "21", "27", "50", "1,732"],
        ["Miss rate: not named, and it came", "4", "3", "6", "50", "1,732"],
    ]
    card = card_of(page, "model-buys-again")
    assert (
        "Published. Foretells the next 90 days. Judged on 1,732 customers as they were "
        "before 3 Oct 2017, by what they did until 31 Dec 2017: better than the last "
        "purchase alone. Today it names 1,235 of 2,469."
    ) in card
    assert 'class="chart"' in card


def test_a_model_that_is_not_published_says_why_and_shows_what_is_known(
    releases: Any,
) -> None:
    page = Page(page_of(releases["grocer"][0]))
    judged = card_of(page, "model-becomes-vip")
    assert (
        "Not published: its miss rate is 60 %, at most 50 % is allowed.</p>" in judged
    )
    assert 'class="chart"' in judged
    never = card_of(page, "model-pays-again")
    assert "Not published: the outcome came of 35 customers, 100 are required" in never
    assert "<table" not in never and 'class="chart"' not in never
    assert "No data yet" not in never
    assert page.tables["How much customers will buy"][1:] == [
        ["Purchases, new customers", "2,264", "2,137", "6.0%", "20.0%", "Yes"],
        ["Revenue", "–", "–", "–", "–", "No: q is 0.9, above 1 is required"],
    ]


def test_whom_to_wake_adds_up_and_names_nobody(releases: Any) -> None:
    run, frames = releases["grocer"]
    page = Page(page_of(run))
    sleepers = frames["segment.wake_up_candidates"]
    worth = sleepers[sleepers.is_worth_waking]
    lines = page.tables["Whom to wake"][1:]
    assert [line[0] for line in lines] == ["Drowsy", "Half asleep", "Asleep"]
    assert [line[1:7] for line in lines] == [
        [
            f"{len(of_state):,}",
            f"{of_state.is_worth_waking.sum():,}",
            f"{(of_state.is_worth_waking & of_state.is_held_out).sum():,}",
            f"{of_state.channel.isna().sum():,}",
            f"{(of_state.expected_gain_amount < 0).sum():,}",
            "0",
        ]
        for state in ("drowsy", "half_asleep", "asleep")
        for of_state in [sleepers[sleepers.state == state]]
    ]
    gain = worth[~worth.is_held_out].expected_gain_amount.sum()
    assert f"Expected of the others: USD {gain:,.2f}, also from" in page.source
    assert f"Of 2,469 who drowse or sleep, {len(worth):,} are worth" in page.source
    assert "person-0" not in card_of(page, "wake")
