"""Run dbt on the company's project."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, get_args

import yaml

from kith.build.engines import interpreter, spark_environment, target_of
from kith.build.failed_models import FailedModel
from kith.build.failed_tests import FailedTest
from kith.build.origins import Origins
from kith.build.processes import follow, killed
from kith.company import life_stages
from kith.company.consumers import exposures_of
from kith.company.folder import Attribute, Company, Models, check_expressions
from kith.company.schemes import own_schemes
from kith.company.tables import OTHERS
from kith.company.weights import Part
from kith.company.yaml_files import read_yaml, unrendered
from kith.deliveries.business_days import has_date_cursor
from kith.deliveries.nobody import NOBODY
from kith.errors import BuildError, KithError, ResourceError
from kith.failures import lack_in
from kith.runs.run import Run
from kith.settings import REPOSITORY, load_settings, sealed_environment

DBT_PROJECT = REPOSITORY / "dbt_project"


def target(run: Run) -> Path:
    """Folder of what dbt writes: its parse of the project, compiled SQL, results."""
    return run.folder / "dbt" / "target"


def results_of(run: Run) -> list[dict[str, Any]]:
    """Result of each node that the last dbt executed; empty when it executed none."""
    path = target(run) / "run_results.json"
    results: list[dict[str, Any]] = []
    if path.is_file():
        results = json.loads(path.read_text(encoding="utf-8"))["results"]
    return results


def name_of(result: dict[str, Any]) -> str:
    """Name of a result's model, test or seed; of a unit test that of its model."""
    return str(result["unique_id"]).split(".")[2]


def dbt_vars(company: Company) -> dict[str, Any]:
    """What dbt must know of a company; constant, so that dbt's parse is kept."""
    return {
        "feeds": company.feeds,
        "time_zone": company.time_zone,
        "currency": company.currency,
        "drowsy_days": company.activity_states.drowsy,
        "half_asleep_days": company.activity_states.half_asleep,
        "asleep_days": company.activity_states.asleep,
        "activity_by": company.activity_states.by,
        "rhythm_gaps": company.activity_states.rhythm_gaps,
        "minimum_gaps": company.activity_states.minimum_gaps,
        "schemes": schemes_of(company),
        "order_statuses": company.order_statuses.words(),
        "lead_stages": company.lead_stages.words(),
        "rfm_window_days": company.rfm_window_days,
        "session_timeout_minutes": company.session_timeout_minutes,
        "stay_pause_minutes": company.stay_pause_minutes,
        "minimum_answers": company.minimum_answers,
        **weights_of(company),
        "complaint_response_hours": company.complaint_response_hours,
        "life_stages": life_stages.values_of(company.life_stages),
        "need_days": company.need_days,
        "business_hours": company.business_hours and company.business_hours.values(),
        "contact_rules": company.contact_rules.values(),
        "spike_minimum_count": company.spike_minimum_count,
        "nobody": NOBODY,
        "identity": company.identity.model_dump(exclude={"blocked"}),
        "identifying_tables": identifying_tables(company),
        "survivorship": dict.fromkeys(get_args(Attribute), "most_recent")
        | company.survivorship,
        "trusted_sources": company.trusted_sources,
        "profiling": company.profiling,
        "models": bool(company.models),
        **(company.models or Models()).model_dump(),
        "indicators": company.indicators,
        "margin_pct": company.margin_pct,
        "monthly_discount_pct": company.monthly_discount_pct,
    }


def schemes_of(company: Company) -> list[dict[str, Any]]:
    """Kith's schemes and the company's, each with its segments in their order."""
    return [
        {
            "name": name,
            "definition": scheme.definition or "first condition that holds",
            "owner": scheme.owner or owner,
            "version": scheme.version,
            "segments": [
                {
                    "name": segment,
                    "condition": condition,
                    "other_name": scheme.other_names.get(segment),
                }
                for segment, condition in scheme.segments.items()
            ],
        }
        for owner, schemes in (
            ("kith", own_schemes()),
            (company.owner, company.schemes),
        )
        for name, scheme in schemes.items()
    ]


def weights_of(company: Company) -> dict[str, Any]:
    """Weights, a row each, the scheme of their segments, answers that tell parts."""
    parts: dict[str, dict[str, Any]] = {
        part: {
            "measures": ["perception", "csat"],
            "dimensions": [part],
            "is_reversed": False,
        }
        for part in get_args(Part)
    }
    for part, answers in company.value_parts.items():
        parts[part] = {"measures": [answers.measure]} | answers.model_dump()
    return {
        "weights": [
            {"segment": segment, "name": name, "weight": weight}
            for segment, weights in company.weights.segments.items()
            for name, weight in weights.items()
        ],
        "weights_version": company.weights.version,
        "weighted_scheme": company.weights.scheme,
        "value_parts": [
            {
                "part": part,
                "measure": measure,
                "dimension": dimension.lower().replace(" ", "_"),
                "is_reversed": told["is_reversed"],
            }
            for part, told in parts.items()
            for measure in told["measures"]
            for dimension in told["dimensions"]
        ],
    }


def identifying_tables(company: Company) -> list[dict[str, Any]]:
    """Tables that show two identifiers of a person on one row, and in which columns."""
    tables = []
    for table in company.sources:
        columns = [
            {"name": column.name, "kind": column.rules.pii or column.rules.identifies}
            for column in table.columns
            if column.rules.identifies not in OTHERS
            and (column.rules.pii or column.rules.identifies)
        ]
        if len(columns) > 1:
            tables.append(
                {
                    "source": table.source,
                    "table": table.name,
                    "columns": columns,
                    "cursor": table.rules.cursor,
                    "has_date_cursor": has_date_cursor(table),
                }
            )
    return tables


def assemble_project(run: Run) -> Path:
    """Lay the dbt project and the company's models side by side, as links.

    dbt must not be given the company's absolute path: it writes compiled SQL to
    <target>/<path of the model>, and an absolute path there is the user's own file.
    Of sources.yml it is given a copy that it reads as Kith does: as mere text.
    """
    check_expressions(run.company)
    project = run.folder / "dbt" / "project"
    shutil.rmtree(project, ignore_errors=True)
    (project / "company" / "staging").mkdir(parents=True)
    for part in ("dbt_project.yml", "models", "macros", "seeds"):
        (project / part).symlink_to(DBT_PROJECT / part)
    # File by file: below a model path dbt does not follow links to folders.
    company = run.company.folder
    for path in (company / "staging").iterdir():
        (project / "company" / path.relative_to(company)).symlink_to(path)
    sources = sources_as_text(read_yaml(company / "sources.yml"))
    (project / "company" / "sources.yml").write_text(sources, encoding="utf-8")
    if run.company.consumers:
        text = consumers_as_text(run.company)
        (project / "company" / "consumers.yml").write_text(text, encoding="utf-8")
    return project


def consumers_as_text(company: Company) -> str:
    """A company's consumers as dbt's exposures, in which only `ref` is a template."""
    exposures = [
        {
            key: value if key in ("depends_on", "type") else _as_text(value)
            for key, value in exposure.items()
        }
        for exposure in exposures_of(company.consumers)
    ]
    return yaml.safe_dump({"exposures": exposures}, allow_unicode=True, sort_keys=False)


def sources_as_text(declared: dict[str, Any]) -> str:
    """A company's sources.yml, for dbt, in which nothing is a template.

    Names, paths and values in it came with deliveries. Templates are only what the user
    adds for dbt alone: data tests, and other lists than `sources`.
    """

    def with_tests(node: dict[str, Any]) -> dict[str, Any]:
        return {
            key: value
            if key in ("data_tests", "tests")
            else list(map(with_tests, value))
            if key in ("tables", "columns")
            else _as_text(value)
            for key, value in node.items()
        }

    return yaml.safe_dump(
        {**declared, "sources": list(map(with_tests, declared["sources"]))},
        allow_unicode=True,
        sort_keys=False,
    )


def _as_text(node: Any) -> Any:
    if isinstance(node, str):
        return unrendered(node)
    if isinstance(node, list):
        return [_as_text(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {key: _as_text(value) for key, value in node.items()}


def start(run: Run, *arguments: str, **options: Any) -> "subprocess.Popen[str]":
    """Start one dbt command on the company's project, in a process of its own.

    Its lock on the warehouse goes when it goes. It begins when it reads a line;
    `options` are those of Popen.
    """
    settings = load_settings()
    spark = spark_environment(run, opens_session="parse" not in arguments)
    (target(run) / "run_results.json").unlink(missing_ok=True)
    return subprocess.Popen(
        [
            *(interpreter(run.company), "-m", "kith.build.launch"),
            "--no-version-check",
            *arguments,
            *("--project-dir", str(assemble_project(run))),
            *("--profiles-dir", str(DBT_PROJECT)),
            *("--target", target_of(run.company, spark)),
            *("--target-path", str(target(run))),
            # What it would tell there takes a twentieth of its time.
            *("--log-level-file", "none", "--log-path", str(run.folder / "dbt")),
            *("--vars", json.dumps(dbt_vars(run.company))),
        ],
        stdin=subprocess.PIPE,
        text=True,
        env=sealed_environment(
            PYTHONPATH=str(REPOSITORY / "plugins"),
            # From the company's state on: a parse holds on wherever that is moved.
            KITH_WAREHOUSE=str(run.warehouse.relative_to(run.folder)),
            KITH_MEMORY_LIMIT=settings.memory_limit,
            KITH_THREADS=str(settings.threads),
            KITH_SCRATCH="scratch",
            **spark,
        ),
        cwd=run.folder,
        **options,
    )


def begin(process: "subprocess.Popen[str]") -> None:
    """Let a dbt begin that was started."""
    with suppress(BrokenPipeError):  # It ended already, and has said why.
        print("begin", file=process.stdin, flush=True)


@contextmanager
def parsing_ahead(run: Run) -> Iterator[None]:
    """Let dbt parse the project meanwhile, where it never did: a fifth of a first run.

    What is wrong with the project is left for the build to tell.
    """
    if (target(run) / "partial_parse.msgpack").exists():
        yield
        return
    with start(
        run, "parse", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        begin(process)
        try:
            yield
        finally:
            process.kill()


def dbt(
    run: Run,
    *arguments: str,
    prepare: Callable[[Run], None] | None = None,
    pass_fds: tuple[int, ...] = (),
) -> None:
    """Run one dbt command on the company's project, after `prepare`.

    Its output is kept in the run's folder and printed, but for the nodes' starts.
    Raises BuildError with the first failure, ResourceError where the machine lacks
    something, and TransientError where somebody stopped it.
    """
    output = run.run_folder / "dbt" / "output.log"
    output.parent.mkdir(parents=True, exist_ok=True)
    with output.open("a", encoding="utf-8", buffering=1) as log:
        process = start(
            run,
            "--no-use-colors",
            *arguments,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=pass_fds,
        )

        def prepare_and_begin() -> None:
            if prepare:
                prepare(run)
            begin(process)

        code = follow(
            process, log, prepare_and_begin, lambda line: " START " not in line
        )
    if code != 0:
        raise _failure(run, code, output)


def failures_of(run: Run) -> list[BuildError]:
    """What failed when dbt last ran; empty when dbt executed nothing."""
    failed = [r for r in results_of(run) if r["status"] in ("error", "fail")]
    if not failed:
        return []
    manifest = json.loads((target(run) / "manifest.json").read_text(encoding="utf-8"))
    origins = Origins(run, manifest)
    return [_explained(run, origins, result) for result in failed]


def _explained(run: Run, origins: Origins, result: dict[str, Any]) -> BuildError:
    kind, *_, last = result["unique_id"].split(".")
    message = result["message"] or ""
    if kind == "unit_test":
        return BuildError(f"dbt unit test {last} of {name_of(result)}: {message}")
    if result["unique_id"] not in origins.nodes:
        return BuildError(f"dbt {name_of(result)}: {message}")
    failed = (
        FailedTest(run, origins, result)
        if result["status"] == "fail"
        else FailedModel(run, origins, result, target(run))
    )
    return BuildError(failed.explain(), failed.failure_class())


def _failure(run: Run, code: int, output: Path) -> KithError:
    """Why dbt ended with a code that is not 0."""
    where = f" — full log: {output}"
    failed = [r for r in results_of(run) if r["status"] in ("error", "fail")]
    written = output.read_text(encoding="utf-8").splitlines()
    lines = [line for line in written if line.strip()]
    faults = [line for line in lines if "Error" in line] or lines[-1:]
    start = lines.index(faults[0]) if faults else 0
    last = " ".join(" ".join(lines[start : start + 4]).split())
    # One node is told of a full disk, others of what they miss since then.
    for result in failed or [{"unique_id": None, "message": last}]:
        if lack := lack_in(result["message"] or ""):
            name = f" {name_of(result)}" if result["unique_id"] else ""
            error = ResourceError(f"dbt{name}: {lack}{where}", may_pass=lack.may_pass)
            return error.showing(thing=lack.evidence.thing, file=str(output))
    if ended := killed("dbt", code, where):
        return ended.showing(file=str(output))
    if failures := failures_of(run):
        more = f"; and {len(failures) - 1} more failed" if failures[1:] else ""
        broken = BuildError(f"{failures[0]}{more}{where}", failures[0].failure_class)
        return broken.showing(thing=name_of(failed[0]), file=str(output))
    # It could not read the project: of ours only the company's part changes.
    is_of_company = "company/" in last or "company.yml:" in last
    return BuildError(
        f"dbt: {last}{where}", "configuration" if is_of_company else "bug"
    ).showing(thing="dbt project", file=str(output))
