"""python -m ops.grafana FOLDER: writes the dashboards as Grafana loads them."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from ops.grafana.operations import OPERATIONS
from ops.grafana.panel import as_json
from ops.grafana.risk import RISK

DASHBOARDS = {"operations.json": OPERATIONS, "risk.json": RISK}


def texts() -> dict[str, str]:
    """The content of each file, by its name."""
    return {name: json.dumps(as_json(board), indent=2) + "\n" for name, board in DASHBOARDS.items()}


def main(arguments: Sequence[str]) -> None:
    [folder] = map(Path, arguments)
    folder.mkdir(exist_ok=True)
    for name, text in texts().items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    main(sys.argv[1:])
