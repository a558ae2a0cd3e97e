"""Bundles on disk: whole or not at all, and `current` names the one in use."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from console.output import MARK, whole_folder
from risk.bundle import ONNX, LearnedNumber, read_bundle
from risk.catalogue import FeatureSet
from risk.errors import BundleError, OptionError
from testing import bundles
from trainer.bundle_writer import prepare_folder, write_bundle
from trainer.in_force import make_current


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
    assert names(models) == ["current", version, "promotions.ndjson"]
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


def left_behind(folder: Path, name: str, mark: str | None) -> Path:
    left = folder / name
    left.mkdir()
    (left / "half").write_text("half")
    if mark is not None:
        (left / MARK).write_text(mark)
    os.utime(left, (0, 0))
    return left


def test_what_a_killed_process_left_behind_is_no_hindrance_and_goes_after_a_day(tmp_path: Path) -> None:
    """Whatever its name was: in a container every process may have the same number."""
    left_behind(tmp_path, f".report.{os.getpid()}.part", "report")
    young = left_behind(tmp_path, ".report.abc.part", "report")
    os.utime(young)
    with whole_folder(tmp_path / "report") as temporary:
        (temporary / "whole").write_text("whole")
    assert names(tmp_path) == [".report.abc.part", "report"]
    assert names(tmp_path / "report") == ["whole"]


def test_only_what_this_program_made_for_this_folder_goes(tmp_path: Path) -> None:
    """However old: of another program, for another folder, or a link to somebody's."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    left_behind(elsewhere, "theirs", "report")
    (tmp_path / ".report.link.part").symlink_to(elsewhere / "theirs")
    kept = [
        left_behind(tmp_path, ".firefox-download.part", None),
        left_behind(tmp_path, ".report.1.part", None),
        left_behind(tmp_path, ".report.2.part", "other"),
        left_behind(tmp_path, ".other.1.part", "other"),
    ]
    with whole_folder(tmp_path / "report"):
        pass
    assert all((folder / "half").exists() for folder in (*kept, elsewhere / "theirs"))


def test_what_is_in_the_making_says_that_it_is_ours(tmp_path: Path) -> None:
    """So that it goes when it was abandoned."""
    with whole_folder(tmp_path / "report"):
        [made] = tmp_path.glob(".report.*.part")
        assert (made / MARK).read_text() == "report"


def test_folders_above_are_made_and_go_again_where_nothing_came_of_it(tmp_path: Path) -> None:
    def failed() -> None:
        with whole_folder(tmp_path / "a" / "b" / "report"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        failed()
    assert names(tmp_path) == []
    with whole_folder(tmp_path / "a" / "b" / "report"):
        pass
    assert names(tmp_path / "a" / "b") == ["report"]
    assert (tmp_path / "a" / "b" / "report").stat().st_mode & 0o777 == (tmp_path / "a").stat().st_mode & 0o777


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
    with pytest.raises(OptionError, match="cannot be written to"):
        prepare_folder("--models", tmp_path / "new" / ("x" * 300))
    prepare_folder("--models", tmp_path / "deep" / "models")
    assert names(tmp_path) == ["file"]
