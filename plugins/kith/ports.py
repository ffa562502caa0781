"""Ports of this machine."""

import socket

from kith.errors import ConfigurationError


def check_free(host: str, port: int, variable: str) -> None:
    """Raise ConfigurationError where something listens; `variable` sets the port."""
    with socket.socket() as probe:
        # As servers do, who may listen again at once after another has ended.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigurationError(
                f"port {port} on {host} is not free ({error.strerror}): end what "
                f"listens there or choose another with {variable}"
            ) from None
