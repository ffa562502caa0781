"""What a company says of what it keeps."""

from pathlib import Path

import pytest
import yaml

from kith.company.folder import load_company
from kith.company.retention import Keep, Retention
from kith.errors import ConfigurationError
from tests.one_table import company


def declare(folder: Path, retention: object) -> None:
    path = company(folder) / "company.yml"
    declared = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**declared, "retention": retention}))


def test_without_a_word_five_releases_and_sixty_days_of_runs_stay(
    tmp_path: Path,
) -> None:
    kept = load_company(company(tmp_path)).retention
    assert kept == Retention()
    assert (kept.releases, kept.runs) == (Keep(count=5), Keep(count=30, days=60))
    assert min(kept.raw.count, kept.admitted.count) >= 2


def test_a_kind_that_is_declared_leaves_the_others_as_they_are(tmp_path: Path) -> None:
    declare(tmp_path, {"releases": {"count": 9, "days": 30}})
    kept = load_company(tmp_path).retention
    assert (kept.releases.count, kept.releases.days) == (9, 30)
    assert kept.runs == Retention().runs


@pytest.mark.parametrize(
    ("retention", "named"),
    [
        ({"releases": {"count": 0}}, "retention.releases.count"),
        ({"raw": {"count": 1}}, "retention.raw.count"),
        ({"runs": {"count": 3, "days": -1}}, "retention.runs.days"),
        ({"raws": {"count": 3}}, "retention.raws"),
        ({"logs": {"days": 3}}, "retention.logs.count"),
    ],
)
def test_what_would_keep_too_little_is_refused(
    retention: object, named: str, tmp_path: Path
) -> None:
    declare(tmp_path, retention)
    with pytest.raises(ConfigurationError, match=named):
        load_company(tmp_path)
