"""Small cases for Hypothesis: each time is an earlier row's plus a distance that matters, so failures shrink well."""

from hypothesis import strategies as st

from risk.clock import DAY, HOUR, SECOND
from risk.events import Label, Transaction
from tests.cases import EVERYTHING, NEW_YEAR, Arrival, Case, Rules, cutoff_of

MOST_ROWS = 24


def rules() -> st.SearchStrategy[Rules]:
    """Every delay, bucket and lateness that go together, in currencies of no, two and three digits."""
    # (D - 1) days must exceed the lateness, so two days go with an hour at most.
    delay_and_lateness = st.sampled_from([(7, DAY), (7, 0), (2, HOUR), (2, 0), (10, DAY), (3, DAY), (10, HOUR)])
    return st.builds(
        lambda currency, together, bucket: Rules(EVERYTHING, currency, together[0], bucket, together[1]),
        st.sampled_from(["EUR", "JPY", "KWD"]),
        delay_and_lateness,
        st.sampled_from([HOUR, SECOND, DAY, 15 * SECOND]),
    )


@st.composite
def cases(draw: st.DrawFn, most_rows: int = MOST_ROWS) -> Case:
    chosen = draw(rules())
    transactions: list[Transaction] = []
    for number in range(draw(st.integers(1, most_rows))):
        transactions.append(draw(_transaction(chosen, number, transactions)))
    labels = draw(st.lists(_label(chosen, transactions), max_size=most_rows))
    return Case(chosen, tuple(labels), tuple(Arrival(0, t) for t in transactions))


@st.composite
def _transaction(draw: st.DrawFn, chosen: Rules, number: int, earlier: list[Transaction]) -> Transaction:
    perhaps_web, country = st.sampled_from(["web", "pos", None]), st.sampled_from(["US", "x", None])
    return Transaction(
        transaction_id=draw(st.sampled_from([f"t{number}", f"t{number}", "same", "x"])),
        event_time=draw(_time(chosen, earlier)),
        customer_id=draw(st.sampled_from(["x", "xx"])),
        currency=draw(st.sampled_from([chosen.currency, chosen.currency, "USD"])),
        merchant_id=draw(st.sampled_from(["x", "xx", None])),
        merchant_category=draw(st.sampled_from(["Travel", None])),
        amount=draw(st.sampled_from([1, 0, None, 333, 10**14, 10**14 - 1])),
        channel=draw(perhaps_web),
        device_id=draw(st.sampled_from(["x", "y", None])),
        country=draw(country),
        attributes=draw(st.sampled_from([{}, {"credit_score": 650.5, "segment": "retail"}])),
    )


@st.composite
def _time(draw: st.DrawFn, chosen: Rules, earlier: list[Transaction]) -> int:
    if not earlier:
        return NEW_YEAR + draw(st.sampled_from([0, 1, 12 * HOUR, DAY - 1]))
    delay, lateness = chosen.label_delay_days * DAY, chosen.max_lateness_ms
    distances = [0, HOUR, DAY, 7 * DAY, 30 * DAY, -lateness, 30 * DAY + lateness, delay, delay + DAY, delay + 7 * DAY,
                 delay + 30 * DAY, chosen.bucket_ms, 2 * DAY]  # fmt: skip
    start = draw(st.sampled_from([earlier[-1].event_time, max(t.event_time for t in earlier), *_times(earlier)]))
    time = start + draw(st.sampled_from(distances)) + draw(st.sampled_from([0, 1, -1]))
    to_bucket, to_day = draw(st.sampled_from([(False, False), (True, False), (False, True)]))
    if to_bucket:
        time -= time % chosen.bucket_ms
    return time - time % DAY if to_day else time


def _times(earlier: list[Transaction]) -> list[int]:
    return [t.event_time for t in earlier]


@st.composite
def _label(draw: st.DrawFn, chosen: Rules, transactions: list[Transaction]) -> Label:
    transaction = draw(st.sampled_from(transactions))
    cutoff = cutoff_of(transaction.event_time, chosen.label_delay_days)
    opening = transaction.event_time // DAY * DAY
    at = draw(st.sampled_from([cutoff - 1, cutoff, opening, opening - 1, cutoff - DAY]))
    return Label(transaction.transaction_id, transaction.customer_id, draw(st.booleans()), at, "test")
