"""The views that readers see, which stay while the release behind them changes."""

from typing import Any

import psycopg
from psycopg import sql

from kith.company.folder import PUBLISHED_SCHEMAS, Company
from kith.company.postgres import Postgres, prefix_of
from kith.errors import ConfigurationError
from kith.serve.contents import Contents, Mart
from kith.serve.tables import STAMP

# Where the table that says which release this is has its view.
STAMP_SCHEMA = "operations"
Views = dict[tuple[str, str], dict[str, str]]


def schema_names(company: Company, declared: Postgres) -> dict[str, str]:
    """The schemas that readers see, by the names that these have in the file."""
    prefix = prefix_of(declared, company.name)
    return {schema: f"{prefix}{schema}" for schema in PUBLISHED_SCHEMAS}


def owner_note(company: Company) -> str:
    """The comment of a schema that readers see, by which Kith knows it as its own."""
    return f"Marts of company {company.name}, served by Kith"


def check_views(
    session: psycopg.Connection[Any],
    company: Company,
    declared: Postgres,
    contents: Contents,
) -> None:
    """Refuse to take somebody else's schema, and a change that breaks readers.

    A column that a view has must stay, and keep its type: PostgreSQL itself refuses
    anything else, since views of others depend on it. Raises ConfigurationError.
    """
    file = company.folder / "company.yml"
    names = schema_names(company, declared)
    noted = _notes(session, list(names.values()))
    for schema, note in noted.items():
        if note != owner_note(company):
            raise ConfigurationError(
                f"{file}: postgres.prefix: the database has a schema {schema} that is "
                f"not of this company (its comment: {note or 'none'}); choose another "
                "prefix"
            )
    published = {(names[mart.schema], mart.name): mart for mart in contents.marts}
    left_out = {
        (names[schema], name): rows
        for mart, rows in contents.left_out.items()
        for schema, name in [mart.split(".")]
    }
    faults = []
    for (schema, view), columns in existing_views(session, list(noted)).items():
        mart = published.get((schema, view))
        if rows := left_out.get((schema, view)):
            raise ConfigurationError(
                f"{file}: largest_table_rows: {schema}.{view} has {rows:,} rows now, "
                "too many by it for PostgreSQL, where readers have a view of them; "
                "raise it and run again, or, where nobody needs them there, "
                f"DROP VIEW {schema}.{view} and run the task serve again"
            )
        if mart is None:
            if view != STAMP:
                faults.append(f"{schema}.{view} is no mart any more")
            continue
        for column, kind in columns.items():
            new = mart.columns.get(column)
            if new != kind:
                became = f"is {new} now, {kind} before" if new else "is gone"
                faults.append(f"{schema}.{view}.{column} {became}")
    if faults:
        shown = ", ".join(faults[:5]) + (" …" if faults[5:] else "")
        raise ConfigurationError(
            f"{file}: postgres.prefix: this release breaks what readers on PostgreSQL "
            f"have: {shown}; choose another prefix (such as {company.name}_v2_), which "
            "makes new schemas beside these, and drop these when everybody has moved; "
            "or, where nobody needs the former form, DROP VIEW each of them (it tells "
            "what depends on it) and run the task serve again"
        )


def existing_views(session: psycopg.Connection[Any], schemas: list[str]) -> Views:
    """Columns and their types of the views in these schemas, in their order."""
    found: Views = {}
    for schema, view, column, kind in session.execute(
        """
        select n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
        from pg_class as c
        inner join pg_namespace as n on c.relnamespace = n.oid
        inner join pg_attribute as a on c.oid = a.attrelid
        where
            n.nspname = any(%s) and c.relkind = 'v'
            and a.attnum > 0 and not a.attisdropped
        order by n.nspname, c.relname, a.attnum
        """,
        [schemas],
    ):
        found.setdefault((schema, view), {})[column] = kind
    return found


def replacements(
    session: psycopg.Connection[Any],
    company: Company,
    declared: Postgres,
    marts: list[Mart],
    release_schema: str,
) -> tuple[sql.Composed | None, sql.Composed]:
    """Statements that lock the views there are, and that point all at a release."""
    names = schema_names(company, declared)
    noted = _notes(session, list(names.values()))
    former = existing_views(session, list(names.values()))
    said: list[sql.Composable] = []
    for schema in names.values():
        if schema not in noted:
            said.append(
                sql.SQL("create schema {0}; comment on schema {0} is {1}").format(
                    sql.Identifier(schema), sql.Literal(owner_note(company))
                )
            )
    for mart in marts:
        schema = names[mart.schema]
        # What readers have stays in its place; what is new comes behind it.
        order = [*former.get((schema, mart.name), {})]
        order += [column for column in mart.columns if column not in order]
        said.append(_view(schema, mart.name, order, release_schema))
    said.append(_view(names[STAMP_SCHEMA], STAMP, [], release_schema))
    locks = [sql.Identifier(*name) for name in former]
    locked = (
        sql.SQL("lock table {} in access exclusive mode").format(
            sql.SQL(", ").join(locks)
        )
        if locks
        else None
    )
    return locked, sql.SQL("; ").join(said)


def _view(
    schema: str, name: str, columns: list[str], release_schema: str
) -> sql.Composed:
    listed = sql.SQL(", ").join(map(sql.Identifier, columns))
    return sql.SQL(
        "create or replace view {} with (security_invoker = true) as select {} from {}"
    ).format(
        sql.Identifier(schema, name),
        listed if columns else sql.SQL("*"),
        sql.Identifier(release_schema, name),
    )


def _notes(session: psycopg.Connection[Any], schemas: list[str]) -> dict[str, str]:
    """The comments of those of these schemas that exist."""
    found = session.execute(
        "select nspname, obj_description(oid, 'pg_namespace') from pg_namespace "
        "where nspname = any(%s)",
        [schemas],
    )
    return {schema: note or "" for schema, note in found}


def view_names(
    company: Company, declared: Postgres, marts: list[Mart]
) -> dict[str, list[str]]:
    """The views that readers see, by their schemas."""
    names = schema_names(company, declared)
    found: dict[str, list[str]] = {schema: [] for schema in names.values()}
    for mart in marts:
        found[names[mart.schema]].append(mart.name)
    found[names[STAMP_SCHEMA]].append(STAMP)
    return found
