"""How seconds, memory and disk grow with a company: one whole run for each size.

    PYTHONPATH=plugins:. .venv/bin/python -m tests.bench.scale 5000000 20000000

Each is a corner shop of so many interactions, ten for each member, run through
`make run`'s own command into an empty home. The exponent says how a figure grows from
one size to the next: 1 is as fast as the interactions. Last come the models that
take longest at the largest size. `KITH_MEMORY_LIMIT` and `KITH_THREADS` count.
"""

import argparse
import contextlib
import json
import math
import shutil
import threading
from pathlib import Path
from typing import Any

from kith.settings import load_settings
from tests.bench.bench import run_of, stages
from tests.companies.generate import generate

PER_MEMBER = 10
# Of what stands there at the end.
_PLACES = ("raw", "admitted", "warehouse", "published")


class DiskSampler(threading.Thread):
    """The most bytes that a folder took, looked at every five seconds."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.folder = folder
        self.peak = 0
        self.is_over = threading.Event()

    def run(self) -> None:
        """Look until somebody says that it is over."""
        while not self.is_over.wait(5):
            self.peak = max(self.peak, taken(self.folder))


def taken(folder: Path) -> int:
    """Bytes of the disk below a folder, each file once however many names it has."""
    sizes = {}
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            status = path.lstat()
            sizes[status.st_ino] = status.st_blocks * 512
    return sum(sizes.values())


def measure(interactions: int, folder: Path) -> dict[str, Any]:
    """One size: figures by name, and the slowest models."""
    shutil.rmtree(folder, ignore_errors=True)
    generate(folder / "company", interactions, per_customer=PER_MEMBER)
    disk = DiskSampler(folder / "home")
    disk.start()
    seconds, memory, state = run_of(folder)
    disk.is_over.set()
    (journal,) = state.glob("runs/*/journal.jsonl")
    spans = stages(journal)
    results = json.loads((state / "dbt" / "target" / "run_results.json").read_text())
    models = {
        result["unique_id"].removeprefix("model.kith."): result["execution_time"]
        for result in results["results"]
    }
    found = {
        "seconds": seconds,
        **{f"{stage} s": end - start for stage, (start, end) in spans.items()},
        "memory GB": memory.peak_gb(),
        "disk GB": disk.peak / 1e9,
        **{f"{place} GB": taken(state / place) / 1e9 for place in _PLACES},
    }
    shutil.rmtree(folder)
    return {"figures": found, "models": models}


def main() -> None:
    """Measure each size and print what was found so far."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("interactions", nargs="+", type=int)
    sizes = sorted(parser.parse_args().interactions)
    runs: list[dict[str, Any]] = []
    for size in sizes:
        runs.append(measure(size, load_settings().home / "bench" / "scale"))
        measured = sizes[: len(runs)]
        print("\n" + f"{'interactions':<14}" + "".join(f"{n:>14,}" for n in measured))
        members = "".join(f"{n // PER_MEMBER:>14,}" for n in measured)
        print(f"{'members':<14}{members}   exponent")
        for name in runs[0]["figures"]:
            values = [run["figures"][name] for run in runs]
            line = f"{name:<14}" + "".join(f"{value:>14.2f}" for value in values)
            if len(values) > 1 and min(values[-2:]) > 0:
                growth = math.log(values[-1] / values[-2])
                line += f"{growth / math.log(measured[-1] / measured[-2]):>11.2f}"
            print(line)
        slowest = sorted(runs[-1]["models"].items(), key=lambda each: -each[1])
        for name, value in slowest[:12]:
            print(f"  {value:>10.1f} s  {name}")
        print(end="", flush=True)


if __name__ == "__main__":
    main()
