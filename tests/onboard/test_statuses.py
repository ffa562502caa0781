"""What onboarding knows of states of orders."""

from kith.company.order_statuses import OrderStatuses, folded
from kith.onboard.vocabulary import WORDS


def test_states_of_which_a_doubt_tells_are_those_that_count_as_purchases() -> None:
    classes = OrderStatuses().words()
    counted = {*classes["placed"], *classes["completed"]}
    for kind in ("unpaid", "partly"):
        assert set(map(folded, WORDS[kind])) <= counted
