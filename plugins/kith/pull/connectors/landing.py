"""How rows of a database or a web service become one Parquet file: by dlt.

What dlt keeps for itself (state, schemas, settings, traces) lies in the request's
workspace and goes with it, so that nothing of it reaches the next pull: which rows to
ask for is decided by the run's days, never by a remembered state.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import dlt
import pyarrow as pa
import pyarrow.parquet as pq
from dlt.common.configuration.container import Container
from dlt.common.configuration.providers.doc import CustomLoaderDocProvider
from dlt.common.configuration.providers.provider import ConfigProvider
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from dlt.common.normalizers.naming import direct
from dlt.common.runtime.run_context import RunContext
from dlt.destinations import filesystem
from dlt.pipeline.exceptions import PipelineStepFailed

from kith.database import fetch_row, file_literal, parquet_sql
from kith.deliveries.columns import ROW_NUMBER
from kith.pull.connectors.request import Fetched, FetchRequest

_SETTINGS = {
    "runtime": {
        "dlthub_telemetry": False,
        "intercept_signals": False,  # Airflow has handlers of its own.
        "log_level": "CRITICAL",  # What fails is told by our own errors.
    },
    "providers": {"enable_airflow_secrets": False},
    "schema": {"naming": __name__},
}


class NamingConvention(direct.NamingConvention):
    """Columns keep the names under which they are delivered."""

    def normalize_identifier(self, identifier: str) -> str:
        """The identifier, untouched."""
        return identifier


class _Workspace(RunContext):
    """Settings from nowhere but here: not from the environment, home or Airflow."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self._global_dir = str(folder)

    def initial_providers(self) -> list[ConfigProvider]:
        return [CustomLoaderDocProvider("kith", lambda: _SETTINGS)]


def land(
    request: FetchRequest, schema: pa.Schema, batches: Callable[[], Iterator[pa.Table]]
) -> Path:
    """Write batches of that schema to one Parquet file, holding few of them at a time.

    What `batches` raises comes out as it is.
    """
    folder = Path(tempfile.mkdtemp(dir=request.workspace))
    failures: list[Exception] = []

    def rows() -> Iterator[pa.Table]:
        try:
            yield from batches()
        except Exception as error:
            failures.append(error)
            raise

    naive = [
        field.name
        for field in schema
        if pa.types.is_timestamp(field.type) and field.type.tz is None
    ]
    with Container().injectable_context(PluggableRunContext(_Workspace(folder))):
        pipeline = dlt.pipeline(
            pipeline_name="kith",
            pipelines_dir=str(folder / "dlt"),
            destination=filesystem(bucket_url=str(folder)),
            dataset_name="landed",
        )
        try:
            pipeline.run(
                # Without the hint dlt takes a time without a zone for UTC.
                dlt.resource(
                    rows,
                    name="rows",
                    columns={name: {"timezone": False} for name in naive},
                ),
                loader_file_format="parquet",
            )
        except PipelineStepFailed:
            if failures:
                raise failures[0] from None
            raise
        finally:
            pipeline.deactivate()
    written = list((folder / "landed" / "rows").glob("*.parquet"))
    landed = folder.with_suffix(".parquet")
    if written:
        (only,) = written
        only.rename(landed)
    else:
        pq.write_table(schema.empty_table(), landed)
    shutil.rmtree(folder)
    return landed


def of_parquet(
    request: FetchRequest,
    origin: str,
    path: Path,
    *,
    has_schema: bool,
    rejects: Path,
    reject_count: int,
    rows_in_past: int | None = None,
) -> Fetched:
    """What was fetched into that file."""
    described = request.duckdb.execute(
        f"describe select * from {parquet_sql(path)}"
    ).fetchall()
    (rows,) = fetch_row(
        request.duckdb,
        f"select num_rows from parquet_file_metadata({file_literal(path)})",
    )
    return Fetched(
        origin,
        path,
        is_original=False,
        rows=rows,
        columns={row[0]: row[1] for row in described if row[0] != ROW_NUMBER},
        has_schema=has_schema,
        rejects=rejects if reject_count else None,
        reject_count=reject_count,
        rows_in_past=rows_in_past,
    )
