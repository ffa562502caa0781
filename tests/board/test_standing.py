import datetime as dt
import json
from pathlib import Path

from kith.board.standing import readers_have, releases_of
from kith.company.folder import load_company
from tests.one_table import company


def release(state: Path, name: str, as_of: str, published_at: str) -> Path:
    folder = state / "published" / name
    folder.mkdir(parents=True)
    manifest = {
        "as_of_date": as_of,
        "published_at": published_at,
        "gate": {"passed": 7, "warnings": 1},
        "report": "report/index.html",
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_the_current_release_comes_first_then_the_newest(tmp_path: Path) -> None:
    release(tmp_path, "20240101T1", "2023-12-31", "2024-01-01T05:00:00")
    old = release(tmp_path, "20240102T1", "2024-01-01", "2024-01-02T05:00:00")
    release(tmp_path, "20240103T1", "2024-01-02", "2024-01-03T05:06:07.8Z")
    (
        release(tmp_path, "20240104T1", "2024-01-03", "2024") / "manifest.json"
    ).write_text("{half")
    assert [each.release_id for each in releases_of(tmp_path)] == [
        *("20240103T1", "20240102T1", "20240101T1")
    ]
    (old / "report").mkdir()
    (old / "report" / "index.html").touch()
    (tmp_path / "published" / "current").symlink_to(old.name)  # After a rollback.
    found = releases_of(tmp_path)
    assert [each.release_id for each in found] == [
        *("20240102T1", "20240103T1", "20240101T1")
    ]
    assert [each.is_current for each in found] == [True, False, False]
    assert found[0].report == str(old / "report" / "index.html")
    assert (found[1].report, found[1].published_at) == ("", "2024-01-03 05:06")
    assert found[0].gate == "7 passed, 1 warnings"


def test_what_readers_have_is_that_of_incidents(tmp_path: Path) -> None:
    shop = load_company(company(tmp_path / "shop"))
    assert readers_have(tmp_path, shop) == (False, "Readers have no release yet")
    for days, is_fresh in ((1, True), (30, False)):
        day = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=days)
        folder = release(
            tmp_path, f"2024010{days}T1", day.isoformat(), "2024-01-02T05:00:00"
        )
        current = tmp_path / "published" / "current"
        current.unlink(missing_ok=True)
        current.symlink_to(folder.name)
        told = f"Readers still have release {folder.name} of day {day}"
        assert readers_have(tmp_path, None) == (None, told)
        found = readers_have(tmp_path, shop)
        assert found[0] == is_fresh
        assert found[1].startswith(told)
