import pytest
from pydantic import ValidationError

from kith.dashboards.declared import COLUMNS, NAMES, Chart, dashboards


def test_there_are_four_dashboards_of_some_charts_each() -> None:
    found = dashboards()
    assert tuple(found) == NAMES
    assert all(8 <= len(each.charts) <= 14 for each in found.values())
    titles = [chart.title for each in found.values() for chart in each.charts.values()]
    assert len(titles) == len({*titles})  # An alert or a search finds one of them.


@pytest.mark.parametrize("name", NAMES)
def test_rows_are_filled(name: str) -> None:
    room, rows = 0, []
    for chart in dashboards()[name].charts.values():
        if chart.width > room:
            rows.append(room)
            room = COLUMNS
        room -= chart.width
    assert {*rows, room} == {0}


def test_a_key_that_is_misspelt_is_refused() -> None:
    told = {"title": "A", "kind": "line", "mart": "customer.orders", "metrics": ["a"]}
    chart = Chart.model_validate({**told, "x": "month", "by": ["channel"]})
    assert chart.columns == ["month", "channel"]
    with pytest.raises(ValidationError, match="wher"):
        Chart.model_validate({**told, "wher": "true"})
    with pytest.raises(ValidationError, match="pie"):
        Chart.model_validate({**told, "kind": "pie"})


def test_metrics_are_named_or_ones_own() -> None:
    told = {"title": "A", "kind": "table", "mart": "customer.orders"}
    chart = Chart.model_validate(
        {**told, "metrics": ["revenue", {"Orders": "count(*)"}]}
    )
    assert chart.saved_metrics == ["revenue"]
    assert chart.own_metrics == {"Orders": "count(*)"}
