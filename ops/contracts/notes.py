"""What each field means, and what its type alone does not say: ranges, formats, patterns.

A note is found by `Type.field`, or else by `field` where a field means the same everywhere.
"""

from typing import Any

from msgspec import Struct

from risk.clock import EARLIEST, LATEST, to_text
from risk.money import LARGEST_MINOR

NO_NUL = "^[^\\u0000]*$"
_RANGE = f"from {to_text(EARLIEST)} until before {to_text(LATEST)}"


class Note(Struct, frozen=True):
    text: str
    keywords: dict[str, Any] = {}


def _text(text: str) -> Note:
    return Note(text, {"pattern": NO_NUL})


def _id(text: str) -> Note:
    return Note(text, {"minLength": 1, "pattern": NO_NUL})


def _count(text: str, least: int = 0) -> Note:
    return Note(text, {"minimum": least})


def _share(text: str) -> Note:
    return Note(text, {"minimum": 0, "maximum": 1})


NOTES: dict[str, Note] = {
    # transactions and labels
    "transaction_id": _id("The transaction's id. A customer may use it again after a month."),
    "customer_id": _id("Whose card or account was charged; the key of the message."),
    "event_time": Note(f"When it happened: RFC 3339 with a zone, {_RANGE}. Finer than a millisecond is cut off."),
    "currency": Note("ISO 4217 code; an unknown one is rejected.", {"pattern": "^[A-Z]{3}$"}),
    "merchant_id": _text("Who was paid. Null, empty or absent: not known."),
    "merchant_category": _text("Category of the merchant. Null, empty or absent: not known."),
    "amount": Note(
        "In the currency's major unit, such as 12.34; rounded to its minor unit; at most 10^14 of those. Null or "
        "absent: not known. Refunds are not scored.",
        {"minimum": 0, "maximum": LARGEST_MINOR},
    ),
    "channel": _text("How it was paid. Null, empty or absent: not known."),
    "device_id": _text("With which device. Null, empty or absent: not known."),
    "country": _text("Where. Null, empty or absent: not known."),
    "attributes": Note(
        "Whatever else is known, by name: numbers and texts.",
        {"propertyNames": {"pattern": NO_NUL}, "additionalProperties": {"pattern": NO_NUL}},
    ),
    "is_fraud": Note("What was found out."),
    "labelled_at": Note(
        f"When it was found out: RFC 3339 with a zone, {_RANGE}. Of several labels, the newest counts."
    ),
    "source": _text("Who found it out, such as a chargeback or an analyst."),
    # flags and alerts
    "schema_version": Note("The version of this contract."),
    "alert_id": Note(
        "UUIDv5 over customer, transaction, event time and bundle: the same alert has the same id however often it is "
        "sent. Handle each id once.",
        {"format": "uuid"},
    ),
    "transaction": Note("The transaction, as on its own topic."),
    "score": _share("Probability that the transaction is a fraud; a float64, written so that it reads back exactly."),
    "level": Note("What the score means by the bundle's thresholds."),
    "threshold": _share("From this score on the bundle calls a transaction high."),
    "reasons": Note("Why the score is high, the largest part first; empty below that level.", {"maxItems": 5}),
    "imputed": Note(
        "Numbers that the transaction came without (its amount, an attribute) and that were replaced by what is usual. "
        "Categories that were missing are not among them."
    ),
    "ledger_day": Note(
        "The newest closed UTC day of the merchant ledger that the score looked at; null where there was none yet."
    ),
    "bundle_version": Note("The model and all that was learned with it."),
    "catalogue_version": _count("The version of the features' definitions (docs/features.md).", least=1),
    "source_topic": Note("The topic of the transaction's message."),
    "source_partition": _count("The partition of the transaction's message, and of this one."),
    "source_offset": _count("The offset of the transaction's message. With topic and partition it names the message."),
    "history_days": _count(
        "In a cold start: how many whole days of the past the score could see, where that is less than the bundle's "
        "longest window looks at, so that a score of the same transaction with a longer past may differ. Left out "
        "otherwise."
    ),
    "share": Note(
        "While a challenger decides for a share of the customers: which two bundles decide, bundle_version among them. "
        "Left out otherwise."
    ),
    "Share.in_use": Note("The bundle that decides for the other customers."),
    "Share.challenger": Note("The bundle that decides for the share; a hash of it and the customer says for whom."),
    "Share.percent": Note("Of the customers, how many the share is of.", {"exclusiveMinimum": 0, "maximum": 50}),
    "Reason.feature": Note("The feature's name in docs/features.md."),
    "Reason.value": Note("What was seen: a number, a category, or null where it was missing."),
    "Reason.reference": Note("What is usual, as training learned it of all customers."),
    "Reason.contribution": _share("By how much the score drops when the feature alone has its usual value."),
    "Reason.sentence": Note("The same in words, for people who work alerts."),
    # where a rule set decides beside the model
    "decision": Note(
        "What becomes of the transaction, by model and rules together: the strictest of them, or none where a rule "
        "that is on allows. A message of high-risk-alerts says alert or review."
    ),
    "rules_version": Note("The rule set that decided beside the model."),
    "rules": Note(
        "The rules that fired, by name. Where they and what they compared would take more than 20,000 bytes, those "
        "that decide come first, and some come without their comparisons, or not at all."
    ),
    "rules_left_out": _count(
        "How many more rules fired, for which the message has no room. Left out where all that fired are there.",
        least=1,
    ),
    "FiredRule.rule": Note("Its name."),
    "FiredRule.action": Note("What it wants: alert, review or allow."),
    "FiredRule.mode": Note("A rule in the shadow is shown here, and decides nothing."),
    "FiredRule.sentence": Note("Why, in words, for people who work alerts."),
    "FiredRule.comparisons": Note("What it compared."),
    "Comparison.comparison": Note("The comparison as it is written in the rule."),
    "Comparison.holds": Note("Whether it holds; of those that are joined by or, not all need to."),
    "Comparison.value": Note("What stood on its left: a number, a text, or null where it was missing."),
    "Comparison.other": Note(
        "What stood on its right; null where that was missing, or is a constant. Of a list: why the value is in it."
    ),
    # the merchant ledger
    "kind": Note("A part holds rows of a day; the end says that the day is closed."),
    "day": Note("The closed UTC day."),
    "label_delay_days": _count("Days after which a label is taken to be known.", least=1),
    "bucket_ms": _count("Length of a bucket of event time.", least=1000),
    "digest": Note(
        "SHA-256 of the whole day; parts and end of one closing bear the same.", {"pattern": "^[0-9a-f]{64}$"}
    ),
    "part": _count("Number of this part, from 0."),
    "merchants": Note("The merchant of each row; rows are ordered by merchant and bucket."),
    "buckets": Note("When the bucket of each row begins, in ms since 1970-01-01T00:00:00Z."),
    "LedgerPart.transactions": Note("How many transactions each row counts."),
    "frauds": Note("How many of them were known as frauds in time."),
    "parts": _count("How many parts the day has."),
    "rows": _count("How many rows the parts have together."),
    "LedgerEnd.transactions": _count("How many transactions were scored on that day, with or without a merchant."),
}


def note_of(owner: str, field: str) -> Note:
    """KeyError where a field was added and nobody said what it means."""
    return NOTES.get(f"{owner}.{field}") or NOTES[field]
