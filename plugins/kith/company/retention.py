"""How much of what is superseded a company keeps."""

from pydantic import Field

from kith.company.tables import Strict


class Keep(Strict):
    """Stays: the newest so many, and those that are younger than so many days."""

    count: int = Field(gt=0)
    days: int = Field(default=0, ge=0)


class KeepSome(Keep):
    """The same, at least two: what another run reads just now may be the second."""

    count: int = Field(gt=1)


class Retention(Strict):
    """What stays, of what no later run reads, by `count` and `days`.

    The newest so many stay, and so do those younger than so many days.
    """

    releases: Keep = Field(
        default=Keep(count=5),
        description="Releases for `make rollback`, counted with the current one, which "
        "always stays.",
    )
    raw: KeepSome = Field(
        default=KeepSome(count=3),
        description="Attempts to pull an interval of a table, or a table that is "
        "delivered whole. The newest, those whose rows are admitted, and those of a "
        "failed run that is kept always stay.",
    )
    admitted: KeepSome = Field(
        default=KeepSome(count=3),
        description="Admitted rows of a table that is delivered whole: those of former "
        "days count no more. What counts of them stays for ever, as do rows of tables "
        "with a `cursor`.",
    )
    runs: Keep = Field(
        default=Keep(count=30, days=60),
        description="Folders of runs: journal, output of dbt, results of the gate, "
        "what `make reproduce` needs.",
    )
    logs: Keep = Field(
        default=Keep(count=30, days=60),
        description="Airflow's logs of runs, counted by DAG, and those of its parts.",
    )
