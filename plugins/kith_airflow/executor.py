"""The executor of `make run`: two tasks at a time, in processes that stay.

`airflow dags test` runs one task after the other, on one core. With `--use-executor` it
hands them to an executor, but Airflow's own start a process for each task, which
imports for seconds what the task works with, and need an API server. Here processes
that were forked once run task after task, as `dags test` itself would.
"""

import functools
import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import httpx
from airflow.executors.base_executor import BaseExecutor
from airflow.executors.workloads import ExecuteTask
from airflow.sdk.api.datamodels._generated import TaskInstance
from airflow.sdk.execution_time.supervisor import (
    in_process_api_server,
    run_task_in_process,
)

from kith.errors import KithError


class ForkedProcesses(BaseExecutor):
    """Runs as many tasks at once as Airflow's setting `parallelism` says."""

    def start(self) -> None:
        """Make ready; the processes are forked with the first task."""
        self._idle: deque[ProcessPoolExecutor] = deque()
        self._working: dict[Future[None], tuple[ProcessPoolExecutor, Any]] = {}

    def _fork(self) -> None:
        # Not before the first task: the transaction that makes the run is open until
        # then, and SQLite would hold its lock in each process that inherits it.
        fork = multiprocessing.get_context("fork")
        for _ in range(self.parallelism):
            # A pool for each, so that it is known which one is idle.
            process = ProcessPoolExecutor(1, fork, initializer=_begin)
            process.submit(os.getpid)  # It begins with its first work: all at once.
            self._idle.append(process)

    def _process_workloads(self, workloads: Sequence[Any]) -> None:
        if not (self._idle or self._working):
            self._fork()
        for workload in workloads:
            del self.queued_tasks[workload.key]
            self.running.add(workload.key)
            process = self._idle.popleft()
            future = process.submit(_run, workload)
            self._working[future] = process, workload.key
            if workload.ti.task_id == "build" and self._idle:
                # dbt keeps one core busy, and who is idle longest works next.
                self._idle[0].submit(_import_ahead)

    def sync(self) -> None:
        """Run all that is queued to its end: `dags test` has nothing else to do.

        Raises KithError where a process was killed.
        """
        while self._working:
            done, _ = wait(self._working, return_when=FIRST_COMPLETED)
            for future in done:
                process, key = self._working.pop(future)
                try:
                    future.result()
                except BrokenProcessPool:
                    raise KithError(
                        f"the process of task {key.task_id} was killed, perhaps for "
                        "lack of memory (KITH_MEMORY_LIMIT)"
                    ) from None
                self._idle.append(process)
                # Of the process. What became of the task, it told Airflow itself.
                self.success(key)
            self.trigger_tasks(self.parallelism - len(self.running))

    def end(self) -> None:
        """End the processes."""
        for process in self._idle:
            process.shutdown()


def _begin() -> None:
    def end_with_parent() -> None:
        # Or else it would hold the lock on Airflow's home after its parent was killed.
        if parent := multiprocessing.parent_process():
            parent.join()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
    # Airflow builds its API at the first request, for seconds.
    client = httpx.Client(transport=in_process_api_server().transport)
    client.get("http://in-process/health")


@functools.cache
def _tasks(file: Path, dag_id: str) -> dict[str, Any]:
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(file).dags[dag_id].task_dict


def _run(workload: ExecuteTask) -> None:
    ti = TaskInstance.model_validate(workload.ti.model_dump())
    tasks = _tasks(Path(workload.dag_rel_path), ti.dag_id)
    run_task_in_process(ti=ti, task=tasks[ti.task_id])


def _import_ahead() -> None:
    """Import what takes the tasks after build seconds to import."""
    import kith.report.page  # noqa: F401
    from kith.gate.gx_duckdb import keep_connections_open

    keep_connections_open()
