"""How fast and in how much memory offers are learnt, judged and made.

A million customers buy twenty times each of 20,000 products, by two hundred tastes:
what the two dbt Python models do with them, one after the other, in a process apart.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kith.settings import load_settings
from tests.bench.measure import measured

CUSTOMERS_WANTED = 1_000_000
SECONDS_ALLOWED = 60
GB_ALLOWED = 8.0
_PRODUCTS, _TASTES, _PURCHASES = 20_000, 200, 20
_TODAY = np.datetime64("2024-12-31")


def simulated(customers: int, seed: int = 5) -> pa.Table:
    """Purchases as int_offer_grounds has them, each with half a taste of its own."""
    draw = np.random.default_rng(seed)
    owner = np.repeat(np.arange(customers), _PURCHASES)
    share = draw.random(len(owner)) ** 3
    has_taste = draw.random(len(owner)) < 0.5
    width = _PRODUCTS // _TASTES
    product = np.where(
        has_taste,
        (owner % _TASTES) * width + (share * width).astype(int),
        (share * _PRODUCTS).astype(int),
    )
    day = _TODAY - draw.integers(0, 365, len(owner)).astype("timedelta64[D]")
    ids = pa.array([f"{number:032x}" for number in range(customers)])
    keys = pa.array([f"shop:P{number:05}" for number in range(_PRODUCTS)])
    return pa.table(
        {
            "customer_id": ids.take(pa.array(owner)),
            "ground": pa.array(["bought"]).take(pa.array(np.zeros_like(owner))),
            "product_key": keys.take(pa.array(product)),
            "happened_on": pa.array(day),
        }
    )


def offer(folder: Path) -> None:
    """Judge and make offers from the rows in a folder; store what came out."""
    from kith.models.recommendations import evaluate, read, recommend

    answer = {}
    file = pq.ParquetFile(folder / "grounds.parquet")
    keys = [f"shop:P{number:05}" for number in range(_PRODUCTS)]
    products = pa.table({"product_key": keys, "may_be_offered": [True] * len(keys)})
    for step in ("evaluate", "recommend"):  # each reads for itself, as in dbt
        started = time.perf_counter()
        parts = (pa.Table.from_batches([part]) for part in file.iter_batches(500_000))
        known = read(parts, products)
        answer["read"] = time.perf_counter() - started
        if step == "evaluate":
            found = evaluate(known, _TODAY)
        else:
            count = sum(len(part) for part in recommend(known, found, _TODAY))
        answer[step] = time.perf_counter() - started
    answer["offers"] = count
    answer["gain"] = next(
        row["value"]
        for row in found.to_pylist()
        if row["metric"].startswith("hit_rate_g")
    )
    (folder / "answer.json").write_text(json.dumps(answer))


def bench(customers: int, folder: Path) -> None:
    """Measure one size and print its lines."""
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(simulated(customers), folder / "grounds.parquet")
    command = [sys.executable, "-m", "tests.bench.recommendations", "--offer"]
    _, memory = measured([*command, str(folder)])
    answer = json.loads((folder / "answer.json").read_text())
    for step in ("evaluate", "recommend"):
        print(
            f"{step}, {customers:,} customers, {customers * _PURCHASES:,} purchases: "
            f"{answer[step]:.1f} s (allowed {SECONDS_ALLOWED}), of which "
            f"{answer['read']:.1f} to read"
        )
    print(
        f"{answer['offers']:,} offers, gain {answer['gain']:+.2f}; peak "
        f"{memory.peak_gb():.2f} GB (allowed {GB_ALLOWED})",
        flush=True,
    )
    for path in folder.iterdir():
        path.unlink()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--offer"]:
        offer(Path(sys.argv[2]))
    else:
        wanted = int(sys.argv[1]) if sys.argv[1:] else CUSTOMERS_WANTED
        bench(wanted, load_settings().home / "bench" / "recommendations")
