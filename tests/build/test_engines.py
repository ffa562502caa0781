"""Where dbt computes is declared, and what it takes is asked for before it begins."""

import sys
from pathlib import Path

import pytest

from kith.build import engines
from kith.build.engines import interpreter, spark_environment, target_of
from kith.errors import ConfigurationError, CredentialsError
from kith.runs.run import Run
from kith.settings import REPOSITORY, secrets_known
from tests.conftest import new_run

THRIFT = ("HOST", "PORT", "USER", "PASSWORD", "AUTH")
SHOP = REPOSITORY / "tests" / "companies" / "corner_shop"


def shop(engine: str, connection: str | None = None) -> Run:
    run = new_run(SHOP)
    declared = {"engine": engine, "spark_connection": connection}
    company = run.company.model_copy(update=declared)
    return Run(company, run.interval, run.run_id, run.home)


def test_duckdb_computes_in_our_own_environment_and_needs_to_know_nothing(
    kith_home: Path,
) -> None:
    run = new_run(SHOP)
    assert run.company.engine == "duckdb"
    assert interpreter(run.company) == sys.executable
    assert spark_environment(run) == {}


def test_spark_has_an_environment_of_its_own(
    kith_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "_ENVIRONMENT", tmp_path)
    monkeypatch.setattr(engines, "_is_installed", lambda package: False)
    with pytest.raises(
        ConfigurationError, match=r"company\.yml: engine: spark: .*make spark"
    ):
        interpreter(shop("spark").company)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    assert interpreter(shop("spark").company) == str(tmp_path / "bin" / "python")


@pytest.mark.parametrize(
    "address", ["local", "local[4]", "local[*]", "spark://a:7077", "sc://a:15002"]
)
def test_spark_is_where_the_environment_says(
    kith_home: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("KITH_SPARK", address)
    monkeypatch.setenv("KITH_MEMORY_LIMIT", "3GB")
    monkeypatch.setenv("JAVA_HOME", "/java")
    monkeypatch.setenv("SPARK_CONF_DIR", "/conf")
    monkeypatch.setenv("KITH_IDENTIFIER_KEY", "secret")
    run = shop("spark")
    told = spark_environment(run)
    assert (told["JAVA_HOME"], told["SPARK_CONF_DIR"]) == ("/java", "/conf")
    assert "secret" not in told.values()
    assert told["KITH_SPARK"] == address
    assert told["KITH_SPARK_MEMORY"] == "3g"
    assert told["KITH_SPARK_TABLES"] == str(run.folder / "warehouse" / "spark")


@pytest.mark.parametrize(
    "address",
    [
        *("http://ana:hush@a:10000", "a:7077", "local[two]", "sc://"),
        *("thrift://:10000", "thrift://ana:hush/77@lake"),
    ],
)
def test_an_address_that_is_none_is_refused_with_those_that_are(
    kith_home: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("KITH_SPARK", address)
    with pytest.raises(ConfigurationError) as refused:
        spark_environment(shop("spark"))
    assert str(refused.value).startswith("KITH_SPARK: expected local[2]")
    assert "hush" not in str(refused.value)


def test_a_driver_of_our_own_needs_java_and_a_server_elsewhere_none(
    kith_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(engines.shutil, "which", lambda name: None)
    with pytest.raises(ConfigurationError, match="needs Java"):
        spark_environment(shop("spark"))
    monkeypatch.setenv("KITH_SPARK", "sc://host:15002")
    assert spark_environment(shop("spark"))["KITH_SPARK"] == "sc://host:15002"


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("spark-connect://lake:15003", "sc://lake:15003"),
        ("spark-connect://sc%3A%2F%2Flake", "sc://lake:15002"),
        (
            "spark-connect://ana:to%2Fken@lake/?use_ssl=True",
            "sc://lake:15002/;user_id=ana;token=to%2Fken;use_ssl=true",
        ),
        ("spark://spark%3A%2F%2Fmaster:7078", "spark://master:7078"),
        ("spark://master", "spark://master:7077"),
        ("spark://local%5B4%5D", "local[4]"),
        ("spark://localhost:7078", "spark://localhost:7078"),
        ("spark://spark%3A%2F%2Fmaster%3A7078", "spark://master:7078"),
        ("spark://a%3A7077%2Cb%3A7077", "spark://a:7077,b:7077"),
        ("spark-connect://sc%3A%2F%2Flake%3A15003", "sc://lake:15003"),
        ("hiveserver2://lake", "thrift://lake:10000"),
        ("hiveserver2://ana:a%2Fb@lake:10001", "thrift://ana:a%2Fb@lake:10001"),
    ],
)
def test_a_connection_of_airflow_says_where_spark_is(
    kith_home: Path, monkeypatch: pytest.MonkeyPatch, uri: str, address: str
) -> None:
    monkeypatch.setenv("KITH_SPARK", "local[*]")
    monkeypatch.setenv("JAVA_HOME", "/java")
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", uri)
    assert spark_environment(shop("spark", "lake"))["KITH_SPARK"] == address


def test_dbt_finds_a_thrift_server_by_its_own_profile(
    kith_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines.shutil, "which", lambda name: None)  # No Java here.
    monkeypatch.delenv("JAVA_HOME", raising=False)
    run = shop("spark")
    monkeypatch.setenv("KITH_SPARK", "thrift://lake")
    told = spark_environment(run)
    assert target_of(run.company, told) == "thrift"
    assert {name: told[f"KITH_SPARK_{name}"] for name in THRIFT} == {
        **{"HOST": "lake", "PORT": "10000", "USER": "kith"},
        **{"PASSWORD": "None", "AUTH": "None"},
    }
    monkeypatch.setenv("KITH_SPARK", "thrift://ana:a%2Fb%27s@lake:10001")
    told = spark_environment(run)
    assert {name: told[f"KITH_SPARK_{name}"] for name in THRIFT} == {
        **{"HOST": "lake", "PORT": "10001", "USER": "ana"},
        **{"PASSWORD": '"a/b\'s"', "AUTH": "'LDAP'"},
    }
    assert "a%2Fb%27s" in secrets_known()
    monkeypatch.setenv("KITH_SPARK", "sc://lake:15002/;token=hush-77d1;use_ssl=true")
    assert target_of(run.company, spark_environment(run)) == "spark"
    assert "hush-77d1" in secrets_known()


def test_who_only_parses_needs_no_connection(kith_home: Path) -> None:
    run = shop("spark", "lake")
    told = spark_environment(run, opens_session=False)
    assert list(told) == ["KITH_SPARK_TABLES"]
    with pytest.raises(CredentialsError, match=r"'lake' is unknown.*AIRFLOW_CONN_LAKE"):
        spark_environment(run)


@pytest.mark.parametrize(
    ("uri", "fault"),
    [
        (
            "http://lake:80",
            "'lake': is of type http; expected spark, ",
        ),
        ("spark-connect://:hush@/", r"'lake': expected local\[2\]"),
    ],
)
def test_a_connection_that_is_none_to_spark_is_refused_without_its_secret(
    kith_home: Path, monkeypatch: pytest.MonkeyPatch, uri: str, fault: str
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", uri)
    with pytest.raises(ConfigurationError, match=fault) as refused:
        spark_environment(shop("spark", "lake"))
    assert "hush" not in str(refused.value)
