"""What a live comparison comes to, for a terminal: what is missing first, then what there is."""

from console.terminal import say, say_table
from evaluation.live import COUNTED, NOT_DUE, Agreement, LiveComparison, LiveEvaluation, Needed
from evaluation.result import NetMoney
from risk.events import LEVELS
from risk.words import counted
from trainer.compare.words import equal_work_lines, verdict


def say_live(found: LiveComparison, currency: str) -> None:
    say(f"{found.challenger} in the shadow of {found.in_use}, which is in use: {_rows(found)}")
    for text in found.missing:
        say(f"missing: {text}")
    if not found.agreement.transactions:
        return
    say()
    _say_agreement(found.agreement)
    _say_days(found)
    if found.judged is not None:
        _say_judged(found, found.judged, currency)


def _rows(found: LiveComparison) -> str:
    agreement = found.agreement
    if not agreement.transactions:
        return "no transaction that both scored"
    days = counted(agreement.days, "day", "days")
    return (
        f"{agreement.transactions:,} transactions that both scored, on {days} from {found.days[0].date} to "
        f"{found.days[-1].date}"
    )


def _say_agreement(agreement: Agreement) -> None:
    said = [f"both give {agreement.same_level:.2%} of them the same level"]
    if agreement.rank_correlation is not None:
        said.append(f"the correlation of their ranks is {agreement.rank_correlation:.3f}")
    say("; ".join(said))
    rows = [
        (f"in use: {level.value}", *(f"{count:,}" for count in counts))
        for level, counts in zip(LEVELS, agreement.levels, strict=True)
    ]
    say_table([("", *(f"challenger: {level.value}" for level in LEVELS)), *rows])
    say()
    cases, days = agreement.cases, agreement.days
    say(
        f"cases a day, each at its own threshold: {cases.in_use / days:,.2f} by the one in use, "
        f"{cases.challenger / days:,.2f} by the challenger; {cases.only_in_use / days:,.2f} and "
        f"{cases.only_challenger / days:,.2f} by one of the two alone"
    )


def _say_days(found: LiveComparison) -> None:
    waiting = [day.date for day in found.days if day.standing == NOT_DUE]
    if waiting:
        say(f"labels are not due yet: {counted(len(waiting), 'day', 'days')}, from {waiting[0]} to {waiting[-1]}")
    unlabelled = sum(day.unlabelled for day in found.days if day.standing == COUNTED)
    if unlabelled:
        say(f"without a label though it is due: {counted(unlabelled, 'transaction', 'transactions')}, which count as "
            "genuine")  # fmt: skip
    say()


def _say_judged(found: LiveComparison, judged: LiveEvaluation, currency: str) -> None:
    say(
        f"judged: {judged.transactions:,} transactions on {counted(judged.days, 'day', 'days')} from {judged.first} to "
        f"{judged.last}, {counted(judged.frauds, 'fraud', 'frauds')} of "
        f"{counted(judged.customers, 'customer', 'customers')}"
    )
    say()
    say("each at its own threshold")
    own = judged.own_thresholds
    rows = [_own(found.in_use, own.in_use), _own(found.challenger, own.challenger)]
    say_table(
        [("", "cases/day", "case precision", "case recall", f"saved, {currency}", f"less reviews, {currency}"), *rows]
    )
    equal = judged.equal_work
    if equal is None:
        return
    say()
    say(f"at equal work, {equal.cases_per_day:,.4g} cases a day each; the difference is the first less the second")
    lines = equal_work_lines(equal, judged.frauds, currency)
    shares = [
        (f"case {name}", _share(getattr(equal.money, name)), _share(getattr(equal.other_money, name)), "", "")
        for name in ("precision", "recall")
    ]
    say_table([*lines[:3], *shares, *lines[3:]])
    for text in verdict(equal, judged.frauds, currency):
        say(text)
    say()
    different = counted(judged.customers_different, "customer", "customers")
    say(f"caught by one of the two alone: {judged.only_one or 0:.1%} of the frauds; of {different} one catches more")
    seen, matters = judged.for_what_was_found, judged.for_what_matters
    if seen is not None:
        say(_takes(f"a difference as large as this one ({seen.difference:.1%} of the frauds)", seen, judged.days))
    if matters is not None:
        say(_takes(f"a difference of {matters.difference:.1%} of the frauds", matters, judged.days))


def _own(name: str, money: NetMoney) -> tuple[str, ...]:
    figures = _share(money.precision), _share(money.recall), f"{money.saved:,.0f}", f"{money.gain:,.0f}"
    return name, f"{money.alerts_per_day:,.2f}", *figures


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _takes(what: str, needed: Needed, days: int) -> str:
    """The power is 80 %."""
    more = f"{needed.more:,} more than there are" if needed.more else f"and there are {days:,}"
    all_days = counted(needed.days, "day", "days")
    return f"so that it is found four times in five, {what} takes {all_days} whose labels are due, {more}"
