"""Kafka for the tests. And in CI nothing may be skipped for want of a component: a skip is a failure there, and says
what was wanting."""

import gc
import os
import signal
import warnings
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.database import DirectoryBasedExampleDatabase

# Before a library with OpenMP is loaded, and for programs that tests start: its threads that have nothing to do would
# turn round and round on a processor that the tests beside these need.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# Datasette asks SQLite what it can when it is imported, and once for its version, and leaves the databases in memory
# that it asks to the garbage collector: here, where no test is blamed for them.
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ResourceWarning)
    import datasette.app

    datasette.utils.sqlite.sqlite_version()
    gc.collect()

from testing.brokers import TestKafka, embedded, new_prefix, running
from tests.explorers import Served, exploring, make_store

# How many examples a property test has, the profile decides: the same thirty at every run, with "proof" the same three
# hundred, with "fuzz" a thousand others each time, and what these found is kept.
ANY_SIZE = (HealthCheck.too_slow, HealthCheck.data_too_large)
settings.register_profile("test", derandomize=True, max_examples=30, deadline=None, suppress_health_check=ANY_SIZE)
settings.register_profile("proof", settings.get_profile("test"), max_examples=300)
settings.register_profile(
    "fuzz",
    max_examples=1_000,
    deadline=None,
    suppress_health_check=ANY_SIZE,
    print_blob=True,
    database=DirectoryBasedExampleDatabase(Path(__file__).parent.parent / ".hypothesis" / "examples"),
)
settings.load_profile("test")


# They begin first, so that no process is left alone with one of them at the end.
LONGEST = (
    "test_storm",
    "test_ops_prometheus",
    "test_train_command",
    "test_training_broken_off",
    "test_training_promises",
    "test_report_command",
    "test_training_external",
    "test_scorer_faults",
    "test_producer_replay",
    "test_proposal_foreign",
    "test_proposal",
    "test_engine_oracle",
    "test_alert_consumer",
    "test_ops_kafka",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "own_kafka" in getattr(item, "fixturenames", ()):  # a broker for one test takes ten seconds
            item.add_marker(pytest.mark.proof)
    begins = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: begins.get(item.path.stem, len(begins)))


def pytest_xdist_auto_num_workers() -> int:
    """Half as many again as there are processors: tests wait for brokers, browsers and other programs."""
    cores = os.cpu_count() or 1
    return cores + cores // 2


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, default=42, help="what storms throw their dice from (default 42)")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Said here, because a quiet pytest prints no header."""
    said = session.config.get_terminal_writer()
    profile = session.config.getoption("--hypothesis-profile") or "test"
    said.line(f"seed {session.config.getoption('--seed')}, property tests by the profile {profile!r}")


def pytest_configure() -> None:
    """A run in the background of a script has Ctrl-C ignored, and so would programs have that a test interrupts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, which CI does not allow: {report.longrepr}"
    return report


@pytest.fixture(scope="session", autouse=True)
def _state(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What programs note goes into no one's home."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestKafka]:
    """One real Kafka for this process and the whole run; tests keep apart by `prefix`, and leave it as they found it.
    As nobody kills it, it need not be quick to count as gone, and a busy machine does not make it seem so. What may be
    compacted is, soon."""
    more = {"broker.session.timeout.ms": "120000", "log.cleaner.backoff.ms": "500"}
    with running(tmp_path_factory.mktemp("kafka"), more) as broker:
        yield broker


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[TestKafka]:
    """A real Kafka for one test, which may kill, restart and pause it."""
    with running(tmp_path / "kafka") as broker:
        yield broker


@pytest.fixture
def embedded_kafka(tmp_path: Path) -> Iterator[str]:
    """The address of a broker in memory."""
    with embedded(tmp_path / "embedded.log") as address:
        yield address


@pytest.fixture
def prefix() -> str:
    return new_prefix()


@pytest.fixture(scope="module")
def explorer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Over a store that nobody changes."""
    path = tmp_path_factory.mktemp("explorer") / "risk.db"
    make_store(path)
    with exploring(path) as server:
        yield server
