"""Why two identifiers are one customer, or are not, as the last candidate has it."""

import re
from pathlib import Path
from typing import Any

import duckdb

from kith.company.folder import Company
from kith.database import connect
from kith.errors import ConfigurationError
from kith.pull.pseudonyms import hashes_of

_HASH, _ID = re.compile("[0-9a-f]{64}"), re.compile("[0-9a-f]{32}")
_BEGINS = re.compile(rf"[a-z_]\w*:|({_HASH.pattern}|{_ID.pattern})$")
_ASK = (
    "ask for a customer, ID=<customer_id>, or for two identifiers, "
    'ID="email:anna@example.com card:123"; the values as people write them, or as the '
    "marts have them"
)
_RULES = {
    "blocked_value": "is blocked (company.yml: identity.blocked)",
    "too_many_partners": "was seen with too many others of one kind (company.yml: "
    "identity.partner_limits)",
    "shared_by_several": "is used by several people who contradict each other "
    "(company.yml: identity.shareable)",
}
# A link as a row of the question: its number, evidence, day, and both ends.
Link = dict[str, Any]


def explain_identity(company: Company, state: Path, asked: list[str]) -> str:
    """Say what makes a customer, or two identifiers, one; for people to read.

    `state` is the company's folder in KITH_HOME. Identifiers are shown by their kind
    and the first signs of their hash. Raises ConfigurationError where the question is
    none, or nobody knows the identifier.
    """
    database = state / "warehouse" / "kith_build.duckdb"
    if not database.is_file():
        raise ConfigurationError(
            f"{database}: not found; let a run build a candidate first: "
            f"make run COMPANY={company.folder}"
        )
    asked = _whole(asked)
    if not 1 <= len(asked) <= 2:
        raise ConfigurationError(_ASK)
    with connect(database, scratch=state / "scratch", read_only=True) as candidate:
        known = candidate.execute(
            "select count(*) from information_schema.tables "
            "where table_name in ('identities', 'int_identifier_links')"
        ).fetchall()
        if known != [(2,)]:
            raise ConfigurationError(
                f"{database}: its build failed before identity; run it again"
            )
        if len(asked) == 1 and _ID.fullmatch(asked[0]):
            return _of_person(candidate, asked[0])
        found = [_identifier(candidate, company, text) for text in asked]
        if len(found) == 1:
            return _standing(found[0]) + (
                "\n" + _of_person(candidate, found[0]["person_id"])
                if found[0]["person_id"]
                else ""
            )
        return _of_two(candidate, *found)


def _whole(parts: list[str]) -> list[str]:
    """What is asked for, from its parts between blanks: a value may hold some."""
    asked: list[str] = []
    for part in parts:
        if asked and not _BEGINS.match(part):
            asked[-1] += f" {part}"
        else:
            asked.append(part)
    return asked


def _rows(
    candidate: duckdb.DuckDBPyConnection, query: str, **values: Any
) -> list[Link]:
    answer = candidate.execute(query, values)
    names = [column[0] for column in answer.description or []]
    return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]


def _identifier(
    candidate: duckdb.DuckDBPyConnection, company: Company, text: str
) -> dict[str, Any]:
    """The identifier that a text names: a hash, or its kind and its value."""
    kind, _, value = (
        text.rpartition(":") if _HASH.fullmatch(text[-64:]) else (text.partition(":"))
    )
    if not value or not (kind or _HASH.fullmatch(value)):
        raise ConfigurationError(f"ID: no kind and value of an identifier; {_ASK}")
    values = [value]
    if not _HASH.fullmatch(value):
        values += [
            digest for _, digest in hashes_of(company.sources, {kind: [value]}, "ID: ")
        ]
    found = _rows(
        candidate,
        """
        select * from intermediate.identities
        where identifier_value in (select unnest($values))
            and (identifier_type = $kind or $kind = '')
        order by identifier_number
        """,
        values=values,
        kind=kind,
    )
    if not found:
        kinds = candidate.execute(
            "select distinct identifier_type from intermediate.identities order by 1"
        ).fetchall()
        raise ConfigurationError(
            f"ID: no row and no link up to the as-of date names this {kind or 'hash'}; "
            f"identifiers are of the kinds {', '.join(kind for (kind,) in kinds)}"
        )
    return found[0]


def _standing(one: dict[str, Any]) -> str:
    name = _name(one["identifier_type"], one["identifier_value"])
    if one["refused_by"]:
        return f"{name} stands for nobody: it {_RULES[one['refused_by']]}"
    of_whom = "customer" if one["customer_id"] else one["standing"]
    return f"{name} is of {of_whom} {one['person_id']}"


def _name(kind: str, value: str) -> str:
    return f"{kind}:{value[:8] + '…' if _HASH.fullmatch(value) else value}"


def _told(link: Link) -> str:
    day = f"{link['first_seen_at']:%Y-%m-%d}" if link["first_seen_at"] else "undated"
    ends = [
        _name(link[f"{side}_type"], link[f"{side}_value"]) for side in ("left", "right")
    ]
    return f"  {day:<11} {ends[0]:<20} {ends[1]:<20} {link['evidence']}"


def _of_person(candidate: duckdb.DuckDBPyConnection, person: str) -> str:
    """Identifiers of a person, links that hold them together, and those refused."""
    members = _rows(
        candidate,
        """
        select identities.*, first_seen_at, last_seen_at, sources
        from intermediate.identities
        inner join intermediate.int_identifiers using (identifier_number)
        where person_id = $person
        order by identifier_number
        """,
        person=person,
    )
    if not members:
        merged = _rows(
            candidate,
            """
            select person_id, merged_at
            from customer.customer_merges where person_id_before = $person
            """,
            person=person,
        )
        if merged:
            (row,) = merged
            return (
                f"{person} ended on {row['merged_at']:%Y-%m-%d}: it goes on as\n"
                + _of_person(candidate, row["person_id"])
            )
        raise ConfigurationError(f"ID: nobody has the id {person}")
    numbers = [member["identifier_number"] for member in members]
    refused = _links(
        candidate,
        "(left_number in (select unnest($numbers)) "
        "or right_number in (select unnest($numbers))) and refused_by is not null",
        numbers=numbers,
    )
    lines = [f"{members[0]['standing']} {person}: {len(members)} identifiers"]
    for member in members:
        days = " to ".join(
            f"{member[name]:%Y-%m-%d}" if member[name] else "undated"
            for name in ("first_seen_at", "last_seen_at")
        )
        name = _name(member["identifier_type"], member["identifier_value"])
        lines.append(f"  {name:<20} {days}  {member['sources']}")
    if len(members) > 1:
        lines.append("joined, in the order of time, by")
        lines += map(_told, _spanning(candidate, numbers))
    if refused:
        lines.append(f"links that do not count: {len(refused)}")
        lines += [f"{_told(link)}; {_refusal(link)}" for link in refused[:20]]
    return "\n".join(lines)


def _of_two(
    candidate: duckdb.DuckDBPyConnection, one: dict[str, Any], other: dict[str, Any]
) -> str:
    """The chain of links between two identifiers, and whether all of it counts."""
    lines = [_standing(one), _standing(other)]
    if one["identifier_number"] == other["identifier_number"]:
        return f"{lines[0]}\nboth are the same identifier"
    is_one = one["person_id"] and one["person_id"] == other["person_id"]
    ends = one["identifier_number"], other["identifier_number"]
    path = _path(candidate, *ends, only_counting=bool(is_one))
    if is_one:
        return "\n".join(
            [*lines, "one person, by these links", *map(_told, path or [])]
        )
    if path is None:
        return "\n".join([*lines, "two: no chain of links leads from one to the other"])
    lines.append("two: a chain leads from one to the other, but not all of it counts")
    for link in path:
        why = f"; {_refusal(link)}" if link["refused_by"] else ""
        lines.append(_told(link) + why)
    return "\n".join(lines)


def _refusal(link: Link) -> str:
    return f"does not count: {link['refused_kind']} {_RULES[link['refused_by']]}"


def _links(
    candidate: duckdb.DuckDBPyConnection, where: str, **values: Any
) -> list[Link]:
    """Links, the earliest first, with the rule that refuses them, if one does."""
    return _rows(
        candidate,
        f"""
        from (
            select
                links.*,
                left_ones.identifier_type as left_type,
                left_ones.identifier_value as left_value,
                right_ones.identifier_type as right_type,
                right_ones.identifier_value as right_value,
                coalesce(left_ones.refused_by, right_ones.refused_by) as refused_by,
                case when left_ones.refused_by is not null then left_type
                    else right_type end as refused_kind
            from intermediate.int_identifier_links as links
            inner join intermediate.identities as left_ones
                on left_ones.identifier_number = left_number
            inner join intermediate.identities as right_ones
                on right_ones.identifier_number = right_number
        )
        where {where}
        order by link_number
        """,
        **values,
    )


def _spanning(candidate: duckdb.DuckDBPyConnection, numbers: list[int]) -> list[Link]:
    """Of a person's links the earliest that hold all identifiers together."""
    group = {number: number for number in numbers}
    kept = []
    for link in _links(
        candidate,
        "left_number in (select unnest($numbers)) "
        "and right_number in (select unnest($numbers))",
        numbers=numbers,
    ):
        one, other = group[link["left_number"]], group[link["right_number"]]
        if one != other:
            kept.append(link)
            group = {n: one if g == other else g for n, g in group.items()}
    return kept


def _path(
    candidate: duckdb.DuckDBPyConnection, start: int, goal: int, only_counting: bool
) -> list[Link] | None:
    """A shortest chain of links from one identifier to another; None without one."""
    came_by: dict[int, Link | None] = {start: None}
    frontier = [start]
    rule = "and refused_by is null" if only_counting else ""
    while frontier and goal not in came_by:
        reached = _links(
            candidate,
            f"(left_number in (select unnest($frontier)) "
            f"or right_number in (select unnest($frontier))) {rule}",
            frontier=frontier,
        )
        frontier = []
        for link in reached:
            for here, there in (
                (link["left_number"], link["right_number"]),
                (link["right_number"], link["left_number"]),
            ):
                if here in came_by and there not in came_by:
                    came_by[there] = {**link, "from": here}
                    frontier.append(there)
    if goal not in came_by:
        return None
    path = []
    step = came_by[goal]
    while step:
        path.append(step)
        step = came_by[step["from"]]
    return path[::-1]
