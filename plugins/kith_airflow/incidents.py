"""Tell of a failed task as an incident: what it means, and what to do."""

import datetime as dt
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kith.company.folder import Company, load_company
from kith.errors import ConfigurationError, KithError, TransientError, one_line
from kith.incidents.failure import Failure, describe
from kith.incidents.history import record_failure
from kith.incidents.incident import Incident
from kith.runs.run import Interval
from kith.settings import load_settings, openlineage_is_configured
from kith_airflow.alerts import send_pending, send_unkept
from kith_airflow.companies import dag_id

_log = logging.getLogger(__name__)


def on_failure(name: str, folder: str, plan: str = "plan") -> Callable[[Any], None]:
    """The callback of a company's tasks, called when one failed and is not tried again.

    It records the incident and writes it to the task's log, as its end. `plan` is what
    the incident calls the DAG's first task.
    """

    def tell(context: Any) -> None:
        company = _readable(folder)
        state = load_settings().home / name
        stage = {"plan": plan}.get(context["ti"].task_id, context["ti"].task_id)
        failure = _failure(context, company, stage)
        incident = record_failure(state, name, company, failure)
        told = _tell(state, company, incident) if company else []
        # Airflow's page folds what comes before, in a group called Post Execute.
        _log.info("::endgroup::")
        for line in incident.lines():
            _log.error(line)
        for line in told:
            _log.error("  alert     %s", line)
        if unsent := _tell_openlineage(name, context, incident):
            _log.error("  lineage   %s", unsent)

    return tell


def _tell(state: Path, company: Company, incident: Incident) -> list[str]:
    """What became of the alerts; that of a failure must never hide it."""
    try:
        if not incident.is_kept:
            return send_unkept(incident, company)
        return send_pending(state, company)
    except Exception as error:
        return [f"no alert could be sent now: {type(error).__name__}"]


def _tell_openlineage(name: str, context: Any, incident: Incident) -> str:
    """Send that the run failed, where somebody listens; returns what went wrong."""
    if not openlineage_is_configured():
        return ""
    # Heavy, and DAG files import this module.
    from kith.catalogue.metadata import send_events
    from kith.catalogue.openlineage import events_of_failure

    ti = context["ti"]
    if ti.dag_id != dag_id(name):
        return ""  # Of the crisis watch nothing is sent.
    # Without the cause, which may quote rows.
    message = f"{incident.failure_class}, incident {incident.incident_id}"
    events = events_of_failure(name, ti.run_id, incident.stage, incident.item, message)
    return str(send_events(events).get("openlineage_fault", ""))


def _readable(folder: str) -> Company | None:
    try:
        return load_company(Path(folder))
    except ConfigurationError:
        return None


def _failure(context: Any, company: Company | None, stage: str) -> Failure:
    error = context.get("exception")
    if not isinstance(error, BaseException):
        # Airflow tells of a process that is gone by a text, or not at all.
        says = f" ({one_line(str(error))})" if error else ""
        error = TransientError(
            f"{stage}: its process was killed or lost{says}; see whether the machine "
            "lacks memory, and run the task again"
        )
    arguments = _arguments(context)
    runs = (each for each in arguments.values() if isinstance(each, dict))
    run = next((each for each in runs if "from_day" in each), {})
    return describe(
        error,
        stage,
        arguments.get("table") or "",
        _days(run, arguments.get("delivery"), context),
        context["ti"].run_id,
        company,
        hide=_without_secrets,
    )


def _without_secrets(text: str) -> str:
    """A text without what Airflow knows to be secret, such as in its connections."""
    from airflow.sdk.log import redact

    return str(redact(text))


def _arguments(context: Any) -> dict[str, Any]:
    """What the task was called with, as far as Airflow came to know it."""
    task = context.get("task") or context["ti"].task
    named = getattr(task, "op_kwargs", None)
    positional = enumerate(getattr(task, "op_args", None) or ())
    given = {str(place): value for place, value in positional}
    given |= named if isinstance(named, dict) else {}
    # Of a process that is gone Airflow has not worked out what other tasks gave.
    return {key: each for key, each in given.items() if isinstance(each, str | dict)}


def _days(run: dict[str, str], delivery: str | None, context: Any) -> Interval | None:
    """The days of the task; None where it failed before they were decided."""
    if delivery:
        return Interval.from_slug(delivery)
    params = dict(context.get("params") or {})
    try:
        return Interval(
            *(
                dt.date.fromisoformat(run.get(key) or params[key])
                for key in ("from_day", "to_day")
            )
        )
    except (KeyError, TypeError, ValueError, KithError):
        return None
