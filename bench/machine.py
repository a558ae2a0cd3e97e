"""What was measured on: a figure without its machine and its versions says nothing."""

import os
import platform
import re
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench.stream.contestants import QUIX_PYTHON
from bench.stream.kafka_streams.built import SOURCE

LIBRARIES = ("aiokafka", "faust-streaming", "lightgbm", "msgspec", "numba", "numpy", "onnxruntime", "uvloop")
JAVA_LIBRARIES = ("kafka-streams", "onnxruntime", "sqlite-jdbc")
KAFKA_POM = Path(__file__).parent.parent / "ops" / "kafka" / "pom.xml"


def machine() -> dict[str, str]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    libraries = [f"{name} {version(name)}" for name in LIBRARIES]
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{memory:.0f} GB",
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "versions": ", ".join([f"Python {platform.python_version()}", *libraries, _quix(), _kafka(), *_java()]),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "load": f"{os.getloadavg()[2]:.1f}",
    }


def measured_on(command: str, one: Mapping[str, str]) -> str:
    return (
        f"`{command}`, {one['date']}: {one['processor']}, {one['memory']}, {one['system']}; load of the machine at its "
        f"end {one['load']}; {one['versions']}"
    )


def _processor() -> str:
    found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.machine()


def _quix() -> str:
    if not QUIX_PYTHON.exists():
        return "no Quix Streams"
    asked = "from importlib.metadata import version; print(version('quixstreams'), version('confluent-kafka'))"
    done = subprocess.run([str(QUIX_PYTHON), "-c", asked], capture_output=True, text=True, check=True)
    quix, client = done.stdout.split()
    return f"Quix Streams {quix} (confluent-kafka {client})"


def _kafka() -> str:
    found = re.search(r"<artifactId>kafka_[\d.]+</artifactId>\s*<version>([^<]+)<", KAFKA_POM.read_text())
    return f"Kafka {found[1]}" if found else "Kafka"


def _java() -> list[str]:
    """What the contestant in Java is made of."""
    pom = (SOURCE / "pom.xml").read_text()
    found = re.findall(r"<artifactId>([^<]+)</artifactId>\s*<version>([^<]+)</version>\s*</dependency>", pom)
    return [f"{name} {version} for Java" for name, version in found if name in JAVA_LIBRARIES]
