"""How a scenario ends: everybody stops, and all that there is is held against what had to come out."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from storm.crew import Crew
from storm.feed import Sent
from storm.history import Truth, digest_of
from storm.judging import Findings, judge
from storm.losing import rebuilt
from storm.reading import decided_by, read
from storm.until import StormError


class Outcome(NamedTuple):
    findings: Findings
    faults: str


def conclude(
    crew: Crew,
    truth: Truth,
    faults: str = "",
    *,
    sent: Sequence[Sent] = (),
    rebuild: bool = False,
    restart: bool = False,
    gone: bool = False,
) -> Outcome:
    """`sent`: what was sent, if there are bad ones among it. `rebuild`: the store is to be deleted and made again
    first. `restart`: a worker may end by itself. `gone`: the log begins later than the store, so that an audit cannot
    find everything."""
    crew.until_scored(restart=restart)
    crew.stop(restart=restart)
    made = rebuilt(crew) if rebuild else read(crew.system)
    findings = judge(made, truth, sent=sent)
    if not gone:
        verify(crew, findings, {decided_by(row) for row in made.rows}, truth)
    ended = [f"{len(crew.statuses)} workers ended by themselves"] if crew.statuses else []
    return Outcome(findings, ", ".join([*([faults] if faults else []), *ended]))


def verify(crew: Crew, findings: Findings, versions: set[str], truth: Truth) -> None:
    """The audit has to come to the same: identical, and with the digest of the backtest."""
    said = crew.system.scorer("verify", "--bundle", str(crew.system.models / "current"))
    if (said.code == 0) != (not findings.lost and not findings.wrong):
        raise StormError(f"verify ended with status {said.code}: {said.out}{said.err}")
    digest = re.search(r"^digest (\S+)$", said.out, re.MULTILINE)
    due = digest_of(truth[versions.pop()]) if len(versions) == 1 else None
    if said.code == 0 and due is not None and (digest is None or digest[1] != due):
        raise StormError(f"verify says {said.out}, expected digest {due}")
