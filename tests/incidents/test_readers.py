"""What readers have at a moment, and whether it keeps its promise."""

import datetime as dt
from pathlib import Path

import pytest

from kith.company.folder import load_company
from kith.incidents.history import record_success
from kith.incidents.readers import (
    Standing,
    note_served,
    served_day,
    standing,
    standing_on_postgres,
)
from kith.runs.run import Run
from tests.incidents.test_history import TABLE, fail
from tests.incidents.test_incident import run
from tests.one_table import company

__all__ = ["run"]
RELEASE = "20240306T000000Z_abcdef"
LAST = dt.date(2024, 3, 5)


def publish(state: Path, manifest: str) -> None:
    release = state / "published" / RELEASE
    release.mkdir(parents=True, exist_ok=True)
    (release / "manifest.json").write_text(manifest)
    pointer = release.parent / "current"
    pointer.unlink(missing_ok=True)
    pointer.symlink_to(RELEASE)


def at(moment: str) -> dt.datetime:
    return dt.datetime.fromisoformat(f"{moment}+00:00")


def test_it_is_told_until_or_since_when_by_the_company_s_clocks(tmp_path: Path) -> None:
    shop = load_company(company(tmp_path / "shop"))
    publish(tmp_path, f'{{"as_of_date": "{LAST}"}}')
    said = f"Readers still have release {RELEASE} of day {LAST}"
    local = "2024-03-07 04:00 (Europe/Paris)"
    for moment, is_fresh, promise in (
        ("2024-03-07T02:59:59", True, f", within its promise until {local}"),
        ("2024-03-07T03:00:00", False, f", past its promise since {local}"),
    ):
        assert standing(tmp_path, shop, at(moment)) == Standing(
            RELEASE, LAST, is_fresh, said + promise
        )


def test_readers_on_postgresql_have_what_was_served_last(tmp_path: Path) -> None:
    shop = load_company(company(tmp_path / "shop"))
    publish(tmp_path, f'{{"as_of_date": "{LAST}"}}')
    now = at("2024-03-07T02:59:59")
    files = f"; readers of files have release {RELEASE} of day {LAST}"
    assert served_day(tmp_path) == (None, None)
    said = "Readers on PostgreSQL have no release yet"
    assert standing_on_postgres(tmp_path, shop, now) == Standing(
        None, None, False, said + files
    )
    day = LAST - dt.timedelta(days=1)
    note_served(tmp_path, "20240305T000000Z_aaaaaa", day)
    found = standing_on_postgres(tmp_path, shop, now)
    # What they have is older than what readers of files were promised.
    assert (found.as_of_date, found.is_fresh) == (day, False)
    said = f"still have release 20240305T000000Z_aaaaaa of day {day}"
    assert found.text.startswith(f"Readers on PostgreSQL {said}")
    assert found.text.endswith(files)
    assert standing(tmp_path, shop, now).is_fresh is True


def test_nothing_is_promised_of_what_has_ended_or_cannot_be_read(
    tmp_path: Path,
) -> None:
    shop = load_company(company(tmp_path / "shop"))
    now, said = at("2024-03-09T00:00:00"), "Readers have no release yet"
    assert standing(tmp_path, shop, now) == Standing(None, None, False, said)
    ended = shop.model_copy(update={"last_day": LAST})
    assert standing(tmp_path, ended, now) == Standing(None, None, None, said)
    publish(tmp_path, f'{{"as_of_date": "{LAST}"}}')
    said = f"Readers still have release {RELEASE} of day {LAST}"
    for unpromised in (ended, None):
        found = standing(tmp_path, unpromised, now)
        assert found == Standing(RELEASE, LAST, None, said)
    # The last day itself, before it has passed by the company's clocks.
    found = standing(tmp_path, ended, at("2024-03-05T22:00:00"))
    assert found == Standing(RELEASE, LAST, True, f"{said}, the last one")


@pytest.mark.parametrize("manifest", ["{", "{}", '{"as_of_date": 7}', "[]"])
def test_a_manifest_that_cannot_be_read_keeps_no_promise(
    manifest: str, tmp_path: Path
) -> None:
    publish(tmp_path, manifest)
    shop = load_company(company(tmp_path / "shop"))
    found = standing(tmp_path, shop, at("2024-03-06T00:00:00"))
    assert found.is_fresh is False
    assert found.text.endswith(f"{RELEASE}, whose manifest.json cannot be read")


def test_effect_on_readers_is_told_and_critical_stays_critical(run: Run) -> None:
    none = fail(run)
    assert (none.effect, none.severity) == ("Readers have no release yet", "critical")
    yesterday = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
    publish(run.folder, f'{{"as_of_date": "{yesterday}"}}')
    fresh = fail(run)
    assert f"of day {yesterday}, within its promise until " in fresh.effect
    assert (fresh.is_fresh, fresh.severity) == (True, "critical")
    record_success(run, "admit", TABLE)
    assert fail(run).severity == "warning"
