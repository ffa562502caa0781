"""Connector `rest`, against a real server that misbehaves on order."""

import datetime as dt
import email.utils
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

from kith.admit.table import admit_table
from kith.company.folder import load_company
from kith.database import connect
from kith.deliveries.columns import ROW_NUMBER
from kith.deliveries.raw import newest_attempt
from kith.errors import ConfigurationError, DeliveryError, TransientError
from kith.pull.connections import Connection
from kith.pull.connectors import rest
from kith.pull.connectors.request import Fetched, FetchRequest
from kith.pull.table import pull_table
from kith.runs.run import Interval
from tests.conftest import new_run
from tests.one_table import TABLE, admitted, company, quarantined
from tests.pull.connectors import web_service
from tests.pull.connectors.web_service import Service, serving

pytestmark = pytest.mark.usefixtures("kith_home")

ROWS = [
    {
        "sale_id": f"S{n:03}",
        "sold_at": f"2024-03-{1 + n // 4:02}T{8 + n % 4 * 4:02}:00:00Z",
        "quantity": n % 5,
        "price": 1.5,
    }
    for n in range(25)
]
PAGING = {
    "none": {},
    "page": {"kind": "page"},
    "offset": {"kind": "offset"},
    "cursor": {"kind": "cursor", "next": "$.next"},
    "next_link": {"kind": "next_link", "next": "$.next"},
    "link_header": {"kind": "next_link"},
}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "_BACKOFF_SECONDS", 0.01)


@pytest.fixture
def service() -> Iterator[Service]:
    with serving(list(ROWS)) as service:
        yield service


Read = Callable[..., tuple[Fetched, list[dict[str, Any]]]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Fetch the table; gives what came and its rows in order."""

    def call(
        service: Service,
        endpoint: dict[str, Any] | None = None,
        paging: dict[str, Any] | None = None,
        known: Connection | None = None,
        days: tuple[str, str] = ("2024-03-01", "2024-03-31"),
        **options: Any,
    ) -> tuple[Fetched, list[dict[str, Any]]]:
        folder = company(
            tmp_path / "company", None, **rest_meta(endpoint, paging), **options
        )
        work = tmp_path / "work"
        work.mkdir(exist_ok=True)
        with connect(scratch=tmp_path / "scratch") as duck:
            request = FetchRequest(
                table=load_company(folder).table(TABLE),
                company_folder=folder,
                time_zone="Europe/Paris",
                window=Interval(*map(dt.date.fromisoformat, days)),
                past=None,
                workspace=work,
                duckdb=duck,
                find_connection=lambda _: known or where(service),
            )
            (fetched,) = rest.fetch(request)
            rows = duck.sql(f"from '{fetched.path}' order by {ROW_NUMBER}")
            names = rows.columns
            found = [dict(zip(names, row, strict=True)) for row in rows.fetchall()]
        assert fetched.rows == len(found)
        return fetched, found

    return call


def rest_meta(
    endpoint: dict[str, Any] | None = None, paging: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "connector": "rest",
        "connection": "api",
        "endpoint": {
            "path": "rows",
            "rows": "$.data.items",
            "paging": {"kind": "page"} if paging is None else paging,
            **(endpoint or {}),
        },
    }


def where(service: Service, **changes: Any) -> Connection:
    port = int(service.address.rpartition(":")[2])
    known = {"id": "api", "kind": "http", "host": "127.0.0.1", "port": port}
    return Connection(**{**known, "schema": "api", **changes})


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["sale_id"] for row in rows]


ALL = ids(ROWS)


@pytest.mark.parametrize("kind", PAGING)
def test_every_way_of_paging_gives_all_rows_once(kind: str, read: Read) -> None:
    with serving(ROWS, paging=kind) as service:
        fetched, rows = read(service, paging=PAGING[kind])
    assert ids(rows) == ALL
    assert list(fetched.columns) == ["price", "quantity", "sale_id", "sold_at"]
    assert set(fetched.columns.values()) == {"VARCHAR"}
    assert not fetched.has_schema
    assert fetched.origin == "api/rows"


@pytest.mark.parametrize("kind", ["offset", "page"])
def test_pages_smaller_than_asked_for_lose_no_row(kind: str, read: Read) -> None:
    with serving(ROWS, paging=kind, size=4) as service:
        paging = {"kind": kind, "size": 10, "size_parameter": "limit"}
        _, rows = read(service, paging=paging)
        assert {query["limit"] for query in service.parameters} == {"10"}
    assert ids(rows) == ALL


def test_an_empty_page_in_the_middle_ends_nothing(read: Read) -> None:
    with serving(ROWS, paging="cursor") as service:
        service.plan = [None, web_service.send({"data": {"items": []}, "next": "10 "})]
        _, rows = read(service, paging=PAGING["cursor"])
    assert ids(rows) == ALL


MISDEEDS = {
    "500": [web_service.status(500)],
    "503 for a while": [web_service.status(503, Retry_After="0")] * 3,
    "reset": [web_service.reset],
    "broken off": [web_service.break_off],
    "truncated": [web_service.truncate],
    "page for people": [web_service.html],
    "all": [
        *(web_service.status(502), web_service.reset, web_service.truncate),
        *(web_service.status(429, Retry_After="0"), None, web_service.break_off),
    ],
}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((name, "page") for name in MISDEEDS),
        *(("all", kind) for kind in ("offset", "cursor", "next_link", "link_header")),
    ],
)
def test_a_misdeed_costs_requests_but_no_rows(name: str, kind: str, read: Read) -> None:
    with serving(ROWS, paging=kind) as service:
        service.plan = [None, *MISDEEDS[name]]
        _, rows = read(service, paging=PAGING[kind])
        assert service.plan == []
        proper = 4 if kind in ("page", "offset") else 3
        bad = sum(misdeed is not None for misdeed in MISDEEDS[name])
        assert len(service.asked) == proper + bad
    assert ids(rows) == ALL


def test_silence_costs_no_rows(
    service: Service, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rest, "_TIMEOUT_SECONDS", 1.0)
    service.plan = [None, web_service.keep_silent]
    _, rows = read(service)
    assert ids(rows) == ALL


def test_retry_after_is_obeyed(service: Service, read: Read) -> None:
    service.plan = [None, web_service.status(429, Retry_After="1")]
    _, rows = read(service)
    assert ids(rows) == ALL
    assert service.waits[1] >= 1


def test_retry_after_may_be_a_date(service: Service, read: Read) -> None:
    def busy(handler: web_service.Handler) -> None:
        moment = email.utils.formatdate(time.time() + 2, usegmt=True)
        handler.answer({}, 503, {"Retry-After": moment})

    service.plan = [busy]
    _, rows = read(service)
    assert ids(rows) == ALL
    assert service.waits[0] >= 0.9


@pytest.mark.parametrize(
    ("misdeed", "error", "reason"),
    [
        (web_service.status(500), TransientError, "answered 500, in 5 attempts"),
        (web_service.status(429), TransientError, "answered 429"),
        (web_service.reset, TransientError, "no whole answer from 127.0.0.1"),
        (web_service.truncate, TransientError, "broke off"),
        (web_service.html, DeliveryError, "is text/html; expected JSON"),
        (web_service.send(b""), DeliveryError, "is empty, in 5 attempts"),
        (web_service.send(b'{"data": [[{"n": 1}'), TransientError, "broke off"),
    ],
)
def test_patience_ends(
    misdeed: Any, error: type[Exception], reason: str, service: Service, read: Read
) -> None:
    service.plan = [None, *[misdeed] * 50]
    with pytest.raises(error, match=f"connection 'api': rows: .*{reason}") as raised:
        read(service)
    assert "secret body" not in str(raised.value)
    assert len(service.asked) == 6


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (web_service.send(b"", 204), r"answers 204, no content; expected JSON with r"),
        (web_service.send(b'{"a": NaN, "s": "secret body"}'), r"is no JSON \(Expect"),
        (web_service.send(b'{"a": 1}\n{"secret body": 2}'), r"is no JSON \(Extra"),
        (
            web_service.send(b'{"data": [], "data": [1]}'),
            "the answer holds a key twice",
        ),
        (web_service.send(b'["M\xfcller"]'), "is no text in UTF-8, and names no char"),
        (
            lambda handler: handler.answer(b"[]", kind="application/json; charset=x"),
            "is no text in x; have the service mended",
        ),
    ],
)
def test_what_would_come_the_same_again_is_not_asked_for_again(
    answer: Any, reason: str, service: Service, read: Read
) -> None:
    service.plan = [None, answer]
    with pytest.raises(DeliveryError, match=f"'api': rows: .*{reason}") as raised:
        read(service)
    assert "secret body" not in str(raised.value)
    assert len(service.asked) == 2


def test_a_service_out_of_reach_is_transient(service: Service, read: Read) -> None:
    known = Connection("api", "http", "127.0.0.1", 1, None, "s3cret")
    with pytest.raises(TransientError, match=r"127\.0\.0\.1 .*ConnectionError") as why:
        read(service, known=known)
    assert "s3cret" not in str(why.value)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (400, "refuses the request with 400; check `endpoint`"),
        (401, "connection 'api': .*401; check login, password or token"),
        (403, "403; check what the login"),
        (404, "rows: .*404; check endpoint.path"),
    ],
)
def test_a_refused_request_is_not_repeated(
    code: int, reason: str, service: Service, read: Read
) -> None:
    service.plan = [web_service.status(code)]
    with pytest.raises(ConfigurationError, match=reason) as raised:
        read(service)
    assert "secret body" not in str(raised.value)
    assert len(service.asked) == 1


def test_a_page_that_comes_for_another_is_asked_for_again(
    service: Service, read: Read
) -> None:
    service.plan = [None, web_service.page_again(1)]
    _, rows = read(service)
    assert ids(rows) == ALL
    assert [query["page"] for query in service.parameters] == list("12234")


def test_a_page_that_comes_again_twice_is_believed(
    service: Service, read: Read
) -> None:
    service.plan = [None, *[web_service.page_again(1)] * 2]
    _, rows = read(service)
    assert ids(rows) == [*ALL[:10], *ALL[:10], *ALL[20:]]


def test_a_page_repeated_for_ever_stops(service: Service, read: Read) -> None:
    service.plan = [web_service.page_again(1)] * 50
    with pytest.raises(DeliveryError, match="page 5 is equal to an earlier one"):
        read(service)
    assert [query["page"] for query in service.parameters] == list("122334455")


@pytest.mark.parametrize("kind", ["cursor", "next_link"])
def test_a_circle_of_pages_stops(kind: str, read: Read) -> None:
    def back(handler: web_service.Handler) -> None:
        body, *_ = handler.page({"cursor": "10", "from": "10"})
        handler.answer(
            {**body, "next": 10 if kind == "cursor" else "/api/rows?from=10"}
        )

    with serving(ROWS, paging=kind) as service:
        service.plan = [None, back, *[back] * 50]
        with pytest.raises(DeliveryError, match="turns in a circle after 2 pages"):
            read(service, paging=PAGING[kind])


@pytest.mark.parametrize("kind", ["cursor", "next_link"])
def test_empty_pages_that_lead_to_others_end(
    kind: str, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rest, "_EMPTY_PAGES", 5)

    def empty(handler: web_service.Handler) -> None:
        number = 1000 + len(service.asked)
        following = number if kind == "cursor" else f"/api/rows?from={number}"
        handler.answer({"data": {"items": []}, "next": following})

    with serving(ROWS, paging=kind) as service:
        service.plan = [None, *[empty] * 50]
        with pytest.raises(DeliveryError, match="6 pages in a row hold no row"):
            read(service, paging=PAGING[kind])
        assert len(service.asked) == 7


TOTAL = {"kind": "page", "total": "$.total"}


def test_a_total_that_changes_begins_the_pull_anew(read: Read) -> None:
    """A row comes between the first page and the second."""
    with serving(ROWS, total=lambda asked: 25 if asked != 1 else 24) as service:
        _, rows = read(service, paging=TOTAL)
        assert len(service.asked) == 2 + 4
    assert ids(rows) == ALL


def test_a_total_that_is_not_reached_begins_the_pull_anew(read: Read) -> None:
    """The second page comes as the first: ten rows twice, ten not at all."""
    with serving(ROWS, total=lambda _: 25) as service:
        service.plan = [None, *[web_service.page_again(1)] * 2]
        _, rows = read(service, paging=TOTAL)
        assert len(service.asked) == 5 + 4
    assert ids(rows) == ALL


def test_a_total_counts_keys_not_rows(read: Read) -> None:
    doubled = [*ROWS, {**ROWS[0], "quantity": 9}]
    with serving(doubled, total=lambda _: 26) as service:
        with pytest.raises(TransientError, match="25 distinct rows came where 26"):
            read(service, paging=TOTAL)
        _, rows = read(service, paging=TOTAL, key=[])
    assert len(rows) == 26


def test_pages_that_never_agree_are_transient(read: Read) -> None:
    with serving(ROWS, total=lambda asked: asked) as service:
        with pytest.raises(TransientError, match=r"from 5 to 6 .*in 3 pulls"):
            read(service, paging=TOTAL)
        assert len(service.asked) == 6


def test_a_total_that_tells_too_little_cuts_nothing_off(read: Read) -> None:
    with serving(ROWS, total=lambda _: 10) as service:
        _, rows = read(service, paging=TOTAL)
    assert ids(rows) == ALL


@pytest.mark.parametrize(
    "end",
    [web_service.status(404), web_service.page_again(3), web_service.send(b"", 204)],
)
def test_what_comes_after_the_last_page_ends_a_counted_pull(
    end: Any, read: Read
) -> None:
    with serving(ROWS, total=lambda _: 25) as service:
        service.plan = [None, None, None, end]
        _, rows = read(service, paging=TOTAL)
    assert ids(rows) == ALL


def test_values_keep_every_digit(read: Read) -> None:
    body = (
        b'[{"big": 123456789012345678901234567890, "exact": 0.10000000000000000555,'
        b' "cents": 1.10, "flag": true, "none": null, "empty": "",'
        b' "text": "Zo\xc3\xab",'
        b' "nested": {"a": [1, 2.50, null]}, "Odd name\'s": 1e2},'
        b' {"late": "only here"}, 7, "text", null, []]'
    )
    with serving([]) as service:
        service.plan = [web_service.send(body)]
        fetched, rows = read(service, {"rows": "$"}, {}, cursor=None, key=[])
    assert rows == [
        {
            "Odd name's": "1E+2",
            "big": "123456789012345678901234567890",
            "cents": "1.10",
            "empty": "",
            "exact": "0.10000000000000000555",
            "flag": "true",
            "late": None,
            "nested": '{"a":[1,2.50,null]}',
            "none": None,
            "text": "Zoë",
            ROW_NUMBER: 1,
        },
        {
            **dict.fromkeys(
                [*("Odd name's", "big", "cents", "empty", "exact", "flag"), "nested"]
            ),
            **{"none": None, "text": None, "late": "only here", ROW_NUMBER: 2},
        },
    ]
    rejects = duckdb.sql(f"from '{fetched.rejects}' order by all").fetchall()
    assert rejects == [
        (3, "not a JSON object", "7"),
        (4, "not a JSON object", '"text"'),
        (5, "not a JSON object", "null"),
        (6, "not a JSON object", "[]"),
    ]


def test_a_number_has_a_point_whatever_its_text_is_declared_to_have(
    read: Read,
) -> None:
    columns = [
        {"name": "sale_id", "data_type": "varchar"},
        {
            "name": "price",
            "data_type": "decimal(18,3)",
            "meta": {"decimal": ",", "aliases": ["amount"]},
        },
        {"name": "weight", "data_type": "decimal(18,3)"},
    ]
    rows = [
        {"Price": 234.567, "weight": 1.5},
        {"Price": "1.234,5"},
        {"amount": 1234.5},
        {"Price": {"EUR": 1.5}},
    ]
    with serving(rows) as service:
        _, found = read(service, paging={}, columns=columns, cursor=None)
    assert [(row["Price"] or row["amount"], row["weight"]) for row in found] == [
        *(("234,567", "1.5"), ("1.234,5", None), ("1234,5", None)),
        ('{"EUR":1.5}', None),
    ]


def test_a_row_with_a_repeated_key_is_rejected_alone(read: Read) -> None:
    body = (
        b'{"data": {"items": [{"sale_id": "a", "n": 1.10}, '
        b'{"sale_id": "b", "n": 2, "n": 3.30, "o": {"p": null}}, [], '
        b'{"sale_id": "c", "n": 4}]}}'
    )
    with serving([]) as service:
        service.plan = [web_service.send(body)]
        fetched, rows = read(service, paging={}, cursor=None)
    assert [(row["sale_id"], row["n"]) for row in rows] == [("a", "1.10"), ("c", "4")]
    assert list(fetched.columns) == ["n", "sale_id"]
    assert fetched.reject_count == 2
    assert duckdb.sql(f"from '{fetched.rejects}' order by all").fetchall() == [
        (2, "repeated key", '{"sale_id": "b", "n": 2, "n": 3.30, "o": {"p": null}}'),
        (3, "not a JSON object", "[]"),
    ]


def test_an_empty_service_is_an_empty_delivery(read: Read) -> None:
    with serving([]) as service:
        fetched, rows = read(service)
    assert (fetched.columns, rows) == ({}, [])


def test_rows_that_are_not_there_are_an_error(service: Service, read: Read) -> None:
    reason = r"nothing at \$\.items of the answer, which holds data; check endpoint"
    with pytest.raises(DeliveryError, match=reason):
        read(service, {"rows": "$.items"})
    with pytest.raises(DeliveryError, match=r"no number at \$\.total"):
        read(service, paging=TOTAL)
    with pytest.raises(ConfigurationError, match="not a JSONPath"):
        read(service, {"rows": "$.["})
    with pytest.raises(ConfigurationError, match="paging by cursor needs `next`"):
        read(service, paging={"kind": "cursor"})


@pytest.mark.parametrize(
    ("time_format", "kind", "since", "until"),
    [
        (None, "timestamp", "2024-03-01T23:00:00Z", "2024-03-03T23:00:00Z"),
        ("%Y-%m-%d", "timestamp", "2024-03-01", "2024-03-04"),
        ("%Y-%m-%d", "date", "2024-03-02", "2024-03-04"),
        ("%d.%m.%Y %H:%M%z", "date", "02.03.2024 00:00+0000", "04.03.2024 00:00+0000"),
    ],
)
def test_the_window_is_asked_for(
    time_format: str | None,
    kind: str,
    since: str,
    until: str,
    service: Service,
    read: Read,
) -> None:
    endpoint = {
        "parameters": {"shop": "7"},
        "since_parameter": "from_time",
        "until_parameter": "to_time",
        **({"time_format": time_format} if time_format else {}),
    }
    columns = [
        {"name": "sale_id", "data_type": "varchar"},
        {"name": "sold_at", "data_type": kind},
    ]
    days = ("2024-03-02", "2024-03-03")
    read(service, endpoint, columns=columns, days=days)
    assert service.parameters[0] == {
        "shop": "7",
        "page": "1",
        "from_time": since,
        "to_time": until,
    }
    with pytest.raises(ConfigurationError, match="time_format: found '%s%s'"):
        read(service, {**endpoint, "time_format": "%s%s"}, columns=columns, days=days)


@pytest.mark.parametrize(
    ("known", "name", "value"),
    [
        ({"login": "me", "password": "pw"}, "Authorization", "Basic bWU6cHc="),
        ({"password": "t0ken"}, "Authorization", "Bearer t0ken"),
        ({"extra": {"token": "t0ken"}}, "Authorization", "Bearer t0ken"),
        ({"extra": {"api_key": "k3y"}}, "X-API-Key", "k3y"),
        ({"extra": {"api_key": "k3y", "api_key_header": "Key"}}, "Key", "k3y"),
        ({}, "Authorization", None),
    ],
)
def test_who_asks_is_told(
    known: dict[str, Any], name: str, value: str | None, service: Service, read: Read
) -> None:
    read(service, known=where(service, **known))
    assert {headers.get(name) for *_, headers in service.asked} == {value}


def test_a_token_that_ends_too_early_is_renewed(service: Service, read: Read) -> None:
    def expire(handler: web_service.Handler) -> None:
        service.authorization = "Bearer another"
        handler.answer({"error": "expired"}, 401)

    service.plan = [None, expire]
    client = {"login": "client", "password": "s3cret"}
    token_url = {"token_url": f"{service.address}/token", "scope": "read"}
    known = where(service, **client, extra=token_url)
    _, rows = read(service, known=known)
    assert ids(rows) == ALL
    tokens = [query for _, path, query, _ in service.asked if path == "/token"]
    assert (
        tokens
        == [
            {
                "client_id": "client",
                "client_secret": "s3cret",
                "grant_type": "client_credentials",
                "scope": "read",
            }
        ]
        * 2
    )
    service.plan = [web_service.status(401)] * 50
    with pytest.raises(ConfigurationError, match="each new token with 401"):
        read(service, known=known)


@pytest.mark.parametrize(
    "known",
    [
        {"host": "http://127.0.0.1", "schema": "api"},
        {"kind": "https", "schema": "http", "extra": {"base_url": "{address}/api/"}},
        {"kind": "http", "host": None, "extra": {"base_url": "{address}/api"}},
    ],
)
def test_where_the_service_lies(
    known: dict[str, Any], service: Service, read: Read
) -> None:
    if "extra" in known:
        base_url = known["extra"]["base_url"].format(address=service.address)
        known = {**known, "extra": {"base_url": base_url}}
    assert ids(read(service, known=where(service, **known))[1]) == ALL


def test_settings_of_dlt_are_looked_for_nowhere(
    service: Service, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would ask the environment, files in the home and Airflow."""
    monkeypatch.setattr(
        "dlt.common.configuration.resolve.resolve_configuration", pytest.fail
    )
    monkeypatch.setattr(
        "dlt.sources.helpers.rest_client.client.resolve_configuration", pytest.fail
    )
    for known in ({}, {"extra": {"api_key": "k3y"}}, {"login": "me", "password": "pw"}):
        assert ids(read(service, known=where(service, **known))[1]) == ALL


def test_an_unfit_connection_is_refused(service: Service, read: Read) -> None:
    with pytest.raises(ConfigurationError, match="found kind 'postgres'"):
        read(service, known=where(service, kind="postgres"))
    with pytest.raises(ConfigurationError, match="no host"):
        read(service, known=where(service, host=None))


@pytest.mark.parametrize("way", ["link", "redirect"])
def test_secrets_go_to_no_other_host(way: str, read: Read) -> None:
    with serving([]) as foreign, serving(ROWS, paging="next_link") as service:
        target = f"{foreign.address.replace('127.0.0.1', 'localhost')}/api/rows"
        service.plan = [
            web_service.send({"data": {"items": []}, "next": target})
            if way == "link"
            else web_service.send({}, 302, Location=target)
        ]
        known = where(service, extra={"api_key": "k3y"})
        with pytest.raises(DeliveryError, match=r"api.* leads to http://localhost:"):
            read(service, paging=PAGING["next_link"], known=known)
        assert foreign.asked == []


@pytest.mark.parametrize("way", ["link", "redirect"])
def test_no_login_in_an_address_is_told(way: str, read: Read) -> None:
    with serving(ROWS, paging="next_link") as service:
        port = service.address.rpartition(":")[2]
        target = f"http://user:S3CRET@localhost:{port}/rows?token=S3CRET"
        service.plan = [
            web_service.send({"data": {"items": []}, "next": target})
            if way == "link"
            else web_service.send({}, 302, Location=target)
        ]
        address = f"http://me:S3CRET@127.0.0.1:{port}/api"
        known = where(service, extra={"base_url": address})
        shown = (
            rf"'api': rows: .* leads to http://localhost:{port}, away from its address "
            rf"http://127\.0\.0\.1:{port};"
        )
        with pytest.raises(DeliveryError, match=shown) as raised:
            read(service, {"path": "rows?k=S3CRET"}, PAGING["next_link"], known)
    assert "S3CRET" not in str(raised.value)


@pytest.mark.parametrize(
    "path", ["rows?token=S3CRET", "http://me:S3CRET@127.0.0.1:{port}/api/rows"]
)
def test_no_secret_of_a_path_is_told(path: str, service: Service, read: Read) -> None:
    port = service.address.rpartition(":")[2]
    endpoint = {"path": path.format(port=port)}
    fetched, rows = read(service, endpoint)
    assert ids(rows) == ALL
    assert "S3CRET" not in fetched.origin
    service.plan = [web_service.status(404)]
    with pytest.raises(ConfigurationError, match="404; check") as refused:
        read(service, endpoint)
    known = where(service, host="http://me:S3CRET@127.0.0.1", port=1)
    with pytest.raises(TransientError, match=r"from 127\.0\.0\.1 in") as unreached:
        read(service, {"path": "rows?token=S3CRET"}, known=known)
    assert "S3CRET" not in f"{refused.value} {unreached.value}"


def test_the_pace_is_kept(
    service: Service, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock that only sleeping moves."""
    moments = [100.0]
    clock = SimpleNamespace(
        monotonic=lambda: moments[-1],
        sleep=lambda seconds: moments.append(moments[-1] + seconds),
    )
    monkeypatch.setattr(rest, "time", clock)
    service.plan = [None, web_service.status(500)]
    read(service, {"requests_per_second": 4})
    assert len(service.asked) == 5
    assert moments == [100.0, 100.0, 100.25, 100.5, 100.75, 101.0]


def test_a_service_goes_through_the_door(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "AIRFLOW_CONN_API",
        json.dumps({"conn_type": "http", "host": f"{service.address}/api"}),
    )
    service.rows[10] = {**ROWS[10], "quantity": "many"}
    service.plan = [None, *[web_service.page_again(1)] * 2, web_service.reset]
    options = {**rest_meta(), "quarantine_limit_pct": 100}
    run = new_run(company(tmp_path, None, **options), "2024-03-01", "2024-03-03")
    pull_table(run, TABLE)
    admit_table(run, TABLE)
    # The second page came as the first: its rows are missing, nobody told a total.
    assert [row[0] for row in admitted(run, "sale_id")] == ALL[:10]
    service.plan = [web_service.truncate]
    pull_table(run, TABLE)
    admit_table(run, TABLE)
    expected = [name for name in ALL[:12] if name != "S010"]
    assert [row[0] for row in admitted(run, "sale_id")] == expected
    assert quarantined(run, "row_number, column_name, value") == [
        (11, "quantity", "many")
    ]
    assert newest_attempt(run, TABLE)[1].files[0].origin == "api/rows"
