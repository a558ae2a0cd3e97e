"""The working tree beside one of its commits: what is said of the figures, and that each side is what it is named."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.against.__main__ import NAMES, commit_named, parser
from bench.against.contest import check_digest
from bench.against.tables import Found, Pair, Sides, is_met, page
from bench.stream.system import Tree
from risk.errors import OptionError


def test_ratios_are_of_one_turn_and_are_judged_as_they_are_shown() -> None:
    pairs = [
        Pair("rows_per_second", "dense", 252_000, [10_000.0, 5_000.0, 10_000.0], [17_000.0, 10_000.0, 16_960.0]),
        Pair("cpu_microseconds", "dense", 252_000, [60.0, 60.0, 60.0], [33.0, 33.4, 33.5]),
        Pair("kilobytes_a_customer", "long", 252_000, [40.0], [40.1]),
    ]
    said = page(Found(pairs, {}, {"dense": "1a2b"}), Sides("dd4d430", "688e069-dirty", 3))
    cpu = "60.0 | 33.4 (33.0 to 33.5) | 0.56 (0.55 to 0.56) | ≤ 0.55 | **no** |"
    rate = "10,000 (5,000 to 10,000) | 16,960 (10,000 to 17,000) | 1.70 (1.70 to 2.00) | ≥ 1.7 | yes |"
    for line in (
        "688e069-dirty beside dd4d430, 3 turns: medians, least and most in brackets.",
        f"| transactions/s, one worker | dense | 252,000 | {rate}",
        f"| CPU µs a transaction | dense | 252,000 | {cpu}",
        "| peak memory of the worker, kB a customer | long | 252,000 | 40.0 | 40.1 | 1.00 | ≤ 1 | yes |",
        "| dense | `1a2b` |",
    ):
        assert f"{line}\n" in said, said


def test_what_is_scored_with_a_bundle_of_its_own_is_named_and_not_judged() -> None:
    pair = Pair("cpu_microseconds", "long", 252_000, [60.0], [59.0], is_own=True)
    assert is_met(pair)
    assert not is_met(pair._replace(is_own=False))
    said = page(Found([pair], {}, {}), Sides("dd4d430", "688e069", 1))
    assert "| CPU µs a transaction, with a bundle of its own | long | 252,000 | 60.0 | 59.0 | 0.98 |  |  |\n" in said, (
        said
    )


def test_a_thread_that_is_on_one_side_only_has_used_nothing_on_the_other() -> None:
    threads = {"dense": {"old": [{"score_0": 20.0}, {"score_0": 22.0}], "new": [{"score_0": 9.0, "encode": 30.0}] * 2}}
    said = page(Found([], threads, {}), Sides("old", "new", 2))
    assert said.endswith("| thread | old | new |\n| --- | ---: | ---: |\n| `encode` | 0.0 | 30.0 |\n"
                         "| `score_0` | 21.0 | 9.0 |\n")  # fmt: skip


def test_trees_that_do_different_work_have_no_ratio() -> None:
    digests: dict[str, str] = {}
    for name in ("old", "new"):
        check_digest(digests, "dense", "1a2b", name)
    with pytest.raises(SystemExit, match="dense: got the digest 3c4d of a backtest by the new tree, expected 1a2b"):
        check_digest(digests, "dense", "3c4d", "new")


def test_a_tree_runs_its_own_modules_wherever_it_is_started(tmp_path: Path) -> None:
    (tmp_path / "risk.py").write_text("import os\nprint(os.getcwd(), os.environ['SIDE'])\n")
    command = Tree("old", tmp_path, sys.executable, {"SIDE": "old one"}).command("risk")
    said = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    assert said.stdout == f"{tmp_path} old one\n"


def test_the_system_knows_threads_by_their_names(tmp_path: Path) -> None:
    (tmp_path / "threads.py").write_text(
        "from concurrent.futures import ThreadPoolExecutor\nfrom pathlib import Path\nfrom threading import Thread\n"
        "class Client(Thread):\n    def run(self): print(own())\n"
        "def own(): return Path('/proc/thread-self/comm').read_text().strip()\n"
        "Path('/proc/self/comm').write_text('whole')\n"
        "print(own())\n"
        "with ThreadPoolExecutor(1, thread_name_prefix='score') as pool:\n"
        "    pool.submit(int).result()\n"
        "    print(pool.submit(own).result())\n"
    )
    command = Tree("old", tmp_path, sys.executable, NAMES).command("threads")
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert said.stdout == "whole\nscore_0\n"


def test_a_commit_that_there_is_not_is_said_before_anything_is_built() -> None:
    options = parser().parse_args(["no-such-commit", "--turns", "1", "--only", "stream"])
    assert (options.rows, options.turns, options.only, options.folder) == (252_000, 1, "stream", None)
    with pytest.raises(OptionError, match="COMMIT: got 'no-such-commit', expected a commit of this checkout"):
        commit_named(options.commit)
