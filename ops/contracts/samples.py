"""One message of every kind as it is on the wire, out of the encoders: the examples of the schemas."""

from risk.clock import date_ms, day_of, to_date, to_datetime
from risk.codec import encode_label, encode_transaction, to_wire
from risk.events import Action, Decision, FiredRule, Label, Level, Mode, Reason, Seen, Transaction
from risk.ledger_day import LedgerDay
from risk.ledger_log import messages_of
from risk.outputs import DecidedAlert, DecidedFlag, HighRiskAlert, RiskFlag, alert_id, encode
from risk.topics import ALERTS, FLAGS, LABELS, LEDGER, TRANSACTIONS
from risk.versions import Versions

TRANSACTION = Transaction(
    transaction_id="T-1001",
    event_time=1_714_564_800_250,
    customer_id="C-17",
    currency="EUR",
    merchant_id="M-4",
    merchant_category="travel",
    amount=129_900,
    channel="online",
    device_id="D-9",
    country="PT",
    attributes={"age": 44.0, "segment": "gold"},
)

LABEL = Label("T-1001", "C-17", is_fraud=True, labelled_at=1_714_953_600_000, source="chargeback")

_BUNDLE = "lightgbm-0c1d2e3f"
_REASONS = (
    Reason("amount", 1299.0, 31.5, 0.41, "amount 1,299.00 EUR; usual among all customers: 31.50 EUR"),
    Reason("new_device_30d", 1.0, 0.0, 0.22, "first time with this device within 30 days"),
    Reason("country", "PT", "DE", 0.08, "country PT; usual among all customers: DE"),
)
_LEDGER_DAY = day_of(date_ms("2024-04-24"))


def _alert_id(versions: Versions) -> str:
    return alert_id(TRANSACTION.customer_id, TRANSACTION.transaction_id, TRANSACTION.event_time, versions)


FLAG = RiskFlag(
    TRANSACTION.transaction_id,
    TRANSACTION.customer_id,
    to_datetime(TRANSACTION.event_time),
    score=0.9127340651,
    level=Level.HIGH,
    reasons=_REASONS,
    imputed=("seconds_since_last",),
    ledger_day=to_date(_LEDGER_DAY),
    bundle_version=_BUNDLE,
    source_topic=TRANSACTIONS.name,
    source_partition=2,
    source_offset=41_207,
)

ALERT = HighRiskAlert(
    _alert_id(Versions(_BUNDLE)),
    to_wire(TRANSACTION),
    score=FLAG.score,
    level=FLAG.level,
    threshold=0.62,
    reasons=_REASONS,
    imputed=FLAG.imputed,
    ledger_day=to_date(_LEDGER_DAY),
    bundle_version=_BUNDLE,
    catalogue_version=1,
    source_topic=FLAG.source_topic,
    source_partition=FLAG.source_partition,
    source_offset=FLAG.source_offset,
)

_RULES = "rules-1a2b3c4d5e6f7a8b"
_FIRED = (
    FiredRule(
        "large-for-the-device",
        Action.ALERT,
        Mode.ON,
        "a large amount with a device that is new",
        (
            Seen("amount > 10 * customer_mean_30d", holds=True, value=1299.0, other=315.0),
            Seen("new_device_30d", holds=True, value=1.0, other=None),
        ),
    ),
    FiredRule(
        "watched",
        Action.REVIEW,
        Mode.SHADOW,
        "a watched merchant",
        (Seen('merchant_id in list("watched")', holds=True, value="M-4", other="chargebacks in April"),),
    ),
)

# With rules: all that is the model's stays what it is.
DECIDED_FLAG = DecidedFlag(
    *(getattr(FLAG, name) for name in FLAG.__struct_fields__),
    decision=Decision.ALERT,
    rules_version=_RULES,
    rules=_FIRED,
)
DECIDED_ALERT = DecidedAlert(
    _alert_id(Versions(_BUNDLE, _RULES)),
    *(getattr(ALERT, name) for name in ALERT.__struct_fields__[1:]),
    decision=Decision.ALERT,
    rules_version=_RULES,
    rules=_FIRED,
)

_OPENING = date_ms("2024-04-24")
_DAY = LedgerDay(
    _LEDGER_DAY,
    label_delay_days=7,
    bucket_ms=3_600_000,
    merchants=("M-4", "M-4", "M-7"),
    buckets=(_OPENING, _OPENING + 7_200_000, _OPENING + 3_600_000),
    transactions=(3, 1, 12),
    frauds=(0, 1, 0),
)

SAMPLES: dict[str, list[bytes]] = {
    TRANSACTIONS.name: [encode_transaction(TRANSACTION)],
    LABELS.name: [encode_label(LABEL)],
    FLAGS.name: [encode(FLAG)],
    ALERTS.name: [encode(ALERT)],
    LEDGER.name: messages_of(_DAY, transactions=18),
}
DECIDED_SAMPLES: dict[str, list[bytes]] = {
    FLAGS.name: [encode(DECIDED_FLAG)],
    ALERTS.name: [encode(DECIDED_ALERT)],
}
