"""Kith's pages within Airflow: a tab beside each task, and one of all companies.

Airflow executes this file in each of its processes, also in those of tasks: what the
pages need is imported with the first request.
"""

from typing import Any

from airflow.plugins_manager import AirflowPlugin

PREFIX = "/kith"


class Board:
    """The web application of `kith_airflow.board`."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""
        from kith_airflow.board import app

        await app(scope, receive, send)


class KithPlugin(AirflowPlugin):
    """What Airflow shows of Kith, and where."""

    name = "kith"
    fastapi_apps = [  # noqa: RUF012
        {"app": Board(), "url_prefix": PREFIX, "name": "Kith"}
    ]
    external_views = [  # noqa: RUF012
        {
            "name": "Kith",
            "href": f"{PREFIX}/task/{{DAG_ID}}/{{RUN_ID}}/{{TASK_ID}}/{{MAP_INDEX}}",
            "destination": "task_instance",
            "url_route": "kith-task",
        },
        {
            "name": "Companies",
            "href": f"{PREFIX}/companies",
            "destination": "nav",
            "url_route": "kith-companies",
            "nav_top_level": True,
        },
    ]
