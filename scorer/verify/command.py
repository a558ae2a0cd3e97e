"""`verify`: the audit, and its report."""

import argparse
import asyncio

from console.options import settings_of
from console.start import EXIT_FAILED, EXIT_OK
from risk.kafka.connection import connection_of
from risk.store import open_store
from scorer.options import bundle_of
from scorer.verify.audit import Asked, audit
from scorer.verify.findings import Span
from scorer.verify.report import report


def run(options: argparse.Namespace) -> int:
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
