"""Every scenario by name, in the order in which they are run."""

from collections.abc import Callable
from typing import NamedTuple

from storm.concluding import Outcome
from storm.ground import Ground
from storm.scenarios import (
    bad_messages,
    broker_away,
    embedded,
    kills,
    labels,
    ledger,
    ledger_days,
    plain,
    promotion,
    retraining,
    shadow,
    share,
    stale_owner,
    store_faults,
    topics,
)


class Scenario(NamedTuple):
    """`own_broker`: it does to its broker what nobody else would like. `may_repeat`: somebody may be cut off between
    sending and storing while another takes over, so that a message may be there twice, with the same bytes."""

    run: Callable[[Ground], Outcome]
    own_broker: bool = False
    may_repeat: bool = False


_ALL = (
    Scenario(plain.one_worker),
    Scenario(plain.two_workers),
    Scenario(plain.four_workers),
    Scenario(plain.paced),
    Scenario(embedded.embedded_broker),
    Scenario(kills.kills, may_repeat=True),
    Scenario(kills.rebalances, may_repeat=True),
    Scenario(broker_away.broker_killed, own_broker=True, may_repeat=True),
    Scenario(broker_away.leader_away, own_broker=True, may_repeat=True),
    Scenario(broker_away.broker_paused, may_repeat=True),
    Scenario(broker_away.silent_at_start),
    Scenario(stale_owner.stopped_at_work, may_repeat=True),
    Scenario(stale_owner.stopped_in_takeover, may_repeat=True),
    Scenario(store_faults.two_stores),
    Scenario(store_faults.frozen_in_a_transaction),
    Scenario(store_faults.killed_before_storing),
    Scenario(store_faults.deleted_and_restored),
    Scenario(store_faults.deleted_under_workers),
    Scenario(promotion.exchanged_under_workers),
    Scenario(promotion.swap, may_repeat=True),
    Scenario(promotion.rules, may_repeat=True),
    Scenario(share.share, may_repeat=True),
    Scenario(shadow.shadow, may_repeat=True),
    Scenario(retraining.retrain, may_repeat=True),
    Scenario(topics.made_again_under_a_worker),
    Scenario(topics.made_again_behind_two_workers),
    Scenario(bad_messages.bad_messages),
    Scenario(bad_messages.redrive),
    Scenario(ledger.skewed),
    Scenario(ledger.markers),
    Scenario(ledger.emptied),
    Scenario(ledger.gap),
    Scenario(ledger_days.dies_while_another_waits),
    Scenario(ledger_days.aborted),
    Scenario(ledger_days.corrected_label),
    Scenario(ledger_days.straggler),
    Scenario(ledger_days.week_ahead),
    Scenario(ledger_days.another_century),
    Scenario(ledger_days.goes_on_without_a_day),
    Scenario(labels.labels_without_end),
    Scenario(labels.labels_from_afar),
)
SCENARIOS = {scenario.run.__name__.replace("_", "-"): scenario for scenario in _ALL}
