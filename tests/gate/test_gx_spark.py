"""What Great Expectations is asked on Spark; a real session is opened by test_spark."""

import json
import os
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import great_expectations.expectations as gxe
import pytest
from great_expectations.expectations.registry import (
    list_registered_expectation_implementations,
)

from kith.gate import gx_spark

KINDS = {"word": "string", "seen_at": "timestamp"}


def test_great_expectations_still_has_what_is_the_same_on_spark() -> None:
    assert set(list_registered_expectation_implementations()) >= gx_spark.SAME


@pytest.mark.parametrize(
    ("expectation", "is_same"),
    [
        (gxe.ExpectColumnValuesToBeInSet(column="word", value_set=["a"]), True),
        (gxe.ExpectColumnValuesToBeInSet(column="word", value_set=["a", None]), False),
        (gxe.ExpectColumnValuesToBeInSet(column="seen_at", value_set=["a"]), False),
        (gxe.ExpectColumnValuesToNotBeNull(column="seen_at"), True),
        (gxe.ExpectColumnValuesToMatchRegex(column="word", regex="a"), False),
        (
            gxe.ExpectColumnValuesToNotBeNull(
                column="word",
                row_condition="word = 'a'",
                condition_parser="spark",
            ),
            False,
        ),
    ],
)
def test_what_spark_might_take_otherwise_is_left_to_duckdb(
    expectation: Any, is_same: bool
) -> None:
    assert gx_spark._is_same(expectation, KINDS) == is_same


def test_a_spark_that_is_not_there_may_be_there_later(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise ConnectionRefusedError("nobody listens")

    monkeypatch.setattr(gx_spark, "open_session", refuse)
    monkeypatch.setattr(sys, "stdin", StringIO(json.dumps({"tables": []}) + "\n"))
    with pytest.raises(SystemExit) as ended:
        gx_spark.main()
    assert ended.value.code == os.EX_TEMPFAIL
    assert "nobody listens" in capsys.readouterr().err
