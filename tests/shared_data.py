"""Real data beside the repository, which is too large or not ours to be part of it."""

import os
from pathlib import Path

import pytest

from kith.settings import REPOSITORY


def shared_data(folder: str, variable: str) -> Path:
    """A folder of ../shared/data, or the one that the variable names.

    Skips the test where neither is there.
    """
    default = REPOSITORY.parent / "shared" / "data" / folder
    path = Path(os.environ.get(variable) or default)
    if not path.is_dir():
        pytest.skip(f"no real data: neither {default} nor {variable}")
    return path
