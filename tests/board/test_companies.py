import json
from pathlib import Path
from typing import Any

from kith.board.companies import (
    RUNS,
    Chart,
    company_view,
    quality_charts,
    runs_of,
    seconds_chart,
)


def entry(stage: str, event: str, at: float, item: str = "", **more: Any) -> str:
    known = {"stage": stage, "item": item, "event": event, "at": at}
    ended = {"seconds": 1.0, "reason": "", "figures": {}} if event != "start" else {}
    return json.dumps({**known, **ended, **more})


def journal(state: Path, name: str, *entries: str) -> None:
    folder = state / "runs" / name
    folder.mkdir(parents=True)
    (folder / "journal.jsonl").write_text("\n".join(entries) + "\n")


def good(state: Path, name: str, begun: float) -> None:
    audit = {"passed": 90, "warnings": 2, "failed": 2}
    journal(
        state,
        name,
        entry("admit", "start", begun, "shop.a"),
        entry("admit", "end", begun + 2, "shop.a", figures={"quarantined": 5}),
        entry("admit", "end", begun + 3, "shop.b", figures={"quarantined": 1}),
        entry("audit", "start", begun + 3),
        entry("audit", "end", begun + 7, figures=audit),
        entry("publish", "start", begun + 7),
        entry("publish", "end", begun + 8),
    )


def test_runs_tell_seconds_and_quality_in_the_order_of_time(tmp_path: Path) -> None:
    good(tmp_path, "second", 2000)
    refused = "shop.a: anna@example.com is no number; row 3: Anna Meyer"
    journal(
        tmp_path,
        "first",
        entry("pull", "start", 1000, "shop.a"),
        entry(
            *("pull", "fail", 1004, "shop.a"), reason=refused, failure_class="contract"
        ),
    )
    journal(tmp_path, "third", entry("build", "start", 3000))
    journal(
        tmp_path,
        "fourth",
        entry("admit", "end", 4000, "shop.b", figures={"quarantined": 1}),
        entry("admit", "fail", 4001, "shop.a", reason="refused"),
    )
    (tmp_path / "runs" / "empty").mkdir()
    first, second, third, fourth = runs_of(tmp_path)
    assert (first.run_id, first.outcome) == ("first", "failed")
    assert first.reason == "pull shop.a: shop.a: …@… is no number"
    assert first.quality == {}
    assert second.outcome == "succeeded"
    assert second.seconds == {"admit": 3.0, "audit": 4.0, "publish": 1.0}
    assert second.quality == {
        "checks passed": 90,
        "checks warned": 2,
        "checks failed": 0,
        "rows refused": 6,
    }
    assert (third.outcome, third.reason) == ("under way or killed", "build")
    # How many rows the refused delivery had is not known.
    assert fourth.quality == {}


def test_a_gate_that_stopped_shows_how_many_checks_failed(tmp_path: Path) -> None:
    figures = {"passed": 80, "warnings": 1, "failed": 3, "broken": 4}
    journal(
        tmp_path,
        "stopped",
        entry("audit", "start", 1),
        entry("audit", "fail", 2, figures=figures, reason="no"),
    )
    assert runs_of(tmp_path)[0].quality["checks failed"] == 6


def test_only_the_last_runs_are_shown(tmp_path: Path) -> None:
    for number in range(RUNS + 3):
        good(tmp_path, f"run_{number}", number * 100)
    assert len(runs_of(tmp_path)) == RUNS


def test_bars_stand_on_each_other_and_fill_the_chart(tmp_path: Path) -> None:
    good(tmp_path, "a", 1000)
    good(tmp_path, "b", 2000)
    chart = seconds_chart(runs_of(tmp_path))
    assert chart.most == 8
    first = [bar for bar in chart.bars if bar.x == 0]
    assert [chart.names[bar.series] for bar in first] == ["admit", "audit", "publish"]
    assert sum(bar.height for bar in first) == Chart.HEIGHT
    assert first[0].y + first[0].height == Chart.HEIGHT
    assert first[1].y + first[1].height == first[0].y
    assert first[-1].y == 0
    assert "a: audit 4" in first[1].tip
    checks, rows = quality_charts(runs_of(tmp_path))
    assert [checks.names[bar.series] for bar in checks.bars] == ["checks warned"] * 2
    assert (checks.most, rows.most, len(rows.bars)) == (2, 6, 2)
    assert [chart.bars for chart in quality_charts([])] == [[], []]


def test_a_company_that_cannot_be_read_is_shown_with_its_fault(tmp_path: Path) -> None:
    view = company_view(tmp_path / "gone", "gone", None, "company.yml: wrong\nline")
    assert (view.title, view.fault) == ("gone", "company.yml: wrong line")
    assert (view.runs, view.releases) == ([], [])
