"""What is damaged or missing is told with its cure, and nobody is half erased."""

from pathlib import Path

import pytest

from kith.deliveries.raw import ERASING
from kith.errors import ConfigurationError
from kith.rights.erasure import erase
from kith.rights.plan import preview
from kith.runs.run import Run
from tests.rights.shop import ADA, ask


@pytest.mark.parametrize(
    ("pattern", "cure"),
    [
        ("raw/shop.orders/*/*/*.parquet", "remove .* and run these days again"),
        ("admitted/shop.orders/*/data.parquet", "remove .* and run these days again"),
        ("published/[0-9]*/kith.duckdb", "publish another one before"),
        ("published/[0-9]*/manifest.json", "publish another one before"),
    ],
)
def test_what_cannot_be_read_is_told_before_anything_is_begun(
    run: Run, tmp_path: Path, pattern: str, cure: str
) -> None:
    path = next(run.folder.glob(pattern.replace("shop.orders", "shop/orders")))
    path.chmod(0o600)
    path.write_bytes(b"x" * 5000)
    file = ask(tmp_path, f"email,{ADA}")
    for call in (erase, preview):
        with pytest.raises(ConfigurationError, match=cure) as caught:
            call(run, file)
        assert str(path) in str(caught.value)
    assert not (run.folder / ERASING).exists()


def test_a_released_file_that_is_missing_is_told(run: Run, tmp_path: Path) -> None:
    path = next(run.published.glob("[0-9]*/parquet/customer/orders.parquet"))
    path.parent.chmod(0o700)
    path.unlink()
    with pytest.raises(ConfigurationError, match=r"orders\.parquet: is missing"):
        erase(run, ask(tmp_path, f"email,{ADA}"))
