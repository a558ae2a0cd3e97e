"""A real Kafka that asks for certificates and users, with certificates that are made for the test by keytool."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ops.kafka.ports import free_ports
from ops.kafka.properties import HOST, Listeners
from ops.kafka.real import Kafka
from testing.brokers import skip_without_java

USER, PASSWORD = "risk", "correct horse battery staple"
STORE_PASSWORD = "changeit"
SASL_SSL, SSL, SASL_PLAINTEXT = "SASL_SSL", "SSL", "SASL_PLAINTEXT"


class SecuredKafka(NamedTuple):
    """Addresses by protocol. The certificate at SSL has expired; `trusted` signed the one at SASL_SSL."""

    addresses: dict[str, str]
    trusted: Path
    expired: Path


@contextmanager
def secured_kafka(folder: Path) -> Iterator[SecuredKafka]:
    skip_without_java()
    plain, controller, *secured = free_ports(5)
    ports = dict(zip((SASL_SSL, SSL, SASL_PLAINTEXT), secured, strict=True))
    folder.mkdir()
    more = {**_certificate(folder, "valid", SASL_SSL), **_certificate(folder, "expired", SSL)}
    for listener in (SASL_SSL, SASL_PLAINTEXT):
        more |= _users(f"listener.name.{listener.lower()}")
    kafka = Kafka(folder / "kafka", Listeners(plain, controller, ports), more=more, users={USER: PASSWORD}, brief=True)
    try:
        kafka.start()
        addresses = {"PLAINTEXT": kafka.address, **{name: f"{HOST}:{port}" for name, port in ports.items()}}
        yield SecuredKafka(addresses, folder / "valid.pem", folder / "expired.pem")
    finally:
        kafka.kill()


def _certificate(folder: Path, name: str, listener: str) -> dict[str, str]:
    """A certificate for this machine that signs itself; what the listener is told of it."""
    store = folder / f"{name}.p12"
    days = ["-startdate", "-10d", "-validity", "1"] if name == "expired" else ["-validity", "10"]
    access = ["-alias", "broker", "-keystore", str(store), "-storetype", "PKCS12", "-storepass", STORE_PASSWORD]
    names = ["-dname", "CN=localhost", "-ext", f"san=ip:{HOST},dns:localhost", "-ext", "bc:c=ca:true"]
    _keytool("-genkeypair", "-keyalg", "EC", *access, *names, *days)
    _keytool("-exportcert", "-rfc", "-file", str(folder / f"{name}.pem"), *access)
    prefix = f"listener.name.{listener.lower()}.ssl.keystore"
    return {f"{prefix}.location": str(store), f"{prefix}.password": STORE_PASSWORD, f"{prefix}.type": "PKCS12"}


def _keytool(*arguments: str) -> None:
    subprocess.run(["keytool", *arguments], check=True, capture_output=True)


def _users(listener: str) -> dict[str, str]:
    modules = "org.apache.kafka.common.security"
    return {
        f"{listener}.sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN",
        f"{listener}.scram-sha-512.sasl.jaas.config": f"{modules}.scram.ScramLoginModule required;",
        f"{listener}.plain.sasl.jaas.config": f'{modules}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";',
    }
