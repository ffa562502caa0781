"""Commands about releases."""

import datetime as dt
import json
import shutil
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kith.approve.approval import Restatement, Restatements, approval_of, note_path
from kith.company.folder import Company, load_company
from kith.errors import KithError
from kith.incidents.failure import describe
from kith.incidents.history import open_incidents, record_failure
from kith.reproduce.rebuild import Rebuilt
from kith.runs.run import Interval
from kith_airflow.cli import main
from kith_airflow.commands import releases
from kith_airflow.home import AirflowHome
from tests.kith_airflow.commands.conftest import SHOP, Kith
from tests.one_table import company, deliver, run_door, sales


def test_releases_are_listed_the_newest_first(
    tmp_path: Path,
    kith_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    company(tmp_path)
    monkeypatch.setenv("COMPANY", str(tmp_path))
    assert main(["releases"]) == 0
    assert capsys.readouterr().out == "Shop: nothing was published yet\n"
    published = kith_home / "shop" / "published"
    for day, name in (("2024-01-31", "20240201T0"), ("2024-02-29", "20240301T0")):
        (published / name / "report").mkdir(parents=True)
        (published / name / "report" / "index.html").write_bytes(b" " * 1_500_000)
        (published / name / "manifest.json").write_text(
            json.dumps({"as_of_date": day, "files": {}})
        )
    (published / "current").symlink_to("20240301T0")
    (published / "20240201T0" / "report" / "index.html").unlink()
    (published / "20240201T0" / "manifest.json").write_text(
        json.dumps({"as_of_date": "2024-01-31", "files": {"kith.duckdb": "1a2b"}})
    )
    assert main(["releases"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "20240301T0  data as of 2024-02-29        1.5 MB  current",
        "20240201T0  data as of 2024-01-31        0.0 MB  "
        "kith.duckdb is missing, no page",
    ]


def test_rollback_says_where_a_release_has_no_page(kith: Kith) -> None:
    code, output, _ = kith.call("rollback", RELEASE="without_page")
    assert code == 0
    assert output.splitlines()[1].startswith("It has no report page: ")


def test_rollback_hands_on_company_and_release(kith: Kith) -> None:
    code, output, _ = kith.call("rollback", RELEASE="some_release")
    assert (code, output) == (0, "current is now corner_shop/some_release")


def test_serve_and_rollback_bring_postgresql_to_the_current_release(
    kith: Kith, tmp_path: Path
) -> None:
    folder = shutil.copytree(SHOP, tmp_path / "served")
    with (folder / "company.yml").open("a") as declared:
        declared.write("postgres: {connection: bi}\n")
    told = {"COMPANY": str(folder), "AIRFLOW_CONN_BI": "postgres://db.example/bi"}
    code, output, _ = kith.call("serve", **told)
    assert code == 0
    assert output.splitlines() == [
        "PostgreSQL serves R1 of 2024-01-01 2024-01-01, from schema kith_r1",
        "no such login: anna",
    ]
    code, output, _ = kith.call("rollback", RELEASE="some_release", **told)
    assert code == 0
    assert output.splitlines()[:2] == [
        "current is now corner_shop/some_release",
        "PostgreSQL serves R1 of 2024-01-01 2024-01-01, from schema kith_r1",
    ]
    # Where it cannot be reached the files have turned back, and what to do is said.
    (kith.home / "refused").touch()
    code, output, errors = kith.call("rollback", RELEASE="some_release", **told)
    assert (code, output) == (1, "current is now corner_shop/some_release")
    assert "PostgreSQL still serves the former release: connection 'bi'" in errors
    assert "make serve, or clear the task serve" in errors


def test_who_was_told_that_serve_failed_is_told_that_it_recovered(
    kith_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = company(tmp_path / "shop")
    with (folder / "company.yml").open("a") as declared:
        declared.write("postgres: {connection: bi}\n")
    monkeypatch.setenv("COMPANY", str(folder))
    served = SimpleNamespace(release_id="R1", schema="kith_r1", missing_logins=[])
    monkeypatch.setattr("kith.serve.serve.serve", lambda *_: served)
    asked: list[Any] = []

    def tell(home: AirflowHome, company: Company) -> None:
        asked.append((company.name, open_incidents(kith_home / company.name)))

    monkeypatch.setattr(releases, "send_pending_alerts", tell)
    shop = load_company(folder)
    day = Interval(shop.first_day, shop.first_day)
    failed = describe(KithError("x: 'y' failed; see z"), "serve", "", day, "r", shop)
    record_failure(kith_home / "shop", "shop", shop, failed)
    assert main(["serve"]) == 0
    assert asked == [("shop", [])]


def test_prune_says_what_would_go_and_removes_it_when_told_to(
    tmp_path: Path,
    kith_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    deliver(company(tmp_path), sales(40))
    for _ in range(5):
        run = run_door(tmp_path)
        with run.stage("publish"):
            pass
    attempts = sorted((kith_home / "shop/raw/shop/sales").glob("[0-9]*/[0-9]*"))
    monkeypatch.setenv("COMPANY", str(tmp_path))
    capsys.readouterr()
    assert main(["prune"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "Shop: Would go: 2 raw, 0.0 MB"
    assert sorted(line.split()[-1] for line in told[1:3]) == [
        str(path.relative_to(kith_home)) for path in attempts[:2]
    ]
    assert told[3] == "Nothing was removed; make prune APPLY=yes removes it"
    assert all(path.exists() for path in attempts)

    monkeypatch.setenv("APPLY", "maybe")
    assert main(["prune"]) == 1
    assert "APPLY=maybe: expected yes" in capsys.readouterr().err
    monkeypatch.setenv("APPLY", "yes")
    assert main(["prune"]) == 0
    assert capsys.readouterr().out.startswith("Shop: Removed: 2 raw, 0.0 MB\n")
    assert [path.exists() for path in attempts] == [False] * 2 + [True] * 3
    assert main(["prune"]) == 0
    assert capsys.readouterr().out == (
        "Shop: nothing is superseded beyond what is kept\n"
    )


def test_changes_are_approved_by_the_run_that_found_them(
    kith_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COMPANY", str(SHOP))
    state = kith_home / "corner_shop"

    def call(run: str) -> tuple[int, str]:
        monkeypatch.setenv("RUN", run)
        code = main(["approve"])
        said = capsys.readouterr()
        return code, said.out + said.err

    assert call("") == (
        1,
        "Failed: make approve needs the run whose changes are approved, as its error "
        "names it: make approve COMPANY=companies/x RUN=…\n",
    )
    code, said = call("run_1")
    assert code == 1
    assert "not found, or of another version of Kith" in said
    change = Restatement(
        mart="customer.orders",
        period_grain="month",
        period_start=dt.date(2024, 3, 1),
        period_end=dt.date(2024, 3, 31),
        dimensions='{"channel": "web"}',
        measure="revenue_amount",
        old_value=Decimal("1000.10"),
        new_value=Decimal(1200),
        difference=Decimal("199.9"),
        change_pct=16.7,
        reason="late data",
        is_beyond_limit=True,
    )
    for run, is_beyond in (("run_1", False), ("run_2", True)):
        found = Restatements(
            run_id=run,
            release_id="r",
            candidate="c",
            digest=run,
            changes=[change.model_copy(update={"is_beyond_limit": is_beyond})],
        )
        note = note_path(state / "runs" / run)
        note.parent.mkdir(parents=True)
        note.write_text(found.model_dump_json())
    assert call("run_1") == (0, "run_1 changes no published number beyond the limit\n")
    assert approval_of(state, "run_1") is None
    code, said = call("run_2")
    assert code == 0
    told = "customer.orders, 2024-03, channel web: revenue_amount 1,000.10 -> 1,200 "
    assert f"{told}(16.7 %, late data)" in said
    assert "these 1 changes and 0 smaller ones" in said
    approval = approval_of(state, "run_2")
    assert approval and (approval.run_id, bool(approval.by)) == ("run_2", True)


def test_a_past_day_is_made_again(
    kith_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COMPANY", str(SHOP))
    monkeypatch.setenv("AS_OF", "30.6.2024")
    assert main(["rebuild"]) == 1
    assert "AS_OF=30.6.2024: not a day" in capsys.readouterr().err
    made = Rebuilt(Path("kith_build.duckdb"), {"customer.orders": "ab12"})
    asked: list[object] = []

    def rebuilt(company: Any, home: Path, day: dt.date) -> Rebuilt:
        asked.extend([company.name, home, day])
        return made

    monkeypatch.setattr("kith.reproduce.rebuild.rebuild", rebuilt)
    monkeypatch.setenv("AS_OF", "2024-06-30")
    assert main(["rebuild"]) == 0
    assert asked == ["corner_shop", kith_home, dt.date(2024, 6, 30)]
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [["customer.orders", "ab12"], ["database", "kith_build.duckdb"]]
