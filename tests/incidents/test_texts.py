"""What incidents tell holds no secret and no person."""

import json

import pytest

from kith.incidents.texts import safe

PASSWORD = "pa55/w@rd:x"  # noqa: S105
# Each text, and what of it may be told to nobody.
PLANTED = [
    ("FATAL: no route to postgresql://reader:hunter2@db/shop", "hunter2"),
    ("https://reader:p@ss@host/x: refused", "p@ss"),
    ("could not connect: password=hunter2 host=db", "hunter2"),
    ("{'api_key': 'abc123def', 'x': 1}", "abc123def"),
    ("GET /feed?token=abc123def&day=2 answered 500", "abc123def"),
    ("Authorization: Bearer abcdefgh12345678", "abcdefgh12345678"),
    ("row of anna.meier@shop.example is twice there", "anna.meier@shop.example"),
    ("called +49 (171) 555-1234 twice", "555-1234"),
    ("customer 0123456789abcdef0123456789abcdef", "89abcdef0123"),
]


@pytest.mark.parametrize(("text", "planted"), PLANTED)
@pytest.mark.parametrize("kind", ["source_unavailable", "contract", "bug"])
def test_what_is_planted_is_not_told(text: str, planted: str, kind: str) -> None:
    assert planted in text
    assert planted not in safe(text, kind)  # type: ignore[arg-type]


def test_secrets_of_the_environment_are_known_wherever_they_stand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    as_json = {"conn_type": "http", "login": "orders", "password": PASSWORD}
    as_json["extra"] = json.dumps({"token": "tok-12345", "endpoint": "/orders"})
    monkeypatch.setenv("AIRFLOW_CONN_TILL", json.dumps(as_json))
    monkeypatch.setenv("AIRFLOW_CONN_WEB", "http://me:s%40fe%2Fty@host/?secret=s3cret9")
    monkeypatch.setenv("KITH_IDENTIFIER_KEY", "k1e2y3k1e2y3")
    told = safe(
        f"till.orders: {PASSWORD} tok-12345 s@fe/ty s%40fe%2Fty s3cret9 k1e2y3k1e2y3",
        "configuration",
    )
    assert told == "till.orders: … … … … … …"


def test_of_quoted_rows_only_the_shape_is_told_and_of_our_own_words_all() -> None:
    text = "column name: found 'Anna Müller 7', expected '5'; \"it's x@y.z\" is no day"
    assert safe(text, "contract") == (
        "column name: found 'xxxx xxxxxx 9', expected '5'; \"xx'x …@…\" is no day"
    )
    check = "customer.customers: 'Birth dates lie within 120 years' failed"
    assert safe(check, "data_gate") == check
    for harmless in ("'2026-11-27'", "'-3'", "'12,50'", "''"):
        assert safe(harmless, "contract") == harmless


@pytest.mark.parametrize(
    "text",
    [
        "/data/raw/20240101-20241231/20261127T075320Z_f47b3e/rows.parquet: not found",
        "1,234,567 of 12,345,678 bytes are free; set KITH_HOME to another disk",
        "connection 'till' is unknown; set the environment variable AIRFLOW_CONN_TILL",
        "a web service refuses us with 401; check login, password or token of it",
        "wrong password: no such user",
    ],
)
def test_what_helps_stays(text: str) -> None:
    assert safe(text, "source_unavailable") == text


def test_a_text_is_one_line_and_not_endless() -> None:
    assert safe("a\n\x1b[31mb" + " c" * 1000, "bug").startswith("a [31mb c c")
    assert len(safe("a\n\x1b[31mb" + " c" * 3000, "bug")) < 4010
