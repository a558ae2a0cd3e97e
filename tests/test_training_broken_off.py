"""A training that is broken off, by a full disk, a person or a bundle that cannot be: nothing half, nothing left."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from console.start import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK
from risk.bundle import ONNX
from tests.test_training_bundle_folder import full_disk_after
from tests.trainings import QUICK, small_history
from trainer.__main__ import main
from trainer.train import report_then_bundle

ROOT = Path(__file__).parent.parent
# Its file is several times as large as any of a report.
LARGE_FOREST = "[random-forest]\nn_estimators = 20\nmax_depth = 12\nmin_samples_leaf = 1\nmax_samples = 4000\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small history, and a bundle and a report of a forest that is large beside it."""
    folder = tmp_path_factory.mktemp("broken")
    small_history(folder / "cards.parquet")
    (folder / "large.toml").write_text(LARGE_FOREST)
    assert main(command(folder, folder), {}) == EXIT_OK
    return folder


def command(place: Path, into: Path, file: Path | None = None, kind: str = "random-forest") -> list[str]:
    return ["train", str(file or place / "cards.parquet"), "--models", str(into / "models"), "--reports",
            str(into / "reports"), "--model", kind, "--params", str(place / "large.toml"),
            *QUICK]  # fmt: skip


def left_in(folder: Path) -> list[str]:
    """Everything that is there, hidden or not."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def largest(folder: Path) -> int:
    return max(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_a_disk_that_is_full_when_the_report_is_written(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with full_disk_after(20_000):
        assert main(command(place, tmp_path, kind="logistic"), {}) == EXIT_FAILED
    said = capsys.readouterr().err
    assert f"error: cannot write {tmp_path}/reports/logistic-" in said
    assert "make room or choose another" in said
    assert left_in(tmp_path) == []


def test_a_disk_that_is_full_when_the_bundle_is_written_leaves_no_report_either(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The limit lets the whole report through, and not the bundle."""
    enough = largest(place / "reports") + 10_000
    assert enough < largest(place / "models")
    with full_disk_after(enough):
        assert main(command(place, tmp_path), {}) == EXIT_FAILED
    assert f"error: cannot write {tmp_path}/models/random-forest-" in capsys.readouterr().err
    assert left_in(tmp_path) == []


def test_a_bundle_that_fails_leaves_the_report_of_before(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Here because a file of the bundle that is there already was changed."""
    version = (place / "models" / "current").read_text().strip()
    for folder in ("models", "reports"):
        shutil.copytree(place / folder, tmp_path / folder)
    (tmp_path / "models" / version / ONNX).write_bytes(b"changed")
    (tmp_path / "reports" / version / "report.html").write_text("of before")
    before = left_in(tmp_path)
    assert main(command(place, tmp_path), {}) == EXIT_FAILED
    assert "got SHA-256" in capsys.readouterr().err
    assert left_in(tmp_path) == before
    assert (tmp_path / "reports" / version / "report.html").read_text() == "of before"


def begun(place: Path, into: Path, file: Path) -> subprocess.Popen[str]:
    asked = command(place, into, file, "logistic")
    return subprocess.Popen(
        # With plots: to write a report takes long enough to be interrupted.
        [sys.executable, "-m", "trainer", *(word for word in asked if word != "--no-plots")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        # A shell's background jobs ignore Ctrl-C, and so would their children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


@pytest.mark.proof
def test_a_file_that_changes_while_it_is_learned_from_is_refused(place: Path, tmp_path: Path) -> None:
    """The bundle would name a history that it does not come from."""
    file = tmp_path / "cards.parquet"
    shutil.copyfile(place / "cards.parquet", file)
    training = begun(place, tmp_path, file)
    while_learning(training, tmp_path)
    with file.open("ab") as end:
        end.write(b"more")
    _, said = training.communicate()
    assert training.returncode == EXIT_FAILED
    assert f"error: {file}: got a file that was changed while it was read (" in said
    assert left_in(tmp_path) == ["cards.parquet"]


def while_learning(training: subprocess.Popen[str], into: Path) -> None:  # noqa: ARG001 - one form for both
    """The periods are said before anything is fitted."""
    assert training.stdout is not None
    while not training.stdout.readline().startswith("test "):
        assert training.poll() is None


def while_writing(training: subprocess.Popen[str], into: Path) -> None:
    """The report's folder has another name until it is whole. Looked for once a report is begun, for to look all the
    time takes as much of a processor as to train."""
    assert training.stderr is not None
    while not training.stderr.readline().endswith("] report\n"):
        assert training.poll() is None
    while not unfinished(into / "reports"):
        assert training.poll() is None


def unfinished(reports: Path) -> list[Path]:
    """The folder itself is made and taken away again when a training tries whether it may write there; a look that
    asks first whether it is there, as `glob` does, can come in between."""
    try:
        return [path for path in reports.iterdir() if path.suffix == ".part"]
    except FileNotFoundError:
        return []


@pytest.mark.parametrize("moment", [while_learning, while_writing])
@pytest.mark.proof
def test_an_interrupt_in_the_middle_leaves_nothing(
    place: Path, tmp_path: Path, moment: Callable[[subprocess.Popen[str], Path], None]
) -> None:
    """Ctrl-C while models are fitted, or while files are written."""
    training = begun(place, tmp_path, place / "cards.parquet")
    moment(training, tmp_path)
    training.send_signal(signal.SIGINT)
    _, said = training.communicate()
    assert training.returncode == EXIT_INTERRUPTED
    assert said.splitlines()[-1] == "interrupted; nothing half-written was left behind"
    assert left_in(tmp_path) == []


def test_a_report_that_fails_does_not_lose_the_bundle(capsys: pytest.CaptureFixture[str]) -> None:
    """It is written, the error is raised and what is left is said; a full disk leaves neither."""
    done: list[str] = []

    def bundle() -> bool:
        done.append("bundle")
        return True

    def failing(error: Exception) -> Callable[[], None]:
        def report() -> None:
            raise error

        return report

    with pytest.raises(ValueError, match="no such colour"):
        report_then_bundle(failing(ValueError("no such colour")), bundle, "v is there without its report")
    assert done == ["bundle"]
    assert capsys.readouterr().err == "warning: v is there without its report\n"
    with pytest.raises(OSError, match="full"):
        report_then_bundle(failing(OSError("full")), bundle, "")
    assert done == ["bundle"]
    assert report_then_bundle(lambda: done.append("report"), bundle, "")
    assert done == ["bundle", "report", "bundle"]
