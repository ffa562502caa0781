"""The kinds of failure. Each kind tells Airflow whether a retry can help.

Every message names where the fault is, what was found, what was expected and the
cure, in one line, so that it can stand as the reason in a log or a summary.
"""


def one_line(text: str) -> str:
    """A text as one line of printable signs.

    What is delivered may hold line breaks and signs that steer a terminal.
    """
    printable = (sign if sign.isprintable() else " " for sign in text)
    return " ".join("".join(printable).split())


class KithError(Exception):
    """Root of all errors that Kith raises on purpose."""


class TransientError(KithError):
    """Something outside was unreachable or busy: the only kind worth a retry."""


class ConfigurationError(KithError):
    """A file that the user wrote (company.yml, sources.yml, staging) is wrong."""


class DeliveryError(KithError):
    """What a source delivered breaks what `sources.yml` declares."""


class BuildError(KithError):
    """A dbt model or test failed."""


class GateError(KithError):
    """The audit found data that must not be published."""


class BrokenCheckError(GateError):
    """A check could not be executed, which says nothing about the data."""


class PublicationError(KithError):
    """A release could not be written, verified or rolled back."""
