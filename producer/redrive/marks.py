"""How far a partition of rejects was sent again: for all reasons, and further for some.

It is kept as the committed offset of a consumer group, and what is further as the note that Kafka keeps beside it.
"""

import msgspec

_NOTE = msgspec.json.Decoder(dict[str, int])


class Marks:
    """`base`: the next offset for every reason; `further` names those that have a later one."""

    def __init__(self, base: int, further: dict[str, int]) -> None:
        self.base, self.further = base, further

    @classmethod
    def read(cls, offset: int, note: str) -> "Marks":
        return cls(offset, _NOTE.decode(note) if note else {})

    def note(self) -> str:
        return msgspec.json.encode(self.further).decode() if self.further else ""

    def first(self, reason: str | None) -> int:
        """Where to read from."""
        return self.base if reason is None else self.next_of(reason)

    def next_of(self, reason: str) -> int:
        return max(self.base, self.further.get(reason, 0))

    def pass_to(self, offset: int, reason: str | None) -> None:
        """Everything before this offset is done, of one reason or of all."""
        if reason is None:
            self.base = max(self.base, offset)
            self.further = {name: at for name, at in self.further.items() if at > self.base}
        elif offset > self.next_of(reason):
            self.further[reason] = offset
