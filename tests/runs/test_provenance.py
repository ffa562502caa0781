"""What a run keeps of its company and its code."""

import subprocess
from pathlib import Path

import pytest

from kith.errors import ConfigurationError
from kith.runs import provenance
from kith.runs.provenance import (
    code_hash,
    company_as_of,
    git_commit,
    keep_provenance,
    provenance_of,
)
from kith.settings import REPOSITORY
from tests.conftest import new_run
from tests.one_table import company, deliver, sales

pytestmark = pytest.mark.usefixtures("kith_home")


def test_the_companys_files_are_kept_as_they_were_and_none_of_its_data(
    tmp_path: Path,
) -> None:
    folder = company(tmp_path / "shop")
    deliver(folder, sales(4000))
    for name in ("staging/stg_x.sql", "staging/stg.yml", "expectations/feeds/a.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"-- {name}")
    run = new_run(folder)
    keep_provenance(run)
    then = {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "data" not in path.parts
    }
    (folder / "staging/stg_x.sql").write_text("changed")
    company_as_of(run.run_folder, tmp_path / "then")
    assert {
        path.relative_to(tmp_path / "then"): path.read_bytes()
        for path in (tmp_path / "then").rglob("*")
        if path.is_file()
    } == then
    assert (run.run_folder / "company.zip").stat().st_size < 5_000

    keep_provenance(run)  # A later stage, with the file as it is now.
    company_as_of(run.run_folder, tmp_path / "now")
    assert (tmp_path / "now/staging/stg_x.sql").read_text() == "changed"
    assert sorted(path.name for path in run.run_folder.iterdir()) == [
        "company.zip",
        "provenance.json",
    ]


def test_what_is_the_same_is_not_written_again(tmp_path: Path) -> None:
    run = new_run(company(tmp_path))
    keep_provenance(run)
    files = [run.run_folder / name for name in ("company.zip", "provenance.json")]
    before = [path.stat().st_ino for path in files]
    keep_provenance(run)
    assert [path.stat().st_ino for path in files] == before


def test_days_and_code_of_a_run_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run(company(tmp_path), "2024-03-01", "2024-03-09")
    with pytest.raises(ConfigurationError, match=r"provenance.json: not found"):
        provenance_of(run.run_folder)
    keep_provenance(run)
    kept = provenance_of(run.run_folder)
    assert (str(kept.from_day), str(kept.to_day)) == ("2024-03-01", "2024-03-09")
    assert (kept.run_id, kept.company) == (run.run_id, "shop")
    assert (kept.company_folder, kept.code) == (tmp_path, code_hash())
    head = subprocess.run(
        ["git", "-C", str(REPOSITORY), "rev-parse", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert kept.git_commit == (head.stdout.strip() or None)
    monkeypatch.setattr(provenance, "REPOSITORY", tmp_path)
    assert git_commit() is None


def test_without_git_nobody_knows_the_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_commit() is None


def test_the_hash_of_the_code_changes_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provenance, "REPOSITORY", tmp_path)
    hashes = []
    for name, text in (
        ("plugins/kith/a.py", "1"),
        ("plugins/kith/a.py", "2"),
        ("dbt_project/models/b.sql", "1"),
        ("expectations/marts/c.py", "1"),
        ("README.md", "1"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
        code_hash.cache_clear()
        hashes.append(code_hash())
    code_hash.cache_clear()
    assert len(set(hashes)) == 4
    assert hashes[-1] == hashes[-2]  # No run reads the README.
