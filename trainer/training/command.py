"""The train command: from its options to the files that it leaves behind."""

import argparse
from collections.abc import Callable
from pathlib import Path

from console.terminal import say, warn
from risk.bundle import Manifest
from trainer.evidence.write import write_report
from trainer.training.asked import Asked, asked_for
from trainer.training.assembling import bundle_files, manifest_of
from trainer.training.bundle_folder import make_current, prepare_folder, write_bundle
from trainer.training.promotion import why_not
from trainer.training.same_bits import one_thread
from trainer.training.source import Opened, check_unchanged
from trainer.training.stages import Stages
from trainer.training.summary import about, say_end
from trainer.training.whole_folder import whole_folder
from trainer.training.workflow import Result, learn_and_judge, open_file

# Figures that belong to a report and not to a bundle: a curve, and data that may be another one next time.
NOT_IN_MANIFEST = ("sweep", "external")


def train(options: argparse.Namespace) -> int:
    asked = asked_for(options)
    prepare_folder("--models", asked.models)
    prepare_folder("--reports", asked.reports)
    with one_thread():
        stages = Stages()
        with stages.stage("open"):
            file = open_file(asked)
        result = learn_and_judge(file, asked, stages)
        manifest, was_written = _written(file, asked, result, stages)
    say_end(asked, manifest, result.figures, was_written)
    _promote(asked, manifest.version, result)
    return 0


def _promote(asked: Asked, version: str, result: Result) -> None:
    against = why_not(result.figures)
    how = f"`python -m trainer promote {version} --models {asked.models}` puts it in use"
    if against is not None:
        warn(f"{version} was NOT put in use: {against}. {how} all the same")
    elif not asked.may_promote:
        say(f"not in use  {how}")
    else:
        make_current(asked.models, version)
        say(f"in use      {version} is the current one of {asked.models} now")


def _written(file: Opened, asked: Asked, result: Result, stages: Stages) -> tuple[Manifest, bool]:
    metrics = {name: value for name, value in result.figures.items() if name not in NOT_IN_MANIFEST}
    manifest = manifest_of(file, asked, result, stages.seconds, metrics)
    check_unchanged(file.path, file.stamp)
    with whole_folder(asked.reports / manifest.version) as temporary:
        was_written = report_then_bundle(
            lambda: _staged_evidence(temporary, asked, manifest, result, stages),
            lambda: write_bundle(asked.models, manifest.version, bundle_files(manifest, result.champion)),
            f"{manifest.version} is in {asked.models} and was NOT put in use, because its report failed",
        )
    return manifest, was_written


def report_then_bundle(write_report: Callable[[], None], write_bundle: Callable[[], bool], without: str) -> bool:
    """Whether there is a new bundle. The report takes its place after the bundle has: where a bundle fails, no report
    stays behind. A full disk leaves neither. Anything else that is wrong with the report does not lose the bundle."""
    try:
        write_report()
    except OSError:
        raise
    except Exception:
        write_bundle()
        warn(without)
        raise
    return write_bundle()


def _staged_evidence(folder: Path, asked: Asked, manifest: Manifest, result: Result, stages: Stages) -> None:
    with stages.stage("report"):
        write_evidence(folder, asked, manifest, result)


def write_evidence(folder: Path, asked: Asked, manifest: Manifest, result: Result) -> None:
    write_report(
        folder, result.figures, result.contenders, result.baselines, result.champion.kind,
        about(asked, manifest, result.session, result.models, result.external, result.figures),
        with_plots=asked.with_plots,
    )  # fmt: skip
