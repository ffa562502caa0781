"""What an entry of the page is: a query, marks and a note.

To add a chart, add an `Entry` to the file of its mart's schema (`customer.py`,
`segment.py`, `satisfaction.py`, `operations.py`), or of its subject (`identity.py`,
`movements.py`, `retention.py`, `visits.py` and others), and name it in `charts` of the
file's `SECTION`: a list there is a row of the page. Nothing else changes.

The query is one statement of portable SQL on the marts of the release. It names no
person, and may take the parameters `$run_id` and `$time_zone`. Its rows, in their
order, are those of the table under the chart. A form of `marks.py`, or a function of
your own, draws them, or returns None where there is nothing to draw.

Texts are templates: `{share_pct:percent}` is a column of the row (of the first row in
title, headings and notes), see `formats.py`; `{currency}`, `{time_zone}`, `{as_of}` and
`{company.minimum_answers}` are known everywhere. Where a template does not suffice, a
function returns the text. Data are never read as a template, as HTML or as an
expression.

Templates are English, and translated whole, see `language.py`: a function hands
literals to `fill`, `sentences` or `translated`, and joins no pieces of a sentence.
`{state:term}` is a value of the marts in the page's language, `{state:name}` as well.

Some columns have a meaning of their own. `month`, of which there is one row each: the
last 36 are shown. A month between without a row is filled in; its whole numbers are 0,
its other figures are missing.
`is_complete`: a row where it is false is hollow and called "not whole". `is_listed`: a
row where it is false is not in the table.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]
Cell = str | Callable[[Row], str]
Words = str | Callable[[list[Row]], str]
Series = dict[str, tuple[str, str]]  # column → label and colour
Marks = Callable[[Any, list[Row], Series], Any]


@dataclass(frozen=True)
class Tile:
    """A key figure of the only row of its query, or `unknown` where it is missing.

    `unknown` is a template too, such as of the mart's own reason. `of` goes on with the
    label, such as the month. `changes` maps columns with earlier values of the column
    `now` to words.
    """

    label: str
    query: str
    value: str
    of: str = ""
    unit: str = ""
    note: Words = ""
    changes: dict[str, str] = field(default_factory=dict)
    unknown: str = "No data yet"


@dataclass(frozen=True)
class Sentence:
    """A sentence of the summary; left out where its query has no rows."""

    query: str
    words: Words


# Figures of fewer customers are shown together with those of others.
FEWEST = 5


@dataclass(frozen=True)
class Groups:
    """Rows that are groups of customers: small ones are merged, with their sums.

    Nobody may be recognised by what their group has. `label` is the column that names a
    group; a column that does not add up is missing where it differs. Groups are merged
    `within` each value of a column.
    """

    label: str
    sums: tuple[str, ...]
    count: str = "customer_count"
    within: str = ""


@dataclass(frozen=True)
class Entry:
    """A card: a chart with the table behind it, or without `marks` a table alone.

    `columns` maps headings to cells. `absent` says why there may be no rows, such as
    "Nobody was asked"; without it, the card is then left out. A card without columns
    only says what is absent. `series` are the columns that are drawn; if they are
    several, their labels are the legend. `text` stands beside each mark. Only the first
    `drawn` rows are drawn. `groups` says that rows are groups of customers. Cells under
    the headings `alarms` are red unless they are 0. A table in `tables` that
    `is_folded` is shown on demand.
    """

    name: str
    title: str
    query: str
    columns: dict[str, Cell] = field(default_factory=dict)
    note: Words = ""
    absent: str = ""
    marks: Marks | None = None
    series: Series = field(default_factory=dict)
    text: Cell = ""
    drawn: int | None = None
    groups: Groups | None = None
    caption: str = ""
    footnote: Words = ""
    alarms: tuple[str, ...] = ()
    style: str = ""
    is_folded: bool = False


@dataclass(frozen=True)
class Grid(Entry):
    """A table whose query has a row per cell: after its columns come `step`s from 0 on.

    Cells hold `pct`, the darker the higher: the darkest is the highest, but never less
    than 25%. The first step with a value is pale where it is the whole, 100%. If
    `is_total` is true in the last row, the last line is a total.
    """


@dataclass(frozen=True)
class Section:
    """The entries of a schema or subject. On the page, `tables` stand below all charts.

    An entry of `charts` without marks is a table in a row of the page.
    """

    sentences: list[Sentence] = field(default_factory=list)
    tiles: list[Tile] = field(default_factory=list)
    charts: list[list[Entry]] = field(default_factory=list)
    tables: list[Entry] = field(default_factory=list)
    definitions: dict[str, str] = field(default_factory=dict)


def listed(states: Series) -> str:
    """The query of the states with their `position`, also of those without a row."""
    rows = ", ".join(f"({at}, '{state}')" for at, state in enumerate(states))
    return f"select * from (values {rows}) as listed (position, state)"
