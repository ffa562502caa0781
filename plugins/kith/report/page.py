"""The report: one HTML page per release, readable without a network."""

import datetime as dt
import importlib.metadata
import itertools
import json
import os
from pathlib import Path

import jinja2
from markupsafe import Markup

from kith.database import connect
from kith.report import (
    cases,
    contacts,
    customer,
    identity,
    leaving,
    movements,
    needs,
    offers,
    one_customer,
    operations,
    portrait,
    predictions,
    retention,
    satisfaction,
    segment,
    service,
    summary,
    visits,
    voice,
)
from kith.report.cards import card_of, said, tile_of
from kith.report.entries import Entry, Row, Sentence, Tile
from kith.report.formats import fill
from kith.report.language import language_of, speaking, spoken, translated
from kith.runs.run import Run
from kith.storage import READABLE, restrict

PAGE = Path("report", "index.html")
SECTIONS = tuple(
    part.SECTION
    for part in (
        summary,
        customer,
        portrait,
        identity,
        segment,
        movements,
        retention,
        predictions,
        needs,
        offers,
        contacts,
        satisfaction,
        service,
        voice,
        leaving,
        cases,
        visits,
        one_customer,
        operations,
    )
)


def write_page(run: Run, release: Path) -> None:
    """Write the page `PAGE` into a release's folder, which holds data and manifest.

    An error keeps its type, and a note says that it was met here.
    """
    try:
        _write(release / PAGE, render(run, release))
    except Exception as error:
        error.add_note("met while the report page of the release was made")
        raise


def render(run: Run, release: Path) -> str:
    """Return the page of a release as HTML, in the company's language."""
    with speaking(language_of(run.company.language)):
        return _render(run, release)


def _render(run: Run, release: Path) -> str:
    manifest = json.loads((release / "manifest.json").read_text(encoding="utf-8"))
    facts = {key: manifest[key] for key in ("currency", "time_zone", "run_id")}
    facts["company"] = run.company
    facts["as_of"] = dt.date.fromisoformat(manifest["as_of_date"])
    facts["published_at"] = dt.datetime.fromisoformat(manifest["published_at"])
    definitions = {
        translated(term): fill(words, facts)
        for part in SECTIONS
        for term, words in part.definitions.items()
    }
    with connect(
        release / "kith.duckdb", scratch=run.run_folder / "scratch", read_only=True
    ) as connection:

        def read(entry: Tile | Entry | Sentence) -> list[Row]:
            (statement,) = connection.extract_statements(entry.query)
            given = {name: facts[name] for name in statement.named_parameters}
            cursor = connection.execute(statement, given)
            names = [column[0] for column in cursor.description or []]
            found = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
            return [facts | row for row in found]

        def cards(entries: list[Entry]) -> list[Row]:
            shown = (card_of(entry, read(entry), facts) for entry in entries)
            return [card for card in shown if card]

        sentences = [
            said(sentence.words, rows)
            for part in SECTIONS
            for sentence in part.sentences
            if (rows := read(sentence))
        ]
        tiles = [tile_of(tile, read(tile)) for part in SECTIONS for tile in part.tiles]
        charts = [cards(entries) for part in SECTIONS for entries in part.charts]
        tables = [card for part in SECTIONS for card in cards(part.tables)]
        checks = read(operations.CHECKS)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2").render(
        _=lambda template, **values: fill(template, values),
        language=spoken(),
        manifest=manifest,
        as_of=fill("{as_of:%-d %b %Y}", facts),
        published=fill("{published_at:%-d %b %Y, %H:%M} UTC", facts),
        passed=f"{operations.passed_count(checks):,}",
        warnings=[check for check in checks if check["is_listed"]],
        sentences=sentences,
        as_of_day=manifest["as_of_date"],
        periods=_periods(
            {
                month
                for card in itertools.chain(*charts)
                for month in card["months"]
                if month <= manifest["as_of_date"]
            }
        ),
        tiles=tiles,
        rows_of_charts=[
            row[at : at + 2] for row in charts for at in range(0, len(row), 2)
        ],
        tables=tables,
        definitions=definitions,
        # A script of an installed package, no data; it must not end its element.
        vega=Markup(vega_bundle(run.home).replace("</script", "<\\/script")),  # noqa: S704
    )


def _periods(months: set[str]) -> list[tuple[str, str, str]]:
    """Label, first and last month of the periods that a reader may choose."""
    if len(months) < 2:
        return []
    ordered = sorted(months)
    last = dt.date.fromisoformat(ordered[-1])
    periods = [
        (
            fill("Last {count} months", {"count": count}),
            f"{_months_before(last, count - 1)}",
            ordered[-1],
        )
        for count in (3, 6, 12)
        if count < len(ordered)
    ]
    years = sorted({month[:4] for month in ordered}, reverse=True)
    if len(years) > 1:
        periods += [
            (fill("{year}", {"year": year}), f"{year}-01-01", f"{year}-12-01")
            for year in years
        ]
    return periods


def _months_before(month: dt.date, count: int) -> dt.date:
    number = month.year * 12 + month.month - 1 - count
    return dt.date(number // 12, number % 12 + 1, 1)


def _write(path: Path, text: str) -> None:
    restrict(path.parent, READABLE)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.chmod(0o444)
    temporary.replace(path)


def vega_bundle(home: Path) -> str:
    """Vega, Vega-Lite and vega-embed as one script; made once, kept in `home`."""
    version = importlib.metadata.version("vl-convert-python")
    path = home / "cache" / f"vega_bundle_{version}.js"
    if not path.exists():
        import vl_convert

        _write(path, vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))
    return path.read_text(encoding="utf-8")
