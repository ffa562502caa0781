"""The task `approve`: a person says whether changed numbers are published.

It waits, without a process or a slot, until somebody answers on Airflow's page or over
its REST API, or until the time for that is over (Airflow's human in the loop).
"""

from datetime import timedelta
from typing import Any

from airflow.providers.standard.exceptions import HITLTimeoutError
from airflow.providers.standard.operators.hitl import HITLOperator

from kith import stages
from kith.company.folder import Company
from kith_airflow.incidents import on_failure
from kith_airflow.watchdog import is_led_by_a_command

APPROVE, REJECT = "Approve", "Reject"


class Approval(HITLOperator):
    """Ends at once where nothing changed beyond the limit; else asks, and waits.

    Where no server runs nobody could answer: it fails, and says how to approve.
    """

    # Not the question: what was delivered stands in it, which is no template.
    template_fields = ("op_kwargs",)

    def __init__(self, *, company: Company, run: Any, **options: Any) -> None:
        """`run` is what the DAG's first task gives; `options` are those of a task."""
        limit = company.restatement_limit
        super().__init__(
            task_id="approve",
            subject="Published numbers of closed periods change: publish them?",
            options=[APPROVE, REJECT],
            response_timeout=timedelta(hours=limit.wait_hours),
            **options,
        )
        self._tell = on_failure(company.name, str(company.folder))
        # As Airflow's own tasks call it, so that an incident finds the days in it.
        self.op_kwargs = {"run": run}

    def execute(self, context: Any) -> None:
        """Compare; ask where somebody has to approve."""
        waits = not is_led_by_a_command()
        question = stages.approve(self.op_kwargs["run"], waits=waits)
        if question is None:
            return
        self.body = question.text
        # Who has to decide is told as of a failure, and of the decision as a recovery.
        self._tell({**context, "exception": question.error})
        super().execute(context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> None:
        """Go on, or fail, as was answered; fail where nobody has."""
        run = self.op_kwargs["run"]
        try:
            answer = super().execute_complete(context, event)
        except HITLTimeoutError:
            stages.decide(run, None, is_approved=False)
            return
        by = (answer["responded_by_user"] or {}).get("name") or "somebody"
        stages.decide(run, by, is_approved=answer["chosen_options"] == [APPROVE])
