"""`worker`: one process of the group."""

import argparse

import uvloop

from console.alive import alive_of
from console.help import epilog
from console.options import add_bundle, option_of
from console.start import EXIT_OK
from console.terminal import complain
from risk.bundle import models_of, read_bundle
from risk.errors import BrokerAwayError, StaleOwnerError, StoreBusyError
from risk.kafka.connection import connection_of
from risk.kafka.log import LIMIT_SECONDS
from risk.rules.compiled import compiled_for
from risk.rules.rule_set import rules_in_force
from risk.settings import number, read_settings
from scorer.ledger.waiting import GIVES_UP_AFTER_SECONDS
from scorer.worker.clients import SEND_SECONDS
from scorer.worker.exits import EXIT_AWAY, EXIT_BUSY, EXIT_STALE, EXIT_STALLED, status_of
from scorer.worker.faust_adapter import SESSION_SECONDS
from scorer.worker.logs import FORMATS, log_to_stderr
from scorer.worker.process import Options, collect_less, run


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "worker",
        description="Score transactions as they come: flags, alerts and rejects to their topics, everything to the "
        "store. Start as many as there are partitions; each is safe to kill at any moment. Ends on SIGTERM or Ctrl-C.",
        epilog=epilog(
            "python -m scorer worker",
            "python -m scorer worker --bundle models/lightgbm-1a2b3c4d --metrics-port 0 --log-format json",
            notes="docs/runbook.md says what to do when a worker ends, or does not go on.",
            done="ended by SIGTERM or Ctrl-C; what was under way is repeated by the next worker",
            failed="could not begin, or a person must act; the last line says why",
            when_ended=" before it began",
            also=(
                (EXIT_STALE, "a partition has another owner, or the store's file was exchanged; start it again"),
                (EXIT_STALLED, "the watchdog found that nothing got on; start it again"),
                (EXIT_AWAY, "Kafka did not answer for too long; start it again, as often as it takes"),
                (EXIT_BUSY, "another program kept the store locked for too long; start it again"),
            ),
        ),
    )
    add_bundle(command)
    command.add_argument("--metrics-port", metavar="PORT", help="where metrics are shown; 0 picks a free port")
    command.add_argument("--log-level", choices=("debug", "info", "warning", "error"), help="(default: info)")
    command.add_argument("--log-format", choices=FORMATS, default="text", help="text for people, json for machines")
    command.add_argument(
        "--accept-gap",
        action="store_true",
        help="go on although records that were never scored are gone from the log; without it the worker stops",
    )
    command.add_argument(
        "--stall-seconds",
        type=option_of(number),
        default=180.0,
        metavar="SECONDS",
        help="end when there is work and nothing was stored for so long (default: 180)",
    )
    # How long a worker waits for others: the proof makes these short, and nobody else has a reason to.
    for name, default in (
        ("--give-up-seconds", GIVES_UP_AFTER_SECONDS),
        ("--send-seconds", SEND_SECONDS),
        ("--session-seconds", SESSION_SECONDS),
        ("--read-seconds", LIMIT_SECONDS),
    ):
        command.add_argument(name, type=option_of(number), default=default, help=argparse.SUPPRESS)
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    said = {
        name: (option, value)
        for name, option, value in (
            ("METRICS_PORT", "--metrics-port", options.metrics_port),
            ("LOG_LEVEL", "--log-level", options.log_level),
        )
        if value is not None
    }
    settings = read_settings(options.environment, said)
    log_to_stderr(settings.log_level, options.log_format)
    bundle, rules = read_bundle(options.bundle), rules_in_force(settings.rules)
    wanted = Options(
        bundle=bundle,
        models=models_of(options.bundle),
        rules=None if rules is None else compiled_for(rules, bundle.manifest),
        rules_folder=settings.rules,
        connection=connection_of(settings),
        prefix=settings.topic_prefix,
        store=settings.db,
        metrics_host=settings.metrics_host,
        metrics_port=settings.metrics_port,
        accept_gap=options.accept_gap,
        stall_seconds=options.stall_seconds,
        give_up_seconds=options.give_up_seconds,
        send_seconds=options.send_seconds,
        session_seconds=options.session_seconds,
        read_seconds=options.read_seconds,
        alive=alive_of(options.environment),
    )
    collect_less()
    try:
        uvloop.run(run(wanted))
    except (BrokerAwayError, StaleOwnerError, StoreBusyError) as error:
        # Before it had begun; afterwards whatever goes wrong ends the process at once, with the same statuses.
        complain(str(error))
        return status_of(error)
    return EXIT_OK
