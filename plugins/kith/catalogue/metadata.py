"""What a release says about itself: its folder `metadata`.

`dbt_docs.html` is dbt's documentation with the graph, `openlineage.jsonl` the lineage
of each column, `semantic_manifest.json` the metrics, `dictionary.csv` the data
dictionary.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kith.build.dbt import target
from kith.catalogue.answers import EVENTS, METADATA
from kith.catalogue.dbt_docs import write_docs
from kith.catalogue.dictionary import DICTIONARY, write_dictionary
from kith.catalogue.lineage import columns_of, lineage_of
from kith.catalogue.metrics import SEMANTIC_MANIFEST, write_semantic_manifest
from kith.catalogue.openlineage import Event, events_of, send, write_events
from kith.errors import one_line
from kith.runs.run import Run

DOCS = "dbt_docs.html"


def write_metadata(run: Run, release: Path) -> list[Event]:
    """Write the folder into a release that is being made; returns OpenLineage's events.

    An error keeps its type, and a note says that it was met here.
    """
    folder = release / METADATA
    try:
        folder.mkdir()
        text = (target(run) / "manifest.json").read_text(encoding="utf-8")
        manifest = json.loads(text)
        columns = columns_of(run)
        write_docs(manifest, columns, folder / DOCS)
        events = events_of(run, lineage_of(run, manifest, columns), _texts(manifest))
        write_events(folder / EVENTS, events)
        write_semantic_manifest(run, folder / SEMANTIC_MANIFEST)
        write_dictionary(run.company, folder / DICTIONARY)
    except Exception as error:
        error.add_note("met while the metadata of the release were written")
        raise
    return events


def send_events(events: Iterable[Event]) -> dict[str, Any]:
    """Send the events where OpenLineage's settings say; returns figures of it.

    Readers have their release by then: what fails is told, not raised.
    """
    try:
        sent = send(events)
    except Exception as error:  # Of whatever transport.
        kind = type(error).__name__
        return {"openlineage_fault": one_line(f"{kind}: {error}")[:300]}
    return {"openlineage_events": sent} if sent else {}


def _texts(manifest: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Descriptions of each table, and under '' its own."""
    return {
        f"{node['schema']}.{node['alias']}": {"": node["description"]}
        | {name: column["description"] for name, column in node["columns"].items()}
        for node in manifest["nodes"].values()
        if node["resource_type"] in ("model", "seed")
    }
