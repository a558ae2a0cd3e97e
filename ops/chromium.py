"""Chromium: how its programs are called, and what it needs where there is no window."""

import shutil

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
# Root cannot have a sandbox, and containers have little in /dev/shm: a page draws in the process's own memory.
WITHOUT_WINDOW = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
MISSING = f"no browser: expected one of {', '.join(PROGRAMS)}; on Debian `make packages` installs it"


def installed() -> str | None:
    """Where one is; None where there is none."""
    return next((place for name in PROGRAMS if (place := shutil.which(name))), None)
