"""What changes while the live days go by: a challenger, a rule, and then the challenger decides. Each by its command.

Nothing is stopped for it. The workers go on with each within two seconds, and flags name what decided.
"""

from collections.abc import Callable
from typing import NamedTuple

from demo.ground import Ground
from demo.running import Program, Programs
from risk.bundle import Manifest

RULE = "large-at-night"
RULES = f"""\
[rules.{RULE}]
when = 'night and amount > 4 * customer_mean_30d'
action = "review"
sentence = "at night, more than four times the customer's usual amount"
owner = "demo@example.com"
"""


class Change(NamedTuple):
    name: str
    after: float  # of the live part, the share that is scored
    words: tuple[str, ...]  # the command
    done: str  # what is so from then on
    threshold: float | None = None  # from which on a risk is high then; None where that stays as it is


def changes_of(ground: Ground, challenger: Manifest) -> list[Change]:
    ground.rules_file.write_text(RULES)
    promote = ("trainer", "promote", "--models", str(ground.models))
    return [
        Change(
            "promote-shadow",
            0.0,
            (*promote, challenger.version, "--shadow", "--share", "10"),
            f"challenger {challenger.version} scores in the shadow, and decides for 10 % of the customers",
        ),
        Change(
            "promote-rules",
            0.15,
            ("trainer", "rules", "promote", str(ground.rules_file), "--bundle", str(ground.models)),
            f"rule {RULE} is in force: such payments go to review",
        ),
        # Its labels come a week after the payments: within the demo there is no evidence for it yet, and it says so.
        Change(
            "promote-challenger",
            0.45,
            (*promote, "--challenger", "--force"),
            f"{challenger.version} decides: by --force, for its labels are not due yet",
            challenger.thresholds.high,
        ),
    ]


class Changes:
    """One after the other. They are looked after between two looks at the store, so that the picture never waits."""

    def __init__(self, programs: Programs, changes: list[Change], threshold: float) -> None:
        self.threshold = threshold  # of the bundle that decides
        self.done: list[tuple[int | None, str]] = []  # with the event time at which it was so
        self._programs = programs
        self._rest = list(changes)
        self._now: Program | None = None

    @property
    def are_over(self) -> bool:
        return not self._rest

    def go_on(self, share: float, event_time: int | None, tell: Callable[[str], None]) -> None:
        """`share` of the live part is scored."""
        if not self._rest:
            return
        change = self._rest[0]
        if self._now is None and share >= change.after:
            self._now = self._programs.begin(change.name, *change.words)
        if self._now is not None and self._programs.done(self._now):
            self._now = None
            self._rest.pop(0)
            self.done.append((event_time, change.done))
            self.threshold = self.threshold if change.threshold is None else change.threshold
            tell(change.done)
