"""inspect: what is in a file, what its columns may mean, and what to beware of."""

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from console.options import checked_target, settings_of
from console.output import replaced, unfinished, writing
from console.terminal import harmless, progress, say
from risk.dataset import BadRow, Dataset, open_dataset
from risk.dataset.encoding import encoding_notice
from risk.dataset.kinds import open_source
from risk.dataset.map_file import load_map
from risk.dataset.written_map import write_map
from risk.errors import DatasetError, OptionError
from risk.words import counted
from trainer.inspection.facts import survey
from trainer.inspection.findings import find
from trainer.inspection.future import known_afterwards
from trainer.inspection.giveaway import giveaways
from trainer.inspection.proposal import propose
from trainer.inspection.report import Report, print_incomplete, print_report


def run(options: argparse.Namespace) -> int:
    _check_options(options)
    with _written(options.rejects) as note:
        report = look(options.file, options.columns, settings_of(options).label_delay, note)
        if report.dataset is None:
            print_incomplete(report)
            raise DatasetError(f"{options.file}: {_why_no_map(report)}")
        print_report(report)
        if not report.dataset.row_count > report.dataset.bad.count:
            raise DatasetError(f"{options.file}: {_why_none(report.dataset, options.columns)}")
    if options.rejects:
        say()
        say(f"wrote {options.rejects}: {counted(report.dataset.bad.count, 'row', 'rows')} that cannot be used")
    if options.write:
        _write(options.write, report, options.file)
    elif not options.columns:
        say("this map is not written: --write map.toml writes it, for --columns map.toml of the other commands")
    return 0


@contextmanager
def _written(rejects: Path | None) -> Iterator[Callable[[BadRow], None] | None]:
    """What writes a bad row, as a line. The file is there only if all went well."""
    if rejects is None:
        yield None
        return
    with unfinished(rejects) as (temporary,):
        with writing(rejects):
            out = temporary.open("wb")
        with out:

            def note(bad: BadRow) -> None:
                with writing(rejects):
                    out.write(msgspec.json.encode(bad) + b"\n")

            yield note
            with writing(rejects):
                out.flush()


def look(
    file: Path, columns: Path | None, label_delay: int = 7, note: Callable[[BadRow], None] | None = None
) -> Report:
    """Everything that is to be said, before anything is said: progress does not run into the report."""
    source = open_source(file)
    given = load_map(columns) if columns else None
    if given is not None:
        given.check_columns(source.columns, str(file))
    with progress("looking", None) as advance:
        looked = survey(source, advance)
    encoding = None if given else encoding_notice(file, looked.not_utf8)
    if encoding is not None:
        raise DatasetError(f"{encoding}. No map is proposed for what would be lost.")
    proposal = propose(looked.sample, "the proposed map", looked.twice, looked.nested)
    column_map = given or proposal.column_map
    if column_map is None or not looked.rows:
        return Report(file, looked, proposal, given, None, None)
    if given is not None and given.is_fraud is not None:
        labels = {column for _, column in given.label_columns()}
        others = [one.name for one in looked.columns if one.name not in labels]
        proposal = proposal._replace(giveaways=giveaways(looked.sample, given.is_fraud, others))
    if given is not None:
        decimals = {one.column: one.decimal for one in (given.amount, *given.attributes) if one is not None}
        amount = given.amount.column if given.amount else None
        mapped = [one.column for one in given.attributes]
        proposal = proposal._replace(future=known_afterwards(looked.sample, mapped, amount, decimals))
    dataset = open_dataset(file, column_map, on_bad=note)
    with progress("reading", dataset.row_count) as advance:
        found = find(dataset, advance, label_delay)
    return Report(file, looked, proposal, given, dataset, found)


def _why_no_map(report: Report) -> str:
    if not report.looked.rows:
        return "has no rows: expected some below the names of the columns."
    return f"no map can be proposed: {'; '.join(report.proposal.comments['event_time'])}."


def _why_none(dataset: Dataset, columns: Path | None) -> str:
    reason, count = dataset.bad.by_reason.most_common(1)[0]
    what = "the proposed map" if columns is None else str(columns)
    advice = "write a map by hand: docs/datasets.md shows how" if columns is None else "that map"
    return (
        f"no row can be read with {what} ({count:,} of {dataset.row_count:,} have the reason {reason.value}): "
        f"expected some. Correct the file, or {advice}."
    )


def _check_options(options: argparse.Namespace) -> None:
    if options.write and options.columns:
        raise OptionError("--write with --columns: the map is there already. Leave one of them away.")
    if options.write and options.rejects and options.write.resolve() == options.rejects.resolve():
        raise OptionError(
            f"--rejects {options.rejects}: is the file of --write, too: each needs its own. Name another."
        )
    for option, target in (("--write", options.write), ("--rejects", options.rejects)):
        if target is not None:
            checked_target(option, target, force=options.force, inputs=_read(options))


def _read(options: argparse.Namespace) -> list[Path]:
    return [options.file, options.columns] if options.columns else [options.file]


def _write(path: Path, report: Report, file: Path) -> None:
    """Whole or not at all."""
    column_map, comments = report.proposal.column_map, report.proposal.comments
    assert column_map is not None
    head = f"# Proposed for {harmless(file.name)}. Check it; docs/datasets.md explains every line.\n\n"
    with replaced(path) as (unfinished,):
        unfinished.write_text(head + write_map(column_map, comments), encoding="utf-8")
    say()
    say(f"wrote {path}")
