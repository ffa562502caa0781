"""What holds for every DAG, and for every task unless it says otherwise."""

from datetime import timedelta
from typing import Any

from airflow.sdk.definitions.retry_policy import RetryDecision, RetryPolicy

from kith.errors import ResourceError
from kith.failures import explained, failure_class
from kith_airflow.alerts import on_success
from kith_airflow.incidents import on_failure

_RETRIES = 3
_PASSING = ("transient", "source_unavailable")


class RetryByClass(RetryPolicy):
    """Try again what may pass by itself, as the class of the failure says.

    What the machine lacks is tried once more where another process may give it back.
    """

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,
        max_tries: int,
        context: Any = None,
    ) -> RetryDecision:
        """Retry or fail, with the class as the reason in the task's log."""
        found = failure_class(exception)
        known = explained(exception)
        # A task that was cleared counts its tries on, and gets as many more.
        is_first = max_tries - try_number + 1 >= _RETRIES
        may_pass = found in _PASSING or (
            isinstance(known, ResourceError) and known.may_pass and is_first
        )
        return (
            RetryDecision.retry(reason=found) if may_pass else RetryDecision.fail(found)
        )


DAG_DEFAULTS: dict[str, Any] = {
    "catchup": False,
    "max_active_runs": 1,
    "is_paused_upon_creation": False,
}
TASK_DEFAULTS = {
    "execution_timeout": timedelta(hours=1),
    # Only what may pass by itself: a refused delivery does not get better by waiting.
    "retries": _RETRIES,
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": 2,
    "retry_policy": RetryByClass(),
    # Each may take DuckDB's whole memory limit.
    "max_active_tis_per_dagrun": 2,
    # A run that has built its candidate is audited before the next run builds.
    "weight_rule": "upstream",
}
# Of what somebody may wait for, and the next run does again in any case.
SHORT_RETRIES: dict[str, Any] = {
    "retries": 2,
    "retry_delay": timedelta(seconds=10),
    "retry_exponential_backoff": 0,
}


def task_defaults(name: str, folder: str, plan: str = "plan") -> dict[str, Any]:
    """A company's defaults; `plan` is what incidents call the first task."""
    return {
        **TASK_DEFAULTS,
        "on_failure_callback": on_failure(name, folder, plan),
        "on_success_callback": on_success(name, folder),
    }
