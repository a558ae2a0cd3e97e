"""Bundles on disk: whole or not at all, and `current` names the one in use."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from console.start import EXIT_FAILED, EXIT_OK
from risk.bundle import MANIFEST, ONNX, read_bundle
from risk.catalogue import FeatureSet
from risk.errors import BundleError, OptionError
from risk.prepare import LearnedNumber
from tests import bundles
from trainer.__main__ import main
from trainer.training.bundle_folder import current_version, make_current, prepare_folder, write_bundle
from trainer.training.whole_folder import whole_folder


def files(tmp_path: Path, weight: float = 1.0) -> tuple[str, dict[str, bytes]]:
    """The version and the files of a bundle."""
    folder = tmp_path / "made"
    folder.mkdir(exist_ok=True)
    learned = (LearnedNumber("amount", 10.0, 0.0, 100.0, 10.0),)
    manifest = bundles.write_bundle(folder, FeatureSet(frozenset()), learned, [weight])
    return manifest.version, {path.name: path.read_bytes() for path in folder.iterdir()}


def names(folder: Path) -> list[str]:
    """Everything that is there, hidden or not."""
    return sorted(path.name for path in folder.iterdir())


@contextmanager
def full_disk_after(size: int) -> Iterator[None]:
    """No file may grow beyond so many bytes: the system answers a write as it does when a disk is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_bundle_is_written_under_its_version_and_can_be_read(tmp_path: Path) -> None:
    version, contents = files(tmp_path)
    models = tmp_path / "models"
    models.mkdir()
    assert write_bundle(models, version, contents)
    make_current(models, version)
    assert names(models) == ["current", version]
    assert read_bundle(models).manifest.version == version


def test_a_bundle_that_is_there_is_checked_and_left(tmp_path: Path) -> None:
    version, contents = files(tmp_path)
    write_bundle(tmp_path, version, contents)
    assert not write_bundle(tmp_path, version, contents)
    (tmp_path / version / ONNX).write_bytes(b"changed")
    with pytest.raises(BundleError, match=r"model\.onnx: got SHA-256"):
        write_bundle(tmp_path, version, contents)


def test_a_bundle_that_cannot_be_read_back_is_not_left_behind(tmp_path: Path) -> None:
    version, contents = files(tmp_path)
    models = tmp_path / "models"
    models.mkdir()
    with pytest.raises(BundleError, match="cannot be read back"):
        write_bundle(models, version, {**contents, ONNX: b"other"})
    assert names(models) == []


def test_a_full_disk_leaves_nothing_and_says_so(tmp_path: Path) -> None:
    version, contents = files(tmp_path)
    models = tmp_path / "models"
    models.mkdir()
    with full_disk_after(100), pytest.raises(OptionError, match=r"cannot write .*make room"):
        write_bundle(models, version, contents)
    assert names(models) == []


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_leaves_what_was_there_before(tmp_path: Path, interrupt: type[BaseException]) -> None:
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "old").write_text("old")

    def interrupted() -> None:
        with whole_folder(folder) as temporary:
            (temporary / "new").write_text("half")
            raise interrupt

    with pytest.raises(interrupt):
        interrupted()
    assert names(tmp_path) == ["report"]
    assert names(folder) == ["old"]


def test_a_folder_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    folder = tmp_path / "report"
    for content in ("old", "new"):
        with whole_folder(folder) as temporary:
            (temporary / content).write_text(content)
    assert (names(tmp_path), names(folder)) == (["report"], ["new"])


def test_a_place_that_cannot_be_written_to_is_refused_before_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OptionError, match=r"--models: got .*file/models, which cannot be written to"):
        prepare_folder("--models", tmp_path / "file" / "models")


# models and promote


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, list[str]]:
    """A folder with two bundles, the first of them in use."""
    models = tmp_path / "models"
    models.mkdir()
    versions = []
    for weight in (1.0, 2.0):
        version, contents = files(tmp_path, weight)
        write_bundle(models, version, contents)
        versions.append(version)
    make_current(models, versions[0])
    return models, versions


def test_models_lists_all_and_marks_the_current_one(
    two: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    models, versions = two
    (models / ".unfinished.part").mkdir()
    assert main(["models", "--models", str(models)], {}) == EXIT_OK
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("*")] == [lines[1 + sorted(versions).index(versions[0])],
                                                                f"* in use: {versions[0]}"]  # fmt: skip
    assert sum(any(version in line for version in versions) for line in lines[1:3]) == 2


def test_promote_moves_current_and_back(two: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    models, (first, second) = two
    assert main(["promote", second, "--models", str(models)], {}) == EXIT_OK
    assert current_version(models) == second
    assert capsys.readouterr().out == f"{second} is in use now; before: {first}\n"
    assert main(["promote", first, "--models", str(models)], {}) == EXIT_OK
    assert current_version(models) == first


def test_promote_refuses_a_bundle_that_was_changed_and_leaves_current(
    two: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    models, (first, second) = two
    path = models / second / MANIFEST
    path.write_text(path.read_text().replace('"seed":', '"seed": 1'))
    assert main(["promote", second, "--models", str(models)], {}) == EXIT_FAILED
    assert current_version(models) == first
    assert "manifest.json" in capsys.readouterr().err


def test_a_broken_bundle_is_named_and_the_others_are_listed(
    two: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    models, (first, second) = two
    (models / second / ONNX).unlink()
    assert main(["models", "--models", str(models)], {}) == EXIT_FAILED
    said = capsys.readouterr()
    assert f"{second}/model.onnx" in said.err
    assert first in said.out


def test_a_renamed_bundle_and_an_unknown_version_are_refused(
    two: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    models, (first, second) = two
    (models / second).rename(models / "mine")
    assert main(["promote", "mine", "--models", str(models)], {}) == EXIT_FAILED
    assert f"got a manifest of version {second}, expected mine" in capsys.readouterr().err
    assert main(["promote", "../made", "--models", str(models)], {}) == EXIT_FAILED
    assert f"VERSION: got '../made', expected one of {first}, mine" in capsys.readouterr().err


def test_no_folder_and_an_empty_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--models", str(tmp_path)], {}) == EXIT_OK
    assert "no bundles" in capsys.readouterr().out
    assert main(["models", "--models", str(tmp_path / "none")], {}) == EXIT_FAILED
    assert "expected a folder with bundles" in capsys.readouterr().err
