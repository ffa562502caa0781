"""Whom a request is about: from identifiers as people write them to persons.

The file that names them lies outside of the repository and of KITH_HOME. What it holds
is never told: errors name its rows.
"""

import csv
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import duckdb

from kith.company.folder import Company
from kith.company.tables import OTHERS
from kith.database import connect
from kith.deliveries.persons import Staged
from kith.errors import ConfigurationError
from kith.pull.pseudonyms import hashes_of
from kith.rights.readable import told_as
from kith.runs.marts import connect_release
from kith.runs.run import Run, current_release
from kith.settings import REPOSITORY

HASH = re.compile("[0-9a-f]{64}")
_RULES = {
    "blocked_value": "is blocked, and stands for nobody",
    "too_many_partners": "was seen with too many others, and stands for nobody",
    "shared_by_several": "is shared by several people",
}


@dataclass(frozen=True)
class Asked:
    """A row of the file: its number, and the kind and value of an identifier."""

    row: int
    kind: str
    value: str


@dataclass
class Person:
    """Somebody, with all identifiers that are their own, as kind and stored value.

    `person_ids` are those of identity; none of somebody whom no build knows.
    """

    identifiers: set[tuple[str, str]] = field(default_factory=set)
    person_ids: set[str] = field(default_factory=set)

    @property
    def tokens(self) -> set[str]:
        """What names them on their rows, see `kith.deliveries.persons`."""
        return {token_of(kind, value) for kind, value in self.identifiers}


@dataclass
class Request:
    """Persons that a file names; `remarks` on its rows; values as people wrote them."""

    persons: list[Person]
    remarks: list[str]
    written: set[str]


def token_of(kind: str, value: str) -> str:
    """The token of an identifier as identity has it."""
    return value if HASH.fullmatch(value) else f"{kind}={value}"


def read_file(path: Path | None, home: Path) -> list[Asked]:
    """The rows of a file of identifiers: kind and value, with or without a header."""
    if path is None:
        raise ConfigurationError(
            "which person? Give FILE=, a CSV outside of the repository with one "
            "identifier a row, such as email,anna@example.com"
        )
    if path.is_relative_to(REPOSITORY) or path.is_relative_to(home):
        raise ConfigurationError(
            f"{path}: lies in the repository or in KITH_HOME, where it would stay; "
            "expected a file elsewhere, which you remove when all is done"
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = list(enumerate(csv.reader(text.splitlines()), 1))
    except (FileNotFoundError, IsADirectoryError):
        raise ConfigurationError(f"{path}: there is no such file") from None
    except (UnicodeDecodeError, csv.Error):
        raise ConfigurationError(
            f"{path}: cannot be read; expected CSV in UTF-8, a kind and a value a row"
        ) from None
    asked = []
    for number, cells in rows:
        cells = [cell.strip() for cell in cells]
        if not any(cells) or (
            number == 1 and [cell.lower() for cell in cells] == ["kind", "value"]
        ):
            continue
        if len(cells) != 2 or not all(cells):
            raise ConfigurationError(
                f"{path}: row {number}: {_what_is_wrong(cells)}; expected a kind and a "
                'value with a comma between, such as email,anna@example.com, or card,"'
                '12,3"'
            )
        asked.append(Asked(number, *cells))
    if not asked:
        raise ConfigurationError(
            f"{path}: holds no identifier; expected rows such as email,anna@example.com"
        )
    return asked


def _what_is_wrong(cells: list[str]) -> str:
    """What is wrong with a row that has not two values, without any of them."""
    for sign, name in ((";", "a semicolon"), ("\t", "a tab"), ("|", "a bar")):
        if len(cells) == 1 and sign in cells[0]:
            return f"its values have {name} between them"
    if len(cells) == 2:
        return f"its {'value' if cells[0] else 'kind'} is empty"
    return f"{len(cells)} value{'s' if cells[1:] else ''}"


def resolve(run: Run, path: Path | None, staged: Staged) -> Request:
    """Find the persons whom a file names, with all identifiers that are their own.

    Identity of the last candidate decides, or of the current release where there is
    none. Whom it does not know is looked for by the identifier alone; one that several
    people share, or that is blocked, is told and passed over. Raises ConfigurationError
    for a kind that the company does not have, and a value that is none of its kind.
    """
    company, asked = run.company, read_file(path, run.home)
    kinds = _kinds(company, staged)
    hashed: set[str] = {
        c.rules.pii for table in company.sources for c in table.columns if c.rules.pii
    }
    found, remarks = Request([], [], {each.value for each in asked}), []
    by_id: dict[str, Person] = {}
    lone: list[tuple[str, str]] = []
    with _identities(run) as identities:
        for each in asked:
            where = f"{path}: row {each.row}: "
            # People write Email; kinds that differ in case alone are told apart.
            alike = [kind for kind in kinds if kind.lower() == each.kind.lower()]
            if each.kind not in kinds and len(alike) == 1:
                each = replace(each, kind=alike[0])
            if each.kind not in kinds:
                raise ConfigurationError(
                    f"{where}its first value is no kind of identifier of "
                    f"{company.name}; expected one of {', '.join(sorted(kinds))}"
                )
            values = {each.value} if each.kind in kinds - hashed else set()
            if each.kind in hashed:
                given = {each.kind: [each.value]}
                values |= {h for _, h in hashes_of(company.sources, given, where)}
            values = {value for value in values if not value.startswith("!")}
            if not values:
                raise ConfigurationError(
                    f"{where}{each.kind}: its value stands for nobody, as N/A does; "
                    "correct it, or leave the row out"
                )
            known = identities.execute(
                "select identifier_type, identifier_value, person_id, refused_by "
                "from identities where identifier_value in (select unnest($values)) "
                "and (identifier_type = $kind or length(identifier_value) = 64)",
                {"values": sorted(values), "kind": each.kind},
            ).fetchall()
            for _, _, person_id, refused_by in known:
                if refused_by:
                    why = _RULES.get(refused_by, "stands for nobody")
                    remarks.append(f"row {each.row}: {each.kind} {why}: it stays")
                else:
                    by_id.setdefault(person_id, Person(person_ids={person_id}))
            if not known:
                remarks.append(
                    f"row {each.row}: nobody in the last build has this {each.kind}; "
                    "rows with it are looked for all the same"
                )
                lone += [(each.kind, value) for value in values]
        for person_id, person in by_id.items():
            person.identifiers |= set(
                identities.execute(
                    "select identifier_type, identifier_value from identities "
                    "where person_id = $id and refused_by is null",
                    {"id": person_id},
                ).fetchall()
            )
    persons = [*by_id.values()]
    if lone:
        # One person's letter may name an address that no row has.
        if len(persons) == 1:
            persons[0].identifiers |= set(lone)
        else:
            persons += [Person({each}) for each in lone]
    found.persons, found.remarks = persons, remarks
    return found


def _kinds(company: Company, staged: Staged) -> set[str]:
    rules = [column.rules for table in company.sources for column in table.columns]
    kinds: set[str] = {each.pii for each in rules if each.pii}
    kinds |= {
        e.identifies for e in rules if e.identifies and e.identifies not in OTHERS
    }
    for columns in staged.kinds.values():
        for named in columns.values():
            kinds |= set(named)
    return kinds


def _identities(run: Run) -> duckdb.DuckDBPyConnection:
    """A connection with a view `identities`."""
    candidate = partial(connect, read_only=True)
    places: list[tuple[Callable[..., duckdb.DuckDBPyConnection], Path, str]]
    places = [(candidate, run.warehouse, "intermediate.identities")]
    if release := current_release(run.published):
        database = run.published / release / "kith.duckdb"
        places.append((connect_release, database, "customer.customer_identifiers"))
    for opening, database, name in places:
        if not database.is_file():
            continue
        scratch = run.folder / "scratch"
        with told_as(
            f"{database}: is damaged and cannot be read; expected a database; put it "
            "back from a backup, or, if it is the candidate, remove it: make run "
            f"COMPANY={run.company.folder} builds another one"
        ):
            connection = opening(database, scratch=scratch)
        try:
            connection.execute(f"create temp view identities as from {name}")
        except duckdb.CatalogException:  # Its build failed before identity.
            connection.close()
            continue
        return connection
    raise ConfigurationError(
        f"{run.folder}: neither a candidate nor a release says who is one customer; "
        f"build one first: make run COMPANY={run.company.folder}"
    )
