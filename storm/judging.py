"""What was lost, what is wrong and what is there twice, in topics and store, held against what had to come out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from risk.clock import to_ms
from risk.outputs import RiskFlag, alert_id
from storm.feed import Sent
from storm.history import Truth
from storm.reading import Made, Reject, Source, decided_by, event_of, row_of, row_of_store, versions_by

SHOWN = 5


class Findings(NamedTuple):
    transactions: int
    lost: frozenset[str]
    wrong: frozenset[str]
    duplicates: int

    def examples(self) -> str:
        """The first of what was found, for whoever looks into it."""
        found = [("lost", self.lost), ("wrong", self.wrong)]
        return "; ".join(f"{word}: {', '.join(sorted(names)[:SHOWN])}" for word, names in found if names)


def judge(made: Made, truth: Truth, *, sent: Sequence[Sent] = ()) -> Findings:
    """`sent`: what was sent, if there are bad ones among it."""
    expected = set(next(iter(truth.values())))
    flags, wrong_flags, high = _flags(made.flags, truth)
    alerts, wrong_alerts = _alerts(made.alerts, truth)
    rows = {row.transaction_id: row for row in made.rows}
    wrong = wrong_flags | wrong_alerts | _wrong_rows(made, truth)
    wrong |= (set(flags) | set(rows)) - expected  # nobody asked for these
    wrong |= alerts - high
    lost = (expected - set(flags)) | (expected - set(rows)) | (high - alerts)
    lost_rejects, wrong_rejects = _rejects(made.rejects, [one for one in sent if one.item.is_bad])
    return Findings(len(expected), frozenset(lost | lost_rejects), frozenset(wrong | wrong_rejects), duplicates(made))


def duplicates(made: Made) -> int:
    """Outputs that came once too often."""
    return sum(len(values) - 1 for kind in made[:3] for values in kind.values())


def _flags(flags: Mapping[Source, list[bytes]], truth: Truth) -> tuple[Counter[str], set[str], set[str]]:
    """How often each transaction was flagged at a place of its own; which are wrong; which had to be alerts."""
    places: Counter[str] = Counter()
    wrong, high = set(), set()
    for source, values in flags.items():
        flag = event_of(values[0])
        assert isinstance(flag, RiskFlag)
        identity = flag.transaction_id
        places[identity] += 1
        due = truth.get(decided_by(flag), {}).get(identity)
        if due is None or row_of(flag) != due.row or len(set(values)) > 1 or source.topic != flag.source_topic:
            wrong.add(identity)
        elif due.is_high:
            high.add(identity)
    return places, wrong | {identity for identity, count in places.items() if count > 1}, high


def _alerts(alerts: Mapping[Source, list[bytes]], truth: Truth) -> tuple[set[str], set[str]]:
    found, wrong = set(), set()
    for values in alerts.values():
        alert = event_of(values[0])
        assert not isinstance(alert, RiskFlag)
        transaction = alert.transaction
        found.add(transaction.transaction_id)
        due = truth.get(decided_by(alert), {}).get(transaction.transaction_id)
        time = to_ms(transaction.event_time)
        identity = alert_id(transaction.customer_id, transaction.transaction_id, time, versions_by(alert))
        if due is None or row_of(alert) != due.row or len(set(values)) > 1 or alert.alert_id != identity:
            wrong.add(transaction.transaction_id)
    return found, wrong


def _wrong_rows(made: Made, truth: Truth) -> set[str]:
    """Rows that differ from what is due, or from the flag of the same place, or whose flag is not there."""
    wrong = set()
    flagged = {(source.partition, source.offset): event_of(values[-1]) for source, values in made.flags.items()}
    for row in made.rows:
        due = truth.get(decided_by(row), {}).get(row.transaction_id)
        flag = flagged.get((row.source_partition, row.source_offset))
        if due is None or row_of_store(row) != due.row or flag is None or row_of(flag) != due.row:
            wrong.add(row.transaction_id)
    return wrong


def _rejects(rejects: Mapping[Source, list[Reject]], rejected: Sequence[Sent]) -> tuple[set[str], set[str]]:
    due = {Source(sent.item.topic, sent.item.partition, sent.offset): sent.item for sent in rejected}
    wrong = {str(source) for source in rejects.keys() - due.keys()}
    for source, item in due.items():
        for reject in rejects.get(source, ()):
            bytes_differ = (reject.key, reject.value) != (item.message.key, item.message.value)
            if bytes_differ or (item.reason is not None and reject.reason != item.reason):
                wrong.add(f"{source}: {reject.reason}, expected {item.reason}")
    return {str(source) for source in due.keys() - rejects.keys()}, wrong
