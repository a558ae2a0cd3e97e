"""What is read whole is small: a device never ends, and a data set may be named by mistake."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from producer.replay.position import read_position
from risk.dataset.map_file import load_map
from risk.errors import TrustLensError
from risk.small_file import SMALL_BYTES, read_small
from trainer.families.parameters import read_parameters


@pytest.mark.parametrize("read", [load_map, read_parameters, read_position])
@pytest.mark.parametrize("name", ["/dev/zero", "large"])
def test_what_is_too_large_is_refused_in_words(read: Callable[[Path], object], name: str, tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.touch()
    os.truncate(large, SMALL_BYTES + 1)
    with pytest.raises(TrustLensError, match=rf"{name}.*more than {SMALL_BYTES:,} bytes"):
        read(tmp_path / name)


def test_a_file_is_read_up_to_the_limit(tmp_path: Path) -> None:
    file = tmp_path / "small"
    file.touch()
    os.truncate(file, SMALL_BYTES)
    assert len(read_small(file)) == SMALL_BYTES


def test_a_pipe_is_read_to_its_end() -> None:
    """A shell's `--columns <(...)` is one."""
    reading, writing = os.pipe()
    os.write(writing, b"a = 1\n")
    os.close(writing)
    try:
        assert read_small(Path(f"/dev/fd/{reading}")) == b"a = 1\n"
    finally:
        os.close(reading)
