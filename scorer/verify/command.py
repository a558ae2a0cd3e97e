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
    asked = {"since": options.since, "until": options.until}
    span = Span(**{name: day for name, day in asked.items() if day is not None})
    bundle = read_bundle(options.bundle)
    with store_to_read(settings.db) as store:
        options_of_audit = AuditOptions(
            connection_of(settings), settings.topic_prefix, store, bundle, settings.rules, span
        )
        findings = asyncio.run(audit(options_of_audit))
    report(findings, must_be_complete=options.complete)
    is_well = findings.is_identical and (findings.is_complete or not options.complete)
    return EXIT_OK if is_well else EXIT_FAILED
