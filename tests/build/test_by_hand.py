"""dbt on the last candidate, by hand: what it changed is nobody's release."""

import json
import re
from contextlib import nullcontext
from pathlib import Path

import pytest

from kith.build import by_hand
from kith.build.by_hand import run_dbt
from kith.build.dbt import target
from kith.build.engines import spark_folder
from kith.build.unfinished import inputs_of, leave, left
from kith.company.folder import load_company
from kith.errors import BuildError, GateError, PublicationError
from kith.gate.audit import audit
from kith.publish.release import publish
from kith.runs.run import Run
from tests.build.broken_models import MODELS, edit
from tests.publish.test_release import permit


def test_without_a_candidate_the_error_names_the_command(
    kith_home: Path, corner_shop_data: Path
) -> None:
    with pytest.raises(BuildError, match=r"not found; .*: make run COMPANY="):
        run_dbt(load_company(corner_shop_data), ["build"])


def test_what_was_built_by_hand_is_neither_audited_nor_published(
    project: Path, candidate: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    edit(
        project / MODELS / "customer" / "customers.sql",
        lambda sql: sql.replace("select * from final", "select no_column"),
    )
    # As a build that failed leaves it.
    failed = {"unique_id": "model.kith.customers", "status": "error"}
    results = target(candidate) / "run_results.json"
    results.write_text(json.dumps({"results": [failed]}))
    leave(candidate, inputs_of(candidate))
    permit(candidate)

    # What only reads leaves the candidate as it is.
    assert run_dbt(candidate.company, ["ls", "-s", "customers"]) == 0
    output = capfd.readouterr().out
    assert "kith.marts.customer.customers" in output
    assert str(candidate.warehouse) in output
    assert left(candidate)

    arguments = ["build", "-s", "feed_products", "customers"]
    assert run_dbt(candidate.company, arguments) == 1
    output = capfd.readouterr().out
    assert "feed_products" in output
    # The unit tests of a model come before it, and name it.
    assert re.search(r"  failed +dbt unit test \w+ of customers: ", output)
    assert "no_column" in output
    with pytest.raises(PublicationError, match="changed since the gate passed"):
        publish(candidate)
    with pytest.raises(GateError, match="was built by run by hand, not by run_1"):
        audit(candidate)


def test_what_it_changed_on_spark_is_neither_audited_nor_published(
    candidate: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OnSpark:
        """A dbt that leaves the candidate's own file as it is."""

        returncode = 0

        @staticmethod
        def wait() -> None:
            part = spark_folder(candidate) / "built" / "customer" / "orders.parquet"
            part.parent.mkdir(parents=True)
            part.write_bytes(b"rows")

    permit(candidate)
    monkeypatch.setattr(by_hand, "start", lambda *_, **__: nullcontext(OnSpark()))
    monkeypatch.setattr(by_hand, "begin", lambda _: None)
    assert run_dbt(candidate.company, ["run"]) == 0
    with pytest.raises(PublicationError, match="changed since the gate passed"):
        publish(candidate)
    with pytest.raises(GateError, match="was built by run by hand, not by run_1"):
        audit(candidate)
