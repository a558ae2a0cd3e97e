"""inspect: what is in a file, what its columns may mean, and what to beware of."""

import argparse
from pathlib import Path

from risk.dataset import open_dataset
from risk.dataset.column_map import ColumnMap
from risk.dataset.map_file import load_map, write_map
from risk.dataset.source import open_source
from risk.errors import DatasetError, OptionError
from trainer.inspection.facts import Survey, survey
from trainer.inspection.findings import facts, find, warnings
from trainer.inspection.proposal import Proposal, propose
from trainer.terminal import out, progress


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = subparsers.add_parser("inspect", help="look at a file and propose a column map", description=__doc__)
    command.add_argument("file", type=Path, metavar="FILE", help="CSV, Parquet or NDJSON")
    command.add_argument("--columns", type=Path, metavar="MAP", help="look at the file through this map, propose none")
    command.add_argument("--write", type=Path, metavar="MAP", help="write the proposed map to this file")
    command.add_argument("--force", action="store_true", help="let --write replace a file")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    _check_options(options)
    source = open_source(options.file)
    given = load_map(options.columns) if options.columns else None
    if given is not None:
        given.check_columns(source.columns, str(options.file))
    looked = survey(source)
    _print_columns(options.file, looked)
    proposal = propose(looked.sample, "the proposed map")
    column_map = given or proposal.column_map
    if column_map is None:
        raise DatasetError(f"{options.file}: {_no_map(proposal)}")
    dataset = open_dataset(options.file, column_map)
    with progress("reading", dataset.row_count) as advance:
        found = find(dataset, advance)
    _say()
    for name, value in facts(found, dataset.row_count):
        _say(f"{name:15} {value}")
    if given is None:
        _print_proposal(column_map, proposal)
    said = warnings(found, dataset) + _from_columns(looked, column_map, proposal)
    _say()
    for warning in said:
        _say(f"warning: {warning}")
    if not said:
        _say("no warnings")
    if options.write:
        _write(options.write, column_map, options.file)
    return 0


def _check_options(options: argparse.Namespace) -> None:
    if options.write and options.columns:
        raise OptionError("--write with --columns: the map is there already. Leave one of them away.")
    if options.write and options.write.exists() and not options.force:
        raise OptionError(f"--write {options.write}: the file exists. Name another, or add --force to replace it.")
    if options.write and not options.write.resolve().parent.is_dir():
        raise OptionError(
            f"--write {options.write}: there is no folder {options.write.parent}. Make it, or name another."
        )


def _no_map(proposal: Proposal) -> str:
    return f"no map can be proposed: {'; '.join(proposal.remarks)}."


def _print_columns(file: Path, looked: Survey) -> None:
    _say(f"{file}: {looked.rows:,} rows, {len(looked.columns)} columns")
    lines = [("column", "type", "missing", "distinct", "examples")]
    for one in looked.columns:
        share = f"{one.missing / one.rows:.1%}" if one.missing and one.rows else "-"
        lines.append((one.name, one.kind, share, one.distinct, one.shown_examples))
    name, kind, missing, distinct, _ = (max(map(len, cells)) for cells in zip(*lines, strict=True))
    for cells in lines:
        start = f"{cells[0]:{name}}  {cells[1]:{kind}}  {cells[2]:>{missing}}  {cells[3]:>{distinct}}"
        _say(f"{start}  {cells[4]}")


def _say(text: str = "") -> None:
    out.print(_plain(text), markup=False)


def _plain(text: str) -> str:
    """A file's names and values are shown, not obeyed: control characters are orders to a terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _print_proposal(column_map: ColumnMap, proposal: Proposal) -> None:
    _say()
    _say("proposed map:")
    for line in write_map(column_map).splitlines():
        _say(f"    {line}" if line else "")
    if proposal.remarks:
        _say()
        _say("why, and what to check:")
    for remark in proposal.remarks:
        _say(f"    {remark}")


def _from_columns(looked: Survey, column_map: ColumnMap, proposal: Proposal) -> list[str]:
    """Warnings about columns as such."""
    said = []
    used = {column: key for key, column in column_map.columns_by_key()}
    for one in looked.columns:
        if one.not_numbers:
            said.append(f"unparseable values: {one.not_numbers:,} of the column {one.name} are not numbers")
        if one.missing and used.get(one.name, "").startswith("attributes."):
            said.append(f"missing values: {one.name} in {one.missing:,} rows ({one.missing / one.rows:.2%})")
    for column, how in proposal.giveaways.items():
        place = f"it is mapped as {used[column]}" if column in used else "it is not in the map"
        said.append(f"the column {column} gives the label away: {how}; {place}")
    return said


def _write(path: Path, column_map: ColumnMap, file: Path) -> None:
    """Whole or not at all."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    head = f"# Proposed for {_plain(file.name)}. Check it; docs/datasets.md explains every line.\n\n"
    try:
        unfinished.write_text(head + write_map(column_map), encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise OptionError(f"--write {path}: cannot be written ({error.strerror}). Name another file.") from error
    _say()
    _say(f"wrote {path}")
