"""What a live comparison comes to, for a terminal: what is missing first, then what there is."""

from collections.abc import Callable

from console.terminal import say, say_table
from evaluation.live import Agreement, LiveComparison, LiveEvaluation, Needed
from evaluation.live_days import COUNTED, NOT_DUE
from evaluation.result import Figure, NetMoney
from evaluation.share_groups import Group, Groups
from risk.events import LEVELS
from risk.words import counted
from trainer.compare.words import equal_work_lines, verdict


def say_live(found: LiveComparison, currency: str) -> None:
    say(f"{found.challenger} in the shadow of {found.in_use}, which is in use: {_rows(found)}")
    for text in found.missing:
        say(f"missing: {text}")
    given = sum(day.given for day in found.days)
    if given:
        whole = sum(day.transactions + day.others for day in found.days) + given
        say(
            f"{given:,} of the {whole:,} transactions of these days {found.challenger} decided itself, for its share "
            "of the customers: no figure of what both scored has them"
        )
    if found.agreement.transactions:
        _say_both(found, currency)
    if found.groups is not None:
        _say_groups(found, found.groups, currency)
    elif given:
        say("how the customers of its share fared, and how the others, cannot be said yet: no day of the newest share "
            "can be judged")  # fmt: skip


def _say_both(found: LiveComparison, currency: str) -> None:
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
    why_not, low = found.why_no_evidence, equal.frauds_caught.low
    if why_not is not None and low is not None and low > 0:  # else the interval says it
        say(f"that is not yet the evidence that `promote --challenger` asks for: {why_not}")
    say()
    different = counted(judged.customers_different, "customer", "customers")
    say(f"caught by one of the two alone: {judged.only_one or 0:.1%} of the frauds; of {different} one catches more")
    seen, matters = judged.for_what_was_found, judged.for_what_matters
    if seen is not None:
        say(_takes(f"a difference as large as this one ({seen.difference:.1%} of the frauds)", seen, judged.days))
    if matters is not None:
        say(_takes(f"a difference of {matters.difference:.1%} of the frauds", matters, judged.days))


def _say_groups(found: LiveComparison, groups: Groups, currency: str) -> None:
    """Each customer is in one of the two, so whoever has more of them has more of everything but shares."""
    mine, theirs = groups.challenger, groups.in_use
    say()
    say(
        f"the customers of its share of {groups.percent:g} %, since {groups.since}, and the others: what was sent to "
        f"people, by model and rules, on {counted(groups.days, 'day', 'days')} from {groups.first} to {groups.last}"
    )
    whole = mine.customers + theirs.customers
    say(
        f"a hash says who belongs to the share: {mine.customers / whole:.1%} of these {whole:,} customers; the "
        "difference is the challenger's less that of the bundle in use"
    )
    counts: list[tuple[str, Callable[[Group], str]]] = [
        ("customers", lambda one: f"{one.customers:,}"),
        ("transactions", lambda one: f"{one.transactions:,}"),
        ("alerts and reviews", lambda one: f"{one.worked:,}"),
        ("cases/day", lambda one: f"{one.money.alerts_per_day:,.2f}"),
        ("frauds", lambda one: f"{one.money.frauds_caught + one.money.frauds_missed:,}"),
        ("frauds caught", lambda one: f"{one.money.frauds_caught:,}"),
        (f"saved, {currency}", lambda one: f"{one.money.saved:,.0f}"),
        (f"less reviews, {currency}", lambda one: f"{one.money.gain:,.0f}"),
    ]
    shares: list[tuple[str, Callable[[Group | Groups], Figure]]] = [
        ("days of a customer with a case", lambda one: one.case_rate),
        ("case precision", lambda one: one.precision),
        ("case recall", lambda one: one.recall),
    ]
    say_table(
        [
            ("", found.challenger, found.in_use, "difference", "95 % interval"),
            *((name, of(mine), of(theirs), "", "") for name, of in counts),
            *(
                (name, _with_interval(of(mine)), _with_interval(of(theirs)), *_points(of(groups)))
                for name, of in shares
            ),
        ]
    )


def _with_interval(figure: Figure) -> str:
    if figure.low is None or figure.high is None:
        return _share(figure.value)
    return f"{_share(figure.value)} ({figure.low:.1%} to {figure.high:.1%})"


def _points(difference: Figure) -> tuple[str, str]:
    if difference.value is None or difference.low is None or difference.high is None:
        return "-", "-"
    return f"{difference.value:+.1%}", f"{difference.low:+.1%} to {difference.high:+.1%}"


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
