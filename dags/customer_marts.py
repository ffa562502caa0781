"""Raw customer interactions in, audited customer marts out.

By itself it takes each business day once that is over; when asked, any range of days.
What may pass by itself is tried again. The rest needs you, and its log says what to do:

| task | when it fails |
|---|---|
| plan | The company folder or the days are wrong: mend what the error names. |
| pull | The source: is the path there, is the file whole? Clear that one table. |
| admit | The delivery breaks `sources.yml`: look into quarantine, ask for a new one. |
| build | A dbt model or test: read `runs/<run>/dbt/output.log`, then that SQL. |
| audit | The gate refused: read `runs/<run>/gate_summary.md`. |
| approve | Published numbers would change: look at them, and approve or reject. |
| publish | Disk full? Report page failed? Readers have the old or the new release. |
| serve | PostgreSQL, where declared: its readers have the former release meanwhile. |
"""

from datetime import timedelta

from airflow.sdk import Asset, CronDataIntervalTimetable, Param, chain, dag, task

from kith import stages
from kith_airflow.approval import Approval
from kith_airflow.companies import begin, dag_id, logs_of, pool, runnable_company
from kith_airflow.task_defaults import DAG_DEFAULTS, task_defaults
from kith_airflow.watchdog import deadline_of


def customer_marts(name: str, folder: str) -> None:
    """Register the DAG of one company; Airflow shows the module's text on its page."""
    company = runnable_company(name, folder)
    marts = Asset(dag_id(name))
    one_slot, long = {"pool": pool(name)}, {"execution_timeout": timedelta(hours=4)}
    per_table = {**long, "map_index_template": "{{ task.op_kwargs['table'] }}"}

    @task(execution_timeout=timedelta(minutes=10))
    def plan(params, run_id, ti, data_interval_start=None, data_interval_end=None):
        interval = data_interval_start, data_interval_end
        run, tables = stages.plan(folder, params, run_id, *interval)
        ti.xcom_push("run", run)
        return tables

    @task(outlets=[marts], **one_slot)
    def publish(run, outlet_events):
        outlet_events[marts].extra = stages.publish(run, logs_of(name))

    @dag(
        dag_id=dag_id(name),
        doc_md=__doc__,
        schedule=CronDataIntervalTimetable(company.schedule, company.time_zone),
        start_date=begin(company),
        **DAG_DEFAULTS,
        params={key: Param(**param) for key, param in stages.PARAMS.items()},
        deadline=deadline_of(company),
        tags=["customer", "marts", name],
        default_args={**task_defaults(name, folder), "owner": company.owner},
    )
    def deliver():
        run = (tables := plan())["run"]
        chain(
            task(stages.pull, **per_table).partial(run=run).expand_kwargs(tables),
            task(stages.admit, **per_table).partial(run=run).expand_kwargs(tables),
            task(stages.build, **one_slot, **long)(run),
            task(stages.audit, **one_slot)(run),
            Approval(company=company, run=run, **one_slot),
            publish(run),
            *([task(stages.serve, **long)(run)] if company.postgres else []),
        )

    deliver()
