"""Which of Kafka's four protocols a port speaks, found out by trying, for the words of an error."""

import ssl

from aiokafka.errors import IllegalSaslStateError, KafkaError
from aiokafka.protocol.admin import SaslHandShakeRequest

from risk.kafka.opening import opened


async def spoken_at(host: str, port: int, seconds: float) -> str | None:
    """None where none of them is: somebody else's port, or a broker that has stopped answering."""
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
