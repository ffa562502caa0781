"""How fast and in how much memory lifetimes are fitted and foretold.

A million customers are simulated with the parameters that were published of CDNOW. Both
models are fitted twice, to all days and to those before the held-out ones, and applied
to everybody: what the two dbt Python models do.
"""

import json
import math
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq

from kith.settings import load_settings
from tests.bench.measure import measured
from tests.models.lifetimes import histories, simulated

CUSTOMERS_WANTED = 1_000_000
SECONDS_ALLOWED = 10
GB_ALLOWED = 2.0
PLANTED = {
    **{"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426},
    **{"p": 6.25, "q": 3.74, "v": 15.44},
}


def foretell(folder: Path) -> None:
    """Fit and apply the models to the histories in a folder; store what came out."""
    table = pq.read_table(folder / "histories.parquet")
    started = time.perf_counter()
    from kith.models.lifetime_values import (
        EVALUATED_FROM,
        PREDICTED_FROM,
        evaluate,
        predict,
    )

    evaluations = evaluate(table.select(EVALUATED_FROM))
    predictions = predict(table.select(PREDICTED_FROM), evaluations, 1)
    seconds = time.perf_counter() - started
    assert len(predictions) == len(table)
    found = {
        row["metric"]: [row["value"], row["lower_bound"], row["upper_bound"]]
        for row in evaluations.to_pylist()
        if row["metric"] in PLANTED and row["status"] == "published"
    }
    answer = {"seconds": seconds, "found": found}
    (folder / "answer.json").write_text(json.dumps(answer))


def bench(customers: int, folder: Path) -> None:
    """Measure one size and print its lines."""
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(
        histories(simulated(customers, seed=4)), folder / "histories.parquet"
    )
    command = [sys.executable, "-m", "tests.bench.lifetimes", "--foretell", str(folder)]
    _, memory = measured(command)
    answer = json.loads((folder / "answer.json").read_text())
    print(
        f"\nlifetimes, {customers:,} customers: {answer['seconds']:.1f} s (allowed "
        f"{SECONDS_ALLOWED}), {memory.peak_gb():.2f} GB (allowed {GB_ALLOWED})"
    )
    for name, (value, lower, upper) in answer["found"].items():
        error = math.log(upper / lower) / (2 * 1.959964)
        away = math.log(value / PLANTED[name]) / error
        print(
            f"{name:<6} planted {PLANTED[name]:<6g} found {value:.4f}, "
            f"{away:+.1f} standard errors away",
            flush=True,
        )
    for path in folder.iterdir():
        path.unlink()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--foretell"]:
        foretell(Path(sys.argv[2]))
    else:
        wanted = int(sys.argv[1]) if sys.argv[1:] else CUSTOMERS_WANTED
        bench(wanted, load_settings().home / "bench" / "lifetimes")
