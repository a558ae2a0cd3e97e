"""What producers promise and consumers may rely on, in words: the descriptions of the channels."""

from risk.codec import MOST_ATTRIBUTES, MOST_CHARACTERS
from risk.diagnosis import MAX_BYTES, MAX_UNPACKED
from risk.rejects import KEPT, LARGEST_WHOLE
from risk.topics import ALERTS, FLAGS, LABELS, LEDGER, REJECTED, TRANSACTIONS

PRODUCER = (
    "The producer promises: before the first transaction of UTC day d is sent, every transaction and label dated "
    "before d is acknowledged."
)
BROKEN = (
    "Where the promise is broken, late ones are counted, the ledger of merchants does without them, and nothing else "
    "suffers."
)
SENDING = (
    "The Kafka timestamp is the moment of sending, never the time of the event: Kafka deletes by it, and a transaction "
    "dated more than an hour after it is rejected."
)
LIMITS = (
    f"A message of more than {MAX_BYTES:,} bytes is rejected, and so is one with a text of more than "
    f"{MOST_CHARACTERS:,} characters or with more than {MOST_ATTRIBUTES:,} attributes. A batch that unpacks to "
    f"more than {MAX_UNPACKED:,} bytes is not read: each of its messages is rejected."
)
REPEATS = (
    "A message may come more than once, after a crash: with the same bytes, the same id, the same partition. Values "
    "hold no clock and no chance: who computes them again from the log gets the same bytes. Messages come in the order "
    "of their source, apart from those that are sent again."
)
REBUILT = (
    "Only where the store was lost, and the bundle or the rule set with it, is a transaction scored again by others; "
    "bundle_version and rules_version tell them apart."
)
CHANGES = (
    "Within version 1, fields may be added, so readers pass over what they do not know. No field is removed, renamed, "
    "given another type, other values or another meaning; none that is always there becomes optional; none becomes "
    "required of producers. Version 2 of flags and alerts is sent on the same topics while a rule set is in force: it "
    "has all fields of version 1, with the same meaning, and decision, rules_version and rules, and is kept in the "
    "same way. Anything else would be another version, on a topic of its own."
)
_PLACE = "Partition: the number that the message it came from has on its topic."
_SENT = "The Kafka timestamp is the moment of sending."

OF_TOPIC: dict[str, str] = {
    TRANSACTIONS.name: (
        "Key: customer_id, as UTF-8; another key is rejected. All transactions of a customer go to one partition, in "
        "the order in which they happened, as far as the sender can; which one is up to the senders, all by one rule. "
        f"{PRODUCER} {BROKEN} {SENDING} {LIMITS} The same transaction sent again is counted and not scored again."
    ),
    LABELS.name: (
        "Key: customer_id, as UTF-8. Every label is kept; the one with the newest labelled_at counts, of equals the "
        f"one that came last. A label may come before its transaction. {PRODUCER} {BROKEN} {SENDING}"
    ),
    FLAGS.name: (
        f"One flag for each scored transaction; of version 2 where a rule set decided beside the model. "
        f"Key: customer_id, as UTF-8. {_PLACE} The id is source_topic, "
        f"source_partition and source_offset together. {REPEATS} {REBUILT} {_SENT}"
    ),
    ALERTS.name: (
        "One alert for each transaction that scored high, for downstream services to act on. Where a rule set decided "
        "beside the model, of version 2, and for each transaction of which model and rules together say alert or "
        f"review, whatever its level. Key: customer_id, as UTF-8. {_PLACE} The id is alert_id; handle each once, as "
        f"examples/alert_consumer.py does. {REPEATS} "
        f"{REBUILT} An alert is acknowledged before the flag of its transaction is sent. {_SENT}"
    ),
    REJECTED.name: (
        "Messages of transactions and labels that could not be used. Key and value are the original bytes, untouched, "
        f"whatever they are. Where both together have more than {LARGEST_WHOLE:,} bytes, of each that has more than "
        f"{KEPT:,} only so many are there: value-size and value-sha256 say what the whole is, which is still at its "
        "source. value-size is `unknown` where a batch was not unpacked. The headers say why, and where the message "
        f"came from, which is its id. {_PLACE} {REPEATS} {_SENT}"
    ),
    LEDGER.name: (
        "Closed days of the merchant ledger; one partition. Written and read by the scorers; others may read along. "
        "Key: day, label delay and bucket, such as 2024-04-24/7d/3600000ms. The parts of a day come before its end, "
        "perhaps between those of others; the first day that is whole counts for ever, and what comes for it later "
        "changes nothing. Retention must be unlimited: the scores are audited from it."
    ),
}
