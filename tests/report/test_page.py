"""The page as a whole, up to the picture in a real browser."""

import json
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot
import yaml

from kith.report import marks, operations, page
from kith.report.entries import Entry, Section
from kith.runs.journal import Journal
from kith.runs.run import Run
from kith.settings import REPOSITORY
from tests.report.releases import HOSTILE, RELEASES, Page, make_page, page_of, publish

WIDTHS = {"desktop": 1240, "phone": 390}
DRAWN = {
    "grocer": 55,
    "unfinished": 16,
    "ten_years": 18,
    "one_customer": 12,  # none of amounts that would be one person's
    "long_names": 43,
    "events_only": 2,
    "known_before": 13,
    "nothing": 0,
    "in_chinese": 55,
}


@pytest.mark.parametrize(("name", "empty"), [("nothing", 48), ("events_only", 45)])
def test_without_orders_each_chart_says_so(
    releases: Any, name: str, empty: int
) -> None:
    source = page_of(releases[name][0]).read_text()
    assert source.count(">No data yet</p>") == empty
    assert "nan" not in source.split("<script>")[0].lower().split()


def test_text_from_data_cannot_become_markup(releases: Any) -> None:
    page = Page(page_of(releases["long_names"][0]))
    assert page.title == f"{HOSTILE}: customer report, 31 Dec 2017"
    assert "img" not in page.tags
    assert page.source.count("</script>") == DRAWN["long_names"] + 2, "charts and end"


def test_an_entry_is_all_that_a_new_chart_takes(
    releases: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = releases["long_names"]
    entry = Entry(
        "cities",
        "Customers of run {run_id}",
        "select 'x' || $run_id as city, count(*) as n from customer.customers",
        columns={"City": "{city}", "Customers": "{n:,}"},
        note="In {currency}, as of {as_of:%-d %b %Y}.",
        marks=marks.bars,
        series={"n": ("Customers", marks.ACCENT)},
        text="{n:,}",
    )
    section = Section(charts=[[entry]], definitions={"City": "In {time_zone}."})
    monkeypatch.setattr(page, "SECTIONS", (*page.SECTIONS, section))
    html = page.render(run, page_of(run).parent.parent.resolve())
    card = html.partition('aria-labelledby="cities-title"')[2].partition("</section>")[
        0
    ]
    assert "Customers of run run-1</h2>" in card
    assert "In USD, as of 31 Dec 2017.</p>" in card
    assert '<th scope="row">xrun-1</th><td>200</td>' in card
    spec = json.loads(card.partition('data-chart="cities">')[2].partition("<")[0])
    assert spec["datasets"]["rows"][0]["city"] == "xrun-1"
    assert "<dt>City</dt><dd>In America/New_York.</dd>" in html


def test_page_is_small_read_only_and_made_with_one_bundle(
    releases: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = releases["grocer"]
    # The script is dear to make: a second page must take it from the cache.
    monkeypatch.setattr("vl_convert.javascript_bundle", None)
    make_page(run)
    path = page_of(run)
    assert path.stat().st_size < 2_000_000
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert [entry.name for entry in path.parent.iterdir()] == ["index.html"]
    assert len(list((home / "cache").iterdir())) == 1


def test_an_error_keeps_its_type_and_says_that_it_was_met_on_the_page(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = publish(home, "without_a_mart", {}, "2017-12-31")
    with duckdb.connect(str(run.published / "current" / "kith.duckdb")) as release:
        release.execute("drop table segment.cohorts")
    with (
        pytest.raises(duckdb.CatalogException, match="cohorts") as caught,
        run.stage("publish"),
    ):
        make_page(run)
    (note,) = caught.value.__notes__
    assert note == "met while the report page of the release was made"
    journal = Journal(run.run_folder)
    list(journal.new_entries())
    reason = journal.failure()
    assert reason and reason.startswith("publish: CatalogException: ")
    assert reason.endswith(f"; {note}")
    assert not page_of(run).exists()


# --- the picture --------------------------------------------------------------

# Every text of every chart: inside its picture, and on no other text.
_FAULTS = """() => {
  const faults = [];
  for (const svg of document.querySelectorAll(".chart svg")) {
    const name = svg.closest(".chart").id, frame = svg.getBoundingClientRect();
    if (frame.width < 100 || frame.height < 20) faults.push(`${name}: no size`);
    const texts = [...svg.querySelectorAll("text")]
      .filter(text => text.textContent.trim() && getComputedStyle(text).opacity > 0)
      .map(text => [text.textContent, text.getBoundingClientRect()]);
    for (const [index, [words, box]] of texts.entries()) {
      if (box.left < frame.left - 1 || box.right > frame.right + 1
          || box.top < frame.top - 2 || box.bottom > frame.bottom + 2)
        faults.push(`${name}: clipped: ${words}`);
      for (const [others, other] of texts.slice(index + 1))
        if (box.left < other.right - 1 && other.left < box.right - 1
            && box.top < other.bottom - 3 && other.top < box.bottom - 3)
          faults.push(`${name}: collide: ${words} / ${others}`);
    }
  }
  for (const words of document.querySelectorAll(".tile dd, .tile dt, h1, h2, p"))
    if (words.scrollWidth > words.clientWidth + 1)
      faults.push(`wide: ${words.textContent}`);
  if (document.documentElement.scrollWidth > innerWidth)
    faults.push("page overflows");
  return faults;
}"""


# Texts that WCAG 2 calls too pale for their ground (4.5 : 1, large ones 3 : 1).
_PALE = """() => {
  const channels = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (color) => {
    const [r, g, b] = color.slice(0, 3).map((value) => value / 255).map((value) =>
      value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    if (!element) return [255, 255, 255];
    const [r, g, b, alpha = 1] = channels(getComputedStyle(element).backgroundColor);
    if (alpha === 1) return [r, g, b];
    const below = ground(element.parentElement);
    return [r, g, b].map((value, at) => alpha * value + (1 - alpha) * below[at]);
  };
  const pale = [];
  const isText = (node) => node.nodeType === 3 && node.textContent.trim();
  const texts = document.querySelectorAll("main *:not(svg *, script, option)");
  for (const element of texts) {
    if (![...element.childNodes].some(isText)) continue;
    const style = getComputedStyle(element), size = parseFloat(style.fontSize);
    const ink = light(channels(style.color)), paper = light(ground(element));
    const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    const isLarge = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    if (ratio < (isLarge ? 3 : 4.5))
      pale.push(`${ratio.toFixed(2)}: ${element.textContent}`);
  }
  return pale;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    executable = shutil.which("chromium")
    if not executable:
        pytest.skip("the page was not looked at: there is no chromium on PATH")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=executable,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ],
        )
        yield browser
        browser.close()


def open_page(browser: Any, run: Run, width: int) -> tuple[Any, list[str], list[str]]:
    """The page with its charts drawn, what it requests, and what its console says."""
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.set_default_timeout(180_000)  # beside three other tests on two cores
    requested: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: said.append("dialog: " + dialog.message))
    page.goto(page_of(run).resolve().as_uri())
    drawn = page.locator(".chart").count()
    page.wait_for_function(f"document.querySelectorAll('.chart svg').length == {drawn}")
    return page, requested, said


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
@pytest.mark.parametrize("name", RELEASES)
def test_page_in_a_browser(
    releases: Any, browser: Any, tmp_path: Path, name: str, width: int
) -> None:
    run, _ = releases[name]
    page, requested, said = open_page(browser, run, width)
    try:
        assert page.locator(".chart").count() == DRAWN[name]
        picture = tmp_path / f"{name}_{width}.png"
        page.screenshot(path=picture, full_page=True)
        assert picture.stat().st_size > 10_000
        assert page.evaluate(_FAULTS) == []
        assert page.evaluate(_PALE) == []
        assert said == []
        assert [
            url for url in requested if not url.startswith(("file:", "data:"))
        ] == []
        assert page.locator("img").count() == 0
        is_chinese = name == "in_chinese"
        lang = page.locator("html").get_attribute("lang")
        assert lang == ("zh-CN" if is_chinese else "en")
        after_title = r"\w+.?。\w" if is_chinese else r"\w+\. \w"
        for label in page.locator(".chart").all():
            assert re.search(after_title, label.get_attribute("aria-label") or "")
    finally:
        page.close()


def test_a_reader_chooses_the_months_by_the_keyboard(
    releases: Any, browser: Any
) -> None:
    page, _, said = open_page(browser, releases["unfinished"][0], 1240)
    try:
        months = "#revenue ~ details tbody tr:not([hidden])"
        assert page.locator(months).count() > 12
        for _ in range(20):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.id") == "period":
                break
        chosen = "document.activeElement.selectedOptions[0].text"
        for _ in range(10):
            page.keyboard.press("ArrowDown")
            if page.evaluate(chosen) == "2016":
                break
        page.wait_for_function(
            "document.getElementById('period-said').textContent !== ''"
        )
        shown = page.locator(f"{months} th").all_text_contents()
        assert shown[-1] == "Dec 2016"
        assert {month[-4:] for month in shown} == {"2016"}
        bars = page.locator("#revenue svg [aria-roledescription=bar]")
        page.wait_for_function(
            "document.querySelectorAll('#revenue svg [aria-roledescription=bar]')"
            f".length == {len(shown)}"
        )
        assert bars.count() == len(shown)
        assert page.evaluate(_FAULTS) == []
        page.select_option("#period", "")
        assert page.locator(months).count() > 12
        assert said == []
        # Figures behind a chart open by the keyboard as well.
        page.locator("#revenue ~ details summary").focus()
        page.keyboard.press("Enter")
        assert page.locator("#revenue ~ details table").is_visible()
    finally:
        page.close()


def test_the_exposure_names_the_marts_that_the_page_reads() -> None:
    declared = yaml.safe_load(
        (REPOSITORY / "dbt_project" / "models" / "_exposures.yml").read_text()
    )
    (exposure,) = declared["exposures"]
    entries = [
        entry
        for part in page.SECTIONS
        for entry in (
            *part.tiles,
            *part.tables,
            *(e for row in part.charts for e in row),
        )
    ]
    read = {
        f"{table.db}.{table.name}"
        for entry in (*entries, operations.CHECKS)
        for table in sqlglot.parse_one(entry.query, dialect="duckdb").find_all(
            sqlglot.exp.Table
        )
        if table.db
    }
    assert exposure["depends_on"] == [
        f"ref('{mart.split('.')[1]}')" for mart in sorted(read)
    ]
