"""Whether all members of the group write to one store.

With two, each would score its own partitions and wait a minute for every ledger day, of which it has only a part. Each
member's client id names its store, and whoever describes the group sees all of them.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from time import monotonic
from typing import NamedTuple, Self

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import IncompatibleBrokerVersion, KafkaError

from risk.errors import BrokerAwayError, StoreError

LOOKS_EVERY_SECONDS = 1.0
# Beyond the session timeout, after which a member that is gone is no longer listed.
BEYOND_SESSION_SECONDS = 5.0
BROKER_SECONDS = 60.0

_PROGRAM = "trustlens-scorer"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # one for all containers of a machine

Members = Callable[[], Awaitable[Sequence[str]]]


class StorePlace(NamedTuple):
    """`file`: machine, device and inode. That is what makes a file one to SQLite, whose log is shared memory, so two
    paths to it are the same store, and a copy is another. `where`: host and path, for people."""

    file: str
    where: str

    @classmethod
    def of(cls, path: Path) -> Self:
        found = path.stat()
        machine = _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else socket.gethostname()
        return cls(f"{machine}:{found.st_dev}:{found.st_ino}", f"{socket.gethostname()}:{os.path.realpath(path)}")

    @classmethod
    def of_client(cls, client_id: str) -> Self | None:
        """None for a client that names no store: an older worker's, say."""
        program, _, rest = client_id.partition(" ")
        file, _, where = rest.partition(" ")
        return cls(file, where) if program == _PROGRAM and where else None

    @property
    def client_id(self) -> str:
        return f"{_PROGRAM} {self.file} {self.where}"


class GroupStores:
    """`members` tells the client ids of the group."""

    def __init__(
        self,
        ours: StorePlace,
        group: str,
        members: Members,
        session_seconds: float,
        *,
        looks_every_seconds: float = LOOKS_EVERY_SECONDS,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._ours = ours
        self._group = group
        self._members = members
        self._patience = session_seconds + BEYOND_SESSION_SECONDS
        self._looks_every_seconds = looks_every_seconds
        self._clock = clock

    async def before_joining(self) -> None:
        """Returns when nobody in the group has another store. One that was killed is listed for a session timeout, so
        StoreError comes after that."""
        begun = self._clock()
        while True:
            try:
                others = self._others(await self._members())
            except KafkaError as error:  # a new cluster has no coordinator for a moment
                if self._clock() - begun > BROKER_SECONDS:
                    raise BrokerAwayError(
                        f"group {self._group}: the broker did not tell its members ({error!r}). Look at the broker; "
                        "then start the worker again."
                    ) from error
            else:
                if not others:
                    return
                if self._clock() - begun > self._patience:
                    raise self._refused(others[0])
            await asyncio.sleep(self._looks_every_seconds)

    async def run(self) -> None:
        """Two that began at the same moment did not see each other: then one of both stores counts, for all alike."""
        since: float | None = None
        while True:
            await asyncio.sleep(self._looks_every_seconds)
            try:
                others = [other for other in self._others(await self._members()) if other.file < self._ours.file]
            except KafkaError:  # the pulse ends a worker whose broker is away
                continue
            if not others:
                since = None
            elif since is None:
                since = self._clock()
            elif self._clock() - since > self._patience:
                raise self._refused(others[0])

    def _others(self, client_ids: Sequence[str]) -> list[StorePlace]:
        places = [StorePlace.of_client(client_id) for client_id in client_ids]
        return sorted(place for place in places if place is not None and place.file != self._ours.file)

    def _refused(self, other: StorePlace) -> StoreError:
        return StoreError(
            f"{self._ours.where}: got this store, expected {other.where}, with which another worker of group "
            f"{self._group} works; all workers of a group share one store. Set TRUSTLENS_DB to the absolute path of "
            "that one, or TRUSTLENS_TOPIC_PREFIX to another if this is a system of its own; docs/runbook.md says more."
        )


async def members_of(admin: AIOKafkaAdminClient, group: str) -> list[str]:
    """The client ids of a group's members; none where the broker cannot be asked that, as the embedded one."""
    try:
        [answer] = await admin.describe_consumer_groups([group])
    except IncompatibleBrokerVersion:
        return []
    return [str(member["client_id"]) for found in answer.to_object()["groups"] for member in found["members"]]
