"""The machine's clock: the only one in a replay."""

import time


class Clock:
    def seconds(self) -> float:
        return time.monotonic()

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000
