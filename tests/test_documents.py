"""The documents hold: every command is run or understood, every link leads somewhere, every picture is our own."""

import argparse
import re
import shlex
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from bench.__main__ import parser as bench
from bench.against.__main__ import parser as against
from bench.stream.__main__ import parser as stream
from console.commands import parser_of
from demo.command import parser as demo
from ops.embedded.__main__ import parser as embedded
from ops.kafka.__main__ import parser as kafka
from risk.codec import decode_label, decode_transaction
from risk.events import Label, Transaction
from risk.settings import PREFIX, read_settings
from storm.__main__ import parser as storm
from storm.scenarios import SCENARIOS
from tests.containers import COMMANDS, commands_of, parse, services
from tests.documents import PAGES, RECIPES, ROOT, anchors, blocks, inline, links, typed

PICTURES = ROOT / "docs" / "pictures"
LARGEST_PHOTOGRAPH = 150_000
LARGEST_DRAWING = 100_000

# Commands of others, by how they begin, and the test that runs them or judges what they are given.
OF_OTHERS = {
    "kcat": "test_contracts_kcat.py",
    "echo": "test_readme_stream.py",
    "sqlite-utils": "test_readme_stream.py",
    "python examples/alert_consumer.py": "test_readme_stream.py",
    "promtool test rules": "test_ops_rules.py",
    "docker compose": "test_ops_compose.py",
    "useradd": "test_ops_systemd.py",
    "install": "test_ops_systemd.py",
    "systemctl": "test_ops_systemd.py",
    "systemd-run": "test_ops_systemd.py",
    "iconv -f WINDOWS-1252 -t UTF-8": "test_dataset_content.py",
}
# Options of others that a page names by themselves.
OPTIONS_OF_OTHERS = {"--volumes", "--profile", "--no-deps"}
PARSERS = {
    "ops.kafka": kafka,
    "ops.embedded": embedded,
    "demo": demo,
    "storm": storm,
    "bench": bench,
    "bench.stream": stream,
    "bench.against": against,
}


def ids(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def parsers() -> Iterator[argparse.ArgumentParser]:
    for program, place in COMMANDS.items():
        module = import_module(place)
        for name in commands_of(program):
            made = parser_of(program, module.DESCRIPTION, module.COMMANDS, [name])
            yield made.get_default("parsers")[name]
    yield from (parser() for parser in PARSERS.values())


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    """Its own, and those of its commands."""
    found = {option for action in parser._actions for option in action.option_strings}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found |= {option for each in action.choices.values() for option in options_of(each)}
    return found


@cache
def every_option() -> set[str]:
    return {option for parser in parsers() for option in options_of(parser)} | OPTIONS_OF_OTHERS


def understood(words: list[str]) -> None:
    """`python -m` and these words: read by the program's own parser, which ends with SystemExit if it cannot."""
    program, *arguments = words
    if program in COMMANDS:
        parse(words, {})
    elif program in PARSERS:
        PARSERS[program]().parse_args(arguments)
    else:
        assert find_spec(program) is not None


def of_others(command: str) -> bool:
    return any(command.startswith(f"{beginning} ") for beginning in OF_OTHERS)


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_every_command_of_a_block_is_understood_or_run(page: Path) -> None:
    for command in (command for block in blocks(page) for command in block.commands):
        if command.startswith("python -m "):
            understood(shlex.split(command)[2:])
        elif command.startswith("export "):
            read_settings(dict([shlex.split(command)[1].split("=", 1)]))
        elif command.startswith("make "):
            assert command.split()[1] in targets(), command
        else:
            assert of_others(command), f"{page.name}: {command}: who runs this?"


def test_an_option_that_is_not_there_would_be_seen() -> None:
    with pytest.raises(AssertionError):
        understood(shlex.split("trainer train cards.parquet --no-such-option"))
    with pytest.raises(SystemExit):
        understood(shlex.split("trainer trian cards.parquet"))


def test_what_compose_is_told_to_run_is_understood() -> None:
    """`docker compose run ... SERVICE PROGRAM ...`: the words behind the service are one of our commands. It starts
    nothing else, and goes on only with a replay of the same kind."""
    every = [text for page in PAGES for text in (*inline(page), *(line for b in blocks(page) for line in b.commands))]
    found = 0
    for words in (shlex.split(text) for text in every if text.startswith("docker compose run ")):
        (service,) = (place for place, word in enumerate(words) if word in services())
        understood(words[service + 1 :])
        assert "--no-deps" in words, words
        if "--resume" in words:
            begun = parse(services()[words[service]]["command"], {})
            assert parse(words[service + 1 :], {}).loop == begun.loop, words
        found += 1
    assert found >= 2


def test_each_test_that_stands_for_a_command_of_others_speaks_of_it() -> None:
    every = [line for page in PAGES for block in blocks(page) for line in block.commands]
    for beginning, test in OF_OTHERS.items():
        assert (ROOT / "tests" / test).is_file()
        assert any(line.startswith(beginning) for line in every), f"{beginning}: no page says so any more"


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_every_command_and_option_of_the_text_exists(page: Path) -> None:
    for text in inline(page):
        if found := re.match(r"python -m ([\w.]+)(?: (\w+))?", text):
            program, command = found.groups()
            assert find_spec(program) is not None, text
            assert program not in COMMANDS or command in commands_of(program), text
        elif text.startswith("make "):
            assert text.split()[1] in targets(), text
        if text.startswith(("python -m ", "--")):
            assert set(re.findall(r"(?<!\S)--[a-z-]+", text)) <= every_option(), text


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_the_messages_of_the_recipe_are_what_they_should_be() -> None:
    """The label is one of the transaction, and was known after it."""
    by_hand = [shlex.split(line) for line in typed(RECIPES, "Your own Kafka") if line.startswith("echo ")]
    transaction, label = (words[1].encode() for words in by_hand)
    sent, known = decode_transaction(transaction), decode_label(label)
    assert isinstance(sent, Transaction)
    assert isinstance(known, Label)
    assert (known.transaction_id, known.customer_id) == (sent.transaction_id, sent.customer_id)
    assert known.labelled_at > sent.event_time
    prefix = dict(shlex.split(line)[1].split("=") for line in typed(RECIPES, "Your own Kafka") if "PREFIX" in line)
    for words, topic in zip(by_hand, ("transactions", "labels"), strict=True):
        assert words[words.index("-k") + 1] == sent.customer_id
        assert words[words.index("-t") + 1] == f"{prefix[f'{PREFIX}TOPIC_PREFIX']}{topic}"


@pytest.mark.parametrize("page", [*PAGES, ROOT / "DESIGN.md", ROOT / "CHANGELOG.md"], ids=ids)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        target, _, anchor = link.partition("#")
        place = (page.parent / target).resolve() if target else page
        assert place.exists(), f"{page.name} links to {link}"
        if anchor:
            assert anchor in anchors(place), f"{page.name} links to {link}"


def proofs(page: Path) -> set[str]:
    """Scenarios of the storm and files of tests, in the last cell of each row of its guarantees."""
    rows = page.read_text(encoding="utf-8").partition("| guarantee |")[2].partition("\n\n")[0].splitlines()[2:]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row.rstrip(" |").rpartition("|")[2])}


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "DESIGN.md"], ids=ids)
def test_what_a_page_names_as_proof_of_a_guarantee_exists(page: Path) -> None:
    named = proofs(page)
    assert named
    scenarios = {name.replace("-", "_") for name in SCENARIOS}
    assert [name for name in named if name not in scenarios and not (ROOT / name).is_file()] == []


def test_every_scenario_is_the_proof_of_a_guarantee() -> None:
    """A fault that is played, and of which DESIGN.md says nothing, would promise nothing."""
    assert {name.replace("-", "_") for name in SCENARIOS} - proofs(ROOT / "DESIGN.md") == set()


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, left = set(), [ROOT / "README.md"]
    while left:
        page = left.pop()
        if page.suffix == ".md" and page not in reached:
            reached.add(page)
            left += [(page.parent / link.partition("#")[0]).resolve() for link in links(page)]
    assert set(PAGES) - reached == set()


@pytest.mark.parametrize("picture", sorted(PICTURES.iterdir()), ids=ids)
def test_a_picture_is_small_shown_and_fetches_nothing(picture: Path) -> None:
    assert any(link.endswith(f"docs/pictures/{picture.name}") for link in links(ROOT / "README.md"))
    if picture.suffix == ".svg":
        drawing = picture.read_text(encoding="utf-8")
        fetched = re.findall(r"(?:https?:)?//[^\s\"')]+|@import|<script|<image", drawing.split(">", 1)[1])
        # An address that the terminal showed is text.
        assert [address for address in fetched if not address.startswith("http://127.0.0.1:")] == []
        assert len(drawing) < LARGEST_DRAWING
    else:
        assert picture.stat().st_size < LARGEST_PHOTOGRAPH
