"""Whom to tell of incidents, and how."""

from typing import Literal

from pydantic import Field

from kith.company.tables import Name, Strict
from kith.errors import FailureClass

Severity = Literal["warning", "critical"]


class AlertRoute(Strict):
    """Who is told of which incidents, by which connection."""

    connection: Name = Field(
        description="Id of an Airflow connection: one of type `http` is a webhook that "
        "takes JSON, one of type `slackwebhook` a webhook as Slack has it, one of type "
        "`smtp` sends e-mail."
    )
    to: list[str] = Field(default_factory=list, description="Addresses, for e-mail.")
    severities: list[Severity] = Field(
        default=["warning", "critical"],
        min_length=1,
        description="`critical` is what leaves readers without a release within its "
        "promise.",
    )
    classes: list[FailureClass] = Field(
        default_factory=list,
        description="Classes of failures that are told, by who has to act, see "
        "[failures.md](failures.md). Default: all.",
    )

    @property
    def key(self) -> str:
        """What it is known by, where it is noted that it was told."""
        return " ".join([self.connection, *sorted(self.to)])

    def takes(self, severity: Severity, failure_class: FailureClass) -> bool:
        """Whether incidents of that kind are told this way."""
        is_of_class = not self.classes or failure_class in self.classes
        return severity in self.severities and is_of_class
