import socket

import pytest

from kith.errors import ConfigurationError
from kith.ports import check_free


def test_a_port_is_free_until_something_listens_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"port {port} .* with KITH_PORT"):
            check_free("127.0.0.1", port, "KITH_PORT")
        # A connection that was ended here leaves its port waiting for a minute.
        with socket.create_connection(("127.0.0.1", port)):
            listener.accept()[0].close()
    check_free("127.0.0.1", port, "KITH_PORT")
