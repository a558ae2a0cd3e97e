"""`verify`: the audit, and its report."""

import argparse
import asyncio

from console.options import option_of, settings_of
from console.start import EXIT_FAILED, EXIT_OK
from risk.clock import date_ms
from risk.kafka.connection import connection_of
from risk.store import open_store
from scorer.options import add_bundle, bundle_of
from scorer.verify.audit import Asked, audit
from scorer.verify.findings import Span
from scorer.verify.report import report


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "verify",
        help="score the whole log again, and compare with what is there",
        description="Read the transactions again from the beginning, score them with the bundle that each flag names "
        "and the ledger days of their topic, and compare flags, alerts, rejects and the store with what comes out, to "
        "the byte. Nothing is written; workers may go on meanwhile. docs/verify.md says what this proves.",
        epilog="exit status: 0 identical; 1 not identical, or it could not be verified",
    )
    day = option_of(_day)
    command.add_argument("--from", dest="since", type=day, metavar="DAY", help="compare what happened from that day on")
    command.add_argument("--until", type=day, metavar="DAY", help="and before that one; all before it is read anyway")
    add_bundle(command)
    command.set_defaults(run=_run)


def _day(text: str) -> int:
    try:
        return date_ms(text)
    except ValueError:
        raise ValueError("a day such as 2024-12-01") from None


def _run(options: argparse.Namespace) -> int:
    settings = settings_of(options)
    whole = Span()
    span = Span(
        whole.since if options.since is None else options.since, whole.until if options.until is None else options.until
    )
    bundle = bundle_of(options)
    store = open_store(settings.db, read_only=True)
    try:
        asked = Asked(connection_of(settings), settings.topic_prefix, store, bundle, span)
        findings = asyncio.run(audit(asked))
    finally:
        store.close()
    report(findings)
    return EXIT_OK if findings.is_identical else EXIT_FAILED
