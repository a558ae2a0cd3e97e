"""`verify`: the audit, and its report."""

import argparse
import asyncio

from console.options import settings_of
from console.start import EXIT_FAILED, EXIT_OK
from risk.bundle import read_bundle
from risk.kafka.connection import connection_of
from scorer.opening import store_to_read
from scorer.verify.audit import AuditOptions, audit
from scorer.verify.findings import Span
from scorer.verify.report import report


def run(options: argparse.Namespace) -> int:
    settings = settings_of(options)
    whole = Span()
    span = Span(
        whole.since if options.since is None else options.since, whole.until if options.until is None else options.until
    )
    bundle = read_bundle(options.bundle)
    store = store_to_read(settings.db)
    try:
        wanted = AuditOptions(connection_of(settings), settings.topic_prefix, store, bundle, span)
        findings = asyncio.run(audit(wanted))
    finally:
        store.close()
    report(findings, must_be_complete=options.complete)
    is_well = findings.is_identical and (findings.is_complete or not options.complete)
    return EXIT_OK if is_well else EXIT_FAILED
