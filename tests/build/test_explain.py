"""What `make identity-explain` says, of a small candidate made by hand."""

from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from kith.build.explain import explain_identity
from kith.company.folder import Company, load_company
from kith.errors import ConfigurationError
from kith.pull.pseudonyms import hashes_of

ANNA, SHOP, BEN = "a" * 32, "b" * 32, "c" * 32
# Number, kind, value, person, rule. The telephone is Anna's and Ben's.
IDENTIFIERS = [
    (0, "customer_number", "17", ANNA, None),
    (1, "email", "anna@example.com", ANNA, None),
    (2, "device", "d1", ANNA, None),
    (3, "customer_number", "18", BEN, None),
    (4, "phone", "+49 30 23125000", None, "shared_by_several"),
    (5, "customer_number", "99", SHOP, None),
]
LINKS = [(0, 1, 0), (1, 2, 1), (2, 2, 0), (3, 4, 1), (4, 4, 3)]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Company:
    monkeypatch.setenv("KITH_IDENTIFIER_KEY", "k" * 64)
    (tmp_path / "shop" / "staging").mkdir(parents=True)
    columns: list[dict[str, Any]] = [
        {"name": "buyer", "data_type": "varchar"},
        {
            "name": "mail",
            "data_type": "varchar",
            "config": {"meta": {"pii": "email"}},
        },
        {
            "name": "tel",
            "data_type": "varchar",
            "config": {"meta": {"pii": "phone", "phone_region": "DE"}},
        },
        {
            "name": "tel_abroad",
            "data_type": "varchar",
            "config": {"meta": {"pii": "phone"}},
        },
    ]
    meta = {"connector": "files", "path": "none.csv"}
    table = {"name": "people", "config": {"meta": meta}, "columns": columns}
    sources = {"sources": [{"name": "till", "tables": [table]}]}
    declared = {
        "name": "shop",
        "title": "Shop",
        "time_zone": "UTC",
        "currency": "EUR",
        "first_day": "2024-01-01",
        "feeds": {},
    }
    (tmp_path / "shop" / "company.yml").write_text(yaml.safe_dump(declared))
    (tmp_path / "shop" / "sources.yml").write_text(yaml.safe_dump(sources))
    return load_company(tmp_path / "shop")


@pytest.fixture
def state(shop: Company, tmp_path: Path) -> Path:
    """The candidate, with hashes where the company declares them."""
    state = tmp_path / "home" / "shop"
    (state / "warehouse").mkdir(parents=True)

    def stored(kind: str, value: str) -> str:
        given = hashes_of(shop.sources, {kind: [value]}, "")
        return given[0][1] if given else value

    values = {
        number: (kind, stored(kind, value)) for number, kind, value, *_ in IDENTIFIERS
    }
    with duckdb.connect(str(state / "warehouse" / "kith_build.duckdb")) as candidate:
        candidate.execute(
            """
            create schema intermediate;
            create schema customer;
            create table intermediate.identities (
                identifier_number bigint, identifier_type text, identifier_value text,
                person_id text, customer_id text, standing text, refused_by text
            );
            create table intermediate.int_identifiers (
                identifier_number bigint, first_seen_at timestamp,
                last_seen_at timestamp, sources text
            );
            create table intermediate.int_identifier_links (
                link_number bigint, left_number bigint, right_number bigint,
                evidence text, first_seen_at timestamp
            );
            create table customer.customer_merges (
                person_id_before text, person_id text, merged_at timestamp
            );
            insert into customer.customer_merges
            values (md5('device:d1'), $anna, '2024-03-03')
            """.replace("$anna", f"'{ANNA}'")
        )
        for number, kind, _, person, rule in IDENTIFIERS:
            standing = "nobody" if rule else "customer"
            candidate.execute(
                "insert into intermediate.identities values (?, ?, ?, ?, ?, ?, ?)",
                [number, kind, values[number][1], person, person, standing, rule],
            )
            candidate.execute(
                "insert into intermediate.int_identifiers "
                "values (?, '2024-01-01', '2024-05-05', 'till')",
                [number],
            )
        for number, left, right in LINKS:
            candidate.execute(
                "insert into intermediate.int_identifier_links "
                "values (?, ?, ?, 'till: row of people', '2024-02-02')",
                [number, left, right],
            )
    return state


def test_two_identifiers_of_one_person_show_their_shortest_chain(
    shop: Company, state: Path
) -> None:
    asked = ["customer_number:17", "email:Anna@Example.com"]
    *first, link = explain_identity(shop, state, asked).splitlines()
    assert first[0] == f"customer_number:17 is of customer {ANNA}"
    assert first[1].endswith(f"is of customer {ANNA}")
    assert first[2] == "one person, by these links"
    assert "email:" in link
    assert "customer_number:17" in link
    assert "2024-02-02" in link
    chain = explain_identity(shop, state, ["email:anna@example.com", "device:d1"])
    assert len(chain.splitlines()) == 4


def test_two_whom_a_rule_keeps_apart_show_the_link_that_does_not_count(
    shop: Company, state: Path
) -> None:
    text = explain_identity(shop, state, ["customer_number:17", "customer_number:18"])
    assert "two: a chain leads from one to the other, but not all of it counts" in text
    refused = [line for line in text.splitlines() if "does not count" in line]
    assert len(refused) == 2
    assert all("several people" in line for line in refused)
    assert all("identity.shareable" in line for line in refused)


def test_two_whom_nothing_links(shop: Company, state: Path) -> None:
    text = explain_identity(shop, state, ["customer_number:17", "customer_number:99"])
    assert text.endswith("two: no chain of links leads from one to the other")


def test_a_customer_shows_identifiers_the_links_that_suffice_and_those_refused(
    shop: Company, state: Path
) -> None:
    lines = explain_identity(shop, state, [ANNA]).splitlines()
    assert lines[0] == f"customer {ANNA}: 3 identifiers"
    joined = lines.index("joined, in the order of time, by")
    # Of three links two suffice.
    assert len(lines[joined + 1 : lines.index("links that do not count: 1")]) == 2


def test_an_id_that_ended_leads_to_the_one_that_goes_on(
    shop: Company, state: Path
) -> None:
    ended = duckdb.sql("select md5('device:d1')").fetchall()[0][0]
    first, then, *_ = explain_identity(shop, state, [ended]).splitlines()
    assert first == f"{ended} ended on 2024-03-03: it goes on as"
    assert then == f"customer {ANNA}: 3 identifiers"


def test_one_identifier_shows_for_whom_it_stands(shop: Company, state: Path) -> None:
    assert ANNA in explain_identity(shop, state, ["email:anna@example.com"])
    # As the shell or make hands it on, and as the source writes it.
    for phone in (
        ["phone:030 23125000"],
        ["phone:030", "23125000"],
        ["phone:(030)", "2", "3125000"],
    ):
        nobody = explain_identity(shop, state, phone)
        assert "stands for nobody: it is used by several people" in nobody


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ([], "ask for a customer"),
        (["what"], "no kind and value"),
        (["a:1", "b:2", "c:3"], "ask for a customer"),
        (["email:nobody@example.com"], "names this email"),
        (["email:anna"], "is no email"),
        (["phone:abc"], r"no phone as till.people.tel .* its country, as \+49 171"),
        (["f" * 32], "nobody has the id"),
    ],
)
def test_a_question_that_is_none_is_answered_with_how_to_ask(
    shop: Company, state: Path, asked: list[str], told: str
) -> None:
    with pytest.raises(ConfigurationError, match=told) as raised:
        explain_identity(shop, state, asked)
    assert "nobody@" not in str(raised.value)


def test_no_plain_value_is_shown(shop: Company, state: Path) -> None:
    text = explain_identity(
        shop, state, ["email:anna@example.com", "phone:03023125000"]
    )
    assert "anna" not in text
    assert "23125000" not in text


def test_without_a_candidate_it_says_how_to_make_one(
    shop: Company, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="make run COMPANY="):
        explain_identity(shop, tmp_path, [ANNA])
