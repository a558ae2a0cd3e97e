"""One connection to one port, put away completely afterwards, whatever became of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.conn import AIOKafkaConnection

# How long the other side may take to agree to the end of a connection.
CLOSE_SECONDS = 1


@asynccontextmanager
async def opened(host: str, port: int, seconds: float, options: dict[str, Any]) -> AsyncIterator[AIOKafkaConnection]:
    """`seconds` is what each answer may take; OSError, KafkaError, TimeoutError or ValueError where it fails."""
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
