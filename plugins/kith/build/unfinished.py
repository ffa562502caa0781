"""What a failed build leaves to the next one, which then need not begin from nothing.

A model is kept only where nothing that goes into it can have changed: neither the
admitted rows, nor its own files, nor those of the models before it, nor anything else
of the project, of the company and of Kith. When in doubt, everything is built.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ValidationError

from kith.build.control_tables import declared, run_values
from kith.build.dbt import DBT_PROJECT, name_of, results_of
from kith.build.model_runs import SUCCEEDED
from kith.company.tables import SourceTable
from kith.deliveries.admitted import admitted_deliveries
from kith.runs.run import Run
from kith.settings import REPOSITORY
from kith.storage import sha256, sha256_of, state_of


class Inputs(BaseModel):
    """Hashes of what a build reads: of each model's own files, and of the rest."""

    models: dict[str, str]
    rest: dict[str, str]


class Unfinished(BaseModel):
    """A failed build: what it read, which nodes it lacks, what its file looks like."""

    run_id: str
    inputs: Inputs
    nodes: set[str]
    candidate: tuple[int, ...]


def inputs_of(run: Run) -> Inputs:
    """What a build of the run would read now."""
    inputs = definitions_of(run)
    # It may not be read by a model.
    inputs.rest["the as-of date"] = sha256_of({**run_values(run), "run_id": ""})
    for table in run.company.sources:
        what = f"what was admitted of {table.full_name}"
        inputs.rest[what] = _delivered(run, table)
    return inputs


def definitions_of(run: Run) -> Inputs:
    """The files alone: those of each model, and by their paths all others."""
    models: dict[str, list[str]] = {}
    rest: dict[str, str] = {}
    for path in _files(run):
        digest = sha256(path)
        if model := _model_of(path):
            models.setdefault(model, []).append(digest)
        else:
            rest[str(path)] = digest
    return Inputs(models={k: sha256_of(v) for k, v in models.items()}, rest=rest)


def leave(run: Run, inputs: Inputs) -> None:
    """Note what a build that failed has built, if dbt came so far."""
    results = results_of(run)
    if results:
        nodes = {name_of(r) for r in results if r["status"] not in SUCCEEDED}
        _write(
            run, Unfinished(run_id=run.run_id, inputs=inputs, nodes=nodes, candidate=())
        )


def left(run: Run) -> Unfinished | None:
    """The failed build whose candidate nobody has touched since, if there is one."""
    try:
        found = Unfinished.model_validate_json(_note(run).read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None
    return found if found.candidate == state_of(run.warehouse) else None


def built_by_hand(run: Run, former: Unfinished) -> None:
    """Note that the last dbt built some nodes of a failed build: they do not count.

    Of a dbt that was killed nobody knows which: then nothing is noted, and the
    candidate is not any more the one that was left.
    """
    results = results_of(run)
    if results:
        former.nodes |= set(map(name_of, results))
        _write(run, former)


def remaining(run: Run, inputs: Inputs) -> list[str]:
    """What dbt has to select to finish a failed build; nothing for a whole build."""
    former = left(run)
    _note(run).unlink(missing_ok=True)
    if former is None:
        return []
    then, now = former.inputs, inputs
    changed = [name for name, _ in then.rest.items() ^ now.rest.items()]
    changed += then.models.keys() - now.models.keys()  # Its table would be left over.
    if changed:
        print(f"Everything is built: {changed[0]} changed since {former.run_id} failed")
        return []
    edited = {name for name, _ in now.models.items() - then.models.items()}
    print(f"The build goes on from that of {former.run_id}")
    # Control tables are written anew; of kith.run all but the run's id is the same, and
    # what company.yml blocks.
    same = ("run", "blocked_identifiers")
    control_tables = [f"source:kith.{name}+" for name in declared() if name not in same]
    return [*(f"{name}+" for name in sorted(edited | former.nodes)), *control_tables]


def _note(run: Run) -> Path:
    return run.folder / "dbt" / "unfinished.json"


def _write(run: Run, unfinished: Unfinished) -> None:
    unfinished.candidate = state_of(run.warehouse)
    _note(run).write_text(unfinished.model_dump_json(), encoding="utf-8")


def _delivered(run: Run, table: SourceTable) -> str:
    """Hash of what counts of a table, whenever it was delivered."""
    deliveries = []
    for delivery in admitted_deliveries(run, table):
        report = dict(delivery.report)
        attempt = run.raw(table.full_name) / delivery.folder.name / report["attempt"]
        manifest = attempt / "manifest.json"
        if manifest.is_file():
            files = json.loads(manifest.read_text(encoding="utf-8"))["files"]
            report["attempt"] = [file["sha256"] for file in files]
            del report["delivered_at"], report["warnings"]
        deliveries.append([delivery.folder.name, report])
    return sha256_of(deliveries)


def _files(run: Run) -> Iterator[Path]:
    company = run.company.folder
    yield from (company / "company.yml", company / "sources.yml")
    yield from (REPOSITORY / "requirements.lock", DBT_PROJECT / "dbt_project.yml")
    yield DBT_PROJECT / "profiles.yml"
    yield from sorted((REPOSITORY / "plugins" / "kith").rglob("*.py"))
    for folder in (
        *(DBT_PROJECT / part for part in ("macros", "models", "seeds")),
        company / "staging",
    ):
        # Not what an editor keeps beside an open file.
        yield from sorted(path for path in folder.rglob("[!.]*") if path.is_file())


def _model_of(path: Path) -> str | None:
    """Name of the model to which alone a file belongs."""
    is_kith = path.is_relative_to(DBT_PROJECT / "models")
    if path.suffix in (".sql", ".py") and (is_kith or path.parent.name == "staging"):
        return path.stem
    # Kith's models have a YAML file each, a company's may share one.
    if is_kith and any(path.with_suffix(end).is_file() for end in (".sql", ".py")):
        return path.stem
    return None
