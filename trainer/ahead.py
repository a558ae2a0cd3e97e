"""Steps of a command side by side: a thread runs a generator ahead of who takes its items.

Nothing else changes: items come in the generator's order, and what it raises is raised where its next item was due. Two
steps have two cores, because the compiled loops, ONNX Runtime, Arrow and NumPy's larger loops work without the
interpreter's lock.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Semaphore, Thread
from typing import NamedTuple, TypeVar

Item = TypeVar("Item")


class _Failed(NamedTuple):
    error: BaseException


class _Ended(NamedTuple):
    pass


@contextmanager
def ahead(items: Generator[Item, None, None], *, at_most: int) -> Iterator[Iterator[Item]]:
    """The items, of which at most so many are made before they are taken. The generator is closed in the end.

    The first is made at once, in this thread: it may take as long as sorting a file, and an interrupt reaches no other
    thread.
    """
    made: SimpleQueue[Item | _Failed | _Ended] = SimpleQueue()
    room = Semaphore(at_most - 1)  # beside the one that is made first
    ended, is_left = _Ended(), False
    made.put(next(items, ended))

    def run() -> None:
        try:
            while room.acquire() and not is_left:
                made.put(next(items, ended))
            items.close()
        except BaseException as error:  # whatever it is, it is raised where the items are taken
            made.put(_Failed(error))

    # A daemon: after an error that nobody expected, whoever still holds this must not keep the process alive.
    thread = Thread(target=run, name="ahead", daemon=True)
    thread.start()
    try:
        yield _taken(made, room)
    finally:
        is_left = True
        room.release()
        thread.join()


def _taken(made: "SimpleQueue[Item | _Failed | _Ended]", room: Semaphore) -> Iterator[Item]:
    while True:
        item = made.get()
        if isinstance(item, _Ended):
            return
        if isinstance(item, _Failed):
            raise item.error
        room.release()
        yield item
