from pathlib import Path
from typing import Any

import pytest

from kith.company.folder import Company, load_company
from kith.company.postgres import Postgres, Reader
from kith.dashboards.places import MASK, Place, file_place, postgres_place
from kith.errors import ConfigurationError
from kith.pull.connections import Connection
from kith.settings import REPOSITORY

READERS = [
    Reader(login="chief", audience="all"),
    Reader(login="analyst", audience="without_personal_data"),
]


@pytest.fixture(scope="module")
def company() -> Company:
    return load_company(REPOSITORY / "tests" / "companies" / "corner_shop")


def of_postgres(company: Company, prefix: str | None = None, **changed: Any) -> Place:
    told = {
        "id": "bi_reader",
        "kind": "postgres",
        "host": "db",
        "login": "chief",
        "password": "hush-77d1",
        "schema": "bi",
    }
    declared = Postgres(connection="bi", prefix=prefix, readers=READERS)
    return postgres_place(company, declared, Connection(**{**told, **changed}))


def test_the_file_is_opened_through_the_pointer_and_only_read() -> None:
    place = file_place(Path("/data/a b/published"), "2GB", 4)
    assert place.uri == "duckdb:////data/a%20b/published/current/kith.duckdb"
    assert place.connect_args["read_only"] is True
    assert place.connect_args["config"]["autoinstall_known_extensions"] is False
    assert place.schemas["segment"] == "segment"
    assert (place.stamp_schema, place.password) == ("main", None)


def test_postgres_is_read_through_its_views(company: Company) -> None:
    place = of_postgres(company)
    assert place.uri == f"postgresql+psycopg2://chief:{MASK}@db:5432/bi"
    assert place.schemas["segment"] == "corner_shop_segment"
    assert place.stamp_schema == "corner_shop_operations"
    assert place.password == "hush-77d1"  # noqa: S105
    assert "hush" not in repr(place)
    assert of_postgres(company, prefix="").stamp_schema == "operations"


def test_what_a_connection_says_besides_goes_along(company: Company) -> None:
    place = of_postgres(company, port=6432, extra={"sslmode": "require"})
    assert place.uri.endswith("@db:6432/bi?sslmode=require")
    place = of_postgres(company, host="/run/pg")
    assert place.uri.endswith(f":{MASK}@/bi?host=%2Frun%2Fpg&port=5432")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"login": "loader"}, r"is loader; expected one of .*\(chief, analyst\)"),
        ({"login": None}, "is missing; expected one of"),
        ({"login": "analyst"}, "reads without_personal_data; expected another"),
        ({"kind": "mysql"}, "its kind is 'mysql'; expected postgres"),
    ],
)
def test_who_may_not_read_the_marts_is_refused(
    company: Company, changed: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigurationError, match=told):
        of_postgres(company, **changed)
