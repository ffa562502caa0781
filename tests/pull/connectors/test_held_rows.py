"""Rows of a text that were lost in a value of several lines."""

from pathlib import Path
from typing import Any

import pytest

from kith.errors import DeliveryError
from kith.pull.connectors import held_rows
from tests.one_table import company, report, run_door, with_rules
from tests.pull.connectors.fetching import fetched

pytestmark = pytest.mark.usefixtures("kith_home")

HEADER = "slip,buyer,sold_at,amount"


def slip(number: int) -> str:
    return f"S{number:03},b{number},2024-03-{number % 28 + 1:02},{number}.00"


GOOD = [slip(number) for number in range(10, 30)]


def read(folder: Path, text: str, **meta: Any) -> str | None:
    """What is told of the file; a refusal is raised."""
    (company(folder, **meta) / "data/sales.csv").write_bytes(text.encode())
    return fetched(folder)[0].may_hold_rows


def text_of(*lines: str, header: str = HEADER, good: list[str] = GOOD) -> str:
    return "\n".join([header, good[0], *lines, *good[1:], ""])


LOST = [
    # Opened in the first column of a row, closed in that of another.
    (f'"{slip(2)}\n{slip(3)}\nS006",b6,2024-03-06,6.00', "slip"),
    (f'"{slip(2)}\nS006",b6,2024-03-06,6.00', "slip"),
    (f'S002,"b2,2024-03-02,2.00\n{slip(3)}\nS006,b6",2024-03-06,6.00', "buyer"),
    (f'S002,b2,2024-03-02,"2.00\n{slip(3)}\n{slip(4)}"', "amount"),
    # One of the lines is broken, or empty.
    # Further quotes within.
    (f'"{slip(2)}\n5"" pipe,b3,2024-03-03,3.00\nS006",b6,2024-03-06,6.00', "slip"),
]


@pytest.mark.parametrize(("lines", "column"), LOST)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_value_that_holds_rows_is_refused(
    lines: str, column: str, end: str, tmp_path: Path
) -> None:
    text = text_of(lines).replace("\n", end)
    with pytest.raises(DeliveryError) as caught:
        read(tmp_path, text)
    assert str(caught.value) == (
        f"shop.sales: data/sales.csv: the quotes that are opened in line 3, column "
        f"'{column}' hold other rows, as where a quote stands too much; expected a "
        "closing quote at the end of the value; have it delivered again, or check "
        "quote and escape of `options` in sources.yml"
    )


@pytest.mark.parametrize(
    ("options", "change"),
    [
        ({"delimiter": ";"}, {",": ";"}),
        ({"quote": "'"}, {'"': "'"}),
        ({"escape": "\\"}, {'""': '\\"'}),
        ({"delimiter": "\t", "quote": "'"}, {",": "\t", '"': "'"}),
        ({"skip_lines": 2}, {HEADER: f"Slips\n\n{HEADER}"}),
        ({"encoding": "utf-16"}, {}),
    ],
)
def test_in_any_dialect(
    options: dict[str, Any], change: dict[str, str], tmp_path: Path
) -> None:
    text = text_of(LOST[-1][0])
    for old, new in change.items():
        text = text.replace(old, new)
    (company(tmp_path, options=options) / "data/sales.csv").write_bytes(
        text.encode(options.get("encoding", "utf-8"))
    )
    line = 3 + options.get("skip_lines", 0)
    with pytest.raises(
        DeliveryError, match=rf"in line {line}, column 'slip' hold other"
    ):
        fetched(tmp_path)


@pytest.mark.parametrize(
    "lines",
    [
        f'"{slip(2)}\n{slip(3)}"',
        f'"S002","b2","2024-03-02","2.00\n{slip(3)}\n"S004",b4,2024-03-04,4.00',
        '"S002","b2","2024-03-02","2.00""\n"S003","b3","2024-03-03","3.00"',
        '"S002","b2","2024-03-02","2.00\n"S003","b3","2024-03-03","3.00"',
    ],
)
def test_rows_held_by_an_unreadable_line_are_no_single_one(
    lines: str, tmp_path: Path
) -> None:
    with pytest.raises(DeliveryError, match=r"opened in line 3 hold other rows or"):
        read(tmp_path, text_of(lines))


NOTES = "slip,sold_at,amount,note"
WITH_NOTE = [f"S{n},2024-03-{n},{n}.50,on time" for n in range(10, 30)]


@pytest.mark.parametrize(
    "note",
    [
        "Thank you\nfor the quick\n\nanswer, all, of it, came\n",
        "12 Main Street, Flat 3\n10115 Berlin, Mitte, near the park, Germany\nDE",
        # Lists of four values in a file of four columns.
        "parts:\nscrew,4,0.50,steel\nnail,6,0.20,iron\nnut,1,9.00,brass",
        "sizes\nS,M,L,XL\nS,M,L,XL",
        "a,b,c,d\n1,2,3,4\n5,6,7,8",
        "2024-03-01,2024-03-02,2024-03-03,2024-03-04\n,,,\n,,,",
    ],
)
def test_a_text_of_several_lines_is_none_of_rows(note: str, tmp_path: Path) -> None:
    text = text_of(f'S2,2024-03-02,2.00,"{note}"', header=NOTES, good=WITH_NOTE)
    assert read(tmp_path, text) is None
    # Nor before the other columns.
    text = text_of(
        f'"{note}",S2,2024-03-02,2.00',
        header="note,slip,sold_at,amount",
        good=["on time," + line.removesuffix(",on time") for line in WITH_NOTE],
    )
    assert read(tmp_path, text) is None


PLACES = [f"Street {n},City" for n in range(20)]
PEOPLE = [f"A{n},Anna" for n in range(20)]


@pytest.mark.parametrize(
    ("good", "lines", "is_told"),
    [
        (PLACES, '"Long Street 5, Back House\nBerlin",Berlin', False),
        (PLACES, '"Long Street 5\nBack House",Berlin', False),
        (PEOPLE, 'A21,"Anna\nvon Berg"', False),
        (PEOPLE, 'A21,"Anna,\nBerta,\nCarla"', False),
        # Nothing but words: a name and its city, or two lines of an address.
        ([f"{'abc'[n % 3]}nna,City" for n in range(20)], '"Anna,Rom\nBea",Rom', True),
        ([f"Anna {n}" for n in range(20)], '"Thank you\nand bye"', False),
        (["Anna", "Berta"], '"Carla\nDora"', False),
        ([f"A{n}" for n in range(20)], '"A21\nA22\nA23"', True),
    ],
)
def test_of_one_or_two_columns_delimiters_say_little(
    good: list[str], lines: str, is_told: bool, tmp_path: Path
) -> None:
    header = "slip,name" if "," in good[0] else "slip"
    told = read(tmp_path, text_of(lines, header=header, good=good))
    assert told == ("line 3, column 'slip'" if is_told else None)


def test_rows_of_two_columns_are_refused_where_their_form_is_known(
    tmp_path: Path,
) -> None:
    with pytest.raises(DeliveryError, match="line 3, column 'slip' hold other rows"):
        read(
            tmp_path,
            text_of('"A21,Anna\nA22",Bea', header="slip,name", good=PEOPLE),
        )


def test_what_may_be_rows_is_told(tmp_path: Path) -> None:
    rows = "\n".join(WITH_NOTE[:3])
    text = text_of(
        f'S2,2024-03-02,2.00,"As said:\n{rows}\nRegards"',
        header="sale_id,sold_at,price,note",
        good=WITH_NOTE,
    )
    assert read(tmp_path, text) == "line 3, column 'note'"
    company(tmp_path, columns=[*with_rules("sale_id")[:2]])
    assert report(run_door(tmp_path))["warnings"][-1] == (
        "shop.sales: data/sales.csv, line 3, column 'note': the lines of this value "
        "look like rows of the file, which would be lost; have it looked up whether "
        "its quotes are closed where the value ends"
    )
    # A file without a row to compare with.
    assert read(tmp_path, f'{HEADER}\n"{slip(2)}\nS006",b6,2024-03-06,6.00\n')


REMARKS = ("on time", "late", "left at the door", "ok")
TWO = [f"S{n:03},{REMARKS[n % 4]}" for n in range(10, 30)]
THREE = [f"S{n:03},{n}.50,{REMARKS[n % 4]}" for n in range(10, 30)]


@pytest.mark.parametrize(
    ("good", "lines", "column"),
    [
        # Remarks of other forms than those of the other rows.
        (TWO, 'S031,"was (quite) good!\nS032,even better ...\nS033,so-so"', "note"),
        (TWO, 'S031,"no. 7?\nS032,ok"', "note"),
        (THREE, 'S031,1.50,"was (quite) good!\nS032,2.50,so-so"', "note"),
        # Texts that are none of rows, since one line is divided otherwise …
        (TWO, 'S031,"S032 as well\nS033,and S034, too"', None),
        (THREE, 'S031,1.50,"for S032,\nS033,1.50 and\nS034,9.99"', None),
        # … or has another form where all rows have numbers.
        (TWO, 'S031,"Main Street 5\n10115,Berlin"', None),
        (TWO, 'S031,"parts:\nscrew,4\nnail,6"', None),
        (THREE, 'S031,1.50,"parts:\nS1,four,steel\nS2,six,iron"', None),
        ([f"{n},{REMARKS[n % 4]}" for n in range(20)], '7,"Way 5\n10115,Berlin"', None),
    ],
)
def test_rows_held_by_a_free_remark_are_told(
    good: list[str], lines: str, column: str | None, tmp_path: Path
) -> None:
    header = "slip,note" if good is not THREE else "slip,amount,note"
    told = read(tmp_path, text_of(lines, header=header, good=good))
    assert told == (column and f"line 3, column '{column}'")


def test_rows_held_by_a_remark_before_other_columns_are_told(tmp_path: Path) -> None:
    good = [f"{REMARKS[n % 4]},{n}.50,S{n:03}" for n in range(10, 30)]
    lines = '"was (quite) good!,1.50,S031\nso-so",2.50,S032'
    told = read(tmp_path, text_of(lines, header="note,amount,slip", good=good))
    assert told == "line 3, column 'note'"


def test_values_are_looked_at_only_where_one_has_several_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "kith.pull.connectors.text_files.find_held_rows",
        lambda *_: pytest.fail("nothing has several lines"),
    )
    for end in ("\n", "\r\n", "\r"):
        assert read(tmp_path, text_of(*LOST[:0]).replace("\n", end)) is None


def test_forms_of_a_column_are_those_of_its_values() -> None:
    forms = held_rows.Forms([("A1", "x"), ("B-2", None)], 2)
    assert forms.fit(["C3", ""]) and forms.fit_number(["C3", "?"])
    assert not forms.fit(["C", "x"]) and not forms.fit(["C3", "4"])
    assert not forms.fit(["C3"])
