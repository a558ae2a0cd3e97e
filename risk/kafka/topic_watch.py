"""Whether topics are still the ones a program began with, asked again and again while it works.

A topic that was deleted and made again has the name and the partitions of the one before, and offsets that mean
something else. Its id is the only difference.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any, Self

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from risk.errors import BrokerAwayError, BrokerError
from risk.kafka.connection import Connection
from risk.kafka.topic_states import asking, identity_in, metadata, there
from risk.topics import Identity, topics_of

LOOKS_EVERY_SECONDS = 1.0
# A broker that has just started may not know every topic yet.
MISSING_LOOKS = 10
# Until a leader is asked again that did not answer, or is not known.
AGAIN_SECONDS = 0.05
CONFIRM_SECONDS = 60.0
# So many questions may be on their way to a broker: it has the next one when it has answered.
UNDER_WAY = 2


class TopicWatch:
    """One connection of its own; to be entered before it is asked."""

    def __init__(
        self,
        connection: Connection,
        names: Sequence[str],
        known: Identity,
        advice: str,
        *,
        confirm_seconds: float = CONFIRM_SECONDS,
        looks_every_seconds: float = LOOKS_EVERY_SECONDS,
    ) -> None:
        """`known`: what the topics were when the program began. `advice`: what to do where they are others."""
        self._connection = connection
        self._names = names
        self._known = known
        self._advice = advice
        self._confirm_seconds = confirm_seconds
        self._looks_every_seconds = looks_every_seconds
        self._partitions: dict[str, int] = {}
        self._leaders: dict[tuple[str, int], int] = {}
        self._missing: list[str] = []
        self._answer: dict[str, Any] | None = None  # the last one that was looked at, and was well
        # Of each broker, the questions that were asked last, and the one that is asked next.
        self._asked: dict[int | None, deque[asyncio.Task[dict[str, Any] | None]]] = {}
        self._next: dict[int | None, asyncio.Task[dict[str, Any] | None]] = {}
        self._client: AIOKafkaClient
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._client = await self._stack.enter_async_context(asking(self._connection))
        try:
            await self._look(None)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def run(self) -> None:
        """Until the topics are others. A broker that does not answer is not this one's business."""
        looks = 0
        while True:
            await asyncio.sleep(self._looks_every_seconds)
            await self._look(None)
            looks = looks + 1 if self._missing else 0
            if looks >= MISSING_LOOKS:
                raise BrokerError(
                    f"{', '.join(self._missing)}: not there any more, expected what the program began with; the topic "
                    f"was deleted. {self._advice}"
                )

    async def confirm(self, topic: str, partition: int) -> None:
        """Returns once the broker that leads this partition has said, asked after this call, that all topics are what
        they were: so whatever was read from the partition before comes from the topic that is known.

        Only the leader hands out records, and it knows of a new topic before it does. BrokerError where a topic is
        another one; BrokerAwayError where there was no answer in time."""
        try:
            async with asyncio.timeout(self._confirm_seconds):
                while not await self._look((topic, partition)):
                    await asyncio.sleep(AGAIN_SECONDS)
        except TimeoutError as error:
            raise BrokerAwayError(
                f"{topic} partition {partition}: for {self._confirm_seconds:g} s the broker that leads it did not tell "
                "whether it is still the same topic. Look at the broker; then start again."
            ) from error

    async def _look(self, place: tuple[str, int] | None) -> bool:
        """Whether all topics were there and the same, as the leader of the place says."""
        node = None if place is None else self._leaders.get(place)
        if node is None:
            node = self._client.get_random_node()
        answer = await self._answer_of(node)
        if answer is None:
            return False
        if answer is not self._answer:
            self._look_at(answer)
        return not self._missing and (place is None or self._leaders.get(place) == node)

    async def _answer_of(self, node: int | None) -> dict[str, Any] | None:
        """To a question that is asked after this call; None where there was none. Whoever comes while others are under
        way shares the next: chunks may come many times as fast as answers."""
        if node not in self._next:
            self._next[node] = asyncio.create_task(self._ask(node))
        return await asyncio.shield(self._next[node])  # who gives up does not take the answer from the others

    async def _ask(self, node: int | None) -> dict[str, Any] | None:
        asked = self._asked.setdefault(node, deque(maxlen=UNDER_WAY))
        if len(asked) == UNDER_WAY:
            await asyncio.wait([asked[0]])
        asked.append(self._next.pop(node))
        try:
            return await metadata(self._client, node, self._names, make=False)
        except (KafkaError, TimeoutError):
            self._leaders.clear()
            self._answer = None
            self._client.force_metadata_update()  # the broker may have gone, and another come in its place
            return None

    def _look_at(self, answer: dict[str, Any]) -> None:
        """BrokerError where it tells of others."""
        found = there(answer)
        self._missing = [name for name in self._names if name not in found]
        self._leaders = {
            (name, partition["partition"]): partition["leader"]
            for name, topic in found.items()
            for partition in topic["partitions"]
        }
        self._compare(answer, found)
        self._answer = answer

    def _compare(self, answer: dict[str, Any], found: dict[str, dict[str, Any]]) -> None:
        given = identity_in(answer, self._known.prefix)
        if topics_of(self._known.prefix).transactions not in found:
            given = given._replace(partitions=self._known.partitions)  # it is missing, which is told after a while
        others = given.differences(self._known)
        for name, topic in found.items():
            count = len(topic["partitions"])
            before = self._partitions.setdefault(name, count)
            others += [(f"{name}: number of partitions", count, before)] if count != before else []
        for what, got, expected in others:
            raise BrokerError(
                f"{what}: got {got}, expected {expected} as when the program began; somebody changed it meanwhile, "
                f"or deleted the topic and made it again. {self._advice}"
            )
