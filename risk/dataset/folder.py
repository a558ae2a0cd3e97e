"""A folder of files of one kind is read as one file: one after the other, in the order of their names."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from msgspec.structs import replace

from risk.dataset.source import Piece, Source
from risk.errors import DatasetError

# The kinds of files, by what people call them.
ENDINGS = {
    "CSV": (".csv", ".tsv", ".txt"),
    "NDJSON": (".ndjson", ".jsonl", ".json"),
    "Parquet": (".parquet", ".pq"),
}


def kind_of_file(path: Path) -> str | None:
    """By its ending; text files may be packed, and None is no kind."""
    is_packed = path.suffix.lower() == ".gz"
    ending = path.with_suffix("").suffix.lower() if is_packed else path.suffix.lower()
    kind = next((kind for kind, endings in ENDINGS.items() if ending in endings), None)
    return None if is_packed and kind == "Parquet" else kind


def part_files(path: Path) -> list[Path]:
    """The file itself; of a folder its files by name, without what Spark and Hadoop put beside them."""
    if not path.is_dir():
        _check_plain(path)
        return [path]
    try:
        found = sorted(one for one in path.iterdir() if not one.name.startswith(("_", ".")))
    except OSError as error:
        raise DatasetError(
            f"{path}: its files cannot be listed ({error.strerror}): expected a folder that may be read. Check its"
            " rights."
        ) from error
    kinds = [kind for kind in map(kind_of_file, found) if kind is not None]
    kind = kinds[0] if kinds else "CSV, Parquet or NDJSON"
    for one in found:
        if one.is_dir():
            raise DatasetError(
                f"{path}: holds the folder {one.name}: expected {kind} files alone. Write it without partitions, or"
                " name one of the folders."
            )
        if kind_of_file(one) != kind:
            raise DatasetError(
                f"{path}: holds {one.name}: expected {kind} files alone. Name one file, or move the others away."
            )
        _check_plain(one)
    if not found:
        raise DatasetError(
            f"{path}: is a folder without CSV, Parquet or NDJSON files: expected a file, or a folder of files of one"
            " kind."
        )
    return found


def _check_plain(path: Path) -> None:
    """Who reads a pipe waits for somebody who writes, and a device may never end."""
    if path.exists() and not path.is_file():
        raise DatasetError(f"{path}: is not a file: expected a CSV, Parquet or NDJSON file.")


class FolderSource:
    """Text files with the same columns. Rows are counted through all of them; lines of one file would mislead."""

    def __init__(self, path: Path, open_file: Callable[[Path], Source]) -> None:
        parts = part_files(path)
        self.files = [open_file(part) for part in parts]
        first = self.files[0]
        self.columns = list(dict.fromkeys(name for source in self.files for name in source.columns))
        self.types = {name: type_ for source in self.files for name, type_ in source.types.items()}
        if kind_of_file(parts[0]) == "CSV":  # an object of NDJSON may leave keys away
            self.columns = first.columns  # a name that is there twice is so in all of them
            for part, source in zip(parts, self.files, strict=True):
                if sorted(source.columns) != sorted(first.columns):
                    raise DatasetError(
                        f"{part}: {_difference(source.columns, first.columns, parts[0].name)}: expected the same"
                        f" columns in all files of {path}. Add what is lacking, with empty values where nothing is"
                        " known, or move this file away."
                    )

    def pieces(self, columns: Sequence[str]) -> Iterator[Piece]:
        before = 0
        for source in self.files:
            count = 0
            for piece in source.pieces(columns):
                count += piece.table.num_rows + len(piece.bad)
                bad = [replace(one, row=one.row + before, line=None) for one in piece.bad]
                yield Piece(piece.table, piece.rows + before, None, bad)
            before += count


def _difference(columns: Sequence[str], others: Sequence[str], other: str) -> str:
    """Of names that are there as often in both nothing is said."""
    lacks, has = ([*(Counter(one) - Counter(two))] for one, two in ((others, columns), (columns, others)))
    said = [f"has no column {', '.join(lacks[:8])}, which {other} has"] if lacks else []
    said += [f"has the column {', '.join(has[:8])}, which {other} has not"] if has else []
    return ", and ".join(said)
