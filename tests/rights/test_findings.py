"""What is found of a person, before anything is done."""

from pathlib import Path

from kith.rights.plan import preview
from kith.runs.run import Run
from tests.rights import shop
from tests.rights.shop import ADA, ask


def test_saying_what_would_go_changes_nothing(run: Run, tmp_path: Path) -> None:
    before = {p: t for p, t in shop.values_in(run.folder) if "scratch" not in p.parts}
    found = preview(run, ask(tmp_path, f"email,{ADA}"))
    after = {p: t for p, t in shop.values_in(run.folder) if "scratch" not in p.parts}
    assert before == after
    assert dict(+found.findings.raw) == {
        "shop.customers": 1,
        "shop.orders": 3,
        "shop.lines": 3,
        "web.clicks": 2,
    }
    assert dict(+found.findings.admitted) == {
        "shop.customers": 1,
        "shop.orders": 2,
        "shop.lines": 3,
        "web.clicks": 2,
    }
    assert dict(+found.findings.mentions) == {"shop.customers": 1}
    text = "\n".join(found.lines())
    assert "1 customer_number, 1 email, 1 member" in text
    assert "1 phone beside theirs" in text
    assert not any(trace in text for trace in shop.TRACES)
