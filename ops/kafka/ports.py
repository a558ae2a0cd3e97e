"""Ports that are free, and whether a broker answers on one."""

import errno
import random
import socket
import struct

from ops.kafka.properties import HOST
from risk.errors import BrokerError

# Below the range from which systems take the ports of outgoing connections: a client that keeps knocking at a broker
# that was stopped can otherwise be given the broker's own port, and keep it from coming back.
_CHOICE = range(20_000, 30_000)


def free_ports(number: int) -> list[int]:
    found: list[int] = []
    for port in random.sample(_CHOICE, len(_CHOICE)):
        if is_free(port):
            found.append(port)
            if len(found) == number:
                return found
    raise BrokerError(f"ports: none of {_CHOICE[0]} to {_CHOICE[-1]} are free, expected {number} that are")


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
