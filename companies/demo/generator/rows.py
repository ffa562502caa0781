"""Rows on their way from what happened to what is delivered."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from .draws import Draws, Integers, Numbers

DAY = 86400
Columns = dict[str, pa.Array]


@dataclass(frozen=True)
class Rows:
    """Rows of one source table.

    Attributes:
        columns: Strings, whole numbers, booleans, decimals, dates, and times of the
            business zone, by the names under which they are delivered.
        ids: What the draws about a row depend on, 64 bits each.
        seconds: When it happened, after the plan's first midnight; for a table
            delivered whole anything that puts the rows in order.
        arrival: Day on which the source gets the row, where the maker decides that.
        person: Who did what it tells, in tables of such rows; -1 where nobody can know.
    """

    columns: Columns
    ids: Numbers
    seconds: Integers
    arrival: Integers | None = None
    person: Integers | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, condition: npt.NDArray[np.bool_]) -> "Rows":
        """The rows for which the condition holds."""
        mask = pa.array(condition)
        return Rows(
            {name: column.filter(mask) for name, column in self.columns.items()},
            self.ids[condition],
            self.seconds[condition],
            None if self.arrival is None else self.arrival[condition],
            None if self.person is None else self.person[condition],
        )

    def with_columns(self, **columns: pa.Array) -> "Rows":
        """The same rows with other values in some columns."""
        return replace(self, columns=self.columns | columns)


def stacked(parts: Iterable[Rows]) -> Rows:
    """Rows of one table below each other."""
    parts = list(parts)
    names = parts[0].columns
    arrivals = [part.arrival for part in parts if part.arrival is not None]
    persons = [part.person for part in parts if part.person is not None]
    return Rows(
        {
            name: pa.concat_arrays([part.columns[name] for part in parts])
            for name in names
        },
        np.concatenate([part.ids for part in parts]),
        np.concatenate([part.seconds for part in parts]),
        np.concatenate(arrivals) if arrivals else None,
        np.concatenate(persons) if persons else None,
    )


def row_ids(draws: Draws, table: str, *keys: Integers) -> Numbers:
    """What tells the rows of a table apart."""
    return draws.bits(f"row {table}", *keys)
