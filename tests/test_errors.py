from kith.errors import one_line


def test_a_message_is_one_line_whatever_was_delivered() -> None:
    assert one_line(" a\r\n b\u2028c\x1b[2Jd\x85e\udce9 ") == "a b c [2Jd e"
    assert one_line("Größe “5″ 年") == "Größe “5″ 年"
