"""The pages as tests read them: what they tell to type, and where their links lead."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
RECIPES = ROOT / "docs" / "recipes.md"
PAGES = (README, *sorted((ROOT / "docs").rglob("*.md")))
# How a line begins that is typed. A block that is marked `sh` holds nothing else; in any other, these are found.
TYPED = ("python", "make", "export", "docker", "kcat", "promtool", "iconv", "useradd", "install", "systemctl",
         "systemd-run")  # fmt: skip

_BLOCK_OR_HEADING = r"^```(?P<language>\w*)\n(?P<fenced>[\s\S]*?)^```$|^#+ (?P<heading>.+)$|(?:^ {4}.*\n)+"


class Block(NamedTuple):
    page: Path
    section: str  # the heading above it
    language: str
    text: str

    @property
    def lines(self) -> list[str]:
        return [line.strip() for line in self.text.splitlines() if line.strip()]

    @property
    def commands(self) -> list[str]:
        return self.lines if self.language == "sh" else [line for line in self.lines if line.split()[0] in TYPED]


def blocks(page: Path) -> Iterator[Block]:
    """Of code, fenced or indented."""
    section, text = "", page.read_text(encoding="utf-8")
    for found in re.finditer(_BLOCK_OR_HEADING, text, re.MULTILINE):
        if found["heading"] is not None:
            section = found["heading"]
        else:
            yield Block(page, section, found["language"] or "", found["fenced"] or found[0])


def typed(page: Path, *sections: str) -> list[str]:
    """The commands below these headings, in the order of the headings."""
    every = list(blocks(page))
    found = [[line for block in every if block.section == section for line in block.commands] for section in sections]
    assert all(found), f"{page.name}: one of the sections {sections} has no commands, or is not there"
    return [line for lines in found for line in lines]


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def inline(page: Path) -> list[str]:
    """What stands between backticks, also over the end of a line."""
    return [" ".join(found.split()) for found in re.findall(r"`([^`]+)`", prose(page))]


def links(page: Path) -> list[str]:
    text = prose(page)
    return re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'<img src="([^"]+)"', text)


def anchors(page: Path) -> set[str]:
    """Of the headings, as GitHub names them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
