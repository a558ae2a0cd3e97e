"""One message of every kind as it is on the wire, out of the encoders: the examples of the schemas."""

from risk.clock import date_ms, day_of, to_date, to_datetime
from risk.codec import encode_label, encode_transaction, to_wire
from risk.events import Label, Level, Reason, Transaction
from risk.ledger_day import LedgerDay
from risk.ledger_log import messages_of
from risk.outputs import SCHEMA_VERSION, HighRiskAlert, RiskFlag, alert_id, encode
from risk.topics import ALERTS, FLAGS, LABELS, LEDGER, TRANSACTIONS

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

FLAG = RiskFlag(
    SCHEMA_VERSION,
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
    SCHEMA_VERSION,
    alert_id(TRANSACTION.customer_id, TRANSACTION.transaction_id, TRANSACTION.event_time, _BUNDLE),
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
