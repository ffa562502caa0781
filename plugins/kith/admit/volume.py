"""Whether a delivery is as large as usual.

Usual is the median of earlier deliveries: of their rows as a whole for a snapshot, of
their rows by business day for a table with a cursor, there of the same weekday as soon
as it has been delivered often enough. Few rows prove nothing, and neither do few
deliveries.
"""

import datetime as dt
from dataclasses import dataclass
from statistics import median

from kith.company.tables import SourceTable
from kith.errors import DeliveryError

_MINIMUM_ROWS = 100
_MINIMUM_SNAPSHOTS = 1
_MINIMUM_DAYS = 5
_MINIMUM_WEEKDAYS = 3


@dataclass(frozen=True)
class _Outlier:
    what: str
    rows: int
    usual: float
    of: str

    @property
    def share(self) -> float:
        """Per cent of the usual."""
        return 100 * self.rows / self.usual

    @property
    def distance(self) -> float:
        """How many times less or more than usual."""
        return max(self.usual / max(self.rows, 0.5), self.rows / self.usual)


def check_snapshot(table: SourceTable, rows: int, earlier: list[int]) -> list[str]:
    """What to warn of, given the rows of this delivery and of earlier ones.

    Raises DeliveryError where the limits are passed and stop the run.
    """
    full = [count for count in earlier if count]
    if len(full) < _MINIMUM_SNAPSHOTS:
        return []
    of = f"median of {len(full)} earlier deliver{'y' if len(full) == 1 else 'ies'}"
    return _judge(table, [_Outlier("the delivery", rows, median(full), of)])


def check_days(
    table: SourceTable, days: dict[dt.date, int], earlier: list[tuple[dt.date, int]]
) -> list[str]:
    """What to warn of, given the rows of each day now and in earlier deliveries.

    A day without a row is no outlier: shops close, and `empty` and the mart
    source_deliveries tell of it. Raises DeliveryError as `check_snapshot`.
    """
    full = [(day, count) for day, count in earlier if count]
    if len(full) < _MINIMUM_DAYS:
        return []
    usual_of_weekday: dict[int, tuple[float, int]] = {}
    for weekday in range(7):
        alike = [count for day, count in full if day.weekday() == weekday]
        if len(alike) >= _MINIMUM_WEEKDAYS:
            usual_of_weekday[weekday] = (median(alike), len(alike))
    of_all_days = median(count for _, count in full)
    found = []
    for day, rows in days.items():
        if not rows:
            continue
        if day.weekday() in usual_of_weekday:
            usual, number = usual_of_weekday[day.weekday()]
            of = f"median of {number} earlier {day:%A}s"
        else:
            usual, of = of_all_days, f"median of {len(full)} earlier days"
        found.append(_Outlier(str(day), rows, usual, of))
    return _judge(table, found)


def _judge(table: SourceTable, deliveries: list[_Outlier]) -> list[str]:
    limits = table.rules.volume
    beyond = sorted(
        (
            each
            for each in deliveries
            if each.usual >= _MINIMUM_ROWS
            and not limits.minimum_pct <= each.share <= limits.maximum_pct
        ),
        key=lambda each: (-each.distance, each.what),
    )
    if not beyond:
        return []
    worst = beyond[0]
    is_less = worst.share < limits.minimum_pct
    limit = (
        f"minimum_pct {limits.minimum_pct:g}"
        if is_less
        else f"maximum_pct {limits.maximum_pct:g}"
    )
    more = f" (and {len(beyond) - 1} more)" if beyond[1:] else ""
    message = (
        f"{table.full_name}: {worst.what} has {worst.rows} rows, {worst.share:,.1f} % "
        f"of the usual {worst.usual:g} ({worst.of}), beyond volume.{limit}{more}"
    )
    if limits.action == "stop":
        key = limit.split()[0]
        raise DeliveryError(
            f"{message}; have it delivered again, or, if the figure is right, widen "
            f"volume.{key} or declare volume: {{action: warn}} in sources.yml"
        )
    return [message]
