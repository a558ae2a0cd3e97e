"""A real Apache Kafka: KRaft, one node, loopback only, with data in a folder of its own.

What every start has in common is made once, by the first one, and kept beside the jars: with it a broker needs 3.3 s of
the processor until it answers, and without it 8.
"""

import hashlib
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path

from ops.kafka.jars import POM, alone, jars
from ops.kafka.ports import answers, free_ports, is_free
from ops.kafka.properties import HOST, Listeners, server_properties
from ops.leashed import Leashed
from risk.errors import BrokerError

START_SECONDS = 180
STOP_SECONDS = 30

_CLASSES = "classes.jsa"  # Kafka's, as Java has them in memory
_BEGINNING = "bootstrap.checkpoint"  # what a formatted folder for data holds beside the ids of its own


class Kafka:
    """Starts, stops, kills and pauses one broker; it keeps its ports and its data."""

    def __init__(
        self,
        folder: Path,
        listeners: Listeners,
        *,
        more: Mapping[str, str] | None = None,
        users: Mapping[str, str] | None = None,
        heap: str = "512m",
        brief: bool = False,
    ) -> None:
        """`more` are further lines of server.properties; `users` have names and SCRAM passwords from the beginning.

        `brief` is for a life of minutes: Java compiles once and quickly, which halves the work of a start.
        """
        self.address = f"{HOST}:{listeners.plain}"
        self.folder = folder
        self.log = folder / "kafka.log"
        self.listeners = listeners
        self._more = more or {}
        self._users = users or {}
        self._java = (f"-Xmx{heap}", "-XX:+UseSerialGC", *(("-XX:TieredStopAtLevel=1",) if brief else ()))
        self._running: Leashed | None = None

    def start(self) -> None:
        """Returns as soon as it answers."""
        libs = jars()
        for port in (self.listeners.plain, self.listeners.controller, *self.listeners.secured.values()):
            if not is_free(port):
                raise BrokerError(
                    f"port {port}: something listens there already, expected it to be free; stop that, or name another"
                )
        made = _made_once(libs)
        self._start(libs, made, _from_kept(made))

    def _start(self, libs: Path, made: Path | None, java: str) -> None:
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        properties = self.folder / "server.properties"
        properties.write_text(server_properties(self.listeners, data, self._more))
        if not (data / "meta.properties").exists():
            if made is None or self._users:
                self._format(libs, properties)
            else:
                _begin(data, made)
        self._running = Leashed([*_with_jars(libs, *self._java, java), "kafka.Kafka", str(properties)], self.log)
        self._wait_until_it_answers(self._running)

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """As a system that shuts down asks for it."""
        if self._running is not None:
            self._running.stop(seconds)

    def kill(self) -> None:
        """As when the power fails."""
        if self._running is not None:
            self._running.kill()

    def pause(self) -> None:
        """It keeps its connections and answers nothing."""
        if self._running is not None:
            self._running.signal(signal.SIGSTOP)

    def resume(self) -> None:
        if self._running is not None:
            self._running.signal(signal.SIGCONT)

    def wait(self) -> int:
        """Its exit status, once it has ended."""
        return 0 if self._running is None else self._running.wait()

    def _format(self, libs: Path, properties: Path) -> None:
        # With an equals sign: an id may begin with a dash, like an option.
        command = [*_with_jars(libs, *self._java), "kafka.tools.StorageTool", "format", f"--cluster-id={new_id()}"]
        for name, password in self._users.items():
            command += ["--add-scram", f"SCRAM-SHA-512=[name={name},password={password}]"]
        command += ["--config", str(properties)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            said = done.stdout.strip()[-2000:]
            raise BrokerError(f"{self.folder}: cannot be made ready for Kafka, which says:\n{said}")

    def _wait_until_it_answers(self, running: Leashed) -> None:
        end = time.monotonic() + START_SECONDS
        while not answers(self.listeners.plain):
            try:
                status = running.wait(0.05)
            except subprocess.TimeoutExpired:
                if time.monotonic() < end:
                    continue
                running.kill()
                status = -1
            raise BrokerError(
                f"Kafka on port {self.listeners.plain}: ended with status {status} and never answered, expected it to "
                f"answer within {START_SECONDS} s; the end of {self.log}:\n{running.last_words()}"
            )


def _with_jars(libs: Path, *flags: str) -> list[str]:
    java = shutil.which("java")
    assert java is not None, "jars() has seen to it"
    return [java, *flags, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{libs}/*"]


def new_id() -> str:
    """Of a cluster or a folder, as Kafka writes its own."""
    return urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()


def _begin(data: Path, made: Path) -> None:
    """A new cluster of one node, as Kafka's own tool begins it; to start that takes as long as half a broker."""
    shutil.copy(made / _BEGINNING, data)
    ids = {"version": "1", "node.id": "1", "cluster.id": new_id(), "directory.id": new_id()}
    (data / "meta.properties").write_text("".join(f"{name}={value}\n" for name, value in ids.items()))


def _from_kept(made: Path) -> str:
    """Where Java kept none, it starts as ever."""
    return f"-XX:SharedArchiveFile={made / _CLASSES}"


def _made_once(libs: Path) -> Path:
    """The folder of what every start has in common. Another Kafka, or another Java, has other classes."""
    java = Path(shutil.which("java") or "").resolve()
    made_of = hashlib.sha256(POM.read_bytes() + f"{java} {java.stat().st_mtime_ns}".encode()).hexdigest()
    folder = libs.parent / "starts" / made_of[:16]
    with alone(libs.parent):
        if not folder.exists():
            shutil.rmtree(folder.parent, ignore_errors=True)
            making = folder.parent / "making"
            making.mkdir(parents=True)
            _make(libs, making)
            making.rename(folder)
    return folder


def _make(libs: Path, folder: Path) -> None:
    """By a broker that is formatted, starts and ends: Java keeps its classes when it ends."""
    with tempfile.TemporaryDirectory() as scratch:
        plain, controller = free_ports(2)
        kafka = Kafka(Path(scratch), Listeners(plain, controller, {}), brief=True)
        kafka._start(libs, None, f"-XX:ArchiveClassesAtExit={folder / _CLASSES}")
        kafka.stop(START_SECONDS)
        # Java ends by a fault on classes that are not whole, as where the disk was full.
        tried = [*_with_jars(libs, _from_kept(folder)), "kafka.Kafka", "--version"]
        if subprocess.run(tried, capture_output=True, check=False).returncode:
            (folder / _CLASSES).unlink(missing_ok=True)
        shutil.copy(kafka.folder / "data" / _BEGINNING, folder)
