"""What a company says of its PostgreSQL server and of who reads there."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from kith.company.folder import load_company
from kith.company.postgres import Postgres, group_role, prefix_of
from kith.errors import ConfigurationError
from tests.one_table import company


def declare(folder: Path, **keys: Any) -> Path:
    path = company(folder) / "company.yml"
    declared = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**declared, **keys}))
    return folder


def test_without_a_word_there_is_neither_server_nor_audience(tmp_path: Path) -> None:
    found = load_company(company(tmp_path))
    assert (found.postgres, found.audiences) == (None, [])


def test_readers_have_their_audiences(tmp_path: Path) -> None:
    readers = [
        {"login": "chief", "audience": "all"},
        {"login": "Anna B.", "audience": "own_customers", "employee_id": "E1"},
        {"login": "field", "audience": "own_department", "department": "field"},
    ]
    found = load_company(
        declare(tmp_path, postgres={"connection": "bi", "readers": readers})
    ).postgres
    assert found is not None
    said = [reader.model_dump(exclude_none=True) for reader in found.readers]
    assert said == readers
    assert prefix_of(found, "shop") == "shop_"
    assert prefix_of(Postgres(connection="bi", prefix=""), "shop") == ""
    assert group_role("shop", "own_customers") == "kith_shop_own_customers"


@pytest.mark.parametrize(
    ("postgres", "told"),
    [
        ({}, "postgres.connection: Field required"),
        ({"connection": "bi", "password": "x"}, "postgres.password: is no key"),
        (
            {"readers": [{"login": "a", "audience": "own_customers"}]},
            "audience own_customers needs employee_id",
        ),
        (
            {
                "readers": [
                    {"login": "a", "audience": "own_department", "employee_id": "E1"}
                ]
            },
            "audience own_department needs department",
        ),
        (
            {"readers": [{"login": "a", "audience": "all", "department": "x"}]},
            "audience all takes no department",
        ),
        (
            {"readers": [{"login": "a", "audience": "some"}]},
            "audience: Input should be",
        ),
        (
            {"readers": [{"login": "a", "audience": "all"}] * 2},
            "a: expected each login",
        ),
        ({"prefix": "kith_x_"}, "kith_ and pg_ begin other schemas"),
        ({"prefix": "Shop_"}, "postgres.prefix: String should match"),
    ],
)
def test_what_cannot_hold_is_refused(
    tmp_path: Path, postgres: dict[str, Any], told: str
) -> None:
    full = {"connection": "bi", **postgres} if postgres else {}
    with pytest.raises(ConfigurationError, match=r"company\.yml") as caught:
        load_company(declare(tmp_path, postgres=full))
    assert told in str(caught.value)


def test_a_name_that_postgresql_would_cut_off_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="63 bytes at most, and kith_aaa"):
        load_company(declare(tmp_path, name="a" * 40, postgres={"connection": "bi"}))


def test_an_audience_that_has_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="audiences"):
        load_company(declare(tmp_path, audiences=["own_customers"]))
