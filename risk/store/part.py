"""What every part of the store stands on."""

from typing import Self

from risk.store.store_file import StoreFile


class Part:
    def __init__(self, file: StoreFile) -> None:
        self._file = file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def check_file(self) -> None:
        """StaleOwnerError where the path leads to another file by now, or to none."""
        self._file.check_file()

    def close(self) -> None:
        self._file.close()
