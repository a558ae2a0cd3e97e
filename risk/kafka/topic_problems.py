"""What is wrong with the topics that are there, in words a person can act on."""

from collections.abc import Sequence

from risk.kafka.topic_states import (
    AHEAD,
    LARGEST_INPUT,
    MOST_AHEAD_MS,
    UNLIMITED,
    TopicState,
    is_input,
    largest_message,
)
from risk.topics import Topics

COMMAND = "python -m producer topics"


def topology_errors(states: Sequence[TopicState], topics: Topics, partitions: int | None = None) -> list[str]:
    """What no program can work with. Without `partitions`, those of `transactions` are what all must have."""
    counts = {state.name: state.partitions for state in states}
    missing = [name for name, count in counts.items() if not count]
    found = [f"not there: {', '.join(missing)}; make what is missing with `{COMMAND}`"] if missing else []
    wanted = partitions or counts.get(topics.transactions, 0)
    for state in states:
        if state.name == topics.ledger:
            # A broker that makes topics by itself cannot be told how many partitions; all but the first stay empty.
            expected = 1 if state.retention_ms is not None else state.partitions
        else:
            expected = wanted
        if state.partitions and expected and state.partitions != expected:
            found.append(
                f"{state.name}: got {state.partitions} partitions, expected {expected}; the number cannot change once "
                "there are messages: delete the topic and make it again, or take another TRUSTLENS_TOPIC_PREFIX"
            )
    for state in states:
        if not is_input(topics, state.name) and (state.largest_message or LARGEST_INPUT) < LARGEST_INPUT:
            found.append(
                f"{state.name}: got max.message.bytes={state.largest_message}, expected {LARGEST_INPUT} or more: "
                "what a worker sends must fit, or it would end every worker; set it with `kafka-configs.sh --alter "
                f"--entity-type topics --entity-name {state.name} --add-config max.message.bytes="
                f"{largest_message(topics, state.name)}`"
            )
    return found


def compaction_errors(states: Sequence[TopicState], topics: Topics) -> list[str]:
    """Inputs that keep no more than the newest message of each key: of no use to who counts on every message."""
    return [
        _wrong(state.name, "cleanup.policy", state.cleanup, "delete")
        for state in states
        if is_input(topics, state.name) and state.cleanup not in (None, "delete")
    ]


def retention_warnings(states: Sequence[TopicState], topics: Topics, retention_ms: int = UNLIMITED) -> list[str]:
    """What takes messages away, out of a log that everything is rebuilt from, or lets one in that moves time for all
    of them."""
    found = []
    for state in states:
        settings: list[tuple[str, int | str, int | str]] = []
        if state.retention_ms is not None and _is_shorter(state.retention_ms, retention_ms):
            settings.append(("retention.ms", state.retention_ms, retention_ms))
        if state.retention_bytes is not None and state.retention_bytes != UNLIMITED:
            settings.append(("retention.bytes", state.retention_bytes, UNLIMITED))
        if state.cleanup is not None and state.cleanup != "delete":
            settings.append(("cleanup.policy", state.cleanup, "delete"))
        if state.largest_message is not None and state.largest_message < largest_message(topics, state.name):
            settings.append(("max.message.bytes", state.largest_message, largest_message(topics, state.name)))
        if is_input(topics, state.name) and state.ahead_ms is not None and state.ahead_ms > MOST_AHEAD_MS:
            settings.append((AHEAD, state.ahead_ms, MOST_AHEAD_MS))
        found += [_wrong(state.name, name, got, expected) for name, got, expected in settings]
    return found


def _wrong(topic: str, name: str, got: object, expected: object) -> str:
    return (
        f"{topic}: got {name}={got}, expected {expected}; set it with `kafka-configs.sh --alter --entity-type "
        f"topics --entity-name {topic} --add-config {name}={expected}`"
    )


def problems(
    states: Sequence[TopicState], topics: Topics, *, partitions: int | None = None, retention_ms: int = UNLIMITED
) -> list[str]:
    return topology_errors(states, topics, partitions) + retention_warnings(states, topics, retention_ms)


def _is_shorter(got: int, wanted: int) -> bool:
    return got != UNLIMITED and (wanted == UNLIMITED or got < wanted)
