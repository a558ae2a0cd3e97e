"""What the names of columns say: the words that people put into them."""

import re

LABEL = frozenset({"fraud", "fraudulent", "isfraud", "label", "class", "target", "chargeback", "scam", "outcome"})
LABEL_NOT = frozenset({"flag", "flagged", "score", "probability", "rule", "risk"})
FRAUD_KIND = frozenset({"scenario", "kind", "type", "pattern", "modus"})
LABEL_TIME = frozenset({"labelled", "labeled", "reported", "confirmed", "chargeback"})
TIME = frozenset({"time", "date", "datetime", "timestamp", "ts", "when", "moment", "at", "step", "unix", "epoch"})
TIME_NOT = frozenset(
    {"birth", "dob", "birthday", "expiry", "expires", "expiration", "since", "open", "opened", "signup", "joined"}
)
AMOUNT = frozenset({"amount", "amt", "value", "price", "sum", "total", "paid", "charge"})
AMOUNT_NOT = frozenset({"old", "new", "balance", "oldbalance", "newbalance", "limit", "average", "avg", "mean", "max"})
TRANSACTION = frozenset({"transaction", "trans", "tx", "txn", "trx", "payment", "order", "event", "operation"})
ID = frozenset({"id", "num", "number", "no", "nr", "key", "uuid", "ref", "reference", "code", "hash"})
CUSTOMER = frozenset(
    {"customer", "client", "user", "account", "acct", "card", "cc", "cardholder", "holder", "payer", "sender", "orig",
     "origin", "member", "person", "pan", "iban"}
)  # fmt: skip
MERCHANT = frozenset(
    {"merchant", "terminal", "shop", "store", "dest", "destination", "payee", "vendor", "seller", "beneficiary",
     "recipient", "receiver", "retailer"}
)  # fmt: skip
# A property of the customer or merchant is not its id.
PROPERTY = frozenset(
    {"type", "brand", "category", "limit", "balance", "oldbalance", "newbalance", "age", "network", "bank", "city",
     "state", "zip", "lat", "long", "latitude", "longitude", "country", "gender", "risk", "score", "present", "mcc",
     "population", "pop", "tenure", "job", "amount", "count", "currency", "device", "channel", "fraud", "time", "date"}
)  # fmt: skip
CATEGORY = frozenset({"category", "mcc", "industry", "sector"})
CHANNEL = frozenset({"channel", "type", "method", "mode", "entry"})
COUNTRY = frozenset({"country"})
DEVICE = frozenset({"device"})
CURRENCY = frozenset({"currency", "ccy"})
# They point at one person; what they could teach does not carry over to the next.
PERSONAL = frozenset(
    {"first", "last", "name", "surname", "firstname", "lastname", "street", "address", "email", "mail", "phone"}
)
INDEX = frozenset({"index", "row", "unnamed", "column"})

UNITS = {
    "nanoseconds": {"ns", "nanos", "nanoseconds"},
    "microseconds": {"us", "micros", "microseconds"},
    "milliseconds": {"ms", "millis", "milliseconds"},
    "seconds": {"s", "sec", "secs", "second", "seconds", "time"},
    "minutes": {"min", "mins", "minute", "minutes"},
    "hours": {"h", "hour", "hours", "step", "steps"},
    "days": {"d", "day", "days", "date"},
}

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def words_of(name: str) -> frozenset[str]:
    """TX_DATETIME is tx and datetime, nameOrig is name and orig; the whole name squeezed together counts too."""
    words = {word.lower() for word in _WORD.findall(name)}
    return frozenset(words | {"".join(character for character in name.lower() if character.isalnum())})


def unit_of(words: frozenset[str]) -> str | None:
    """The unit that a name names; the exact one before what "time" usually is."""
    for unit, names in UNITS.items():
        if words & (names - {"time", "date"}):
            return unit
    return next((unit for unit, names in UNITS.items() if words & names), None)
