"""Who is still to hear of what."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from kith.company.alert_routes import AlertRoute
from kith.errors import DeliveryError, TransientError
from kith.incidents import alerts
from kith.incidents.alerts import alert_of, pending, remember
from kith.incidents.history import events_folder, incidents, record_success
from kith.runs.run import Run
from tests.incidents.test_history import TABLE, fail
from tests.incidents.test_incident import run
from tests.incidents.test_readers import publish

__all__ = ["run"]


def hears(run: Run, *routes: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What each route hears now; it hears it."""
    declared = [AlertRoute(**route) for route in routes]
    company = run.company.model_copy(update={"alerts": declared})
    found = pending(run.folder, company)
    for each in found:
        remember(run.folder, each)
    return [(e.route.key, e.news, e.incident.failure_class) for e in found]


CHAT, CRITICAL = (
    {"connection": "chat"},
    {"connection": "duty", "severities": ["critical"]},
)
MACHINES = {"connection": "machines", "classes": ["transient", "resource"]}


def test_once_of_an_incident_and_once_of_its_recovery(run: Run) -> None:
    assert hears(run, CHAT) == []
    fail(run)
    assert hears(run, CHAT) == [("chat", "failure", "contract")]
    fail(run)
    assert hears(run, CHAT) == []
    record_success(run, "admit", TABLE)
    assert hears(run, CHAT) == [("chat", "recovery", "contract")]
    assert hears(run, CHAT) == []
    # The same failure after that is another incident.
    fail(run)
    assert hears(run, CHAT) == [("chat", "failure", "contract")]


def test_classes_go_to_who_has_to_act(run: Run) -> None:
    fail(run)
    assert hears(run, MACHINES) == []
    fail(run, TransientError("x"))
    assert hears(run, MACHINES) == [("machines", "failure", "transient")]
    record_success(run, "admit", TABLE)
    assert hears(run, MACHINES) == [("machines", "recovery", "transient")]


def test_what_becomes_critical_is_told_then_to_who_wants_critical_ones(
    run: Run,
) -> None:
    yesterday = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
    publish(run.folder, f'{{"as_of_date": "{yesterday}"}}')
    fail(run)
    assert hears(run, CHAT, CRITICAL) == [("chat", "failure", "contract")]
    publish(run.folder, '{"as_of_date": "2024-03-05"}')
    fail(run)
    assert hears(run, CHAT, CRITICAL) == [("duty", "failure", "contract")]
    record_success(run, "admit", TABLE)
    assert [name for name, *_ in hears(run, CHAT, CRITICAL)] == ["chat", "duty"]


def test_who_heard_nothing_before_the_recovery_hears_of_both_at_once(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(run)
    record_success(run, "admit", TABLE)
    assert hears(run, CHAT) == [("chat", "recovery", "contract")]
    # A new route is not told of what is long over, one that heard of it is.
    fail(run)
    hears(run, CHAT)
    record_success(run, "admit", TABLE)
    monkeypatch.setattr(alerts, "_LATEST", dt.timedelta(0))
    assert hears(run, {"connection": "new"}, CHAT) == [("chat", "recovery", "contract")]


def test_without_routes_nothing_is_noted(run: Run) -> None:
    fail(run)
    record_success(run, "admit", TABLE)
    assert hears(run) == []
    (folder,) = (run.folder / "history" / "incidents").glob("[0-9]*")
    assert {path.name for path in folder.iterdir()} & {"quiet", "told.json"} == set()
    assert hears(run, CHAT) and hears(run, CHAT) == []
    assert (folder / "quiet").exists()


def test_two_ways_by_one_connection_are_two(run: Run) -> None:
    routes = [{"connection": "mail", "to": [name]} for name in ("a@b.c", "d@e.f")]
    fail(run)
    assert [name for name, *_ in hears(run, *routes)] == ["mail a@b.c", "mail d@e.f"]


def test_an_alert_says_all_of_the_incident(run: Run) -> None:
    found = fail(run, DeliveryError("shop.sales: bad; mend it"))
    alert = alert_of(found, "The shop")
    assert alert.title == (
        "[critical] The shop: admit shop.sales failed: shop.sales: bad"
    )
    assert alert.text == "\n".join(found.lines())
    assert json.loads(json.dumps(alert.details))["status"] == "open"
    record_success(run, "admit", TABLE)
    (closed,) = incidents(run.folder)
    told = alert_of(closed, "The shop")
    assert told.title.startswith("[recovered] The shop: ")
    assert told.details["recovered_at"].endswith("Z")


def test_killed_while_it_notes_what_was_told_it_is_told_again(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(run)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            hears(run, CHAT)
    assert hears(run, CHAT) == [("chat", "failure", "contract")]


def test_what_a_disk_has_lost_is_told_again_and_hides_nothing(run: Run) -> None:
    fail(run)
    shop = run.company.model_copy(
        update={"alerts": [AlertRoute.model_validate({"connection": "chat"})]}
    )
    for each in pending(run.folder, shop):
        remember(run.folder, each)
    assert pending(run.folder, shop) == []
    (folder,) = events_folder(run.folder).glob("[0-9]*/")
    (folder / "told.json").write_text("")
    (folder / "20990101T000000000000_aaaaaa.json").write_text("")
    assert [each.news for each in pending(run.folder, shop)] == ["failure"]
