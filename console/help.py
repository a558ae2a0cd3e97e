"""What `--help` says below the options, in one form: examples, what is worth knowing, what the command may end with."""

import shutil
import textwrap

from console.start import EXIT_ENDED, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE

WIDEST = 120  # lines longer than this are hard to read, however wide the terminal is


def epilog(
    *examples: str,
    notes: str = "",
    done: str = "done",
    failed: str = "could not be done; the last line says why",
    when_ended: str = "",
    also: tuple[tuple[int, str], ...] = (),
) -> str:
    """Examples as they are typed, the notes in paragraphs, and every exit status."""
    statuses = (
        (EXIT_OK, done),
        (EXIT_FAILED, failed),
        (EXIT_USAGE, "options that cannot be understood"),
        (EXIT_INTERRUPTED, f"interrupted by Ctrl-C{when_ended}"),
        (EXIT_ENDED, f"ended by SIGTERM or a closed terminal{when_ended}"),
        *also,
    )
    parts = [
        "\n".join(["examples:" if len(examples) > 1 else "example:", *(f"  {example}" for example in examples)]),
        filled(notes),
        "\n".join(["exit status:", *(_status(number, meaning) for number, meaning in sorted(statuses))]),
    ]
    return "\n\n".join(part for part in parts if part)


def filled(text: str) -> str:
    """Paragraphs, broken into lines as wide as the terminal."""
    return "\n\n".join(
        textwrap.fill(paragraph, _width(), break_on_hyphens=False) for paragraph in text.strip().split("\n\n")
    )


def _status(number: int, meaning: str) -> str:
    return textwrap.fill(f"{number:<5}{meaning}", _width(), initial_indent="  ", subsequent_indent=" " * 7)


def _width() -> int:
    return min(shutil.get_terminal_size().columns, WIDEST) - 2
