"""Which tables the gate judges on Spark, and why its process ended."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from kith.build.engines import spark_folder
from kith.company.folder import load_company
from kith.errors import KithError
from kith.gate import on_spark
from kith.gate.on_spark import validate_on_spark
from kith.gate.tables import Table
from kith.runs.run import Interval, Run
from tests.one_table import company

TABLES = [
    Table(schema, name, 1, ("id",), ("id",))
    for schema, name in (
        ("feeds", "orders"),
        ("customer", "customers"),
        ("operations", "model_runs"),
        ("operations", "not_of_spark"),
    )
]


@pytest.fixture
def run(kith_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run whose tables Spark has built, but for one."""
    monkeypatch.setenv("KITH_SPARK", "sc://lake:15002")
    shop = load_company(company(tmp_path)).model_copy(update={"engine": "spark"})
    run = Run(shop, Interval.from_slug("20240101-20240131"), "run_1", kith_home)
    for table in TABLES[:3]:
        folder = spark_folder(run) / "built" / table.schema / table.name
        folder.mkdir(parents=True)
    run.run_folder.mkdir(parents=True)
    return run


def end(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Let the process do nothing else than a script with what it is told."""

    def start(*_: object) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            ["sh", "-c", f"read told; {script}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    monkeypatch.setattr(on_spark, "_start", start)


def test_spark_judges_what_it_has_built_but_for_the_logs(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = run.run_folder / "told.json"
    found = {"feeds.orders": [{"success": True, "result": {}}, None]}
    results = run.run_folder / "gate_spark.json"
    end(
        monkeypatch,
        f"echo \"$told\" > '{told}'; echo '{json.dumps(found)}' > '{results}'",
    )
    ((name, (first, second)),) = validate_on_spark(run, TABLES).items()
    assert (name, first.success, second) == ("feeds.orders", True, None)
    assert not results.exists(), "it may hold what is known of a person"
    assert json.loads(told.read_text()) == {
        "company": str(run.company.folder),
        "results": str(results),
        "tables": [["feeds", "feeds", "orders"], ["marts", "customer", "customers"]],
    }


@pytest.mark.parametrize(
    ("engine", "address"), [("duckdb", "local"), ("spark", "thrift://lake:10000")]
)
def test_nothing_is_judged_where_great_expectations_has_no_spark(
    engine: str, address: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KITH_SPARK", address)
    end(monkeypatch, "exit 1")
    other = run.company.model_copy(update={"engine": engine})
    assert validate_on_spark(Run(other, run.interval, "r", run.home), TABLES) == {}


@pytest.mark.parametrize(
    ("script", "kind", "says"),
    [
        ("kill -9 $$", "resource", "was killed by SIGKILL, perhaps for lack of memory"),
        ("kill -TERM $$", "transient", "was killed by SIGTERM; run it again"),
        (
            "echo java.lang.OutOfMemoryError: Java heap space; exit 1",
            "resource",
            "the machine has no memory left (Java heap space)",
        ),
        (
            f"echo Connection refused; exit {os.EX_TEMPFAIL}",
            "transient",
            "Spark is not there, or went away: Connection refused; run it again",
        ),
        (
            "echo KeyError: x; exit 1",
            "broken_check",
            "the gate on Spark broke: KeyError: x",
        ),
    ],
)
def test_why_the_process_ended_is_told_by_its_class(
    script: str, kind: str, says: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    end(monkeypatch, script)
    with pytest.raises(KithError) as stopped:
        validate_on_spark(run, TABLES)
    assert stopped.value.failure_class == kind
    assert says in str(stopped.value)
    assert str(stopped.value).endswith("gate_spark.log")
