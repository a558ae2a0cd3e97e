"""What Apache Kafka is made of here: Java from the machine, the jars from Maven, fetched once."""

import fcntl
import hashlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from risk.errors import BrokerError

POM = Path(__file__).parent / "pom.xml"
PLACE = Path(__file__).parents[2] / ".kafka"
OLDEST_JAVA = 17

INSTALL = (
    "install both: `apt-get install openjdk-17-jre-headless maven` on Debian or Ubuntu, `brew install openjdk@17 "
    "maven` on macOS; or use the embedded broker: `make embedded`"
)


def jars(place: Path = PLACE) -> Path:
    """The folder with the jars. Maven fetches them the first time (43 MB); from then on no network is needed."""
    reason = missing(place)
    if reason is not None:
        raise BrokerError(reason)
    folder = place / "libs"
    place.mkdir(exist_ok=True)
    with alone(place):
        if not _is_whole(folder):
            _fetch(folder)
    return folder


def missing(place: Path = PLACE) -> str | None:
    """What this machine lacks for a Kafka, and how to install it."""
    java = shutil.which("java")
    if java is None:
        return f"java: not found, expected Java {OLDEST_JAVA} or later, which Apache Kafka needs; {INSTALL}"
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < OLDEST_JAVA:
        first = said.splitlines()[0] if said else "nothing"
        return f"java -version: got {first}, expected Java {OLDEST_JAVA} or later; {INSTALL}"
    if not _is_whole(place / "libs") and shutil.which("mvn") is None:
        return f"mvn: not found, expected Maven, which fetches Apache Kafka the first time; {INSTALL}"
    return None


@contextmanager
def alone(place: Path) -> Iterator[None]:
    """Two runs of the tests do not write into each other's folder."""
    with (place / "fetching").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _is_whole(folder: Path) -> bool:
    mark = folder / "whole"
    return mark.is_file() and mark.read_text() == _wanted()


def _wanted() -> str:
    return hashlib.sha256(POM.read_bytes()).hexdigest()


def _fetch(folder: Path) -> None:
    maven = shutil.which("mvn")
    assert maven is not None, "missing() has seen to it"
    shutil.rmtree(folder, ignore_errors=True)
    command = [maven, "--batch-mode", "--quiet", "--file", str(POM), "dependency:copy-dependencies"]
    done = subprocess.run(
        [*command, f"-DoutputDirectory={folder}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BrokerError(
            "mvn: cannot fetch Apache Kafka, expected a network the first time; Maven says:\n"
            + done.stdout.strip()[-2000:]
        )
    (folder / "whole").write_text(_wanted())
