"""What the page shows of an entry and its rows."""

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from kith.report import marks
from kith.report.cards import card_of, tile_of
from kith.report.entries import Entry, Grid, Groups, Row, Tile

FACTS: Row = {"currency": "EUR"}
ENTRY = Entry(
    "orders",
    "Orders of {shop}, {currency}",
    "select 1",
    columns={"Month": "{month:%b %Y}", "Orders": "{n:,}", "Average": "{mean:.1f}"},
    note="All of {shop}.",
    marks=marks.month_bars,
    series={"n": ("Orders", "#000")},
)


def _rows(*months: str, **columns: Any) -> list[Row]:
    row = {"shop": "A", "n": 1200, "mean": 2.5, "is_complete": True} | columns
    return [FACTS | row | {"month": dt.date.fromisoformat(m)} for m in months]


def _texts(card: Row | None) -> list[list[str]]:
    assert card
    return [[text for text, _ in line] for line in card["lines"]]


# Key figures -------------------------------------------------------------------------

TILE = Tile(
    "Revenue",
    "select 1",
    "{now:,}",
    of=", {month}",
    unit="{currency}",
    changes={"before": "on the month before"},
    unknown="No complete month yet",
)


def test_a_key_figure_is_written_with_its_unit_and_its_change() -> None:
    row = FACTS | {"now": 1100, "before": 1000, "month": "May"}
    assert tile_of(TILE, [row]) == {
        "label": "Revenue, May",
        "missing": "",
        "value": "1,100",
        "unit": "EUR",
        "note": "",
        "changes": [("up", "▲ +10.0% on the month before")],
    }


@pytest.mark.parametrize(
    ("before", "change"),
    [
        (1101, ("down", "▼ −0.1% on the month before")),
        (Decimal("1100.40"), ("none", "no change on the month before")),
        (0, None),
        (-5, None),
        (None, None),
    ],
)
def test_a_change_is_shown_where_there_is_something_to_compare(
    before: Any, change: tuple[str, str] | None
) -> None:
    row = FACTS | {"now": 1100, "before": before, "month": "May"}
    assert tile_of(TILE, [row])["changes"] == ([change] if change else [])


def test_a_missing_key_figure_says_why() -> None:
    unknown = FACTS | {"now": None, "before": 3, "month": "May"}
    assert tile_of(TILE, [unknown]) == {
        "label": "Revenue",
        "missing": "No complete month yet",
    }
    assert tile_of(TILE, [])["missing"] == "No data yet"
    told = replace(TILE, unknown="{reason}")
    assert tile_of(told, [unknown | {"reason": "No Gini"}])["missing"] == "No Gini"
    assert tile_of(told, [unknown | {"reason": None}])["missing"] == "No data yet"


# Cards -------------------------------------------------------------------------------


def test_a_card_has_title_note_table_and_chart() -> None:
    card = card_of(ENTRY, _rows("2017-01-01", "2017-02-01"), FACTS)
    assert card
    assert (card["title"], card["caption"]) == ("Orders of A, EUR",) * 2
    assert card["note"] == "All of A."
    assert card["headings"] == ["Month", "Orders", "Average"]
    assert _texts(card) == [["Jan 2017", "1,200", "2.5"], ["Feb 2017", "1,200", "2.5"]]
    assert card["legend"] == [], "one series needs none"
    (first, _) = card["spec"]["datasets"]["rows"]
    assert first == {
        "month": "2017-01-01",
        "shop": "A",
        "n": 1200,
        "mean": 2.5,
        "is_complete": True,
        "cell_0": "Jan 2017",
        "cell_1": "1,200",
        "cell_2": "2.5",
        "label": "Jan 2017",
        "text": "",
        "place": 0,
    }


PARTS = Entry(
    "parts",
    "Parts",
    "select 1",
    columns={
        "In": "{kind}",
        "Part": "{part:name}",
        "Customers": "{customer_count:,}",
        "Revenue": "{amount:,}",
        "Index": "{index:.1f}",
    },
    note="All.",
    groups=Groups("part", ("amount",), within="kind"),
)


@pytest.mark.parametrize(
    ("counts", "expected", "is_merged"),
    [
        ({"a": 5, "b": 0, "c": 7}, [("A", "50"), ("B", "0"), ("C", "70")], False),
        ({"a": 9, "b": 2, "c": 3}, [("A", "90"), ("Several together", "50")], True),
        # The total would tell what the one small group has.
        ({"a": 9, "b": 2, "c": 7}, [("A", "90"), ("Several together", "90")], True),
        ({"a": 2, "b": 0}, [("B", "0"), ("A", "–")], True),
        ({"a": 2, "b": 1}, [("Several together", "–")], True),
    ],
)
def test_small_groups_are_merged_so_that_nobody_is_recognised(
    counts: dict[str, int], expected: list[tuple[str, str]], is_merged: bool
) -> None:
    rows = [
        FACTS
        | {"kind": kind, "part": part, "customer_count": n, "amount": 10 * n}
        | {"index": float(n)}
        for kind in ("x", "y")
        for part, n in counts.items()
    ]
    card = card_of(PARTS, rows, FACTS)
    lines = _texts(card)
    assert [(line[0], line[1], line[3]) for line in lines] == [
        (kind, *line) for kind in ("x", "y") for line in expected
    ]
    # What does not add up is missing.
    assert {line[4] for line in lines if line[1].startswith("Several")} <= {"–"}
    merged = (
        " Groups of fewer than 5 customers are merged, if need be with the next "
        "larger one."
        if is_merged
        else ""
    )
    assert card and card["note"] == f"All.{merged}"


def test_without_rows_a_card_says_why_or_is_left_out() -> None:
    entry = replace(ENTRY, title="Orders", absent="There is no order in {currency}.")
    assert card_of(entry, [], FACTS) == {
        "name": "orders",
        "title": "Orders",
        "note": "There is no order in EUR.",
        "lines": None,
        "months": [],
        "footnote": "",
    }
    assert card_of(ENTRY, [], FACTS) is None
    only_absent = replace(entry, columns={}, marks=None)
    assert card_of(only_absent, _rows("2017-01-01"), FACTS) is None
    assert card_of(only_absent, [], FACTS)


def test_months_without_a_row_are_filled_in() -> None:
    rows = [*_rows("2016-12-01", mean=Decimal("2.5")), *_rows("2017-03-01", n=1)]
    card = card_of(ENTRY, rows, FACTS)
    assert _texts(card) == [
        ["Dec 2016", "1,200", "2.5"],
        ["Jan 2017", "0", "–"],
        ["Feb 2017", "0", "–"],
        ["Mar 2017", "1", "2.5"],
    ]
    assert _texts(card_of(ENTRY, [*_rows("2016-12-01"), rows[1]], FACTS)) == _texts(
        card
    )
    assert card
    assert "not whole" not in card["note"]


def test_the_last_36_months_are_shown() -> None:
    rows = [*_rows("2010-01-01"), *_rows("2017-12-01")]
    card = card_of(ENTRY, rows, FACTS)
    assert len(_texts(card)) == 36
    assert _texts(card)[0][0] == "Jan 2015"
    assert card
    assert card["note"] == "All of A. The last 36 of 96 months."
    assert len(card["spec"]["datasets"]["rows"]) == 36


def test_a_period_that_is_not_over_is_called_so() -> None:
    rows = [*_rows("2017-01-01"), *_rows("2017-02-01", is_complete=False)]
    card = card_of(ENTRY, rows, FACTS)
    assert [line[0] for line in _texts(card)] == ["Jan 2017", "Feb 2017 (not whole)"]
    assert card
    assert card["note"] == "All of A. Feb 2017 is not whole: hollow."


def test_a_row_that_is_not_listed_is_drawn_only() -> None:
    rows = [*_rows("2017-01-01", is_listed=False), *_rows("2017-02-01")]
    card = card_of(ENTRY, rows, FACTS)
    assert [line[0] for line in _texts(card)] == ["Feb 2017"]
    assert card
    assert len(card["spec"]["datasets"]["rows"]) == 2


def test_only_the_first_rows_are_drawn_where_the_entry_says_so() -> None:
    card = card_of(replace(ENTRY, drawn=1), _rows("2017-01-01", "2017-02-01"), FACTS)
    assert len(_texts(card)) == 2
    assert card
    assert len(card["spec"]["datasets"]["rows"]) == 1


def test_alarms_are_red_unless_they_are_0() -> None:
    entry = replace(ENTRY, alarms=("Orders",), marks=None)
    rows = [*_rows("2017-01-01", n=0), *_rows("2017-02-01", n=3)]
    card = card_of(entry, rows, FACTS)
    assert card
    assert "spec" not in card
    styles = [[style for _, style in line] for line in card["lines"]]
    assert styles == [["", "", ""], ["", "color:#b23a26;font-weight:600", ""]]


def test_functions_write_what_a_template_cannot() -> None:
    entry = replace(
        ENTRY,
        columns={"Shop": lambda row: row["shop"] * 2, "Orders": "{n:,}"},
        note=lambda rows: f"{len(rows)} rows.",
        footnote=lambda rows: "{shop}",
        text=lambda row: f"{row['n']} here",
    )
    card = card_of(entry, _rows("2017-01-01", shop="{n}"), FACTS)
    assert card
    assert _texts(card) == [["{n}{n}", "1,200"]], "data are no template"
    assert (card["note"], card["footnote"]) == ("1 rows.", "{shop}")
    assert card["spec"]["datasets"]["rows"][0]["text"] == "1200 here"


# Grids -------------------------------------------------------------------------------


def test_a_grid_has_a_cell_per_step_the_darker_the_higher() -> None:
    entry = Grid(
        "kept",
        "Kept",
        "select 1",
        columns={"First": "{line}", "Size": "{size:,}"},
        note="Share kept.",
    )
    cells = [("Jan", 10, 0, 100.0), ("Jan", 10, 1, 40.0), ("Jan", 10, 2, 20.0)]
    cells += [("Feb", 8, 0, 100.0), ("Feb", 8, 1, None)]
    cells += [("All", 18, 0, 100.0), ("All", 18, 1, 40.0), ("All", 18, 2, 20.0)]
    rows = [
        {
            "line": line,
            "size": size,
            "step": step,
            "pct": pct,
            "is_total": line == "All",
        }
        for line, size, step, pct in cells
    ]
    card = card_of(entry, rows, FACTS)
    assert card
    assert card["headings"] == ["First", "Size", "0", "1", "2"]
    assert _texts(card) == [
        ["Jan", "10", "100%", "40%", "20%"],
        ["Feb", "8", "100%", "", ""],
        ["All", "18", "100%", "40%", "20%"],
    ]
    assert card["style"] == "grid summed"
    _, _, whole, darkest, half = (style for _, style in card["lines"][0])
    assert "rgba" not in whole
    assert darkest == "background:rgba(22,78,128,1.00);color:#fff"
    assert half == "background:rgba(22,78,128,0.50);color:#000"
    rows = [row | {"is_total": False} for row in rows]
    card = card_of(entry, [*rows, rows[-1] | {"step": 17}], FACTS)
    assert card
    assert card["style"] == "grid dense"


def test_cells_of_a_grid_that_read_alike_look_alike_and_1_percent_is_pale() -> None:
    entry = Grid("kept", "Kept", "select 1", columns={"First": "{line}"})
    shares = [100.0, 0.0, 0.4, 0.6, 1.0]
    rows = [
        {"line": "Jan", "step": step, "pct": pct, "is_total": False}
        for step, pct in enumerate(shares)
    ]
    card = card_of(entry, rows, FACTS)
    assert card
    assert _texts(card) == [["Jan", "100%", "0%", "0%", "1%", "1%"]]
    _, _, *styles = (style for _, style in card["lines"][0])
    assert styles == [
        "background:rgba(22,78,128,0.00);color:#000",
        "background:rgba(22,78,128,0.00);color:#000",
        "background:rgba(22,78,128,0.04);color:#000",
        "background:rgba(22,78,128,0.04);color:#000",
    ]


def test_the_base_of_a_line_is_pale_whichever_its_step_is() -> None:
    entry = Grid("kept", "Kept", "select 1", columns={"First": "{line}"})
    cells = [("Old", 0, 100.0), ("Old", 1, 50.0), ("Jan", 0, None), ("Jan", 1, 100.0)]
    rows = [
        {"line": line, "step": step, "pct": pct, "is_total": False}
        for line, step, pct in [*cells, ("Jan", 2, 100.0)]
    ]
    card = card_of(entry, rows, FACTS)
    assert card
    whole, darkest = "background:#eceff2", "background:rgba(22,78,128,1.00);color:#fff"
    old, jan = ([style for _, style in line[1:]] for line in card["lines"])
    assert old[0] == jan[1] == whole
    assert old[1].startswith("background:rgba(22,78,128,0.50)")
    assert jan[2] == darkest
