"""Serves, and stands still at the n-th call of a function until it is killed.

`python killed.py <module>.<function> <call> <pickled shop>` prints "here" then.
"""

import importlib
import pickle
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from kith.settings import REPOSITORY
from tests.serve.stand_in import Shop

# Where a publication is killed, and whether readers have the new release by then.
POINTS = [
    ("serve.current_contents", 1, False),
    ("schemas.sweep", 1, False),
    ("serve.check_views", 1, False),
    ("serve.make_roles", 1, False),
    ("serve.create_tables", 1, False),
    ("serve.policies", 1, False),
    ("serve.load_rows", 1, False),
    ("serve.load_rows", 4, False),
    ("serve.finish_table", 2, False),
    ("serve.settle", 1, False),
    ("serve.replacements", 1, False),
    ("serve.grants", 1, False),
    ("serve.set_members", 1, False),
    ("schemas.note_served", 1, False),
    ("serve.comment_view", 1, True),
    ("schemas.drop_former", 1, True),
    ("schemas.drop_schema", 1, True),
    ("serve.note_served", 1, True),
]


def stand_still(point: str, wanted: int) -> None:
    """Let a function of `kith.serve` stand still at one of its calls."""
    module = importlib.import_module(f"kith.serve.{point.partition('.')[0]}")
    name = point.partition(".")[2]
    original, calls = getattr(module, name), 0

    def standing(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == wanted:
            print("here", flush=True)
            time.sleep(600)
        return original(*arguments, **options)

    setattr(module, name, standing)


def kill_at(shop: Shop, point: str, call: int, folder: Path) -> None:
    """Serve the current release in a process that is killed at a point."""
    kept = folder / "shop.pickle"
    kept.write_bytes(pickle.dumps(shop))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.serve.killed", point, str(call), str(kept)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n", point
        process.kill()


if __name__ == "__main__":
    stand_still(sys.argv[1], int(sys.argv[2]))
    pickle.loads(Path(sys.argv[3]).read_bytes()).serve()  # noqa: S301
