"""Whatever stands in the data, the pages show it as text."""

import dataclasses
import re
from html.parser import HTMLParser

from kith.board.companies import CompanyView, RunView
from kith.board.page import companies_page, task_page
from kith.board.standing import Release
from kith.board.task import Rows, TaskView

EVIL = "<script>alert('x')</script>\"><img src=x onerror=alert(1)> {{ 7 * 7 }}"


class Elements(HTMLParser):
    """Which elements and attributes a page has, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


RELEASE = Release(EVIL, EVIL, EVIL, EVIL, EVIL, is_current=True)
ROWS = Rows(EVIL, EVIL, [EVIL], [[EVIL]], EVIL)
TASK = TaskView(
    company=EVIL,
    title=EVIL,
    owner=EVIL,
    task=EVIL,
    table=EVIL,
    run_id=EVIL,
    days=EVIL,
    state=EVIL,
    failures=[(EVIL, EVIL, EVIL)],
    incidents=[[EVIL, EVIL]],
    is_fresh=False,
    readers=EVIL,
    release=RELEASE,
    gate=EVIL,
    checks=[ROWS],
    refused=[ROWS],
    deliveries=ROWS,
    commands=[(EVIL, EVIL)],
    files=[EVIL],
)


def safe(page: str) -> Elements:
    elements = Elements(page)
    assert elements.found.isdisjoint({"script", "img", "iframe", "object", "link"})
    assert not [name for name in elements.attributes if name.startswith("on")]
    assert "49" not in elements.text
    assert not re.search(r"https?://", page), "nothing comes from elsewhere"
    return elements


def test_the_page_of_a_task_escapes_every_value() -> None:
    elements = safe(task_page(TASK))
    strings = sum(1 for _ in re.finditer(re.escape(EVIL), elements.text))
    # Each field is shown once at least, the title twice.
    assert strings > len(dataclasses.fields(TaskView))


def test_the_page_of_companies_escapes_every_value() -> None:
    run = RunView(EVIL, 0, EVIL, EVIL, {"admit": 1.5}, {EVIL: 3, "rows refused": 2})
    view = CompanyView(EVIL, EVIL, EVIL, EVIL, True, EVIL, [RELEASE], [EVIL], [run])
    page = companies_page([view], [EVIL])
    elements = safe(page)
    assert elements.text.count(EVIL) > 10
    assert "Of the server died" in page
    assert "Of the server died" not in companies_page([view])
    assert {"svg", "rect"} <= elements.found
    assert "1970-01-01 00:00 UTC" in elements.text
