"""What is noted of an erasure while it goes on."""

from pathlib import Path

from kith.rights.plan import LOG, Progress


def test_a_line_that_a_full_disk_cut_loses_no_other(tmp_path: Path) -> None:
    progress = Progress(tmp_path)
    progress.add({"place": "raw shop.orders 1", "count": 3})
    progress.add({"deleted": "scratch"})
    with (tmp_path / LOG).open("a") as log:
        log.write('{"place": "raw sho\n')
    progress.add({"place": "raw shop.orders 1", "count": 2})

    found = Progress(tmp_path)
    assert found.counts == {"raw shop.orders 1": 2}
    assert found.deleted == {"scratch"}
    found.end()
    assert Progress(tmp_path).counts == {}
