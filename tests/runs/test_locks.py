"""Who writes to a company's state: one at a time, and the kernel keeps them apart."""

import subprocess
import sys
from pathlib import Path

import pytest

from kith.errors import TransientError
from kith.runs.locks import writer_lock
from kith.settings import REPOSITORY

WRITER = f"""
import sys, time
sys.path.insert(0, {str(REPOSITORY / "plugins")!r})
from pathlib import Path
from kith.runs.locks import writer_lock
with writer_lock(Path(sys.argv[1])):
    print("begun", flush=True)
    time.sleep(60)
"""


def test_who_does_not_wait_is_told_until_the_writer_is_killed(tmp_path: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert writer.stdout
        assert writer.stdout.readline() == "begun\n"
        with (
            pytest.raises(TransientError, match="somebody works there"),
            writer_lock(tmp_path, waits=False),
        ):
            pass
    finally:
        writer.kill()
        writer.communicate()
    with writer_lock(tmp_path, waits=False) as held:
        assert len(held) == 1
