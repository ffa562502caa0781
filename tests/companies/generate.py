"""Deliveries of the corner shop, of any size.

Every value is a function of its row number, so the same call gives the same data, and
DuckDB streams the rows from `range` to the file: 50 million interactions need no more
memory than 5,000.

    python tests/companies/generate.py FOLDER INTERACTIONS [PER_CUSTOMER]
"""

import shutil
import sys
from pathlib import Path

import duckdb

CORNER_SHOP = Path(__file__).with_name("corner_shop")
# Per million interactions: receipts, page views and letters (30, 60 and 10 %); two
# lines per receipt on average.
_START, _SECONDS = "timestamp '2023-12-31 23:00:00'", 366 * 86400  # 2024 in Berlin


def _draw(column: str, salt: str) -> str:
    """A number in [0, 1) that depends on the row and the salt only."""
    return f"((hash({column}, '{salt}') % 1000000) / 1000000.0)"


def _queries(interactions: int, per_customer: int) -> dict[str, str]:
    orders = interactions * 3 // 10
    clicks = interactions * 6 // 10
    mailings = interactions - orders - clicks
    customers = max(10, interactions // per_customer)
    # A few customers buy most: the cube of an even draw.
    card = f"'C' || cast(floor(power({{}}, 3) * {customers}) as bigint)"
    product = "'P' || cast(floor(power({}, 2) * 1000) as bigint)"

    def moment(n: int) -> str:
        return f"{_START} + to_seconds(cast(floor(i * {_SECONDS}.0 / {n}) as bigint))"

    buyer = card.format(_draw("i", "card"))
    order = f"""
        i, 'R' || i as receipt_number,
        case when {_draw("i", "known")} < 0.9 then {buyer} end as card_number,
        {moment(orders)} as bought_at
    """
    return {
        "customers": f"""
            select 'C' || i as card_number,
                ['Berlin', 'Potsdam', 'Cottbus'][1 + i % 3] as city,
                timestamp '2023-01-01' + to_hours(i * 877 % 17520)
                    as registered_at
            from range({customers}) rows(i)
        """,
        "products": f"""
            select 'P' || i as product_code, 'Product ' || i as product_name,
                ['bread', 'fruit', 'drinks', 'household'][1 + i % 4] as category,
                round(0.5 + 5 * {_draw("i", "cost")}, 2) as unit_cost
            from range(1000) rows(i)
        """,
        "orders": f"""
            select * exclude i,
                case when {_draw("i", "cash")} < 0.4 then 'cash' else 'card' end
                    as payment_method,
                case when {_draw("i", "voucher")} < 0.1 then 0.5 else 0 end
                    as voucher_amount
            from (select {order} from range({orders}) rows(i))
        """,
        "order_lines": f"""
            select receipt_number, line_number, bought_at,
                {product.format(_draw("i * 4 + line_number", "product"))}
                    as product_code,
                1 + cast(floor(3 * {_draw("i * 4 + line_number", "units")}) as bigint)
                    as quantity,
                round(1 + 9 * {_draw("i * 4 + line_number", "price")}, 2) as unit_price
            from (
                select {order}, unnest(range(1, 2 + (i % 3))) as line_number
                from range({orders}) rows(i)
            )
        """,
        "mailings": f"""
            select 'M' || i as mailing_number,
                {card.format(_draw("i", "addressee"))} as card_number,
                date '2024-01-01' + cast(floor(i * 366.0 / {mailings}) as integer)
                    as sent_on
            from range({mailings}) rows(i)
        """,
        "clicks": f"""
            select 'K' || i as click_id, {moment(clicks)} as clicked_at,
                'D' || cast(floor({customers} * {_draw("i // 6", "device")}) as bigint)
                    as device,
                case when {_draw("i // 6", "signed in")} < 0.5
                    then {card.format(_draw("i // 6", "device"))} end as card_number,
                case when i % 6 = 0 then 'search' else 'view' end as page,
                case when i % 6 > 0
                    then {product.format(_draw("i", "seen"))} end as product_code,
                case when i % 6 = 0 then 'bread' end as search_term
            from range({clicks}) rows(i)
        """,
    }


def generate(
    folder: Path,
    interactions: int,
    formats: dict[str, str] | None = None,
    per_customer: int = 50,
) -> Path:
    """Write a corner shop with that many interactions; returns its company folder.

    `formats` maps a table to the suffix of its file ("csv.gz", "jsonl"); Parquet is
    the default.
    """
    shutil.copytree(CORNER_SHOP, folder, dirs_exist_ok=True)
    (folder / "data").mkdir(exist_ok=True)
    with duckdb.connect() as connection:
        for table, query in _queries(interactions, per_customer).items():
            suffix = (formats or {}).get(table, "parquet")
            write(connection, query, folder / "data" / f"{table}.{suffix}")
    return folder


def write(connection: duckdb.DuckDBPyConnection, query: str, target: Path) -> None:
    """Write the rows of a query as the file's name says."""
    _, kind, packing = f"{target.name}.".split(".")[:3]
    formats = {"csv": "csv, header", "jsonl": "json"}
    packings = {"gz": ", compression gzip", "zst": ", compression zstd"}
    options = formats.get(kind, "parquet") + packings.get(packing, "")
    connection.execute(f"copy ({query}) to '{target}' (format {options})")


if __name__ == "__main__":
    folder, *numbers = sys.argv[1:]
    print(generate(Path(folder), int(numbers[0]), None, *map(int, numbers[1:])))
