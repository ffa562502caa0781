"""What the tests of a company folder share: one fault in a sound folder."""

import shutil
from pathlib import Path

import pytest

from kith.company.folder import load_company
from kith.errors import ConfigurationError
from kith.settings import REPOSITORY

CORNER_SHOP = REPOSITORY / "tests" / "companies" / "corner_shop"


def check_fault(
    tmp_path: Path, file: str, found: str, instead: str, words: str
) -> None:
    """Write a fault into a copy of the corner shop, and see it named in one line."""
    folder = Path(shutil.copytree(CORNER_SHOP, tmp_path / "shop"))
    text = (folder / file).read_text()
    assert found in text
    (folder / file).write_text(text.replace(found, instead, 1))
    with pytest.raises(ConfigurationError) as fault:
        load_company(folder)
    assert words in str(fault.value)
    assert str(folder / file) in str(fault.value)
    assert "\n" not in str(fault.value)
