"""What is delivered is never evaluated, and what is secret stands nowhere."""

import csv
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from kith.build.dbt import target
from kith.company.folder import load_company
from kith.database import literal, parquet_sql
from kith.onboard.scaffold import scaffold, summary
from tests.conftest import new_run, run_pipeline

KEY = "key-of-everybody-4f1c-not-to-be-seen"
CONNECTION = "postgresql://reader:hush-77d1@db:5432/crm"
PASSWORD = "swordfish-9a2e-of-the-till"  # noqa: S105
SECRETS = (KEY, "hush-77d1", PASSWORD)

READS_KEY = "{{ env_var('KITH_IDENTIFIER_KEY') }}"
HOSTILE = [
    READS_KEY,
    "f ` g `` h | i",
    # Rendered once it would be harmless, rendered twice not.
    "{{ '{{ env_var(\"AIRFLOW_CONN_CRM\") }}' }}",
    "{% raw %}",
    "{# nobody closes this",
    "{{ x y }}",
    "env_var('TILL_PASSWORD')",
    "${TILL_PASSWORD}",
    "'; drop table orders; --",
    '"; drop table orders; --',
    "<script>alert(1)</script>",
    "e\u2028sources: []\x1b[2J",
]
# Rows with signs that steer something are refused in any case.
VALUES = [text for text in HOSTILE if text.isprintable()]
CHANNELS = [
    READS_KEY,
    "{{ x y }}",
    "'; drop table orders; --",
    "<script>alert(1)</script>",
]
FILE = (
    "orders {{ env_var('KITH_IDENTIFIER_KEY') }} {% raw %} ${TILL_PASSWORD} <b> |.csv"
)


def rows(count: int) -> Iterator[list[str]]:
    for n in range(count):
        odd = VALUES[n % len(VALUES)]
        yield [
            f"{n} {odd}" if n < len(VALUES) else str(n),
            f"mail{n % 40}@example.org",
            f"2024-{1 + n % 6:02}-{1 + n % 28:02} 12:00:00",
            f"{1 + n % 9}.50",
            CHANNELS[n % len(CHANNELS)],
            *(f"{odd} {n}" for _ in HOSTILE),
        ]


def write(path: Path, bad_rows: int = 0) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(
            ["order_id", "email", "ordered_at", "amount", "channel", *HOSTILE]
        )
        writer.writerows(rows(400))
        for _, *row in list(rows(400))[:bad_rows]:
            writer.writerow(["bad", *row[:2], READS_KEY, *row[3:]])


def tables(folder: Path) -> Iterator[tuple[Path, str]]:
    """Each table of the Parquet and DuckDB files below a folder, as SQL."""
    for path in folder.rglob("*.parquet"):
        yield path, parquet_sql(path)
    for path in folder.rglob("*.duckdb"):
        with duckdb.connect(str(path), read_only=True) as database:
            names = database.sql(
                'select format(\'other."{}"."{}"\', schema_name, table_name) '
                "from duckdb_tables()"
            ).fetchall()
        for (name,) in names:
            yield path, name


def where_a_secret_stands(folder: Path) -> list[str]:
    found = [
        f"{path}: {secret}"
        for path in folder.rglob("*")
        if path.is_file()
        for content in [path.read_bytes()]
        for secret in SECRETS
        if secret.encode() in content
    ]
    for path, table in tables(folder):
        with duckdb.connect() as connection:
            if table.startswith("other."):
                connection.execute(f"attach {literal(str(path))} as other (read_only)")
            for secret in SECRETS:
                (count,) = connection.execute(
                    f"select count(*) from {table} as t "
                    "where contains(cast(t as varchar), $secret)",
                    {"secret": secret},
                ).fetchone() or (0,)
                if count:
                    found.append(f"{path}: {table}: {secret}")
    return found


def test_hostile_names_and_values_are_text_everywhere_and_secrets_are_nowhere(
    tmp_path: Path,
    kith_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("KITH_IDENTIFIER_KEY", KEY)
    monkeypatch.setenv("AIRFLOW_CONN_CRM", CONNECTION)
    monkeypatch.setenv("TILL_PASSWORD", PASSWORD)
    files = tmp_path / "files {{ x y }} {date:%Y-%m-%d}"
    files.mkdir()
    write(files / FILE)
    # The header of a delimited file may not have line breaks in it, a key of JSON may.
    lines = [{"code": code, "a | b\n# Gate: passed": code} for code in "ABC"]
    (files / "{{ x y }}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    # Whoever made the folder before, whatever others were allowed then.
    umask = os.umask(0)
    try:
        (kith_home / "shop" / "raw").mkdir(parents=True)
        done = scaffold("shop", files, tmp_path / "companies" / "shop")
        print(summary(done))
        assert done.left_out == []
        company = load_company(done.folder)
        assert "orders" in company.feeds
        staging = done.folder / "staging" / "stg_shop__orders.sql"
        staging.write_text(
            f"{staging.read_text()}"
            "-- {{ env_var('KITH_IDENTIFIER_KEY', 'sealed') }}"
            "{{ env_var('AIRFLOW_CONN_CRM', 'sealed') }}\n"
        )
        suite = done.folder / "expectations" / "feeds" / "orders.py"
        suite.parent.mkdir(parents=True)
        suite.write_text(
            "from kith.gate.rows import WARNING, no_rows\n\n"
            "EXPECTATIONS = [no_rows('Odd <script>alert', WARNING, "
            "'select source, order_id from {batch} where length(order_id) > 5')]\n"
        )
        write(files / FILE, bad_rows=3)
        run = new_run(done.folder, str(company.first_day), str(company.last_day))
        release = run_pipeline(run)
    finally:
        os.umask(umask)

    assert where_a_secret_stands(tmp_path) == []
    told = "".join(capfd.readouterr())
    assert not [secret for secret in SECRETS if secret in told]
    assert "\x1b" not in told

    # They came through as they are, and counted.
    with duckdb.connect(str(release / "kith.duckdb"), read_only=True) as marts:
        assert marts.sql(
            "select cast(sum(order_count) as bigint) from customer.customer_values"
        ).fetchall() == [(400,)]
        refused = marts.sql(
            "select distinct reason, column_name from operations.quarantined_rows"
        ).fetchall()
    assert refused == [("wrong_type", "amount")]
    with duckdb.connect(str(run.warehouse), read_only=True) as candidate:
        channels = candidate.sql("select distinct channel from feeds.orders").fetchall()
    assert {channel for (channel,) in channels} == set(CHANNELS)
    manifest = json.loads((target(run) / "manifest.json").read_text())
    sources = manifest["sources"].values()
    aliases = {
        name
        for source in sources
        for column in source["columns"].values()
        for name in column["meta"].get("aliases", [])
    }
    assert set(HOSTILE) <= aliases
    assert (
        "sealedsealed"
        in manifest["nodes"]["model.kith.stg_shop__orders"]["compiled_code"]
    )

    # In what people read they are text as well.
    summary_page = (run.run_folder / "gate_summary.md").read_text()
    assert summary_page.count("# Gate:") == 1
    samples = [line for line in summary_page.splitlines() if "sample:" in line]
    assert all(sample.endswith("```") for sample in samples)
    assert any("<script>" in sample for sample in samples)
    report = (release / "report" / "index.html").read_text()
    assert "<script>alert" not in report and "&lt;script&gt;alert" in report

    state = kith_home / "shop"
    rights = {path.name: stat.S_IMODE(path.stat().st_mode) for path in state.iterdir()}
    assert rights.pop("published") == 0o755
    assert set(rights.values()) == {0o700}
    assert stat.S_IMODE(state.stat().st_mode) == 0o711
    folders = (state / "published").rglob("*/")
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o755}
