"""Make deliveries of any size: `python -m generator FOLDER --customers 100000`."""

import argparse
import datetime as dt
import sys
import time
from pathlib import Path

from . import company

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="is made; must not exist")
    parser.add_argument("--customers", type=int, default=company.CUSTOMERS)
    parser.add_argument("--days", type=int, default=731)
    parser.add_argument("--seed", type=int, default=company.SEED)
    parser.add_argument("--first-day", type=dt.date.fromisoformat, default="2024-01-01")
    asked = parser.parse_args()
    begun = time.monotonic()
    last_day = asked.first_day + dt.timedelta(asked.days - 1)
    plan = company.Plan(asked.customers, asked.first_day, last_day, asked.seed)
    truth = company.generate(asked.folder, plan)
    rows = sum(counts["delivered"] for counts in truth["tables"].values())
    print(f"{rows:,} rows in {time.monotonic() - begun:.1f} s", file=sys.stderr)
