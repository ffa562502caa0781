import hashlib
import hmac
import re
from pathlib import Path
from typing import Any

import duckdb
import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kith.company.tables import Column, ColumnRules, SourceTable, TableRules
from kith.deliveries.nobody import NOBODY, NOBODYS
from kith.errors import ConfigurationError
from kith.pull import pseudonyms
from tests.one_table import COLUMNS, company, refusal

KEY = "a-key-of-the-tests-which-is-long-enough"
HEX = re.compile(r"[0-9a-f]{64}")


@pytest.fixture(autouse=True, scope="module")
def _key() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KITH_IDENTIFIER_KEY", KEY)
        yield


def table(*columns: Column) -> SourceTable:
    return SourceTable(
        source="shop",
        name="people",
        rules=TableRules(connector="files", path="people.csv"),
        columns=list(columns),
    )


def column(kind: str, data_type: str = "varchar", **rules: Any) -> Column:
    return Column(
        name="person", data_type=data_type, rules=ColumnRules(pii=kind, **rules)
    )


def hashes(
    values: list[Any], declared: Column, raw_type: str = "varchar"
) -> list[str | None]:
    """The hashes of some values, in their order."""
    connection = duckdb.connect()
    connection.execute(f"create table people (number bigint, person {raw_type})")
    connection.executemany("insert into people values (?, ?)", list(enumerate(values)))
    kinds = {"person": str(duckdb.sqltype(raw_type))}
    sql = pseudonyms.hashed_rows(connection, table(declared), "people", kinds)
    rows = connection.execute(f"select person from {sql} order by number")
    return [row[0] for row in rows.fetchall()]


def oracle(message: str, key: str = KEY) -> str:
    return hmac.new(key.encode(), message.encode(), hashlib.sha256).hexdigest()


SPELLINGS = [
    (
        column("email"),
        "email:li.na@example.com",
        ["li.na@example.com", " Li.Na@Example.COM\t", "ｌｉ.na＠example.com\u00a0"],
    ),
    (
        column("email"),
        "email:o'brien@example.com",
        [
            *("O'Brien@example.com", "<O'Brien@example.com>"),
            *("mailto:o'brien@example.com", "<MAILTO:O'Brien@Example.com>"),
            # As mail programs write people, and links their subject.
            *("Pat O'Brien <o'brien@example.com>", "Pat<mailto:O'Brien@example.com>"),
            *(
                "\"O'Brien, Pat (Ms.)\" <O'Brien@example.com> ",
                "Ｐat\u00a0<o'brien@example.com>",
            ),
            *(
                "O'Brien@example.com <o'brien@example.com>",
                "mailto:O'Brien@example.com?subject=A <b>",
            ),
            *("\"o'brien@example.com\" <o'brien@example.com>",),
        ],
    ),
    # Without its plus it is no other number.
    *(
        (column("phone", phone_region=region), f"phone:+{number}", spellings)
        for region, number, spellings in (
            (
                "DE",
                "491711234567",
                ["01711234567", "+49 (0)171 1234567", "4901711234567"],
            ),
            (
                "DE",
                "493012345678",
                ["030 / 12345678", "Tel. 030-12345678", "493012345678"],
            ),
            ("DE", "4949171123456", ["049171 123456", "49171123456"]),
            ("RU", "79161234567", ["89161234567", "9161234567", "79161234567"]),
            (
                "FR",
                "33612345678",
                ["06 12 34 56 78", "tel:+33612345678", "33612345678"],
            ),
            ("GB", "442079460958", ["020 7946 0958", "T: 02079460958", "442079460958"]),
            (
                "US",
                "12125550123",
                ["212-555-0123", "1 (212) 555-0123", "12125550123.0"],
            ),
            ("IT", "393912345678", ["391 2345678", "+39 391 2345678", "393912345678"]),
            ("IN", "919876543210", ["09876543210", "98765 43210", "919876543210"]),
        )
    ),
    (
        column("phone", phone_region="CN"),
        "phone:+8613800138000",
        [
            *("13800138000", "138 0013 8000", "+86 138-0013-8000", "008613800138000"),
            *("8613800138000", "１３８００１３８０００", "(86) 138 0013 8000"),
        ],
    ),
    (
        column("phone", phone_region="FR"),
        "phone:+33142685300;ext=12",
        ["01 42 68 53 00 ext. 12", "+33 1 42 68 53 00 x12"],
    ),
    (column("card"), "card:VIP00123", ["vip-001 23", "VIP00123", "ＶＩＰ.001.23 "]),
    (column("device"), "device:ab-1", ["AB-1", " ab-1 "]),
    (column("handle"), "handle:müller_1", ["@Müller_1", "müller_1", "@ ｍüLLER_1 "]),
]


@pytest.mark.parametrize(("declared", "message", "spellings"), SPELLINGS)
def test_one_person_has_one_hash(
    declared: Column, message: str, spellings: list[str]
) -> None:
    assert hashes(spellings, declared) == [oracle(message)] * len(spellings)


@pytest.mark.parametrize(
    ("declared", "unreadable"),
    [
        (column("email"), "not given"),
        (column("email"), "a@b"),
        (column("email"), "a@b@c.de"),
        (column("email"), "a\x07@b.de"),
        (column("email"), "a@b..de"),
        (column("email"), "anna@example.com,"),
        (column("email"), "'anna@example.com'"),
        (column("email"), "anna@example.com;bob@example.com"),
        (column("email"), "anna@example.com>"),
        (column("email"), "mailto:Anna<anna@example.com>"),
        (column("email"), '{"v":"anna@example.com"}'),
        (column("phone", phone_region="CN"), '["13800138000"]'),
        (column("card"), '{"number":"VIP00123"}'),
        (column("device"), '["ab-1"]'),
        (column("handle"), '{"name":"ann"}'),
        (column("phone", phone_region="CN"), "123"),
        (column("phone", phone_region="CN"), "see file"),
        (column("phone", phone_region="CN"), "1.38E+10"),
        (column("phone", phone_region="CN"), "138001380001380013800"),
        (column("phone"), "13800138000"),
        # A mobile telephone, or in Germany an area of that code.
        (column("phone", phone_region="DE"), "491711234567"),
        # Letters among the digits, and what hides some.
        *(
            (column("phone", phone_region="DE"), number)
            for number in (
                *(
                    "+49 171 123456O",
                    "0171 l234567",
                    "O171 1234567",
                    "0171 1234567 Anna",
                ),
                *(
                    "0171 123456O ext. 5",
                    "+49 171 ***4567",
                    "+49171xxx4567",
                    "0171 123456?",
                ),
                *(
                    "0171 1234567 or 0172 7654321",
                    "0171 1234567 (work)",
                    "0171-FLOWERS",
                ),
            )
        ),
        # Beyond 2^53 a float does not tell one number from the next.
        (column("card"), "9007199254740993.0"),
        (column("card"), "9007199254740994,00"),
        (column("card"), "12345678901234567890.0"),
        (column("handle"), "9007199254740993.0"),
        (column("device"), "9007199254740993.0"),
        # Whose address it is, two names leave open.
        (column("email"), "bob@example.com <anna@example.com>"),
        (column("email"), "Anna <anna@example.com>, Bob <bob@example.com>"),
        (column("email"), "Anna <anna>"),
        (column("email"), "Anna anna@example.com"),
        (column("email"), "mailto:?subject=anna@example.com"),
        (column("card"), "- . -"),
        (column("card"), "6.22E+15"),
        (column("handle"), "@"),
        # Digits that a spreadsheet rounded away, in every class.
        (column("device"), "1.39E+10"),
        (column("handle"), "1.39e+10"),
        # The thousand 123, or a float.
        (column("card"), "123.000"),
        (column("device"), "123456,000"),
        (column("card"), "123456.5"),
        (column("card"), "12.5"),
        (column("card"), "7,5"),
        (column("card"), ".5"),
        (column("card"), "-5.0"),
        (column("card"), "+123456.0"),
        (column("card"), "'123456.0"),
        (column("card"), "123 456.0"),
        (column("card"), "123\u202f456,0"),
        (column("card"), "123,456.0"),
        (column("card"), "123.456,00"),
        # A line of totals is nobody's.
        (column("handle"), "Total"),
    ],
)
def test_what_cannot_be_normalised_is_marked(declared: Column, unreadable: str) -> None:
    assert hashes([f" {unreadable} "], declared) == ["!" + oracle(unreadable)]


@pytest.mark.parametrize("kind", ["email", "phone", "card", "device", "handle"])
@pytest.mark.parametrize(
    ("value", "raw_type"),
    [
        ({"v": "+8613800138000"}, "struct(v varchar)"),
        (["+8613800138000"], "varchar[]"),
        ({"k": "+8613800138000"}, "map(varchar, varchar)"),
    ],
)
def test_what_holds_several_values_is_marked(
    kind: str, value: Any, raw_type: str
) -> None:
    (found,) = hashes([value], column(kind), raw_type)
    assert found and found[0] == "!" and HEX.fullmatch(found[1:])


def test_what_only_looks_like_several_values_is_one() -> None:
    assert hashes(["[::1]"], column("device")) == [oracle("device:[::1]")]


@pytest.mark.parametrize("kind", ["email", "phone", "card", "device", "handle"])
def test_nothing_stays_nothing(kind: str) -> None:
    declared = column(kind, null_values=["none", "-"])
    assert hashes([None, "", " \t\u3000", "none", " - "], declared) == [None] * 5


@pytest.mark.parametrize("raw_type", ["bigint", "double", "decimal(18,0)"])
def test_numbers_hash_like_their_digits(raw_type: str) -> None:
    phone = column("phone", phone_region="CN")
    assert hashes([13800138000], phone, raw_type) == [oracle("phone:+8613800138000")]
    assert hashes([6222021001], column("card"), raw_type) == [oracle("card:6222021001")]


@pytest.mark.parametrize("kind", ["phone", "card", "device", "handle"])
def test_what_went_through_a_float_is_the_whole_number_it_was(kind: str) -> None:
    digits = "13800138000"
    declared = column(kind, phone_region="CN")
    (expected,) = hashes([digits], declared)
    written = [f"{digits}.0", f" {digits}.00", f"{digits},0"]
    assert hashes(written, declared) == [expected] * 3
    for raw_type in ("double", "decimal(18,2)", "bigint"):
        assert hashes([int(digits)], declared, raw_type) == [expected]
    assert hashes(["17850.0", "17850"], column("device", whole_numbers=False)) == [
        oracle("device:17850.0"),
        oracle("device:17850"),
    ]
    for longest in ("9007199254740992.0", "0009007199254740992,0"):
        whole = longest[:-2]
        assert hashes([longest], column("card")) == [oracle(f"card:{whole}")]
    assert hashes(["9007199254740993"], column("card")) == [
        oracle("card:9007199254740993")
    ]
    meant = column("device", whole_numbers=False)
    assert hashes(["9007199254740993.0"], meant) == [
        oracle("device:9007199254740993.0")
    ]


@pytest.mark.parametrize("kind", ["phone", "card", "device", "handle"])
@pytest.mark.parametrize(
    ("value", "raw_type"),
    [
        (123456.5, "double"),
        (123456.5, "decimal(18,2)"),
        (2**53 + 2, "double"),
        (2**24 + 2, "float"),
    ],
)
def test_a_number_that_lost_digits_is_no_identifier(
    kind: str, value: float, raw_type: str
) -> None:
    (found,) = hashes([value], column(kind, phone_region="CN"), raw_type)
    assert found and found[0] == "!" and HEX.fullmatch(found[1:])


@pytest.mark.parametrize("kind", ["email", "phone", "card", "device", "handle"])
def test_nobody_is_nobody(kind: str) -> None:
    words = [
        "N/A",
        "none",
        "null",
        "NULL",
        " Unknown ",
        "NaN",
        "\\N",
        "(not set)",
        "未知",
        *("keine", "kein", "Gast", "TBD", "NaT", "[object Object]", "false", "True"),
        *(".", "-", "--", "?", "undefined", "#N/A"),
    ]
    noughts = ["000000", "0", "0.0", "00-00", "00000000-0000-0000-0000-000000000000"]
    declared = column(kind, phone_region="CN")
    assert hashes([*words, *noughts], declared) == [None] * (len(words) + len(noughts))
    assert hashes([float("nan"), 0.0], declared, "double") == [None, None]
    assert None not in hashes(["0x", "nonesuch", "1000", "10.0.0.0"], declared)


def test_addresses_and_cards_of_words_are_nobody_as_such_alone() -> None:
    words = {"email": ["No-Email@shop.de", "Anna <noemail@shop.de>"], "card": ["*CARD"]}
    for kind, of_nobody in words.items():
        assert hashes(of_nobody, column(kind)) == [None] * len(of_nobody)
        assert None not in hashes(of_nobody, column("handle"))


def test_a_blocked_value_that_is_nobody_anyway_is_no_fault() -> None:
    blocked = {"email": ["noemail@example.org", "a@a.com"], "card": ["none"]}
    people = table(column("email"))
    assert pseudonyms.hashes_of([people], blocked, "") == [
        ("email", oracle("email:a@a.com"))
    ]


def test_a_fraction_is_no_identifier_unless_it_is_meant_so() -> None:
    fractions = ["7.5", "7,5", "-7.5", ".5", "13800138.25", "12.50", " 1234.125"]
    for kind in ("device", "handle"):
        found = hashes(fractions, column(kind))
        assert [each and each[0] for each in found] == ["!"] * len(fractions)
        meant = hashes(["7.5", "7.0"], column(kind, whole_numbers=False))
        assert meant == [oracle(f"{kind}:7.5"), oracle(f"{kind}:7.0")]
    for region in ("CN", "DE"):
        phone = column("phone", phone_region=region)
        found = hashes(["13800138.5", "1380013800,25", "1380013800.0 5"], phone)
        assert [each and each[0] for each in found[:2]] == ["!", "!"]
    # What has signs between its parts.
    several = ["10.0.0.7", "7.5.1", "v7.5", "7.5b", "1,2,3", "anna.5"]
    assert hashes(several, column("device")) == [
        oracle(f"device:{each}") for each in several
    ]
    french = column("phone", phone_region="FR")
    assert (
        hashes(["01.42.68.53.00", "0142.685300"], french)
        == [oracle("phone:+33142685300")] * 2
    )


def test_the_first_of_a_count_is_a_device_of_its_source() -> None:
    of_source = column("device", scope="source")
    assert hashes(["0", "0.0", "00", "-1", "N/A"], of_source) == [
        *[oracle("device@shop:0")] * 2,
        *[None] * 3,
    ]
    assert hashes([0.0], of_source, "double") == [oracle("device@shop:0")]
    declared = column("device", scope="source", null_values=["0"])
    assert hashes(["0"], declared) == [None]
    for kind in ("card", "handle", "phone", "email"):
        assert hashes(["0"], column(kind, scope="source")) == [None]
    assert hashes(["0"], column("device")) == [None]


def test_what_is_known_in_its_source_alone_is_another_elsewhere() -> None:
    company_wide, of_source = column("device"), column("device", scope="source")
    assert hashes(["7"], company_wide) == [oracle("device:7")]
    assert hashes(["7", "7.0"], of_source) == [oracle("device@shop:7")] * 2


def test_kinds_differ() -> None:
    same = {hashes(["13800138000"], column(kind))[0] for kind in ("card", "device")}
    assert len(same | set(hashes(["+13800138000"], column("phone")))) == 3


def test_every_delivered_name_is_hashed_and_no_other_column() -> None:
    connection = duckdb.connect()
    connection.execute("create table p as select 'A' as Card_No, 'B' as card, 1 as n")
    declared = Column(
        name="card",
        data_type="varchar",
        rules=ColumnRules(pii="card", aliases=["card_no"]),
    )
    plain = Column(name="n", data_type="bigint")
    kinds = {"Card_No": "VARCHAR", "card": "VARCHAR", "n": "INTEGER"}
    sql = pseudonyms.hashed_rows(connection, table(plain, declared), "p", kinds)
    found = connection.execute(f"from {sql}")
    assert [each[0] for each in found.description] == list(kinds)
    assert found.fetchall() == [(oracle("card:A"), oracle("card:B"), 1)]
    assert pseudonyms.hashed_rows(connection, table(plain), "p", kinds) == "p"


# Line ends and NUL among the characters; surrogates are no text.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@settings(max_examples=30, deadline=None)
@given(
    values=st.lists(st.none() | TEXTS, min_size=1, max_size=30),
    kind=st.sampled_from(["email", "phone", "card", "device", "handle"]),
)
def test_hashes_are_repeatable_and_never_plain(
    values: list[str | None], kind: str
) -> None:
    declared = column(kind, phone_region="US")
    found = hashes(values, declared)
    assert len(found) == len(values)
    assert found[::-1] == hashes(values[::-1], declared)
    for value, hashed in zip(values, found, strict=True):
        assert hashed is None or HEX.fullmatch(hashed.removeprefix("!"))
        if hashed is None:
            bare = re.sub(r"[\W_]", "", value or "")
            is_word = (value or "").strip().lower() in NOBODY
            if kind in NOBODYS:
                match = "select regexp_full_match(?, ?)"
                rows = duckdb.execute(match, [value, NOBODYS[kind]]).fetchall()
                is_word |= rows == [(True,)]
            assert is_word or not bare or set(bare) == {"0"}


@settings(max_examples=30, deadline=None)
@given(
    number=st.integers(2_000_000_000, 9_999_999_999), style=st.sampled_from(range(4))
)
def test_a_phone_in_any_style_is_the_same_person(number: int, style: int) -> None:
    parsed = phonenumbers.parse(str(number), "US")
    written = phonenumbers.format_number(parsed, style)
    found = hashes([written, str(number)], column("phone", phone_region="US"))
    assert found == [oracle(f"phone:+1{number}")] * 2


@settings(max_examples=20, deadline=None)
@given(key=st.text(st.characters(min_codepoint=0xA1, max_codepoint=0x24F), min_size=32))
def test_keys_of_any_length_are_those_of_the_standard(key: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KITH_IDENTIFIER_KEY", key)
        assert hashes(["A"], column("device")) == [oracle("device:a", key)]
        assert pseudonyms.key_id() == oracle("kith-key-id", key)[:8]


def test_the_key_stands_in_no_sql_and_no_error() -> None:
    connection = duckdb.connect()
    connection.execute("create table people as select 'a@b.de' as person")
    people = pseudonyms.hashed_rows(
        connection, table(column("email")), "people", {"person": "VARCHAR"}
    )
    pad = bytes(part ^ 0x36 for part in KEY.encode()).decode()
    for query in (
        f"select cast(person as integer) from {people}",
        f"select person + 1 from {people}",
        f"select nothing from {people}",
        f"select sha256(person, 1) from {people}",
    ):
        with pytest.raises(duckdb.Error) as caught:
            connection.execute(query).fetchall()
        shown = str(caught.value) + query
        assert KEY not in shown and pad not in shown


def test_without_a_key_nothing_is_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KITH_IDENTIFIER_KEY")
    with pytest.raises(ConfigurationError, match=r"^shop.people: pii .*IDENTIFIER_KEY"):
        hashes(["a@b.de"], column("email"))
    with pytest.raises(ConfigurationError, match="KITH_IDENTIFIER_KEY"):
        pseudonyms.key_id()


@pytest.mark.parametrize("key", ["x", "   ", " " * 40, "k" * 31])
def test_a_key_that_is_short_is_refused(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KITH_IDENTIFIER_KEY", key)
    reason = r"^shop.people: pii .*KEY is too short .* at least 32 char"
    with pytest.raises(ConfigurationError, match=reason):
        hashes(["a@b.de"], column("email"))


def test_a_hash_needs_a_column_of_text() -> None:
    with pytest.raises(ConfigurationError, match=r"column person: .* is bigint; expec"):
        hashes([1], column("phone", "bigint"))


@pytest.mark.usefixtures("kith_home")
@pytest.mark.parametrize(
    "header",
    ["sale_id,sold_at,quantity,price,e_mail", "A,2024-03-01,1,2,li.na@example.com"],
)
def test_an_identifier_under_another_name_is_not_stored(
    header: str, tmp_path: Path
) -> None:
    columns = [
        *COLUMNS,
        {"name": "mail", "data_type": "text", "meta": {"pii": "email"}},
    ]
    company(tmp_path, columns=columns, drift={"missing": "warn"})
    row = "B,2024-03-01,1,1,li.na@example.com"
    (tmp_path / "data/sales.csv").write_text(f"{header}\n{row}\n")
    message = refusal(tmp_path)
    assert "missing column mail (pii)" in message
    kept = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert kept
    assert all(b"li.na" not in path.read_bytes() for path in kept)
    assert "li.na" not in message
