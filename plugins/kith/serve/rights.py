"""Who reads what: a role for each audience, policies over rows, grants.

Rights hang on roles without a login, one for each audience of a company. The tables of
a release have policies for these roles; a table that an audience may see no row of is
not granted to it at all. The views that readers see check the rights of who reads them.
"""

from collections.abc import Iterable
from typing import Any, get_args

import psycopg
from psycopg import sql

from kith.company.postgres import Audience, Reader, group_role
from kith.errors import CredentialsError
from kith.publish.audiences import NOBODY
from kith.serve.contents import Mart
from kith.serve.tables import READERS, STAMP

AUDIENCES: tuple[Audience, ...] = get_args(Audience)
_OWN: tuple[Audience, ...] = ("own_customers", "own_department")


def make_roles(session: psycopg.Connection[Any], company: str) -> None:
    """Make the roles of a company's audiences that are not there."""
    for audience in AUDIENCES:
        role = group_role(company, audience)
        if not _exists(session, role):
            session.execute(
                sql.SQL("create role {} nologin").format(sql.Identifier(role))
            )


def known_readers(
    session: psycopg.Connection[Any], readers: Iterable[Reader]
) -> tuple[list[Reader], list[str]]:
    """The readers whose login exists, and the logins that do not.

    Raises CredentialsError where a login could read more than its audience whatever is
    granted to it.
    """
    known, missing = [], []
    for reader in readers:
        if not _exists(session, reader.login):
            missing.append(reader.login)
            continue
        known.append(reader)
        found = session.execute(
            "select rolsuper, rolbypassrls, pg_has_role(oid, current_user, 'member') "
            "from pg_roles where rolname = %s",
            [reader.login],
        ).fetchone()
        if reader.audience != "all" and found and any(found):
            what = ("is a superuser", "bypasses row-level security", "may act as Kith")
            told = " and ".join(
                text for text, holds in zip(what, found, strict=True) if holds
            )
            raise CredentialsError(
                f"postgres.readers: login {reader.login} {told}, so that the audience "
                f"{reader.audience} cannot hold for it; take that right away, or "
                "declare the audience all"
            ).showing(thing=f"login {reader.login}")
    return known, missing


def policies(schema: str, company: str, marts: list[Mart]) -> sql.Composed:
    """Statements by which the rows of a release's tables are for whom they are for."""
    said = [
        _policy(schema, READERS, company, audience, sql.SQL("login = current_user"))
        for audience in _OWN
    ]
    said += [_secured(schema, name) for name in (READERS, *(m.name for m in marts))]
    for mart in marts:
        for audience in AUDIENCES:
            if condition := _condition(schema, mart, audience):
                said.append(_policy(schema, mart.name, company, audience, condition))
    return sql.SQL("; ").join(said)


def _secured(schema: str, table: str) -> sql.Composed:
    return sql.SQL("alter table {} enable row level security").format(
        sql.Identifier(schema, table)
    )


def _policy(
    schema: str, table: str, company: str, audience: Audience, condition: sql.Composable
) -> sql.Composed:
    return sql.SQL("create policy {} on {} for select to {} using ({})").format(
        sql.Identifier(audience),
        sql.Identifier(schema, table),
        sql.Identifier(group_role(company, audience)),
        condition,
    )


def _condition(schema: str, mart: Mart, audience: Audience) -> sql.Composable | None:
    """SQL of the rows of a mart that are for an audience, None where none can be."""
    if audience == "all":
        return sql.SQL("true")
    conditions: list[sql.Composable] = []
    if mart.rows_about_nobody != NOBODY:
        conditions.append(sql.SQL(f"({mart.rows_about_nobody})"))
    if audience in _OWN and (own := _own(schema, mart, audience)):
        conditions.append(own)
    return sql.SQL(" or ").join(conditions) if conditions else None


def _own(schema: str, mart: Mart, audience: Audience) -> sql.Composable | None:
    """SQL of the rows of one's own customers; without customers, of one's employees.

    Who is in whose care stands in the mart customers, as of the release.
    """
    key = "employee_id" if audience == "own_customers" else "department"
    mine = sql.SQL("(select r.{} from {} as r where r.login = current_user)").format(
        sql.Identifier(key), sql.Identifier(schema, READERS)
    )
    is_mine = sql.SQL("{} = {}").format(sql.Identifier(key), mine)
    # Each mart by the widest thing that it knows of whose its rows are.
    source = {"customer_id": "customers", "employee_id": "employees"}
    for column, table in source.items():
        if column in mart.columns:
            if mart.name == table or (column, key) == ("employee_id", "employee_id"):
                return is_mine
            chosen = "{0} in (select o.{0} from {1} as o where o.{2} = {3})"
            return sql.SQL(chosen).format(
                sql.Identifier(column),
                sql.Identifier(schema, table),
                sql.Identifier(key),
                mine,
            )
    return None


def visible_tables(marts: list[Mart], audience: Audience) -> list[str]:
    """Names of the tables of which an audience may see rows."""
    named = [m.name for m in marts if _condition("", m, audience) is not None]
    return [*named, STAMP, *([READERS] if audience in _OWN else [])]


def grants(schema: str, company: str, marts: list[Mart]) -> sql.Composed:
    """Statements that grant a release's schema to those who see rows of it."""
    return sql.SQL("; ").join(
        _grant_all(
            schema,
            visible_tables(marts, audience),
            sql.Identifier(group_role(company, audience)),
        )
        for audience in AUDIENCES
    )


def view_grants(
    company: str, marts: list[Mart], views: dict[str, list[str]]
) -> sql.Composed:
    """Statements that grant the views anew; `views` are names by their schemas."""
    said: list[sql.Composable] = []
    for audience in AUDIENCES:
        role = sql.Identifier(group_role(company, audience))
        visible = visible_tables(marts, audience)
        for schema, names in views.items():
            said.append(
                sql.SQL("revoke all on all tables in schema {} from {}").format(
                    sql.Identifier(schema), role
                )
            )
            seen = [name for name in names if name in visible]
            said.append(_grant_all(schema, seen, role))
    return sql.SQL("; ").join(said)


def _grant_all(schema: str, tables: list[str], role: sql.Identifier) -> sql.Composable:
    usage = sql.SQL("grant usage on schema {} to {}").format(
        sql.Identifier(schema), role
    )
    if not tables:
        return usage
    listed = sql.SQL(", ").join(sql.Identifier(schema, name) for name in tables)
    return sql.SQL("{}; grant select on {} to {}").format(usage, listed, role)


def revocations(schema: str, company: str) -> sql.Composed:
    """Statements that take a former release's schema from all audiences."""
    roles = sql.SQL(", ").join(
        sql.Identifier(group_role(company, audience)) for audience in AUDIENCES
    )
    return sql.SQL(
        "revoke all on all tables in schema {0} from {1}; "
        "revoke all on schema {0} from {1}"
    ).format(sql.Identifier(schema), roles)


def set_members(
    session: psycopg.Connection[Any], schema: str, company: str, readers: list[Reader]
) -> list[str]:
    """Let exactly these logins be of their audiences; returns whom it took one from."""
    table = sql.Identifier(schema, READERS)
    session.execute(sql.SQL("delete from {}").format(table))
    for reader in readers:
        session.execute(
            sql.SQL("insert into {} values (%s, %s, %s, %s)").format(table),
            [reader.login, reader.audience, reader.employee_id, reader.department],
        )
    removed = []
    for audience in AUDIENCES:
        role = group_role(company, audience)
        wanted = {reader.login for reader in readers if reader.audience == audience}
        found = _members(session, role)
        for login in sorted(found - wanted):
            session.execute(
                sql.SQL("revoke {} from {}").format(
                    sql.Identifier(role), sql.Identifier(login)
                )
            )
            removed.append(login)
        if kept := sorted(_members(session, role) - wanted):
            raise CredentialsError(
                f"postgres.readers: {', '.join(kept)} was let into {role} by another "
                f"login than Kith's and is not declared for it; declare it, or have "
                f"that login REVOKE {role} again"
            ).showing(thing=f"role {role}")
        for login in sorted(wanted - found):
            session.execute(
                sql.SQL("grant {} to {}").format(
                    sql.Identifier(role), sql.Identifier(login)
                )
            )
    return removed


def _members(session: psycopg.Connection[Any], role: str) -> set[str]:
    """Who is a member of a role, without who made it and so may grant it."""
    return {
        name
        for (name,) in session.execute(
            "select distinct member.rolname from pg_auth_members as m "
            "inner join pg_roles as role on m.roleid = role.oid "
            "inner join pg_roles as member on m.member = member.oid "
            "where role.rolname = %s and member.rolname <> current_user",
            [role],
        )
    }


def _exists(session: psycopg.Connection[Any], role: str) -> bool:
    found = session.execute("select 1 from pg_roles where rolname = %s", [role])
    return found.fetchone() is not None
