"""How to connect to Kafka, and why it does not work: a person can act on the answer.

The client by itself tries again for ever, whatever the reason; so a program calls `check_reachable` before it
makes clients.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple

from aiokafka.conn import AIOKafkaConnection, collect_hosts
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaError,
    KafkaTimeoutError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.admin import SaslHandShakeRequest
from aiokafka.protocol.metadata import MetadataRequest

import risk.kafka.batches  # noqa: F401  # whatever client is made by these options reads within bounds
from risk.errors import BrokerAwayError, BrokerError, SettingError
from risk.settings import PREFIX, Secret, Settings

# What a broker is given to answer in, before it counts as away.
REACH_SECONDS = 10
LOOKS_EVERY_SECONDS = 0.2
# How long the other side may take to agree to the end of a connection.
CLOSE_SECONDS = 1

Address = tuple[str, int]


class Connection(NamedTuple):
    brokers: tuple[str, ...]
    security: str
    mechanism: str
    user: str
    password: Secret
    context: ssl.SSLContext | None


def connection_of(settings: Settings) -> Connection:
    """What the settings say together; SettingError where they contradict each other."""
    security = settings.kafka_security
    _check_user(settings)
    if settings.kafka_ca_file is not None and not security.endswith("SSL"):
        raise SettingError(
            f"{PREFIX}KAFKA_CA_FILE: got {settings.kafka_ca_file} with {PREFIX}KAFKA_SECURITY {security}, expected "
            "SSL or SASL_SSL; set it, or leave the file away"
        )
    return Connection(
        settings.brokers,
        security,
        settings.kafka_mechanism,
        settings.kafka_user,
        settings.kafka_password,
        _trust(settings) if security.endswith("SSL") else None,
    )


def _check_user(settings: Settings) -> None:
    """A user is wanted with SASL, and would be passed over without it."""
    with_sasl = settings.kafka_security.startswith("SASL_")
    for name, given in (("KAFKA_USER", settings.kafka_user), ("KAFKA_PASSWORD", settings.kafka_password)):
        if with_sasl and not given:
            raise SettingError(f"{PREFIX}{name}: got nothing, expected one with {settings.kafka_security}; set it")
        if given and not with_sasl:
            raise SettingError(
                f"{PREFIX}{name}: got one with {PREFIX}KAFKA_SECURITY {settings.kafka_security}, expected SASL_SSL or "
                "SASL_PLAINTEXT; set it, or leave the user away"
            )


def _trust(settings: Settings) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.kafka_ca_file)
    except OSError as error:
        raise SettingError(
            f"{PREFIX}KAFKA_CA_FILE: got {settings.kafka_ca_file}, expected a file of certificates as PEM "
            f"({error.strerror or error}); name the one that signed the broker's certificate"
        ) from None


def client_options(connection: Connection) -> dict[str, Any]:
    """What every client of aiokafka is told."""
    options: dict[str, Any] = {
        "bootstrap_servers": list(connection.brokers),
        "security_protocol": connection.security,
        "ssl_context": connection.context,
    }
    if connection.security.startswith("SASL_"):
        options["sasl_mechanism"] = connection.mechanism
        options["sasl_plain_username"] = connection.user
        options["sasl_plain_password"] = connection.password.reveal()
    return options


def is_away(error: KafkaError) -> bool:
    """Whether the same question may be answered later. The client does not count its own time limit among those."""
    return bool(error.retriable) or isinstance(error, KafkaTimeoutError)


@contextmanager
def in_words(asked: Iterable[str]) -> Iterator[None]:
    """The client's errors in ours: about what something was asked, and whether it may be asked again."""
    try:
        yield
    except KafkaError as error:
        what = f"{', '.join(asked)}: the broker did not answer as expected ({error!r}); look at it, and try again"
        raise (BrokerAwayError(what) if is_away(error) else BrokerError(what)) from error


async def check_reachable(connection: Connection, seconds: float = REACH_SECONDS) -> None:
    """Returns once a broker has answered under the address that it gives to clients.

    BrokerAwayError where none is there; BrokerError where one is, and never will let us in.
    """
    given = [(host, port) for host, port, _ in collect_hosts(list(connection.brokers))]
    advertised = await _advertised(connection, given, seconds)
    try:
        await _first(connection, advertised, seconds)
    except BrokerAwayError as error:
        told = ", ".join(f"{host}:{port}" for host, port in advertised)
        raise BrokerAwayError(
            f"{', '.join(connection.brokers)}: answers, and says that clients find it at {told}; but {error}"
        ) from error


async def _advertised(connection: Connection, given: list[Address], seconds: float) -> list[Address]:
    """Where clients find the brokers. A broker that starts, or was paused, answers before it takes part again."""
    for _ in range(round(seconds / LOOKS_EVERY_SECONDS)):
        if found := await _first(connection, given, seconds):
            return found
        await asyncio.sleep(LOOKS_EVERY_SECONDS)
    raise BrokerAwayError(
        f"{', '.join(connection.brokers)}: answers, and says for {seconds:g} s that no broker is ready, expected one; "
        "wait until it has started"
    )


async def _first(connection: Connection, addresses: list[Address], seconds: float) -> list[Address]:
    """Where the brokers say they are, asked of the first that answers."""
    reasons = []
    for host, port in addresses:
        try:
            return await _ask(connection, host, port, seconds)
        except BrokerAwayError as error:
            reasons.append(str(error))
    raise BrokerAwayError(
        f"{'; '.join(reasons)}; expected a Kafka broker; start one (`make kafka`), or set {PREFIX}BROKERS"
    )


async def _ask(connection: Connection, host: str, port: int, seconds: float) -> list[Address]:
    options = client_options(connection)
    del options["bootstrap_servers"]
    try:
        async with opened(host, port, seconds, options) as to_broker:
            metadata = await to_broker.send(MetadataRequest([]))
    except (OSError, KafkaError, TimeoutError, ValueError) as error:
        raise await _why(connection, host, port, error, seconds) from error
    return [(broker[1], broker[2]) for broker in metadata.brokers]


async def _why(connection: Connection, host: str, port: int, error: Exception, seconds: float) -> BrokerError:
    """The words for what went wrong, and whether it can ever go right."""
    where = f"{host}:{port}"
    match error:
        case ssl.SSLCertVerificationError():
            return BrokerError(
                f"{where}: the broker's certificate is not trusted ({error.verify_message}), expected one for this "
                f"address, signed by whom {PREFIX}KAFKA_CA_FILE names (without it, whom the system trusts); set it"
            )
        case SaslAuthenticationFailed():
            return BrokerError(
                f"{where}: the broker does not accept user {connection.user!r} with this password by "
                f"{connection.mechanism}; set {PREFIX}KAFKA_USER, {PREFIX}KAFKA_PASSWORD and {PREFIX}KAFKA_MECHANISM"
            )
        case UnsupportedSaslMechanismError():
            return BrokerError(
                f"{where}: the broker does not take {connection.mechanism}; set {PREFIX}KAFKA_MECHANISM ({error})"
            )
        case ValueError():
            return BrokerError(f"{where}: the broker cannot prove that it knows the user's password ({error})")
        case ConnectionRefusedError():
            return BrokerAwayError(f"{where}: nobody listens there")
        case TimeoutError():
            return BrokerAwayError(f"{where}: no answer within {seconds:g} s")
        case socket.gaierror():
            return BrokerAwayError(f"{where}: no such host ({error.strerror})")
    protocol = await _protocol_of(host, port, seconds)
    if protocol is not None and protocol != connection.security:
        return BrokerError(
            f"{where}: got {protocol} for the port's security protocol, expected {connection.security}; set "
            f"{PREFIX}KAFKA_SECURITY"
        )
    return BrokerAwayError(f"{where}: no answer that Kafka would give ({str(error) or type(error).__name__})")


async def _protocol_of(host: str, port: int, seconds: float) -> str | None:
    """Which of Kafka's four security protocols a port has, found out by trying. None where it is none of them: somebody
    else's port, or a broker that has stopped answering."""
    for security, context in (("PLAINTEXT", None), ("SSL", _any_certificate())):
        options = {"security_protocol": security, "ssl_context": context}
        try:
            async with opened(host, port, seconds, options) as connection:
                answer = await connection.send(SaslHandShakeRequest("PLAIN"))
        except (OSError, KafkaError, TimeoutError, ValueError):
            continue
        # The answer of a port that takes no users; one that does may say that it wants another mechanism.
        return security if answer.error_code == IllegalSaslStateError.errno else f"SASL_{security}"
    return None


def _any_certificate() -> ssl.SSLContext:
    """Nothing is sent that anybody may not hear: neither user nor password."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@asynccontextmanager
async def opened(host: str, port: int, seconds: float, options: dict[str, Any]) -> AsyncIterator[AIOKafkaConnection]:
    """One connection to one port, closed completely afterwards, whatever came of it. `seconds` is what each answer may
    take; OSError, KafkaError, TimeoutError or ValueError where it fails."""
    connection = AIOKafkaConnection(host, port, request_timeout_ms=seconds * 1000, **options)
    try:
        await connection.connect()
    except OSError:
        # There was no connection. What there was of it is put away in the next turns of the loop.
        for _ in range(3):
            await asyncio.sleep(0)
        raise
    except Exception:
        await _put_away(connection)
        raise
    try:
        yield connection
    finally:
        await _put_away(connection)


async def _put_away(connection: AIOKafkaConnection) -> None:
    await asyncio.wait({connection.close()}, timeout=CLOSE_SECONDS)
