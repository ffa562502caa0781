"""The kinds of failure, each of a class that says who has to act.

Every message names where the fault is, what was found, what was expected and the
cure, in one line, so that it can stand as the reason in a log or a summary. What others
raise (the system, DuckDB, libraries) is put into the same classes by `kith.failures`.
"""

from dataclasses import dataclass, replace
from typing import Literal, Self

# docs/failures.md says what each means, and what to do.
FailureClass = Literal[
    "transient",
    "source_unavailable",
    "credentials",
    "contract",
    "configuration",
    "data_gate",
    "approval",
    "broken_check",
    "resource",
    "overdue",
    "bug",
]


def one_line(text: str) -> str:
    """A text as one line of printable signs.

    What is delivered may hold line breaks and signs that steer a terminal.
    """
    printable = (sign if sign.isprintable() else " " for sign in text)
    return " ".join("".join(printable).split())


@dataclass(frozen=True)
class Evidence:
    """Where somebody looks at a failure: no value of a person, and no secret.

    `thing` is what is broken, in words that stay the same when it fails once more;
    `rows` counts and names the failing rows, `file` has more of them, `query` finds
    them.
    """

    thing: str = ""
    rows: str = ""
    file: str = ""
    query: str = ""


class KithError(Exception):
    """Root of all errors that Kith raises on purpose; its message is one line."""

    failure_class: FailureClass = "bug"
    evidence = Evidence()

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))

    def showing(self, **what: str) -> Self:
        """The same error with evidence: the fields of `Evidence`."""
        self.evidence = replace(self.evidence, **what)
        return self


class TransientError(KithError):
    """Something was busy or changed while it was read: it passes by itself."""

    failure_class: FailureClass = "transient"


class SourceUnavailableError(TransientError):
    """A system outside cannot be reached, or breaks off."""

    failure_class: FailureClass = "source_unavailable"


class ConfigurationError(KithError):
    """A file that the user wrote (company.yml, sources.yml, staging) is wrong."""

    failure_class: FailureClass = "configuration"


class CredentialsError(ConfigurationError):
    """A login, key or right is missing, or a system refuses it."""

    failure_class: FailureClass = "credentials"


class DeliveryError(KithError):
    """What a source delivered breaks what `sources.yml` declares."""

    failure_class: FailureClass = "contract"


class ClosedDeliveryError(DeliveryError):
    """What a source delivered is there, but we have no right to read it."""

    failure_class: FailureClass = "credentials"


class BuildError(KithError):
    """A dbt model or test failed; its class depends on whose model that is."""

    def __init__(self, message: str, failure_class: FailureClass = "bug") -> None:
        super().__init__(message)
        self.failure_class = failure_class


class GateError(KithError):
    """The audit found data that must not be published."""

    failure_class: FailureClass = "data_gate"


class BrokenCheckError(GateError):
    """A check could not be executed, which says nothing about the data."""

    failure_class: FailureClass = "broken_check"


class PublicationError(KithError):
    """There is no release that passed the gate to be written, read or rolled back."""

    failure_class: FailureClass = "data_gate"


class ApprovalError(KithError):
    """Published numbers change so far that a person has to say whether they may."""

    failure_class: FailureClass = "approval"


class ResourceError(KithError):
    """The machine that Kith runs on lacks room, memory, time or rights.

    `may_pass` says whether another process may give back what is lacking.
    """

    failure_class: FailureClass = "resource"

    def __init__(self, message: str, *, may_pass: bool = False) -> None:
        super().__init__(message)
        self.may_pass = may_pass


class OverdueError(KithError):
    """What is due has not come, and no task has said why."""

    failure_class: FailureClass = "overdue"
