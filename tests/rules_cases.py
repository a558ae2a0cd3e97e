"""Random expressions, and rows to try them on: what both halves of the tests of rules draw from."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from risk.block import Block, block_of
from risk.catalogue import ALL_FIELDS, FeatureSet
from risk.clock import DAY
from risk.codes import Array
from risk.engine import FeatureBlock, Verdict
from risk.events import Action, Mode, Transaction
from risk.rules.language import TEXT_FIELDS, WEEKDAYS, Type, names_of, parse, text_of
from risk.rules.rule_set import ListEntry, Rule, RuleSet
from tests.rules_oracle import Row, Value

NOON = 1714564800000  # a Wednesday
ATTRIBUTES = {"hint": Type.NUMBER, "card-type": Type.TEXT, "far": Type.NUMBER, "note": Type.TEXT}
# The last two are attributes that no bundle knows: read out of the transaction itself.
FEATURE_SET = FeatureSet(ALL_FIELDS, ("hint",), ("card-type",))
NAMES = names_of(ATTRIBUTES)
NUMBERS = ("amount", "hour", "customer_count_1h", "seconds_since_last", "score", "attribute_hint", "attribute_far")
FLAGS = ("night", "weekend", "new_device_30d")
WORDS = ("DE", "US", "C1", "5411", "ab \U0001f600'\"\\")
TEXTS = ("country", "customer_id", "merchant_id", "attribute_note", 'attribute("card-type")')
LISTS = ("watched", "home")

_numbers = st.sampled_from([0.0, 1.0, -1.0, 0.1, 3.0, 22.0, 500.0, 1e15]) | st.floats(-1e6, 1e6)


def _literal(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def number_texts(depth: int) -> st.SearchStrategy[str]:
    leaf = st.sampled_from(NUMBERS) | _numbers.map(lambda number: f"{number!r}")
    if not depth:
        return leaf
    inner = number_texts(depth - 1)
    return (
        leaf
        | st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda three: f"({three[0]} {three[1]} {three[2]})")
        | inner.map(lambda one: f"-({one})")
    )


def _comparisons() -> st.SearchStrategy[str]:
    numbers, names = number_texts(2), st.sampled_from(TEXTS)
    ops, equal = st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), st.sampled_from(["==", "!="])
    words = st.sampled_from(WORDS).map(_literal)
    # A score is compared with numbers that it can be alone.
    bare, lists = (
        st.sampled_from([name for name in NUMBERS if name != "score"]),
        st.sampled_from(LISTS).map('list("{}")'.format),
    )
    return st.one_of(
        st.tuples(bare, ops, numbers).map(" ".join),
        st.tuples(st.just("score"), ops, st.floats(0, 1).map(repr)).map(" ".join),
        st.tuples(numbers, ops, bare, ops, numbers).map(" ".join),
        st.tuples(names, equal, words | names).map(" ".join),
        st.tuples(words, equal, names).map(" ".join),
        st.tuples(st.just("weekday"), equal, st.sampled_from(WEEKDAYS).map(_literal)).map(" ".join),
        st.tuples(names, st.sampled_from(["in", "not in"]), lists).map(" ".join),
        st.tuples(names | bare, st.sampled_from(["is missing", "is not missing"])).map(" ".join),
        st.tuples(bare, st.just("/"), bare, st.just("is missing")).map(" ".join),
        st.sampled_from(FLAGS),
    )  # fmt: skip


def conditions() -> st.SearchStrategy[str]:
    return st.recursive(
        _comparisons(),
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda three: f"({' '.join(three)})"),
            inner.map(lambda one: f"not ({one})"),
        ),
        max_leaves=6,
    )


class Case(NamedTuple):
    """Rows, some of them not scored, and lists."""

    block: Block
    features: FeatureBlock
    rows: Array
    scores: Array
    lists: Mapping[str, Sequence[ListEntry]]

    def oracle_rows(self) -> list[Row]:
        found = []
        for place, row in enumerate(self.rows.tolist()):
            one = self.block[row]
            values: dict[str, Value] = {name: getattr(one, name) for name in TEXT_FIELDS}
            for name, column in self.features.columns.items():
                number = float(self.features.values[row, column])
                values[name] = None if np.isnan(number) else number
            values |= {
                "score": float(self.scores[place]),
                "weekday": WEEKDAYS[(one.event_time // DAY + 3) % 7],
                "attribute_card-type": self.features.categories["attribute_card-type"][row],
            }
            far, note = one.attributes.get("far"), one.attributes.get("note")
            values["attribute_far"] = far if isinstance(far, float) else None
            values["attribute_note"] = str(int(note)) if isinstance(note, float) else note
            found.append(Row(values, one.event_time, self.lists))
        return found


_maybe_word = st.none() | st.sampled_from(WORDS)
_feature_numbers = st.just(float("nan")) | st.sampled_from([0.0, 1.0, 3.0, 22.0, 500.0, 1e300]) | st.floats(-1e9, 1e9)
_moments = st.sampled_from([NOON - DAY, NOON, NOON + 1, NOON + DAY, NOON + 2 * DAY])


@st.composite
def entries(draw: st.DrawFn) -> ListEntry:
    entity = draw(st.sampled_from(["country", "customer_id", "merchant_id", "attribute_note", "attribute_card-type"]))
    since, until = draw(st.none() | _moments), draw(st.none() | _moments)
    return ListEntry(entity, draw(st.sampled_from(WORDS)), since, until, "because")


@st.composite
def cases(draw: st.DrawFn) -> Case:
    count = draw(st.integers(1, 6))
    transactions, numbers, categories = [], [], []
    columns = {feature.name: place for place, feature in enumerate(FEATURE_SET.numbers)}
    for place in range(count):
        attributes: dict[str, float | str] = {}
        if draw(st.booleans()):
            attributes["far"] = draw(st.sampled_from([0.0, 7.5, 1e300, "text"]))
        if draw(st.booleans()):
            attributes["note"] = draw(st.sampled_from(["DE", "5411", 5411.0]))
        transactions.append(
            Transaction(
                f"T{place}", draw(_moments), draw(st.sampled_from(WORDS)), "EUR", draw(_maybe_word),
                country=draw(_maybe_word), attributes=attributes,
            )
        )  # fmt: skip
        drawn = {name: draw(_feature_numbers) for name in NUMBERS if name in columns}
        drawn |= {name: draw(st.sampled_from([float("nan"), 0.0, 1.0])) for name in FLAGS}
        numbers.append([drawn.get(name, 0.0) for name in columns])
        categories.append(draw(_maybe_word))
    rows = np.array(sorted(draw(st.sets(st.integers(0, count - 1), min_size=1))))
    features = FeatureBlock(
        np.array(numbers), columns, {"attribute_card-type": categories}, np.full(count, Verdict.SCORED),
        np.zeros(count, np.int64),
    )  # fmt: skip
    lists = {name: draw(st.lists(entries(), max_size=5)) for name in LISTS}
    scores = np.array([draw(st.floats(0, 1)) for _ in rows])
    return Case(block_of(transactions), features, rows, scores, lists)


def rule(when: str, name: str = "one", **fields: object) -> Rule:
    """On, for review, unless said otherwise."""
    given = {"action": Action.REVIEW, "mode": Mode.ON, "sentence": "because", "owner": "ana", **fields}
    return Rule(name=name, when=text_of(parse(when, NAMES)), **given)  # type: ignore[arg-type]


def rule_set(*rules: Rule, lists: Mapping[str, Sequence[ListEntry]] | None = None) -> RuleSet:
    return RuleSet(rules, ATTRIBUTES, {name: tuple(each) for name, each in (lists or {}).items()})
