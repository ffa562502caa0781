"""A run that failed, made again after its cause was mended, through the command."""

import gzip
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from kith import stages
from kith.company.folder import load_company
from kith.errors import (
    BuildError,
    ConfigurationError,
    DeliveryError,
    GateError,
    KithError,
)
from kith.publish.pruning import prune
from kith.reproduce import reproduction
from kith.reproduce.reproduction import reproduce
from kith.runs.provenance import keep_provenance
from kith.runs.run import Run
from tests.conftest import new_run
from tests.one_table import COLUMNS, HEADER, TABLE, company, deliver, sales, with_rules

Command = Callable[..., subprocess.CompletedProcess[str]]
PLANTED = "planted.person"
BUYER = {"name": "buyer", "data_type": "varchar", "meta": {"pii": "email"}}


def planned(folder: Path, run_id: str, day: str = "2024-12-31") -> dict[str, str]:
    params = {"from_day": "2024-01-01", "to_day": day}
    run, _ = stages.plan(str(folder), params, run_id)
    return run


def brought_in(folder: Path, run_id: str, day: str = "2024-12-31") -> dict[str, str]:
    """Plan, pull and admit, as the DAG's tasks do."""
    run = planned(folder, run_id, day)
    for table in load_company(folder).sources:
        stages.pull(run, table.full_name)
        stages.admit(run, table.full_name)
    return run


def tree(home: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(home)): path.read_bytes()
        for path in home.rglob("*")
        if path.is_file() and "reproduced" not in path.parts and path.name != ".lock"
    }


def called(command: Command, folder: Path, home: Path, run: str) -> tuple[int, str]:
    done = command("reproduce", COMPANY=str(folder), KITH_HOME=str(home), RUN=run)
    return done.returncode, done.stdout + done.stderr


# --- admission ------------------------------------------------------------------------


@pytest.fixture
def refused(tmp_path: Path, kith_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A company whose run `bad/1` was refused at the door, and which was mended since.

    Four of 40 rows were bad. Their delivery was replaced, the rule taken back, what
    nobody needs was pruned.
    """
    monkeypatch.setenv("KITH_IDENTIFIER_KEY", "k" * 40)
    folder = company(tmp_path / "shop", columns=[*COLUMNS, BUYER])
    lines = [f"{line},{PLANTED}{n}@example.com" for n, line in enumerate(sales(40))]

    def written(lines: list[str]) -> None:
        text = "\n".join([f"{HEADER},buyer", *lines]) + "\n"
        (folder / "data" / "sales.csv").write_text(text)

    written(lines)
    brought_in(folder, "good/0", "2024-03-05")
    bad = list(lines)
    for number in (3, 17, 29):
        parts = lines[number].split(",")
        bad[number] = ",".join([*parts[:2], "-7", *parts[3:]])
    parts = lines[30].split(",")
    bad[30] = ",".join([*parts[:3], f"{PLANTED}@example.com", parts[4]])
    written(bad)
    with pytest.raises(DeliveryError, match="4 of 40 rows are bad"):
        brought_in(folder, "bad/1")
    written(lines)
    company(
        folder, columns=[*with_rules("quantity", minimum=-100), BUYER], time_zone="UTC"
    )
    declared = yaml.safe_load((folder / "company.yml").read_text())
    declared["retention"] = {"raw": {"count": 2}}
    (folder / "company.yml").write_text(yaml.safe_dump(declared))
    for number in range(2):
        run = Run.from_dict(brought_in(folder, f"good/{number + 2}"))
        with run.stage("publish"):
            pass
    prune(run, (), apply=True)
    return folder


def test_an_admission_stop_is_made_again_after_all_was_mended(
    refused: Path, kith_home: Path, kith_command: Command
) -> None:
    before = tree(kith_home)
    code, output = called(kith_command, refused, kith_home, "bad/1")
    assert code == 0, output
    assert tree(kith_home) == before  # What was admitted since stays.
    lines = [" ".join(line.split()) for line in output.splitlines()]
    assert lines[0] == "Run bad/1 of shop, 2024-01-01 to 2024-12-31"
    assert lines[1].startswith("failed admit shop.sales: shop.sales: 4 of 40 rows")
    assert any(
        line.startswith("Stopped: admit shop.sales: shop.sales: 4 of 40")
        for line in lines
    )
    assert "3 × below_minimum in quantity" in lines
    for number in (4, 18, 30):  # From 1.
        assert f"data/sales.csv {number} quantity below_minimum -7 >= 0" in lines
    assert PLANTED not in output
    place = kith_home / "reproduced" / "shop" / "bad_1"
    with duckdb.connect(str(place / "failing.duckdb"), read_only=True) as database:
        assert database.execute(
            "select row_number from failing_rows order by all"
        ).fetchall() == [(4,), (18,), (30,), (31,)]
    planted = [
        p
        for p in place.rglob("*")
        # It was delivered in a column that names nobody, and raw is what was delivered.
        if p.is_file() and "raw" not in p.parts and PLANTED.encode() in p.read_bytes()
    ]
    assert planted == []


def test_a_run_whose_raw_attempts_are_gone_is_not_made_again(
    refused: Path, kith_home: Path
) -> None:
    (attempt, *_) = sorted(
        (kith_home / "shop/raw/shop/sales").glob("20240101-20241231/[0-9]*")
    )
    shutil.rmtree(attempt)
    with pytest.raises(
        ConfigurationError,
        match=rf"bad_1: .* pruned: shop.sales of 20240101-20241231, pulled "
        rf"{attempt.name}; it cannot be made again",
    ):
        reproduce(load_company(refused), kith_home, "bad/1")
    assert not (kith_home / "reproduced" / "shop" / "bad_1").exists()


def test_other_code_is_told_with_its_commit(
    refused: Path, kith_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(reproduction, "code_hash", lambda: "another")
    reproduce(load_company(refused), kith_home, "bad_1", said.append)
    note = json.loads((kith_home / "shop/runs/bad_1/provenance.json").read_text())
    told = " ".join(said)
    commit = note["git_commit"]
    assert (f"then commit {commit}" if commit else "then code") in told
    said.clear()
    monkeypatch.undo()
    monkeypatch.setenv("KITH_HOME", str(kith_home))
    reproduce(load_company(refused), kith_home, "bad_1", said.append)
    assert "differs" not in " ".join(said)


def test_what_cannot_be_made_again_is_told(refused: Path, kith_home: Path) -> None:
    declared = load_company(refused)
    with pytest.raises(ConfigurationError, match=r"no run x; the last .*: bad_1$"):
        reproduce(declared, kith_home, "x")
    with pytest.raises(ConfigurationError, match=r"which run\? Give RUN=; .*: bad_1$"):
        reproduce(declared, kith_home, None)
    with pytest.raises(ConfigurationError, match="good_2: the run did not fail"):
        reproduce(declared, kith_home, "good/2")
    run = planned(refused, "unreached")
    (refused / "data" / "sales.csv").unlink()
    with pytest.raises(DeliveryError):
        stages.pull(run, TABLE)
    with pytest.raises(
        ConfigurationError, match=r"failed in pull shop.sales, .*run these days again"
    ):
        reproduce(declared, kith_home, "unreached")
    (kith_home / "shop/runs/bad_1/provenance.json").unlink()
    with pytest.raises(ConfigurationError, match=r"provenance.json: not found"):
        reproduce(declared, kith_home, "bad_1")


def test_of_a_release_that_was_not_served_it_says_what_to_do(
    refused: Path, kith_home: Path
) -> None:
    run = new_run(refused)
    keep_provenance(run)
    with pytest.raises(KithError), run.stage("serve"):
        raise KithError("no such server")
    with pytest.raises(ConfigurationError, match="mend that, then make serve"):
        reproduce(run.company, kith_home, run.run_id)


def test_a_run_that_passes_now_is_said_to(
    refused: Path, kith_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reproduction, "admit_table", lambda run, table: None)
    found = reproduce(load_company(refused), kith_home, "bad_1", lambda _: None)
    assert found.lines == ["Not reproduced: admit shop.sales passes now"]
    assert not found.is_reached


def test_a_killed_run_is_made_again_to_where_it_was(
    tmp_path: Path, kith_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = company(tmp_path / "shop")
    deliver(folder, sales(40))
    run = Run.from_dict(brought_in(folder, "killed"))
    run._write({"stage": "build", "item": "", "event": "start", "at": 9e9})
    seen = []
    monkeypatch.setattr(reproduction, "build", seen.append)
    said: list[str] = []
    found = reproduce(load_company(folder), kith_home, "killed", said.append)
    assert not found.is_reached
    assert any("failed    build: the run was killed" in line for line in said)
    (again,) = seen
    assert again.home == kith_home / "reproduced" / "shop" / "killed" / "home"
    scratch = again.admitted(TABLE) / run.interval.slug / "data.parquet"
    assert (
        duckdb.sql(f"from '{scratch}'").fetchall()
        == duckdb.sql(
            f"from '{run.admitted(TABLE) / run.interval.slug / 'data.parquet'}'"
        ).fetchall()
    )


# --- build and gate -------------------------------------------------------------------

SUITE = """
import great_expectations.expectations as gxe
from kith.gate.rows import CRITICAL, no_rows

EXPECTATIONS = [
    no_rows("No product is dear", CRITICAL,
            "select * from {batch} where unit_cost_amount > 5.4"),
    gxe.ExpectColumnValuesToBeInSet(
        column="category", value_set=["bread", "fruit", "drinks"], severity=CRITICAL,
        description="No household goods"),
]
"""


def products(folder: Path) -> list[dict[str, Any]]:
    with gzip.open(folder / "data" / "products.jsonl.gz", "rt") as file:
        return [json.loads(line) for line in file]


def test_a_failed_model_and_a_gate_stop_are_made_again_after_all_was_mended(
    corner_shop_data: Path, tmp_path: Path, kith_home: Path, kith_command: Command
) -> None:
    folder = shutil.copytree(corner_shop_data, tmp_path / "company")
    model = folder / "staging" / "stg_shop__products.sql"
    whole = model.read_text()

    model.write_text(
        whole.replace(
            "product_name", "cast(product_name as integer) as product_name", 1
        )
    )
    run = brought_in(folder, "broken model")
    with pytest.raises(BuildError):
        stages.build(run)
    model.write_text(whole)

    suite = folder / "expectations" / "feeds" / "products.py"
    suite.parent.mkdir(parents=True)
    suite.write_text(SUITE)
    run = brought_in(folder, "stopped by the gate")
    stages.build(run)
    with pytest.raises(GateError):
        stages.audit(run)
    shutil.rmtree(folder / "expectations")
    declared = yaml.safe_load((folder / "company.yml").read_text())
    (folder / "company.yml").write_text(yaml.safe_dump({**declared, "title": "Other"}))
    before = tree(kith_home)

    code, output = called(kith_command, folder, kith_home, "stopped by the gate")
    assert code == 0, output
    lines = [" ".join(line.split()) for line in output.splitlines()]
    dear = sorted(p["product_code"] for p in products(folder) if p["unit_cost"] > 5.4)
    household = [p for p in products(folder) if p["category"] == "household"]
    at = lines.index(
        f"feeds.products: 'No product is dear' failed, observed {len(dear)} rows"
    )
    assert lines[at + 1] == (
        "query select * from feeds.products where unit_cost_amount > 5.4"
    )
    shown = lines[at + 3 : at + 3 + min(20, len(dear))]
    assert [line.split()[-1] for line in shown] == dear[:20]
    assert (
        "feeds.products: 'No household goods' failed, observed 250 of 1000 values"
        in (lines)
    )
    place = kith_home / "reproduced" / "corner_shop" / "stopped_by_the_gate" / "home"
    (log,) = place.glob("corner_shop/runs/*/dbt/output.log")
    assert "full parse" not in log.read_text()  # It goes on from the run's own.
    warehouse = place / "corner_shop" / "warehouse" / "kith_build.duckdb"
    with duckdb.connect(str(warehouse), read_only=True) as database:
        found = [
            [
                product
                for (product,) in database.execute(
                    f"select product_id from failing.{view} order by all"
                ).fetchall()
            ]
            for view in ("check_1", "check_2")
        ]
        views = database.execute(
            "select view_name from duckdb_views() where schema_name = 'failing' "
            "order by 1"
        ).fetchall()
    assert views == [("check_1",), ("check_2",)]
    assert found == [sorted(p["product_code"] for p in household), dear]

    code, output = called(kith_command, folder, kith_home, "broken model")
    assert code == 0, output
    assert "Stopped: build: dbt stg_shop__products: " in output
    compiled = [
        line.split("its SQL is ")[1]
        for line in output.splitlines()
        if "its SQL" in line
    ]
    assert any("cast(product_name as integer)" in Path(p).read_text() for p in compiled)
    assert any(
        line.split()[0] == "reads" and line.endswith(": 1,000 rows")
        for line in output.splitlines()
        if line.strip()
    )
    assert tree(kith_home) == before
