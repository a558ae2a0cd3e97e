"""What the data and the run were: the report's last tables."""

from collections.abc import Mapping
from html import escape
from typing import Any

from trainer.evidence.wording import NOTHING, money

# Sections whose rows are called as they are written: LightGBM's option, a library, a stage.
NAMED = ("libraries", "hyper-parameters", "seconds that each stage took")


def facts(figures: Mapping[str, Any], about: Mapping[str, Any], currency: str) -> str:
    form = money(currency)
    text = ""
    for name in ("validation", "test"):
        period = figures[name]
        rows = {
            "transactions": f"{period['transactions']:,} in {period['days']} days",
            "customers": f"{period['customers']:,}",
            "merchants": f"{period['merchants']:,}" if period["merchants"] else "none known",
            "frauds": f"{period['frauds']:,}" + (f" ({period['fraud_share']:.3%})" if period["frauds"] else ""),
            "amount": form(period["amount"]),
            "amount of the frauds": form(period["fraud_amount"]),
            "amounts missing": f"{period['amounts_missing']:,}",
        }
        label = "Validation period (labels as known when the test began)" if name == "validation" else "Test period"
        text += f"<h3>{label}</h3>" + _facts(rows)
    plain = {name: value for name, value in about.items() if not isinstance(value, Mapping)}
    if plain:
        text += "<h3>Bundle and run</h3>" + _facts(plain)
    for name, value in about.items():
        if isinstance(value, Mapping) and value:
            text += f"<h3>{escape(_words(name))}</h3>" + _facts(value, is_named=name in NAMED)
    return text


def _facts(rows: Mapping[str, Any], *, is_named: bool = False) -> str:
    made = "".join(
        f"<tr><th scope=row>{escape(name if is_named else _words(name))}</th><td>{escape(_value(value))}</td></tr>"
        for name, value in rows.items()
    )
    return f"<div class=scroll><table class=facts><tbody>{made}</tbody></table></div>"


def _words(name: str) -> str:
    text = str(name).replace("_", " ")
    return text[:1].upper() + text[1:]


def _value(value: Any) -> str:
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list | tuple):
        return ", ".join(_value(each) for each in value)
    return str(value)
