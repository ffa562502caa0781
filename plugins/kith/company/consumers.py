"""Who reads a company's marts: dashboards, notebooks and the like, for dbt's graph."""

from functools import cache
from typing import Any, Literal

from pydantic import Field

from kith.company.tables import Name, Strict
from kith.settings import REPOSITORY


class Consumer(Strict):
    """A reader of the marts, an exposure in dbt's words."""

    label: str = Field(
        min_length=1, description="Its name for people, such as `Sales dashboard`."
    )
    type: Literal["dashboard", "notebook", "analysis", "ml", "application"] = Field(
        default="dashboard", description="What it is, one of dbt's kinds of exposures."
    )
    marts: list[str] = Field(
        min_length=1,
        description="Marts that it reads, as `customer.customer_months`.",
    )
    owner: str = Field(
        min_length=1, description="Whom to tell before one of them changes."
    )
    email: str | None = Field(default=None, description="Their e-mail address.")
    url: str | None = Field(default=None, description="Where it is found.")
    description: str = Field(default="", description="What it is for.")


@cache
def mart_names() -> dict[str, str]:
    """Name of each mart's model by `<schema>.<table>`, after its file."""
    marts = (REPOSITORY / "dbt_project" / "models" / "marts").glob("*/*.sql")
    return {f"{mart.parent.name}.{mart.stem}": mart.stem for mart in sorted(marts)}


def faults_of(consumers: dict[Name, Consumer]) -> list[str]:
    """What is wrong with declared consumers; empty when all is well."""
    faults = [
        f"consumers.{name}: there is no mart {mart}; there are "
        f"{', '.join(mart_names())}"
        for name, consumer in consumers.items()
        for mart in consumer.marts
        if mart not in mart_names()
    ]
    if "report" in consumers:
        faults.append("consumers.report: that is Kith's own page; choose another name")
    return faults


def exposures_of(consumers: dict[Name, Consumer]) -> list[dict[str, Any]]:
    """The consumers as dbt declares them, with plain texts."""
    return [
        {
            "name": name,
            "label": consumer.label,
            "type": consumer.type,
            "description": consumer.description,
            "depends_on": [f"ref('{mart_names()[mart]}')" for mart in consumer.marts],
            "owner": {"name": consumer.owner}
            | ({"email": consumer.email} if consumer.email else {}),
        }
        | ({"url": consumer.url} if consumer.url else {})
        for name, consumer in consumers.items()
    ]
