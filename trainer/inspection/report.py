"""What inspect prints: the columns, the facts, the proposed map, the warnings."""

from pathlib import Path
from typing import NamedTuple

from console.terminal import say, say_table
from risk.dataset import Dataset
from risk.dataset.column_map import ColumnMap
from risk.dataset.names import counts_rows
from risk.dataset.values import as_labels
from risk.dataset.written_map import write_fields, write_map, written
from risk.words import counted
from trainer.inspection.facts import Survey, column_of
from trainer.inspection.findings import Findings, facts, warnings
from trainer.inspection.future import parting_differences
from trainer.inspection.proposal import Proposal
from trainer.inspection.words import sensitive_by_name, words_of


class Report(NamedTuple):
    """Everything that was found. Without a complete map there are no dataset and no findings."""

    file: Path
    looked: Survey
    proposal: Proposal
    given: ColumnMap | None
    dataset: Dataset | None
    found: Findings | None


def print_report(report: Report) -> None:
    _print_columns(report)
    assert report.dataset is not None
    assert report.found is not None
    say()
    for name, value in facts(report.found, report.dataset.row_count):
        say(f"{name:15} {value}")
    if report.given is None:
        _print_map("proposed map:", write_map(report.dataset.column_map), report.proposal.remarks)
    said = [*warnings(report.found, report.dataset), *_twice(report.looked), *from_columns(report, report.dataset)]
    _print_warnings(said)


def print_incomplete(report: Report) -> None:
    """What was found where no map can be made of it."""
    _print_columns(report)
    if report.looked.rows:
        proposal = report.proposal
        _print_map("found so far:", write_fields(proposal.fields, proposal.attributes, {}), proposal.remarks)
    said = _twice(report.looked)
    if report.looked.unreadable:
        said.insert(0, f"unreadable: {counted(report.looked.unreadable, 'row has', 'rows have')} no columns")
    if report.looked.rows or said:
        _print_warnings(said)


def _print_columns(report: Report) -> None:
    looked = report.looked
    say(f"{report.file}: {counted(looked.rows, 'row', 'rows')}, {counted(len(looked.columns), 'column', 'columns')}")
    lines = [("column", "type", "missing", "distinct", "examples")]
    for one in looked.columns:
        share = f"{one.missing / one.rows:.1%}" if one.missing and one.rows else "-"
        lines.append((one.name, one.kind, share, one.distinct, one.shown_examples))
    say_table(lines, left=2)


def _print_map(title: str, text: str, remarks: list[str]) -> None:
    say()
    say(title)
    for line in text.splitlines():
        say(f"    {line}" if line else "")
    if remarks:
        say()
        say("why, and what to check:")
    for remark in remarks:
        say(f"    {remark}")


def _print_warnings(said: list[str]) -> None:
    say()
    for warning in said:
        say(f"warning: {warning}")
    if not said:
        say("no warnings")


def _twice(looked: Survey) -> list[str]:
    return [f"the column {name!r} is there twice: expected it once, so it was not looked at. Rename one."
            for name in looked.twice]  # fmt: skip


def from_columns(report: Report, dataset: Dataset) -> list[str]:
    """Warnings about columns as such."""
    said = []
    column_map = dataset.column_map
    used = {column: key for key, column in column_map.columns_by_key()}
    commas = {
        one.column for one in (column_map.amount, *column_map.attributes) if one is not None and one.decimal == ","
    }
    for one in report.looked.columns:
        if one.not_numbers and one.name not in commas:
            are = counted(one.not_numbers, "value", "values")
            said.append(f"unparseable values: {are} of the column {one.name} cannot be read as numbers")
        if one.missing and used.get(one.name, "").startswith("attributes."):
            rows = counted(one.missing, "row", "rows")
            said.append(f"missing values: {one.name} in {rows} ({one.missing / one.rows:.2%})")
    for attribute in column_map.attributes:
        if counts_rows(attribute.column, column_of(report.looked.sample, attribute.column)):
            said.append(
                f"the column {attribute.column} only counts the rows, and no message of a stream has it; it is mapped"
                f" as attributes.{attribute.name}: take it out"
            )
        what = sensitive_by_name(words_of(attribute.column))
        if what is not None and attribute.name not in column_map.sensitive:
            said.append(
                f"the column {attribute.column} says {what} by its name, and models learn from it: write sensitive ="
                f" [{written(attribute.name)}], unless the name misleads"
            )
    for column, how in report.proposal.giveaways.items():
        place = "it is not in the map"
        if column in used:
            place = (
                f"it is mapped as {used[column]}: take it out of the map, unless it is known at the moment of the"
                " transaction"
            )
        said.append(f"the column {column} gives the label away: {how}; {place}")
    for column, how in report.proposal.future.items():
        if column not in report.proposal.giveaways:
            place = f"it is mapped as {used[column]}: take it out" if column in used else "it is not in the map"
            said.append(f"the column {column} knows the future: {how}; {place}")
    if column_map.is_fraud is not None:
        label = column_map.is_fraud
        is_fraud = as_labels(column_of(report.looked.sample, label.column), {}, label.fraud, label.genuine)[:100_000]
        read = [one for one in (column_map.amount, *column_map.attributes) if one is not None]
        said += parting_differences(
            report.looked.sample, [one.column for one in read], is_fraud, {one.column: one.decimal for one in read}
        )
    return said
