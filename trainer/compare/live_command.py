"""compare --live: the command."""

import argparse

import msgspec

from console.options import settings_of
from console.start import EXIT_OK
from console.terminal import say
from trainer.backtest.period import asked_period
from trainer.challenger import both_of
from trainer.compare.live import Asked, compare_in_store
from trainer.compare.live_words import say_live
from trainer.compare.options import INTERESTING
from trainer.options import RESAMPLES, SEED


def run(options: argparse.Namespace) -> int:
    RESAMPLES.check(options)
    SEED.check(options)
    in_use, challenger = (bundle.manifest for bundle in both_of(options.models))
    asked = Asked(
        options.seed,
        options.resamples,
        asked_period(options.since, options.until),
        options.cases_per_day,
        INTERESTING if options.difference is None else options.difference,
    )
    found = compare_in_store(settings_of(options).db, in_use, challenger, asked)
    if options.json:
        say(msgspec.json.encode(found).decode())
    else:
        say_live(found, in_use.currency)
    return EXIT_OK
