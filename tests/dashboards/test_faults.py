from typing import Any

import pytest

from kith.dashboards.contents import Contents
from kith.dashboards.declared import NAMES, Chart, Dashboard, Filter, dashboards
from kith.dashboards.faults import faults_of


def faults(contents: Contents, dashboard: Dashboard) -> list[str]:
    metrics = {mart: known.metrics for mart, known in contents.metrics.items()}
    return faults_of(dashboard, contents.marts, metrics)


def of_chart(contents: Contents, **changed: Any) -> list[str]:
    """What is told of a chart that is right but for what was changed."""
    told = {
        "title": "Revenue",
        "kind": "bars",
        "mart": "customer.orders",
        "x": "order_month",
        "metrics": ["revenue"],
    }
    chart = Chart.model_validate({**told, **changed})
    dashboard = Dashboard(title="A", description="B", charts={"one": chart})
    return faults(contents, dashboard)


@pytest.mark.parametrize("name", NAMES)
def test_what_our_dashboards_ask_for_is_there(contents: Contents, name: str) -> None:
    assert faults(contents, dashboards()[name]) == []


def test_a_chart_that_is_right_has_no_fault(contents: Contents) -> None:
    assert of_chart(contents) == []


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"mart": "customer.order"}, "there is no mart customer.order"),
        ({"x": "month"}, "customer.orders has no column month"),
        ({"time": "day"}, "customer.orders has no column day"),
        ({"sort": "rank"}, "customer.orders has no column rank"),
        ({"where": "chanel = 'web'"}, "customer.orders has no column chanel"),
        ({"metrics": [{"A": "sum(amount)"}]}, "customer.orders has no column amount"),
        ({"metrics": [{"A": "revenue_amount"}]}, "revenue_amount is no aggregate"),
        ({"metrics": [{"A": "sum(("}]}, "sum(("),
        ({"metrics": [{"Order month": "sum(1)"}]}, "order_month is called so as well"),
        ({"metrics": [{"ORDER_MONTH": "sum(1)"}]}, "order_month is called so as well"),
        ({"metrics": ["nps"]}, "customer.orders has no metric nps; it has"),
        ({"by": ["customer_id"]}, "customer_id stands for a person"),
        ({"x": None}, "kind bars needs x"),
        (
            {
                "mart": "satisfaction.satisfaction_scores",
                "x": "period_start",
                "by": ["question"],
                "metrics": ["nps"],
            },
            "nps may not be pooled: group by survey as well",
        ),
        (
            {
                "mart": "operations.quarantined_rows",
                "x": "reason",
                "metrics": [{"Rows": "count(*)"}],
            },
            "say with `persons`",
        ),
    ],
)
def test_what_is_wrong_is_told(
    contents: Contents, changed: dict[str, Any], told: str
) -> None:
    (fault,) = of_chart(contents, **changed)
    assert fault.startswith("one: ")
    assert told in fault


def test_a_filter_has_a_column(contents: Contents) -> None:
    by = Filter(title="Way", mart="customer.orders", column="way")
    dashboard = Dashboard(title="A", description="B", filters=[by], charts={})
    assert faults(contents, dashboard) == ["filter Way: no column customer.orders.way"]
