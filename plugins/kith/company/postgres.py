"""The PostgreSQL server on which a company's marts are served, and who reads them."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from kith.company.tables import Name, Strict

Audience = Literal["all", "without_personal_data", "own_department", "own_customers"]
# What a reader of these must be told of besides.
_OWN = {"own_department": "department", "own_customers": "employee_id"}
# PostgreSQL cuts longer names off without a word.
NAME_BYTES = 63


class Reader(Strict):
    """A login of the server, and what it reads."""

    login: str = Field(
        min_length=1,
        max_length=NAME_BYTES,
        description="Login role of PostgreSQL. Kith makes none and knows no password: "
        "whoever runs the server does.",
    )
    audience: Audience = Field(
        description="`all` reads all marts; `without_personal_data` no row about one "
        "recognisable person; `own_department` and `own_customers` besides the rows of "
        "the customers who are in that department's or employee's care at the as-of "
        "date of the release."
    )
    department: str | None = Field(
        default=None,
        description="With `own_department`: its name as in `customer.employees`.",
    )
    employee_id: str | None = Field(
        default=None,
        description="With `own_customers`: the employee as in `customer.employees`.",
    )

    @model_validator(mode="after")
    def _is_told_whose(self) -> "Reader":
        needed = _OWN.get(self.audience)
        for key in _OWN.values():
            if (getattr(self, key) is not None) != (key == needed):
                state = "needs" if key == needed else "takes no"
                raise ValueError(f"audience {self.audience} {state} {key}")
        return self


class Postgres(Strict):
    """Where the current release is served by PostgreSQL, and to whom."""

    connection: Name = Field(
        description="Id of the Airflow connection of type `postgres`. Its login needs "
        "the right CREATE on the database, and CREATEROLE."
    )
    prefix: Annotated[str, Field(pattern=r"^([a-z][a-z0-9_]{0,40})?$")] | None = Field(
        default=None,
        description="What the names of the schemas that readers see begin with: with "
        "`shop_` they are `shop_customer`, `shop_segment` …; `''` where the company "
        "has the database to itself. Default: the company's name and `_`.",
    )
    dashboards_connection: Name | None = Field(
        default=None,
        description="Id of the connection by which `make superset` reads; its login is "
        "one of the readers. Default: none, so that Superset reads the file alone.",
    )
    readers: list[Reader] = Field(
        default_factory=list,
        description="Who reads what, see below. Default: nobody but who owns the "
        "tables.",
    )

    @field_validator("prefix")
    @classmethod
    def _is_not_that_of_releases(cls, prefix: str | None) -> str | None:
        if prefix and prefix.startswith(("kith_", "pg_")):
            raise ValueError("kith_ and pg_ begin other schemas; choose another")
        return prefix

    @field_validator("readers")
    @classmethod
    def _have_one_audience_each(cls, readers: list[Reader]) -> list[Reader]:
        logins = [reader.login for reader in readers]
        if twice := sorted({login for login in logins if logins.count(login) > 1}):
            raise ValueError(f"{', '.join(twice)}: expected each login once")
        return readers


def prefix_of(declared: Postgres, company: str) -> str:
    """What a company's schemas begin with."""
    return f"{company}_" if declared.prefix is None else declared.prefix


def group_role(company: str, audience: Audience) -> str:
    """The role without a login that holds the rights of an audience of a company."""
    return f"kith_{company}_{audience}"


def faults_of(declared: Postgres, company: str) -> list[str]:
    """What is wrong with names that PostgreSQL would cut off."""
    names = [
        group_role(company, "without_personal_data"),
        f"{prefix_of(declared, company)}satisfaction",
    ]
    return [
        f"postgres: PostgreSQL's names have {NAME_BYTES} bytes at most, and {name} is "
        "longer; choose a shorter name or postgres.prefix"
        for name in names
        if len(name.encode()) > NAME_BYTES
    ]
