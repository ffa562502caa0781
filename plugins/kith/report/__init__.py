"""The report: one HTML page per release, readable without a network."""

import datetime as dt
import importlib.metadata
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from kith.database import connect
from kith.errors import PublicationError
from kith.report import charts, formats, satisfaction
from kith.report.figures import Figures, Row, read_figures
from kith.runs.run import Run

COHORTS_SHOWN = 24


def write_report(run: Run) -> None:
    """Write `report/index.html` into the release that `current` points at."""
    with run.stage("report") as figures:
        current = run.published / "current"
        # Resolved once: the pointer may be switched while the page is made.
        release = current.resolve()
        if not release.is_dir():
            raise PublicationError(
                f"{current}: no release; expected a published one: run the pipeline"
            )
        page = render(run, release)
        _write(release / "report" / "index.html", page)
        figures["release_id"] = release.name
        figures["bytes"] = len(page.encode())


def render(run: Run, release: Path) -> str:
    """The page of a release as HTML."""
    manifest = json.loads((release / "manifest.json").read_text(encoding="utf-8"))
    as_of = dt.date.fromisoformat(manifest["as_of_date"])
    with connect(
        release / "kith.duckdb", scratch=run.run_folder / "scratch", read_only=True
    ) as connection:
        figures = read_figures(
            connection,
            run_id=manifest["run_id"],
            cohorts_shown=COHORTS_SHOWN,
        )
    currency = manifest["currency"]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": formats.count,
        "percent": formats.percent,
        "amount": formats.amount,
        "day": formats.day,
        "month": formats.month,
        "name": formats.name,
    }
    return environment.get_template("page.html.j2").render(
        manifest=manifest,
        as_of=as_of,
        published_at=dt.datetime.fromisoformat(manifest["published_at"]),
        company=run.company,
        figures=figures,
        tiles=_tiles(figures, currency),
        rows_of_charts=[
            [charts.revenue(figures, currency), charts.buyers(figures)],
            [charts.states(figures), charts.concentration(figures)],
            [
                charts.segment_shares(figures),
                charts.segment_averages(figures, currency),
            ],
            *satisfaction.rows_of_charts(figures, run.company),
        ],
        retention=_retention(figures),
        # A script of an installed package, no data; it must not end its element.
        vega=Markup(_vega_bundle(run.home).replace("</script", "<\\/script")),  # noqa: S704
    )


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True, parents=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.chmod(0o444)
    temporary.replace(path)


def _vega_bundle(home: Path) -> str:
    """Vega, Vega-Lite and vega-embed as one script; made once, kept in `home`."""
    version = importlib.metadata.version("vl-convert-python")
    path = home / "cache" / f"vega_bundle_{version}.js"
    if not path.exists():
        import vl_convert

        _write(path, vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))
    return path.read_text(encoding="utf-8")


@dataclass(frozen=True)
class Tile:
    """A key figure. A value of None is shown as `missing`."""

    label: str
    value: str | None
    unit: str = ""
    note: str = ""
    changes: list[Row] = field(default_factory=list)
    missing: str = "No data yet"


def _share(part: Any, whole: Any) -> str | None:
    return formats.percent(float(100 * part / whole)) if whole else None


def _change(now: Any, before: Row | None, measure: str, since: str) -> Row | None:
    """Change against an earlier month; None where there is nothing to compare."""
    if before is None or before[measure] <= 0:
        return None
    rounded = round(float(100 * (now - before[measure]) / before[measure]), 1)
    if rounded == 0:
        return {"direction": "none", "text": f"no change {since}"}
    direction = "up" if rounded > 0 else "down"
    text = f"{rounded:+,.1f}% {since}".replace("-", "−")
    return {"direction": direction, "text": text}


def _month_tile(
    figures: Figures, label: str, measure: str, write: Callable[[Any], str], unit: str
) -> Tile:
    month = figures.last_month
    if month is None:
        missing = "No complete month yet" if figures.months else "No data yet"
        return Tile(label, None, missing=missing)
    value = month[measure]
    changes = [
        _change(value, figures.month_before(1), measure, "on the month before"),
        _change(value, figures.month_before(12), measure, "on a year before"),
    ]
    return Tile(
        f"{label}, {formats.month(month['month'])}",
        write(value),
        unit,
        changes=[change for change in changes if change],
    )


def _tiles(figures: Figures, currency: str) -> list[Tile]:
    totals = figures.totals
    orders, sold = totals["order_count"], totals["revenue_amount"]
    bought = totals["buyer_count"]
    top = next((r for r in figures.concentration if r["top_pct"] == 20), None)
    gini = top["gini"] if top else None
    return [
        Tile(
            "Customers",
            formats.count(totals["customer_count"])
            if totals["customer_count"]
            else None,
            note=f"{formats.count(bought)} with an order",
        ),
        _month_tile(figures, "Active buyers", "buyer_count", formats.count, ""),
        _month_tile(figures, "Revenue", "revenue_amount", formats.amount, currency),
        Tile(
            "Revenue in all",
            formats.amount(sold) if orders else None,
            currency,
            f"{formats.count(orders)} order{'' if orders == 1 else 's'}",
        ),
        Tile(
            "Repeat-purchase rate",
            _share(totals["repeat_buyer_count"], bought),
            note="of buyers ordered twice or more",
        ),
        Tile(
            "Revenue from the top 20%",
            formats.percent(top["share_pct"]) if top else None,
            note="of customers with an order",
        ),
        Tile(
            "Gini coefficient",
            None if gini is None else f"{gini:.2f}",
            note="0 = all buy alike, 1 = one buys all",
        ),
        Tile(
            "Unidentified revenue",
            _share(totals["unidentified_amount"] or 0, sold),
            note="of revenue has no known customer",
        ),
    ]


def _shade(share: float) -> str:
    """Background and text colour of a retention cell; `share` is 0–1."""
    white, deep = (244, 248, 252), (22, 78, 128)
    mixed = [round(a + (b - a) * share) for a, b in zip(white, deep, strict=True)]
    # Where black and white are read equally well on the mixed colour (4.5 : 1).
    ink = "#fff" if share > 0.74 else "#000"
    return f"background:rgb({mixed[0]},{mixed[1]},{mixed[2]});color:{ink}"


def _retention(figures: Figures) -> Row | None:
    """The retention grid: newest cohorts, one column per month since the first."""
    cohorts: dict[dt.date, list[Row]] = {}
    for row in figures.cohorts:
        cohorts.setdefault(row["cohort_month"], []).append(row)
    if not cohorts:
        return None
    periods = 1 + max(row["period_number"] for row in figures.cohorts)
    later = [
        float(row["retention_pct"])
        for row in figures.cohorts
        if row["period_number"] and row["retention_pct"] is not None
    ]
    # Period 0 is 100% by definition: the shades spread over the other periods.
    darkest = max(later, default=100.0) or 100.0

    def cell(number: int, pct: float | None) -> Row:
        if pct is None:
            return {"text": "", "style": ""}
        style = "" if number == 0 else _shade(min(1.0, pct / darkest))
        return {"text": f"{pct:.0f}%", "style": style}

    def line(label: str, size: int, pcts: dict[int, float]) -> Row:
        cells = [cell(number, pcts.get(number)) for number in range(periods)]
        return {"label": label, "size": size, "cells": cells}

    lines, counted = [], {n: [0, 0] for n in range(periods)}
    for month, rows in cohorts.items():
        known = [row for row in rows if row["retention_pct"] is not None]
        for row in known:
            counted[row["period_number"]][0] += row["active_count"]
            counted[row["period_number"]][1] += row["cohort_size"]
        lines.append(
            line(
                formats.month(month),
                rows[0]["cohort_size"],
                {row["period_number"]: float(row["retention_pct"]) for row in known},
            )
        )
    overall = {n: 100 * a / size for n, (a, size) in counted.items() if size}
    total = sum(row["size"] for row in lines)
    is_cut = len(lines) < figures.cohort_count
    label = "All shown" if is_cut else "All cohorts"
    return {
        "periods": periods,
        "lines": lines,
        "overall": line(label, total, overall) if len(lines) > 1 else None,
        "is_cut": is_cut,
    }
