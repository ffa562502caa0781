"""Which incidents a route takes."""

import pytest
from pydantic import ValidationError

from kith.company.alert_routes import AlertRoute


def test_a_route_takes_all_unless_it_says_which() -> None:
    every = AlertRoute(connection="chat")
    some = AlertRoute(
        connection="chat", severities=["critical"], classes=["bug", "resource"]
    )
    for severity in ("warning", "critical"):
        for kind in ("bug", "contract"):
            assert every.takes(severity, kind)  # type: ignore[arg-type]
    assert some.takes("critical", "bug")
    assert not some.takes("warning", "bug")
    assert not some.takes("critical", "contract")


@pytest.mark.parametrize("wrong", [{"severities": []}, {"classes": ["mine"]}, {}])
def test_what_it_cannot_be_is_refused(wrong: dict[str, list[str]]) -> None:
    with pytest.raises(ValidationError):
        AlertRoute.model_validate(wrong if not wrong else {"connection": "c", **wrong})
