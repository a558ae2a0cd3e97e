"""Certificates and users: with the right ones it works, with wrong ones a program ends at once and says why."""

import asyncio
from collections.abc import Iterator

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from console.start import EXIT_FAILED, EXIT_OK
from producer.__main__ import main
from risk.kafka.connection import client_options, connection_of
from risk.settings import read_settings
from tests.kafka_security import PASSWORD, SASL_PLAINTEXT, SASL_SSL, SSL, USER, SecuredKafka, secured_kafka

pytestmark = pytest.mark.proof  # for its broker, which makes certificates and users


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    with secured_kafka(tmp_path_factory.mktemp("secured") / "kafka") as kafka:
        yield kafka


def environment(kafka: SecuredKafka, prefix: str, security: str, listener: str, **more: str) -> dict[str, str]:
    """The settings of a program that speaks `security` to the port of `listener`."""
    given = {"BROKERS": kafka.addresses[listener], "KAFKA_SECURITY": security, "TOPIC_PREFIX": prefix}
    if security.startswith("SASL_"):
        given |= {"KAFKA_USER": USER, "KAFKA_PASSWORD": PASSWORD}
    if security.endswith("SSL"):
        given["KAFKA_CA_FILE"] = str(kafka.trusted)
    return {f"TRUSTLENS_{name}": text for name, text in {**given, **more}.items() if text}


async def _there_and_back(settings: dict[str, str], topic: str) -> bytes:
    options = client_options(connection_of(read_settings(settings)))
    producer = AIOKafkaProducer(**options)
    await producer.start()
    try:
        await producer.send_and_wait(topic, b"a secret")
    finally:
        await producer.stop()
    consumer = AIOKafkaConsumer(topic, auto_offset_reset="earliest", **options)
    await consumer.start()
    try:
        value: bytes = (await consumer.getone()).value
    finally:
        await consumer.stop()
    return value


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
def test_messages_go_there_and_back_over_sasl_ssl(secured: SecuredKafka, prefix: str, mechanism: str) -> None:
    settings = environment(secured, prefix, SASL_SSL, SASL_SSL, KAFKA_MECHANISM=mechanism)
    assert main(["topics"], settings) == EXIT_OK
    assert asyncio.run(_there_and_back(settings, f"{prefix}transactions")) == b"a secret"


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
def test_a_wrong_password_ends_the_program_and_is_not_shown(
    secured: SecuredKafka, prefix: str, mechanism: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = environment(secured, prefix, SASL_SSL, SASL_SSL, KAFKA_PASSWORD="hunter2", KAFKA_MECHANISM=mechanism)
    assert main(["topics"], settings) == EXIT_FAILED
    said = capsys.readouterr().err
    assert f"the broker does not accept user 'risk' with this password by {mechanism}" in said
    assert "hunter2" not in said


def test_a_mechanism_that_the_broker_does_not_take_is_named(
    secured: SecuredKafka, prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = environment(secured, prefix, SASL_SSL, SASL_SSL, KAFKA_MECHANISM="SCRAM-SHA-256")
    assert main(["topics"], settings) == EXIT_FAILED
    assert "the broker does not take SCRAM-SHA-256; set TRUSTLENS_KAFKA_MECHANISM" in capsys.readouterr().err


@pytest.mark.parametrize("trusted", ["", "expired"], ids=["whom the system trusts", "somebody else"])
def test_a_certificate_that_nobody_trusted_has_signed_ends_the_program(
    secured: SecuredKafka, prefix: str, trusted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(secured.expired) if trusted else ""
    assert main(["topics"], environment(secured, prefix, SASL_SSL, SASL_SSL, KAFKA_CA_FILE=file)) == EXIT_FAILED
    said = capsys.readouterr().err
    assert "the broker's certificate is not trusted (self-signed certificate)" in said
    assert "signed by whom TRUSTLENS_KAFKA_CA_FILE names" in said


def test_an_expired_certificate_ends_the_program(
    secured: SecuredKafka, prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = environment(secured, prefix, SSL, SSL, KAFKA_CA_FILE=str(secured.expired))
    assert main(["topics"], settings) == EXIT_FAILED
    assert "the broker's certificate is not trusted (certificate has expired)" in capsys.readouterr().err


PROTOCOLS = ("PLAINTEXT", SSL, SASL_PLAINTEXT, SASL_SSL)


@pytest.mark.parametrize(
    ("security", "listener"),
    # SASL_SSL at the port of SSL meets the expired certificate first.
    [
        (ours, theirs)
        for ours in PROTOCOLS
        for theirs in PROTOCOLS
        if ours != theirs and (ours, theirs) != (SASL_SSL, SSL)
    ],
)
def test_another_protocol_than_the_port_s_is_named(
    secured: SecuredKafka, prefix: str, security: str, listener: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """No way to mix them up hangs, and each is told what the port has."""
    settings = environment(secured, prefix, security, listener)
    assert main(["topics"], settings) == EXIT_FAILED
    expected = f"got {listener} for the port's security protocol, expected {security}; set TRUSTLENS_KAFKA_SECURITY"
    assert expected in capsys.readouterr().err
