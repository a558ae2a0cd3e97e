"""How a worker ends when it cannot go on: at once, so that nothing half-done is committed on the way out."""

import asyncio
import gc
import inspect
import logging
import os
import sys
import threading
import traceback
from collections.abc import AsyncGenerator, Iterator
from typing import Any, NamedTuple, NoReturn

from aiokafka.errors import KafkaError

from risk.errors import BrokerAwayError, StaleOwnerError, StoreBusyError, TrustLensError
from risk.kafka.connection import is_away

log = logging.getLogger(__name__)

EXIT_FAILED = 1  # a person must act: the last line says why
EXIT_STALE = 3  # a partition has another owner, or the store's file was exchanged: start again
EXIT_STALLED = 4  # the watchdog: nothing got on; start again
EXIT_AWAY = 5  # Kafka did not answer for too long: start again, as often as it takes
EXIT_BUSY = 6  # another program kept the store locked for too long: start again, and see which one


class _Kind(NamedTuple):
    """By which names something that waits has its frame, and what it waits for."""

    frame: str
    inner: str


KINDS = (_Kind("cr_frame", "cr_await"), _Kind("gi_frame", "gi_yieldfrom"), _Kind("ag_frame", "ag_await"))


async def _nothing() -> AsyncGenerator[None, None]:
    yield


STEPS = (type(_nothing().__anext__()), type(_nothing().aclose()))


def fatal(error: BaseException) -> NoReturn:
    """Says why and ends the process. What was under way is repeated by whoever comes next."""
    if isinstance(error, TrustLensError):
        log.critical("%s", error)
    elif isinstance(error, KafkaError):
        log.critical("Kafka: %r; look at the broker, then start the worker again", error)
    else:
        trace = "".join(traceback.format_exception(error))
        log.critical("a mistake in this program, please report it: %r\n%s", error, trace)
    end_now(status_of(error))


def status_of(error: BaseException) -> int:
    """Whether a person must act, or it is enough to start again."""
    if isinstance(error, StaleOwnerError):
        return EXIT_STALE
    if isinstance(error, StoreBusyError):
        return EXIT_BUSY
    away = isinstance(error, BrokerAwayError) or (isinstance(error, KafkaError) and is_away(error))
    return EXIT_AWAY if away else EXIT_FAILED


def stalled(seconds: float) -> NoReturn:
    log.critical(
        "nothing was stored for %.0f s although there are transactions to work on; ends, to be started again. "
        "What hangs: %s",
        seconds, _stacks(),
    )  # fmt: skip
    end_now(EXIT_STALLED)


def end_within(seconds: float) -> None:
    """A stop that hangs is cut short: what was not committed is repeated by whoever comes next."""
    loop = asyncio.get_running_loop()

    def cut_short() -> None:
        try:
            log.critical(
                "did not stop in %g s; ends now. What was not stored is repeated at the next start. "
                "What it waited for: %s",
                seconds, waits(loop),
            )  # fmt: skip
        finally:  # the loop goes on meanwhile: what is looked at may change under the look
            end_now(EXIT_FAILED)

    timer = threading.Timer(seconds, cut_short)
    timer.daemon = True
    timer.start()


def end_now(code: int) -> NoReturn:
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def waits(loop: asyncio.AbstractEventLoop) -> str:
    """Where each task stands: every function that it is in, the innermost last. asyncio itself shows the outermost
    alone, which says of most tasks that they wait for another."""
    return "\n".join(f"{task.get_name()}:\n{''.join(_frames(task.get_coro()))}" for task in asyncio.all_tasks(loop))


def _frames(waiting: Any) -> Iterator[str]:
    while waiting is not None:
        if isinstance(waiting, STEPS):  # they do not say of which generator they are
            waiting = next(filter(inspect.isasyncgen, gc.get_referents(waiting)), None)
        kind = next((kind for kind in KINDS if hasattr(waiting, kind.frame)), None)
        frame = getattr(waiting, kind.frame) if kind is not None else None
        if kind is None or frame is None:  # a future, or what has ended meanwhile
            yield f"  {waiting!r}\n"
            return
        yield f"  {frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_qualname}\n"
        waiting = getattr(waiting, kind.inner)


def _stacks() -> str:
    frames = sys._current_frames()
    return "\n".join(
        f"{thread.name}:\n{''.join(traceback.format_stack(frames[thread.ident]))}"
        for thread in threading.enumerate()
        if thread.ident in frames
    )
