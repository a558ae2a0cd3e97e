"""The report as one HTML file: nothing to fetch, readable on a screen, in the dark and on paper.

Its sentences and tables are in `templates/`, over an Evaluation; what a template cannot say well is here.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from evaluation.money import BY_AMOUNT, IN_USE
from evaluation.result import Evaluation
from risk.catalogue import CATEGORY_FEATURES, DIRECT_FEATURES, HISTORY_FEATURES, LEDGER_FEATURES
from risk.clock import day_of, to_text
from trainer.report import wording
from trainer.report.plot_style import Plot, inline_svg

TEMPLATES = Path(__file__).parent / "templates"
# Sections whose rows are called as they are written: LightGBM's option, a library, a stage.
NAMED = ("libraries", "hyper-parameters", "seconds that each stage took")
MEANINGS = {
    feature.name: feature.meaning
    for feature in (*DIRECT_FEATURES, *CATEGORY_FEATURES, *HISTORY_FEATURES, *LEDGER_FEATURES)
}
# As metrics.json calls them, by the older word.
POLICIES = {BY_AMOUNT: "amount alone, as many cases"}


def page(evaluation: Evaluation, about: Mapping[str, Any], plots: Sequence[Plot]) -> str:
    by_name = {plot.name: plot for plot in plots}
    currency = str(about.get("currency", ""))
    sections = {name: value for name, value in about.items() if isinstance(value, Mapping)}
    return _with_contents(
        _environment(is_html=True)
        .get_template("report.html")
        .render(
            title=f"Report on {about.get('version', evaluation.champion)}",
            evaluation=evaluation,
            currency=currency,
            money=wording.money(currency),
            plots=by_name,
            drawn=lambda name, heading: inline_svg(by_name[name], escape(heading)),
            plain_facts={name: value for name, value in about.items() if name not in sections},
            sections={name: rows for name, rows in sections.items() if rows},
        )
    )


CONTENTS = "<nav></nav>"  # where the list of sections stands, once it is known which there are


def _with_contents(text: str) -> str:
    sections = re.findall(r"<h2 id=([\w-]+)>(.*?)</h2>", text)
    links = "".join(f'<a href="#{place}">{heading}</a>' for place, heading in sections)
    return text.replace(CONTENTS, f"<nav>{links}</nav>", 1)


CARD_FACTS = ("file", "SHA-256 of the file", "transactions", "from", "to", "currency", "label delay", "features")


def model_card(evaluation: Evaluation, about: Mapping[str, Any]) -> str:
    """In Markdown: what a reviewer of models asks first."""
    text = (
        _environment(is_html=False)
        .get_template("model-card.md")
        .render(
            name=_markdown(about.get("version", evaluation.champion)),
            evaluation=evaluation,
            champion=evaluation.winner,
            about=about,
            money=wording.money(str(about.get("currency", ""))),
            doubt=wording.caution(evaluation),
            FACTS=CARD_FACTS,
            said=wording.with_interval,
        )
    )
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _markdown(value: Any) -> str:
    """Names come from data: shown as they are, and no markup."""
    return re.sub(r"([\\`*_{}\[\]<>#|!~$&])", r"\\\1", " ".join(_plain_value(value).split()))


@cache
def _environment(*, is_html: bool) -> Environment:
    """Whatever a name from the data holds is text, and a name that a template gets wrong is an error. One for all pages
    of a kind: to compile the templates takes several times as long as to fill them in."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=is_html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    forms = (wording.share, wording.decimal, wording.fine, wording.count, wording.per_day, wording.milliseconds,
             wording.threshold, wording.probability_threshold, wording.signed, wording.lift, wording.setting,
             wording.caution, wording.few_frauds_of, wording.why_not_exact)  # fmt: skip
    environment.globals |= {form.__name__: form for form in forms}
    environment.globals |= {
        "NOTHING": wording.NOTHING,
        "FLAGS_NOTHING": wording.FLAGS_NOTHING,
        "in_use_sentences": wording.in_use_sentences,
        "DRAWN_AT_RANDOM": wording.DRAWN_AT_RANDOM,
        "MONEY_TAKES_FOR_GRANTED": wording.MONEY_TAKES_FOR_GRANTED,
        "LATE_LABELS": wording.LATE_LABELS,
        "FOLDS_AFTER_CHOICE": wording.FOLDS_AFTER_CHOICE,
        "IN_USE": IN_USE,
        "POLICIES": POLICIES,
        "NAMED": NAMED,
        "CONTENTS": CONTENTS,
        "better_in_test": _better_in_test,
        "better_than_amount": _better_than_amount,
        "has_silent_days": lambda test: test.days < day_of(test.last) - day_of(test.first) + 1,
        "MEANINGS": MEANINGS,
        "date": lambda when: to_text(when)[:10],
        "plain_value": _plain_value,
        "sentence_case": _sentence_case,
    }
    environment.filters["plain"] = _markdown
    return environment


def _better_in_test(evaluation: Evaluation) -> list[str]:
    """Models that did better than the champion: the reader will ask."""
    own = evaluation.winner.metrics.average_precision.value
    reached = {
        model.name: model.metrics.average_precision.value for model in evaluation.models if not model.is_baseline
    }
    return [name for name, value in reached.items() if own is not None and value is not None and value > own]


def _better_than_amount(evaluation: Evaluation) -> float | None:
    """How much more the champion saves than as many cases by amount alone."""
    (better_by,) = (policy.champion_better_by for policy in evaluation.policies if policy.name == BY_AMOUNT)
    return better_by.value if better_by else None


def _sentence_case(name: str) -> str:
    text = str(name).replace("_", " ")
    return text[:1].upper() + text[1:]


def _plain_value(value: Any) -> str:
    if value is None:
        return wording.NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list | tuple):
        return ", ".join(_plain_value(each) for each in value)
    return str(value)
