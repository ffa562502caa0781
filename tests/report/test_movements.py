"""The entries on segments by month and the moves between them."""

import json
from typing import Any

import pandas as pd
import pytest

from kith.report.formats import name
from tests.report.releases import Page, page_of


def layers_of(source: str, name: str) -> list[dict[str, Any]]:
    """The layers of a chart on the page."""
    text = source.partition(f'data-chart="{name}">')[2].partition("</script>")[0]
    layers: list[dict[str, Any]] = json.loads(text)["layer"]
    return layers


def test_segments_by_month_are_those_of_the_ends_of_months(releases: Any) -> None:
    run, frames = releases["unfinished"]
    page = Page(page_of(run))
    past = frames["past"]
    tiers = past[past.scheme == "tier"].pivot(
        index="state_on", columns="segment", values="customer_count"
    )
    heading, *lines = page.tables["Tiers of customers by month"]
    assert heading[:3] == ["End of", "VIP", "High"]
    assert len(lines) == len(tiers) == 24
    november = tiers.loc["2017-11-30"].fillna(0)
    names = ["VIP", "High", "Middle", "Low", "No revenue in 365 days"]
    assert lines[-2] == [
        "Nov 2017",
        *(f"{november.get(name, 0):,.0f}" for name in names),
        "0",
        "0",
    ]
    assert lines[-1][0] == "Dec 2017 (not whole)"


@pytest.mark.parametrize("name", ["grocer", "unfinished"])
def test_moves_of_the_last_whole_month_are_listed_and_the_note_sums_them(
    releases: Any, name: str
) -> None:
    run, frames = releases[name]
    page = Page(page_of(run))
    moves = frames["segment.segment_transitions"].query("scheme == 'activity'")
    last = "2017-12-31" if name == "grocer" else "2017-11-30"
    moves = moves[moves.state_on == pd.Timestamp(last)]
    told = moves[moves.is_move]
    table = page.tables["Who woke up and who fell asleep in the last month"]
    assert table[0][-1] == f"And at the end of {pd.Timestamp(last):%b %Y}"
    names = {"half_asleep": "Half asleep", "not_yet_known": "New to us"}
    assert {(row[0], row[1]): row[2] for row in table[1:]} == {
        (
            names.get(row.from_segment, row.from_segment.capitalize()),
            names.get(row.to_segment, row.to_segment.capitalize()),
        ): f"{row.customer_count:,}" if row.customer_count >= 5 else "under 5"
        for row in told.itertuples()
    }
    assert {row[2] == "under 5" for row in table[1:]} == {False, True}
    # What one of a few spends is told to nobody.
    assert all(
        (row[3:] == ["not shown"] * 2) == (row[2] == "under 5") for row in table[1:]
    )
    known = moves[moves.from_segment != "not_yet_known"]
    moved = known[known.is_move].customer_count.sum()
    total = known.customer_count.sum()
    assert f"{moved:,} of {total:,} customers moved." in page.source


def test_ribbons_fill_the_bars_at_both_ends(releases: Any) -> None:
    run, _ = releases["grocer"]
    ribbons, bars, texts = layers_of(Page(page_of(run)).source, "activity-flows")
    boxes = pd.DataFrame(bars["data"]["values"])
    points = pd.DataFrame(ribbons["data"]["values"])
    assert [text["text"] for text in texts["data"]["values"]] == [
        *("Jul 17", "Aug 17", "Sep 17", "Oct 17", "Nov 17", "Dec 17")
    ]
    ends = points.sort_values("x").groupby("flow")
    for edge, column in (("last", "x"), ("first", "x2")):
        reached = getattr(ends, edge)()
        reached = reached[reached.high > reached.low]
        width = (reached.high - reached.low).groupby(reached.x.round(6)).sum()
        height = (boxes.high - boxes.low).groupby(boxes[column].round(6)).sum()
        # Nobody comes from before the first bar, or leaves the last.
        assert len(width) == 5
        assert width.to_dict() == height[width.index].to_dict()
        for _, at_bar in reached.groupby(reached.x.round(6)):
            edges = at_bar.sort_values("low")
            assert (edges.low.iloc[1:].to_numpy() == edges.high.iloc[:-1]).all()


def test_without_two_ends_of_months_no_moves_are_shown(releases: Any) -> None:
    page = Page(page_of(releases["one_customer"][0])).source
    assert page.count("Moves are known once two months have ended.") == 2


def test_every_scheme_has_its_segments_of_today(releases: Any) -> None:
    run, frames = releases["grocer"]
    lines = Page(page_of(run)).tables["All segments today"][1:]
    segments = frames["segment.segments"].query("segment != 'unidentified'")
    past = frames["past"].query("scheme == 'tier'")
    tiers = past[past.state_on == pd.Timestamp("2017-12-31")]
    schemes = {"activity": "Activity", "rfm": "RFM", "tier": "Tier"}
    assert {line[0]: line[1] for line in lines} == {
        f"{schemes[row.scheme]}: {name(row.segment)}": f"{row.customer_count:,}"
        for row in pd.concat([segments, tiers]).itertuples()
    }
