"""A port of 127.0.0.1 that stays the PLC twin's own while its servers come and go."""

from __future__ import annotations

import socket

from inspectd.io.errors import PlcError

HOST = "127.0.0.1"


def reserve_port(port: int, *, shared: bool = False) -> socket.socket:
    """Bind a port (0: a free one) without ever listening on it; PlcError if it cannot be bound.

    For as long as the socket lives nobody else takes the port, and connections to it are refused while no
    server listens. `shared`: the server to come binds with SO_REUSEPORT.
    """
    reservation = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        reservation.bind((HOST, port))
    except OSError as error:
        reservation.close()
        raise PlcError(
            f"cannot bind {HOST}:{port}: {error}; choose another port, or 0 for a free one"
        ) from error
    return reservation
