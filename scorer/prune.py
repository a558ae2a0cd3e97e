"""`prune`: lets go of what is old in the store, and keeps what a restart or the ledger can still ask for."""

import argparse

import msgspec

from console.help import epilog
from console.options import add_bundle, option_of, settings_of
from console.start import EXIT_OK
from console.terminal import say
from risk.bundle import read_bundle
from risk.clock import to_date
from risk.errors import StoreError
from risk.ledger_day import LedgerTerms
from risk.settings import duration
from risk.store import open_store, prune
from risk.topics import topics_of
from risk.words import counted


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "prune",
        description="Let go of flags, labels and ledger rows that are older than so much before the newest event. What "
        "histories are rebuilt from stays, and what days are closed from that are not closed yet in a ledger of any "
        "bundle that has scored. Offsets stay; the topics are not touched. Workers may go on meanwhile. The file does "
        "not shrink: its room is used again.",
        epilog=epilog("python -m scorer prune --older-than 400d"),
    )
    command.add_argument(
        "--only-its-ledger",
        action="store_true",
        help="keep open days for this bundle's ledger only, where another label delay or bucket will not be used again",
    )
    command.add_argument("--older-than", type=option_of(duration), required=True, metavar="TIME", help="such as 400d")
    add_bundle(command)
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    settings = settings_of(options)
    manifest = read_bundle(options.bundle).manifest
    open_store(settings.db, read_only=True).close()  # where there is none it says so; the next line would make one
    with open_store(settings.db) as store:
        current = terms_of(manifest.version, msgspec.json.encode(manifest).decode())
        known = [current, *(terms_of(stored.version, stored.manifest) for stored in store.bundles())]
        ledgers = {ledger for terms in known[: 1 if options.only_its_ledger else None] for ledger in terms.ledgers()}
        if not options.only_its_ledger:
            ledgers |= {ledger.terms for ledger in store.ledgers()}
        pruned = prune(
            store,
            topics_of(settings.topic_prefix).transactions,
            older_than_ms=options.older_than,
            # A rebuild may need an older bundle's histories, which may reach further back.
            max_lateness_ms=max(terms.max_lateness_ms for terms in known),
            ledgers=sorted(ledgers),
        )
    flags, labels = counted(pruned.flags, "flag", "flags"), counted(pruned.labels, "label", "labels")
    say(f"gone: {flags}, {labels}, {counted(pruned.ledger_rows, 'row', 'rows')} of the merchant ledger")
    if pruned.whole_from is not None:
        day = to_date(pruned.whole_from)
        say(f"the store is whole from {day} on: python -m scorer verify --from {day}")
    for text in pruned.kept:
        say(f"kept: {text}")
    if pruned.kept and len(ledgers) > 1:
        say("where a label delay or bucket will not be used again, --only-its-ledger lets go of its open days")
    return EXIT_OK


class BundleTerms(msgspec.Struct):
    """Of a bundle's manifest what matters here; the rest may be of an older format."""

    max_lateness_ms: int
    label_delay_days: int
    bucket_ms: int
    fields: tuple[str, ...] = ()

    def ledgers(self) -> list[LedgerTerms]:
        """The ledger that it scores with, if it has one."""
        return [LedgerTerms(self.label_delay_days, self.bucket_ms)] if "merchant_id" in self.fields else []


def terms_of(version: str, manifest: str) -> BundleTerms:
    try:
        return msgspec.json.decode(manifest, type=BundleTerms)
    except msgspec.DecodeError as error:
        raise StoreError(
            f"the store: the manifest of bundle {version} cannot be read ({error}), expected it to say what "
            "must stay; nothing is pruned. Restore a backup, or begin with a new store"
        ) from error
