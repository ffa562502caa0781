"""The forms of charts, as Vega-Lite specifications."""

import json
from functools import partial
from typing import Any

import pytest

from kith.report import marks
from kith.report.entries import Row

HOSTILE = "'+alert(1)+'"
SERIES = {"n": ("Orders", "#111111")}
TWO = {"early": ("In time", "#111111"), "late": ("Late", "#222222")}


def _months(count: int, first: int = 0, **columns: Any) -> list[Row]:
    dates = [divmod(at, 12) for at in range(first, first + count)]
    row = {"n": 3, "early": 2, "late": 1.5, "is_complete": True} | columns
    return [row | {"month": f"{2016 + y}-{m + 1:02}-01"} for y, m in dates]


def _labels(**columns: list[Any]) -> list[Row]:
    names = list(columns)
    return [
        {"label": HOSTILE + str(at), "text": HOSTILE}
        | dict(zip(names, row, strict=True))
        for at, row in enumerate(zip(*columns.values(), strict=True))
    ]


def _spec(form: Any, rows: list[Row], series: Any = SERIES) -> Row:
    spec = marks.specification(form, ["Month", "Orders"], rows, series)
    assert spec
    return spec


def _found(part: Any, key: str) -> list[Any]:
    """All values of a key, at whatever depth."""
    if isinstance(part, list):
        return [found for entry in part for found in _found(entry, key)]
    if not isinstance(part, dict):
        return []
    own = [part[key]] if key in part else []
    return own + [found for value in part.values() for found in _found(value, key)]


SCORES = _labels(
    score=[40.0, None],
    interval_low=[30.0, None],
    interval_high=[50.0, None],
    overall_score=[60.0, 60.0],
)
FORMS = {
    "month_bars": (marks.month_bars, _months(3), TWO),
    "bars": (marks.bars, _labels(n=[3, 2]), SERIES),
    "pairs": (marks.bars, _labels(early=[3, 2], late=[1, None]), TWO),
    "line": (partial(marks.bars, line="mean"), _labels(n=[3], mean=[2]), SERIES),
    "by_period": (
        marks.points_by_period,
        _months(2, n=40, score=5.0, interval_low=1.0, interval_high=9.0),
        SERIES,
    ),
    "month_lines": (marks.month_lines, _months(3), TWO),
    "intervals": (
        partial(marks.interval_bars, states={"keeps": ("Keeps", "#111111")}),
        [row | {"state": "keeps"} for row in SCORES],
        SERIES,
    ),
    "by_label": (marks.points_by_label, SCORES, SERIES),
}


@pytest.mark.parametrize("name", FORMS)
def test_text_from_data_is_a_value_and_never_an_expression(name: str) -> None:
    form, rows, series = FORMS[name]
    spec = _spec(form, rows, series)
    assert spec["width"] == "container"
    assert spec["datasets"].pop("rows") == rows
    assert "alert" not in json.dumps(spec)
    assert "http" not in json.dumps({**spec, "$schema": ""}), "nothing to load"


@pytest.mark.parametrize(
    ("label", "lines"),
    [
        ("Active", ["Active"]),
        ("Cannot be lost at any price", ["Cannot be lost at", "any price"]),
        ("重要价值客户以及需要特别关注", ["重要价值客户以及需要", "特别关注"]),
        # Of two languages: no word is torn, no sign begins a line.
        ("Relationship：呼叫中心", ["Relationship：呼叫中", "心"]),
        ("购买热门前 10 之一，每百名客户中", ["购买热门前 10 之一，", "每百名客户中"]),
        ("在未参与拟合的客户中，无解释力", ["在未参与拟合的客户", "中，无解释力"]),
        ("x" * 25 + "店", ["x" * 20, "xxxxx店"]),
        ("x" * 45, ["x" * 20, "x" * 20, "x" * 5]),
    ],
)
def test_labels_are_wrapped_and_never_shortened(label: str, lines: list[str]) -> None:
    assert marks.wrapped(label).split("\n") == lines


@pytest.mark.parametrize(
    ("count", "first", "labels"),
    [
        (2, 10, ["2016-11", "2016-12"]),
        (13, 0, [f"2016-{m:02}" for m in range(1, 13)] + ["2017-01"]),
        (14, 1, ["2016-04", "2016-07", "2016-10", "2017-01"]),
    ],
)
def test_january_keeps_its_label_since_it_carries_the_year(
    count: int, first: int, labels: list[str]
) -> None:
    spec = _spec(marks.month_bars, _months(count, first))
    axis = spec["encoding"]["x"]["axis"]
    assert [month[:7] for month in axis["values"]] == labels
    assert len(spec["encoding"]["x"]["scale"]["domain"]) == count


def test_counts_have_no_fractions_on_their_axis() -> None:
    counts = _spec(marks.month_bars, _months(3))
    amounts = _spec(marks.month_bars, _months(3), TWO)
    assert _found(counts, "tickMinStep") == [1]
    assert _found(amounts, "tickMinStep") == [0.01]


def test_series_keep_their_order_and_colours() -> None:
    color = _spec(marks.month_bars, _months(3), TWO)["encoding"]["color"]
    assert color["sort"] == color["scale"]["domain"] == ["early", "late"]
    assert color["scale"]["range"] == ["#111111", "#222222"]


@pytest.mark.parametrize(
    ("lengths", "domain"),
    [([3, 2], [0, 3]), ([3, -2], [-2, 3]), ([0, 0], [0, 1]), ([None, -1], [-1, 1])],
)
def test_bars_start_at_0(lengths: list[Any], domain: list[float]) -> None:
    rows = _labels(n=lengths)
    scales = [x["scale"] for x in _found(_spec(marks.bars, rows), "x")]
    assert [scale["domain"] for scale in scales] == [domain, domain]


def test_rows_of_long_labels_are_higher() -> None:
    short = [{"label": f"{at}", "text": "", "n": 1} for at in range(3)]
    long = [row | {"label": f"{row['label']}\n2\n3\n4"} for row in short]
    assert _spec(marks.bars, short)["height"] == 3 * 36
    assert _spec(marks.bars, long)["height"] == 3 * (4 * 14 + 14)


def test_states_have_their_own_colours() -> None:
    rows = [row | {"state": "late"} for row in _labels(n=[1, 2])]
    spec = _spec(partial(marks.bars, states=TWO), rows)
    (color,) = [c for c in _found(spec, "color") if "scale" in c]
    assert color["field"] == "state"
    assert color["scale"]["domain"] == ["early", "late"]


def test_scores_too_few_to_tell_leave_no_axis() -> None:
    nothing = {"score": None, "interval_low": None, "interval_high": None}
    told = _spec(marks.points_by_period, _months(2, **(nothing | {"score": 4.0})))
    untold = _spec(marks.points_by_period, _months(2, **nothing))
    assert [y.get("axis") for y in _found(untold, "y") if "field" in y] == [None, None]
    assert all(y["axis"] for y in _found(told, "y") if "field" in y)


def test_scores_lie_within_their_scale_with_the_overall_score() -> None:
    spec = _spec(marks.points_by_label, SCORES)
    domains = {tuple(x["scale"]["domain"]) for x in _found(spec, "x") if "scale" in x}
    assert domains == {(29.0, 61.0)}
    assert {x["datum"] for x in _found(spec, "x") if "datum" in x} == {60.0}


def test_intervals_lie_within_their_bars_scale() -> None:
    form, rows, series = FORMS["intervals"]
    bar, rule, _ = _spec(form, rows, series)["layer"]
    assert bar["encoding"]["x"]["scale"]["domain"] == [0, 50]
    assert bar["encoding"]["x"]["scale"] == rule["encoding"]["x"]["scale"]


def test_lines_have_points_where_there_is_a_value() -> None:
    rows = [row | {"late": None} for row in _months(3)]
    line, point = _spec(marks.month_lines, rows, TWO)["layer"]
    valid = {"filter": "isValid(datum.value)"}
    assert valid in line["transform"] and valid in point["transform"]
    assert line["encoding"]["x"]["scale"]["padding"] == 0.5


def test_a_form_may_draw_nothing() -> None:
    assert marks.specification(lambda *_: None, ["Month"], _months(1), SERIES) is None
