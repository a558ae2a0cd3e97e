"""What must be said beside the figures, in the same words wherever they are shown."""

from kpi_reporter.kpis.values import Kpis, Quality


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
