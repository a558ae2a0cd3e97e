"""What a batch sends to and stores in, as plain classes that note what they are asked for."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from risk.errors import StaleOwnerError
from risk.events import Label
from risk.kafka.sending import MessageParts
from risk.store import CommitStore, Outputs, Owner, RowValues, SampleValues
from scorer.worker.shadow import Beside, Waiting

Answer = TypeVar("Answer")


class FakeStore:
    """The store and the thread that calls it."""

    def __init__(self, journal: list[str] | None = None, *, refuses: bool = False) -> None:
        self.journal = [] if journal is None else journal
        self._refuses = refuses

    async def call(self, ask: Callable[[CommitStore], Answer]) -> Answer:
        return ask(self)

    def _note(self, what: str) -> None:
        if self._refuses:
            raise StaleOwnerError("another worker took it over")
        self.journal.append(what)

    def check(self, owner: Owner, next_offset: int) -> None:  # noqa: ARG002 - as it is called
        self._note(f"check {next_offset}")

    def commit_flags(
        self,
        owner: Owner,  # noqa: ARG002
        *,
        expected: int,
        next_offset: int,
        newest_event_time: int | None,  # noqa: ARG002
        outputs: Outputs,  # noqa: ARG002
        rows: Sequence[RowValues],
        samples: Sequence[SampleValues] = (),
        challenger: str | None = None,
        stored_at: int | None = None,  # noqa: ARG002
    ) -> None:
        of_some = f", features of {len(samples)}" if samples else ""
        beside = f", beside {challenger}" if challenger else ""
        self._note(f"commit {expected} to {next_offset}: {len(rows)} rows{of_some}{beside}")

    def commit_labels(
        self,
        owner: Owner,  # noqa: ARG002
        *,
        expected: int,
        next_offset: int,
        rejected_offset: int,
        labels: Sequence[tuple[int, Label]],
    ) -> None:
        self._note(f"labels {expected} to {next_offset}: {len(labels)}, rejects read to {rejected_offset}")

    def skip_to(self, owner: Owner, *, expected: int, next_offset: int) -> None:  # noqa: ARG002
        self._note(f"skip {expected} to {next_offset}")


class FakeShadow:
    """Where there is no challenger, unless a test puts one there."""

    def __init__(self, journal: list[str] | None = None, now: Beside = Beside(None, None)) -> None:  # noqa: B008 - a value
        self.journal = [] if journal is None else journal
        self.now = now

    def beside(self, version: str, *, is_repeated: bool) -> Beside:  # noqa: ARG002
        return Beside(None, None) if is_repeated else self.now

    def add(self, waiting: Waiting) -> None:
        self.journal.append(f"shadow {waiting.first_offset} to {waiting.next_offset}: {len(waiting.offsets)}")

    def give_up(self, transactions: int) -> None:
        self.journal.append(f"give up {transactions}")

    def fail(self, version: str, why: str) -> None:
        self.journal.append(f"{version} fails: {why}")


class SlowStore(FakeStore):
    """It answers when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.may_answer = asyncio.Event()

    async def call(self, ask: Callable[[CommitStore], Answer]) -> Answer:
        await self.may_answer.wait()
        return await super().call(ask)


class FakeSend:
    """A broker; it fails with what it was given for a topic."""

    def __init__(self, journal: list[str]) -> None:
        self.journal = journal
        self.fails: dict[str, Exception] = {}
        self._ends: dict[str, int] = {}

    async def __call__(self, topic: str, partition: int, messages: Iterable[MessageParts]) -> int:
        if topic in self.fails:
            raise self.fails[topic]
        count = len(list(messages))
        self.journal.append(f"send {count} to {topic}-{partition}")
        self._ends[topic] = self._ends.get(topic, 0) + count
        return self._ends[topic]
