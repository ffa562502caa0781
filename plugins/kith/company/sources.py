"""`sources.yml`, read and checked: dbt's source format, with Kith's rules as meta."""

import re
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ValidationError, field_validator, model_validator

from kith.company.tables import (
    EPOCHS,
    OTHERS,
    Column,
    ColumnRules,
    Freshness,
    Name,
    SourceTable,
    TableRules,
)
from kith.company.yaml_files import explained, read_yaml
from kith.errors import ConfigurationError

# Schemas and databases of the warehouse that Kith or DuckDB makes: a source is a schema
# there and may not be called like one of them.
RESERVED_SCHEMAS = {
    *("memory", "pg_catalog", "system", "temp"),
    *("candidate", "kith_build", "release"),
    "kith",
    "staging",
    "feeds",
    "intermediate",
    "customer",
    "segment",
    "satisfaction",
    "operations",
    "main",
    "information_schema",
}


class _DbtNode(BaseModel):
    """A node of dbt's source format, with those of dbt's keys that it may have.

    Any other key is refused: dbt does no more than warn in its log, and under a
    misspelt `config` or `meta` even `pii` would count for nothing.
    """

    dbt_keys: ClassVar[set[str]]

    @model_validator(mode="before")
    @classmethod
    def _knows_all_keys(cls, node: Any) -> Any:
        if not isinstance(node, dict):
            return node
        faults = []
        for key in [key for key in node if key not in cls.dbt_keys]:
            if key in _RULE_NAMES:
                faults.append(f"`{key}` belongs under `config: meta:`")
            elif key in ("meta", "freshness"):
                faults.append(f"`{key}` belongs under `config:`, where Kith reads it")
            else:
                known = ", ".join(sorted(cls.dbt_keys))
                faults.append(f"unknown key `{key}`; expected one of {known}")
        if faults:
            raise ValueError("; ".join(faults))
        return node


_RULE_NAMES = {*TableRules.model_fields, *ColumnRules.model_fields}
_DBT_CONFIG = {"enabled", "event_time", "loaded_at_field", "loaded_at_query"}


# What DuckDB's strptime reads.
STRPTIME_CODES = {
    *(f"%{letter}" for letter in "abcdfghjmnpuwxyzABGHIMSTUVWXYZ%"),
    *(f"%-{letter}" for letter in "djmyHIMS"),
}


# A time that a format ends with as it stands, instead of reading it by %z.
_FIXED_OFFSET = re.compile(r"%-?[fHIMSpT].*?(Z|UTC|GMT|[+-]\d\d:?\d\d)$")


def _tells_a_day(codes: list[str]) -> bool:
    letters = {code[-1] for code in codes}

    def has(any_of: str) -> bool:
        return not letters.isdisjoint(any_of)

    is_week_day = has("UVW") and has("aAuw")
    is_day = has("cjx") or (has("d") and has("bBhm")) or is_week_day
    return is_day and has("cGxyY")


class _ColumnConfig(_DbtNode):
    dbt_keys = {"meta", "tags"}

    meta: ColumnRules = ColumnRules()


class _ColumnNode(_DbtNode):
    dbt_keys = {
        *("name", "data_type", "description", "config", "docs", "tags", "quote"),
        *("constraints", "data_tests", "tests", "granularity"),
    }

    name: str
    data_type: str
    config: _ColumnConfig = _ColumnConfig()

    @model_validator(mode="after")
    def _has_a_scope_of_hashes(self) -> "_ColumnNode":
        rules = self.config.meta
        if rules.scope == "source" and rules.pii is None:
            raise ValueError(
                "scope: source is for columns with `pii`; elsewhere have the staging "
                "model put the source before the value: 'till:' || device"
            )
        return self

    @model_validator(mode="after")
    def _names_somebody(self) -> "_ColumnNode":
        rules = self.config.meta
        if rules.pii and rules.identifies not in (None, *OTHERS):
            raise ValueError(
                f"identifies: {rules.identifies}: a `pii` column is of the kind "
                f"{rules.pii}; expected {' or '.join(OTHERS)}, or nothing"
            )
        return self

    @model_validator(mode="after")
    def _has_formats_that_tell_a_day(self) -> "_ColumnNode":
        is_moment = self.data_type.lower().startswith(("date", "timestamp"))
        for pattern in self.config.meta.format:
            if pattern in EPOCHS and is_moment:
                continue
            codes = re.findall("%-?.?", pattern)
            if unknown := [code for code in codes if code not in STRPTIME_CODES]:
                raise ValueError(
                    f"format '{pattern}': strptime has no {unknown[0]}; expected codes "
                    "such as %d.%m.%Y %H:%M:%S"
                )
            if is_moment and not _tells_a_day(codes):
                raise ValueError(
                    f"format '{pattern}' tells no day of a year; expected codes of "
                    f"strptime such as %d.%m.%Y, or one of {', '.join(EPOCHS)}"
                )
            fixed = _FIXED_OFFSET.search(pattern)
            if fixed and self.config.meta.time_zone != "UTC":
                raise ValueError(
                    f"format '{pattern}' ends in {fixed[1]}, but time_zone says "
                    f"{self.config.meta.time_zone}; leave one of them out, or read the "
                    "offset with %z"
                )
        return self


class _TableConfig(_DbtNode):
    dbt_keys = {"meta", "tags", "freshness", *_DBT_CONFIG}

    meta: TableRules
    freshness: Freshness | None = None


class _TableNode(_DbtNode):
    dbt_keys = {
        *("name", "description", "config", "columns", "docs", "tags", "identifier"),
        *("quoting", "loader", "external", "loaded_at_field", "loaded_at_query"),
        *("data_tests", "tests"),
    }

    name: Name
    config: _TableConfig
    columns: list[_ColumnNode]

    @model_validator(mode="after")
    def _is_consistent(self) -> "_TableNode":
        names = [column.name for column in self.columns]
        owners: dict[str, str] = {}
        for column in self.columns:
            for name in {
                column.name.lower(),
                *map(str.lower, column.config.meta.aliases),
            }:
                if name in owners:
                    raise ValueError(
                        f"columns {owners[name]} and {column.name}: '{name}' is a name "
                        "of both, since names of columns do not mind case"
                    )
                owners[name] = column.name
        rules = self.config.meta
        moments = [name for name in (rules.cursor, rules.arrived) if name]
        for name in [*rules.key, *moments]:
            if name not in names:
                raise ValueError(
                    f"key, cursor or arrived '{name}' is not among its columns"
                )
        kinds = {column.name: column.data_type.lower() for column in self.columns}
        for name in moments:
            if kinds[name] not in ("date", "timestamp"):
                raise ValueError(f"'{name}' must be a date or timestamp")
        return self


class _SourceConfig(_DbtNode):
    dbt_keys = {"meta", "tags", *_DBT_CONFIG}

    meta: dict[str, Any] = {}

    @field_validator("meta")
    @classmethod
    def _has_no_rules(cls, meta: dict[str, Any]) -> dict[str, Any]:
        if rules := sorted(_RULE_NAMES & meta.keys()):
            raise ValueError(f"`{rules[0]}` belongs under `config: meta:` of a table")
        return meta


class _SourceNode(_DbtNode):
    dbt_keys = {
        *("name", "description", "config", "tables", "tags", "database", "schema"),
        *("quoting", "loader", "loaded_at_field", "loaded_at_query"),
    }

    config: _SourceConfig = _SourceConfig()
    name: Name
    tables: list[_TableNode]

    @field_validator("name")
    @classmethod
    def _is_free(cls, name: str) -> str:
        if name in RESERVED_SCHEMAS:
            raise ValueError(
                "the name of one of Kith's or DuckDB's own schemas; call the source "
                "after the system that delivers it"
            )
        return name

    @field_validator("tables")
    @classmethod
    def _are_distinct(cls, tables: list[_TableNode]) -> list[_TableNode]:
        _check_distinct("table", [table.name for table in tables])
        return tables


class _SourcesFile(BaseModel):
    sources: list[_SourceNode]

    @field_validator("sources")
    @classmethod
    def _are_distinct(cls, sources: list[_SourceNode]) -> list[_SourceNode]:
        _check_distinct("source", [source.name for source in sources])
        return sources


def _check_distinct(kind: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{kind} {name} is declared twice; each may stand once")


def read_source_tables(path: Path) -> list[SourceTable]:
    """The tables that a `sources.yml` declares.

    Raises ConfigurationError naming file, key and value of every fault.
    """
    content = read_yaml(path)
    try:
        declared = _SourcesFile.model_validate(content)
        tables = [
            SourceTable(
                source=source.name,
                name=table.name,
                rules=table.config.meta,
                freshness=table.config.freshness,
                columns=[
                    Column(
                        name=column.name,
                        data_type=column.data_type,
                        rules=column.config.meta,
                    )
                    for column in table.columns
                ],
            )
            for source in declared.sources
            for table in source.tables
        ]
    except ValidationError as error:
        raise explained(path, content, error) from None
    if not tables:
        raise ConfigurationError(f"{path}: declares no source table")
    _check_references(path, tables)
    return tables


def _check_references(path: Path, tables: list[SourceTable]) -> None:
    columns = {
        table.full_name: [column.name for column in table.columns] for table in tables
    }
    for table in tables:
        for column in table.columns:
            reference = column.rules.references
            if reference is None:
                continue
            where = (
                f"{path}: {table.full_name}: column {column.name}: references "
                f"{reference.table}.{reference.column}"
            )
            if reference.table not in columns:
                raise ConfigurationError(
                    f"{where}: no such table; declared are {', '.join(columns)}"
                )
            if reference.column not in columns[reference.table]:
                raise ConfigurationError(
                    f"{where}: no such column; {reference.table} has "
                    f"{', '.join(columns[reference.table])}"
                )
