"""Nothing is left over: every dependency is imported, every setting read, every definition used; no file is long."""

import ast
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from risk.settings import Settings

ROOT = Path(__file__).parent.parent
SHIPPED = ("risk", "evaluation", "console", "worlds", "trainer", "producer", "scorer", "kpi_reporter")
OF_A_CHECKOUT = ("ops", "testing", "tests", "storm", "bench", "demo", "examples")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

# What is used, and not imported.
TOOLS = {
    "ruff": "make lint",
    "mypy": "make lint",
    "setuptools": "the build",
    "check-jsonschema": "compose's schema",
    "pytest-rerunfailures": ".ci/run",
    "pytest-xdist": "make test",
}
LOADED = {"cramjam": "aiokafka"}

# What the programs define, and only others use or nobody calls by name; each with its reason.
KEPT = {
    "is_asked": "tells tests when a reader is at rest",
    "file_bytes": "compared as a whole tuple",
    "head_sha256": "compared as a whole tuple",
    "columns_sha256": "compared as a whole tuple",
    "labels_topic": "compared as a whole tuple",
    "peek": "for answers to what-if over HTTP, which no program gives yet",
    # Called by the libraries that they belong to.
    "extra_template_vars": "Datasette",
    "register_facet_classes": "Datasette",
    "execute_write_fn": "Datasette",
    "capture_signals": "uvicorn",
    "_unsupported_upgrade_warning": "uvicorn",
    "_check_value": "argparse",
    "_unpack_records": "aiokafka",
    "_new_consumer_thread": "Faust",
    "_add_gap": "Faust",
    "_filter_tps_with_pending_acks": "Faust",
    "on_start": "Faust",
    "perform_seek": "Faust",
    "_new_offset": "Faust",
    "_should_commit": "Faust",
    "loads_key": "Faust",
    "loads_value": "Faust",
    "_create_directories": "Faust",
    "verify_event_path": "Faust",
}

LONGEST = 400
LONG = {
    "risk/windows.py": "numba's cache watches one file, so all compiled loops stand in it: DESIGN.md",
    "scorer/worker/faust_adapter.py": "nothing else knows Faust, and what is done in its place has its reason there",
    "risk/rules/language.py": "what an expression may be, and what is said of each slip, are one grammar",
    "risk/rules/compiled.py": "each kind of node beside the others: what is missing goes through all of them",
    "evaluation/result.py": "it is metrics.json: who reads that finds every field in one place",
}


def files(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def trees(*folders: str) -> dict[str, ast.Module]:
    return {path.relative_to(ROOT).as_posix(): tree(path) for path in files(*folders)}


# It reads the list of files of everything that is installed.
distributions = cache(packages_distributions)


def distribution(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(folders: Iterable[str]) -> set[str]:
    """The distributions of others whose packages these folders import."""
    found = distributions()
    packages = set()
    for node in (node for tree in trees(*folders).values() for node in ast.walk(tree)):
        if isinstance(node, ast.Import):
            packages |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            packages.add((node.module or "").split(".")[0])
    others = packages - sys.stdlib_module_names - {*SHIPPED, *OF_A_CHECKOUT}
    return {distribution(name) for package in others for name in found.get(package, [])}


def declared(requirements: Iterable[str]) -> set[str]:
    return {distribution(re.split(r"[=<>~!\[; ]", requirement)[0]) for requirement in requirements}


def test_the_programs_import_what_is_declared_and_all_of_it() -> None:
    shipped = [*PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"]["boosters"]]
    assert imported(SHIPPED) | LOADED.keys() == declared(shipped)


def test_what_only_a_checkout_needs_is_used_there_and_all_that_it_needs_is_declared() -> None:
    developers = declared(PROJECT["project"]["optional-dependencies"]["dev"])
    used = imported(OF_A_CHECKOUT)
    assert developers - used - TOOLS.keys() == set()
    assert used - developers - declared(PROJECT["project"]["dependencies"]) == set()


def test_every_setting_is_read_somewhere() -> None:
    """Off something that is called settings; a setting that nothing reads promises what does not happen."""
    read = {
        node.attr
        for path, tree in trees(*SHIPPED).items()
        if path != "risk/settings.py"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and "settings" in ast.unparse(node.value)
    }
    assert set(Settings._fields) - read == set()


def definitions(tree: ast.Module) -> Iterator[str]:
    """What a file defines at its top, and the methods and fields of its classes."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id
        if isinstance(node, ast.ClassDef):
            for part in node.body:
                if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield part.name
                elif isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
                    yield part.target.id


def uses(tree: ast.Module) -> Iterator[str]:
    """Every name that a file speaks of, in code or in a short text such as an annotation or a name of a field; an
    import alone is no use."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 60:
            yield from re.findall(r"\w+", node.value)


def uses_of_template(text: str) -> list[str]:
    """Every name in what Jinja computes, and none of the text around it."""
    return [name for code in re.findall(r"\{[{%].*?[%}]\}", text, re.DOTALL) for name in re.findall(r"\w+", code)]


def left_over(
    sources: dict[str, ast.Module], others: Iterable[ast.Module] = (), templates: Iterable[str] = ()
) -> dict[str, str]:
    """What the sources define and neither they, the others nor the templates speak of, with its file."""
    used = Counter(name for tree in (*sources.values(), *others) for name in uses(tree))
    used.update(name for text in templates for name in uses_of_template(text))
    return {
        name: path
        for path, tree in sources.items()
        for name in definitions(tree)
        if not used[name] and not (name.startswith("__") and name.endswith("__"))
    }


def test_what_the_programs_define_is_used_by_them_or_in_operation() -> None:
    templates = [path.read_text() for folder in SHIPPED for path in (ROOT / folder).rglob("*.html")]
    found = left_over(trees(*SHIPPED), trees("ops").values(), templates)
    assert {name: path for name, path in found.items() if name not in KEPT} == {}
    assert KEPT.keys() - found.keys() == set(), "not left over any more: take it off the list"


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("def used(): ...\nused()", set()),
        ("def dead(): ...", {"dead"}),
        ("class Dead:\n    def method(self): ...", {"Dead", "method"}),
        ("DEAD = 1\nfrom elsewhere import DEAD", {"DEAD"}),
    ],
)
def test_what_is_left_over_is_seen(source: str, names: set[str]) -> None:
    assert left_over({"file.py": ast.parse(source)}).keys() == names


def test_a_template_uses_what_it_computes_and_not_what_it_says() -> None:
    sources = {"file.py": ast.parse("def asked(): ...\ndef said(): ...\ndef looped(): ...")}
    template = "{% for each in looped %}{{ each.asked }} said{% endfor %}"
    assert left_over(sources, templates=[template]).keys() == {"said"}


def test_no_file_is_long_without_a_reason() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in files(*SHIPPED, *OF_A_CHECKOUT)}
    long = {path.relative_to(ROOT).as_posix() for path, length in lengths.items() if length > LONGEST}
    assert long == LONG.keys()
