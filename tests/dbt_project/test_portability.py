"""The models mean the same on DuckDB and on Spark.

dbt sends one text to either engine. So sqlglot reads each model's text as DuckDB and as
Spark SQL: both readings, written as Spark SQL, must be equal, and use nothing that one
of the two engines lacks or computes otherwise. What differs has a macro with a form for
each engine; those forms are read by the engine for which they are.

The data's own types decide some questions (an average of decimals is rounded on Spark),
so that columns are traced back to the contracts.
"""

import itertools
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import sqlglot
import yaml
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify

from kith.settings import REPOSITORY
from tests.dbt_project.rendered import MARK, MODELS, for_engine, shared

PATHS = sorted(MODELS.rglob("*.sql"))
STAGING = sorted(REPOSITORY.glob("companies/*/staging/*.sql"))
# Functions that give the same on both engines; what depends on types, see `_by_type`.
SHARED = {
    *("abs", "and", "arg_max", "arg_min", "avg", "bit_count", "bitwise_or_agg", "case"),
    *("cast", "ceil", "chr", "coalesce", "count", "dense_rank", "exists", "extract"),
    *("exp", "floor", "greatest"),
    *(
        "if",
        "lag",
        "lead",
        "ln",
        "least",
        "left",
        "length",
        "lower",
        "max",
        "md5",
        "min",
        "ntile",
        "nullif",
    ),
    *("or", "power", "rank", "replace", "round", "row_number", "sqrt", "sum"),
    *("timestamp_trunc", "trim"),
}
# What macros with a form for each engine give.
GIVES = {
    "business_date": "date",
    "business_hour": "bigint",
    "business_hour_start": "timestamp",
    "business_midnight": "timestamp",
    "day_of_text": "date",
    "days_between": "bigint",
    "epoch_seconds": "double",
    "hour_of_text": "bigint",
    "is_blocked": "boolean",
    "last_known": "string",
    "median": "double",
    "ordering": "struct",
    "row_hash": "bigint",
    "running_median": "double",
    "series": "bigint",
    "sorted_list": "string",
}
# Functions of Spark that those macros use there and sqlglot does not know.
OF_SPARK = {"bit_count", "unix_micros", "xxhash64"}
WHOLE = exp.DataType.INTEGER_TYPES


@cache
def schema() -> dict[str, dict[str, str]]:
    """Types of the columns of each table that a model may read."""
    tables: dict[str, dict[str, str]] = {}
    for path in (*MODELS.rglob("*.yml"), *(MODELS.parent / "seeds").glob("*.yml")):
        declared = yaml.safe_load(path.read_text())
        listed = [
            *declared.get("models", []),
            *declared.get("seeds", []),
            *(t for s in declared.get("sources", []) for t in s["tables"]),
        ]
        for table in listed:
            types = table.get("config", {}).get("column_types", {})
            tables[table["name"]] = {
                column["name"]: column.get("data_type") or types[column["name"]]
                for column in table["columns"]
            }
    return tables


def findings(sql: str, path: Path | None = None) -> list[str]:
    """What of a model's text is not the same on both engines: line and reason."""
    text = shared(sql, path)
    readings = []
    for engine in ("duckdb", "spark"):
        try:
            readings.append(sqlglot.parse_one(text, read=engine))
        except SqlglotError as error:
            fault = error.errors[0]
            place = _place(sql, text, fault["line"])
            return [f"{place}: {engine} cannot read it: {fault['description']}"]
    duckdb, spark = readings
    for kind in duckdb.find_all(exp.DataType):
        if kind.this == exp.DataType.Type.TIMESTAMPNTZ:  # all sessions are in UTC
            kind.set("this", exp.DataType.Type.TIMESTAMP)
    found = [*_read_otherwise(duckdb, spark), *_unshared_functions(duckdb)]
    if not found:
        found += _by_type(duckdb)
    lines = [(_line(node), reason) for node, reason in found]
    no_length = "Spark has no varchar without length: say string"
    lines += [(line, no_length) for line in _without_length(text)]
    return sorted({f"{_place(sql, text, line)}: {reason}" for line, reason in lines})


def _read_otherwise(
    duckdb: exp.Expression, spark: exp.Expression
) -> Iterator[tuple[exp.Expression, str]]:
    """The smallest parts that the two engines read in two ways."""
    if duckdb.sql("spark") == spark.sql("spark"):
        return
    parts = [list(node.iter_expressions()) for node in (duckdb, spark)]
    inner = (
        [f for pair in zip(*parts, strict=True) for f in _read_otherwise(*pair)]
        if type(duckdb) is type(spark) and len(parts[0]) == len(parts[1])
        else []
    )
    if inner:
        yield from inner
    elif isinstance(duckdb, exp.Ordered):
        yield duckdb, "NULLs sort last on DuckDB and first on Spark: say nulls last"
    else:
        yield duckdb, f"Spark reads `{spark.sql('spark')}`, not `{duckdb.sql('spark')}`"


def _without_length(text: str) -> Iterator[int]:
    """Lines with a type that Spark lacks, though sqlglot takes it for its `string`."""
    tokens = sqlglot.tokenize(text, read="spark")
    for token, following in itertools.pairwise(tokens):
        if token.text.lower() in ("varchar", "char") and following.text != "(":
            yield token.line


def _unshared_functions(duckdb: exp.Expression) -> Iterator[tuple[exp.Expression, str]]:
    for call in duckdb.find_all(exp.Func):
        name = _name(call)
        if name.startswith(MARK):
            if name.removeprefix(MARK) not in GIVES:
                yield call, f"{name}: say in GIVES what the macro gives"
        elif name not in SHARED:
            yield call, f"{name} is not known to give the same: write a macro"


def _by_type(duckdb: exp.Expression) -> Iterator[tuple[exp.Expression, str]]:
    """Findings that depend on the types of columns."""
    for table in duckdb.find_all(exp.Table):
        table.set("db", None)
    for call in list(duckdb.find_all(exp.Anonymous)):
        given = GIVES.get(_name(call).removeprefix(MARK))
        if given and not isinstance(call.parent, exp.Table):
            call.replace(exp.cast(call.copy(), given))
    typed = annotate_types(
        qualify(
            duckdb,
            schema=schema(),
            dialect="duckdb",
            validate_qualify_columns=False,
            quote_identifiers=False,
        ),
        schema=schema(),
        dialect="duckdb",
    )
    double = exp.DataType.Type.DOUBLE
    for node in typed.walk():
        if isinstance(node, exp.Cast) and node.to.is_type(*WHOLE):
            value = node.this.unnest()
            is_rounded = isinstance(value, exp.Round | exp.Floor | exp.Ceil)
            is_fraction = value.is_type(double, exp.DataType.Type.DECIMAL)
            if is_fraction and not is_rounded:
                yield node, "DuckDB rounds to a whole number, Spark cuts: round it"
        elif isinstance(node, exp.Avg) and not node.this.is_type(double):
            yield node, "an average of decimals is rounded on Spark: cast to double"
        elif isinstance(node, exp.Div):
            sides = (node.this.unnest(), node.expression.unnest())
            if not any(side.is_type(double) for side in sides):
                yield node, "a quotient of decimals is rounded on Spark: cast to double"


def _name(call: exp.Expression) -> str:
    return (call.name if isinstance(call, exp.Anonymous) else call.sql_name()).lower()


def _line(node: exp.Expression) -> int:
    """Line of the rendered text: of the node, else of what it holds or stands in."""
    lines = [part.meta["line"] for part in node.walk() if "line" in part.meta]
    if lines or node.parent is None:
        return min(lines, default=1)
    return _line(node.parent)


def _place(sql: str, text: str, line: int) -> str:
    """A line of the rendered text, and where it stands in the model if it does."""
    words = text.splitlines()[line - 1].strip()
    for number, written in enumerate(sql.splitlines(), start=1):
        if written.strip() == words:
            return f"line {number} ({words})"
    return f"a macro's line ({words})"


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_model_means_the_same_on_both_engines(path: Path) -> None:
    assert findings(path.read_text(), path) == []


@pytest.mark.parametrize("path", STAGING, ids=lambda path: path.stem)
def test_the_staging_of_companies_means_the_same_on_both(path: Path) -> None:
    assert findings(path.read_text()) == []


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_spark_can_read_what_it_gets(path: Path) -> None:
    text = for_engine(path.read_text(), "spark", path)
    unknown = {
        call.name.lower()
        for call in sqlglot.parse_one(text, read="spark").find_all(exp.Anonymous)
    }
    assert unknown <= OF_SPARK


def test_contracts_call_text_string() -> None:
    """Spark has no varchar without length; DuckDB calls both names varchar."""
    kinds = {kind for columns in schema().values() for kind in columns.values()}
    assert {"string", "timestamp", "decimal(18,2)"} <= kinds
    assert "varchar" not in kinds


@pytest.mark.parametrize(
    "test",
    [
        "{{ test_unique_combination(ref('interactions'), ['interaction_id']) }}",
        "{{ test_mostly_related(ref('feed_contacts'), 'campaign_id', "
        "ref('feed_campaigns'), 'campaign_id') }}",
        "{{ rounded_numbers(ref('feed_order_lines'), 'order_line_id', "
        "{'name': 'line_amount', 'data_type': 'decimal(18,2)'}) }}",
        "{{ test_unrounded(ref('feed_order_lines'), 'order_lines') }}",
        "{{ test_found_in(ref('order_lines'), ['source', 'order_id'], "
        "ref('orders')) }}",
    ],
)
def test_data_tests_mean_the_same_on_both_engines(test: str) -> None:
    assert findings(test) == []
    assert sqlglot.parse_one(for_engine(test, "spark"), read="spark")


@pytest.mark.parametrize(
    ("sin", "reason"),
    [
        ("timezone('UTC', opened_at)", "timezone is not known"),
        ("epoch(opened_at)", "Spark reads `EPOCH(opened_at)`"),
        ("row(source, ticket_id)", "row is not known"),
        ("regexp_replace(source, 'a', 'b')", "regexp_replace is not known"),
        ("string_agg(source, ',')", "group_concat is not known"),
        ("list(source)", "list"),
        ("dayofweek(opened_at)", "day_of_week is not known"),
        ("date_diff('month', opened_at, resolved_at)", "date_diff"),
        ("reopen_count // 2", "cannot read it"),
        ("strftime(opened_at, '%Y')", "strftime"),
        ("quantile_cont(reopen_count, 0.5)", "percentile_cont is not known"),
        (
            "percentile_cont(0.5) within group (order by reopen_count)",
            "percentile_cont is not known",
        ),
        ("cast(source as varchar)", "say string"),
        ("row_number() over (order by ticket_id)", "say nulls last"),
        ("max(source) over (order by source desc nulls last, ticket_id)", "nulls last"),
        ("reopen_count / 3", "a quotient of decimals"),
        ("cast(reopen_count as double) / 3 + cast(1.5 as bigint)", "round it"),
        ("cast({{ epoch_seconds('opened_at') }} as bigint)", "round it"),
        ("avg(cast(reopen_count as decimal(18, 2)))", "an average of decimals"),
        ("{{ adapter.dispatch('unheard_of', 'kith')('source') }}", "say in GIVES"),
        ("ticket_id from", "cannot read it"),
    ],
)
def test_what_engines_do_otherwise_is_found_with_its_line(
    sin: str, reason: str
) -> None:
    model = "with tickets as (\n    select * from {{ ref('feed_tickets') }}\n)\n\n"
    found = findings(f"{model}select\n    {sin} as sin\nfrom tickets")
    assert any(reason in finding for finding in found), found
    assert all(finding.startswith(("line 6", "a macro's line")) for finding in found)


def test_series_of_numbers_have_no_common_form() -> None:
    (found,) = findings("select number\nfrom generate_series(1, 9) as t (number)")
    assert found.startswith("line 2 ")


def test_a_fraction_is_seen_through_the_steps_of_a_model() -> None:
    found = findings(
        """
        with answers as (
            select * from {{ ref('feed_survey_answers') }}
        ),

        scales as (
            select max(scale_max) as longest from answers
        )

        select cast(longest as bigint) as length from scales
        """
    )
    assert found == [
        "line 10 (select cast(longest as bigint) as length from scales): DuckDB rounds "
        "to a whole number, Spark cuts: round it"
    ]
