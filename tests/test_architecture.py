"""Who may import what, and where things are: the table of rooms and DESIGN.md's file map, held by reading the code."""

import ast
import re
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

PURE = {"risk", "msgspec", "numpy"}
# A door translates between one outside library and the domain; each library has one (dataset: a folder).
DOORS = {
    "windows.py": {"numba"},
    "model.py": {"onnxruntime"},
    "dataset/*.py": {"pandas", "pyarrow"},
    "store/sqlite/*.py": {"sqlite_utils"},
    "kafka/*.py": {"aiokafka"},
    "kafka/batches.py": {"cramjam"},
}

PROGRAMS = {
    "trainer": {
        "risk",
        "evaluation",
        "console",
        "worlds",
        "aiokafka",
        "numpy",
        "pandas",
        "pyarrow",
        "sklearn",
        "lightgbm",
        "xgboost",
        "catboost",
        "joblib",
        "imblearn",
        "onnx",
        "skl2onnx",
        "threadpoolctl",
        "matplotlib",
        "jinja2",
        "rich",
        "msgspec",
    },
    "producer": {"risk", "console", "worlds", "aiokafka", "msgspec", "rich"},
    "scorer": {"risk", "console", "faust", "aiokafka", "prometheus_client", "msgspec", "numpy", "uvloop"},
    "kpi_reporter": {"risk", "evaluation", "console", "numpy", "msgspec", "prometheus_client", "datasette", "rich"},
    # It writes the pages of contracts, features, and both programs' metrics.
    "ops": {"risk", "console", "scorer", "kpi_reporter", "aiokafka", "confluent_kafka", "prometheus_client", "msgspec"},
    # What scores are worth, for all who judge them.
    "evaluation": {"risk", "numpy", "msgspec", "threadpoolctl"},
    # Histories to try things on: made for a file by the trainer, and for a stream by the producer.
    "worlds": {"risk", "numpy", "pyarrow", "msgspec"},
    # What the programs share in how they speak with a person.
    "console": {"risk", "rich", "uvicorn", "h11"},
    # It runs the programs, as tests and the storm want them.
    "testing": {"risk", "ops", "producer", "scorer", "trainer", "aiokafka", "msgspec", "numpy", "onnx", "pytest"},
}

# The domain has no clock and no dice: time and randomness are arguments.
CLOCKS_AND_DICE = {"time", "random", "secrets"}
CLOCKS_AND_DICE_CALLS = {"now", "utcnow", "today", "monotonic", "perf_counter", "urandom", "default_rng"}
CLOCKS_AND_DICE_CALLS |= {"getnode", "uuid1", "uuid4", "uuid6", "uuid7", "uuid8"}  # uuid5 is a hash


def sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@cache
def imported(source: str) -> frozenset[str]:
    """Every module that is imported, at the top or inside a function."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: an import relative to the file; write it out from the root"
            found.add(node.module or "")
    return frozenset(found)


def imported_by(path: Path) -> frozenset[str]:
    return imported(path.read_text())


def strangers(source: str, allowed: Iterable[str]) -> set[str]:
    """The packages a file imports that are neither of the standard library nor allowed."""
    packages = {module.split(".")[0] for module in imported(source)}
    return packages - set(allowed) - sys.stdlib_module_names


def clocks_and_dice(source: str) -> set[str]:
    """What a file imports or calls to learn the time of day or to throw dice."""
    found = {module for module in imported(source) if module.split(".")[0] in CLOCKS_AND_DICE}
    found |= {module for module in imported(source) if module.startswith("numpy.random")}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in CLOCKS_AND_DICE_CALLS:
            found.add(node.attr)
        if isinstance(node, ast.Attribute) and node.attr == "random":
            found.add(ast.unparse(node))
        if isinstance(node, ast.ImportFrom):
            found |= {alias.name for alias in node.names} & (CLOCKS_AND_DICE_CALLS | {"random"})
    return found


def allowed_in_risk(path: Path) -> set[str]:
    return PURE.union(*(libraries for pattern, libraries in DOORS.items() if path.match(pattern)))


@pytest.mark.parametrize("path", sources("risk"), ids=lambda path: path.name)
def test_the_domain_imports_only_what_its_room_allows(path: Path) -> None:
    assert strangers(path.read_text(), allowed_in_risk(path)) == set()


@pytest.mark.parametrize("path", sources("risk"), ids=lambda path: path.name)
def test_the_domain_has_no_clock_and_no_dice(path: Path) -> None:
    assert clocks_and_dice(path.read_text()) == set()


@pytest.mark.parametrize("program", sorted(PROGRAMS))
def test_a_program_imports_the_domain_its_libraries_and_no_other_program(program: str) -> None:
    for path in sources(program):
        assert strangers(path.read_text(), {program, *PROGRAMS[program]}) == set(), path


def test_nothing_but_a_test_takes_from_the_tests() -> None:
    others = [path for folder in ROOT.glob("[!.]*/") if folder.name != "tests" for path in sources(folder.name)]
    assert ROOT / "storm/ground.py" in others
    assert [path for path in others if any(name.split(".")[0] == "tests" for name in imported_by(path))] == []


def test_only_its_adapter_knows_faust() -> None:
    knows = [
        path.name for path in sources("scorer") if any(name.split(".")[0] == "faust" for name in imported_by(path))
    ]
    assert knows == ["faust_adapter.py"]


@pytest.mark.parametrize("room", ["scorer/log", "scorer/ledger", "scorer/verify"])
def test_what_the_worker_shares_with_verify_knows_no_worker(room: str) -> None:
    others = [path for path in sources(room) if any(name.startswith("scorer.worker") for name in imported_by(path))]
    assert others == []


def test_only_the_store_and_the_explorer_speak_sql() -> None:
    """Python brings sqlite3 along, so that no table of libraries keeps it in its room."""
    rooms = {"trainer", "producer", "scorer", "kpi_reporter", "risk"}
    speakers = [path.relative_to(ROOT) for room in rooms for path in sources(room) if "sqlite3" in imported_by(path)]
    assert speakers
    allowed = "risk/store/sqlite/*.py", "kpi_reporter/explorer/*.py"
    assert [path for path in speakers if not any(map(path.match, allowed))] == []


def test_only_the_explorer_knows_which_store_it_reads() -> None:
    """The other programs come by the store through `risk.store`."""
    rooms = {"trainer", "producer", "scorer", "kpi_reporter"}
    knowing = [path.relative_to(ROOT) for room in rooms for path in sources(room)
               if any(name.startswith("risk.store.sqlite") for name in imported_by(path))]  # fmt: skip
    assert knowing
    assert [path for path in knowing if not path.match("kpi_reporter/explorer/*.py")] == []


def test_only_its_family_knows_a_library_that_is_an_extra() -> None:
    """So that everything else runs without it."""
    knowing = {
        path.name: found for path in sources("trainer") if (found := imported_by(path) & {"xgboost", "catboost"})
    }
    assert knowing == {"xgboost.py": {"xgboost"}, "catboost.py": {"catboost"}}


def test_nobody_calls_a_promise_instead_of_a_store() -> None:
    """`Store` is a protocol: its own methods do nothing, and would do so without a word."""
    names = {path: re.findall(r"\bStore\.[a-z]\w*", path.read_text()) for path in ROOT.glob("[!.]*/**/*.py")}
    assert names
    assert {path: found for path, found in names.items() if found} == {}


@pytest.mark.parametrize(
    ("source", "stranger"),
    [
        ("import pandas as pd", "pandas"),
        ("from trainer import generate", "trainer"),
        ("def late():\n    import aiokafka.errors", "aiokafka"),
        ("import numpy, numba", "numba"),
    ],
)
def test_a_stranger_is_seen(source: str, stranger: str) -> None:
    assert strangers(source, PURE) == {stranger}


@pytest.mark.parametrize(
    "source",
    [
        "import time",
        "from datetime import datetime\ndatetime.now()",
        "import numpy as np\nnp.random.default_rng(1)",
        "from numpy.random import default_rng",
        "from numpy import random",
        "from uuid import uuid4",
    ],
)
def test_a_clock_and_dice_are_seen(source: str) -> None:
    assert clocks_and_dice(source)


# The file map


def mapped() -> set[str]:
    """The places named in DESIGN.md's file map; a folder ends with a slash."""
    text = (ROOT / "DESIGN.md").read_text()
    section = text.split("## File map", 1)[1].split("\n## ", 1)[0]
    return {place for line in section.splitlines() for place in re.findall(r"`([^`]+)`", line.split(" | ")[0])}


@pytest.mark.parametrize("folder", ["risk", "evaluation", "trainer"])
def test_the_file_map_names_every_file(folder: str) -> None:
    places = mapped()
    named = tuple(place for place in places if place.endswith("/"))
    files = [path.relative_to(ROOT).as_posix() for path in sources(folder) if path.read_text().strip()]
    assert [file for file in files if file not in places and not file.startswith(named)] == []


def test_the_file_map_names_nothing_that_is_not_there() -> None:
    assert [place for place in sorted(mapped()) if not (ROOT / place).exists()] == []
