"""dbt's documentation site as one static file, made of what the build has left.

`dbt docs generate --static` would parse the project again and look at the database for
each model. The site is the same: dbt's own page, with manifest and catalog within it.

Of the manifest it gets what a reader may see: names, descriptions, columns, the graph,
and the SQL of Kith's models. It gets nothing of the machine, nor what a company's own
files say beyond names and descriptions: neither its SQL, nor compiled SQL, in which its
declarations stand, nor how its sources are reached.
"""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_PLACES = {
    "MANIFEST.JSON INLINE DATA": "manifest",
    "CATALOG.JSON INLINE DATA": "catalog",
}
# What the site shows or needs of any resource. What is not named here is left out.
_SHOWN = (
    *("unique_id", "name", "resource_type", "package_name", "path", "fqn", "alias"),
    *("original_file_path", "database", "schema", "description", "tags", "docs"),
    *("depends_on", "language", "group", "access", "version", "latest_version"),
    *("identifier", "source_name", "source_description", "loader", "test_metadata"),
    *("column_name", "attached_node", "label", "type", "type_params", "owner", "url"),
    *("maturity", "model", "entities", "measures", "dimensions", "filter", "refs"),
)
_COLUMN = ("name", "description", "data_type", "constraints", "quote", "tags")
_KINDS = ("nodes", "sources", "exposures", "metrics", "semantic_models")
_COMPANY = "company/"  # Where a company's own files lie in the assembled project.


def write_docs(
    manifest: dict[str, Any], columns: dict[str, list[str]], path: Path
) -> None:
    """Write the site into one HTML file.

    `columns` are those that the tables have, by `<schema>.<table>`.
    """
    parts = {"manifest": shown(manifest), "catalog": _catalog(manifest, columns)}
    page = _page().read_text(encoding="utf-8")
    for place, part in _PLACES.items():
        # Within a script of a page: no text of a description may end it.
        text = json.dumps(parts[part], ensure_ascii=False).replace("</", "<\\/")
        page = page.replace(f'"{place}"', text)
    path.write_text(page, encoding="utf-8")


def shown(manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest as a reader may see it."""
    metadata = manifest["metadata"]
    kept: dict[str, Any] = {
        kind: {
            unique_id: _resource(resource)
            for unique_id, resource in manifest[kind].items()
        }
        for kind in _KINDS
    }
    known = set().union(*(kept[kind] for kind in _KINDS))
    for kind in ("parent_map", "child_map"):
        kept[kind] = {
            unique_id: [other for other in others if other in known]
            for unique_id, others in manifest[kind].items()
            if unique_id in known
        }
    return kept | {
        "metadata": {
            key: metadata[key]
            for key in ("dbt_schema_version", "dbt_version", "generated_at")
        }
        | {"project_name": "kith", "adapter_type": metadata["adapter_type"]},
        "macros": {},
        "docs": {
            "doc.dbt.__overview__": {
                "name": "__overview__",
                "package_name": "dbt",
                "block_contents": _OVERVIEW,
            }
        },
        "disabled": {},
        "selectors": {},
        "groups": {},
        "group_map": {},
        "unit_tests": {},
        "saved_queries": {},
        "functions": {},
    }


_OVERVIEW = """### The marts of this release

*Database* on the left lists schemas and tables as readers have them, *Project* the
models as dbt has them. A model's page has its columns, what it refers to, and its SQL.
The button at the bottom right draws the graph, from source tables to marts and to who
reads them."""


def _resource(resource: dict[str, Any]) -> dict[str, Any]:
    found = {key: resource[key] for key in _SHOWN if key in resource}
    is_companys = resource["original_file_path"].startswith(_COMPANY)
    if found.get("depends_on"):
        nodes = found["depends_on"].get("nodes", [])
        found["depends_on"] = {"macros": [], "nodes": nodes}
    if metadata := found.get("test_metadata"):
        # Arguments of a company's own tests hold its values.
        kwargs = {} if is_companys else _without_model(metadata["kwargs"])
        found["test_metadata"] = {"name": metadata["name"], "kwargs": kwargs} | {
            "namespace": metadata.get("namespace")
        }
    config = resource.get("config") or {}
    found["config"] = {
        key: config[key] for key in ("materialized", "enabled") if key in config
    }
    found["columns"] = {
        name: {key: column[key] for key in _COLUMN if key in column} | {"meta": {}}
        for name, column in (resource.get("columns") or {}).items()
    }
    code = "" if is_companys else resource.get("raw_code") or ""
    return found | {"meta": {}, "raw_code": code, "compiled_code": ""}


def _without_model(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in kwargs.items() if key != "model"}


def _page() -> Path:
    """The page of dbt's package, found without importing dbt, which takes seconds."""
    package = find_spec("dbt")
    folders = package.submodule_search_locations if package else None
    for folder in folders or ():
        if (page := Path(folder, "task", "docs", "index.html")).is_file():
            return page
    raise FileNotFoundError("task/docs/index.html of the package dbt-core")


def _catalog(manifest: dict[str, Any], columns: dict[str, list[str]]) -> dict[str, Any]:
    """What dbt's catalog would say: which columns the tables really have."""
    found: dict[str, dict[str, Any]] = {"nodes": {}, "sources": {}}
    for kind, resources in found.items():
        for unique_id, node in manifest[kind].items():
            name = node.get("alias") or node.get("identifier")
            table = f"{node['schema']}.{name}"
            if node["resource_type"] not in ("model", "seed", "source"):
                continue
            if table in columns:
                types = {
                    each: column.get("data_type") or ""
                    for each, column in node["columns"].items()
                }
                view = node["resource_type"] == "source" or (
                    node["config"].get("materialized") == "view"
                )
                resources[unique_id] = {
                    "unique_id": unique_id,
                    "metadata": {
                        "type": "VIEW" if view else "BASE TABLE",
                        "database": node["database"],
                        "schema": node["schema"],
                        "name": name,
                        "comment": None,
                        "owner": None,
                    },
                    "columns": {
                        column: {
                            "name": column,
                            "index": index,
                            "type": types.get(column, ""),
                            "comment": None,
                        }
                        for index, column in enumerate(columns[table], 1)
                    },
                    "stats": {},
                }
    return {"metadata": {}, "errors": None, **found}
