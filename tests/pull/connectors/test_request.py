"""A file that changes under its reader."""

from pathlib import Path

import pytest

from kith.errors import TransientError
from kith.pull.connectors.request import check_unchanged
from kith.storage import state_of


def test_a_file_that_is_no_longer_what_it_was_is_worth_a_retry(tmp_path: Path) -> None:
    path = tmp_path / "sales.csv"
    path.write_text("a")
    state = state_of(path)
    check_unchanged("shop.sales: sales.csv", path, state)
    path.write_text("ab")
    with pytest.raises(TransientError, match=r"sales.csv: the file was changed while"):
        check_unchanged("shop.sales: sales.csv", path, state)
    path.unlink()
    with pytest.raises(TransientError):
        check_unchanged("shop.sales: sales.csv", path, state)
