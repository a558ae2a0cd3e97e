"""The wheel: the programs and what they need at run time, nothing else; installed, it gives the commands."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {"risk", "evaluation", "console", "worlds", "trainer", "producer", "scorer", "kpi_reporter"}
COMMANDS = ("trustlens-trainer", "trustlens-producer", "trustlens-scorer", "trustlens-reporter")
NOT_CODE = {
    ".html",
    ".css",
    ".js",
    ".svg",
    ".sql",
    ".json",
    ".toml",
    ".md",
}  # what a package might read beside its code


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, for a build leaves folders behind; of the whole checkout, so that what is to stay out could
    get in."""
    copy, made = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("wheel")
    for path in sorted(ROOT.iterdir()):
        if path.is_dir() and (path / "__init__.py").exists():
            shutil.copytree(path, copy / path.name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--disable-pip-version-check"]
    build = [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(made), str(copy)]
    said = subprocess.run(build, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    (path,) = made.glob("*.whl")
    return path


@pytest.mark.proof
def test_it_holds_every_file_of_the_programs_and_none_of_anything_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        there = {name for name in opened.namelist() if ".dist-info/" not in name}
    wanted = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.suffix == ".py" or path.suffix in NOT_CODE
    }
    assert wanted >= {"kpi_reporter/explorer/templates/start.html", "kpi_reporter/explorer/assets/explorer.css"}
    assert wanted >= {"trainer/report/templates/report.html", "trainer/report/templates/style.css"}
    assert there == wanted


@pytest.mark.proof
def test_installed_it_gives_every_command(wheel: Path, tmp_path: Path) -> None:
    """Into an empty environment, which then finds the locked packages beside it: nothing is downloaded here."""
    venv.create(tmp_path / "empty", symlinks=True)
    python = tmp_path / "empty" / "bin" / "python"
    to = ["--python", str(python), "install", "--no-deps", "--no-index", "--quiet", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "pip", *to, str(wheel)], check=True)
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    # A path alone, unlike a site folder, takes no part of the checkout along with it: the editable install stays out.
    (Path(site) / "locked.pth").write_text(sysconfig.get_path("purelib") + "\n")
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    whence = "import kpi_reporter.explorer.datasette_of as found; print(found.__file__)"
    where = subprocess.run([python, "-c", whence], cwd=tmp_path, env=plain, capture_output=True, text=True, check=True)
    assert where.stdout.startswith(site)
    for command in COMMANDS:
        said = subprocess.run(
            [python.with_name(command), "--help"], cwd=tmp_path, env=plain, capture_output=True, text=True, check=False
        )
        assert (said.returncode, said.stderr) == (0, "")
        assert "exit status:" in said.stdout
    made = [python.with_name("trustlens-trainer"), "generate", "trustlens", "few.csv", "--rows", "20"]
    subprocess.run(made, cwd=tmp_path, env=plain, capture_output=True, check=True)
    assert len((tmp_path / "few.csv").read_text().splitlines()) == 21
