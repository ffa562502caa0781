"""Folders become tables of a session; a real one is opened by test_spark."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from kith.build.spark_session import register_sources


class Session:
    """A catalogue that notes what it is told."""

    def __init__(self, databases: dict[str, str]) -> None:
        self.told: list[str] = []
        listed = [
            SimpleNamespace(name=name, locationUri=place)
            for name, place in databases.items()
        ]
        self.catalog: Any = SimpleNamespace(listDatabases=lambda: listed)

    def sql(self, statement: str) -> None:
        self.told.append(statement)


def test_each_folder_is_a_table(tmp_path: Path) -> None:
    for name in ("crm/cases", "crm/it's", "kith/run"):
        (tmp_path / "sources" / name).mkdir(parents=True)
    session = Session({})
    register_sources(session, tmp_path)
    place = f"{tmp_path}/sources"
    assert session.told == [
        f"create schema `crm` location '{place}/crm'",
        f"create table `crm`.`cases` using parquet location '{place}/crm/cases'",
        f"create table `crm`.`it's` using parquet location '{place}/crm/it\\'s'",
        f"create schema `kith` location '{place}/kith'",
        f"create table `kith`.`run` using parquet location '{place}/kith/run'",
    ]


def test_what_a_server_keeps_of_the_build_before_goes_and_nothing_else(
    tmp_path: Path,
) -> None:
    (tmp_path / "sources").mkdir()
    built = f"file:{tmp_path}/built/customer"
    session = Session({"default": "file:/elsewhere", "customer": built})
    register_sources(session, tmp_path)
    assert session.told == ["drop schema `customer` cascade"]
