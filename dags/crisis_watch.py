"""Watches complaints and posts for spikes, each hour.

It pulls and admits the fresh rows of the few tables behind these two feeds, builds the
model `complaint_spikes` on them and on the current release, publishes it to
`$KITH_HOME/watch/<company>/published`, and tells once of each spike that begins. It
shares no warehouse or pool with the daily run. `make watch AT=` looks at a past hour.

| task | when it fails |
|---|---|
| plan | Nothing was published yet, or company.yml is wrong. |
| fetch | One table could not be pulled or admitted; the others are watched. |
| watch | The model failed, or no table came: readers have the former release. |
| alert | Nobody took the alert: the next look, in an hour, tells it again. |
"""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from airflow.sdk import CronTriggerTimetable, Param, TriggerRule, chain, dag, task

from kith import stages
from kith_airflow.alerts import send_alerts
from kith_airflow.companies import runnable_company, watch_id, watch_pool
from kith_airflow.task_defaults import SHORT_RETRIES, task_defaults


def crisis_watch(name: str, folder: str) -> None:
    """Register the DAG of a company that declares `crisis_watch`."""
    company = runnable_company(name, folder)
    if not company.crisis_watch:
        return
    zone = ZoneInfo(company.time_zone)
    hourly = CronTriggerTimetable("5 * * * *", timezone=company.time_zone)

    @task
    def plan(params, run_id, ti):
        look, tables = stages.plan_watch(folder, params, run_id)
        ti.xcom_push("look", look)
        return tables

    @dag(
        dag_id=watch_id(name),
        doc_md=__doc__,
        schedule=None if company.last_day else hourly,
        start_date=datetime.combine(company.first_day, time(), zone),
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
        params={key: Param(**param) for key, param in stages.WATCH_PARAMS.items()},
        tags=["customer", "watch", name],
        default_args={
            **task_defaults(name, folder, plan="plan_watch"),
            **{"owner": company.owner, "pool": watch_pool(name)},
            "execution_timeout": timedelta(minutes=10),
            **{"priority_weight": 1000, "weight_rule": "absolute"},
        },
    )
    def look_for_spikes():
        tables = plan()
        look = tables["look"]
        chain(
            task(stages.fetch).partial(look=look).expand_kwargs(tables),
            task(stages.watch, trigger_rule=TriggerRule.ALL_DONE)(look),
            task(send_alerts, task_id="alert", **SHORT_RETRIES)(look),
        )

    look_for_spikes()
