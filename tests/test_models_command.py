"""models and promote: which bundles there are, which is damaged, and which is in use."""

import json
import re
from pathlib import Path

import pytest

from console.start import EXIT_FAILED, EXIT_OK
from risk.bundle import MANIFEST, ONNX
from risk.catalogue import EngineTerms
from risk.small_file import SMALL_BYTES
from testing.bundles import write_bundle as write_by_hand
from testing.systems import FIELDS, LEARNED
from tests.test_training_bundle_folder import files
from trainer.__main__ import main
from trainer.bundle_writer import write_bundle
from trainer.in_force import challenger_version, current_version, make_current


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
    (models / second).rename(models / "mine-01234567")
    assert main(["promote", "mine-01234567", "--models", str(models)], {}) == EXIT_FAILED
    assert f"got a manifest of version {second}, expected mine-01234567" in capsys.readouterr().err
    (models / "mine-01234567").rename(models / "mine")
    assert main(["promote", "mine", "--models", str(models)], {}) == EXIT_FAILED
    assert "bundle 'mine': expected a version, such as lightgbm-1a2b3c4d" in capsys.readouterr().err
    assert main(["promote", "../made", "--models", str(models)], {}) == EXIT_FAILED
    assert f"VERSION: got '../made', expected one of {first}, mine" in capsys.readouterr().err


@pytest.mark.parametrize("lost", [MANIFEST, ONNX])
def test_a_damaged_bundle_that_is_in_use_is_not_shown_as_if_well(
    two: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str], lost: str
) -> None:
    models, (first, second) = two
    (models / first / lost).unlink()
    assert main(["models", "--models", str(models)], {}) == EXIT_FAILED
    said = capsys.readouterr()
    assert f"* in use: {first}, which is damaged" in said.out
    assert said.err.startswith("error: ")
    assert re.search(rf"^\* +{first} +damaged", said.out, re.MULTILINE)
    assert second in said.out
    assert f"{first}/{lost}: No such file" in said.err
    assert f"Delete {models / first} and train again" in said.err or lost == MANIFEST


@pytest.mark.parametrize("contents", [b"", b"\xff\xfe", b"gone-00000000\n"])
def test_a_current_that_names_no_bundle_is_said_and_promote_mends_it(
    two: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str], contents: bytes
) -> None:
    models, (_, second) = two
    (models / "current").write_bytes(contents)
    assert main(["models", "--models", str(models)], {}) == EXIT_FAILED
    said = capsys.readouterr()
    assert "none of them is in use; promote one of" in said.out
    assert "models/current: got '" in said.err
    assert main(["promote", second, "--models", str(models)], {}) == EXIT_OK
    assert capsys.readouterr().out == f"{second} is in use now\n"
    assert main(["models", "--models", str(models)], {}) == EXIT_OK


def test_models_says_what_each_was_fitted_and_tested_on(
    two: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """UNTIL is not part of a period, so the day before it is the last."""
    main(["models", "--models", str(two[0])], {})
    lines = capsys.readouterr().out.splitlines()
    assert ("fitted on" in lines[0]) & ("tested on" in lines[0])
    assert "2024-01-01 to 2024-02-29" in lines[1]
    assert "2024-03-27 to 2024-04-19" in lines[1]


def test_no_folder_and_an_empty_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--models", str(tmp_path)], {}) == EXIT_OK
    assert "no bundles" in capsys.readouterr().out
    assert main(["models", "--models", str(tmp_path / "none")], {}) == EXIT_FAILED
    assert "expected a folder with bundles" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["linear-01234567", "--back"]])
def test_promote_wants_a_version_or_back(words: list[str], two: tuple[Path, list[str]]) -> None:
    with pytest.raises(SystemExit):
        main(["promote", *words, "--models", str(two[0])], {})


def test_promote_says_where_workers_need_a_restart(
    two: tuple[Path, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models, (first, _) = two
    terms = EngineTerms("EUR", label_delay_days=8)
    manifest = write_by_hand(tmp_path / "by-hand", FIELDS, LEARNED, [0.5] * len(LEARNED), terms=terms)
    (tmp_path / "by-hand").rename(models / manifest.version)
    assert main(["promote", manifest.version, "--models", str(models)], {}) == EXIT_OK
    said = capsys.readouterr().err
    assert f"workers that run with {first} go on with it until they are stopped, all of them, and started" in said
    assert "label_delay_days: got 8, expected 7" in said


def promote(models: Path, *words: str) -> int:
    return main(["promote", *words, "--models", str(models)], {})


def recorded(models: Path) -> list[tuple[str, str | None, str]]:
    lines = [json.loads(line) for line in (models / "promotions.ndjson").read_text().splitlines()]
    return [(line["version"], line["before"], line["by"]) for line in lines]


def third(models: Path, tmp_path: Path) -> str:
    version, contents = files(tmp_path, 3.0)
    write_bundle(models, version, contents)
    return version


def test_a_challenger_is_named_changed_and_removed_and_what_is_in_use_stays(
    two: tuple[Path, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models, (first, second) = two
    other = third(models, tmp_path)
    for words, said in (
        ([second, "--shadow"], f"{second} is the challenger now"),
        ([second, "--shadow"], f"{second} is the challenger already"),
        ([other, "--shadow"], f"{other} is the challenger now; before: {second}"),
        (["--no-shadow"], f"{other} is the challenger no more"),
        (["--no-shadow"], "no bundle is the challenger"),
    ):
        assert promote(models, *words) == EXIT_OK
        assert capsys.readouterr().out == f"{said}\n"
        assert current_version(models) == first
    assert challenger_version(models) is None
    assert recorded(models)[1:] == [(second, None, "shadow"), (other, second, "shadow"), ("", other, "no-shadow")]


def test_models_marks_the_challenger(two: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    models, (_, second) = two
    promote(models, second, "--shadow")
    capsys.readouterr()
    assert main(["models", "--models", str(models)], {}) == EXIT_OK
    said = capsys.readouterr().out
    assert re.search(rf"^\+ +{second} ", said, re.MULTILINE)
    assert f"\n+ challenger: {second}\n" in said


def test_back_knows_nothing_of_challengers(two: tuple[Path, list[str]], tmp_path: Path) -> None:
    """What was only the challenger was never in use."""
    models, (first, second) = two
    promote(models, second)
    promote(models, third(models, tmp_path), "--shadow")
    promote(models, "--no-shadow")
    assert promote(models, "--back") == EXIT_OK
    assert current_version(models) == first


def test_a_challenger_that_was_in_use_before_is_no_promotion_of_its(two: tuple[Path, list[str]]) -> None:
    models, (first, second) = two
    promote(models, second)
    promote(models, first, "--shadow")
    promote(models, first)
    assert promote(models, "--back") == EXIT_OK
    assert current_version(models) == second


def test_what_is_put_in_use_is_the_challenger_no_more(two: tuple[Path, list[str]]) -> None:
    models, (first, second) = two
    promote(models, second, "--shadow")
    assert promote(models, second) == EXIT_OK
    assert (current_version(models), challenger_version(models)) == (second, None)
    assert recorded(models)[-2:] == [(second, first, "promote"), ("", second, "no-shadow")]


def test_what_cannot_be_the_challenger_is_refused(
    two: tuple[Path, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models, (first, second) = two
    made = tmp_path / "made"
    terms = EngineTerms("EUR", label_delay_days=8)
    other = write_by_hand(made, FIELDS, LEARNED, [1.0] * len(LEARNED), terms=terms).version
    made.rename(models / other)
    for words, why in (
        ([first, "--shadow"], f"--shadow: got {first}, which is in use, expected another"),
        ([other, "--shadow"], f"{other} cannot score beside {first}, which is in use (label_delay_days: got 8"),
        (["--back", "--shadow"], "--shadow: got no VERSION"),
        (["--challenger", "--shadow"], "--shadow: got no VERSION"),
        (["gone-00000000", "--shadow"], "VERSION: got 'gone-00000000', expected one of"),
    ):
        assert promote(models, *words) == EXIT_FAILED
        assert why in capsys.readouterr().err
    (models / "current").unlink()
    assert promote(models, second, "--shadow") == EXIT_FAILED
    assert "--shadow: got no bundle in use" in capsys.readouterr().err
    assert challenger_version(models) is None


def test_a_file_that_names_no_challenger_can_be_replaced_or_removed(
    two: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    models, (_, second) = two
    for words, said in (([second, "--shadow"], second), (["--no-shadow"], "what could not be read")):
        (models / "challenger").write_text("gone-00000000")
        assert promote(models, *words) == EXIT_OK
        told = capsys.readouterr()
        assert "got 'gone-00000000', expected a bundle in" in told.err
        assert said in told.out
    assert not (models / "challenger").exists()


def test_promote_knows_workers_that_could_not_go_on_with_what_is_in_use(
    two: tuple[Path, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They may still run with the bundle before it: of its terms is the first, of the other ones the next two."""
    models, (first, _) = two
    others = []
    for weight in (0.5, 0.6):
        terms = EngineTerms("EUR", label_delay_days=8)
        manifest = write_by_hand(tmp_path / "by-hand", FIELDS, LEARNED, [weight] * len(LEARNED), terms=terms)
        (tmp_path / "by-hand").rename(models / manifest.version)
        others.append(manifest.version)
    for version in others:
        assert main(["promote", version, "--models", str(models)], {}) == EXIT_OK
    said = capsys.readouterr().err
    assert f"workers that run with {others[0]} go on with it" not in said
    assert f"workers that were not started anew since {first} was in use go on with it until they are stopped" in said
    assert main(["promote", first, "--models", str(models)], {}) == EXIT_OK
    said = capsys.readouterr().err
    assert f"workers that run with {others[1]} go on with it until they are stopped, all of them, and started" in said
    assert "were not started anew" not in said


def test_where_the_record_cannot_be_read_promote_says_so_and_goes_on(
    two: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    models, (first, second) = two
    with (models / "promotions.ndjson").open("wb") as file:
        file.truncate(SMALL_BYTES + 1)
    assert main(["promote", second, "--models", str(models)], {}) == EXIT_OK
    assert f"so nobody knows here what was in use before {first}" in capsys.readouterr().err
