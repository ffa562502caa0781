"""Publications to a real PostgreSQL: whole for all readers, whatever happens."""

from pathlib import Path

from tests.serve.readers import KINDS, reading
from tests.serve.stand_in import Shop


def test_readers_of_seven_kinds_see_whole_releases_while_more_are_published(
    shop: Shop, tmp_path: Path
) -> None:
    shop.publish(1)
    with reading(shop.conninfo, f"{shop.name}_", 40, tmp_path / "stop") as end:
        for batch in range(2, 6):
            shop.publish(batch)
        found = end()
    assert len(found) == len(KINDS)
    for each in found:
        faults = (each["torn"], each["empty"], each["failed"])
        assert faults == (0, 0, 0), each
        # It has read, and met new releases.
        assert each["reads"] >= 5, each
        assert each["releases"] >= 3, each
