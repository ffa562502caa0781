"""Seconds of one look of the crisis watch on the demo, in a quiet hour.

    PYTHONPATH=plugins:. .venv/bin/python -m tests.bench.watch

makes the demo's release below $KITH_HOME/bench, unless it is there, then looks twice:
dbt keeps of the first look what it need not parse again. Whole seconds are those of
`make watch`, with the start of Airflow; on a server that stands only the stages remain.
"""

import json
import sys
from pathlib import Path

from kith.settings import load_settings
from tests.bench.measure import measured

SECONDS_ALLOWED = 15
QUIET = "2025-06-17T14:00"


def bench(home: Path) -> None:
    """Measure and print one line."""
    command = [sys.executable, "-m", "kith_airflow"]
    demo = {"KITH_HOME": str(home), "COMPANY": "companies/demo"}
    if not (home / "demo" / "published" / "current").exists():
        measured([*command, "run"], **demo)
    measured([*command, "watch"], **demo, AT=QUIET)
    seconds, memory = measured([*command, "watch"], **demo, AT=QUIET)
    runs = (home / "watch" / "demo" / "runs").glob("*/journal.jsonl")
    journal = max(runs, key=lambda path: path.stat().st_mtime)
    entries = map(json.loads, journal.read_text().splitlines())
    stages = sum(entry["seconds"] for entry in entries if entry["event"] == "end")
    print(
        f"\none look of the crisis watch: {seconds:.1f} s (allowed {SECONDS_ALLOWED}), "
        f"its stages {stages:.1f} s, {memory.peak_gb():.2f} GB",
        flush=True,
    )


if __name__ == "__main__":
    bench(load_settings().home / "bench" / "watch")
