"""Every kind of event, for Hypothesis, and one of each to change a little."""

from typing import Any

from hypothesis import strategies as st
from msgspec import UNSET

from risk.clock import EARLIEST, LATEST, to_date, to_datetime
from risk.codec import to_wire
from risk.events import Action, Decision, FiredRule, Label, Level, Mode, Reason, Seen, Transaction
from risk.money import EXPONENTS, LARGEST_MINOR
from risk.outputs import DecidedAlert, DecidedFlag, HighRiskAlert, RiskFlag

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
TIME = st.integers(EARLIEST, LATEST - 1)
OFFSET = st.integers(0, 2**63 - 1)

TRANSACTIONS = st.builds(
    Transaction,
    TEXT,
    TIME,
    TEXT,
    st.sampled_from(sorted(EXPONENTS)),
    st.none() | TEXT,
    st.none() | TEXT,
    st.none() | st.integers(0, LARGEST_MINOR),
    st.none() | TEXT,
    st.none() | TEXT,
    st.none() | TEXT,
    st.dictionaries(TEXT, TEXT | NUMBER, max_size=3),
)
LABELS = st.builds(Label, TEXT, TEXT, st.booleans(), TIME, TEXT)

_LEDGER_DAY = st.none() | st.integers(EARLIEST // 86_400_000, LATEST // 86_400_000).map(to_date)
_REASONS = st.lists(
    st.builds(Reason, TEXT, st.none() | NUMBER | TEXT, st.none() | NUMBER | TEXT, st.floats(0, 1), TEXT), max_size=5
).map(tuple)
_IMPUTED = st.lists(TEXT, max_size=3).map(tuple)

_OF_A_FLAG: dict[str, st.SearchStrategy[Any]] = {
    "transaction_id": TEXT,
    "customer_id": TEXT,
    "event_time": TIME.map(to_datetime),
    "score": st.floats(0, 1),
    "level": st.sampled_from(Level),
    "reasons": _REASONS,
    "imputed": _IMPUTED,
    "ledger_day": _LEDGER_DAY,
    "bundle_version": TEXT,
    "source_topic": TEXT,
    "source_partition": st.integers(0, 10_000),
    "source_offset": OFFSET,
    "history_days": st.just(UNSET) | st.integers(0, 400),
}
_SEEN = st.builds(Seen, TEXT, st.booleans(), st.none() | NUMBER | TEXT, st.none() | NUMBER | TEXT)
FIRED = st.lists(
    st.builds(
        FiredRule,
        TEXT,
        st.sampled_from(Action),
        st.sampled_from(Mode),
        TEXT,
        st.lists(_SEEN, min_size=1, max_size=3).map(tuple),
    ),
    max_size=3,
).map(tuple)
_OF_RULES: dict[str, st.SearchStrategy[Any]] = {
    "decision": st.sampled_from(Decision),
    "rules_version": st.from_regex(r"\Arules-[0-9a-f]{16}\Z"),
    "rules": FIRED,
}

FLAGS = st.builds(RiskFlag, **_OF_A_FLAG)
DECIDED_FLAGS = st.builds(DecidedFlag, **_OF_A_FLAG, **_OF_RULES)

_OF_AN_ALERT: dict[str, st.SearchStrategy[Any]] = {
    "alert_id": st.uuids(version=5).map(str),
    "transaction": TRANSACTIONS.map(to_wire),
    "score": st.floats(0, 1),
    "level": st.sampled_from(Level),
    "threshold": st.floats(0, 1),
    "reasons": _REASONS,
    "imputed": _IMPUTED,
    "ledger_day": _LEDGER_DAY,
    "bundle_version": TEXT,
    "catalogue_version": st.integers(1, 100),
    "source_topic": TEXT,
    "source_partition": st.integers(0, 10_000),
    "source_offset": OFFSET,
    "history_days": st.just(UNSET) | st.integers(0, 400),
}
ALERTS = st.builds(HighRiskAlert, **_OF_AN_ALERT)
DECIDED_ALERTS = st.builds(DecidedAlert, **_OF_AN_ALERT, **_OF_RULES)

_REASON = Reason(
    "customer_count_1h", 9.0, 1.0, 0.25, "9 transactions within the last hour; usual among all customers: 1"
)

SOME_FLAG = RiskFlag(
    "T1", "C1", to_datetime(1714564800250), 0.91, Level.HIGH, (_REASON,), ("amount",), to_date(19_783),
    "lightgbm-01234567", "transactions", 3, 41,
)  # fmt: skip

SOME_ALERT = HighRiskAlert(
    alert_id="b7f0b3a6-5d0e-5b52-8f0b-0d4a3a0c5a11",
    transaction=to_wire(Transaction("T1", 1714564800250, "C1", "EUR", merchant_id="M1", amount=1234)),
    score=0.91,
    level=Level.HIGH,
    threshold=0.5,
    reasons=(_REASON,),
    imputed=(),
    ledger_day=to_date(19_783),
    bundle_version="lightgbm-01234567",
    catalogue_version=1,
    source_topic="transactions",
    source_partition=3,
    source_offset=41,
)
