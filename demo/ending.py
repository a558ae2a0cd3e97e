"""The last part: what became of the frauds, whether every score is the one it must be, and where everything lies."""

import os
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from demo.days import Days, span
from demo.errors import DemoError
from demo.ground import Ground
from demo.history import History
from demo.lessons import Lessons
from demo.outcome import Outcome, outcome_of
from demo.running import Programs
from demo.telling import Teller
from risk.bundle import Manifest
from risk.events import Decision
from risk.store import FlagRow, open_store

_DIGEST = re.compile(r"^digest (\S+)$", re.MULTILINE)
SHOWN_DIGITS = 16


def show_outcome(teller: Teller, ground: Ground, days: Days, history: History, manifest: Manifest) -> None:
    store = open_store(ground.store, read_only=True)
    try:
        flags = list(store.flags(since=days.live_ms))
    finally:
        store.close()
    outcome = outcome_of(
        history, {(flag.customer_id, flag.transaction_id): flag.decided != Decision.NONE for flag in flags}
    )
    teller.show()
    teller.show(Text(f"What became of the frauds of {span(days.live, days.end)}", "bold"))
    teller.show(_table(outcome, manifest.currency))
    a_day = outcome.alerts / (days.end - days.live).days
    cost = outcome.alerts * manifest.thresholds.review_cost
    teller.show()
    teller.show(
        f"{outcome.alerts:,} cases, {a_day:.1f} a day, each all alerts and reviews of a customer on one day; "
        f"{outcome.alerts_right:,} found a fraud.\n"
        f"At {manifest.thresholds.review_cost:g} {manifest.currency} a review, {cost:,.0f} {manifest.currency} "
        f"of work stopped {outcome.total.amount_caught:,.0f} {manifest.currency} of fraud; docs/cost.md tells how the "
        "threshold was chosen."
    )
    teller.show(_deciders(flags))
    teller.show()


def _deciders(flags: Sequence[FlagRow]) -> str:
    """Which bundle decided how many, and what the rule came to: what changed while they went by."""
    each = Counter(flag.bundle_version for flag in flags)
    bundles = " and ".join(f"{count:,} by {version}" for version, count in each.items())
    with_rules = [flag for flag in flags if flag.rules_version is not None]
    fired = [flag for flag in with_rules if flag.rules is not None]
    alone = sum(flag.level != "high" for flag in fired)
    return (
        f"Decided {bundles}; {len(with_rules):,} with the rule beside it, which fired for {len(fired):,}, {alone:,} of "
        "them unknown to the model."
    )


def _table(outcome: Outcome, currency: str) -> Table:
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim", pad_edge=False)
    table.add_column("kind")
    for title in ("frauds", "caught", "missed", f"{currency} stopped", f"{currency} lost"):
        table.add_column(title, justify="right")
    for kind in (*outcome.kinds, outcome.total):
        table.add_row(
            kind.name.replace("_", " "),
            f"{kind.frauds:,}",
            f"{kind.caught:,}",
            f"{kind.missed:,}",
            f"{kind.amount_caught:,.0f}",
            f"{kind.amount_missed:,.0f}",
            style="bold" if kind.name == "all" else "",
        )
    return table


def prove(teller: Teller, programs: Programs, ground: Ground, days: Days) -> None:
    """Both read all of it and count the live days, at the same time."""
    live = str(days.live)
    with teller.step("verify", "scoring everything again, from the log and from the file") as step:
        programs.finish("schedule", "scorer", "schedule", str(ground.schedule))
        words = [
            str(ground.history),
            "--bundle",
            str(ground.models),
            "--schedule",
            str(ground.schedule),
            "--from",
            live,
        ]
        backtest = programs.begin("backtest", "trainer", "backtest", *words)
        said = programs.finish("verify", "scorer", "verify", "--bundle", str(ground.models), "--from", live)
        programs.until_done(backtest)
        from_log, from_file = _digest("verify", said), _digest("backtest", backtest.said())
        if from_log != from_file:
            raise DemoError(
                f"the digest of the log is {from_log}, that of the backtest {from_file}; expected the same: "
                f"this is a mistake in TrustLens; please report it with {ground.logs}"
            )
        count, _, digits = from_log.partition(":")
        step.came = (
            f"identical. {int(count):,} scores, worked out again from the log and from the file:\n"
            f"live equals backtest, to the last bit. Digest {digits[:SHOWN_DIGITS]}..."
        )


def _digest(command: str, said: str) -> str:
    found = _DIGEST.search(said)
    if found is None:
        raise DemoError(f"{command}: said {said[-300:]!r}, expected a digest")
    return found[1]


def show_places(teller: Teller, ground: Ground, lessons: Lessons, address: str, *, is_kept: bool) -> None:
    teller.show()
    teller.show(Text("Where everything lies", "bold"))
    look = f"TRUSTLENS_DB={near(ground.store)} {near(Path(sys.executable))} -m kpi_reporter serve"
    for name, place in (
        ("report", near(Path(lessons.report))),
        ("database", near(ground.store)),
        ("explorer", address if is_kept else look),
        ("logs", near(ground.logs)),
    ):
        teller.say(f"{name:10}{place}")


def near(path: Path) -> str:
    """As it is typed from here."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
