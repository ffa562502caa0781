"""dbt on the last candidate, by hand: what it changed is nobody's release."""

from pathlib import Path

import pytest

from kith.build.by_hand import run_dbt
from kith.build.candidate import build
from kith.build.unfinished import left
from kith.errors import BuildError, GateError, PublicationError
from kith.gate.audit import audit
from kith.publish.release import publish
from tests.build.broken_models import MODELS, edit, pulled
from tests.conftest import new_run
from tests.publish.test_release import permit


def test_what_was_built_by_hand_is_neither_audited_nor_published(
    project: Path, corner_shop_data: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = new_run(corner_shop_data)
    with pytest.raises(BuildError, match=r"not found; .*: make run COMPANY="):
        run_dbt(run.company, ["build"])
    run = pulled(corner_shop_data)
    edit(
        project / MODELS / "customer" / "customers.sql",
        lambda sql: sql.replace("select * from final", "select no_column"),
    )
    with pytest.raises(BuildError):
        build(run)
    permit(run)
    capfd.readouterr()

    # What only reads leaves the candidate as it is.
    assert run_dbt(run.company, ["ls", "-s", "customers"]) == 0
    output = capfd.readouterr().out
    assert "kith.marts.customer.customers" in output
    assert str(run.warehouse) in output
    assert left(run)

    assert run_dbt(run.company, ["build", "-s", "feed_products", "customers"]) == 1
    output = capfd.readouterr().out
    assert "feed_products" in output
    assert "no_column" in output
    with pytest.raises(PublicationError, match="changed since the gate passed"):
        publish(run)
    with pytest.raises(GateError, match="was built by run by hand, not by test__"):
        audit(run)
