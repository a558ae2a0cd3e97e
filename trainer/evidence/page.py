"""The report as one HTML file: nothing to fetch, readable on a screen, in the dark and on paper."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from risk.clock import to_text
from trainer.evidence import page_words as words
from trainer.evidence.page_facts import facts
from trainer.evidence.page_style import STYLE
from trainer.evidence.page_tables import (
    by_kind,
    folds,
    headline,
    models,
    money_tables,
    of_possible,
    tiles,
    why_champion,
)
from trainer.evidence.plot_files import inline_svg
from trainer.evidence.plots import Plot

COMPARING = ("precision_recall", "roc", "calibration", "scores", "confusion", "importances")
CHOOSING = ("cost", "alerts_recall")
WIDE = ("confusion", "importances")


def page(figures: Mapping[str, Any], about: Mapping[str, Any], plots: Sequence[Plot]) -> str:
    by_name = {plot.name: plot for plot in plots}
    currency = str(about.get("currency", ""))
    title = f"Report on {about.get('version', figures['champion'])}"
    test = figures["test"]
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p class=quiet>{escape(_subtitle(test))}</p>",
        f"<p class=lead>{headline(figures, currency)}</p>",
        tiles(figures, currency),
        "<h2>Models side by side</h2>",
        f"<p>All figures are of the same {test['transactions']:,} test transactions, which no model saw before; each "
        "model at its own threshold. <i>Baselines</i> are what must be beaten.</p>",
        models(figures),
        why_champion(figures),
        f"<p class=quiet>{escape(words.INTERVALS.format(resamples=figures['resamples']))}</p>",
        "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in words.METRICS.items())
        + "</dl>",
        of_possible(figures),
        folds(figures),
        _plots(by_name, COMPARING),
        by_kind(figures, currency),
        "<h2>Threshold and money</h2>",
        f"<p>{escape(words.CASE)}</p>",
        money_tables(figures, currency),
        _plots(by_name, CHOOSING),
        _external(figures, currency),
        "<h2>Data and method</h2>",
        _missing(figures["missing"]),
        facts(figures, about, currency),
    ]  # fmt: skip
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body><main>\n"
        + "\n".join(part for part in parts if part)
        + "\n</main></body></html>\n"
    )


def _subtitle(test: Mapping[str, Any]) -> str:
    if test["first"] is None:
        return "The test period is empty."
    return (
        f"Tested on {test['days']} days, {to_text(test['first'])[:10]} to {to_text(test['last'])[:10]}: "
        f"{test['transactions']:,} transactions of {test['customers']:,} customers, {test['frauds']:,} frauds"
    )


def _missing(sentences: Sequence[str]) -> str:
    if not sentences:
        return ""
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f"<div class=note>Not in this report:<ul>{items}</ul></div>"


def _external(figures: Mapping[str, Any], currency: str) -> str:
    external = figures.get("external")
    if not external:
        return ""
    return (
        f"<h2>On data of another source</h2><p>{escape(_subtitle(external['test']))}. {escape(words.EXTERNAL)}</p>"
        f"<p>{headline(external, currency)}</p>" + models(external) + of_possible(external)
    )


def _plots(by_name: Mapping[str, Plot], names: Sequence[str]) -> str:
    shown = []
    for name in names:
        if name in by_name:
            heading, text = words.PLOTS[name]
            kind = " class=wide" if name in WIDE else ""
            svg = inline_svg(by_name[name], escape(heading, quote=True))
            shown.append(f"<figure{kind}>{svg}<figcaption><b>{escape(heading)}</b>{escape(text)}</figcaption></figure>")
    return f"<div class=plots>{''.join(shown)}</div>" if shown else ""
