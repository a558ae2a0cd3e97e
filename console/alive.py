"""Tells systemd that a program is ready and that its loop turns (sd_notify), where the unit asks for it.

Who tells it from anywhere but the loop would say it of a loop that hangs.
"""

import socket
from collections.abc import Callable, Mapping
from contextlib import suppress

# Well within the `WatchdogSec` of the units.
ALIVE_EVERY_SECONDS = 10
# To be ready more than once changes nothing.
_SAID = b"READY=1\nWATCHDOG=1"


def alive_of(environment: Mapping[str, str]) -> Callable[[], None]:
    """To be called by the loop every so often; does nothing where nobody listens."""
    path = environment.get("NOTIFY_SOCKET")
    if not path:
        return lambda: None
    address = "\0" + path[1:] if path.startswith("@") else path  # as systemd writes a name that is no file's

    def alive() -> None:
        # A program that was given the variable without the socket goes on, and so does one whose manager is busy: who
        # should have been told and was not, finds out by himself.
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, suppress(OSError):
            manager.setblocking(False)
            manager.connect(address)
            manager.send(_SAID)

    return alive
