"""Packed files, alone and one in the other."""

import gzip
from pathlib import Path

import pytest

from kith.errors import DeliveryError
from kith.pull.connectors import packed
from tests.one_table import (
    HEADER,
    admitted,
    company,
    quarantined,
    report,
    run_door,
    sales,
)
from tests.pull.connectors.fetching import (
    CONTENT,
    PACKINGS,
    fetched,
    zipped,
)

pytestmark = pytest.mark.usefixtures("kith_home")


def test_a_zip_of_one_file_is_that_file(tmp_path: Path) -> None:
    company(tmp_path, "data/*.zip")
    content = zipped(
        **{
            "x/": b"",
            "x/sales.csv": CONTENT.encode(),
            "__MACOSX/y": b"",
            "~$a.xlsx": b"",
        }
    )
    (tmp_path / "data/sales.zip").write_bytes(content)
    run = run_door(tmp_path)
    assert len(admitted(run)) == 40
    assert report(run)["files"] == ["data/sales.zip"]


def test_each_file_of_a_zip_has_its_name_and_its_own_row_numbers(
    tmp_path: Path,
) -> None:
    company(tmp_path, "data/sales.zip", quarantine_limit_pct=50)
    one = f"{HEADER}\nA,2024-03-01,1,1\nB,2024-03-01,-1,1\n".encode()
    two = f"{HEADER}\nC,2024-03-01,-1,1\nD,2024-03-01,1,1\n".encode()
    content = zipped(**{"a.csv": one, "b/two.csv.gz": gzip.compress(two)})
    (tmp_path / "data/sales.zip").write_bytes(content)
    run = run_door(tmp_path)
    assert admitted(run, "sale_id") == [("A",), ("D",)]
    assert quarantined(run, "file, row_number") == [
        ("data/sales.zip/a.csv", 2),
        ("data/sales.zip/b/two.csv.gz", 1),
    ]


def test_a_name_in_a_zip_cannot_leave_the_workspace(tmp_path: Path) -> None:
    company(tmp_path, "data/sales.zip")
    content = CONTENT.encode()
    names = ["../../escaped.csv", "/../escaped.csv", "escaped.csv"]
    (tmp_path / "data/sales.zip").write_bytes(zipped(**dict.fromkeys(names, content)))
    deliveries = fetched(tmp_path)
    assert [each.origin for each in deliveries] == [
        f"data/sales.zip/{name}" for name in names
    ]
    assert {each.path.parent for each in deliveries} == {tmp_path / "workspace"}
    assert not list(tmp_path.rglob("escaped.csv"))
    assert not Path("/escaped.csv").exists()


def test_what_was_unpacked_is_not_kept_beside_the_rows(tmp_path: Path) -> None:
    company(tmp_path, "data/sales.*")
    (tmp_path / "data/sales.csv.gz").write_bytes(gzip.compress(CONTENT.encode()))
    (tmp_path / "data/sales.zip").write_bytes(zipped(**{"a.csv": CONTENT.encode()}))
    paths = {delivery.path for delivery in fetched(tmp_path)}
    assert set((tmp_path / "workspace").iterdir()) == paths


@pytest.mark.parametrize("packing", [".gz", ".zst", ".zip"])
@pytest.mark.parametrize("kind", [".csv", ".xlsx"])
def test_a_truncated_file_is_refused(kind: str, packing: str, tmp_path: Path) -> None:
    company(tmp_path, "data/sales.*")
    noise = "".join(f"{hash((n, 'x'))},2024-03-01,1,1\n" for n in range(20_000))
    content = f"{HEADER}\n{noise}".encode()
    packed = (
        zipped(**{f"sales{kind}": content})
        if packing == ".zip"
        else PACKINGS[packing](content)
    )
    path = tmp_path / f"data/sales{kind if packing != '.zip' else ''}{packing}"
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(DeliveryError, match=rf"{path.name}: cannot be read, .*again"):
        fetched(tmp_path)


@pytest.mark.parametrize("packing", [".gz", ".zst"])
def test_a_file_packed_in_several_streams_is_read_whole_or_not_at_all(
    packing: str, tmp_path: Path
) -> None:
    company(tmp_path, "data/sales.*")
    path = tmp_path / f"data/sales.csv{packing}"
    first, second = (
        PACKINGS[packing]("\n".join([*lines, ""]).encode())
        for lines in ([HEADER, *sales(40)], sales(60)[40:])
    )
    path.write_bytes(first + second)
    assert fetched(tmp_path)[0].rows == 60
    damages = [b"\xff" + second[1:], second[:-3], second[: len(second) // 2], b"junk"]
    for damaged in damages:
        path.write_bytes(first + damaged)
        with pytest.raises(DeliveryError, match=r"cannot be read, .*again"):
            fetched(tmp_path)


def test_a_protected_zip_is_named(tmp_path: Path) -> None:
    company(tmp_path, "data/sales.zip")
    content = bytearray(zipped(**{"a.csv": b"x"}))
    for offset in (content.index(b"PK\x03\x04") + 6, content.index(b"PK\x01\x02") + 8):
        content[offset] |= 1
    (tmp_path / "data/sales.zip").write_bytes(content)
    with pytest.raises(DeliveryError, match=r"sales.zip/a.csv: is protected"):
        fetched(tmp_path)


def blanks(count: int) -> bytes:
    return f"{HEADER}\n{' ' * count}".encode()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("sales.csv.gz", gzip.compress(blanks(3_000_000))),
        ("sales.csv.zst", PACKINGS[".zst"](blanks(3_000_000))),
        ("sales.zip", zipped(**{"a.csv": blanks(3_000_000)})),
        # One in the other, and many small ones: all together count.
        ("sales.zip", zipped(**{"a.csv.gz": gzip.compress(blanks(3_000_000))})),
        ("sales.zip", zipped(**{f"{n}.csv": blanks(400_000) for n in range(6)})),
    ],
)
def test_what_unpacks_to_more_than_the_limit_is_refused_before_it_is_all_there(
    name: str, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    company(tmp_path, f"data/{name}", unpacked_limit_gb=0.002)
    monkeypatch.setattr(packed, "_CHUNK_BYTES", 1 << 16)
    (tmp_path / "data" / name).write_bytes(content)
    with pytest.raises(
        DeliveryError,
        match=rf"^data/{name}: its {len(content):,} bytes unpack to more "
        r"than unpacked_limit_gb 0.002; .*in sources.yml$",
    ):
        fetched(tmp_path)
    left = sum(path.stat().st_size for path in (tmp_path / "workspace").iterdir())
    assert left < 2_000_000


def test_a_zip_that_understates_its_content_is_counted_while_it_is_unpacked(
    tmp_path: Path,
) -> None:
    company(tmp_path, "data/sales.zip", unpacked_limit_gb=0.002)
    content = bytearray(zipped(**{"a.csv": blanks(3_000_000)}))
    for offset in (
        content.index(b"PK\x03\x04") + 22,
        content.index(b"PK\x01\x02") + 24,
    ):
        content[offset : offset + 4] = (1_900_000).to_bytes(4, "little")
    (tmp_path / "data/sales.zip").write_bytes(content)
    # Python's own reader stops where the entry says that it ends.
    with pytest.raises(DeliveryError, match=r"sales.zip: cannot be read, .*again"):
        fetched(tmp_path)
    left = sum(path.stat().st_size for path in (tmp_path / "workspace").iterdir())
    assert left < 2_000_000


def test_what_unpacks_to_the_limit_is_read(tmp_path: Path) -> None:
    company(tmp_path, "data/sales.csv.gz", unpacked_limit_gb=len(CONTENT) / 1e9)
    (tmp_path / "data/sales.csv.gz").write_bytes(gzip.compress(CONTENT.encode()))
    assert fetched(tmp_path)[0].rows == 40
