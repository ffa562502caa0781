"""Raw customer interactions in, audited customer marts out.

By itself it takes each business day once that is over; `make run` and the params take
any range of days. A failed task names file, column and cure in the last line of its
log. Only what may pass by itself is tried again; anything else needs you:

| task | when it fails |
|---|---|
| plan | The company folder or the days are wrong: mend what the error names. |
| pull | The source: is the path there, is the file whole? Clear that one table. |
| admit | The delivery breaks `sources.yml`: look into quarantine, ask for a new one. |
| build | A dbt model or test: read `runs/<run>/dbt/output.log`, then that SQL. |
| audit | The gate refused: read `runs/<run>/gate_summary.md`. |
| publish | Disk full or not writable? Readers have either the old or the new release. |
| report | The marts are published, only the page is missing: clear this task. |
"""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from airflow.sdk import CronDataIntervalTimetable, Param, chain, dag, task
from airflow.sdk.definitions import retry_policy

from kith import stages
from kith.company.folder import load_company
from kith.errors import TransientError
from kith.settings import load_settings

company = load_company(load_settings().company)
midnight = time(tzinfo=ZoneInfo(company.time_zone))
transient = retry_policy.RetryRule([TransientError, ConnectionError, TimeoutError])
per_table = {"map_index_template": "{{ task.op_kwargs['planned']['table'] }}"}


@dag(
    doc_md=__doc__,
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone=company.time_zone),
    start_date=datetime.combine(company.first_day, midnight),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    params={name: Param(**param) for name, param in stages.PARAMS.items()},
    tags=["customer", "marts"],
    default_args={
        "owner": "kith",
        "retries": 3,
        "retry_delay": timedelta(seconds=30),
        "retry_exponential_backoff": 2,
        "retry_policy": retry_policy.ExceptionRetryPolicy(
            [transient], default=retry_policy.RetryAction.FAIL
        ),
        "execution_timeout": timedelta(hours=2),
        "max_active_tis_per_dagrun": 2,  # each may take DuckDB's whole memory limit
    },
)
def customer_marts():
    """Deliver the marts of some days; Airflow shows the module's text instead."""
    planned = task(stages.plan)()
    chain(
        task(stages.pull, **per_table).expand(planned=planned),
        task(stages.admit, **per_table).expand(planned=planned),
        task(stages.build, pool="warehouse")(planned),  # a pool of one slot
        task(stages.audit, pool="warehouse")(planned),
        task(stages.publish, pool="warehouse")(planned),
        task(stages.report)(planned),
    )


customer_marts()
