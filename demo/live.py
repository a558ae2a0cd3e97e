"""The third part: the workers are taught the past, then the live days go by while the store is looked into."""

from collections import deque
from time import monotonic

import numpy as np

from demo.changes import Changes
from demo.days import Days, short
from demo.errors import DemoError
from demo.frame import Frame, line, picture
from demo.ground import Ground
from demo.history import History, history_of
from demo.running import Program, Programs
from demo.telling import Teller, Watching
from kpi_reporter.kpis.reading import KpiReader
from kpi_reporter.kpis.values import Kpis, Unready
from risk.clock import DAY

# Under way are at most so many seconds of the rate: what the workers commit at once is sent at once (DESIGN.md).
IN_FLIGHT_SECONDS = 0.36
LOOKS_EVERY_SECONDS = 0.4
RATE_OVER_LOOKS = 12
# Longer than a worker waits for anything that comes.
PATIENCE_SECONDS = 90.0
MOST_ALERTS = 6
# What a screen needs beside the alerts, which take two lines each.
OTHER_LINES = 17


class Live:
    def __init__(self, teller: Teller, programs: Programs, ground: Ground, days: Days) -> None:
        self._teller, self._programs, self._ground, self._days = teller, programs, ground, days
        self._reader = KpiReader(ground.store)
        self._sent = history_of(ground.history, days.past_ms)
        self._past_rows = int(np.count_nonzero(self._sent.event_times < days.live_ms))

    def teach(self) -> None:
        """The past, as fast as it goes."""
        days, rows = self._days, self._past_rows
        with self._teller.step("the past", "sending the days before, so that the workers know the customers") as step:
            self._programs.finish("replay-past", *self._replay("--limit", str(rows)))
            self._programs.until(lambda: self._scored() >= rows, f"{rows:,} transactions are scored")
            step.came = f"{rows:,} payments from {short(days.past)} on are scored: now the workers know the customers"

    def watch(self, rate: float, changes: Changes) -> History:
        """What was sent on the live days, once all of it is scored."""
        total = len(self._sent.event_times) - self._past_rows
        replay = self._programs.begin(
            "replay-live",
            *self._replay("--resume", "--rate", f"{rate:g}", "--max-in-flight", f"{rate * IN_FLIGHT_SECONDS:.0f}"),
        )
        with self._teller.watching() as watching:
            self._watch(watching, replay, total, changes)
        return history_of(self._ground.history, self._days.live_ms)

    def _replay(self, *words: str) -> list[str]:
        return ["producer", "replay", str(self._ground.history), "--from", str(self._days.past), *words]

    def _scored(self) -> int:
        kpis = self._reader.read()
        return 0 if isinstance(kpis, Unready) else kpis.transactions

    def _watch(self, watching: Watching, replay: Program, total: int, changes: Changes) -> None:
        alerts = max(1, min(MOST_ALERTS, (self._teller.height - OTHER_LINES) // 2))
        seen: deque[tuple[float, int]] = deque(maxlen=RATE_OVER_LOOKS)
        labels_before: int | None = None
        moved_at, moved_to = monotonic(), (-1, 0)
        is_last = False
        while not is_last:
            is_sent = self._programs.done(replay, LOOKS_EVERY_SECONDS)
            kpis = self._kpis()
            labels_before = kpis.labels.total if labels_before is None else labels_before
            scored = kpis.transactions - self._past_rows
            seen.append((monotonic(), scored))
            changes.go_on(scored / total, kpis.newest_event, watching.tell)
            is_last = is_sent and scored >= total and changes.are_over
            if (scored, len(changes.done)) != moved_to:
                moved_at, moved_to = monotonic(), (scored, len(changes.done))
            elif monotonic() - moved_at > PATIENCE_SECONDS:
                raise DemoError(
                    f"{scored:,} of {total:,} transactions are scored, and for {PATIENCE_SECONDS:.0f} s none more; "
                    f"expected all of them; what the workers say is in {self._ground.logs}"
                )
            frame = self._frame(kpis, scored, total, _rate(seen), kpis.labels.total - labels_before, alerts, changes)
            watching.show(picture(frame), line(frame), is_last=is_last)

    def _kpis(self) -> Kpis:
        kpis = self._reader.read()
        if isinstance(kpis, Unready):
            raise DemoError(f"{kpis.reason}; expected the store that the workers write")
        return kpis

    def _frame(
        self, kpis: Kpis, scored: int, total: int, rate: float, labels: int, alerts: int, changes: Changes
    ) -> Frame:
        live_day = self._days.live_ms // DAY
        return Frame(
            event_time=kpis.newest_event,
            scored=scored,
            total=total,
            rate=rate,
            alerts_raised=sum(each.alerts for each in kpis.days if each.day >= live_day),
            labels=labels,
            quality=kpis.quality[0],
            alerts=[each for each in self._reader.latest_alerts(alerts) if each.event_time >= self._days.live_ms],
            threshold=changes.threshold,
            changes=changes.done,
            room=alerts,
        )


def _rate(seen: deque[tuple[float, int]]) -> float:
    """Over the last few seconds."""
    (began, first), (now, last) = seen[0], seen[-1]
    return (last - first) / (now - began) if now > began else 0.0
