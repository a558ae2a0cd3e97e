"""The library that runs models would report to its maker and write into the home folder: it must do neither."""

import subprocess
import sys
from pathlib import Path

from testing.bundles import linear_onnx

ROOT = Path(__file__).parent.parent
LOADS_A_MODEL = "import sys; from risk.model import OnnxModel; OnnxModel(sys.stdin.buffer.read(), 2, 'model')"


def test_loading_a_model_leaves_nothing_in_the_home_folder(tmp_path: Path) -> None:
    """Where it finds its switch off it makes no file of its own; with the switch on it makes two and calls out."""
    subprocess.run(
        [sys.executable, "-c", LOADS_A_MODEL],
        input=linear_onnx([1.0, 2.0], 0.0),
        env={"HOME": str(tmp_path), "PATH": ""},
        cwd=ROOT,
        check=True,
    )
    assert list(tmp_path.rglob("*")) == []
