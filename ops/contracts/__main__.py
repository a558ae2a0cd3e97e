"""`python -m ops.contracts FOLDER` writes the contracts: a JSON Schema for each topic, and the AsyncAPI document."""

import json
import sys
from pathlib import Path

from ops.contracts.asyncapi import document
from ops.contracts.schemas import schemas


def files() -> dict[str, str]:
    """File name to text."""
    made = {**schemas(), "asyncapi.json": document()}
    return {name: json.dumps(body, indent=2) + "\n" for name, body in made.items()}


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(f"got {len(arguments)} arguments, expected one: the folder to write to", file=sys.stderr)
        return 2
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (folder / name).write_text(text)
        print(folder / name)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
