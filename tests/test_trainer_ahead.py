"""A generator that a thread runs ahead: the same items in the same order, errors in their place, and an end."""

from collections.abc import Generator
from threading import Event, current_thread, main_thread

import pytest

from trainer.ahead import ahead


class Steps:
    """Makes numbers, and tells what it did."""

    def __init__(self, count: int, *, fails_at: int | None = None) -> None:
        self.made: list[int] = []
        self.is_closed = False
        self.threads: list[str] = []
        self.has_made_two = Event()
        self._count, self._fails_at = count, fails_at

    def numbers(self) -> Generator[int, None, None]:
        try:
            for number in range(self._count):
                self.threads.append(current_thread().name)
                if number == self._fails_at:
                    raise ValueError(f"no {number}")
                self.made.append(number)
                if number == 1:
                    self.has_made_two.set()
                yield number
        finally:
            self.is_closed = True


@pytest.mark.parametrize("at_most", [1, 2, 50])
def test_items_come_once_and_in_order(at_most: int) -> None:
    steps = Steps(20)
    with ahead(steps.numbers(), at_most=at_most) as numbers:
        assert list(numbers) == list(range(20))
    assert steps.is_closed
    assert main_thread().name not in steps.threads[1:]


def test_the_first_item_is_made_where_an_interrupt_arrives() -> None:
    """It may take as long as sorting a file, and who waits for another thread's would go on waiting."""
    steps = Steps(20)
    with ahead(steps.numbers(), at_most=1):
        assert steps.threads[0] == main_thread().name
    assert steps.is_closed

    def sorting() -> Generator[int, None, None]:
        try:
            raise KeyboardInterrupt
            yield 0
        finally:
            steps.is_closed = True

    steps.is_closed = False
    with pytest.raises(KeyboardInterrupt), ahead(sorting(), at_most=1):
        pass
    assert steps.is_closed


def test_of_nothing_nothing_comes() -> None:
    with ahead(Steps(0).numbers(), at_most=1) as numbers:
        assert list(numbers) == []


def test_the_next_item_is_made_while_one_is_worked_on_and_no_more() -> None:
    steps = Steps(20)
    with ahead(steps.numbers(), at_most=1) as numbers:
        for number in numbers:
            assert len(steps.made) <= number + 2
            if number == 0:
                assert steps.has_made_two.wait(60)


def test_an_error_is_raised_where_its_item_was_due() -> None:
    steps = Steps(20, fails_at=2)
    taken = []
    with ahead(steps.numbers(), at_most=5) as numbers, pytest.raises(ValueError, match="no 2"):
        taken.extend(numbers)
    assert steps.made == [0, 1]
    assert steps.is_closed


def test_who_leaves_early_closes_the_generator() -> None:
    steps = Steps(1_000_000)
    with ahead(steps.numbers(), at_most=3) as numbers:
        assert [next(numbers) for _ in range(5)] == [0, 1, 2, 3, 4]
    assert steps.is_closed
    assert len(steps.made) <= 9


def test_one_may_run_ahead_of_another() -> None:
    inner = Steps(10)

    def doubled() -> Generator[int, None, None]:
        with ahead(inner.numbers(), at_most=1) as numbers:
            for number in numbers:
                yield 2 * number

    with ahead(doubled(), at_most=1) as numbers:
        assert next(numbers) == 0
    assert inner.is_closed
