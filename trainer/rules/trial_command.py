"""rules test: the command, and what it says."""

import argparse
from contextlib import nullcontext
from pathlib import Path

from console.options import checked_target, settings_of
from console.terminal import notice, progress, say, say_table, warn
from risk.bundle import Bundle, read_bundle
from risk.clock import DAY, to_date
from risk.dataset import Dataset
from risk.dataset.labels_file import LabelsFile
from risk.errors import DatasetError
from risk.events import Action
from risk.rules.rule_set import NO_RULES, RuleSet
from risk.words import counted
from trainer.backtest import checks
from trainer.backtest.figures import figures_for
from trainer.backtest.period import asked_period
from trainer.backtest.tally import Outcome
from trainer.rules.saved import named_or_in_force, named_rules, rules_beside
from trainer.rules.trial import RuleTrial, Trial, matches_file


def run_trial(options: argparse.Namespace) -> int:
    bundle, target = read_bundle(options.bundle), options.matches
    rules = _rules(options, bundle)
    against = named_or_in_force(options, options.against, "--against")
    if target is not None:
        inputs = [path for path in (options.history, options.columns, options.labels) if path is not None]
        checked_target("--matches", target, ".csv", force=options.force, inputs=inputs)
    period = asked_period(options.since, options.until)
    ready = checks.opened(
        options.history,
        [bundle],
        options.columns,
        options.labels,
        without_labels=options.without_labels,
        period=period,
        chunk_rows=settings_of(options).chunk_rows,
    )
    checks.warn_of_training_data([bundle], ready.within)
    trial = Trial(bundle, rules, against, period)
    writing = nullcontext() if target is None else matches_file(target)
    with writing as matches, progress("rules", ready.dataset.row_count) as advance:
        trial.run(ready.dataset, ready.labels, matches, advance)
    if not trial.by_model.tallies.total.transactions:
        raise DatasetError(
            f"{options.history}: got no transaction to score in the period, expected some. Choose other days, or see "
            "what inspect says of the file."
        )
    for missing in ready.missing:
        say(missing.headline)
        say()
    _say_rules(trial)
    _say_set(trial, rules, options.against)
    _say_how_far(trial, ready.dataset, ready.labels, ready.within[1])
    if target is not None:
        say(f"matches: {target}")
    return 0


def _rules(options: argparse.Namespace, bundle: Bundle) -> RuleSet:
    if options.what.endswith(".toml"):
        return rules_beside(Path(options.what), bundle.manifest).rule_set
    return named_rules(settings_of(options).rules, options.what, "FILE|VERSION: ", "a file that ends in .toml, or ")


def _say_rules(trial: Trial) -> None:
    total, currency = trial.by_model.tallies.total, trial.manifest.currency
    has_labels = bool(total.labelled)
    transactions = counted(total.transactions, "transaction", "transactions")
    say(f"{transactions} scored by {trial.manifest.version}, {counted(trial.days, 'day', 'days')}; money in {currency}")
    say("each rule alone; then, with +, what it adds to the model, or takes from it")
    titles = ["rule", "action", "mode", "transactions", "cases/day"]
    if has_labels:
        titles += ["frauds", "good customers"]
    titles += ["+cases/day"]
    if has_labels:
        titles += ["+frauds", "+good", "+saved", "+net"]
    say_table([titles, *(_cells(trial, rule, has_labels=has_labels) for rule in trial.rules)], left=3)
    if has_labels:
        say("transactions: those that the rule fired on; frauds: those among them, and what the customer lost later on")
        say("that day, for a case stops it: so they may be more than transactions; +frauds: those the model misses;")
        say("good customers: days of customers with a match and without a fraud; +net: saved less the cost of reviews")
    for rule in trial.rules:
        if not rule.transactions:
            notice(f"rule {rule.rule.name} fired on no transaction")
    say()


def _cells(trial: Trial, rule: RuleTrial, *, has_labels: bool) -> list[str]:
    alone, beside, model = rule.alone.outcome, rule.beside.outcome, trial.by_model.outcome
    # What an `allow` matches is worked by nobody: alone, it has no cases.
    is_worked = rule.rule.action is not Action.ALLOW
    cells = [rule.rule.name, rule.rule.action, rule.rule.mode, f"{rule.transactions:,}"]
    cells += [f"{alone.alerts / trial.days:,.1f}" if is_worked else "-"]
    if has_labels:
        cells += [f"{alone.frauds_caught:,}" if is_worked else "-", f"{alone.good_customers_flagged:,}"]
    cells += [f"{(beside.alerts - model.alerts) / trial.days:+,.1f}"]
    if has_labels:
        cells += [
            _more(beside.frauds_caught, model.frauds_caught),
            _more(beside.good_customers_flagged, model.good_customers_flagged),
            _more(beside.saved, model.saved),
            _more(_net(beside), _net(model)),
        ]
    return cells


def _more(one: float | None, other: float | None) -> str:
    return "-" if one is None or other is None else f"{one - other:+,.0f}"


def _net(outcome: Outcome) -> float | None:
    return None if outcome.saved is None else outcome.saved - outcome.review


_ALONE = f"compared with the model alone, as --against {NO_RULES} says"


def _say_set(trial: Trial, rules: RuleSet, against: str | None) -> None:
    sides = [("the model alone", trial.by_model)]
    if trial.other is not None and trial.before is not None:
        sides.append((f"with {trial.other.version}", trial.before))
    sides.append((f"with {rules.version}, as tested", trial.with_rules))
    figures = figures_for([cases.tallies.total for _, cases in sides])
    say("the whole set, as it would decide; a case is a customer's alerts and reviews of a day")
    lines = [(name, *(one.text(one.of(cases.outcome, trial.days)) for one in figures)) for name, cases in sides]
    say_table([("", *(figure.name for figure in figures)), *lines])
    if trial.other is None:
        say("no rule set is in force to compare with" if against is None else _ALONE)
    elif trial.other.version == rules.version:
        say(f"{rules.version} is in force already" if against is None else f"{rules.version} is compared with itself")
    say()


def _say_how_far(trial: Trial, dataset: Dataset, labels: LabelsFile | None, last: int) -> None:
    total = trial.by_model.tallies.total
    if not total.labelled:
        say("no labels: what was a fraud, and so what the rules would catch or cost, cannot be said")
        return
    if total.labelled < total.transactions:
        warn(f"{trial.by_model.tallies.unlabelled}. Frauds among them are not counted")
    if labels is None and dataset.column_map.labelled_at is None:
        notice("labels have no time (labelled_at): whether the frauds of the last days are all reported cannot be said")
        return
    day = trial.unreported_from(last)
    if day is not None:
        delay = trial.manifest.label_delay_days
        known = to_date((trial.labels_known_until or 0) // DAY)
        warn(
            f"labels were learned until {known}: from {to_date(day)} on, frauds may not be reported yet, for that "
            f"takes up to {delay} days; too few are counted there"
        )
