"""Releases with their pages, each made when a test first asks for it."""

from pathlib import Path
from typing import Literal

import pytest

from kith.runs.run import Run
from tests.report.releases import HOSTILE, RELEASES, Frames, make_page, publish


class _Releases(dict[str, tuple[Run, Frames]]):
    def __init__(self, home: Path) -> None:
        self.home = home

    def __missing__(self, name: str) -> tuple[Run, Frames]:
        frames, as_of = RELEASES[name]()
        title = HOSTILE if name == "long_names" else "Corner Grocer"
        language: Literal["en", "zh"] = "zh" if name == "in_chinese" else "en"
        run = publish(self.home, name, frames, as_of, title, language)
        self[name] = run, frames
        make_page(self[name][0])
        return self[name]


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kith_home")


@pytest.fixture(scope="session")
def releases(home: Path) -> dict[str, tuple[Run, Frames]]:
    """Each kind of release, with its page written, and its marts."""
    return _Releases(home)
