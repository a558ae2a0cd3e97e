"""inspect: the map that it writes, and where it writes none."""

from pathlib import Path

import pytest

from console.start import EXIT_FAILED, EXIT_OK
from risk.dataset.map_file import load_map
from tests.foreign_files import World, own, saved, world
from trainer.__main__ import main

__all__ = ["world"]  # a fixture is used by its name


def test_no_map_is_written_where_no_row_can_be_read_with_it(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would be a map that every command refuses."""
    target = tmp_path / "map.toml"
    words = ["inspect", str(saved(tmp_path, **own(world, currency="EURO"))), "--write", str(target)]
    assert main(words, {}) == EXIT_FAILED
    said = capsys.readouterr()
    assert "unreadable: 1,000 rows with reason unknown_currency; the first: row 1" in said.out
    assert "no row can be read with the proposed map (1,000 of 1,000 have the reason unknown_currency)" in said.err
    assert not target.exists()


def test_what_is_sensitive_by_its_name_is_never_learned_silently(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Proposed as sensitive, with what to write; and warned of in a map that says nothing of it."""

    def inspect(*words: object) -> str:
        assert main(["inspect", *map(str, words)], {}) == EXIT_OK
        return capsys.readouterr().out

    path, columns = saved(tmp_path, **own(world)), tmp_path / "map.toml"
    said = inspect(path, "--write", columns)
    assert "age: sensitive, for its name says age: it is measured by group, and no model learns from it" in said
    assert load_map(columns).not_learned == ("age",)
    words = 'the column age says age by its name, and models learn from it: write sensitive = ["age"]'
    assert words not in inspect(path, "--columns", columns)
    columns.write_text("".join(f"{x}\n" for x in columns.read_text().splitlines() if not x.startswith("sensitive")))
    assert words in inspect(path, "--columns", columns)
