"""By how many whole days a history is moved, so that it ends before now."""

import re

from risk.clock import DAY, to_text
from risk.errors import OptionError

AUTO = "auto"


def shift(text: str) -> str | int:
    """The option's value: `auto`, or days."""
    if text == AUTO:
        return AUTO
    match = re.fullmatch(r"([+-]?[0-9]{1,5})d", text)
    if match is None:
        raise ValueError("auto, or whole days such as -400d; write --shift=-400d")
    return int(match[1])


def shift_days(asked: str | int | None, last_ms: int, now_ms: int) -> int:
    """With `auto`, the last event comes to lie less than a day before now."""
    if isinstance(asked, str):
        return (now_ms - last_ms) // DAY
    days = asked or 0
    if last_ms + days * DAY > now_ms:
        least = -((now_ms - last_ms) // DAY)
        raise OptionError(
            f"the last transaction lies at {to_text(last_ms + days * DAY)}, which is ahead of now, "
            f"{to_text(now_ms // 1000 * 1000)}; expected a history that is over: no one can know of it yet, and "
            f"workers reject it. Move it with --shift=-{least}d or --shift auto, or leave the end out with --until"
        )
    return days
