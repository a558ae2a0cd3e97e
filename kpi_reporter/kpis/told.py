"""What must be said beside the figures, in the same words wherever they are shown."""

from evaluation.drifting import DRIFT_DAYS, Drifting
from kpi_reporter.kpis.values import Calibration, Kpis, Quality, Shadow
from risk.clock import to_date, to_text
from risk.share import of_the_customers
from risk.words import counted


def cautions(now: Kpis) -> list[str]:
    """Why the newest scores are other than they would be; most of the time there is none."""
    return [str(caution) for caution in (now.warming_up, now.label_silence) if caution is not None]


def learned_text(quality: Quality) -> str:
    """Empty where there is nothing to say."""
    if not quality.days_learned:
        return ""
    is_all = quality.days_learned == quality.days_due
    which = "These" if is_all else f"{quality.days_learned} of these {quality.days_due} days"
    return (
        f"{which} are days that the bundle was trained or its thresholds chosen on: it looks better there than it is."
    )


def days_text(quality: Quality) -> str:
    """How many of the days asked for have all their labels."""
    if quality.days_due < quality.days:
        return f"{quality.days_due} of {quality.days} days"
    return f"{quality.days} days"


def drift_text(drift: Drifting) -> str:
    """What it is of, and what comes of it."""
    if drift.first_day is None or drift.last_day is None:
        return f"No drift: {drift.why_not}."
    of = (
        f"{drift.rows:,} samples of {to_date(drift.first_day).isoformat()} to {to_date(drift.last_day).isoformat()}, "
        f"scored by {drift.bundle}"
    )
    if drift.why_not is not None:
        return f"{of}. Of features nothing is said: {drift.why_not}."
    if drift.changed is None:
        return f"{of}. Of features nothing is said: {drift.too_few}."
    some = "" if drift.days_sampled == DRIFT_DAYS else f" Only {drift.days_sampled} of these days have samples."
    what = {0: "no feature has changed", 1: "1 feature has changed"}.get(
        drift.changed, f"{drift.changed} features have changed"
    )
    return f"{of}: {what}.{some}"


def alerts_text(now: Kpis) -> str:
    """Of the same days as the drift, and day by day: how many of the transactions were alerts."""
    first, last = now.drift.first_day, now.drift.last_day
    if first is None or last is None:
        return "Alerts: nothing is said."
    days = [one for one in now.days if first <= one.day <= last and one.transactions]
    transactions, alerts = sum(one.transactions for one in days), sum(one.alerts for one in days)
    if not transactions:
        return "Alerts: no transactions on these days."
    by_day = ", ".join(f"{one.alerts / one.transactions:.2%}" for one in days)
    return f"Alerts: {alerts / transactions:.2%} of the transactions of these days; day by day {by_day}."


def calibration_text(calibration: Calibration) -> str:
    if calibration.expected is None or calibration.frauds is None:
        return "Calibration: no labels are due, or too few samples, so nothing is said."
    return (
        f"Calibration: on {calibration.days} days whose labels are due, scores promise {calibration.expected:,.1f} "
        f"frauds; there were {calibration.frauds:,}."
    )


def challenger_text(shadow: Shadow) -> str:
    """Which there is, and for whom it decides; empty where there is none."""
    return " ".join(text for text in (shadow_text(shadow), share_text(shadow)) if text)


def share_text(shadow: Shadow) -> str:
    """Empty where it decides for nobody."""
    if shadow.percent is None or shadow.share_since is None:
        return ""
    said = (
        f"{shadow.challenger} decides{of_the_customers(shadow.percent)} since {to_text(shadow.share_since)} of event "
        "time."
    )
    if not shadow.share_ended:
        return said
    ended = counted(shadow.share_ended, "partition", "partitions")
    return f"{said} It does not any more in {ended}; in each other that is seen with the next transaction."


def shadow_text(shadow: Shadow) -> str:
    """Empty where there is no challenger."""
    if shadow.challenger is None:
        return ""
    if shadow.in_use is None:
        return f"{shadow.challenger} is in the shadow, and there is no transaction yet that both scored."
    if not shadow.windows:
        return (
            f"{shadow.challenger} is in the shadow of {shadow.in_use}, whose manifest cannot be read: nothing is said."
        )
    return f"{shadow.challenger} is in the shadow of {shadow.in_use}."


def shadow_cautions(shadow: Shadow) -> list[str]:
    """What is missing, and where there is more."""
    said = [text] if (text := share_text(shadow)) else []
    widest = shadow.windows[-1]
    if widest.days_learned:
        days = counted(widest.days_learned, "day is", "days are")
        said.append(f"{days} not judged, because one of the two learned from them or was tested on them.")
    if widest.judged is None:
        said.append("No labels are due yet of what both scored.")
    else:
        said.append("At equal work and with intervals: python -m trainer compare --live")
    return said
