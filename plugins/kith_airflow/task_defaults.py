"""What holds for every task of a DAG unless it says otherwise (`default_args`)."""

from datetime import timedelta

from airflow.sdk.definitions.retry_policy import (
    ExceptionRetryPolicy,
    RetryAction,
    RetryRule,
)

from kith.errors import TransientError

TASK_DEFAULTS = {
    "execution_timeout": timedelta(hours=1),
    # Only what may pass by itself: a refused delivery does not get better by waiting.
    "retries": 3,
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": 2,
    "retry_policy": ExceptionRetryPolicy(
        [RetryRule([TransientError, ConnectionError, TimeoutError])],
        default=RetryAction.FAIL,
    ),
    # Each may take DuckDB's whole memory limit.
    "max_active_tis_per_dagrun": 2,
    # A run that has built its candidate is audited before the next run builds.
    "weight_rule": "upstream",
}
