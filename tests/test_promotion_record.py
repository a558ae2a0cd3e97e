"""promotions.ndjson: every promotion and every refusal is a line of it, and promote --back goes by it."""

import json
from pathlib import Path

import pytest

from console.start import EXIT_FAILED, EXIT_OK
from risk.small_file import SMALL_BYTES
from tests.test_models_command import two
from trainer.__main__ import main
from trainer.in_force import current_version, remember_refused

__all__ = ["two"]


def record(models: Path) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in (models / "promotions.ndjson").read_text().splitlines()]
    assert all(line.pop("at").endswith("Z") for line in lines)
    return lines


def test_every_promotion_is_recorded_and_back_is_what_was_in_use_before(
    two: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    models, (first, second) = two
    for words in ([second], ["--back"], ["--back"]):
        assert main(["promote", *words, "--models", str(models)], {}) == EXIT_OK
    assert (models / "current").read_text() == f"{second}\n"
    assert f"{first} is in use now; before: {second}" in capsys.readouterr().out
    assert record(models) == [
        {"version": first, "before": None, "by": "promote"},
        {"version": second, "before": first, "by": "promote"},
        {"version": first, "before": second, "by": "back"},
        {"version": second, "before": first, "by": "back"},
    ]


def test_what_is_in_use_already_is_no_promotion(
    two: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    models, (first, _) = two
    assert main(["promote", first, "--models", str(models)], {}) == EXIT_OK
    assert capsys.readouterr().out == f"{first} is in use already\n"
    assert len(record(models)) == 1


def test_back_is_refused_where_nothing_is_known_of_before(
    two: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing was in use before the first; somebody wrote `current` by hand; there is no record."""
    models, (first, second) = two
    for current in (first, second):
        (models / "current").write_text(current)
        assert main(["promote", "--back", "--models", str(models)], {}) == EXIT_FAILED
        assert f"knows of nothing that was in use before {current}" in capsys.readouterr().err
    (models / "promotions.ndjson").unlink()
    assert main(["promote", "--back", "--models", str(models)], {}) == EXIT_FAILED
    assert (models / "current").read_text() == second


def test_back_names_what_is_not_there_any_more_and_no_version_that_nobody_gave(
    two: tuple[Path, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Deleted, or one that workers would refuse by now."""
    models, (first, second) = two
    assert main(["promote", second, "--models", str(models)], {}) == EXIT_OK
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "current").write_text("rules-gone")
    words = ["promote", "--back", "--models", str(models)]
    assert main(words, {"TRUSTLENS_RULES": str(rules)}) == EXIT_FAILED
    assert f"error: --back: got {first}, expected a bundle that workers take" in capsys.readouterr().err
    assert record(models)[-1]["refused"] is True
    (models / first).rename(tmp_path / first)
    assert main(words, {}) == EXIT_FAILED
    assert f"error: --back: got {first}, which was in use before {second} and is not in" in capsys.readouterr().err
    assert (models / "current").read_text() == f"{second}\n"


def test_back_passes_over_what_was_refused(two: tuple[Path, list[str]]) -> None:
    """As where what is in use is trained again, and its test speaks against it: it came into use before that."""
    models, (first, second) = two
    assert main(["promote", second, "--models", str(models)], {}) == EXIT_OK
    remember_refused(models, second, "its test has no fraud", by="train")
    assert main(["promote", "--back", "--models", str(models)], {}) == EXIT_OK
    assert current_version(models) == first


def test_back_refuses_a_bundle_that_is_damaged_by_now(
    two: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    models, (first, second) = two
    assert main(["promote", second, "--models", str(models)], {}) == EXIT_OK
    (models / first / "model.onnx").write_bytes(b"half")
    assert main(["promote", "--back", "--models", str(models)], {}) == EXIT_FAILED
    assert "the file was changed" in capsys.readouterr().err
    assert (models / "current").read_text() == f"{second}\n"


def test_a_line_that_a_crash_cut_off_costs_no_other_line(
    two: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    models, (first, second) = two
    with (models / "promotions.ndjson").open("a") as file:
        file.write('{"at": "20')
    assert main(["promote", second, "--models", str(models)], {}) == EXIT_OK
    assert main(["promote", "--back", "--models", str(models)], {}) == EXIT_OK
    said = capsys.readouterr().err
    assert "promotions.ndjson: 1 line cannot be read, expected promotions, and passed over; the first is line 2" in said
    assert (models / "current").read_text() == f"{first}\n"


def test_lines_that_cannot_be_read_are_told_together(
    two: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    models, _ = two
    with (models / "promotions.ndjson").open("a") as file:
        file.write("no promotion\n" * 1_000)
    assert main(["promote", "--back", "--models", str(models)], {}) == EXIT_FAILED
    said = capsys.readouterr().err
    assert said.count("cannot be read") == 1
    assert "1,000 lines cannot be read, expected promotions, and passed over; the first is line 2 (" in said


def test_a_record_that_is_none_is_said_and_does_not_fill_memory(
    two: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    models, _ = two
    path = models / "promotions.ndjson"
    path.write_text('{"at": ' + "[" * 100_000)
    assert main(["promote", "--back", "--models", str(models)], {}) == EXIT_FAILED
    said = capsys.readouterr().err
    assert "promotions.ndjson: 1 line cannot be read" in said
    assert "knows of nothing that was in use before" in said
    with path.open("wb") as file:
        file.truncate(SMALL_BYTES + 1)
    assert main(["promote", "--back", "--models", str(models)], {}) == EXIT_FAILED
    assert "promotions.ndjson: more than 16,777,216 bytes, expected the record of promotions" in capsys.readouterr().err
