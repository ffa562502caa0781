"""Columns of text, made as whole columns."""

import datetime as dt

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from .draws import Integers, Numbers
from .plan import ZONE

Part = str | pa.Array | npt.NDArray[np.int64]


def joined(*parts: Part) -> pa.Array:
    """The parts side by side; whole numbers as digits, NULL where a part is NULL."""
    columns = [
        pa.array(part).cast(pa.string()) if isinstance(part, np.ndarray) else part
        for part in parts
    ]
    return _flat(pc.binary_join_element_wise(*columns, ""))


def padded(numbers: Integers, width: int) -> pa.Array:
    """Digits with leading zeros."""
    return _flat(pc.utf8_lpad(pa.array(numbers).cast(pa.string()), width, "0"))


def picked(words: list[str], position: Integers) -> pa.Array:
    """One of the words for each row."""
    return _flat(pa.array(words).take(pa.array(position)))


def where(condition: npt.NDArray[np.bool_], column: pa.Array) -> pa.Array:
    """The column, NULL where the condition does not hold."""
    return pc.if_else(pa.array(condition), column, pa.scalar(None, column.type))


def either(
    condition: npt.NDArray[np.bool_], left: pa.Array | str, right: pa.Array | str
) -> pa.Array:
    """`left` where the condition holds, else `right`."""
    return _flat(pc.if_else(pa.array(condition), left, right))


def hexadecimal(bits: Numbers) -> pa.Array:
    """Sixteen digits for each number."""
    digits = bits.astype(">u8").tobytes().hex().encode()
    offsets = np.arange(0, len(digits) + 1, 16, dtype=np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(digits)]
    return pa.StringArray.from_buffers(len(bits), buffers[1], buffers[2])


def decimals(cents: Integers) -> pa.Array:
    """Amounts as decimal(18,2): 128 bits each, of which the upper hold the sign."""
    words = np.stack([cents, cents >> 63], axis=1).astype("<i8")
    buffers = [None, pa.py_buffer(words.tobytes())]
    return pa.Array.from_buffers(pa.decimal128(18, 2), len(cents), buffers)


def local_times(first_day: dt.date, seconds: Integers) -> pa.Array:
    """Seconds after the first midnight, as times of the business zone."""
    start = int(np.datetime64(first_day, "s").astype(np.int64))
    return pa.array(seconds + start).cast(pa.timestamp("s"))


def utc(local: pa.Array) -> pa.Array:
    """Times of the business zone as naive UTC. None of them lies in a doubled hour."""
    zoned = pc.assume_timezone(local, ZONE, ambiguous="earliest", nonexistent="latest")
    return zoned.cast(pa.timestamp("s", "UTC")).cast(pa.timestamp("s"))


def written(times: pa.Array, pattern: str) -> pa.Array:
    """Times as text."""
    return _flat(pc.strftime(times, format=pattern))


def _flat(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
