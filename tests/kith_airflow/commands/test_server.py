"""Commands about the Airflow server; what it does is in ../test_server.py."""

from tests.kith_airflow.commands.conftest import Kith


def test_down_without_a_server_says_so(kith: Kith) -> None:
    code, output, _ = kith.call("down")
    assert (code, output) == (0, "No Airflow server of this KITH_HOME is running")
