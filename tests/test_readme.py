"""What the README tells to type works as typed, on a file of foreign names too."""

import os
import re
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
FIRST_DAY = date(2024, 1, 1)
# Half a year of forty cards in twenty-five shops; the frauds are the large amounts at night, for the most part.
MINE = "when,card,shop,value,fraud\n" + "".join(
    f"{FIRST_DAY + timedelta(days=row // 40)} {row * 7 % 24:02d}:{row % 60:02d}:00,"
    f"card{row * 11 % 40},shop{row * 3 % 25},{row % 97 + 200 * (row % 37 == 0)}.50,{int(row % 37 == 0)}\n"
    for row in range(40 * 180)
)


def blocks() -> list[list[str]]:
    """The commands of each fenced block without a language, `python` and `make` ones; those of `sh` need a broker."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    plain = [block for language, block in fenced if not language]
    found = [[line for line in block.splitlines() if line.startswith(("python ", "make "))] for block in plain]
    return [commands for commands in found if commands]


def test_the_readme_has_its_commands() -> None:
    assert blocks()[0] == ["make setup", "make test"]
    assert sum(command.startswith("python -m trainer") for block in blocks() for command in block) >= 5


def test_every_command_runs_as_typed_one_after_the_other(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(MINE)
    scripts = str(Path(sys.executable).parent)
    for command in (command for commands in blocks() for command in commands if command.startswith("python")):
        answer = subprocess.run(
            command,
            shell=True,
            cwd=tmp_path,
            env={**os.environ, "PATH": f"{scripts}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert answer.returncode == 0, f"{command}\n{answer.stdout}\n{answer.stderr}"


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        name
        for page in (ROOT / "README.md", ROOT / "DESIGN.md", *(ROOT / "docs").glob("*.md"))
        for name in re.findall(r"`make ([a-z]+)`|^make ([a-z]+)$", page.read_text(), re.MULTILINE)
        for name in name
        if name
    }
    assert named - targets == set()


def test_every_link_leads_somewhere() -> None:
    for page in (ROOT / "README.md", ROOT / "DESIGN.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
