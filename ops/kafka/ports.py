"""Ports that are free, and whether a broker answers on one."""

import atexit
import errno
import random
import socket
import struct

from ops.kafka.properties import HOST
from risk.errors import BrokerError

# Below the range from which systems take the ports of outgoing connections: a client that keeps knocking at a broker
# that was stopped can otherwise be given the broker's own port, and keep it from coming back.
_CHOICE = range(20_000, 30_000)


def free_ports(number: int, choice: range = _CHOICE) -> list[int]:
    found: list[int] = []
    for port in random.sample(choice, len(choice)):
        if _keep(port):
            found.append(port)
            if len(found) == number:
                return found
    raise BrokerError(f"ports: none of {choice[0]} to {choice[-1]} are free, expected {number} that are")


def _keep(port: int) -> bool:
    """Bound for as long as this process lives, so that no other one is given the same port; servers bind beside it."""
    kept = socket.socket()
    try:
        # Not yet as servers bind: that would succeed beside another one that is kept.
        kept.bind((HOST, port))
    except OSError as error:
        kept.close()
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            return False
        raise
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    atexit.register(kept.close)
    return True


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers bind: connections that a former broker left behind do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def answers(port: int) -> bool:
    """Whether a broker takes requests here and knows of one that leads: itself."""
    # Metadata, version 1, of no topic: its answer begins with the correlation and the number of brokers.
    request = struct.pack(">hhihi", 3, 1, 1, -1, 0)
    try:
        with socket.create_connection((HOST, port), timeout=2) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            answer = connection.recv(12, socket.MSG_WAITALL)
    except OSError:
        return False
    return len(answer) == 12 and struct.unpack(">iii", answer)[2] > 0
