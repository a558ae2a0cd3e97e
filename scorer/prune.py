"""`prune`: lets go of what is old in the store, and keeps what a restart or the ledger can still ask for."""

import argparse
from typing import TYPE_CHECKING

import msgspec

from console.help import epilog
from console.options import option_of, settings_of
from console.start import EXIT_OK
from console.terminal import say
from risk.clock import to_date
from risk.settings import duration
from risk.store import Store, open_store
from risk.topics import topics_of
from risk.words import counted
from scorer.options import add_bundle, bundle_of

if TYPE_CHECKING:
    from risk.bundle import Manifest


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "prune",
        description="Let go of flags, labels and ledger rows that are older than so much before the newest event. What "
        "histories are rebuilt from, and ledger days that are not closed yet, stay. Offsets stay; the topics are not "
        "touched. Workers may go on meanwhile. The file does not shrink: its room is used again.",
        epilog=epilog("python -m scorer prune --older-than 400d"),
    )
    command.add_argument("--older-than", type=option_of(duration), required=True, metavar="TIME", help="such as 400d")
    add_bundle(command)
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    settings = settings_of(options)
    manifest = bundle_of(options).manifest
    open_store(settings.db, read_only=True).close()  # where there is none it says so; the next line would make one
    store = open_store(settings.db)
    try:
        pruned = store.prune(
            topics_of(settings.topic_prefix).transactions,
            older_than_ms=options.older_than,
            max_lateness_ms=_greatest_lateness(store, manifest),
            ledger=(manifest.label_delay_days, manifest.bucket_ms) if "merchant_id" in manifest.fields else None,
        )
    finally:
        store.close()
    flags, labels = counted(pruned.flags, "flag", "flags"), counted(pruned.labels, "label", "labels")
    say(f"gone: {flags}, {labels}, {counted(pruned.ledger_rows, 'row', 'rows')} of the merchant ledger")
    if pruned.whole_from is not None:
        day = to_date(pruned.whole_from)
        say(f"the store is whole from {day} on: python -m scorer verify --from {day}")
    for text in pruned.kept:
        say(f"kept: {text}")
    return EXIT_OK


class _Lateness(msgspec.Struct):
    """The one part of a stored manifest that matters here; the rest may be of an older format."""

    max_lateness_ms: int


def _greatest_lateness(store: Store, manifest: "Manifest") -> int:
    """A rebuild may need an older bundle's histories, which may reach further back."""
    stored = [msgspec.json.decode(bundle.manifest, type=_Lateness).max_lateness_ms for bundle in store.bundles()]
    return max([manifest.max_lateness_ms, *stored])
