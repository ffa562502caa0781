"""The watchdog as a command, and as what Airflow calls of a missed deadline."""

from pathlib import Path

import pytest
import yaml

from kith.company.folder import Company, load_company
from kith.incidents.history import open_incidents
from kith_airflow.watchdog import deadline_of, look_after, watchdog
from tests.conftest import new_run
from tests.incidents.test_readers import publish
from tests.kith_airflow.test_alerts import declare, in_airflow, servers
from tests.one_table import company

WATCH = """
import sys
from kith_airflow.cli import main
code = main([sys.argv[1]])
heavy = ("airflow", "dbt", "great_expectations", "pandas")
print(code, [name for name in heavy if name in sys.modules])
"""


def test_the_watchdog_alerts_once_and_takes_nothing_of_airflow_to_look(
    tmp_path: Path, kith_home: Path
) -> None:
    folder = company(tmp_path / "shop")
    declare(folder, [{"connection": "hook"}])
    run = new_run(folder, "2024-03-05", "2024-03-05")
    publish(run.folder, '{"as_of_date": "2024-03-05", "files": {}}')
    other = company(tmp_path / "other")
    named = yaml.safe_load((other / "company.yml").read_text()) | {"name": "other"}
    (other / "company.yml").write_text(yaml.safe_dump({**named, "title": "Other"}))
    with servers() as (connections, posts, _), pytest.MonkeyPatch.context() as patch:
        patch.setenv("KITH_COMPANIES", f"{other},{folder}")
        looks = [
            in_airflow(WATCH, "watchdog", connections=connections) for _ in range(2)
        ]
        patch.setenv("COMPANY", str(other))
        one = in_airflow(WATCH, "watchdog", connections=connections)
        (folder / "company.yml").write_text("name: [")
        patch.setenv("COMPANY", str(folder))
        broken = in_airflow(WATCH, "watchdog", connections=connections)
    # A look at the release found nothing to open, the promise is long past.
    assert {body["thing"] for *_, body in posts} == {"release"}
    assert sorted(body["failure_class"] for *_, body in posts) == [
        *("overdue", "resource")
    ]
    for done in looks:
        assert done.stdout.splitlines()[-1] == "1 []", done.stderr
        assert "Other: never ran" in done.stdout
        assert "Shop: Readers still have release" in done.stdout
        assert "  cause     Readers still have release " in done.stderr
    assert looks[0].stdout.count(" told by hook") == 2
    assert looks[1].stdout.count(" told by hook") == 0
    assert one.stdout.splitlines() == ["Other: never ran", "0 []"]
    assert broken.stdout.splitlines()[-1] == "1 []"
    assert "company.yml: " in broken.stderr


def test_what_airflow_calls_looks_at_that_company(
    tmp_path: Path, kith_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = company(tmp_path / "shop")
    run = new_run(folder, "2024-03-05", "2024-03-05")
    publish(run.folder, '{"as_of_date": "2024-03-05", "files": {}}')
    look_after(folder=str(folder))
    told = [(each.failure_class, each.stage) for each in open_incidents(run.folder)]
    assert told == [("resource", "watchdog"), ("overdue", "watchdog")]
    assert capsys.readouterr().out.startswith("Shop: Readers still have release")


def test_a_run_that_airflow_only_tests_has_no_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = load_company(company(tmp_path / "shop"))
    monkeypatch.setattr("sys.argv", ["airflow", "dags", "test", "x"])
    assert deadline_of(shop) is None


def test_a_company_that_cannot_be_looked_at_hides_none_after_it(
    tmp_path: Path,
    kith_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folders = [company(tmp_path / name) for name in ("first", "second")]
    for folder in folders:
        declared = yaml.safe_load((folder / "company.yml").read_text())
        declared |= {"name": folder.name, "title": folder.name}
        (folder / "company.yml").write_text(yaml.safe_dump(declared))
    monkeypatch.setenv("KITH_COMPANIES", ",".join(map(str, folders)))

    def broken(_: object, of: Company) -> int:
        if of.name == "first":
            raise OverflowError("date value out of range")
        print(f"{of.name} was looked at")
        return 0

    monkeypatch.setattr("kith_airflow.watchdog.watch_over", broken)
    assert watchdog() == 1
    told = capsys.readouterr()
    assert told.err == (
        "first: cannot be looked at: OverflowError: date value out of range\n"
    )
    assert told.out == "second was looked at\n"
