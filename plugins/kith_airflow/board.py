"""The web application of Kith's pages, closed to who may not see the DAG.

Airflow asks for no login before an application of a plugin: each route asks itself, as
those of Airflow do. Where Airflow's check cannot be imported, nobody sees anything.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import HTMLResponse

from kith.board.companies import company_view
from kith.board.page import POLICY, companies_page, task_page
from kith.board.task import task_view
from kith.company.folder import Company, load_company
from kith.errors import ConfigurationError
from kith.settings import load_settings
from kith_airflow.companies import dag_id, known_companies, runnable_company, watch_id
from kith_airflow.home import AirflowHome
from kith_airflow.server import restarts

_HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def _nobody() -> None:
    raise HTTPException(403, "the check of permissions of this Airflow was not found")


def _checks() -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Who may see the page of a task, and who that of all companies."""
    try:
        from airflow.api_fastapi.auth.managers.models.resource_details import (
            DagAccessEntity,
        )
        from airflow.api_fastapi.core_api.security import requires_access_dag
    except ImportError:
        return _nobody, _nobody
    # The rows of a task's page are as secret as its log.
    return (
        requires_access_dag(method="GET", access_entity=DagAccessEntity.TASK_LOGS),
        requires_access_dag(method="GET", access_entity=DagAccessEntity.RUN),
    )


_sees_task, _sees_all = _checks()
# Without the pages by which an application describes itself: they ask for no login.
app = FastAPI(title="Kith", docs_url=None, redoc_url=None, openapi_url=None)


@app.get("/companies", dependencies=[Depends(_sees_all)])
def companies() -> HTMLResponse:
    """How all companies stand."""
    settings = load_settings()
    views = []
    for name, folder in known_companies(settings).items():
        company, fault = _company(name, folder)
        views.append(company_view(settings.home / name, name, company, fault))
    died = [f"{e['at']}: {e['reason']}" for e in restarts(AirflowHome(settings))]
    return HTMLResponse(companies_page(views, died), headers=_HEADERS)


@app.get("/task/{dag_id}/{run_id}/{task_id}", dependencies=[Depends(_sees_task)])
@app.get(
    "/task/{dag_id}/{run_id}/{task_id}/{map_index}",
    dependencies=[Depends(_sees_task)],
)
def task(dag_id: str, run_id: str, task_id: str, map_index: str = "-1") -> HTMLResponse:
    """What is known of a task of a run, such as why it failed."""
    found = _of_dag(dag_id)
    if found is None:
        raise HTTPException(404, "not a DAG of Kith's, or of a company that is gone")
    name, folder, home = found
    company, _ = _company(name, folder)
    table = _table(dag_id, run_id, task_id, map_index)
    incidents = load_settings().home / name
    state = home / name
    view = task_view(state, name, company, run_id, task_id, table, incidents)
    return HTMLResponse(task_page(view), headers=_HEADERS)


def _company(name: str, folder: Path) -> tuple[Company | None, str]:
    """The company, as far as it can be read, and what keeps it from running."""
    try:
        return runnable_company(name, str(folder)), ""
    except ConfigurationError as error:
        fault = str(error)
    try:
        return load_company(folder), fault
    except ConfigurationError:
        return None, fault


def _of_dag(dag: str) -> tuple[str, Path, Path] | None:
    """Name and folder of the company of a DAG, and the home of its runs."""
    settings = load_settings()
    for name, folder in known_companies(settings).items():
        if dag == dag_id(name):
            return name, folder, settings.home
        if dag == watch_id(name):
            return name, folder, settings.home / "watch"
    return None


def _table(dag: str, run_id: str, task_id: str, map_index: str) -> str:
    """The source table of a mapped task, which is what Airflow shows as its name."""
    if not map_index.isdecimal():
        return ""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import select

    shown: Any = TaskInstance.rendered_map_index
    asked = select(shown).where(
        TaskInstance.dag_id == dag,
        TaskInstance.run_id == run_id,
        TaskInstance.task_id == task_id,
        TaskInstance.map_index == int(map_index),
    )
    with create_session() as session:
        return str(session.scalar(asked) or "")
