"""The gate: Great Expectations decides whether the candidate may be published.

Suites are Python modules `expectations/{marts,feeds}/<table>.py` that hold
`EXPECTATIONS`, a list of expectations with `description` and `severity`; a company
adds its own under `<company>/expectations/`. A failed critical check, a check that
broke, and a mart that nothing checked stop the publication; failed warnings go out
with the data.
"""

import datetime as dt
import importlib.util
import json
import shutil
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb

from kith.company.folder import PUBLISHED_SCHEMAS
from kith.database import connect, fetch_row, literal, quote
from kith.errors import BrokenCheckError, ConfigurationError, GateError
from kith.gate.gx_duckdb import open_warehouse
from kith.runs.run import Run
from kith.settings import REPOSITORY
from kith.storage import state_of

FEED_SCHEMA = "feeds"
SAMPLE_ROWS = 10

Suites = dict[tuple[str, str], list[Any]]  # (marts or feeds, table) -> expectations


@dataclass(frozen=True)
class Table:
    """A table of the candidate that has to be checked."""

    schema: str
    name: str
    row_count: int
    columns: tuple[str, ...]
    key: tuple[str, ...]

    @property
    def full_name(self) -> str:
        """`<schema>.<table>`."""
        return f"{self.schema}.{self.name}"

    @property
    def kind(self) -> str:
        """Folder of its suite."""
        return "feeds" if self.schema == FEED_SCHEMA else "marts"


@dataclass
class Check:
    """Outcome of one expectation: a row of operations.gate_results."""

    run_id: str
    table_name: str
    expectation: str
    column_name: str | None
    severity: str
    outcome: str
    observed: str | None
    unexpected_count: int | None
    row_count: int | None
    sample: str | None
    checked_at: dt.datetime


def audit(run: Run) -> None:
    """Check feeds and marts of the candidate; on success write the permit to publish.

    Raises GateError when critical checks failed, BrokenCheckError when a check could
    not be executed. The results are kept either way.
    """
    with run.stage("audit") as figures, run.writer_lock():
        permit_path(run).unlink(missing_ok=True)
        tables = list_tables(run)
        suites = load_suites(run.company.folder)
        checks = check_tables(run, tables, suites)
        summary = _record(run, checks)
        figures.update(Counter(check.outcome for check in checks))
        figures["warnings"] = len(failures(checks, "warning"))
        _stop_unless_passed(checks, summary)
        permit = {
            "run_id": run.run_id,
            "candidate": fingerprint(run.warehouse),
            "passed": sum(check.outcome == "passed" for check in checks),
            "failed_warnings": [
                f"{check.table_name}: {check.expectation}"
                for check in failures(checks, "warning")
            ],
        }
        permit_path(run).write_text(json.dumps(permit, indent=2), encoding="utf-8")


def permit_path(run: Run) -> Path:
    """Written when the gate passed; publish() demands it."""
    return run.run_folder / "gate_passed.json"


def fingerprint(warehouse: Path) -> str:
    """Changes whenever the file is written to or made anew."""
    return "-".join(map(str, state_of(warehouse)))


def list_tables(run: Run) -> list[Table]:
    """Feeds and marts in the candidate that this run built."""
    if not run.warehouse.is_file():
        raise GateError(f"{run.warehouse}: not found; build the candidate first")
    with connect(
        run.warehouse, scratch=run.folder / "scratch", read_only=True
    ) as warehouse:
        builder = warehouse.execute("select run_id from kith.run").fetchall()
        if builder != [(run.run_id,)]:
            raise GateError(
                f"{run.warehouse}: was built by run {builder[0][0]}, not by "
                f"{run.run_id}; start again from the task build"
            )
        keys = table_keys(run)
        columns: dict[tuple[str, str], list[str]] = {}
        for schema, table, column in warehouse.execute(
            """
            select schema_name, table_name, column_name
            from duckdb_columns() inner join duckdb_tables()
                using (database_oid, schema_name, table_oid, table_name)
            where list_contains($schemas, schema_name) and not temporary
            order by schema_name, table_name, column_index
            """,
            {"schemas": [FEED_SCHEMA, *PUBLISHED_SCHEMAS]},
        ).fetchall():
            columns.setdefault((schema, table), []).append(column)
        return [
            Table(
                schema=schema,
                name=table,
                row_count=fetch_row(
                    warehouse, f"select count(*) from {quote(schema)}.{quote(table)}"
                )[0],
                columns=tuple(names),
                key=tuple(keys.get(f"{schema}.{table}", [])),
            )
            for (schema, table), names in columns.items()
        ]


def table_keys(run: Run) -> dict[str, list[str]]:
    """Key columns by `<schema>.<table>`, as the uniqueness tests of dbt state them."""
    manifest = run.folder / "dbt" / "target" / "manifest.json"
    nodes = json.loads(manifest.read_text(encoding="utf-8"))["nodes"]
    keys = {}
    for node in nodes.values():
        test = node.get("test_metadata") or {}
        if test.get("name") == "unique_combination" and node.get("attached_node"):
            model = nodes[node["attached_node"]]
            keys[f"{model['schema']}.{model['alias']}"] = test["kwargs"]["columns"]
    return keys


def load_suites(company_folder: Path) -> Suites:
    """Read the suites of Kith and those that the company adds to them."""
    suites: Suites = {}
    for root in (REPOSITORY / "expectations", company_folder / "expectations"):
        for path in sorted(root.glob("*/[!_]*.py")):
            kind, table = path.parent.name, path.stem
            if root.parent != REPOSITORY and (kind, table) not in suites:
                raise ConfigurationError(
                    f"{path}: there is no table {table} among the {kind}; call the "
                    "file after one of "
                    + ", ".join(name for folder, name in suites if folder == kind)
                )
            suites.setdefault((kind, table), []).extend(_import(path).EXPECTATIONS)
    return suites


def _import(path: Path) -> ModuleType:
    from great_expectations.expectations.expectation import Expectation

    spec = importlib.util.spec_from_file_location(f"suite_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise BrokenCheckError(f"{path}: not a Python module")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        if not all(isinstance(item, Expectation) for item in module.EXPECTATIONS):
            raise TypeError("EXPECTATIONS holds something else than expectations")
    except Exception as error:
        raise BrokenCheckError(
            f"{path}: the suite does not load: {_one_line(error)}"
        ) from error
    return module


def check_tables(run: Run, tables: list[Table], suites: Suites) -> list[Check]:
    """Run all suites on the candidate, read-only."""
    checks = []
    scratch = run.folder / "scratch"
    found = {(table.kind, table.name) for table in tables}
    for kind, name in suites.keys() - found:
        checks.append(
            _note(run, f"{kind}.{name}", "The table was built", "broken", None)
        )
    with open_warehouse(run.warehouse, scratch=scratch) as warehouse:
        judged: list[tuple[Table, Any, Check]] = []
        for table in tables:
            expectations = suites.get((table.kind, table.name), [])
            if table.kind == "feeds" and table.row_count == 0:
                checks += [
                    _note(run, table.full_name, name_of(e), "not_applicable", e)
                    for e in expectations
                ]
            elif not expectations:
                name = f"expectations/{table.kind}/{table.name}.py holds a check"
                checks.append(_note(run, table.full_name, name, "broken", None))
            else:
                results = warehouse.validate(table.schema, table.name, expectations)
                judged += [
                    (table, expectation, _judge(run, table, expectation, result))
                    for expectation, result in zip(expectations, results, strict=True)
                ]
    if any(check.outcome == "failed" for _, _, check in judged):
        with connect(run.warehouse, scratch=scratch, read_only=True) as connection:
            for table, expectation, check in judged:
                if check.outcome == "failed":
                    _add_sample(connection, table, expectation, check)
    checks += [check for _, _, check in judged]
    return sorted(checks, key=lambda c: (c.table_name, c.expectation))


def name_of(expectation: Any) -> str:
    """What an expectation is called: its sentence, else its type."""
    return str(expectation.description or expectation.expectation_type)


def failures(checks: list[Check], severity: str) -> list[Check]:
    """Checks of that severity that the data did not meet."""
    return [c for c in checks if c.outcome == "failed" and c.severity == severity]


def _note(
    run: Run, table_name: str, name: str, outcome: str, expectation: Any
) -> Check:
    return Check(
        run_id=run.run_id,
        table_name=table_name,
        expectation=name,
        column_name=getattr(expectation, "column", None),
        severity=_severity(expectation) if expectation else "critical",
        outcome=outcome,
        observed=None,
        unexpected_count=None,
        row_count=0 if outcome == "not_applicable" else None,
        sample=None,
        checked_at=_now(),
    )


def _judge(run: Run, table: Table, expectation: Any, result: Any) -> Check:
    broken = _exception(result.exception_info)
    found = dict(result.result or {})
    if broken:
        observed: str | None = broken
    elif "element_count" in found:
        count = found["element_count"] - found.get("missing_count", 0)
        observed = f"{found['unexpected_count']} of {count} values"
    else:
        observed = str(found.get("observed_value"))
    outcome = "broken" if broken else "passed" if result.success else "failed"
    unexpected = found.get("unexpected_count")
    if hasattr(expectation, "unexpected_rows_query") and not broken:
        unexpected = found["observed_value"]
        observed = f"{unexpected} rows"
    return Check(
        run_id=run.run_id,
        table_name=table.full_name,
        expectation=name_of(expectation),
        column_name=getattr(expectation, "column", None),
        severity=_severity(expectation),
        outcome=outcome,
        observed=observed,
        unexpected_count=unexpected,
        row_count=table.row_count,
        sample=None,
        checked_at=_now(),
    )


def _exception(info: dict[str, Any]) -> str | None:
    """The message when a check broke. GX nests it by metric, or not."""
    parts = [info] if "raised_exception" in info else list(info.values())
    for part in parts:
        if part.get("raised_exception"):
            return _one_line(part.get("exception_message") or "no message")
    return None


def _add_sample(
    connection: duckdb.DuckDBPyConnection, table: Table, expectation: Any, check: Check
) -> None:
    """Note keys of failing rows and what the check itself computed, nothing else.

    Other columns of the table may hold what is known of a person.
    """
    rows = _failing_rows(table, expectation)
    if rows is None:
        return
    relation = connection.sql(
        f"select * from ({rows}) order by all limit {SAMPLE_ROWS}"
    )
    shown = [
        column
        for column in relation.columns
        if column in table.key or column not in table.columns
    ]
    sample = [
        {column: row[column] for column in shown}
        for row in (
            dict(zip(relation.columns, values, strict=True))
            for values in relation.fetchall()
        )
    ]
    if not shown or not sample:
        return
    if any(column in table.key for column in shown):
        check.sample = json.dumps(sample, default=str)
    else:
        check.observed = ", ".join(
            f"{name} {value}" for name, value in sample[0].items()
        )


def _failing_rows(table: Table, expectation: Any) -> str | None:
    source = f"{quote(table.schema)}.{quote(table.name)}"
    query = getattr(expectation, "unexpected_rows_query", None)
    if query:
        return str(query).format(batch=source)
    column = getattr(expectation, "column", None)
    if (
        expectation.expectation_type != "expect_column_values_to_be_between"
        or not column
    ):
        return None
    limits = [
        f"{quote(column)} {sign} {literal(str(limit))}"
        for sign, limit in (("<", expectation.min_value), (">", expectation.max_value))
        if limit is not None
    ]
    return f"select * from {source} where {' or '.join(limits)}" if table.key else None


def _record(run: Run, checks: list[Check]) -> Path:
    """Keep the results: in the candidate, in the history, and to be read."""
    columns = list(asdict(checks[0]))
    history = run.folder / "history" / "gate_results" / f"{run.run_folder.name}.parquet"
    results = run.run_folder / "gate_results.parquet"
    history.parent.mkdir(parents=True, exist_ok=True)
    with connect(run.warehouse, scratch=run.folder / "scratch") as warehouse:
        # The table of earlier results has the right columns and types.
        warehouse.execute("create temp table results as from kith.gate_results limit 0")
        warehouse.executemany(
            f"insert into results ({', '.join(columns)}) "
            f"values ({', '.join('?' * len(columns))})",
            [list(asdict(check).values()) for check in checks],
        )
        warehouse.execute(f"copy results to {literal(str(results))} (format parquet)")
        (as_of,) = fetch_row(warehouse, "select as_of_date from kith.run")
        # A task that is tried again replaces what it wrote.
        warehouse.execute(
            "delete from operations.gate_results where run_id = ?", [run.run_id]
        )
        warehouse.execute(
            "insert into operations.gate_results by name "
            "select *, cast(? as date) as as_of_date from results",
            [as_of],
        )
    shutil.copy(results, history.with_suffix(".tmp"))
    history.with_suffix(".tmp").replace(history)
    summary = run.run_folder / "gate_summary.md"
    summary.write_text(_summary(run, checks, as_of), encoding="utf-8")
    return summary


def _summary(run: Run, checks: list[Check], as_of: dt.date) -> str:
    stopping = stops(checks)
    warnings = failures(checks, "warning")
    verdict = (
        f"stopped by {_count(stopping, 'check')}; `current` is unchanged"
        if stopping
        else "passed" + (f" with {_count(warnings, 'warning')}" if warnings else "")
    )
    lines = [
        f"# Gate: {verdict}",
        "",
        f"Company {run.company.name}, run `{run.run_id}`, data as of {as_of}.",
        "",
    ]
    for title, group in (("Stopped by", stopping), ("Warnings", warnings)):
        lines += [f"## {title}", ""] if group else []
        for check in group:
            lines.append(
                f"- **{check.table_name}: {check.expectation}** {check.outcome}"
            )
            lines.append(f"  - observed: {check.observed or 'nothing was executed'}")
            if check.column_name:
                lines.append(f"  - column: {check.column_name}")
            if check.unexpected_count is not None:
                lines.append(
                    f"  - failing rows: {check.unexpected_count}; "
                    f"rows of the table: {check.row_count}"
                )
            if check.sample:
                lines.append(f"  - sample: `{check.sample}`")
        lines += [""] if group else []
    outcomes = ("passed", "failed", "broken", "not_applicable")
    lines += [
        "## All checks",
        "",
        "| table | rows | passed | failed | broken | not applicable |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    by_table: dict[str, list[Check]] = {}
    for check in checks:
        by_table.setdefault(check.table_name, []).append(check)
    for name, group in by_table.items():
        counts = Counter(check.outcome for check in group)
        rows = max((check.row_count or 0) for check in group)
        lines.append(
            f"| {name} | {rows} | "
            + " | ".join(str(counts[o]) for o in outcomes)
            + " |"
        )
    return "\n".join(lines) + "\n"


def stops(checks: list[Check]) -> list[Check]:
    """Checks that forbid publication."""
    broken = [check for check in checks if check.outcome == "broken"]
    return broken + failures(checks, "critical")


def _stop_unless_passed(checks: list[Check], summary: Path) -> None:
    stopping = stops(checks)
    if not stopping:
        return
    first = stopping[0]
    kind, verb = (
        (BrokenCheckError, "could not be executed")
        if first.outcome == "broken"
        else (GateError, "failed")
    )
    more = f", and {_count(stopping[1:], 'more check')}" if stopping[1:] else ""
    rows = (
        f" ({first.unexpected_count} failing rows of {first.row_count})"
        if first.unexpected_count is not None
        else ""
    )
    raise kind(
        f"{first.table_name}: '{first.expectation}' {verb}"
        f"{': observed ' + first.observed if first.observed else ''}{rows}{more}; "
        f"see {summary}; `current` is unchanged"
    )


def _severity(expectation: Any) -> str:
    # GX knows `info` as well; only critical stops.
    return "critical" if str(expectation.severity.value) == "critical" else "warning"


def _count(items: list[Any], noun: str) -> str:
    return f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"


def _one_line(message: object) -> str:
    return " ".join(str(message).split())[:200]


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(tzinfo=None)
