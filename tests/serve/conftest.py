"""A PostgreSQL server, and for each test a company with a database of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kith_airflow.postgres import Postgres
from tests.serve.stand_in import Shop, new_shop, prepare


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    folder = tmp_path_factory.mktemp("served")
    made = Postgres(folder / "postgresql", folder / "log")
    with made.running():
        prepare(made)
        yield made


@pytest.fixture
def shop(server: Postgres, kith_home: Path) -> Shop:
    return new_shop(server, kith_home)
