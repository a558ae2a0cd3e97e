"""The contestant in Java: built by Maven when it is wanted, started with the merchant ledger's days in their topic."""

import asyncio
import hashlib
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

from aiokafka import AIOKafkaProducer

from bench.stream.same_as_ours import engine_of
from bench.stream.system import Run
from ops.leashed import ROOT, Leashed
from risk.bundle import read_bundle
from risk.dataset import open_dataset
from risk.errors import BrokerError
from risk.kafka.sending import Message, send_all
from risk.ledger import SeenDays
from risk.ledger_log import LARGEST_MESSAGE, key_of, messages_of
from risk.topics import topics_of

SOURCE = Path(__file__).parent
PLACE = ROOT / ".venv" / "bench" / "kafka_streams"
OLDEST_JAVA = 17
HEAP = "1g"


def missing(path: str | None = None) -> str | None:
    """What this machine lacks to build it; Kafka itself needs no compiler."""
    for program in ("javac", "mvn"):
        if shutil.which(program, path=path) is None:
            return (
                f"{program}: not found, expected a JDK and Maven to build it; "
                f"`apt-get install openjdk-{OLDEST_JAVA}-jdk-headless maven` on Debian"
            )
    said = subprocess.run(["javac", "-version"], capture_output=True, text=True, check=False)
    version = re.search(r"javac (\d+)", said.stdout + said.stderr)
    if version is None or int(version[1]) < OLDEST_JAVA:
        return f"javac -version: got {(said.stdout + said.stderr).strip()}, expected {OLDEST_JAVA} or later"
    return None


def build(place: Path = PLACE) -> Path:
    """The folder with its jar and, in `libs`, those it needs; Maven fetches these (240 MB) the first time."""
    files = [SOURCE / "pom.xml", *sorted(SOURCE.rglob("*.java"))]
    wanted = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    mark = place / "built"
    if mark.is_file() and mark.read_text() == wanted:
        return place
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    command = ["mvn", "--batch-mode", "--quiet", "--file", str(SOURCE / "pom.xml"), f"-Dout={place}", "package"]
    libraries = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={place / 'libs'}"]
    done = subprocess.run([*command, *libraries], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BrokerError(f"mvn: cannot build {SOURCE}, Maven says:\n{(done.stdout + done.stderr).strip()[-2000:]}")
    mark.write_text(wanted)
    return place


def start(run: Run, *options: str) -> Leashed:
    place = build()
    asyncio.run(_publish(run))
    classes = f"{place / 'kafka-streams-1.jar'}:{place / 'libs'}/*"
    java = ["java", f"-Xmx{HEAP}", "-cp", classes, "trustlens.Main", str(run.history.bundle), *options]
    return run.start_program(java)


async def _publish(run: Run) -> None:
    """Others close the ledger's days, as our worker does for its like: they are in the topic before it begins."""
    producer = AIOKafkaProducer(
        bootstrap_servers=run.address, max_batch_size=LARGEST_MESSAGE, max_request_size=2 * LARGEST_MESSAGE
    )
    await producer.start()
    try:
        await send_all(producer, topics_of(run.prefix).ledger, 0, closed_days(run.history.path, run.history.bundle))
    finally:
        await producer.stop()


@cache
def closed_days(path: Path, bundle: Path) -> list[Message]:
    """Every day that the history closes, as our engine closes them."""
    manifest = read_bundle(bundle).manifest
    days = SeenDays(manifest.terms.ledger_terms, keep=True)
    engine = engine_of(manifest, days)
    for rows in open_dataset(path).rows():
        days.learn(rows.labels())
        engine.features(rows.block)
    return [
        Message(key_of(day).as_bytes(), value)
        for day in days.handed_out
        for value in messages_of(day, sum(day.transactions))
    ]
