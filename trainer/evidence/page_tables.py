"""The report's sentences and tables, out of the figures."""

from collections.abc import Mapping
from html import escape
from typing import Any

from evaluation.money import BY_AMOUNT
from trainer.evidence import page_words as words
from trainer.evidence.wording import (
    NOTHING,
    caution,
    champion_of,
    count,
    decimal,
    figure,
    fine,
    interval,
    money,
    per_day,
    probability_threshold,
    said,
    share,
    signed,
    table,
    threshold,
)

Figures = Mapping[str, Any]


def headline(figures: Figures, currency: str) -> str:
    """The report in two or three sentences; before them, a caution where they are too good to be true, and behind them
    what the money leaves out."""
    doubt = caution(figures)
    return (
        (f"<b>Caution:</b> {escape(doubt)} " if doubt else "")
        + _headline(figures, currency)
        + _without(figures, currency)
    )


def _without(figures: Figures, currency: str) -> str:
    test = figures["test"]
    if not test["amounts_missing"]:
        return ""
    known = f" in {escape(currency)}" if currency else ""
    return (
        f" {test['amounts_missing']:,} of {test['transactions']:,} transactions of the test have no amount{known}; "
        "they count as 0 in all figures of money."
    )


def _headline(figures: Figures, currency: str) -> str:
    winner, form = champion_of(figures), money(currency)
    flagged = winner["money"]
    name = f"<b>{escape(winner['name'])}</b>"
    if flagged["recall"]["value"] is None:
        per_day_said = said(flagged["alerts_per_day"]["value"], per_day)
        return (
            f"{name} raised {per_day_said} cases a day; what they were worth cannot be said, because the test period "
            "has no fraud."
        )
    if figures["flags_nothing"]:
        return f"{name} flags nothing: {words.FLAGS_NOTHING[figures['flags_nothing']]}. " \
               f"All {flagged['frauds_missed']:,} frauds of the test are missed."  # fmt: skip
    if not flagged["alerts"]:
        return f"{name} raised no alert in the test: no score reached its threshold there. " \
               f"All {flagged['frauds_missed']:,} frauds are missed."  # fmt: skip
    gain = flagged["gain"]["value"]
    verb = "saves" if gain >= 0 else "loses"
    better = next(each["champion_better_by"] for each in figures["policies"] if each["name"] == BY_AMOUNT)
    beside = ""
    if better["value"] is not None:
        word = "more" if better["value"] >= 0 else "less"
        beside = f", {escape(form(abs(better['value'])))} {word} than flagging as many customers by amount alone"
    return (
        f"{name} {verb} <b>{escape(form(abs(gain)))}</b> in {figures['test']['days']} days, reviews paid{beside}. "
        f"It raises {said(flagged['alerts_per_day']['value'], per_day)} cases a day; "
        f"{said(flagged['precision']['value'], share)} of them are on customers being defrauded, and "
        f"{said(flagged['recall']['value'], share)} of all frauds are caught."
    )


def tiles(figures: Figures, currency: str) -> str:
    flagged = champion_of(figures)["money"]
    shown = (
        ("saved, reviews paid", flagged["gain"], money(currency)),
        ("cases a day", flagged["alerts_per_day"], per_day),
        ("of cases are right (precision)", flagged["precision"], share),
        ("of frauds are caught (recall)", flagged["recall"], share),
    )
    made = (
        f"<div class=tile><b>{said(value['value'], form)}</b><span>{name}</span>"
        f"<small>{'95 %: ' if value['low'] is not None else ''}{interval(value, form)}</small></div>"
        for name, value, form in shown
    )
    return f"<div class=tiles>{''.join(made)}</div>"


def models(figures: Figures) -> str:
    possible = said(champion_of(figures)["card_precision_possible"], decimal)
    heads = ["", "average precision", "ROC-AUC", "Brier score", "precision", "recall", "F1", "accuracy",
             f"CP@100<small>of {possible} possible</small>", "ms per 1,000"]  # fmt: skip
    rows = []
    for each in figures["models"]:
        metrics = each["metrics"]
        cells = [
            _named(each, figures["champion"]),
            *(figure(metrics[name], decimal) for name in ("average_precision", "roc_auc")),
            figure(metrics["brier"], fine),
            *(figure(metrics[name], decimal) for name in ("precision", "recall", "f1")),
            figure(metrics["accuracy"], decimal),
            figure(metrics["card_precision"], decimal),
            said(each["milliseconds_per_1000_rows"], lambda value: f"{value:.2f}"),
        ]
        rows.append((_kind_of_row(each, figures["champion"]), cells))
    return table(heads, rows)


def why_champion(figures: Figures) -> str:
    """Where another model did better in the test, the reader will ask."""
    reached = {
        each["name"]: each["metrics"]["average_precision"]["value"]
        for each in figures["models"]
        if not each["is_baseline"]
    }
    own = reached[figures["champion"]]
    better = [escape(name) for name, value in reached.items() if own is not None and value is not None and value > own]
    text = f"{escape(figures['champion'])} is the champion: it had the highest average precision on validation."
    if better:
        text += f" In the test {' and '.join(better)} did better; but who chose by the test would judge by it no more."
    return f"<p>{text}</p>" if len(reached) > 1 else ""


def of_possible(figures: Figures) -> str:
    best = figures["best_possible"]
    if not best:
        return ""
    rows = [
        (
            _kind_of_row(each, figures["champion"]),
            [
                escape(each["name"]),
                figure(each["share_of_best"]["roc_auc"], share),
                figure(each["share_of_best"]["average_precision"], share),
            ],
        )
        for each in figures["models"]
        if each["share_of_best"]
    ]
    return (
        "<h3>Of what is possible</h3><p>The true probability of each transaction is known here. On these very rows it "
        f"reaches a ROC-AUC of {said(best['roc_auc']['value'], decimal)} and an average precision of "
        f"{said(best['average_precision']['value'], decimal)}; no model can do better but by luck. Shares of the "
        "ROC-AUC are counted above 0.5, which is chance.</p>"
        + table(["", "of the possible ROC-AUC", "of the possible average precision"], rows)
    )


def by_kind(figures: Figures, currency: str) -> str:
    kinds = champion_of(figures)["kinds"]
    if not kinds:
        return ""
    heads = ["", "frauds", _in("amount", currency)] + [escape(each["name"]) for each in figures["models"]]
    rows = []
    for place, kind in enumerate(kinds):
        recalls = [figure(each["kinds"][place]["recall"], share) for each in figures["models"]]
        rows.append(("", [escape(kind["kind"]), count(kind["frauds"]), count(kind["amount"]), *recalls]))
    return (
        "<h2>By kind of fraud</h2><p>Share of the frauds of each kind that were caught, each model at its own "
        "threshold. Kinds with few frauds have wide intervals.</p>" + table(heads, rows)
    )


def money_tables(figures: Figures, currency: str) -> str:
    costs, form = figures["costs"], money(currency)
    cap = costs["alerts_per_day"]
    capped = f", with at most {cap:g} cases a day" if cap is not None else ""
    text = (
        f"<p>The threshold was chosen on the validation period as the one of least cost{capped}: "
        f"{escape(form(costs['review_cost']))} for each case, and {costs['loss_rate']:g} &times; the amount of each "
        "fraud that is missed. Below is what it did in the test.</p>"
    )
    heads = ["", "threshold", "cases a day", "precision", "recall", "cases of good customers",
             *(_in(name, currency) for name in ("loss prevented", "reviews", "saved, reviews paid",
                                                "the model against it"))]  # fmt: skip
    rows = []
    for place, each in enumerate(figures["policies"]):
        flagged, better = each["money"], each["champion_better_by"]
        note = f"<small>{escape(each['meaning'])}</small>" if each["meaning"] else ""
        rows.append((
            "" if place else "chosen",
            [escape(words.POLICIES.get(each["name"], each["name"])) + note, said(each["threshold"], threshold),
             figure(flagged["alerts_per_day"], per_day), figure(flagged["precision"], share),
             figure(flagged["recall"], share), count(flagged["good_customers_flagged"]), count(flagged["saved"]),
             count(flagged["review"]), figure(flagged["gain"], count),
             figure(better, signed) if better else NOTHING],
        ))  # fmt: skip
    text += "<h3>Beside other policies</h3>" + table(heads, rows)
    return text + _levels(figures, currency) + _sweep(figures, currency)


def _levels(figures: Figures, currency: str) -> str:
    rows = [("", [escape(each["level"]), *_at(each)]) for each in figures["levels"]]
    return (
        "<h3>Levels</h3><p>Medium begins where there were three times as many cases in the validation period. It is "
        "for those who want to look further down.</p>" + table(_at_heads(currency), rows)
    )


def _at_heads(currency: str) -> list[str]:
    in_money = ("loss prevented", "loss not prevented", "reviews", "saved, reviews paid")
    return ["", "threshold", "cases a day", "precision", "recall", "cases of good customers",
            *(_in(name, currency) for name in in_money)]  # fmt: skip


def _at(each: Mapping[str, Any]) -> list[str]:
    return [said(each["threshold"], probability_threshold), said(each["alerts_per_day"], per_day),
            said(each["precision"], share), said(each["recall"], share), count(each["good_customers_flagged"]),
            count(each["saved"]), count(each["lost"]), count(each["review"]),
            count(each["saved"] - each["review"])]  # fmt: skip


def _sweep(figures: Figures, currency: str) -> str:
    rows = []
    for each in figures["sweep"]:
        chosen = each["is_chosen"]
        rows.append(("chosen" if chosen else "", ["in use" if chosen else "", *_at(each)]))
    return (
        "<h3>What other thresholds would have done</h3><p>The champion in the test period, at round numbers of cases "
        "a day. For reading: a threshold chosen on the test would look better than it is.</p>"
        + table(_at_heads(currency), rows)
    )


def folds(figures: Figures) -> str:
    given = figures.get("folds")
    if not given:
        return ""
    searched = f"<p>{escape(words.FOLDS_AFTER_SEARCH)}</p>" if figures.get("folds_follow_a_search") else ""
    rows = []
    for each in given:
        name = escape(each["name"]) + (f"<small>{escape(each['note'])}</small>" if each["note"] else "")
        areas = (said(each["average_precision"], decimal), said(each["roc_auc"], decimal))
        rows.append(("", [name, said(each["transactions"], count), said(each["frauds"], count), *areas]))
    return (
        "<h3>The champion, trained again on other parts of the data</h3><p>Each row is a training of its own, tested "
        "on what it did not learn from; in time order, from what came before its test. Where the rows differ "
        "much, so may the future.</p>"
        + table(["", "transactions", "frauds", "average precision", "ROC-AUC"], rows)
        + searched
    )


def _in(name: str, currency: str) -> str:
    return name + (f"<small>{escape(currency)}</small>" if currency else "")


def _named(each: Mapping[str, Any], champion: str) -> str:
    note = "champion" if each["name"] == champion else "baseline" if each["is_baseline"] else ""
    return escape(each["name"]) + (f"<small>{note}</small>" if note else "")


def _kind_of_row(each: Mapping[str, Any], champion: str) -> str:
    return "chosen" if each["name"] == champion else "baseline" if each["is_baseline"] else ""
