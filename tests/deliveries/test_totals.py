import duckdb
import pytest

from kith.deliveries.totals import is_total, is_total_of_lines


@pytest.mark.parametrize(
    ("text", "alone", "among_numbers"),
    [
        ("*** Total ***", True, True),
        ("Grand total:", True, True),
        ("7\nSUMME\n30.50", True, True),
        ("Net total\n30.50", False, True),
        ("Total (1 rows)\n30.50", False, True),
        ("7\n总计金额", False, True),
        ("Total\nParis\n30.50", False, False),
        ("Totally\n7", False, False),
        ("Subtotal\nTotal\n7", False, True),
        ("7\n30.50", False, False),
    ],
)
def test_a_total_is_known_by_its_words(
    text: str, alone: bool, among_numbers: bool
) -> None:
    sql = f"select {is_total('t')}, {is_total_of_lines('t')} from (select ? as t)"
    assert duckdb.execute(sql, [text]).fetchone() == (alone, among_numbers)
