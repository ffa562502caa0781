"""What models find in a large demo, against what was planted in it.

    PYTHONPATH=plugins:. .venv/bin/python -m tests.bench.predictions 20000

makes a demo of so many customers, runs it, and asks: how near does AUC come to the best
possible, is the calibration right, are both leaks named, do the five planted drivers of
churn come first, each on its side and in an order that their intervals allow? The last
line says yes or no. What lies below $KITH_HOME/bench is not made again.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pandas as pd

from kith.settings import REPOSITORY, load_settings
from tests.companies.demo import Demo
from tests.companies.planted_odds import area_possible

# How each planted driver is called among behaviours.
BEHAVIOURS = {
    "late_deliveries": "late_deliveries",
    "unanswered_complaint": "unanswered_complaints",
    "price_hunter": "discounts",
    "app_user": "app",
    "community_member": "community",
}
AREA_ALLOWED = 0.03
SLOPE_ALLOWED = (0.8, 1.2)


def run(home: Path, customers: int) -> Path:
    """The state of the demo in a home of its own."""
    state = home / "demo"
    if not (state / "published" / "current").exists():
        folder = REPOSITORY / "companies" / "demo"
        days = ("2024-01-01", "2025-12-31")
        made = ("--customers", str(customers), "--make-only")
        script = ("source_systems.py", str(state / "source_systems"), *days, *made)
        subprocess.run([sys.executable, *script], cwd=folder, check=True)
        environment = os.environ | {"KITH_HOME": str(home), "COMPANY": str(folder)}
        command = [sys.executable, "-m", "kith_airflow", "run"]
        subprocess.run(command, cwd=REPOSITORY, env=environment, check=True)
    return state


def judged(state: Path) -> dict[str, object]:
    """What was found, and under `misses` what is not as it was planted."""
    path = state / "warehouse" / "kith_build.duckdb"
    with duckdb.connect(str(path), read_only=True) as warehouse:

        def query(sql: str) -> pd.DataFrame:
            return warehouse.execute(sql).df()

        demo = Demo(state / "source_systems")
        evaluated = query(
            "select metric, value, status from segment.model_evaluations "
            "where model = 'buys_again'"
        ).set_index("metric")
        possible = area_possible(demo, query)
        leaks = query(
            "select indicator from intermediate.int_indicator_findings "
            "where question = 'buys_again'"
        )["indicator"]
        drivers = query(
            "select * from segment.behaviour_drivers "
            "where scheme = 'all' and not is_leak order by share_pct desc"
        ).set_index("behaviour")
    planted = demo.truth["planted"]
    area, slope = (evaluated["value"][name] for name in ("auc", "calibration_slope"))
    strengths = {
        BEHAVIOURS[name]: strength
        for name, (_, strength) in planted["churn_drivers"].items()
    }
    first = list(drivers.index[: len(strengths)])
    checks = {
        "published": set(evaluated["status"]) == {"published"},
        "auc": area > possible - AREA_ALLOWED,
        "calibration_slope": SLOPE_ALLOWED[0] <= slope <= SLOPE_ALLOWED[1],
        "leaks": set(leaks) == {f"trait_{name}" for name in planted["leaks"]},
        "first": set(first) == set(strengths),
        "signs": all(
            (drivers["effect"][name] == "keeps") == (strength < 0)
            for name, strength in strengths.items()
        ),
        # Nobody who was planted weaker is stronger beyond doubt.
        "order": not any(
            drivers["share_pct_lower_bound"][weak]
            > drivers["share_pct_upper_bound"][strong]
            for strong in strengths
            for weak in strengths
            if abs(strengths[weak]) < abs(strengths[strong])
        ),
    }
    shown = ["share_pct", "share_pct_lower_bound", "share_pct_upper_bound", "effect"]
    return {
        "auc": area,
        "auc_possible": possible,
        "calibration_slope": slope,
        "leaks": sorted(leaks),
        "drivers": drivers[shown].head(7).round(1).to_dict("index"),
        "misses": [name for name, is_so in checks.items() if not is_so],
    }


def main() -> None:
    customers = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    home = load_settings().home / "bench" / f"predictions_{customers}"
    found = judged(run(home, customers))
    print(json.dumps(found, indent=2))
    print("yes" if not found["misses"] else "no")
    sys.exit(bool(found["misses"]))


if __name__ == "__main__":
    main()
